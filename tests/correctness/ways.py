"""Skipping what nobody wants, and cutting a video into ranges, gives the frames of a plain decode.

The truth is one pass over the whole video, every frame decoded in order; its own times choose.
"""

import itertools
import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import google_crc32c
import numpy as np
from msgspec.structs import replace

from correctness.comparison import Comparison, Difference
from shardmill.contract.errors import Empty, ItemError, Skip
from shardmill.contract.options.sampling import (
    EveryFrame,
    EveryNth,
    FixedRate,
    GivenTimes,
    KeyframesOnly,
    Selection,
    UniformCount,
)
from shardmill.contract.options.timeline import Timeline
from shardmill.contract.schema import Item
from shardmill_worker.engine.decode import Clock, SourceFrame, source_frames
from shardmill_worker.engine.gathering import Keep
from shardmill_worker.engine.media import Media, open_media
from shardmill_worker.engine.packets import timeline_of
from shardmill_worker.engine.pixels import PixelReader
from shardmill_worker.engine.probe import probe_item
from shardmill_worker.engine.video import VideoReader

LONGEST_FRAMES = 3_000
"""Files with more frames by ffprobe's count take minutes each: two, of 10,883 and 21,766."""
PARTS = 3
EVERY = "every frame"
"""The plain decode itself, unless it is cut into ranges."""
CUT = (EVERY, "5 evenly", "a capped range")
"""Policies that are tried on ranges too."""

Frame = tuple[int, int, bool, int]
"""Index, time, keyframe flag and CRC-32C of the decoded planes."""


