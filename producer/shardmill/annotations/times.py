"""Times as data sets write them, to whole nanoseconds."""

import re
from decimal import Decimal
from typing import Final

from shardmill.annotations.annotation import Unfit, shown
from shardmill.contract.options.sampling import NS_PER_S

MAX_S: Final = 1_000_000_000
"""The latest time, as for the options ``--start`` and ``--end``."""
MAX_DIGITS: Final = 40
SECONDS: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,2})?", re.ASCII | re.IGNORECASE)
CLOCK: Final = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)", re.ASCII)


def time_ns(value: object, name: str) -> int | None:
    """Return seconds, or ``[hh:]mm:ss.mmm``, as nanoseconds; None for nothing.

    Digits behind the ninth are rounded, a half to the even digit.

    Args:
        value: From a column; numbers of a JSON document come as int or Decimal.
        name: The column, for the reason.

    Raises:
        Unfit: It is neither, or lies outside ``[0, MAX_S]``.
    """
    if value is None or value == "":
        return None
    text = str(value).strip() if isinstance(value, str | Decimal) or type(value) is int else ""
    if len(text) > MAX_DIGITS:
        text = ""
    if SECONDS.fullmatch(text):
        seconds = Decimal(text)
    elif match := CLOCK.fullmatch(text):
        minutes, rest = int(match[2]), Decimal(match[3])
        if minutes > 59 or rest >= 60:
            raise Unfit("time", f"expected minutes and seconds below 60 in {name}, got {text!r}")
        seconds = int(match[1] or 0) * 3600 + minutes * 60 + rest
    else:
        raise Unfit("time", f"expected seconds or hh:mm:ss.mmm in {name}, got {shown(value)}")
    if not 0 <= seconds <= MAX_S:
        raise Unfit("time", f"expected a time from 0 to {MAX_S:,} s in {name}, got {text} s")
    return int((seconds * NS_PER_S).to_integral_value())
