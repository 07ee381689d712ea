"""The places of an epoch that one of several ranks reads."""

from typing import Literal, get_args

from msgspec import Struct

from shardmill.contract.errors import UsageError

Tail = Literal["pad", "drop", "uneven"]


class Share(Struct, frozen=True, kw_only=True):
    """One rank's part of an epoch: its first place and every ``world``-th place after it.

    Raises:
        UsageError: There is no such rank or tail.
    """

    rank: int = 0
    """Number of this rank, from 0."""
    world: int = 1
    """Number of ranks."""
    tail: Tail = "pad"
    """Treatment of the last places if they do not divide evenly.

    ``pad``: every rank has the same number of windows, and up to ``world - 1`` windows from the
    start of the epoch are read once more, as PyTorch's ``DistributedSampler`` does.
    ``drop``: every rank has the same number, and up to ``world - 1`` windows are left out, others
    in each epoch.
    ``uneven``: every window is read exactly once, and some ranks have one window more than others;
    a collective operation after each batch can then wait forever."""

    def __post_init__(self) -> None:
        if self.tail not in get_args(Tail):
            raise UsageError(f"tail must be one of {', '.join(get_args(Tail))}; got {self.tail!r}")
        if not (_is_number(self.rank) and _is_number(self.world)):
            raise UsageError(
                f"expected rank and world as whole numbers, got {self.rank!r} and {self.world!r}"
            )
        if not 0 <= self.rank < self.world:
            raise UsageError(
                f"expected a rank in [0, world), got rank {self.rank} of world {self.world}"
            )

    def places(self, count: int, *, first: int = 0) -> range:
        """Return this rank's places of an epoch of ``count`` windows, from place ``first`` on.

        With ``pad`` the last may be ``count`` or more: place ``count + i`` stands for place ``i``.
        """
        left = count - first
        if self.tail == "drop":
            number = left // self.world
        elif self.tail == "pad":
            number = -(-left // self.world)
        else:
            number = -(-(left - self.rank) // self.world)
        return range(first + self.rank, first + self.rank + number * self.world, self.world)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
