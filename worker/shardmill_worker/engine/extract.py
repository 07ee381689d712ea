"""Extracting a batch: each item's frames into a shard, with its index and manifest part.

A clip is written whole or not at all: its frames are gathered in memory and go to the shard when
the last one is made.  The files get their names when all items are done; the manifest part, which
makes them count, gets its name from the worker.
"""

import hashlib
import os
from collections.abc import Generator, Iterator
from functools import partial
from typing import Final

import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace

from shardmill.contract.errors import Corrupt, Empty, ItemError
from shardmill.contract.options.geometry import Size
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.contract.spec import Spec
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest import write_part
from shardmill.dataset.manifest_rows import table_of
from shardmill.storage import files
from shardmill_worker.engine.copied import jpeg_as_it_is
from shardmill_worker.engine.decode import SourceFrame
from shardmill_worker.engine.faults import output_faults
from shardmill_worker.engine.formats.exif import Orientation
from shardmill_worker.engine.image import read_image
from shardmill_worker.engine.media import Media, open_media
from shardmill_worker.engine.orientation import orientation_in
from shardmill_worker.engine.picture import PictureMaker
from shardmill_worker.engine.reader import reader_of
from shardmill_worker.engine.shard import ShardInMaking
from shardmill_worker.engine.shards import Clip, StoredFrame
from shardmill_worker.engine.stopwatch import Stopwatch
from shardmill_worker.engine.video import Reading
from shardmill_worker.engine.work import Advance, ExtractWork

OVERRUN: Final = 2
"""How many times its aim a shard may grow before the batch goes on in another."""


def extract_batch(work: ExtractWork, advance: Advance) -> Generator[Outcome, None, pa.Table]:
    """Yield the outcome of each item, in order; then put the batch's files in place.

    In the end it returns the manifest rows.

    Shards and indexes appear under their names, and the manifest part under
    ``work.part_tmp``, only after the last outcome.  Without a single clip there is no shard.
    No directory is made: one that was taken away from a late attempt stays away.

    Args:
        work: What to do.
        advance: Called once a decoded frame.

    Raises:
        EnvironmentFault: OUT cannot be written, or the input directory is missing.
    """
    batch = _Batch(work)
    try:
        for run in _runs(work):
            results = _results(work, run, batch, advance)
            for position, (facts, outcome) in zip(run, results, strict=True):
                batch.rows.append(Row(work.items[position], facts, outcome))
                yield outcome
        return batch.publish()
    finally:
        batch.remove_temporaries()


def _runs(work: ExtractWork) -> Iterator[list[int]]:
    """Yield the positions of the items, those together that are clips of one video in a row."""
    run: list[int] = []
    for position, item in enumerate(work.items):
        if run and not (
            item.path == work.items[run[-1]].path
            and work.facts[position].kind == "video"
            and item.start_ns is item.end_ns is None  # parts have long ways to each other
        ):
            yield run
            run = []
        run.append(position)
    if run:
        yield run


def _results(
    work: ExtractWork, run: list[int], batch: "_Batch", advance: Advance
) -> Iterator[tuple[Facts, Outcome]]:
    """Yield facts and outcome of each item of a run; what it takes counts for the next to come."""
    watch = batch.watch
    watch.begin()
    for position, result in zip(run, _clips(work, run, watch, advance), strict=True):
        facts, outcome = work.facts[position], _stored(result, batch, work.items[position])
        if isinstance(result, _Made) and facts.kind == "video":
            facts = replace(facts, size_changes=result.size_changes)
        watch.was("write" if outcome.status == "ok" else "decode")  # where most things break
        spent = watch.columns()
        yield facts, replace(outcome, seconds=sum(spent.values()), worker=work.worker, **spent)
        watch.begin()


class _Made(Struct, frozen=True):
    """A clip that is ready to be stored."""

    clip: Clip
    reading: Reading[StoredFrame]
    """What it is made of."""
    size_changes: int
    """As in ``Facts``."""


