"""Epochs read every window once, are shared by ranks, and resume anywhere."""

import json
from collections import Counter
from itertools import chain, islice

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


def copied(state):
    return json.loads(json.dumps(state))


@pytest.fixture
def whole(data):
    """The first three epochs, by the greys of first frames, without any loop."""
    return [firsts(data.at(place, epoch=epoch) for place in range(11)) for epoch in range(3)]


def test_each_loop_is_an_epoch(data, whole):
    epochs = Epochs(data)

    shown = [firsts(epochs) for _ in range(3)]

    assert shown == whole
    assert [set(epoch) for epoch in shown] == [ALL] * 3
    assert len(set(map(tuple, shown))) == 3
    assert epochs.epoch == 3


@pytest.mark.parametrize(
    "loop",
    [
        pytest.param(lambda epochs: islice(epochs, len(epochs)), id="islice"),
        pytest.param(lambda epochs: (w for _, w in zip(range(11), epochs, strict=False)), id="zip"),
    ],
)
def test_a_loop_that_takes_exactly_its_windows_has_ended_the_epoch(data, whole, loop):
    epochs = Epochs(data)

    assert [firsts(loop(epochs)) for _ in range(3)] == whole
    assert (epochs.epoch, len(epochs)) == (3, 11)


def test_a_loop_that_is_left_ends_its_epoch(data, whole):
    epochs = Epochs(data)

    firsts(islice(epochs, 4))

    assert epochs.state_dict()["place"] == 4
    assert firsts(epochs) == whole[1]


def test_after_a_peek_an_epoch_can_be_restarted(data, whole):
    epochs = Epochs(data)
    next(iter(epochs))

    epochs.restart()

    assert firsts(epochs) == whole[0]


def test_an_epoch_can_be_chosen(data, whole):
    epochs = Epochs(data)

    epochs.set_epoch(2)
    assert firsts(islice(epochs, 3)) == whole[2][:3]
    epochs.set_epoch(2)
    assert firsts(epochs) == whole[2]
    epochs.set_epoch(0)
    assert firsts(epochs) == whole[0]


def test_a_loop_that_another_has_overtaken_does_not_move_the_position(data, whole):
    epochs = Epochs(data)
    slow, fast = iter(epochs), iter(epochs)

    assert firsts(islice(slow, 2)) == whole[0][:2]
    assert firsts(islice(fast, 5)) == whole[1][:5]
    assert firsts(slow) == whole[0][2:]

    assert (epochs.epoch, epochs.state_dict()["place"]) == (1, 5)


@pytest.mark.parametrize("world", [1, 2, 3, 11, 13])
def test_uneven_ranks_show_every_window_once(data, world):
    ranks = [Epochs(data, Share(rank=rank, world=world, tail="uneven")) for rank in range(world)]

    for _ in range(2):
        shown = [firsts(rank) for rank in ranks]
        assert Counter(first for share in shown for first in share) == dict.fromkeys(ALL, 1)
        assert max(map(len, shown)) - min(map(len, shown)) <= 1


