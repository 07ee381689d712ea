"""What a packet is among the others of its stream."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct


class Role(Struct, frozen=True):
    """A packet's part among the others."""

    start: bool
    """What is shown from here on needs nothing from before."""
    spare: bool
    """No other picture needs it."""


Inspector = Callable[[bytes], Role | None]
"""Tells a packet's role; None if the stream breaks the rule of one shown picture a packet, changes
what holds for all, or does what is not understood here.  It is asked of every packet in order."""

START: Final = Role(start=True, spare=False)
NEEDED: Final = Role(start=False, spare=False)
SPARE: Final = Role(start=False, spare=True)
ALONE: Final = Role(start=True, spare=True)
