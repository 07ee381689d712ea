"""Ways to do the same work, timed in turns: what counts are ratios within one run.

Absolute times on a shared machine mean little.  So every contender does the same pieces of work,
one turn each a round, and the figure is the median over the rounds of its time divided by ours in
the same round.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


class Unequal(SystemExit):
    """Two contenders did not do the same work: their times may not be compared."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do the work."""

    name: str
    """What it is, with its settings."""
    do: Callable[[int], object]
    """Does the piece of work with this number; fails if it did less or other work."""
    share: float = 1.0
    """How much of a piece it does: slow ones do a part, and their time is divided by it."""
    before: Callable[[], object] = bool
    """Makes room for a turn, outside of the time."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a contender took, against the first."""

    name: str
    seconds: tuple[float, ...]
    """Time of a piece in each round."""
    ratio: float = 1.0
    """Median over the rounds of its time by that of the first contender."""

    @property
    def median(self) -> float:
        """Median time of a piece, seconds."""
        return statistics.median(self.seconds)


def race(
    contenders: Sequence[Contender], *, rounds: int, pieces: int = 1, warm_up: bool = True
) -> list[Result]:
    """Let contenders take turns; the first is ours.

    Args:
        contenders: Who takes part.
        rounds: Turns of each.
        pieces: Pieces of work a turn, other ones each round.
        warm_up: Play one round more, first, that does not count.
    """
    taken: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(-1 if warm_up else 0, rounds):
        for contender in contenders:
            contender.before()
            began = time.perf_counter()
            for piece in range(pieces):
                contender.do((number + 1) * pieces + piece)
            seconds = (time.perf_counter() - began) / pieces / contender.share
            if number >= 0:
                taken[contender.name].append(seconds)
            turn = f"round {number + 1}" if number >= 0 else "warming up"
            print(f"  {turn:10} {seconds:10.4f} s  {contender.name}", file=sys.stderr)
    return results_of(taken)


def results_of(taken: dict[str, list[float]]) -> list[Result]:
    """Return medians and ratios from each contender's time in each round; the first is ours."""
    ours = next(iter(taken.values()))
    return [
        Result(
            name,
            tuple(seconds),
            statistics.median(time / our for time, our in zip(seconds, ours, strict=True)),
        )
        for name, seconds in taken.items()
    ]


def named(results: Sequence[Result], name: str) -> Result:
    """Return the result of the contender whose name begins so."""
    return next(result for result in results if result.name.startswith(name))


def best(results: Sequence[Result], *names: str) -> Result:
    """Return the fastest of the contenders whose names begin so; of all but the first if none."""
    chosen = [r for r in results[1:] if not names or r.name.startswith(names)]
    return min(chosen, key=lambda result: result.ratio)
