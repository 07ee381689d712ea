"""Windows lie where the options say, and what is drawn is fair, exact and known without state."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from shardmill.contract.errors import UsageError
from shardmill.read import sampling
from shardmill.read.options import WindowOptions
from shardmill.read.sampling import Plan, balanced_weights, cumulative_weights, valid_starts

DEFAULTS = {
    "window": 4,
    "stride": 1,
    "hop": 1,
    "sample": "uniform-clips",
    "windows_per_clip": 1,
    "jitter": 0,
    "short": "drop",
    "seed": 0,
}


def plan(*lengths, weights=None, **options):
    options = WindowOptions(**DEFAULTS | options)
    lengths = np.array(lengths, np.int32)
    if weights is not None:
        weights = cumulative_weights(weights, valid_starts(lengths, options) > 0)
    return Plan(lengths, options, weights)


def spots(plan, epoch=0):
    """Clip, window, start and stride of every window of an epoch, shape (N, 4)."""
    return np.column_stack(plan.spots(np.arange(len(plan)), epoch=epoch))


def starts(plan, epochs):
    """Starts of every window in several epochs, shape (epochs, N)."""
    return np.array([spots(plan, epoch)[:, 2] for epoch in range(epochs)])


def chi_square(found, expected):
    """Pearson's statistic where each of the expected values is equally likely, and none else."""
    counts = Counter(found)
    assert set(counts) == set(expected)
    mean = counts.total() / len(expected)
    return sum((count - mean) ** 2 / mean for count in counts.values())


@pytest.mark.parametrize(
    ("length", "count", "expected"),
    [
        pytest.param(10, 1, [3], id="a single one in the middle"),
        pytest.param(10, 2, [0, 6], id="first and last valid start"),
        pytest.param(10, 3, [0, 3, 6], id="and between them"),
        pytest.param(10, 4, [0, 2, 4, 6], id="evenly"),
        pytest.param(10, 5, [0, 1, 3, 4, 6], id="at 0, 1.5, 3, 4.5, 6: ties take the earlier"),
        pytest.param(10, 7, [0, 1, 2, 3, 4, 5, 6], id="every start"),
        pytest.param(7, 5, [0, 1, 1, 2, 3], id="at 0, .75, 1.5, 2.25, 3"),
        pytest.param(5, 3, [0, 0, 1], id="starts repeat where there are too few"),
        pytest.param(4, 3, [0, 0, 0], id="a clip of just one window"),
    ],
)
def test_uniform_k_covers_a_clip(length, count, expected):
    found = spots(plan(20, length, sample="uniform-k", windows_per_clip=count))

    assert found[count:].tolist() == [[1, k, start, 1] for k, start in enumerate(expected)]


@pytest.mark.parametrize(
    ("length", "window", "stride", "start"),
    [(10, 4, 1, 3), (11, 4, 1, 3), (4, 4, 1, 0), (5, 4, 1, 0), (6, 4, 1, 1), (12, 4, 3, 1)],
)
def test_center_is_the_middle_of_a_clip(length, window, stride, start):
    found = spots(plan(length, sample="center", window=window, stride=stride))

    assert found.tolist() == [[0, 0, start, stride]]


@pytest.mark.parametrize("sample", ["center", "uniform-k"])
def test_validation_is_the_same_in_every_epoch(sample):
    windows = plan(9, 3, 30, sample=sample, seed=3)

    assert len({spots(windows, epoch).tobytes() for epoch in range(5)}) == 1
    assert spots(windows)[:, 0].tolist() == [0, 2], "in the order of the clips, without short ones"


@pytest.mark.parametrize(
    ("hop", "expected"),
    [(1, [0, 1, 2, 3, 4, 5, 6]), (2, [0, 2, 4, 6]), (3, [0, 3, 6]), (4, [0, 4]), (7, [0])],
)
def test_starts_are_a_hop_apart(hop, expected):
    found = spots(plan(10, 4, sample="uniform-windows", hop=hop))

    assert found[:, 2].tolist() == [*expected, 0]
    assert found[:, 1].tolist() == [*range(len(expected)), 0]


def test_each_of_a_clips_windows_has_a_start_of_its_own():
    """37.7 is the 0.1 % point of chi-square with 15 degrees of freedom, for 4 x 4 pairs."""
    windows = plan(*[7] * 20, windows_per_clip=3)

    found = spots(windows)
    pairs = starts(windows, 40).reshape(-1, 3)[:, :2]

    assert found[:, 0].tolist() == [clip for clip in range(20) for _ in range(3)]
    assert found[:, 1].tolist() == [0, 1, 2] * 20
    every = [(first, second) for first in range(4) for second in range(4)]
    assert chi_square(map(tuple, pairs.tolist()), every) < 37.7


def shown(windows, epoch):
    return np.bincount(spots(windows, epoch)[:, 0], minlength=4).tolist()


def test_equal_weights_show_each_clip_once():
    """A tenth has no exact binary value."""
    for weights in ([0.1] * 10, [1] * 10, [3e-300] * 10, [1e308] * 10):
        windows = plan(*[9] * 10, weights=weights)
        for epoch in range(50):
            assert spots(windows, epoch)[:, 0].tolist() == list(range(10))


