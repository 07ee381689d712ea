"""A rate is told from the times of frames, and only as far as they show it."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

from shardmill_worker.engine.times import MAX_PACKETS, has_even_index, is_even, pace

MS = Fraction(1, 1000)


def stamps(*times: int, length: int = 0) -> list[tuple[int, int, int]]:
    """Packets shown at these times, in order of decoding."""
    return [(pts, dts, length) for pts, dts in zip(times, sorted(times), strict=True)]


@pytest.mark.parametrize(
    ("times", "even"),
    [
        pytest.param([0, 40, 80, 120], True, id="one step"),
        pytest.param([0, 33, 67, 100], True, id="rounded to milliseconds"),
        pytest.param([0, 1, 3, 4, 6], True, id="rounded to a coarse clock"),
        pytest.param([0, 2999, 6148], True, id="jitter"),
        pytest.param([0, 40, 80, 160], False, id="a frame left out"),
        pytest.param([0, 40, 41, 80], False, id="a frame squeezed in"),
        pytest.param([0, 0, 40, 80], False, id="two frames at one time"),
        pytest.param([7], True, id="one frame"),
    ],
)
def test_steps_are_even_up_to_rounding_and_jitter(times, even):
    assert is_even(times) is even


def test_the_average_counts_every_frame_up_to_its_end():
    told = pace(stamps(0, 40, 80, 120, length=40), time_base=MS, whole=True)

    assert (told.fps, told.varies, told.duration_s) == (25.0, False, 0.16)


def test_frames_may_be_decoded_in_another_order():
    told = pace(stamps(0, 120, 40, 80, length=40), time_base=MS, whole=True)

    assert (told.fps, told.varies) == (25.0, False)


def test_durations_of_one_tick_are_not_believed():
    """Matroska without a default duration: the last frame then lasts as long as the one before."""
    told = pace(stamps(0, 40, 80, 120, length=1), time_base=MS, whole=True)

    assert (told.fps, told.duration_s) == (25.0, 0.16)


def test_an_uneven_step_proves_a_varying_rate_and_even_ones_only_prove_it_if_there_are_no_more():
    even, uneven = stamps(*range(0, 400, 40)), stamps(0, 40, 200, 240, 280, 320)

    assert pace(even, time_base=MS, whole=False).varies is None
    assert pace(even, time_base=MS, whole=True).varies is False
    assert pace(uneven, time_base=MS, whole=False).varies is True


def test_a_gap_that_frames_still_to_be_decoded_may_fill_is_none():
    """I0 P3 B1 B2 P6 and no more read: B4 and B5 come before P6."""
    first = [(0, -80, 40), (120, -40, 40), (40, 0, 40), (80, 40, 40), (240, 80, 40)]

    assert pace(first, time_base=MS, whole=False).varies is None


def test_noise_where_a_time_belongs_is_left_out():
    told = pace([*stamps(0, 40, 80, length=40), (2**60, 120, 40)], time_base=MS, whole=True)

    assert (told.fps, told.varies) == (25.0, False)


@pytest.mark.parametrize("times", [(), (0,)], ids=str)
def test_less_than_two_times_say_nothing(times):
    told = pace(stamps(*times), time_base=MS, whole=True)

    assert (told.fps, told.varies, told.duration_s) == (None, None, None)


MP4 = "mov,mp4,m4a,3gp,3g2,mj2"


@pytest.mark.parametrize(
    ("container", "frames", "change", "even"),
    [
        pytest.param(MP4, 4, {}, True, id="every frame, even steps"),
        pytest.param("avi", 4, {}, True, id="AVI"),
        pytest.param("matroska,webm", 4, {}, False, id="an index of keyframes"),
        pytest.param(MP4, 0, {}, False, id="fragments: the header counts no frames"),
        pytest.param(MP4, 9, {}, False, id="fewer entries than frames"),
        pytest.param(MP4, 4, {"timestamp": 50}, False, id="an uneven step"),
        pytest.param(MP4, 4, {"is_discard": True}, False, id="hidden by an edit list"),
        pytest.param("avi", 4, {"size": 0}, False, id="a frame of no bytes, shown longer"),
    ],
)
def test_an_index_proves_an_even_rate_only_if_it_shows_every_frame(container, frames, change, even):
    entries = [SimpleNamespace(timestamp=40 * k, size=9, is_discard=False) for k in range(4)]
    vars(entries[2]).update(change)
    media = SimpleNamespace(
        container=SimpleNamespace(format=SimpleNamespace(name=container)),
        stream=SimpleNamespace(index_entries=entries, frames=frames),
    )

    assert has_even_index(media) is even


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize(
    ("pts", "varies"),
    [(range(0, 2000, 100), False), ([*range(0, 1000, 100), *range(1700, 2700, 100)], True)],
    ids=["constant", "a pause"],
)
def test_an_mp4_tells_whether_its_rate_varies(folder, steps, codec, pts, varies):
    """Times are hundredths of the frame rate's period."""
    folder.video("clip.mp4", steps(len(pts)), codec=codec, pts=list(pts))

    assert folder.probe("clip.mp4").vfr is varies


def test_a_pause_behind_the_packets_that_are_read_is_not_denied(folder, steps):
    """An index of every frame shows the pause, the packets read do not: nobody knows."""
    count = MAX_PACKETS + 20
    pts = [100 * k + (2000 if k > count - 5 else 0) for k in range(count)]
    folder.video("clip.mp4", steps(1) * count, codec="mpeg4", pts=pts)

    assert folder.probe("clip.mp4").vfr is None


def test_matroska_leaves_open_whether_its_rate_varies(folder, steps):
    folder.video("clip.mkv", steps(20))

    facts = folder.probe("clip.mkv")

    assert (facts.fps, facts.vfr) == (10.0, None)
