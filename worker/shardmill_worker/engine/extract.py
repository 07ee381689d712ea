"""Extracting a batch: each item's frames into one shard, with its index and manifest part.

A clip is written whole or not at all: its frames are gathered in memory and go to the shard when
the last one is made.  The files get their names when all items are done; the manifest part, which
makes them count, gets its name from the worker.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

import google_crc32c
import numpy as np

from shardmill.contract.errors import ItemError
from shardmill.contract.geometry import Size
from shardmill.contract.index import ClipEntry, FrameTable, write_index
from shardmill.contract.layout import Layout
from shardmill.contract.manifest import Facts, Item, Outcome, Row, write_part
from shardmill.contract.quantity import printable
from shardmill.contract.spec import Spec
from shardmill_worker.engine.decode import SourceFrame
from shardmill_worker.engine.faults import output_faults
from shardmill_worker.engine.image import read_image
from shardmill_worker.engine.media import Media, open_media
from shardmill_worker.engine.orientation import orientation_of
from shardmill_worker.engine.picture import PictureMaker
from shardmill_worker.engine.shards import Clip, Placed, StoredFrame, open_shard
from shardmill_worker.engine.video import Reading, VideoReader
from shardmill_worker.engine.work import Advance, ExtractWork


def extract_batch(work: ExtractWork, advance: Advance) -> Iterator[Outcome]:
    """Yield the outcome of each item, in order; then put the batch's files in place.

    The shard and its index appear under their names, and the manifest part under
    ``work.part_tmp``, only after the last outcome.  Without a single clip there is no shard.

    Args:
        work: What to do.
        advance: Called once a decoded frame.

    Raises:
        EnvironmentFault: OUT cannot be written, or the input directory is missing.
    """
    batch = _Batch(work)
    try:
        for position, (item, facts) in enumerate(zip(work.items, work.facts, strict=True)):
            outcome = work.judged.get(position) or _extract(work, item, facts, batch, advance)
            batch.rows.append(Row(item, facts, outcome))
            yield outcome
        batch.publish()
    finally:
        batch.remove_temporaries()


def _extract(
    work: ExtractWork, item: Item, facts: Facts, batch: "_Batch", advance: Advance
) -> Outcome:
    started_s = time.perf_counter()
    try:
        clip, reading = _read_clip(work, item, facts, advance)
        bytes_out = batch.add(clip)
    except ItemError as error:
        outcome = Outcome.of_error(error, stage="extract")
    else:
        outcome = Outcome(
            status="ok",
            frames_decoded=reading.decoded,
            frames_kept=len(clip.frames),
            clip_id=clip.clip_id,
            shard=work.shard,
            bytes_out=bytes_out,
        )
        if reading.damage is not None:
            outcome = outcome.damaged(reading.damage, stage="extract")
    return replace(outcome, seconds=time.perf_counter() - started_s, worker=work.worker)


def _read_clip(
    work: ExtractWork, item: Item, facts: Facts, advance: Advance
) -> tuple[Clip, Reading[StoredFrame]]:
    """Return the item's clip, and the reading that it is made of."""
    keep = _Keeper(work.spec)
    reopen = partial(open_media, work.root, item)
    reading: Reading[StoredFrame]
    if facts.kind == "image":
        reading = read_image(reopen, keep, advance)
    else:
        reading = VideoReader(
            reopen=reopen,
            item=item,
            selection=work.spec.selection,
            keep=keep,
            keep_partial=work.spec.keep_partial,
            advance=advance,
        ).read()
    clip = Clip(
        item=item,
        clip_id=clip_id(item),
        encoding=work.spec.encoding,
        width=keep.size.width,
        height=keep.size.height,
        fps=facts.fps or 0.0,
        frames=reading.kept,
    )
    return clip, reading


class _Keeper:
    """Makes stored frames of a clip's source frames."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._maker: PictureMaker | None = None

    @property
    def size(self) -> Size:
        """The size of every frame, known after the first."""
        assert self._maker is not None, "no frame was kept yet"
        return self._maker.size

    def begin(self) -> None:
        """Let the next frame decide the size again."""
        self._maker = None

    def __call__(self, media: Media, frame: SourceFrame) -> StoredFrame:
        if self._maker is None:
            orientation = orientation_of(media, frame.picture)
            self._maker = PictureMaker(self._spec, orientation, media.sample_aspect)
        data = self._maker.make(frame.picture)
        return StoredFrame(data, frame.pts_ns, frame.index, frame.keyframe)


def clip_id(item: Item) -> str:
    """Return the clip's stable name: 16 hex digits from path and segment."""
    name = os.fsencode(item.path) + b"\0" + str(item.segment).encode()
    return hashlib.blake2b(name, digest_size=8).hexdigest()


class _Batch:
    """The files of one attempt at a batch, temporary until they are published."""

    def __init__(self, work: ExtractWork) -> None:
        self.rows: list[Row] = []
        self._work = work
        self._layout = Layout(work.out)
        self._shard_tmp = os.path.join(self._layout.tmp, work.shard)
        self._index_tmp = f"{self._shard_tmp}.arrow"
        self._entries: list[ClipEntry] = []
        with output_faults(work.out):
            os.makedirs(self._layout.tmp, exist_ok=True)
            self._writer = open_shard(work.spec.format, self._shard_tmp)

    def add(self, clip: Clip) -> int:
        """Append a clip and return the size of its frames in bytes."""
        with output_faults(self._work.out):
            placed = self._writer.add(clip)
        self._entries.append(self._entry(clip, placed))
        return sum(len(frame.data) for frame in clip.frames)

    def publish(self) -> None:
        """Make shard and index durable under their names, and write the manifest part."""
        layout, shard = self._layout, self._work.shard
        with output_faults(self._work.out):
            layout.make()
            if self._entries:
                self._writer.finish()
                write_index(self._index_tmp, self._entries)
                os.replace(self._shard_tmp, layout.shard(shard))
                os.replace(self._index_tmp, layout.index_of(shard))
                for directory in (layout.shards, layout.index):
                    _sync_directory(directory)
            write_part(self._work.part_tmp, self.rows)
            _sync_directory(layout.tmp)

    def remove_temporaries(self) -> None:
        """Remove what was not published; after ``publish`` there is nothing of the sort."""
        self._writer.abandon()
        for path in (self._shard_tmp, self._index_tmp):
            with suppress(FileNotFoundError):
                os.unlink(path)

    def _entry(self, clip: Clip, placed: Placed) -> ClipEntry:
        crc32c = 0
        for frame in clip.frames:
            crc32c = google_crc32c.extend(crc32c, frame.data)
        return ClipEntry(
            clip_id=clip.clip_id,
            path=printable(clip.item.path),
            label=clip.item.label,
            label_id=clip.item.label_id,
            shard=self._work.shard,
            encoding=clip.encoding,
            width=clip.width,
            height=clip.height,
            crc32c=crc32c,
            record_offset=placed.record_offset,
            record_length=placed.record_length,
            frames=FrameTable(
                offset=placed.frame_offset,
                length=np.array([len(f.data) for f in clip.frames], dtype=np.int32),
                pts_ns=np.array([f.pts_ns for f in clip.frames], dtype=np.int64),
                source_index=np.array([f.source_index for f in clip.frames], dtype=np.int32),
                keyframe=np.array([f.keyframe for f in clip.frames], dtype=np.bool_),
            ),
        )


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
