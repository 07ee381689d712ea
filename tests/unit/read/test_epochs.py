"""Epochs show every window once, can be shared by ranks, and go on where they stopped."""

import json
from collections import Counter
from itertools import islice

import pytest

from out_dir import OutDir, Video
from shardmill.contract.errors import UsageError
from shardmill.read import ClipDataset, Epochs, Share


@pytest.fixture
def data(tmp_path):
    """Eleven windows, told apart by the grey of their first frame."""
    out = OutDir(str(tmp_path))
    out.shard("b0", Video("six", frames=6, value=10), Video("nine", frames=9, value=100))
    return ClipDataset(out.out, window=3, seed=1)


ALL = {*range(10, 14), *range(100, 107)}


def firsts(windows):
    return [round(float(window["frames"][0].mean())) for window in windows]


def test_each_loop_is_an_epoch(data):
    epochs = Epochs(data)

    shown = [firsts(epochs) for _ in range(3)]

    assert [set(epoch) for epoch in shown] == [ALL] * 3
    assert [len(epoch) for epoch in shown] == [11] * 3
    assert len(set(map(tuple, shown))) == 3
    assert epochs.epoch == 3


@pytest.mark.parametrize("world", [1, 2, 3, 11, 13])
def test_ranks_show_every_window_once(data, world):
    ranks = [Epochs(data, Share(rank=rank, world=world)) for rank in range(world)]

    for _ in range(2):
        shown = [firsts(rank) for rank in ranks]
        assert Counter(first for share in shown for first in share) == dict.fromkeys(ALL, 1)
        assert max(map(len, shown)) - min(map(len, shown)) <= 1


def test_ranks_may_be_made_equal(data):
    ranks = [Epochs(data, Share(rank=rank, world=3, tail="drop")) for rank in range(3)]
    left_out = set()

    for _ in range(8):
        shown = [firsts(rank) for rank in ranks]
        assert [len(share) for share in shown] == [3, 3, 3]
        seen = {first for share in shown for first in share}
        assert len(seen) == 9
        left_out |= ALL - seen

    assert len(left_out) > 2, "others in each epoch"


@pytest.mark.parametrize("taken", [0, 1, 6, 11])
def test_what_is_taken_up_again_is_the_rest(data, taken):
    whole = Epochs(data)
    first, second = firsts(whole), firsts(whole)
    stopped = Epochs(data)
    begun = firsts(islice(stopped, taken))
    state = json.loads(json.dumps(stopped.state_dict()))

    again = Epochs(data)
    again.load_state_dict(state)

    assert len(again) == 11 - taken
    assert begun + firsts(again) == first
    assert firsts(again) == second


def test_a_loop_that_was_left_goes_on(data):
    """As it does after a state is loaded: what has been shown is not shown again."""
    epochs = Epochs(data)

    assert {*firsts(islice(epochs, 4)), *firsts(epochs)} == ALL
    assert epochs.epoch == 1


def test_more_ranks_can_go_on(data):
    """Two ranks have taken two windows each; three share the seven that are left."""
    two = [Epochs(data, Share(rank=rank, world=2)) for rank in range(2)]
    begun = [first for rank in two for first in firsts(islice(rank, 2))]
    assert two[0].state_dict() == two[1].state_dict()

    three = [Epochs(data, Share(rank=rank, world=3)) for rank in range(3)]
    for rank in three:
        rank.load_state_dict(two[0].state_dict())
    rest = [first for rank in three for first in firsts(rank)]

    assert Counter(begun + rest) == dict.fromkeys(ALL, 1)


@pytest.mark.parametrize("options", [{"window": 4}, {"seed": 2}])
def test_the_state_of_other_windows_is_refused(data, options):
    other = ClipDataset(data.clips, **{"window": 3, "seed": 1} | options)

    with pytest.raises(UsageError, match=r"expected the state of .* got that of"):
        Epochs(other).load_state_dict(Epochs(data).state_dict())


def test_a_state_of_something_else_is_refused(data):
    with pytest.raises(UsageError, match="expected the state of"):
        Epochs(data).load_state_dict({"epoch": 1})
