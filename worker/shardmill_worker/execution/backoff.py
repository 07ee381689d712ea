"""How long a worker takes no work after a fault of its machine: longer each time.

A machine that is out of descriptors, or has lost a network drive, fails at once and so would take
every batch first.  While it waits, the batches go to other workers.
"""

import threading
import time
from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 60.0


class Backoff:
    """Of all slots of one worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._delay_s = 0.0
        self._until_s = 0.0

    def extend(self) -> None:
        """Wait from now on, twice as long as the last time; slots that fail together count once."""
        with self._lock:
            now_s = time.monotonic()
            if now_s >= self._until_s:
                self._delay_s = min(LONGEST_S, max(FIRST_S, 2 * self._delay_s))
                self._until_s = now_s + self._delay_s

    def reset(self) -> None:
        """Wait no longer: the machine is well, or nobody else can do the work."""
        with self._lock:
            self._delay_s = self._until_s = 0.0

    def wait(self, ended: threading.Event) -> None:
        """Return when the time is over, or at once when ``ended`` is set."""
        while (left_s := self._until_s - time.monotonic()) > 0 and not ended.wait(min(1.0, left_s)):
            pass