def policies(length_ns: int) -> dict[str, Selection]:
    """One selection of each kind, fitted to a video's length."""
    return {
        EVERY: Selection(policy=EveryFrame()),
        "every 3rd": Selection(policy=EveryNth(step=3)),
        "2 a second": Selection(policy=FixedRate(rate_hz=2)),
        "5 evenly": Selection(policy=UniformCount(count=5)),
        "3 given times": Selection(
            policy=GivenTimes(
                times_ns=(length_ns * 3 // 10, length_ns * 31 // 100, length_ns * 8 // 10)
            )
        ),
        "keyframes": Selection(policy=KeyframesOnly()),
        "a range": Selection(
            policy=EveryFrame(), start_ns=length_ns // 2, end_ns=length_ns * 6 // 10 + 1
        ),
        "a capped range": Selection(
            policy=EveryNth(step=2), start_ns=length_ns * 7 // 10, max_frames=4
        ),
    }


class Checksum(Keep[Frame]):
    """Keeps a checksum of what was decoded."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._reader = PixelReader()

    def __call__(self, media: Media, frame: SourceFrame) -> Frame:
        crc32c = 0
        for plane in self._reader.read(frame.picture).planes:
            crc32c = google_crc32c.extend(crc32c, plane.tobytes())
        return frame.index, frame.pts_ns, frame.keyframe, crc32c


WHOLE = tuple(name for name in policies(1) if name != EVERY)
"""Policies that are tried on whole videos."""


@dataclass(frozen=True)
class Read:
    """What one file gave."""

    codec: str
    frames: int
    decoded: Counter[str]
    """Frames decoded by each policy."""
    differences: list[Difference]


def item_of(root: str, path: str) -> Item:
    found = os.stat(os.path.join(root, path))
    return Item(path=path, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)


def plain_decode(media: Media) -> tuple[list[Frame], Timeline]:
    keep, clock, end_ns = Checksum(), Clock(media), 0
    frames = []
    for frame in source_frames(media, lambda: None):
        frames.append(keep(media, frame))
        end_ns = frame.pts_ns + clock.duration_ns(frame.picture)
    keyframe = np.array([f[2] for f in frames], np.bool_)
    return frames, timeline_of([f[1] for f in frames], keyframe, end_ns, clock)


def read_ways(root: str, path: str) -> Read | None:
    """Read a file in every way; None if it is no decodable video."""
    item = item_of(root, path)
    try:
        facts = probe_item(root, item)
        if facts.kind != "video":
            return None
        with open_media(root, item) as media:
            frames, timeline = plain_decode(media)
    except (ItemError, Skip):
        return None
    length_ns = timeline.end_ns - int(timeline.pts_ns[0])
    found = Read(facts.codec, len(frames), Counter(), [])
    for name, selection in policies(length_ns).items():
        wanted = [frames[i] for i in timeline.choose(selection)]
        for what, items in ways(item, timeline, name).items():
            kept, decoded = read_items(root, items, selection=selection)
            if what == "whole":
                found.decoded[name] += decoded
            if kept != wanted:
                found.differences.append(
                    Difference(path, f"{name}, {what}", summary(kept), summary(wanted))
                )
    return found


def ways(item: Item, timeline: Timeline, policy: str) -> dict[str, list[Item]]:
    """The whole video and, for some policies, the ranges that it is cut into."""
    parts = [
        replace(item, segment=n, start_ns=start_ns, end_ns=end_ns)
        for n, (start_ns, end_ns) in enumerate(timeline.ranges(PARTS))
    ]
    ranges = {"ranges": parts} if policy in CUT and len(parts) > 1 else {}
    return ({"whole": [item]} if policy != EVERY else {}) | ranges


def read_items(root: str, items: list[Item], *, selection: Selection) -> tuple[list[Frame], int]:
    kept: list[Frame] = []
    decoded = 0
    for item in items:
        reopen: partial[AbstractContextManager[Media]] = partial(open_media, root, item)
        reader = VideoReader(reopen=reopen, selection=selection, advance=lambda: None)
        try:
            reading = reader.read(item, Checksum())
        except Empty:
            continue
        kept += reading.kept
        decoded += reading.decoded
    return kept, decoded


def summary(frames: list[Frame]) -> str:
    return f"{len(frames)} frames, {', '.join(f'{f[0]}:{f[3]:08x}' for f in frames[:4])}"


def measure(corpus: Path) -> Comparison:
    """Compare the ways on every decodable video of the corpus."""
    paths = videos(corpus)
    with ProcessPoolExecutor(
        os.cpu_count(), mp_context=multiprocessing.get_context("spawn")
    ) as pool:
        results = list(pool.map(partial(read_ways, str(corpus)), paths))
    found = [result for result in results if result is not None]
    assert found, "no video: this would prove nothing"
    rows = []
    by_codec = sorted(found, key=lambda read: read.codec)
    for codec, group in itertools.groupby(by_codec, key=lambda read: read.codec):
        reads = list(group)
        total = sum(read.frames for read in reads)
        shares = [sum(read.decoded[name] for read in reads) / total for name in WHOLE]
        rows.append((codec, f"{len(reads)}", f"{total:,}", *(f"{s:.0%}" for s in shares)))
    return Comparison(
        name="ways",
        claim=(
            "For every policy the frames are byte for byte those of a plain decode of the whole "
            f"video, read as a whole and cut at keyframes into {PARTS} ranges that are read apart. "
            "Percentages tell how many of a codec's frames were decoded for the whole. Videos of "
            f"more than {LONGEST_FRAMES:,} frames are left out."
        ),
        header=("codec", "files", "frames", *WHOLE),
        rows=rows,
        differences=[difference for read in found for difference in read.differences],
    )


def videos(corpus: Path) -> list[str]:
    """Files whose frames ffprobe could count, largest first, so that no process waits."""
    lines = (corpus / "MANIFEST.tsv").read_text(encoding="utf-8").splitlines()
    header, *rows = (line.split("\t") for line in lines)
    column = header.index("nb_frames_counted")
    counted = {row[0]: int(row[column] or 0) for row in rows}
    usable = [path for path, frames in counted.items() if 1 < frames < LONGEST_FRAMES]
    return sorted(usable, key=lambda path: -counted[path])
