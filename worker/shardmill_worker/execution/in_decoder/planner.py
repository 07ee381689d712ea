"""From probed items to extract batches: pure arithmetic on what probing found.

Estimates are rough and only compared with each other; they decide how work is cut, when an item
has taken too long, and how far a job is.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Final

from shardmill.contract.estimate import Estimate, estimate
from shardmill.contract.schema import Facts, Item
from shardmill.contract.spec import Spec

BATCH_COST_S: Final = 20.0
"""Aim for this much work in a batch: long against the queue's cost, short against a night."""
FULL: Final = 10**9
"""The share of a batch that is full."""
TIMEOUT_FACTOR: Final = 50
"""An item may take so many times its estimate: machines and codecs differ."""
TIMEOUT_S_PER_BYTE: Final = 1e-6
"""Reading a file through may take so long: 1 MB/s, a slow network drive."""
FINISH_S: Final = 600.0
"""Putting a shard in place may take so long: a slow disk is no file's fault."""
MIN_TIMEOUT_S: Final = 60.0
MAX_TIMEOUT_S: Final = 24 * 3600.0


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


def scatter_ms2(items: Sequence[Item], facts: Sequence[Facts], spec: Spec) -> int:
    """Return the sum of the squares of what each file will cost: it tells how far they differ."""
    costs_s: dict[str, float] = defaultdict(float)
    for item, known in zip(items, facts, strict=True):
        costs_s[item.path] += estimate(item, known, spec).cost_s
    return round(sum((1000 * cost_s) ** 2 for cost_s in costs_s.values()))


def plan(
    items: Sequence[Item], facts: Sequence[Facts], spec: Spec
) -> tuple[list[int], list[tuple[int, int]]]:
    """Cut probed items into batches of equal work, so that no tail is tiny.

    Args:
        items: At least one.
        facts: What probing found, one an item.
        spec: Gives the aim for a shard's size and clips.

    Returns:
        The order of the items: as given, but the clips of each file in the order of time, so that
        one pass reads them.  And each batch as the first and the end of its places in that order.
    """
    order = _in_time(items)
    items, facts = [items[i] for i in order], [facts[i] for i in order]
    estimates = [estimate(item, known, spec) for item, known in zip(items, facts, strict=True)]
    # Each item's share of the fullest possible batch, by whichever measure fills it first; in
    # whole numbers, whose sums are the same on every machine and Python.
    shares = {
        "bytes": [e.bytes_out * FULL // spec.shard_size_bytes for e in estimates],
        "work": [
            # The part of a long video is a batch of its own: it is there to be shared out.
            FULL
            if item.start_ns is not None or item.end_ns is not None
            else int(e.cost_s * FULL / BATCH_COST_S)
            for item, e in zip(items, estimates, strict=True)
        ],
        "clips": [FULL // (spec.clips_per_shard or FULL) for _ in estimates],
    }
    tightest = max(shares.values(), key=sum)
    parts = max(1, -(-sum(tightest) // FULL))
    edges = _equal_parts(tightest, min(parts, len(items)))
    cap = spec.clips_per_shard or len(items)
    return order, [
        (low, high)
        for start, stop in pairwise(edges)
        for low, high in pairwise(_even_edges(start, stop, cap))
    ]


def _in_time(items: Sequence[Item]) -> list[int]:
    """Return the positions of items with the clips of each file in the order of time."""
    runs = groupby(range(len(items)), lambda i: items[i].path)
    return [
        position
        for _, run in runs
        for position in sorted(run, key=lambda i: items[i].clip_start_ns or 0)
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
