"""Where a decoder's time goes: one stopwatch, looked at after each step of the work.

A decoder does one thing at a time, so the time since the last look is what the step just done
took, and the steps add up to the whole.  A look costs a fifth of a microsecond.
"""

import time
from collections import defaultdict
from typing import Any, Literal

Step = Literal["open", "demux", "decode", "scale", "colour", "encode", "write"]
"""What a decoder does, as in the columns of ``Outcome``."""


class Stopwatch:
    """Runs from its making on."""

    def __init__(self) -> None:
        self._taken_s: dict[str, float] = defaultdict(float)
        self._looked_s = time.perf_counter()

    def begin(self) -> None:
        """Forget the time since the last look: it was somebody else's."""
        self._looked_s = time.perf_counter()

    def was(self, step: Step) -> None:
        """Count the time since the last look for a step."""
        now_s = time.perf_counter()
        self._taken_s[step] += now_s - self._looked_s
        self._looked_s = now_s

    def columns(self) -> dict[str, Any]:
        """Return what each step took, by the names of the columns, and begin anew."""
        taken_s, self._taken_s = self._taken_s, defaultdict(float)
        return {f"{step}_s": seconds for step, seconds in taken_s.items()}
