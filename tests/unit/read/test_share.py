"""Ranks share the places of an epoch."""

import pytest

from shardmill.contract.errors import UsageError
from shardmill.read import Share


@pytest.mark.parametrize(
    ("world", "tail", "shares"),
    [
        pytest.param(1, "pad", [[0, 1, 2, 3, 4, 5, 6]], id="one takes all"),
        pytest.param(2, "pad", [[0, 2, 4, 6], [1, 3, 5, 7]], id="one place stands for the first"),
        pytest.param(3, "pad", [[0, 3, 6], [1, 4, 7], [2, 5, 8]], id="two do"),
        pytest.param(7, "pad", [[k] for k in range(7)], id="nothing to pad"),
        pytest.param(2, "uneven", [[0, 2, 4, 6], [1, 3, 5]], id="the first has one more"),
        pytest.param(2, "drop", [[0, 2, 4], [1, 3, 5]], id="the last is left out"),
        pytest.param(3, "drop", [[0, 3], [1, 4], [2, 5]], id="so are two of three"),
        pytest.param(7, "drop", [[k] for k in range(7)], id="nothing to leave out"),
        pytest.param(8, "pad", [[k] for k in range(8)], id="more ranks than windows"),
        pytest.param(8, "uneven", [*([k] for k in range(7)), []], id="one rank without a window"),
        pytest.param(8, "drop", [[]] * 8, id="too few for all"),
    ],
)
def test_ranks_share_seven_places(world, tail, shares):
    found = [Share(rank=rank, world=world, tail=tail).places(7) for rank in range(world)]

    assert [list(places) for places in found] == shares


@pytest.mark.parametrize(
    ("tail", "first", "shares"),
    [
        ("pad", 3, [[3, 5], [4, 6]]),
        ("pad", 4, [[4, 6], [5, 7]]),
        ("uneven", 4, [[4, 6], [5]]),
        ("drop", 4, [[4], [5]]),
        ("pad", 7, [[], []]),
        ("pad", 8, [[], []]),
        ("uneven", 8, [[], []]),
        ("drop", 8, [[], []]),
    ],
)
def test_ranks_share_what_is_left(tail, first, shares):
    found = [Share(rank=rank, world=2, tail=tail).places(7, first=first) for rank in (0, 1)]

    assert [list(places) for places in found] == shares


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 2, "world": 2}, "got rank 2 of world 2"),
        ({"rank": -1}, "got rank -1 of world 1"),
        ({"rank": "0"}, "expected rank and world as whole numbers, got '0' and 1"),
        ({"world": 2.0}, "expected rank and world as whole numbers, got 0 and 2.0"),
        ({"world": True}, "expected rank and world as whole numbers, got 0 and True"),
        ({"tail": "cut"}, "tail must be one of pad, drop, uneven; got 'cut'"),
    ],
)
def test_an_impossible_share_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        Share(**options)
