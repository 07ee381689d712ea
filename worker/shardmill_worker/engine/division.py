"""Which items a probed file becomes: itself alone, clips of the length asked for, or parts.

A video that is much work is cut into parts, so that several workers share it.  Cuts lie where
decoding can start, and what is kept of the parts together is what the whole would have given.  For
that the packets are read once; a file whose packets do not tell all stays whole.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np

from shardmill.contract.errors import ItemError
from shardmill.contract.estimate import work_of
from shardmill.contract.manifest import Facts, Item
from shardmill.contract.sampling import GivenTimes, Timeline, UniformCount
from shardmill.contract.spec import Spec
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.packets import Packets, survey
from shardmill_worker.engine.work import Advance

PART_S: Final = 20.0
"""Aim for parts of so much work, seconds of one core: a batch each."""
PART_BYTES: Final = 256_000_000
"""And of at most so many bytes of stored frames: a part is gathered in memory."""
LEAST_KEPT: Final = 256
"""Frames that a part keeps at least: a clip must not be torn into scraps."""
MAX_PARTS: Final = 256
"""Parts of one file at most: each is an entry in Redis until it is done."""


def items_of(root: str, item: Item, facts: Facts, spec: Spec, advance: Advance) -> tuple[Item, ...]:
    """Return the items that a file becomes, in the order of time; mostly the one it is.

    Args:
        root: Input directory.
        item: The file.  A part of one stays what it is.
        facts: What probing found.
        spec: What is to be done with it.
        advance: Called now and then while packets are read.
    """
    if not _may_be_cut(item, facts, spec) or parts_wanted(item, facts, spec) < 2:
        return (item,)
    try:
        with open_media(root, item) as media:
            found = survey(media, advance)
    except ItemError:
        return (item,)  # what is wrong with it, extracting it will tell
    if found.timeline is None or found.packets is None or found.damage is not None:
        return (item,)
    return cut(item, facts, spec, _with_starts(found.timeline, found.packets))


def _may_be_cut(item: Item, facts: Facts, spec: Spec) -> bool:
    whole = item.segments == 1 and item.clip_start_ns is None and item.clip_end_ns is None
    scattered = isinstance(spec.selection.policy, UniformCount | GivenTimes)
    return whole and not scattered and facts.kind == "video"


def parts_wanted(
    item: Item, facts: Facts, spec: Spec, *, frames: int | None = None, kept: int | None = None
) -> int:
    """Return into how many parts the work of a video should be cut.

    Args:
        item: The video.
        facts: What probing found.
        spec: What is to be done with it.
        frames: To decode; None means what its header lets expect.
        kept: Frames to store; None means what its header lets expect.
    """
    whole = work_of(item, facts, spec, frames=frames, kept=kept)
    wanted = max(whole.cost_s / PART_S, whole.bytes_out / PART_BYTES)
    return max(1, min(round(wanted), whole.frames_kept // LEAST_KEPT, MAX_PARTS))


def _with_starts(timeline: Timeline, packets: Packets) -> Timeline:
    """Return the same frames, those marked at which decoding can really start."""
    shown = np.flatnonzero(packets.shown)
    order = shown[np.argsort(packets.pts[shown], kind="stable")]
    return replace(timeline, keyframe=packets.start[order])


def cut(item: Item, facts: Facts, spec: Spec, timeline: Timeline) -> tuple[Item, ...]:
    """Cut a video into parts of about equal work, each of which keeps many frames.

    Args:
        item: The whole video.
        facts: What probing found.
        spec: What is to be done with it.
        timeline: All its frames; where decoding can start are the keyframes.
    """
    chosen = spec.selection.choose(timeline)
    if not chosen.size:
        return (item,)
    span = timeline.between(int(chosen[0]), int(chosen[-1]) + 1)
    wanted = parts_wanted(item, facts, spec, frames=span.pts_ns.size, kept=chosen.size)
    cuts_ns = [start_ns for start_ns, _ in span.ranges(wanted) if start_ns is not None]
    edges_ns: list[int | None] = [None]
    before = 0
    for cut_ns, kept in zip(
        cuts_ns, np.searchsorted(timeline.pts_ns[chosen], cuts_ns).tolist(), strict=True
    ):
        if min(kept - before, chosen.size - kept) >= LEAST_KEPT:
            edges_ns.append(cut_ns)
            before = kept
    ranges = list(pairwise([*edges_ns, None]))
    return tuple(
        replace(item, segment=segment, segments=len(ranges), start_ns=start_ns, end_ns=end_ns)
        for segment, (start_ns, end_ns) in enumerate(ranges)
    )
