"""What an item may take grows with the frames it gives, but not for ever."""

import pytest

from shardmill_worker.execution.supervisor import Limits

LIMITS = Limits(item_s=[60, 2000], frame_s=0.05, idle_s=30, memory_bytes=1)
HARD = Limits(item_s=[2], frame_s=0, idle_s=30, memory_bytes=1)


@pytest.mark.parametrize(
    ("limits", "position", "frames", "seconds"),
    [
        pytest.param(LIMITS, 0, 0, 60, id="no frame yet"),
        pytest.param(LIMITS, 1, 0, 2000, id="each item has its own"),
        pytest.param(LIMITS, 0, 100, 65, id="a twentieth of a second a frame"),
        pytest.param(LIMITS, 0, 10**9, 60 + 3600, id="an hour more at most"),
        pytest.param(HARD, 0, 10**9, 2, id="a limit that was asked for does not grow"),
        pytest.param(LIMITS, 2, 0, 2000, id="the shard has as long as the longest item"),
        pytest.param(HARD, 1, 0, 600, id="the shard has ten minutes: slow disks blame no file"),
    ],
)
def test_honest_work_has_the_time_it_needs(limits, position, frames, seconds):
    assert limits.allowed_s(position, frames=frames) == pytest.approx(seconds)


def test_while_a_shard_is_put_in_place_no_frame_need_come():
    assert LIMITS.allowed_idle_s(1) == 30
    assert LIMITS.allowed_idle_s(2) > 10**9
