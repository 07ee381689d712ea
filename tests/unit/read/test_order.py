"""An epoch's order is a fair permutation, and any place of it is known without the others."""

from collections import Counter

import numpy as np
import pytest

from shardmill.read.order import Draw, drawn, mixed, shuffled

MASK = 2**64 - 1


def splitmix(x: int) -> int:
    """The finaliser of splitmix64.c by Sebastiano Vigna, in whole numbers of any size."""
    z = (x + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def order(count: int, *, seed: int = 0, epoch: int = 0) -> list[int]:
    return shuffled(np.arange(count), count=count, seed=seed, epoch=epoch).tolist()


def test_the_mixing_function_is_splitmix64():
    """The published test vector: state 1234567, then further by the golden ratio each time."""
    states = [(1234567 + k * 0x9E3779B97F4A7C15) & MASK for k in range(5)]

    assert mixed(np.array(states, np.uint64)).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def place_by_the_book(number: int, *, count: int, seed: int, epoch: int) -> int:
    """Feistel's network with cycle walking, one number at a time."""
    key = 0
    for value in (1, seed, epoch):
        key = splitmix((key + value) & MASK)
    bits = (count - 1).bit_length()
    low_bits = (bits + 1) // 2
    while True:
        high, low = divmod(number, 2**low_bits)
        for k in range(12):
            mixing = splitmix((key + k) & MASK)
            if k % 2:
                high ^= splitmix(low ^ mixing) % 2 ** (bits // 2)
            else:
                low ^= splitmix(high ^ mixing) % 2**low_bits
        number = high * 2**low_bits + low
        if number < count:
            return number


@pytest.mark.parametrize("count", [1, 2, 6, 100, 2**40 + 7])
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_the_order_is_the_one_that_is_described(count, seed):
    """Whoever resumes with a later version must find the order that the earlier one had."""
    places = [0, count // 3, count - 1]

    found = shuffled(np.array(places), count=count, seed=seed, epoch=3)

    assert found.tolist() == [
        place_by_the_book(place, count=count, seed=seed, epoch=3) for place in places
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 8, 9, 100, 255, 256, 257, 10_000])
def test_every_number_has_one_place(count):
    assert sorted(order(count, seed=5, epoch=1)) == list(range(count))


def test_more_windows_than_memory_can_hold_have_an_order():
    count = 10**12
    places = np.arange(0, count, count // 1000)

    found = shuffled(places, count=count, seed=0, epoch=0)

    assert np.unique(found).size == places.size
    assert found.min() >= 0
    assert found.max() < count
    assert 0.4 * count < found.mean() < 0.6 * count


def test_a_place_is_known_without_the_others():
    alone = [shuffled(np.array([k]), count=50, seed=1, epoch=2)[0] for k in range(50)]

    assert alone == order(50, seed=1, epoch=2)


def test_each_seed_and_each_epoch_has_its_order():
    orders = [order(20, seed=seed, epoch=epoch) for seed in range(4) for epoch in range(4)]

    assert len(set(map(tuple, orders))) == 16


@pytest.mark.parametrize("count", [2, 3, 6, 10])
def test_every_number_is_as_likely_at_every_place(count):
    """The 0.1 % points of chi-square with 1, 2, 5 and 9 degrees of freedom (Pearson's table)."""
    limit = {2: 10.83, 3: 13.82, 6: 20.52, 10: 27.88}[count]
    orders = np.array([order(count, seed=7, epoch=epoch) for epoch in range(3000)])

    for place in range(count):
        found = np.bincount(orders[:, place], minlength=count)
        assert ((found - 3000 / count) ** 2 / (3000 / count)).sum() < limit


def test_neighbours_are_as_likely_as_any_other_pair():
    """58.3 is the 0.1 % point of chi-square with 29 degrees of freedom, for 6 x 5 pairs."""
    orders = [order(6, seed=3, epoch=epoch) for epoch in range(3000)]

    pairs = Counter((one[0], one[1]) for one in orders)

    assert len(pairs) == 30
    assert sum((found - 100) ** 2 / 100 for found in pairs.values()) < 58.3


@pytest.mark.parametrize("choices", [1, 2, 5, 20])
def test_every_choice_is_equally_likely(choices):
    """The 0.1 % points of chi-square with 1, 4 and 19 degrees of freedom."""
    numbers = np.arange(4000)

    found = drawn(Draw.START, numbers, np.full(4000, choices), seed=2, epoch=0)

    expected = 4000 / choices
    cells = np.bincount(found, minlength=choices)
    assert cells.size == choices
    limit = {1: 1e-9, 2: 10.83, 5: 18.47, 20: 43.82}[choices]
    assert ((cells - expected) ** 2 / expected).sum() < limit


def test_a_draw_depends_on_number_seed_and_epoch_alone():
    numbers, choices = np.arange(100), np.full(100, 1000)

    all_at_once = drawn(Draw.START, numbers, choices, seed=1, epoch=1)

    alone = [drawn(Draw.START, numbers[[k]], choices[[k]], seed=1, epoch=1)[0] for k in numbers]
    assert all_at_once.tolist() == alone
    for other in ({"seed": 2, "epoch": 1}, {"seed": 1, "epoch": 2}):
        assert (drawn(Draw.START, numbers, choices, **other) != all_at_once).sum() > 90
