"""What a row may take grows with the frames it gives, but not for ever."""

import pytest

from shardmill_worker.engine.gauges import Shared
from shardmill_worker.execution.supervisor import Limits

LIMITS = Limits(rows=2, frame_s=0.05, idle_s=30, memory_bytes=1)
HARD = Limits(rows=1, frame_s=0, idle_s=30, memory_bytes=1)


@pytest.mark.parametrize(
    ("limits", "finished", "noted_s", "frames", "seconds"),
    [
        pytest.param(LIMITS, 0, 60, 0, 60, id="no frame yet"),
        pytest.param(LIMITS, 1, 2000, 0, 2000, id="each row has its own"),
        pytest.param(LIMITS, 0, 60, 100, 65, id="a twentieth of a second a frame"),
        pytest.param(LIMITS, 0, 60, 10**9, 60 + 3600, id="an hour more at most"),
        pytest.param(HARD, 0, 2, 10**9, 2, id="a limit that was asked for does not grow"),
        pytest.param(LIMITS, 2, 2000, 10**9, 2000, id="behind the last row frames add nothing"),
    ],
)
def test_honest_work_has_the_time_it_needs(limits, finished, noted_s, frames, seconds):
    gauges = Shared(finished=finished, allowed_s=noted_s)

    assert limits.allowed_s(gauges, frames=frames) == pytest.approx(seconds)


def test_while_a_shard_is_put_in_place_no_frame_need_come():
    assert LIMITS.allowed_idle_s(Shared(finished=1)) == 30
    assert LIMITS.allowed_idle_s(Shared(finished=2)) > 10**9
