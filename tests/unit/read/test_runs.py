"""Frames that lie together are read together, and nothing else is."""

import pytest

from shardmill.read import runs as module
from shardmill.read.runs import runs


def found(offset, length, *, gap_bytes=0):
    """Runs as pairs, first frame and end (exclusive)."""
    stops = [start + size for start, size in zip(offset, length, strict=True)]
    slices = runs(offset, stops, gap_bytes=gap_bytes)
    return [(run.start, run.stop) for run in slices]


@pytest.mark.parametrize(
    ("offset", "length", "gap_bytes", "expected"),
    [
        pytest.param([], [], 0, [], id="nothing"),
        pytest.param([7], [5], 0, [(0, 1)], id="one frame"),
        pytest.param([0, 5, 10], [5, 5, 5], 0, [(0, 3)], id="side by side"),
        pytest.param([0, 6, 11], [5, 5, 5], 0, [(0, 1), (1, 3)], id="a byte between"),
        pytest.param([0, 6, 12], [5, 5, 5], 1, [(0, 3)], id="a gap that may be"),
        pytest.param([0, 7, 12], [5, 5, 5], 1, [(0, 1), (1, 3)], id="a gap one larger"),
        pytest.param([10, 5, 0], [5, 5, 5], 9, [(0, 1), (1, 2), (2, 3)], id="backwards"),
        pytest.param([0, 0], [5, 5], 9, [(0, 1), (1, 2)], id="the same frame again"),
        pytest.param([0, 3], [5, 5], 9, [(0, 1), (1, 2)], id="frames that overlap"),
    ],
)
def test_runs_end_where_the_gap_is_too_large(offset, length, gap_bytes, expected):
    assert found(offset, length, gap_bytes=gap_bytes) == expected


def test_a_long_run_is_cut_so_that_memory_stays_bounded(monkeypatch):
    monkeypatch.setattr(module, "RUN_BYTES", 10)

    assert found([0, 5, 10, 14, 18], [5, 5, 4, 4, 30]) == [(0, 2), (2, 4), (4, 5)]
    assert found([0, 30, 34], [30, 4, 4]) == [(0, 1), (1, 3)]
    assert found([0, 5, 100, 105], [5, 6, 5, 5]) == [(0, 1), (1, 2), (2, 4)]
