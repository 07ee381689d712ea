"""Small output directories, written with the contract's own functions and a writer of our own.

The TFRecord writer here knows nothing of the code under test: it follows TensorFlow's
documentation, and its CRC-32C is worked out bit by bit.
"""

import os
import struct
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import simplejpeg
from msgspec.structs import replace

from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.contract.spec import Spec
from shardmill.dataset.checksum import Framing
from shardmill.dataset.classes import write_classes
from shardmill.dataset.index import ClipEntry, FrameTable, write_index
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout, shard_name
from shardmill.dataset.manifest import write_part

WIDTH, HEIGHT = 32, 24
FRAME_NS = 40_000_000


@cache
def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), by the polynomial."""
    crc, table = 0xFFFFFFFF, _crc_table()
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)


def tfrecord(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def grey(value: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """One picture of one grey, shape (height, width, 3): JPEG keeps its value to within 1."""
    return np.full((height, width, 3), value, np.uint8)


@cache
def jpeg(value: int, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    return simplejpeg.encode_jpeg(grey(value, width, height), quality=95)


@dataclass
class Video:
    """An input that became a clip of grey frames, ``value`` and up by one."""

    path: str
    frames: int = 3
    value: int = 0
    label: str | None = None
    label_id: int | None = None
    encoding: str = "jpeg"
    duration_s: float | None = None
    width: int = WIDTH
    height: int = HEIGHT
    part: int = 0
    parts: int = 1
    first: int = 0
    """Frames of the clip before this part of it."""

    def encoded(self) -> list[bytes]:
        values = [(self.value + i) % 256 for i in range(self.frames)]
        if self.encoding == "raw":
            return [grey(value, self.width, self.height).tobytes() for value in values]
        return [jpeg(value, self.width, self.height) for value in values]

    @property
    def clip_id(self) -> str:
        return f"{crc32c(self.path.encode()):016x}"


@dataclass
class OutDir:
    """An output directory in the making."""

    out: str
    goal: str = "extract"
    rows: dict[str, list[Row]] = field(default_factory=dict)
    clips: dict[str, list[ClipEntry]] = field(default_factory=dict)
    framing: dict[str, Framing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.layout = Layout(self.out)
        self.layout.make()

    def job(
        self, inputs: int | None = None, started_s: float = 1_000_000.0, spec: Spec | None = None
    ) -> Job:
        """Write ``job.json`` and ``classes.json``; as many inputs as files unless told."""
        job = Job(
            name="test",
            root="/videos",
            out=self.out,
            spec=spec or Spec(),
            goal=self.goal,
            inputs=sum(row.item.segment == 0 for rows in self.rows.values() for row in rows)
            if inputs is None
            else inputs,
            started_s=started_s,
        )
        job.write()
        items = [row.item for rows in self.rows.values() for row in rows]
        numbered = ((i.label, i.label_id) for i in items if i.label_id is not None)
        write_classes(self.layout, dict(numbered))
        return job

    def part(self, batch: str, *rows: Row) -> None:
        self.rows[batch] = list(rows)
        write_part(self.layout.part(batch), rows)

    def shard(
        self, batch: str, *videos: Video, commit: bool = True, split: str | None = None
    ) -> str:
        """Write a shard with its index and, if it is committed, its manifest part."""
        name = shard_name(batch, "a1", "tfrecord", split=split)
        for path in self.layout.files_of(name):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        data, clips, rows = b"", [], []
        for video in videos:
            clip, record = _clip(video, name, len(data))
            data += record
            clips.append(clip)
            rows.append(_row(video, clip, split))
        with open(self.layout.shard(name), "wb") as file:
            file.write(data)
        with open(self.layout.record_index_of(name), "w") as file:
            file.writelines(f"{c.record_offset} {c.record_length}\n" for c in clips)
        self.framing[name] = framing_of(data, clips)
        self.index(name, clips)
        if commit:
            self.part(batch, *rows)
        return name

    def index(self, shard: str, clips: list[ClipEntry]) -> None:
        self.clips[shard] = clips
        write_index(self.layout.index_of(shard), clips, self.framing[shard])

    def edit_clip(self, shard: str, number: int, **changes) -> None:
        """Write the index anew with one clip changed."""
        clips = list(self.clips[shard])
        clips[number] = replace(clips[number], **changes)
        self.index(shard, clips)


def framing_of(data: bytes, clips: list[ClipEntry]) -> Framing:
    """What is left of a shard without its frames."""
    rest = bytearray(data)
    for clip in reversed(clips):
        for start, size in reversed(list(zip(clip.frames.offset, clip.frames.length, strict=True))):
            del rest[start : start + size]
    return Framing(shard_bytes=len(data), crc32c=crc32c(bytes(rest)))


def _clip(video: Video, shard: str, record_offset: int) -> tuple[ClipEntry, bytes]:
    frames, offsets, data = video.encoded(), [], b"\x0a\x10" + video.clip_id.encode()
    for frame in frames:
        data += b"\x12" + struct.pack("<H", len(frame))
        offsets.append(record_offset + 12 + len(data))
        data += frame
    data += b"tail"
    count = len(frames)
    clip = ClipEntry(
        clip_id=video.clip_id,
        clip_part=video.part,
        clip_parts=video.parts,
        path=video.path,
        label=video.label,
        label_id=video.label_id,
        labels=() if video.label is None else (video.label,),
        label_ids=() if video.label_id is None else (video.label_id,),
        shard=shard,
        encoding=video.encoding,
        width=video.width,
        height=video.height,
        crc32c=crc32c(b"".join(frames)),
        record_offset=record_offset,
        record_length=len(data) + 16,
        frames=FrameTable(
            offset=np.array(offsets, np.int64),
            length=np.array([len(frame) for frame in frames], np.int32),
            pts_ns=np.arange(video.first, video.first + count, dtype=np.int64) * FRAME_NS,
            source_index=np.arange(video.first, video.first + count, dtype=np.int32) * 2,
            keyframe=np.arange(count) == 0,
        ),
    )
    return clip, tfrecord(data)


def _row(video: Video, clip: ClipEntry, split: str | None) -> Row:
    start, stop = video.first, video.first + video.frames
    return Row(
        Item(
            path=video.path,
            size_bytes=1000,
            mtime_ns=1,
            label=video.label,
            label_id=video.label_id,
            split=split,
            segment=video.part,
            segments=video.parts,
            start_ns=start * FRAME_NS if video.part else None,
            end_ns=stop * FRAME_NS if video.part < video.parts - 1 else None,
        ),
        Facts(kind="video", duration_s=video.duration_s),
        Outcome(
            status="ok",
            frames_kept=video.frames,
            clip_id=clip.clip_id,
            shard=clip.shard,
            bytes_out=int(clip.frames.length.sum()),
        ),
    )


def failed(path: str, error_class: str | None, message: str = "bad", **of_item: int) -> Row:
    return Row(
        Item(path=path, size_bytes=500, mtime_ns=1, **of_item),
        Facts(),
        Outcome(
            status="failed",
            error_class=error_class,
            error_stage="probe",
            error_message=message,
        ),
    )


def skipped(path: str) -> Row:
    return Row(
        Item(path=path, size_bytes=70, mtime_ns=1),
        Facts(),
        Outcome(status="skipped", error_message="audio alone"),
    )
