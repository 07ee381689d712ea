"""How much of a job's work is done, and when the rest will be.

Work is counted in estimated microseconds of one core, so that an hour of video weighs more than a
picture.  What is foretold is a range: as fast as the job has lately been at its best, and as slow
as at its worst, wider the fewer of the inputs are probed.
"""

import math
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from msgspec import Struct

from shardmill.ledger.answers import Snapshot

MIN_SPAN_S: Final = 3.0
"""Nothing is foretold from less than this."""
LONG_SPAN_S: Final = 120.0
"""How far back the pace is looked at."""
SHORT_SPAN_S: Final = 15.0
KEEP_EVERY_S: Final = 1.0
HALVED: Final = 4
"""From so many looks on their halves are looked at too."""
MARGIN: Final = 1.3
"""By so much a pace may change that was the same all the time."""
YOUNG_S: Final = 3.0
"""And by this over the seconds it was seen for: what comes may be of another kind."""
MIN_PROBED: Final = 100
"""From fewer inputs nothing is foretold of others: one of those may be an hour of video."""
SPREAD: Final = 2.0
"""So many standard errors the mean cost of an input may be off."""
MIN_SCATTER: Final = 1.0
"""Costs of inputs are taken to scatter by their mean at least: the dear ones are rare."""
MAX_ERROR: Final = 0.7
"""Where the unprobed rest may be a larger part of what is left, nothing is foretold."""
BIAS: Final = 1.0
"""An input may take so much more or less than estimated; of many inputs that evens out."""
WIDEST: Final = 6.0
"""A range whose end is so many times its beginning, and ``CLOSE_S`` more, says nothing."""
CLOSE_S: Final = 20.0
FINISH_S: Final = 3.0
"""What ending a job may take: the tables and the report."""


class Work(Struct, frozen=True, kw_only=True):
    """What is done and what is left, by estimated cost, of this run."""

    share: float
    """Part that is done, 0 to 1."""
    growth: float
    """All inputs of this run over those that are probed."""
    eta_s: float | None
    """Seconds left, the best guess; None while too little is known."""
    eta_range_s: tuple[float, float] | None
    """Seconds left, at least and at most."""


class _Look(NamedTuple):
    seconds: float
    worked_us: int
    leased: int


class Foresight:
    """Remembers how much was done when."""

    def __init__(self) -> None:
        self._seen: deque[_Look] = deque()

    def read(self, snapshot: Snapshot) -> Work:
        """Return what is known of the work at ``snapshot``."""
        counters = snapshot.counters
        # What is not probed yet will cost what the inputs probed in this run cost on average.
        probed = counters.get("probed", 0) - counters.get("probed_before", 0)
        unprobed = max(0, (snapshot.inputs or 0) - counters.get("probed", 0))
        growth = 1 + unprobed / probed if probed > 0 else 1.0
        worked_us = counters.get("worked_us", 0) + snapshot.live.worked_us
        whole_us = counters.get("planned_us", 0) * growth
        share = min(1.0, worked_us / whole_us) if whole_us else 0.0
        eta = None
        self._look(snapshot, worked_us)
        ground = probed >= (MIN_PROBED if unprobed else 1)
        if snapshot.inputs is not None and snapshot.state == "running" and ground:
            mean_us = counters.get("planned_us", 0) / probed
            squares_us2 = 1e6 * counters.get("planned_ms2", 0) / probed
            scatter_us = max(MIN_SCATTER * mean_us, math.sqrt(max(0, squares_us2 - mean_us**2)))
            error_us = SPREAD * scatter_us / math.sqrt(probed) * unprobed
            # So many inputs of one cost would be as much work and scatter as much.
            evenly = counters.get("planned_us", 0) ** 2 / max(1.0, probed * squares_us2)
            bias = BIAS / math.sqrt(max(1.0, evenly)) * (1 - share) if squares_us2 else 0.0
            eta = self._eta(snapshot, max(0.0, whole_us - worked_us), error_us, bias)
        return Work(
            share=share,
            growth=growth,
            eta_s=eta[0] if eta else None,
            eta_range_s=eta[1:] if eta else None,
        )

    def _look(self, snapshot: Snapshot, worked_us: int) -> None:
        """Remember how much is done; nothing from before work began, or before a pause."""
        seen, now = self._seen, snapshot.seconds
        if snapshot.state != "running":
            seen.clear()
            return
        if seen and seen[-1].worked_us == worked_us == 0:
            seen.clear()
        while seen and now - seen[0].seconds > LONG_SPAN_S:
            seen.popleft()
        if not seen or now - seen[-1].seconds >= KEEP_EVERY_S:
            seen.append(_Look(now, worked_us, snapshot.leased))

    def _eta(
        self, snapshot: Snapshot, left_us: float, error_us: float, bias: float
    ) -> tuple[float, float, float] | None:
        """Return the seconds left: best guess, at least, at most."""
        now = self._seen[-1].seconds
        late = [look for look in self._seen if now - look.seconds <= SHORT_SPAN_S]
        paces = self._paces(late)
        if not paces or min(paces) <= 0 or error_us > MAX_ERROR * left_us:
            return None
        margin = MARGIN + bias + YOUNG_S / (now - self._seen[0].seconds)
        # The batch that will be done last may have one slot for itself while the others idle.
        rest_us = max((live.whole_us - live.worked_us for live in snapshot.held), default=0)
        alone_us = rest_us * max(1, *(look.leased for look in late))
        guess = max(left_us, alone_us) / paces[0]
        least = (left_us - error_us) / max(paces) / margin
        most = max(left_us + error_us, alone_us) / min(paces) * margin + FINISH_S
        return (guess, least, most) if most <= WIDEST * least + CLOSE_S else None

    def _paces(self, late: Sequence[_Look]) -> list[float]:
        """Return work a second: the best guess, then what else it may be.

        Work is told in steps, of a second or of a batch, so a span may hold one more or one less.
        """
        span_s = late[-1].seconds - late[0].seconds
        if span_s < MIN_SPAN_S:
            return []
        middle = late[len(late) // 2]
        spans = [(late[0], late[-1]), (self._seen[0], late[-1])]
        if len(late) > HALVED:
            spans += [(late[0], middle), (middle, late[-1])]
        paces = [(b.worked_us - a.worked_us) / (b.seconds - a.seconds) for a, b in spans]
        step_us = max(b.worked_us - a.worked_us for a, b in pairwise(late))
        return [*paces, paces[0] - step_us / span_s, paces[0] + step_us / span_s]
