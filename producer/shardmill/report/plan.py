"""What a job will come to, before it is done: from probing all of it and extracting a little."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from glob import escape
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shardmill.contract.estimate import Estimate, estimate
from shardmill.contract.layout import Layout
from shardmill.contract.manifest import read_part
from shardmill.contract.roots import Roots
from shardmill.contract.row import Row
from shardmill.contract.sampling import NS_PER_S
from shardmill.contract.spec import Spec
from shardmill.report import store
from shardmill.report.failures import FailureGroup, groups
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
    """Files that were extracted to find out."""
    sample_failures: tuple[FailureGroup, ...]
    """Those of them that could not be extracted, though probing found them sound."""
    truncations: tuple[Truncation, ...]
    """What it would take to hold all clips in memory, by their greatest length."""


class Foresight:
    """The files that probing found sound, with what each should take.

    Args:
        probed: Output directory of the probe job.
        spec: What is to be done with them.
    """

    def __init__(self, probed: str, spec: Spec) -> None:
        self._probed, self._spec = probed, spec
        self._asked: list[Asked] = []
        self._frames: list[int] = []
        self._pixels: list[int] = []
        self._sums = Estimate(0, 0, 0.0, 0)
        weights: list[float] = []
        self._inputs, self._skipped = 0, 0
        for row in _rows(probed):
            self._inputs += 1
            self._skipped += row.outcome.status == "skipped"
            if row.outcome.status == "ok":
                foreseen = estimate(row.item, row.facts, spec)
                self._take(row, foreseen)
                weights.append(foreseen.cost_s)
        self._weights = _half_alike(np.array(weights))
        self._drawn = draw(self._weights, SAMPLE, seed=spec.shuffle)

    def _take(self, row: Row, foreseen: Estimate) -> None:
        self._asked.append(_asked(row))
        self._frames += [foreseen.frames_kept // foreseen.clips] * foreseen.clips
        self._pixels += [foreseen.frame_pixels] * foreseen.clips
        self._sums = Estimate(
            frames=self._sums.frames + foreseen.frames,
            frames_kept=self._sums.frames_kept + foreseen.frames_kept,
            cost_s=self._sums.cost_s + foreseen.cost_s,
            bytes_out=self._sums.bytes_out + foreseen.bytes_out,
        )

    @property
    def sample(self) -> set[Asked]:
        """What to extract, to see how far the estimates are off."""
        return {self._asked[number] for number in self._drawn.tolist()}

    @property
    def _globs(self) -> tuple[str, ...]:
        """Return what the paths of the sample match, and of an archive no others."""
        if not any(asked.archive for asked in self.sample):
            return ("*",)
        return tuple(sorted({escape(asked.path) for asked in self.sample}))

    def sample_spec(self, annotations: str) -> Spec:
        """Return what to do with it: the same, but only a few frames and one clip of each.

        Args:
            annotations: A file to be made, where annotations tell which ranges are clips.
        """
        most = min(self._spec.max_frames or SAMPLE_FRAMES, SAMPLE_FRAMES)
        spec = replace(
            self._spec,
            include=self._globs,
            exclude=(),
            hidden=True,
            archives=any(asked.archive for asked in self.sample),
            dedup="none",
            max_frames=most,
            clip_s=None,
            clip_stride_s=None,
        )
        if not spec.is_annotated:
            return spec
        with open(annotations, "w", encoding="ascii") as file:
            file.writelines(map(_annotation, sorted(self.sample, key=str)))
        unset = replace(spec, labels=annotations, preset=None, columns=(), form=(), classes=None)
        return replace(unset, keep_unannotated=False, strict=False)

    def plan(self, sampled: str) -> Plan:
        """Return the plan.

        Args:
            sampled: Output directory of the job that extracted the sample.
        """
        rows = {_asked(row): row for row in _rows(sampled)}
        draws = [rows[self._asked[number]] for number in self._drawn.tolist()]
        spec = store.job_of(sampled).spec if draws else self._spec  # of no sound file no sample
        foreseen = [estimate(row.item, row.facts, spec) for row in draws]
        weights = self._weights[self._drawn]

        def total(actual: Iterable[float], expected: Iterable[float], whole: float) -> Forecast:
            found, guess = np.array(list(actual), float), np.array(list(expected), float)
            return forecast(found, foreseen=guess, weights=weights, total=whole)

        return Plan(
            inputs=self._inputs,
            skipped=self._skipped,
            sound=len(self._asked),
            clips=len(self._frames),
            failures=tuple(groups(self._probed)),
            frames=total(
                (row.outcome.frames_kept or 0 for row in draws),
                (guess.frames_kept for guess in foreseen),
                self._sums.frames_kept,
            ),
            bytes_out=total(
                (row.outcome.bytes_out or 0 for row in draws),
                (guess.bytes_out for guess in foreseen),
                self._sums.bytes_out,
            ),
            core_s=total(
                (row.outcome.seconds for row in draws),
                (guess.cost_s for guess in foreseen),
                self._sums.cost_s,
            ),
            sampled=len(rows),
            sample_failures=tuple(groups(sampled)) if rows else (),
            truncations=tuple(
                truncations(_whole(self._frames), _whole(self._pixels), list(LENGTHS))
            ),
        )


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
    return Asked(item.path, item.clip_start_ns, item.clip_end_ns, item.archive)


def _annotation(asked: Asked) -> str:
    times = {
        name: None if time_ns is None else str(Decimal(time_ns) / NS_PER_S)
        for name, time_ns in (("start", asked.start_ns), ("end", asked.end_ns))
    }
    return json.dumps({"path": asked.path, **times}) + "\n"


def farm(directory: str, roots: Roots, sample: Iterable[Asked]) -> None:
    """Make a directory of links to some inputs, or to the archives they lie in, of the same names.

    Args:
        directory: Where the links go.
        roots: The input directories.
        sample: Files below them.
    """
    for path in {asked.archive or asked.path for asked in sample}:
        link = os.path.join(directory, path)
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(roots.place(path), link)
