"""Whether two ways gave the same pictures."""

import struct
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from side_by_side import Unequal

from shardmill.read import Clip, open_shards
from shardmill_worker.engine.shards.example import Example

LOOKS = 8
"""Frames of a clip that are compared."""
TOLERANCE = 12.0
"""Mean difference of a sample, of 255: scalers differ more than decoders, other frames far more."""


def record_of(path: Path) -> list[bytes]:
    """Return the frames in a peer's TFRecord of one clip."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    example = Example.FromString(data[12 : 12 + length])
    return list(example.features.feature["frames"].bytes_list.value)


def clips_of(out: Path, stem: str) -> list[Clip]:
    """Return our clips of a source in the order of time: of a long one there may be several."""
    found = [clip for clip in open_shards(out) if Path(clip.path).stem == stem]
    return sorted(found, key=lambda clip: int(clip.pts_ns[0]))


def check_alike(ours: Path, theirs: Path, name: str) -> None:
    """Stop if a peer's frames of its first clip are not those of ours, in number and in looks."""
    path = min(theirs.rglob("*.tfrecord"))
    places = [(clip, n) for clip in clips_of(ours, path.stem) for n in range(len(clip))]
    frames = record_of(path)
    if len(places) != len(frames):
        raise Unequal(f"{name}: {len(frames)} frames of {path.stem}, we have {len(places)}")
    for number in np.unique(np.linspace(0, len(frames) - 1, LOOKS).astype(int)).tolist():
        clip, place = places[number]
        found = simplejpeg.decode_jpeg(frames[number])
        apart = difference(found, clip.frames(place, place + 1)[0])
        if apart > TOLERANCE:
            raise Unequal(f"{name}: frame {number} of {path.stem} differs by {apart:.1f} of 255")


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the mean difference of two pictures of one size."""
    if first.shape != second.shape:
        raise Unequal(f"pictures of {first.shape} and {second.shape} cannot be the same")
    return float(np.abs(first.astype(np.int16) - second).mean())


def stored(clips: list[Clip]) -> dict[int, bytes]:
    """Return each frame's bytes by its number in the source."""
    found: dict[int, bytes] = {}
    for clip in clips:
        shard = Path(clip.file).read_bytes()
        numbers = clip.entry.frames.source_index.tolist()
        spans = zip(numbers, clip.entry.frames.spans(), strict=True)
        found |= {number: shard[start:stop] for number, (start, stop) in spans}
    return found


def check_identical(some: Path, every: Path, stem: str) -> None:
    """Stop if a frame differs by a byte from the one that a decode of everything gave."""
    all_frames = stored(clips_of(every, stem))
    for number, data in stored(clips_of(some, stem)).items():
        if all_frames.get(number) != data:
            raise Unequal(f"frame {number} of {stem} is not that of a full decode")