def _stored(result: "_Made | ItemError", batch: "_Batch", item: Item) -> Outcome:
    """Put a clip into the batch's shard."""
    try:
        if isinstance(result, ItemError):
            if batch.keeps_partial and item.is_part and item.segment > 0:
                return _nothing_before(result, item)
            raise result
        clip, reading = result.clip, result.reading
        shard = batch.add(clip)
    except ItemError as error:
        return Outcome.of_error(error, stage="extract")
    outcome = Outcome(
        status="ok",
        frames_decoded=reading.decoded,
        frames_kept=len(clip.frames),
        clip_id=clip.clip_id,
        shard=shard,
        bytes_out=clip.size_bytes,
    )
    return outcome if reading.damage is None else outcome.damaged(reading.damage, stage="extract")


def _nothing_before(error: ItemError, item: Item) -> Outcome:
    """Return the outcome of a later part of a clip that holds no frame before its damage.

    The clip ends with the part before it, as if it had been read in one piece.

    Raises:
        ItemError: It is not damage that keeps the part from being used.
    """
    if isinstance(
        error, Empty
    ):  # each part has frames by the packets' times: the decoder lacks them
        error = Corrupt("The video is damaged before this part of it begins.")
    if not isinstance(error, Corrupt):
        raise error
    outcome = Outcome(status="ok", frames_kept=0, clip_id=clip_id(item), bytes_out=0)
    return outcome.damaged(error, stage="extract")


def _clips(
    work: ExtractWork, run: list[int], watch: Stopwatch, advance: Advance
) -> Iterator[_Made | ItemError]:
    """Yield each item's clip, or why there is none."""
    is_of_files = work.items[run[0]].sequence is not None or work.facts[run[0]].kind == "image"
    may_copy = work.spec.copy_if_fits and is_of_files
    keeps = [
        _Keeper(
            work.spec,
            orientation_in(work.facts[n]),
            may_copy=may_copy,
            first=_first_size(work.facts[n]) if work.items[n].is_part else None,
        )
        for n in run
    ]
    left = list(run)
    try:
        readings = _readings(work, run, keeps, watch, advance)
        for keep, result in zip(keeps, readings, strict=True):
            position = left.pop(0)
            if isinstance(result, ItemError):
                yield result
                continue
            clip = Clip(
                item=work.items[position],
                clip_id=clip_id(work.items[position]),
                encoding=work.spec.encoding,
                width=keep.size.width,
                height=keep.size.height,
                fps=work.facts[position].fps or 0.0,
                frames=result.kept,
            )
            yield _Made(clip, result, keep.size_changes)
    except ItemError as error:
        yield from [error] * len(left)


def _readings(
    work: ExtractWork,
    run: list[int],
    keeps: "list[_Keeper]",
    watch: Stopwatch,
    advance: Advance,
) -> Iterator[Reading[StoredFrame] | ItemError]:
    """Yield what came of each item of one file."""
    items = [work.items[position] for position in run]
    base = work.roots.base_of(items[0].path)
    facts = work.facts[run[0]]
    if facts.kind == "image":
        reopen = partial(open_media, base, items[0], stopwatch=watch)
        return iter([read_image(reopen, keeps[0], advance)])
    return reader_of(base, items[0], facts, work.spec, advance, watch).read_all(items, keeps)


def _first_size(facts: Facts) -> Size | None:
    """Return the display size of a video's first frame: it decides the size of all parts."""
    if facts.display_width is None or facts.display_height is None:
        return None
    return Size(facts.display_width, facts.display_height)


