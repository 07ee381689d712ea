"""A histogram's bins are round, few, and hold every value between the smallest and largest."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shardmill.report.page.binning import nice, scale_for
from shardmill.report.page.timeline import STEPS, step_s

ABOVE_0 = st.floats(min_value=2**-40, max_value=2**60, width=32)


@pytest.mark.parametrize(
    ("low", "high", "whole", "log", "start", "step"),
    [
        pytest.param(10, 50, False, False, 10, 1, id="forty round bins"),
        pytest.param(10, 51, False, False, 10, 2, id="a step is 1, 2 or 5 times a power of ten"),
        pytest.param(103, 507, False, False, 100, 20, id="bins begin at multiples of the step"),
        pytest.param(1, 5, True, False, 1, 1, id="frames come one by one"),
        pytest.param(30, 30, True, False, 30, 1, id="one number has one bin"),
        pytest.param(0.5, 0.5, False, False, 0.5, 0.5, id="one small value too"),
        pytest.param(1, 31, False, False, 1, 1, id="less than a decade and a half is even"),
        pytest.param(1, 32, False, True, 0, 0.05, id="more is logarithmic"),
        pytest.param(1, 1e8, False, True, 0, 0.1, id="many decades have wider bins"),
    ],
)
def test_the_scale_fits_the_values(low, high, whole, log, start, step):
    scale = scale_for("x", low, high, whole=whole)

    assert scale.log is log
    assert (scale.start, scale.step) == pytest.approx((start, step))


@given(ABOVE_0, ABOVE_0, st.booleans())
def test_every_value_has_a_bin_and_there_are_few(one, other, whole):
    low, high = sorted((one, other))
    assume(not whole or high < 2**50)
    scale = scale_for("x", low, high, whole=whole)

    for value in (low, high):
        place = ((math.log10(value) if scale.log else value) - scale.start) / scale.step
        assert -1e-9 <= place <= 82
    edges = scale.edges(0)
    assert edges[0] <= low * (1 + 1e-9)
    assert edges[0] < edges[1]


@pytest.mark.parametrize(
    ("step", "round_up"),
    [(0.7, 1), (1, 1), (1.1, 2), (2.1, 5), (5.1, 10), (0.012, 0.02), (300, 500)],
)
def test_a_step_is_rounded_up_to_what_people_count_by(step, round_up):
    assert nice(step) == pytest.approx(round_up)


@pytest.mark.parametrize(
    ("span_s", "step"),
    [(5, 1), (100, 1), (101, 2), (1000, 10), (3600, 60), (86_400, 900), (3_600_000, 36_000)],
)
def test_time_is_cut_as_clocks_are(span_s, step):
    assert step_s(span_s) == step
    assert span_s / step <= STEPS
