"""What a job will come to, beforehand: all of it is probed, a little of it looked at closely."""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from glob import escape
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shardmill.contract.estimate import Estimate, estimate, work_of
from shardmill.contract.location.image_sequence import pictures_at
from shardmill.contract.location.roots import Roots
from shardmill.contract.options.sampling import NS_PER_S
from shardmill.contract.schema import Row
from shardmill.contract.spec import Spec
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest import read_part
from shardmill.report.failures import EXAMPLES, FailureGroup, groups
from shardmill.report.forecast import Forecast, Truncation, draw, forecast, truncations

SAMPLE: Final = 48
"""Files of which a sample is made."""
SAMPLE_FRAMES: Final = 300
"""Frames of each that are looked at."""
LENGTHS: Final = [8, 16, 32, 64, 128, 256, 512, 1024]
"""Truncations that people choose from."""


class Asked(NamedTuple):
    """A file and the range of it that was asked for."""

    path: str
    start_ns: int | None
    end_ns: int | None
    archive: str | None
    """What the file lies in; None if it is one of its own."""
    is_sequence: bool
    """Whether it is an image sequence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a job will come to."""

    inputs: int
    """Files there are."""
    skipped: int
    """Files that are left out with a reason."""
    sound: int
    """Files that can be used, as far as probing tells."""
    clips: int
    """What they become: a clip for each file that probing finds sound, or several."""
    failures: tuple[FailureGroup, ...]
    """Files that cannot be used, as far as probing tells."""
    frames: Forecast
    """Frames of all clips."""
    bytes_out: Forecast
    """Size of them as they are stored."""
    core_s: Forecast
    """Seconds of one core."""
    sampled: int
    """Files that were looked at closely to find out."""
    sample_failures: tuple[FailureGroup, ...]
    """Those of them that cannot be used after all, though probing found them sound."""
    truncations: tuple[Truncation, ...]
    """What it would take to hold all clips in memory, by their greatest length."""