class _Keeper:
    """Makes stored frames of a clip's source frames."""

    def __init__(
        self, spec: Spec, orientation: Orientation, *, may_copy: bool, first: Size | None
    ) -> None:
        self._spec = spec
        self._orientation = orientation
        self._first = first
        self._may_copy = may_copy
        self.begin()

    @property
    def size(self) -> Size:
        """The size of every frame, known after the first."""
        assert self._maker is not None, "no frame was kept yet"
        return self._maker.size

    @property
    def size_changes(self) -> int:
        """How often the display size was another than that of the frame before."""
        return 0 if self._maker is None else self._maker.size_changes

    def begin(self) -> None:
        """Let the next frame decide the size again."""
        self._maker: PictureMaker | None = None
        self.held_bytes = 0

    def __call__(self, media: Media, frame: SourceFrame) -> StoredFrame:
        if self._maker is None:
            self._maker = PictureMaker(
                self._spec, self._orientation, media.stopwatch, first=self._first
            )
        data = None
        if self._may_copy and self._maker.leaves_as_it_is(frame.picture, frame.sample_aspect):
            data = jpeg_as_it_is(media, frame.picture)
        if data is None:
            data = self._maker.make(frame.picture, frame.sample_aspect)
        self.held_bytes += len(data)
        return StoredFrame(data, frame.pts_ns, frame.index, frame.keyframe)


def clip_id(item: Item) -> str:
    """Return the clip's stable name: 16 hex digits from path and number, however it is cut."""
    name = os.fsencode(item.path) + b"\0" + str(item.clip_number).encode()
    return hashlib.blake2b(name, digest_size=8).hexdigest()


class _Batch:
    """The files of one attempt at a batch, temporary until they are published.

    A batch is planned to fill one shard.  Where its clips are far larger than foreseen it becomes
    several, so that no file grows without end: a shard takes a further clip only up to
    ``OVERRUN`` times its aim, and one clip is bounded by the memory it is gathered in.
    """

    def __init__(self, work: ExtractWork) -> None:
        self.rows: list[Row] = []
        self.watch = Stopwatch()
        self._work = work
        self._layout = Layout(work.out)
        self._finished: list[ShardInMaking] = []
        self._growing: ShardInMaking | None = None

    @property
    def keeps_partial(self) -> bool:
        """Whether the frames before the damage of a broken file are kept."""
        return self._work.spec.keep_partial

    def add(self, clip: Clip) -> str:
        """Append a clip and return its shard's name."""
        with output_faults(self._work.out):
            if self._growing and self._is_full_for(clip, self._growing):
                self._finish(self._growing)
            shard = self._growing or self._begin()
            shard.add(clip)
        return shard.name

    def _is_full_for(self, clip: Clip, shard: ShardInMaking) -> bool:
        most = OVERRUN * self._work.spec.shard_size_bytes
        return shard.size_bytes > 0 and shard.size_bytes + clip.size_bytes > most

    def _begin(self) -> ShardInMaking:
        name = self._work.shard_at(len(self._finished))
        self._growing = ShardInMaking(
            self._layout, name, self._work.spec.format, tmp=self._work.tmp
        )
        return self._growing

    def _finish(self, shard: ShardInMaking) -> None:
        shard.finish()
        self._finished.append(shard)
        self._growing = None

    def publish(self) -> pa.Table:
        """Make the shards durable under their names, write the manifest part, return its rows."""
        with output_faults(self._work.out):
            self._publish_shards()
            self.watch.was("write")
            table = table_of(self._rows_with_shares())
            write_part(self._work.part_tmp, table)
            files.sync_directory(self._work.tmp)
        return table

    def _rows_with_shares(self) -> Iterator[Row]:
        """Yield the rows, each with its share of what was done for all of them."""
        count = len(self.rows)
        write_s = self.watch.columns()["write_s"] / count
        for row in self.rows:
            yield replace(
                row,
                outcome=replace(
                    row.outcome,
                    write_s=(row.outcome.write_s or 0.0) + write_s,
                    probe_s=self._work.probe_s,
                    ledger_s=self._work.ledger_s / count,
                ),
            )

    def _publish_shards(self) -> None:
        if self._growing and self._growing.size_bytes:
            self._finish(self._growing)
        if not self._finished:
            return
        directories = {self._layout.shards, self._layout.index}
        for shard in self._finished:
            shard.publish()
            directories |= shard.directories()
        for directory in directories:
            files.sync_directory(directory)

    def remove_temporaries(self) -> None:
        """Remove what was not published; after ``publish`` there is nothing of the sort."""
        for shard in filter(None, (*self._finished, self._growing)):
            shard.remove()
