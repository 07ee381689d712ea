"""From probed items to extract batches: pure arithmetic on what probing found.

Costs are rough and only compared with each other; they decide how work is cut, when an item has
taken too long, and how far a job is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from shardmill.contract.batch import Batch
from shardmill.contract.geometry import Size
from shardmill.contract.manifest import Facts, Item
from shardmill.contract.spec import Spec

BATCH_COST_S: Final = 20.0
"""Aim for this much work in a batch: long against the queue's cost, short against a night."""
DECODE_S_PER_PIXEL: Final = 2.1e-9
"""Decoding, one core: 0.15 ms for 320x240, 1.95 ms for 1280x720 (measured)."""
STORE_S_PER_PIXEL: Final = 6e-9
"""Resizing and encoding, by stored pixel: 0.1 ms for 160x120 (measured)."""
FULL: Final = 10**9
"""The share of a batch that is full."""
OPEN_S: Final = 0.003
BYTES_PER_PIXEL: Final = {"jpeg": 0.25, "png": 1.8, "raw": 3.0}
"""Size of a stored frame by pixel; JPEG at quality 95."""
TIMEOUT_FACTOR: Final = 50
"""An item may take so many times its estimate: machines and codecs differ."""
TIMEOUT_S_PER_BYTE: Final = 1e-6
"""Reading a file through may take so long: 1 MB/s, a slow network drive."""
MIN_TIMEOUT_S: Final = 60.0
MAX_TIMEOUT_S: Final = 24 * 3600.0
FRAME_S: Final = 0.05
"""Each decoded frame adds so much to an item's time: headers may tell too few."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one item will take."""

    frames: int
    """Frames to decode."""
    frames_kept: int
    """Frames to store."""
    cost_s: float
    """Seconds of one core."""
    bytes_out: int

    @property
    def cost_us(self) -> int:
        """Microseconds of one core."""
        return round(self.cost_s * 1e6)


def estimate(item: Item, facts: Facts, spec: Spec) -> Estimate:
    """Return what an item will take; unknown numbers count as one frame, one second, VGA."""
    width, height = facts.display_width or 640, facts.display_height or 480
    frames, kept = 1, 1
    if facts.kind == "video":
        duration_s = facts.duration_s or 1.0
        # Each number may lie, and a frame takes a byte at least: the smallest errs on the side of
        # a sane plan.
        by_time = duration_s * (facts.fps or 30.0)
        claims = (facts.frames_header or math.inf, by_time, item.size_bytes)
        frames = max(1, round(min(claims)))
        kept = _frames_kept(spec, frames, duration_s)
    stored = spec.geometry.place(Size(width, height)).canvas
    pixels = stored.width * stored.height
    cost_s = OPEN_S + frames * width * height * DECODE_S_PER_PIXEL
    return Estimate(
        frames=frames,
        frames_kept=kept,
        cost_s=cost_s + kept * pixels * STORE_S_PER_PIXEL,
        bytes_out=round(kept * (500 + pixels * BYTES_PER_PIXEL[spec.encoding])),
    )


def _frames_kept(spec: Spec, frames: int, duration_s: float) -> int:
    end_s = min(duration_s, spec.end_s) if spec.end_s is not None else duration_s
    range_s = max(0.0, end_s - (spec.start_s or 0.0))
    kept = frames * range_s / duration_s
    if spec.every is not None:
        kept /= spec.every
    elif spec.fps is not None:
        kept = min(kept, range_s * spec.fps)
    elif spec.count is not None:
        kept = min(kept, spec.count)
    elif spec.at is not None:
        kept = min(kept, 1 + spec.at.count(","))
    elif spec.keyframes:
        kept /= 12
    return max(1, math.ceil(min(kept, spec.max_frames or kept)))


def timeout_s(item: Item, facts: Facts | None, spec: Spec) -> float:
    """Return how long an item may take: as the spec says, or by its size and its estimate.

    Args:
        item: What is probed or extracted.
        facts: What probing found; None while it is probed.
        spec: May set the limit.
    """
    if spec.item_timeout_s is not None:
        return spec.item_timeout_s
    foreseen_s = estimate(item, facts, spec).cost_s if facts is not None else 0.0
    most_s = max(TIMEOUT_FACTOR * foreseen_s, TIMEOUT_S_PER_BYTE * item.size_bytes)
    return min(max(MIN_TIMEOUT_S, most_s), MAX_TIMEOUT_S)


def total(items: Sequence[Item], facts: Sequence[Facts], spec: Spec) -> Estimate:
    """Return what several items will take together, ``facts`` one an item or none at all."""
    parts = [estimate(item, known, spec) for item, known in zip(items, facts, strict=False)]
    return Estimate(
        frames=sum(e.frames for e in parts),
        frames_kept=sum(e.frames_kept for e in parts),
        cost_s=sum(e.cost_s for e in parts),
        bytes_out=sum(e.bytes_out for e in parts),
    )


def plan(batch: Batch, spec: Spec) -> list[Batch]:
    """Cut probed items, in their order, into batches of equal work; so no tail is tiny.

    Args:
        batch: An ``extract`` batch of any size.
        spec: Gives the aim for a shard's size and clips.
    """
    if not batch.items:
        return []
    known = zip(batch.items, batch.facts, strict=True)
    estimates = [estimate(item, facts, spec) for item, facts in known]
    # Each item's share of the fullest possible batch, by whichever measure fills it first; in
    # whole numbers, whose sums are the same on every machine and Python.
    shares = {
        "bytes": [e.bytes_out * FULL // spec.shard_size_bytes for e in estimates],
        "work": [int(e.cost_s * FULL / BATCH_COST_S) for e in estimates],
        "clips": [FULL // (spec.clips_per_shard or FULL) for _ in estimates],
    }
    tightest = max(shares.values(), key=sum)
    parts = max(1, -(-sum(tightest) // FULL))
    edges = _equal_parts(tightest, min(parts, len(batch.items)))
    cap = spec.clips_per_shard or len(batch.items)
    return [
        batch.part(low, high)
        for start, stop in pairwise(edges)
        for low, high in pairwise(_even_edges(start, stop, cap))
    ]


def _even_edges(start: int, stop: int, cap: int) -> list[int]:
    """Return edges that cut ``[start, stop)`` into as few parts of at most ``cap`` as can be."""
    parts = -(-(stop - start) // cap)
    return [start + (stop - start) * i // parts for i in range(parts + 1)]


def _equal_parts(weights: Sequence[int], parts: int) -> list[int]:
    """Return ``parts + 1`` increasing edges that cut ``weights`` into nearly equal sums."""
    edges, total, done = [0], sum(weights), 0
    for i, weight in enumerate(weights):
        wanted = len(edges)
        left = len(weights) - i
        if (
            wanted < parts
            and i > edges[-1]
            and ((2 * done + weight) * parts >= 2 * total * wanted or left == parts - wanted)
        ):
            edges.append(i)
        done += weight
    return [*edges, len(weights)]
