"""What a batch came to is said in one line."""

import pytest

from shardmill_worker.execution.summary_text import summary_text


@pytest.mark.parametrize(
    ("counters", "followers", "told"),
    [
        ({}, 0, "done"),
        ({"probed": 64, "planned_us": 7}, 5, "64 probed, 5 to follow"),
        ({"ok": 61, "frames": 12_300, "bytes_in": 9}, 0, "61 ok, 12,300 frames"),
        (
            {"ok": 1, "failed": 3, "failed:timeout": 1, "failed:corrupt": 2, "failed:empty": 0},
            1,
            "1 ok, 3 failed: 2 corrupt, 1 timeout, 1 to follow",
        ),
        ({"skipped": 2}, 0, "2 skipped"),
    ],
)
def test_what_a_batch_came_to(counters, followers, told):
    assert summary_text(counters, followers=followers) == told
