"""In which order an epoch shows its windows, and what it draws: arithmetic on whole numbers.

The order is a permutation that is never written down: where the window of any place comes from
is worked out from seed, epoch and place alone, by a Feistel network with splitmix64 as its
mixing function.  So workers, ranks and a run that goes on in mid-epoch need not tell each other
anything, and a thousand million windows cost no memory.  Draws are hashes of seed, epoch and the
number of the window.  Nothing here depends on the version of numpy, whose own generators may change
what a seed gives.
"""

from enum import IntEnum
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

_ROUNDS: Final = 12  # few bits need more rounds than the four that suffice for many
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


class Draw(IntEnum):
    """What a key is for: draws of one seed for different purposes are independent."""

    ORDER = 1
    START = 2
    STRIDE = 3
    JITTER = 4
    OFFSET = 5
    REPLACEMENT = 6


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
    return _permuted(places, count, _key(Draw.ORDER, seed, epoch))


def replacement(number: int, *, count: int, seed: int, epoch: int, attempt: int) -> int:
    """Return which of ``count`` windows stands in for a damaged one.

    For one attempt it is a permutation too: different windows have different replacements.

    Args:
        number: The damaged window.
        count: How many windows there are.
        seed: Decides the draw; its lowest 64 bits count.
        epoch: Decides it too, from 0.
        attempt: Decides it too: how many windows have been damaged in a row.
    """
    key = _key(Draw.REPLACEMENT, seed, epoch, attempt)
    return int(_permuted(np.array([number]), count, key)[0])


def drawn(
    purpose: Draw,
    numbers: NDArray[np.int64],
    choices: NDArray[np.int64],
    *,
    seed: int,
    epoch: int,
) -> NDArray[np.int64]:
    """Return for each number one of its choices, each equally likely.

    Args:
        purpose: What is drawn.
        numbers: What to draw for, windows for instance.  Shape (N,).
        choices: Out of how many, below 2**32.  Shape (N,).
        seed: Decides the draw; its lowest 64 bits count.
        epoch: Decides it too, from 0.

    Returns:
        Shape (N,), each in ``[0, choices)``.
    """
    bits = mixed(_key(purpose, seed, epoch) ^ mixed(numbers.astype(np.uint64))) >> np.uint64(32)
    return ((bits * choices.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)


def drawn_offset(total: int, *, seed: int, epoch: int) -> int:
    """Return one number in ``[0, total)`` for an epoch, each equally likely."""
    return int(_key(Draw.OFFSET, seed, epoch)[0]) * total >> 64


@lru_cache(maxsize=64)
def _key(*values: int) -> NDArray[np.uint64]:
    key = np.zeros(1, np.uint64)
    for value in values:
        key = mixed(key + np.uint64(value % 2**64))
    key.flags.writeable = False
    return key


def _permuted(numbers: NDArray[np.int64], count: int, key: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Permute numbers of ``range(count)``: numbers that leave it are permuted again."""
    keys = mixed(key + np.arange(_ROUNDS).astype(np.uint64))
    found = _swapped_about(numbers.astype(np.uint64), keys, count)
    while (outside := found >= count).any():  # at most every second, on average
        found[outside] = _swapped_about(found[outside], keys, count)
    return found.astype(np.int64)


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
