"""In which order an epoch shows its windows: arithmetic on whole numbers.

The order is a permutation that is never written down: where the window of any place comes from
is worked out from seed, epoch and place alone, by a Feistel network with splitmix64 as its
mixing function.  So workers, ranks and a run that goes on in mid-epoch need not tell each other
anything, and a thousand million windows cost no memory.  Nothing here depends on the version of
numpy, whose own generators may change what a seed gives.
"""

from functools import lru_cache
from typing import Final, Literal, get_args

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.errors import UsageError

Tail = Literal["keep", "drop"]

_ROUNDS: Final = 12  # few bits need more rounds than the four that suffice for many
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_BLOCK: Final = 256
_ORDER, _START = 1, 2  # what a key is for: the same seed must not repeat itself


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return numbers that look drawn at random, one for each: splitmix64 by Sebastiano Vigna."""
    z: NDArray[np.uint64] = values + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def shuffled(places: NDArray[np.int64], *, count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return what stands at some places of a shuffled ``range(count)``.

    Args:
        places: Each in ``[0, count)``.  Shape (N,).
        count: How many numbers there are.
        seed: Decides the order; its lowest 64 bits count.
        epoch: Decides it too, from 0.

    Returns:
        Shape (N,), each in ``[0, count)``; for all places together a permutation.
    """
    keys = mixed(_key(_ORDER, seed, epoch) + np.arange(_ROUNDS).astype(np.uint64))
    numbers = _swapped_about(places.astype(np.uint64), keys, count)
    while (outside := numbers >= count).any():  # at most every second, on average
        numbers[outside] = _swapped_about(numbers[outside], keys, count)
    return numbers.astype(np.int64)


def at_place(place: int, *, count: int, seed: int, epoch: int) -> int:
    """Return what stands at one place, as ``shuffled`` has it.

    Neighbours are worked out along with it: they are asked for next, and cost next to nothing.
    """
    block, rest = divmod(place, _BLOCK)
    return int(_block(block, count, seed, epoch)[rest])


@lru_cache(maxsize=64)
def _block(block: int, count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    places = np.arange(block * _BLOCK, min((block + 1) * _BLOCK, count))
    return shuffled(places, count=count, seed=seed, epoch=epoch)


def drawn(
    numbers: NDArray[np.int64], choices: NDArray[np.int64], *, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Return for each number one of its choices, each equally likely.

    Args:
        numbers: What to draw for, clips for instance.  Shape (N,).
        choices: Out of how many, below 2**32.  Shape (N,).
        seed: Decides the draw; its lowest 64 bits count.
        epoch: Decides it too, from 0.

    Returns:
        Shape (N,), each in ``[0, choices)``.
    """
    bits = mixed(_key(_START, seed, epoch) ^ mixed(numbers.astype(np.uint64))) >> np.uint64(32)
    return ((bits * choices.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)


def _key(purpose: int, seed: int, epoch: int) -> NDArray[np.uint64]:
    key = np.zeros(1, np.uint64)
    for value in (purpose, seed, epoch):
        key = mixed(key + np.uint64(value % 2**64))
    return key


def _swapped_about(
    numbers: NDArray[np.uint64], keys: NDArray[np.uint64], count: int
) -> NDArray[np.uint64]:
    """Permute the numbers of as many bits as ``count - 1`` has: Feistel's network."""
    bits = (count - 1).bit_length()
    low_bits = np.uint64((bits + 1) // 2)
    low_mask = (np.uint64(1) << low_bits) - np.uint64(1)
    high_mask = (np.uint64(1) << np.uint64(bits // 2)) - np.uint64(1)
    high, low = numbers >> low_bits, numbers & low_mask
    for number, key in enumerate(keys):
        if number % 2:
            high = high ^ (mixed(low ^ key) & high_mask)
        else:
            low = low ^ (mixed(high ^ key) & low_mask)
    return (high << low_bits) | low


class Share(Struct, frozen=True, kw_only=True):
    """The places of an epoch that one of several ranks takes: its own and every ``world``-th on."""

    rank: int = 0
    """Which rank, from 0."""
    world: int = 1
    """How many ranks there are."""
    tail: Tail = "keep"
    """What becomes of the last places, where they are fewer than ranks: ``keep`` shows every
    window exactly once, so some ranks have one more than others; ``drop`` gives all ranks the
    same number, as collective operations want it, and leaves out up to ``world - 1`` windows,
    others in each epoch."""

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise UsageError(
                f"expected a rank in [0, world), got rank {self.rank} of world {self.world}"
            )
        if self.tail not in get_args(Tail):
            raise UsageError(f"tail must be one of {', '.join(get_args(Tail))}; got {self.tail!r}")

    def places(self, count: int, *, first: int = 0) -> range:
        """Return this rank's places in ``[first, count)``."""
        stop = count - (count - first) % self.world if self.tail == "drop" else count
        return range(first + self.rank, stop, self.world)
