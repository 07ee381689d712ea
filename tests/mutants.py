"""Damaged files: each comes from a sound one by a few seeded accidents, so it can be made again."""

import random
from collections.abc import Callable, Sequence
from typing import Final

HEAD_BYTES: Final = 2048
"""Where formats keep what decides most."""
EXTREMES: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
MAX_RUN: Final = 4096


def _place(data: bytearray, rng: random.Random) -> int:
    """Return a position, in the head as often as behind it."""
    return rng.randrange(min(len(data), HEAD_BYTES) if rng.random() < 0.5 else len(data))


def _span(data: bytearray, rng: random.Random) -> slice:
    start = _place(data, rng)
    return slice(start, start + rng.randint(1, min(MAX_RUN, len(data))))


def flip_bits(data: bytearray, rng: random.Random, other: bytes) -> None:
    for _ in range(rng.randint(1, 30)):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def set_field(data: bytearray, rng: random.Random, other: bytes) -> None:
    """Overwrite what may be a number with the largest, the smallest, or one off."""
    for _ in range(rng.randint(1, 3)):
        width, start = rng.choice((1, 2, 4)), _place(data, rng)
        value = rng.choice(EXTREMES) % 256**width
        data[start : start + width] = value.to_bytes(width, rng.choice(("little", "big")))


def cut_off(data: bytearray, rng: random.Random, other: bytes) -> None:
    del data[rng.randrange(len(data)) :]


def lose(data: bytearray, rng: random.Random, other: bytes) -> None:
    del data[_span(data, rng)]


def insert_noise(data: bytearray, rng: random.Random, other: bytes) -> None:
    at = _place(data, rng)
    data[at:at] = rng.randbytes(rng.randint(1, MAX_RUN))


def overwrite_with_one_byte(data: bytearray, rng: random.Random, other: bytes) -> None:
    span = _span(data, rng)
    data[span] = bytes([rng.choice((0, 0xFF, 0x41))]) * len(data[span])


def repeat(data: bytearray, rng: random.Random, other: bytes) -> None:
    span = _span(data, rng)
    data[span] = data[span] * rng.randint(2, 5)


def swap(data: bytearray, rng: random.Random, other: bytes) -> None:
    a, b = sorted((_place(data, rng), _place(data, rng)))
    length = rng.randint(1, MAX_RUN)
    data[a:] = (
        data[b : b + length] + data[a + length : b] + data[a : a + length] + data[b + length :]
    )


def splice(data: bytearray, rng: random.Random, other: bytes) -> None:
    """Go on with another file in the middle."""
    data[_place(data, rng) :] = other[rng.randrange(len(other)) :]


ACCIDENTS: Final[tuple[Callable[[bytearray, random.Random, bytes], None], ...]] = (
    *(flip_bits, set_field, set_field, cut_off, lose, insert_noise),
    *(overwrite_with_one_byte, repeat, swap, splice),
)


def mutant(sources: Sequence[tuple[str, bytes]], seed: int) -> tuple[str, bytes]:
    """Return a file name and the bytes of one damaged file.

    Args:
        sources: Names and bytes of sound files.
        seed: Equal seeds give equal files, as long as the sources are equal.
    """
    rng = random.Random(seed)
    name, sound = rng.choice(sources)
    _, other = rng.choice(sources)
    data = bytearray(sound)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if data:
            rng.choice(ACCIDENTS)(data, rng, other)
    return f"{seed:06d}-{name}", bytes(data)
