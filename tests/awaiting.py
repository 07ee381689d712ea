"""Waiting for a condition that another process brings about, instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 90.0


def wait_for(look: Callable[[], T], what: str, *, timeout_s: float = PATIENCE_S) -> T:
    """Return the first true answer of ``look``; fail with ``what`` if none comes."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = look()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s in vain for {what}"
        time.sleep(0.02)
