"""How a measure is cut into the bins of a histogram: arithmetic on its range."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

BINS: Final = 40
"""Bins to aim for on an even scale."""
LOG_FROM: Final = 1.5
"""Decades between smallest and largest value from which on a scale is logarithmic."""
LOG_STEP: Final = 1 / 20
"""Width of a bin on a logarithmic scale, decades; wider where there would be too many."""
MOST_LOG_BINS: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Equal bins over the values, or over their decimal logarithms."""

    name: str
    """The measure."""
    log: bool
    """True if bins are equal over logarithms."""
    start: float
    """Where bin 0 begins: a value, or its logarithm."""
    step: float
    """Width of a bin, in the same terms."""

    def edges(self, number: int) -> tuple[float, float]:
        """Return the smallest value of a bin and its end (exclusive)."""
        low, high = (self.start + self.step * (number + more) for more in (0, 1))
        return (10**low, 10**high) if self.log else (low, high)

    def encode(self) -> dict[str, Any]:
        """Return plain values, for SQL."""
        return asdict(self)


def scale_for(name: str, low: float, high: float, *, whole: bool) -> Scale:
    """Return the scale that shows values in ``[low, high]``.

    Args:
        name: The measure.
        low: Smallest value, above 0.
        high: Largest value.
        whole: Values are whole numbers: a bin is never narrower than 1.
    """
    decades = math.log10(high) - math.log10(low)
    if decades > LOG_FROM:
        step = max(LOG_STEP, decades / MOST_LOG_BINS)
        return Scale(
            name=name, log=True, start=math.floor(math.log10(low) / step) * step, step=step
        )
    step = max(1.0, nice((high - low) / BINS or 1.0)) if whole else nice((high - low) / BINS or low)
    return Scale(name=name, log=False, start=math.floor(low / step) * step, step=step)


def nice(step: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is at least ``step``."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step)