class Foresight:
    """The files that probing found sound, with what the header lets expect of each.

    Args:
        probed: Output directory of the probe job.
        spec: What is to be done with them.
    """

    def __init__(self, probed: str, spec: Spec) -> None:
        self._probed = probed
        self._asked: list[Asked] = []
        self._foreseen: list[Estimate] = []
        self._inputs = self._skipped = self._sound = 0
        for row in _rows(probed):
            is_first = row.item.segment == 0
            self._inputs += is_first
            self._skipped += is_first and row.outcome.status == "skipped"
            self._sound += is_first and row.outcome.status == "ok"
            if row.outcome.status == "ok":
                self._asked.append(_asked(row))
                self._foreseen.append(estimate(row.item, row.facts, spec))
        self._weights = _half_alike(np.array([guess.cost_s for guess in self._foreseen]))
        self._drawn = draw(self._weights, SAMPLE, seed=spec.shuffle)
        self._are_all_drawn = self._drawn.size == len(self._asked)
        if self._are_all_drawn:
            self._weights = np.ones_like(self._weights)

    @property
    def sample(self) -> set[Asked]:
        """What to look at more closely, to see how far the estimates are off."""
        return {self._asked[number] for number in self._drawn.tolist()}

    def plan(self, look: "CloserLook") -> Plan:
        """Return the plan.

        Args:
            look: What the sample comes to.
        """
        numbers = self._drawn.tolist()
        drawn = [self._foreseen[number] for number in numbers]
        found = [look.work(self._asked[number], self._foreseen[number]) for number in numbers]

        def total(field: Callable[[Estimate], float]) -> Forecast:
            return forecast(
                np.array([field(work) for work in found], float),
                foreseen=np.array([field(guess) for guess in drawn], float),
                weights=self._weights[self._drawn],
                total=sum(map(field, self._foreseen)),
            )

        frames = total(lambda work: work.frames_kept)
        if self._are_all_drawn and all(look.clips(asked) is not None for asked in self._asked):
            frames = replace(frames, error=0.0)
        clips = list(self._clips(look))
        lengths, pixels = np.array(clips, np.int64).reshape(-1, 2).T
        return Plan(
            inputs=self._inputs,
            skipped=self._skipped,
            sound=self._sound,
            clips=len(clips),
            failures=tuple(groups(self._probed)),
            frames=frames,
            bytes_out=total(lambda work: work.bytes_out),
            core_s=total(lambda work: work.cost_s),
            sampled=look.files,
            sample_failures=look.failures(),
            truncations=tuple(truncations(lengths, pixels, list(LENGTHS))),
        )

    def _clips(self, look: "CloserLook") -> Iterator[tuple[int, int]]:
        """Yield the frames of each clip, and the pixels of one."""
        for asked, guess in zip(self._asked, self._foreseen, strict=True):
            known = look.clips(asked)
            if known is None:
                known = [guess.frames_kept // guess.clips] * guess.clips
            for frames in known:
                yield frames, guess.frame_pixels


class CloserLook:
    """What a sample comes to: all its frames are chosen, by its packets, and some are extracted.

    Args:
        sample: Some files.
        spec: What is to be done with them.
    """

    def __init__(self, sample: set[Asked], spec: Spec) -> None:
        self._sample, self._spec = sample, spec
        self._chosen: dict[Asked, list[Row]] = defaultdict(list)
        self._extracted: dict[Asked, Row] = {}
        self._most = min(spec.max_frames or SAMPLE_FRAMES, SAMPLE_FRAMES)
        self._outs: list[str] = []

    def spec_of(self, sample: set[Asked], annotations: str) -> Spec:
        """Return what is to be done, for some files alone.

        Args:
            sample: The files.
            annotations: A file to be made, where annotations tell which ranges are clips.
        """
        spec = replace(
            self._spec,
            include=_globs(sample),
            exclude=(),
            hidden=True,
            archives=any(asked.archive for asked in sample),
            dedup="none",
        )
        if not spec.is_annotated:
            return spec
        with open(annotations, "w", encoding="ascii") as file:
            file.writelines(map(_annotation, sorted(sample, key=str)))
        unset = replace(spec, labels=annotations, preset=None, columns=(), form=(), classes=None)
        return replace(unset, keep_unannotated=False, strict=False)

    def extraction_of(self, sample: set[Asked], annotations: str) -> Spec:
        """Return the same with a few frames and one clip of each."""
        spec = self.spec_of(sample, annotations)
        return replace(spec, max_frames=self._most, clip_s=None, clip_stride_s=None)

    def take_chosen(self, out: str) -> None:
        """Take the rows of the job that chose the frames: a clip each."""
        self._outs.append(out)
        for row in _rows(out):
            asked = _asked(row)
            if asked not in self._sample:  # a clip of the length asked for
                asked = asked._replace(start_ns=None, end_ns=None)
            self._chosen[asked].append(row)

    def take_extracted(self, out: str) -> None:
        """Take the rows of the job that extracted some frames."""
        self._outs.append(out)
        self._extracted = {_asked(row): row for row in _rows(out)}

    @property
    def sound(self) -> set[Asked]:
        """Files whose frames could be chosen."""
        return {asked for asked, rows in self._chosen.items() if rows[0].outcome.status == "ok"}

    @property
    def files(self) -> int:
        """Number of files that were looked at."""
        return len(self._chosen)

    def failures(self) -> tuple[FailureGroup, ...]:
        """Return those of them that failed, in whichever job."""
        found: dict[str, FailureGroup] = {}
        for out in self._outs:
            for group in groups(out):
                count, examples = group.count, group.examples
                if earlier := found.get(group.error_class):
                    count += earlier.count
                    examples = (*earlier.examples, *examples)[:EXAMPLES]
                found[group.error_class] = replace(group, count=count, examples=examples)
        return tuple(sorted(found.values(), key=lambda group: (-group.count, group.error_class)))

    def clips(self, asked: Asked) -> list[int] | None:
        """Return the frames of each clip of a file, none if it fails; None if that is not known."""
        if asked not in self._sample:
            return None
        row = self._extracted.get(asked)
        if row is None or row.outcome.status != "ok":
            return []
        extracted = row.outcome.frames_kept or 0
        if self._spec.clip_s is None and extracted < SAMPLE_FRAMES:  # all there are
            return [extracted]
        chosen = [row.outcome.frames_kept for row in self._chosen[asked]]
        return [frames for frames in chosen if frames is not None] or None

    def work(self, asked: Asked, guess: Estimate) -> Estimate:
        """Return what a file of the sample comes to.

        Bytes and time of its extracted frames are scaled up to all its frames.

        Args:
            asked: The file.
            guess: What its header lets expect.
        """
        row = self._extracted.get(asked)
        if row is None:
            return Estimate(frames=0, frames_kept=0, cost_s=0.0, bytes_out=0)
        done = row.outcome
        if not done.frames_kept:
            return Estimate(frames=0, frames_kept=0, cost_s=done.seconds, bytes_out=0)
        clips = self.clips(asked)
        kept = guess.frames_kept if clips is None else sum(clips)
        scale = kept / done.frames_kept
        decoded = done.frames_decoded or done.frames_kept
        part, whole = (
            work_of(row.item, row.facts, self._spec, frames=frames, kept=stored).cost_s
            for frames, stored in ((decoded, done.frames_kept), (round(decoded * scale), kept))
        )
        return Estimate(
            frames=round(decoded * scale),
            frames_kept=kept,
            cost_s=done.seconds * whole / part,
            bytes_out=round((done.bytes_out or 0) * scale),
        )


def _globs(sample: set[Asked]) -> tuple[str, ...]:
    """Return what the paths of a sample match, and of an archive no others."""
    if not any(asked.archive for asked in sample):
        return ("*",)
    return tuple(sorted({escape(asked.path) for asked in sample}))


def _half_alike(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights by which one dear file does not leave the others out of the sample."""
    weights: NDArray[np.float64] = costs / costs.sum() + 1 / max(1, costs.size)
    return weights


def _whole(numbers: list[int]) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)


def _rows(out: str) -> Iterable[Row]:
    for part in Layout(out).parts():
        yield from read_part(part)


def _asked(row: Row) -> Asked:
    item = row.item
    is_sequence = item.sequence is not None
    return Asked(item.path, item.clip_start_ns, item.clip_end_ns, item.archive, is_sequence)


def _annotation(asked: Asked) -> str:
    times = {
        name: None if time_ns is None else str(Decimal(time_ns) / NS_PER_S)
        for name, time_ns in (("start", asked.start_ns), ("end", asked.end_ns))
    }
    return json.dumps({"path": asked.path, **times}) + "\n"


def farm(directory: str, roots: Roots, sample: Iterable[Asked]) -> None:
    """Make a directory of links to some inputs, or to the archives they lie in, of the same names.

    Of an image sequence every picture is linked.

    Args:
        directory: Where the links go.
        roots: The input directories.
        sample: Files below them.
    """
    paths: set[str] = set()
    for asked in sample:
        paths.update(_files(asked, roots))
    for path in paths:
        link = os.path.join(directory, path)
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(roots.place(path), link)


def _files(asked: Asked, roots: Roots) -> Iterable[str]:
    """Return the paths of the files that an input is made of; none if its folder is gone."""
    if not asked.is_sequence:
        return [asked.archive or asked.path]
    folder = os.path.dirname(asked.path)
    try:
        pictures = pictures_at(roots.place(asked.path))
    except OSError:
        return []
    return [os.path.join(folder, picture.name) for picture in pictures]


def write_list(path: str, sample: Iterable[Asked]) -> str:
    """Write a list of some inputs, and return where it is.

    An image sequence is listed by its name: which pictures are one is not decided again.
    """
    with open(path, "wb") as file:
        file.writelines(os.fsencode(asked.path) + b"\0" for asked in sample)
    return path
