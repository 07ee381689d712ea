"""What the peers that extract frames have in common: a process pool, one TFRecord a clip.

A clip becomes one ``tf.train.Example`` with its frames as JPEGs of quality 95, as data sets of
clips are commonly stored.  Nothing is flushed to the disk, and no index or manifest is written.
"""

import argparse
import json
import os
import struct
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import google_crc32c

from shardmill_worker.engine.shards.example import Example

WIDTH, HEIGHT, QUALITY = 160, 120, 95
SUFFIXES = {".mpg", ".mp4", ".mkv", ".webm"}
CHUNK = 64
"""Frames that are asked for at a time, where a library gives several."""

Read = Callable[[Path, "Wish"], Iterable[bytes]]
"""Yields the JPEGs of a video's wanted frames."""


class Wish:
    """Which frames are wanted: all, N spread evenly, or F a second."""

    def __init__(self, count: int | None = None, fps: int | None = None) -> None:
        self.count, self.fps = count, fps

    @property
    def every(self) -> bool:
        return not (self.count or self.fps)

    def of(self, frames: int, rate: float) -> Sequence[int]:
        """Return the numbers of the wanted frames."""
        if self.count:
            return [int((k + 0.5) * frames / self.count) for k in range(self.count)]
        if self.fps:
            return range(0, frames, round(rate / self.fps))
        return range(frames)


def masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def write_clip(path: Path, out: Path, read: Read, wish: Wish) -> int:
    """Write one clip; return how many frames it has."""
    example = Example()
    features = example.features.feature
    frames = features["frames"].bytes_list.value
    frames.extend(read(path, wish))
    features["filename"].bytes_list.value.append(os.fsencode(path))
    features["class_text"].bytes_list.value.append(os.fsencode(path.parent.name))
    features["num_frames"].int64_list.value.append(len(frames))
    record = example.SerializeToString()
    length = struct.pack("<Q", len(record))
    target = out / path.parent.name / f"{path.stem}.tfrecord"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(length + masked(length) + record + masked(record))
    return len(frames)


def main(doc: str, ways: dict[str, tuple[Read, Callable[[], object]]]) -> None:
    """Extract a folder in one of several ways.

    Args:
        doc: What the program says of itself.
        ways: Name of a way to how it reads a video, and what a process of its pool does first.
    """
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--way", choices=sorted(ways), required=True)
    parser.add_argument("--count", type=int)
    parser.add_argument("--fps", type=int)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    read, begin = ways[given.way]
    paths = sorted(path for path in given.root.rglob("*") if path.suffix in SUFFIXES)
    wish = Wish(given.count, given.fps)
    with ProcessPoolExecutor(given.workers, initializer=begin) as pool:
        work = partial(write_clip, out=given.out, read=read, wish=wish)
        frames = list(pool.map(work, paths))
    print(json.dumps({"clips": len(frames), "frames": sum(frames)}))
