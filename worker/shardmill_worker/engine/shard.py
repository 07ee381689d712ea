"""A shard in the making, with what lies beside it: temporary until it is published."""

import os

import google_crc32c
import numpy as np

from shardmill.contract.quantity import printable
from shardmill.dataset.checksum import Framing
from shardmill.dataset.index import ClipEntry, FrameTable, record_index, write_index
from shardmill.dataset.layout import Layout
from shardmill.storage import files
from shardmill_worker.engine.shards import Clip, Placed, open_shard


class ShardInMaking:
    """One shard file and its index.  Any method may raise ``OSError``: they cannot be written."""

    def __init__(self, layout: Layout, name: str, shard_format: str, *, tmp: str) -> None:
        self.name = name
        self.size_bytes = 0
        """Size of the frames that it holds."""
        self._layout = layout
        self._format = shard_format
        self._tmp = os.path.join(tmp, os.path.basename(name))
        self._moves = {self._tmp: layout.shard(name)}
        self._entries: list[ClipEntry] = []
        self._writer = open_shard(shard_format, self._tmp)

    def add(self, clip: Clip) -> None:
        """Append a clip.

        Raises:
            ItemError: The format cannot hold such a clip; nothing was written.
        """
        self._entries.append(self._entry(clip, self._writer.add(clip)))
        self.size_bytes += clip.size_bytes

    def finish(self) -> None:
        """Make the shard durable and write its index; both still have temporary names."""
        self._writer.finish()
        index, entries = self._companion(".arrow", self._layout.index_of(self.name)), self._entries
        write_index(index, entries, self._framing())
        if self._format == "tfrecord":
            records = self._companion(".idx", self._layout.record_index_of(self.name))
            places = [(entry.record_offset, entry.record_length) for entry in entries]
            files.write(records, record_index(places))
        self._entries = []

    def _companion(self, suffix: str, name: str) -> str:
        tmp = self._tmp + suffix
        self._moves[tmp] = name
        return tmp

    def _framing(self) -> Framing:
        with open(self._tmp, "rb") as file:
            spans = (span for entry in self._entries for span in entry.frames.spans())
            return Framing.measure(file.fileno(), spans)

    def publish(self) -> None:
        """Give the finished files their names; a split's folder is made, but never OUT anew."""
        for tmp, name in self._moves.items():
            files.make_directory(os.path.dirname(name))
            files.replace(tmp, name)

    def directories(self) -> set[str]:
        """Return where the files have their names."""
        return {os.path.dirname(name) for name in self._moves.values()}

    def remove(self) -> None:
        """Remove what was not published."""
        self._writer.abandon()
        for tmp in self._moves:
            files.remove(tmp)

    def _entry(self, clip: Clip, placed: Placed) -> ClipEntry:
        crc32c = 0
        for frame in clip.frames:
            crc32c = google_crc32c.extend(crc32c, frame.data)
        return ClipEntry(
            clip_id=clip.clip_id,
            clip_part=clip.part,
            clip_parts=clip.parts,
            path=printable(clip.item.path),
            label=clip.item.label,
            label_id=clip.item.label_id,
            labels=clip.item.labels,
            label_ids=clip.item.label_ids,
            extra=clip.item.extra,
            shard=self.name,
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
