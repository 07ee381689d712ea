"""Runs are the least that gives the wanted frames, and nothing that they need is left out."""

import numpy as np
import pytest

from shardmill_worker.engine.packets import Packets
from shardmill_worker.engine.sparse import Run, runs_for


def packets(pts: list[int], starts: set[int]) -> Packets:
    """Packets in decoding order."""
    count = len(pts)
    return Packets(
        pts=np.array(pts),
        shown=np.ones(count, np.bool_),
        start=np.isin(np.arange(count), list(starts)),
        spare=np.zeros(count, np.bool_),
    )


CLOSED = packets([0, 2, 1, 3, 4, 6, 5, 7, 8, 9], {0, 4, 8})
OPEN = packets([0, 1, 4, 2, 3, 5, 8, 6, 7, 9], {0, 2, 6})
"""The frames at positions 3, 4 and 7, 8 are shown before the start that they follow."""


@pytest.mark.parametrize(
    ("stream", "wanted", "runs"),
    [
        pytest.param(CLOSED, [0], [(0, 1)], id="a start alone"),
        pytest.param(CLOSED, [6], [(4, 7)], id="from the last start before it"),
        pytest.param(CLOSED, [1, 9], [(0, 2), (8, 10)], id="a group between is skipped"),
        pytest.param(CLOSED, [3, 4], [(0, 5)], id="neighbours are one run"),
        pytest.param(CLOSED, [3, 5], [(0, 6)], id="what ends where the next begins goes on"),
        pytest.param(CLOSED, [9, 1], [(0, 2), (8, 10)], id="in any order"),
        pytest.param(OPEN, [5], [(2, 6)], id="behind an open start"),
        pytest.param(OPEN, [3], [(0, 4)], id="before an open start, from the one before"),
        pytest.param(OPEN, [7, 9], [(2, 10)], id="overlapping runs are one"),
        pytest.param(packets([0, 1, 2], set()), [2], [(0, 3)], id="no start, from the first"),
        pytest.param(packets([5, 1, 2], {0}), [1], [(0, 2)], id="before any start, from the first"),
    ],
)
def test_runs(stream, wanted, runs):
    assert runs_for(stream, np.array(wanted)) == [Run(*run) for run in runs]