def test_a_clip_is_shown_as_often_as_its_weight_says():
    """By hand: 8 windows by weights 1, 2, 3, 2 are 1, 2, 3, 2; 4 windows are half as many."""
    twice = plan(9, 9, 9, 9, weights=[1, 2, 3, 2], windows_per_clip=2)
    once = plan(9, 9, 9, 9, weights=[1, 2, 3, 2])

    assert {tuple(shown(twice, epoch)) for epoch in range(100)} == {(1, 2, 3, 2)}
    assert {tuple(shown(once, epoch)) for epoch in range(100)} == {(0, 1, 2, 1), (1, 1, 1, 1)}


def test_a_fraction_of_a_window_is_shown_in_that_fraction_of_the_epochs():
    """Half of 2,000 epochs; 73 is 3.29 standard deviations of a coin (0.1 %)."""
    windows = plan(9, 9, 9, 9, weights=[1, 2, 3, 2])

    found = sum(shown(windows, epoch)[0] for epoch in range(2000))

    assert abs(found - 1000) <= 73


@pytest.mark.parametrize("seed", range(3))
def test_no_weight_is_off_by_one(seed):
    """The bounds are worked out in fractions."""
    weights = np.random.default_rng(seed).integers(0, 10**6, 1000)
    windows = plan(*[9] * 1000, weights=weights)
    total, count = int(weights.sum()), len(windows)

    found = np.bincount(spots(windows, seed)[:, 0], minlength=1000)

    assert count == np.count_nonzero(weights)
    for weight, times in zip(weights.tolist(), found.tolist(), strict=True):
        exact = Fraction(count * weight, total)
        assert exact.__floor__() <= times <= exact.__ceil__()


def test_clips_without_weight_or_too_short_are_never_shown():
    windows = plan(9, 9, 3, 9, weights=[1, 0, 5, 1])

    assert len(windows) == 2
    assert {tuple(shown(windows, epoch)) for epoch in range(20)} == {(1, 0, 0, 1)}
    assert windows.clips.tolist() == [0, 3]


def test_the_least_of_weights_still_counts():
    assert plan(9, 9, weights=[1e-300, 1]).clips.tolist() == [0, 1]


def test_whole_weights_keep_their_ratios_exactly():
    weights = [10**9 - 3, 1, 0, 7]

    steps = np.diff(cumulative_weights(weights, np.ones(4, bool)), prepend=0).tolist()

    assert steps == [weight * steps[1] for weight in weights]


@pytest.mark.parametrize("end", [0, -1])
def test_equal_weights_show_each_clip_once_whatever_is_drawn(monkeypatch, end):
    """The least and the greatest offset put every window on the edge between two clips."""
    monkeypatch.setattr(sampling, "drawn_offset", lambda total, **_: range(total)[end])
    windows = plan(*[9] * 7, weights=[3] * 7, windows_per_clip=3)

    found = spots(windows)[:, :2].tolist()

    assert found == [[clip, window] for clip in range(7) for window in range(3)]


def test_repeats_of_a_clip_have_other_starts_and_numbers():
    windows = plan(9, 10_003, 9, weights=[1, 98, 1], windows_per_clip=100)

    for epoch in range(3):
        found = spots(windows, epoch)
        assert [np.count_nonzero(found[:, 0] == clip) for clip in range(3)] == [3, 294, 3]
        assert found[:, 1].tolist() == [*range(3), *range(294), *range(3)]
        assert len(set(found[3:297, 2].tolist())) > 280


def test_balanced_classes_are_equally_likely():
    """Of 12 windows, 4 for each of three classes of 1, 2 and 9 clips."""
    label_ids = np.array([7, *[0] * 2, -1, *[3] * 9, -1, 5])
    usable = np.ones(15, bool)
    usable[-1] = False
    weights = balanced_weights(label_ids, usable)

    windows = plan(*[9] * 14, 2, weights=weights)

    assert len(windows) == 12
    for epoch in range(30):
        clips = spots(windows, epoch)[:, 0]
        assert Counter(label_ids[clips].tolist()) == {7: 4, 0: 4, 3: 4}


def test_a_start_moves_to_each_valid_start_within_reach():
    """0.1 % points of chi-square with 2, 4 and 3 degrees of freedom."""
    windows = plan(12, sample="uniform-windows", window=3, hop=4, jitter=2, seed=1)

    found = starts(windows, 1500).T

    for moved, reach, limit in zip(
        found.tolist(), [range(3), range(2, 7), range(6, 10)], [13.82, 18.47, 16.27], strict=True
    ):
        assert chi_square(moved, reach) < limit


def test_the_middle_moves_from_epoch_to_epoch():
    found = starts(plan(10, sample="center", jitter=2), 200)

    assert set(found.ravel().tolist()) == {1, 2, 3, 4, 5}


