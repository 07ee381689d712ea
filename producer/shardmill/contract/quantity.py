"""Quantities as people write and read them: bytes, durations, counts, printable text."""

import math
import re
from typing import Final

from shardmill.contract.errors import UsageError

_SPANS: Final[tuple[tuple[float, int, float, str], ...]] = (
    (20.0, 1, 5, "s"),
    (120.0, 1, 10, "s"),
    (3600.0, 60, 1, "min"),
    (36_000.0, 3600, 0.5, "h"),
    (math.inf, 3600, 1, "h"),
)
"""Up to so many seconds a span is told in such steps of such a unit."""
_DECIMAL = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_bytes(text: str, *, option: str) -> int:
    """Read ``256MB`` (decimal), ``256MiB`` (binary) or a plain number of bytes.

    Raises:
        UsageError: The text has another form, or means less than one byte.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B?", text.strip().upper())
    if not match or (match[3] and not match[2]):
        raise UsageError(f"{option} must be a size such as 256MB or 2GiB, got {text!r}")
    size_bytes = round(float(match[1]) * (_BINARY if match[3] else _DECIMAL)[match[2]])
    if size_bytes < 1:
        raise UsageError(f"{option} must be at least 1 byte, got {text!r}")
    return size_bytes


def format_bytes(size_bytes: float) -> str:
    """Write ``1.2 GB``; decimal, as disks are sold and ``parse_bytes`` reads."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size_bytes < 999.5 or unit == "TB":
            break
        size_bytes /= 1000
    return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.3g} {unit}"


def format_duration(seconds: float) -> str:
    """Write ``3.2 s``, ``4 min 05 s`` or ``2 h 03 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def format_span(least_s: float, most_s: float) -> str:
    """Write ``20-30 s``, ``3-5 min`` or ``1.5-2 h``; rounded outward, so that it stays true."""
    _, unit_s, step, unit = next(span for span in _SPANS if most_s <= span[0])
    low = math.floor(least_s / unit_s / step) * step
    high = math.ceil(most_s / unit_s / step) * step
    return f"{low:g}-{high:g} {unit}" if low > 0 else f"<{high:g} {unit}"


def format_count(count: int, noun: str) -> str:
    """Write ``1 file`` or ``1,204 files``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def printable(text: str) -> str:
    """Return ``text`` fit for a terminal, a table and UTF-8: control and stray bytes escaped."""
    if text.isprintable():
        return text
    safe = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in safe)


TIMES_OF_CHANGE_NS: Final = range(-(2**63), 2**63)
"""What a manifest can hold: from the year 1677 to 2262; file systems hold more."""


def storable_mtime_ns(mtime_ns: int) -> int:
    """Return a time of change as a manifest can hold it; one that it cannot, as the last or first.

    Who opens such a file refuses it, because its changes would not be seen.
    """
    return min(max(mtime_ns, TIMES_OF_CHANGE_NS.start), TIMES_OF_CHANGE_NS.stop - 1)
