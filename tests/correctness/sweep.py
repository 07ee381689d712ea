"""How much damage passes unseen: files of every container and codec, spoilt in thirty ways each.

``PYTHONPATH=tests python -m correctness.sweep CORPUS`` prints a table for ``sweep.md``.
What is visible is told by the frames of the undamaged file, what FFmpeg finds by its own log.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from correctness.ways import item_of
from shardmill.contract.errors import ItemError, Skip
from shardmill_worker.engine.decode import source_frames
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.pixels import PixelReader
from shardmill_worker.engine.probe import probe_item

FLIPS, SECTORS, CUTS = 20, 5, 5
SECTOR_BYTES = 512
LONGEST_FRAMES, LARGEST_BYTES = 250, 3_000_000
VISIBLE = 1.0
"""Levels of 255 by which a frame differs in the mean."""
MOST_S = 60
HEAD = 0.02
"""The part of a file at its beginning that is left alone but for cuts: without it nothing opens."""

Frame = NDArray[np.uint8]


class Verdict(Struct):
    """What became of a spoilt file."""

    ok: bool
    """Whether it passes as sound."""
    visible: bool
    """Whether its frames, those that come out, are others than those of the sound file."""


def frames_of(path: Path) -> tuple[list[Frame], bool]:
    """Return every other column and row of a file's frames, and whether it passes as sound."""
    kept: list[Frame] = []
    root, item, reader = str(path.parent), item_of(str(path.parent), path.name), PixelReader()
    try:
        probe_item(root, item)
        with open_media(root, item) as media:
            for frame in source_frames(media, lambda: None):
                plane = reader.read(frame.picture).planes[0]
                kept.append(plane[::2, ::2].copy())
    except (ItemError, Skip):
        return kept, False
    return kept, True


def differ(frames: list[Frame], truth: list[Frame]) -> bool:
    """Return whether frames are missing, too many, or visibly others."""
    if len(frames) != len(truth):
        return True
    return any(
        frame.shape != expected.shape
        or float(np.abs(frame.astype(np.int16) - expected).mean()) > VISIBLE
        for frame, expected in zip(frames, truth, strict=True)
    )


def judged(path: Path, truth: list[Frame]) -> Verdict:
    """Decode in a process of its own: what is spoilt may crash it, which is no passing as sound."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(MOST_S)
        frames, ok = frames_of(path)
        os.write(writer, json.dumps([ok, differ(frames, truth)]).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return Verdict(*json.loads(told)) if told else Verdict(ok=False, visible=True)


def spoilt(data: bytes, chance: random.Random) -> Iterator[bytes]:
    begin = max(64, int(len(data) * HEAD))
    for _ in range(FLIPS):
        broken = bytearray(data)
        broken[chance.randrange(begin, len(data))] ^= 1 << chance.randrange(8)
        yield bytes(broken)
    for _ in range(SECTORS):
        at = chance.randrange(begin, max(begin + 1, len(data) - SECTOR_BYTES))
        yield data[:at] + bytes(min(SECTOR_BYTES, len(data) - at)) + data[at + SECTOR_BYTES :]
    for _ in range(CUTS):
        yield data[: chance.randrange(len(data) // 4, len(data) - 1)]


def ffmpeg_complains(path: Path) -> bool:
    """Return whether FFmpeg says anything of the file's video."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v:0", "-f", "null", "-"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=MOST_S, check=False)
    except subprocess.TimeoutExpired:
        return True
    return bool(done.stderr) or done.returncode != 0


def candidates(corpus: Path) -> dict[tuple[str, str], tuple[Path, list[Frame]]]:
    """Return the smallest sound file of each container and codec."""
    found: dict[tuple[str, str], tuple[Path, list[Frame]]] = {}
    paths = (p for folder in ("clips", "odd_video", "images") for p in (corpus / folder).iterdir())
    for path in sorted(paths, key=lambda path: path.stat().st_size):
        try:
            facts = probe_item(str(path.parent), item_of(str(path.parent), path.name))
        except (ItemError, Skip):
            continue
        kind = ((facts.container or "").split(",")[0], facts.codec or "")
        long = facts.kind == "video" and (facts.frames_header or 0) > LONGEST_FRAMES
        size_bytes = path.stat().st_size
        if kind in found or long or not 2_000 < size_bytes < LARGEST_BYTES:
            continue
        frames, ok = frames_of(path)
        few = facts.kind == "video" and len(frames) < 8
        if ok and not few and not ffmpeg_complains(path):
            found[kind] = path, frames
    return found


def swept(corpus: Path) -> Iterator[tuple[tuple[str, str], Counter[str]]]:
    """Yield for each kind how many files were spoilt, and what was seen of them."""
    with tempfile.TemporaryDirectory() as folder:
        for kind, (path, truth) in sorted(candidates(corpus).items()):
            counts: Counter[str] = Counter()
            for data in spoilt(path.read_bytes(), random.Random(f"{kind}")):
                broken = Path(folder) / f"broken{path.suffix}"
                broken.write_bytes(data)
                verdict, complains = judged(broken, truth), ffmpeg_complains(broken)
                counts["spoilt"] += 1
                counts["visible"] += verdict.visible
                counts["passed"] += verdict.ok and verdict.visible
                counts["passed, FFmpeg complains"] += verdict.ok and complains
                counts["refused, nothing visible"] += not verdict.ok and not verdict.visible
            yield kind, counts


def main() -> None:
    columns = ["spoilt", "visible", "passed", "passed, FFmpeg complains"]
    columns.append("refused, nothing visible")
    print(f"| container, codec | {' | '.join(columns)} |")
    print(f"| --- |{' ---: |' * len(columns)}")
    total: Counter[str] = Counter()
    for (container, codec), counts in swept(Path(sys.argv[1])):
        total += counts
        numbers = " | ".join(str(counts[column]) for column in columns)
        print(f"| {container}, {codec} | {numbers} |", flush=True)
    print(f"| all | {' | '.join(str(total[column]) for column in columns)} |")


if __name__ == "__main__":
    main()