def test_each_stride_that_fits_a_clip_is_equally_likely_and_then_each_start():
    """0.1 % points of chi-square.  10 frames: a window of 4 fits with 1, 2 or 3, not with 4."""
    windows = plan(10, stride=(1, 4))

    found = np.concatenate([spots(windows, epoch) for epoch in range(3000)])

    assert chi_square(found[:, 3].tolist(), [1, 2, 3]) < 13.82
    for stride, starts_of, limit in ((1, 7, 22.46), (2, 4, 16.27), (3, 1, 1e-9)):
        of_stride = found[found[:, 3] == stride, 2].tolist()
        assert chi_square(of_stride, range(starts_of)) < limit


def test_by_window_the_stride_fits_from_the_start():
    """From frame 0 of 10 with 1 to 3, from frame 3 with 1 or 2, from frame 6 with 1."""
    windows = plan(10, sample="uniform-windows", stride=(1, 4))

    found = np.concatenate([spots(windows, epoch) for epoch in range(100)])

    strides = [set(found[found[:, 2] == start, 3].tolist()) for start in range(7)]
    assert strides == [{1, 2, 3}, {1, 2}, {1, 2}, {1, 2}, {1}, {1}, {1}]


@pytest.mark.parametrize("sample", ["uniform-windows", "uniform-clips", "center", "uniform-k"])
def test_a_short_clip_has_the_least_stride(sample):
    found = spots(plan(3, sample=sample, short="pad", stride=(2, 5)))

    assert found.tolist() == [[0, 0, 0, 2]]


@pytest.mark.parametrize("sample", ["uniform-windows", "uniform-clips", "center", "uniform-k"])
def test_every_window_lies_within_its_clip(sample):
    lengths = np.arange(1, 60)
    jitter = 0 if sample == "uniform-clips" else 5
    windows = plan(*lengths, sample=sample, stride=(2, 6), jitter=jitter)

    found = np.concatenate([spots(windows, epoch) for epoch in range(20)])

    assert found[:, 2].min() >= 0
    last = found[:, 2] + 3 * found[:, 3]
    assert (last < lengths[found[:, 0]]).all()
    assert set(found[:, 0].tolist()) == set(range(6, 59)), "7 frames and more, at stride 2"


def test_a_whole_clip_begins_at_its_first_frame():
    assert spots(plan(9, 0, 1, window=None, stride=2)).tolist() == [[0, 0, 0, 2], [2, 0, 0, 2]]


@pytest.mark.parametrize("weights", [None, range(1, 41)])
@pytest.mark.parametrize("stride", [1, (1, 5)])
def test_a_window_is_known_without_the_others(weights, stride):
    windows = plan(*range(4, 44), weights=weights, windows_per_clip=2, stride=stride)

    every = spots(windows, 3)

    alone = [np.ravel(windows.spots(np.array([k]), epoch=3)) for k in range(len(windows))]
    assert every.tolist() == np.array(alone).tolist()


def test_draws_for_different_purposes_are_independent():
    """36.12 is the 0.1 % point of chi-square with 14 degrees of freedom, for 3 x 5 pairs."""
    windows = plan(
        *[30] * 4000, sample="uniform-windows", window=2, hop=29, jitter=2, stride=(1, 5)
    )

    pairs = spots(windows)[:, 2:].tolist()

    every = [(start, stride) for start in range(3) for stride in range(1, 6)]
    assert chi_square(map(tuple, pairs), every) < 36.12


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], r"one number for each of 3 clips, got an array of shape \(2,\)"),
        ([], r"one number for each of 3 clips, got an array of shape \(0,\)"),
        ([[1, 2, 3]], r"got an array of shape \(1, 3\)"),
        (["1", "2", "3"], r"one number for each clip, or 'balanced'; got \['1', '2', '3'\]"),
        ([True, True, False], "one number for each clip, or 'balanced'; got"),
        ([[1], [1, 2], 3], "one number for each clip, or 'balanced'; got"),
        ({"a": 1}, "one number for each clip, or 'balanced'; got {'a': 1}"),
        ([1, None, 2], "one number for each clip, or 'balanced'; got"),
        ([1, -1, 2], "finite and at least 0, got -1 for clip 1"),
        ([1, 2, float("nan")], "finite and at least 0, got nan for clip 2"),
        ([float("inf"), 2, 3], "finite and at least 0, got inf for clip 0"),
        ([0, 0, 0], "must not all be 0"),
        ([0, 0, 5], "must not all be 0 for the clips that are long enough"),
    ],
)
def test_impossible_weights_are_refused(weights, message):
    with pytest.raises(UsageError, match=message):
        plan(9, 9, 3, weights=weights)


def test_balance_without_classes_is_refused():
    with pytest.raises(UsageError, match="'balanced' needs clips with classes"):
        balanced_weights(np.array([-1, 2]), np.array([True, False]))


def test_too_many_weighted_windows_are_refused():
    with pytest.raises(UsageError, match=r"fewer than 2,147,483,648 windows an epoch, got 4,29"):
        plan(9, 9, 9, weights=[1, 1, 1], windows_per_clip=2**31 // 3 * 2)
