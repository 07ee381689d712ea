"""A sample tells the whole: by hand where all is known, by repetition where chance has its part."""

from math import inf

import numpy as np
import pytest

from shardmill.report.forecast import Forecast, Truncation, draw, forecast, truncations


def test_few_items_are_all_taken():
    assert draw(np.array([5.0, 1.0, 3.0]), 3, seed=0).tolist() == [0, 1, 2]


def test_dear_items_are_drawn_more_often():
    """An item of weight 3 among ten of weight 1 has 3 chances in 12."""
    drawn = draw(np.array([3.0] + [1.0] * 9), 9, seed=1)
    share = np.mean(
        [(draw(np.array([3.0] + [1.0] * 9), 9, seed=s) == 0).mean() for s in range(500)]
    )

    assert drawn.shape == (9,)
    assert share == pytest.approx(0.25, abs=0.03)


def test_estimates_that_are_all_off_by_one_factor_leave_no_doubt():
    foreseen = np.arange(1.0, 101.0)
    drawn = foreseen[draw(foreseen, 10, seed=3)]

    told = forecast(2.5 * drawn, foreseen=drawn, weights=drawn, total=5050)

    assert told.value == pytest.approx(2.5 * 5050)
    assert told.error == pytest.approx(0, abs=1e-6)


def test_by_hand():
    """Items of weights 1, 1, 2 foreseen as 1, 1, 2; the first and the last are drawn, found 2, 2.

    Scaled by 1 and 1/2 the ratio is (2 + 1) / (1 + 1) = 1.5, the total 1.5 * 4 = 6.  Residuals
    are 2 - 1.5 = 0.5 and 2 - 3 = -1; scaled, by the base of 2: 1/4 and -1/4.  Their squares sum
    to 1/8, times 2 / (2 - 1) is 1/4: twice the root, times 4, is 4.
    """
    told = forecast(
        np.array([2.0, 2.0]),
        foreseen=np.array([1.0, 2.0]),
        weights=np.array([1.0, 2.0]),
        total=4.0,
    )

    assert told == Forecast(6.0, 4.0)


def test_the_error_holds_about_nineteen_times_of_twenty():
    """Where estimates are off by chance, as they are; of 400 samples 90 to 99 in 100 must hold."""
    rng = np.random.default_rng(5)
    foreseen = rng.lognormal(0, 1, 2000)
    truth = foreseen * rng.lognormal(0, 0.5, 2000)
    held = 0
    for seed in range(400):
        drawn = draw(foreseen, 32, seed=seed)
        told = forecast(
            truth[drawn],
            foreseen=foreseen[drawn],
            weights=foreseen[drawn],
            total=float(foreseen.sum()),
        )
        held += abs(told.value - truth.sum()) <= told.error

    assert 360 <= held <= 396


def test_of_one_draw_alone_nothing_can_be_said_of_the_error():
    one = np.array([2.0])

    assert forecast(3 * one, foreseen=one, weights=one, total=10.0) == Forecast(30.0, inf)


def test_the_memory_of_a_truncation_is_worked_out_by_hand():
    """Clips of 10, 20 and 5 frames of 100, 100 and 200 pixels, three bytes each."""
    frames, pixels = np.array([10, 20, 5]), np.array([100, 100, 200])

    table = truncations(frames, pixels, [8, 16, 64])

    assert table == [
        Truncation(8, 2, 21, 3 * (800 + 800 + 1000), 3 * 8 * 400),
        Truncation(16, 1, 31, 3 * (1000 + 1600 + 1000), 3 * 16 * 400),
        Truncation(20, 0, 35, 3 * (1000 + 2000 + 1000), 3 * 20 * 400),
    ]


def test_of_no_clips_there_is_nothing_to_hold():
    none = np.array([], np.int64)

    assert truncations(none, none, [8]) == [Truncation(0, 0, 0, 0, 0)]