@pytest.mark.parametrize("world", [2, 3, 7, 13])
def test_ranks_have_equally_many_windows_by_default(data, whole, world):
    """As torch's DistributedSampler: ceil(11 / world) each, the first ones of the epoch twice."""
    ranks = [Epochs(data, Share(rank=rank, world=world)) for rank in range(world)]
    each = -(-11 // world)

    for epoch in range(2):
        shown = [firsts(rank) for rank in ranks]
        assert [len(share) for share in shown] == [each] * world
        assert [len(rank) for rank in ranks] == [each] * world
        twice = Counter(chain(*shown)) - Counter(ALL)
        assert twice == Counter(whole[epoch][: each * world - 11])


def test_ranks_may_leave_the_tail_out(data):
    ranks = [Epochs(data, Share(rank=rank, world=3, tail="drop")) for rank in range(3)]
    left_out = set()

    for _ in range(8):
        shown = [firsts(rank) for rank in ranks]
        assert [len(share) for share in shown] == [3, 3, 3]
        seen = {first for share in shown for first in share}
        assert len(seen) == 9
        left_out |= ALL - seen

    assert len(left_out) > 2, "others in each epoch"


@pytest.mark.parametrize("taken", [0, 1, 6, 10])
def test_what_is_resumed_is_the_rest(data, whole, taken):
    stopped = Epochs(data)
    begun = firsts(islice(stopped, taken))

    again = Epochs(data)
    again.load_state_dict(copied(stopped.state_dict()))

    assert len(again) == 11
    assert begun + firsts(again) == whole[0]
    assert firsts(again) == whole[1]


def test_after_the_last_window_the_next_epoch_is_resumed(data, whole):
    stopped = Epochs(data)
    firsts(islice(stopped, 11))

    again = Epochs(data)
    again.load_state_dict(copied(stopped.state_dict()))

    assert firsts(again) == whole[1]


def test_the_epoch_of_a_loaded_state_may_be_named(data, whole):
    """Trainers call set_epoch before each loop, after they have loaded a state too."""
    stopped = Epochs(data)
    firsts(islice(stopped, 4))

    again = Epochs(data)
    again.load_state_dict(stopped.state_dict())
    again.set_epoch(0)
    assert firsts(again) == whole[0][4:]
    again.set_epoch(1)
    assert firsts(again) == whole[1]


@pytest.mark.parametrize("tail", ["pad", "uneven"])
def test_more_ranks_can_resume(data, tail):
    """Two ranks have taken two windows each; three share the seven that are left."""
    two = [Epochs(data, Share(rank=rank, world=2, tail=tail)) for rank in range(2)]
    begun = [first for rank in two for first in firsts(islice(rank, 2))]
    assert two[0].state_dict() == two[1].state_dict()

    three = [Epochs(data, Share(rank=rank, world=3, tail=tail)) for rank in range(3)]
    for rank in three:
        rank.load_state_dict(two[0].state_dict())
    rest = [first for rank in three for first in firsts(rank)]

    shown = Counter(begun + rest)
    assert set(shown) == ALL
    assert shown.total() == (4 + 9 if tail == "pad" else 11)


def test_the_state_of_a_rank_that_is_done_leaves_the_last_window_to_another(data, whole):
    """Six windows are rank 0's, five are rank 1's: after five each, one is left."""
    ranks = [Epochs(data, Share(rank=rank, world=2, tail="uneven")) for rank in range(2)]
    begun = [first for rank in ranks for first in firsts(islice(rank, 5))]
    assert ranks[0].state_dict() == ranks[1].state_dict()

    again = [Epochs(data, Share(rank=rank, world=2, tail="uneven")) for rank in range(2)]
    for rank in again:
        rank.load_state_dict(ranks[1].state_dict())
    rest = [firsts(rank) for rank in again]

    assert [len(shown) for shown in rest] == [1, 0]
    assert Counter(begun + rest[0]) == dict.fromkeys(ALL, 1)
    assert firsts(ranks[1]) == whole[1][1::2], "its own next loop is the next epoch"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 4}, "windows: 11 there, 9 here"),
        ({"seed": 2}, "another seed .*seed: 1 there, 2 here"),
    ],
)
def test_the_state_of_other_windows_is_refused(data, options, message):
    other = ClipDataset(data.clips, **{"window": 3, "seed": 1} | options)

    with pytest.raises(UsageError, match=message):
        Epochs(other).load_state_dict(Epochs(data).state_dict())


@pytest.mark.parametrize(
    "changes",
    [{"epoch": None}, {"place": -1}, {"epoch": "1"}, {"windows": None}],
    ids=lambda changes: str(*changes.items()),
)
def test_a_state_of_something_else_is_refused(data, changes):
    with pytest.raises(UsageError, match=r"expected .* state"):
        Epochs(data).load_state_dict(Epochs(data).state_dict() | changes)
