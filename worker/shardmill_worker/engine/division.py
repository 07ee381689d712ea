"""Which items a probed file becomes: itself alone, clips of the length asked for, or parts.

A video that is much work is cut into parts, so that several workers share it.  Cuts lie where
decoding can start, and what is kept of the parts together is what the whole would have given.  For
that the packets are read once; a file whose packets do not tell all stays whole.
"""

from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from shardmill.contract.errors import Empty, ItemError, TooLarge
from shardmill.contract.estimate import MAX_CLIPS, work_of
from shardmill.contract.options.sampling import NS_PER_S, GivenTimes, KeyframesOnly, UniformCount
from shardmill.contract.options.timeline import Timeline
from shardmill.contract.schema import Facts, Item
from shardmill.contract.spec import Spec
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.packets import Packets, survey
from shardmill_worker.engine.reader import reader_of
from shardmill_worker.engine.times import MAX_INDEX, MAX_PACKETS
from shardmill_worker.engine.work import Advance, Divided

PART_S: Final = 20.0
"""Aim for parts of so much work, seconds of one core: a batch each."""
SHARED: Final = 4
"""Parts come in so many, of equal work: two or four slots end at the same time."""
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

    Raises:
        TooLarge: The clips that were asked for would be too many.
    """
    if facts.kind != "video" or not _is_whole(item):
        return (item,)
    scattered = isinstance(spec.selection.policy, UniformCount | GivenTimes)
    if spec.clip_s is None and (scattered or parts_wanted(item, facts, spec) < 2):
        return (item,)
    timeline = _timeline(root, item, facts, spec, advance)
    if timeline is None:
        return (item,)
    if spec.clip_s is not None:
        return clips(item, spec, timeline)
    return cut(item, facts, spec, timeline)


def choose(root: str, item: Item, facts: Facts, spec: Spec, advance: Advance) -> Divided:
    """Return the clips that a file becomes, and what its packets say that each would keep.

    They are not read where an index of every frame has shown a constant rate: from that follows
    all but which frames are keyframes.

    Args:
        root: Input directory.
        item: The file, or one range of it.
        facts: What probing found.
        spec: What is to be done with it.
        advance: Called now and then while packets are read.

    Raises:
        ItemError: It holds no frame that was asked for, or the packets are damaged.
        TooLarge: The clips that were asked for would be too many.
    """
    if facts.kind != "video":
        return Divided(facts, (item,), (1,))
    by_keyframe = isinstance(spec.selection.policy, KeyframesOnly)
    timeline = None if by_keyframe else _even_timeline(facts)
    if item.sequence is not None:
        timeline = reader_of(root, item, facts, spec, advance).timeline()
    elif timeline is None:
        found = survey(partial(open_media, root, item), advance)
        if found.damage is not None and not spec.keep_partial:
            raise found.damage
        timeline = found.timeline
    if timeline is None:
        return Divided(facts, (item,))
    cut = spec.clip_s is not None and _is_whole(item)
    items = clips(item, spec, timeline) if cut else (item,)
    return Divided(facts, items, tuple(_kept(part, spec, timeline) for part in items))


def _even_timeline(facts: Facts) -> Timeline | None:
    """Return when the frames of a video are shown whose index has shown a constant rate.

    None of any other, and of one whose packets may have shown it: those are few.
    """
    count = facts.frames_header or 0
    if facts.vfr is not False or not facts.fps or not MAX_PACKETS < count <= MAX_INDEX:
        return None
    times_ns = np.floor(np.arange(count + 1) * NS_PER_S / facts.fps).astype(np.int64)
    keyframe = np.zeros(count, np.bool_)  # of no account here
    return Timeline(pts_ns=times_ns[:-1], keyframe=keyframe, end_ns=int(times_ns[-1]))


def _kept(item: Item, spec: Spec, timeline: Timeline) -> int:
    asked = spec.selection.within(item.clip_start_ns, item.clip_end_ns)
    chosen = timeline.choose(asked)
    if not chosen.size:
        raise Empty("No frame lies in the range asked for.")
    return int(chosen.size)


def _is_whole(item: Item) -> bool:
    return item.segments == 1 and item.clip_start_ns is None and item.clip_end_ns is None


def _timeline(root: str, item: Item, facts: Facts, spec: Spec, advance: Advance) -> Timeline | None:
    """Return all frames, of a video to be cut into parts those marked at which decoding can start.

    None if the packets do not tell, or something is wrong with the file: extracting it shows what.
    """
    try:
        if spec.clip_s is not None or item.sequence is not None:
            return reader_of(root, item, facts, spec, advance).timeline()
        found = survey(partial(open_media, root, item), advance)
    except ItemError:
        return None
    if found.timeline is None or found.packets is None or found.damage is not None:
        return None
    return _with_starts(found.timeline, found.packets)


def clips(item: Item, spec: Spec, timeline: Timeline) -> tuple[Item, ...]:
    """Cut a video into the clips that were asked for, those left out that would hold no frame.

    Args:
        item: The whole video.
        spec: How long they are, and how far apart; clips begin where its range begins.
        timeline: All frames of the video.

    Raises:
        TooLarge: They would be more than ``MAX_CLIPS``.
    """
    assert spec.clip_s is not None
    selection = spec.selection
    clip_ns = round(spec.clip_s * NS_PER_S)
    stride_ns = round((spec.clip_stride_s or spec.clip_s) * NS_PER_S)
    times_ns = timeline.pts_ns - timeline.pts_ns[0] - selection.start_ns
    times_ns = times_ns[times_ns >= 0]
    if selection.end_ns is not None:  # else clips behind it, which are left out, would count
        times_ns = times_ns[times_ns < selection.end_ns - selection.start_ns]
    firsts = np.maximum(0, (times_ns - clip_ns) // stride_ns + 1)
    ranges_ns = []
    for number in _numbers(np.unique(np.stack([firsts, times_ns // stride_ns], axis=1), axis=0)):
        start_ns = selection.start_ns + number * stride_ns
        if timeline.choose(selection.within(start_ns, start_ns + clip_ns)).size:
            ranges_ns.append((start_ns, start_ns + clip_ns))
    return tuple(
        replace(item, segment=n, segments=len(ranges_ns), clip_start_ns=start, clip_end_ns=end)
        for n, (start, end) in enumerate(ranges_ns)
    ) or (item,)


def _numbers(ranges: NDArray[np.int64]) -> list[int]:
    """Return the numbers of the clips that hold a frame, from the first and last of each frame."""
    numbers: set[int] = set()
    for first, last in ranges.tolist():
        if len(numbers) + last - first > MAX_CLIPS:
            raise TooLarge(
                f"It would become more than {MAX_CLIPS:,} clips: give a longer --clip-seconds "
                "or --clip-stride."
            )
        numbers.update(range(first, last + 1))
    return sorted(numbers)


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
    wanted = round(max(whole.cost_s / PART_S, whole.bytes_out / PART_BYTES))
    if wanted > 1:
        wanted = -(-wanted // SHARED) * SHARED
    return max(1, min(wanted, whole.frames_kept // LEAST_KEPT, MAX_PARTS))


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
    chosen = timeline.choose(spec.selection)
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
