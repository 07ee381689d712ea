"""Every valid start of a window is counted once, the last one included."""

import numpy as np
import pytest

from shardmill.read.windows import frames_of_window, locate, period, starts_per_clip


@pytest.mark.parametrize(
    ("length", "window", "stride", "short", "starts"),
    [
        pytest.param(10, 4, 1, "drop", 7, id="the last start is length - window"),
        pytest.param(4, 4, 1, "drop", 1, id="a clip of just one window"),
        pytest.param(3, 4, 1, "drop", 0, id="a frame too short"),
        pytest.param(10, 4, 3, "drop", 1, id="frames 0, 3, 6, 9"),
        pytest.param(9, 4, 3, "drop", 0, id="frame 9 is not there"),
        pytest.param(12, 4, 3, "drop", 3, id="the frames between windows count too"),
        pytest.param(1, 1, 9, "drop", 1, id="one frame has no stride"),
        pytest.param(3, 4, 1, "pad", 1, id="padded from its first frame"),
        pytest.param(3, 4, 1, "loop", 1, id="looped from its first frame"),
        pytest.param(10, 4, 1, "pad", 7, id="a long clip is never padded"),
        pytest.param(0, 4, 1, "pad", 0, id="nothing can be padded with nothing"),
        pytest.param(0, 4, 1, "loop", 0, id="nothing can be looped"),
    ],
)
def test_a_clip_has_as_many_starts_as_windows_fit(length, window, stride, short, starts):
    lengths = np.array([length, 100])

    found = starts_per_clip(lengths, window=window, stride=stride, short=short)

    assert found.tolist() == [starts, 100 - (window - 1) * stride]


@pytest.mark.parametrize(
    ("start", "length", "stride", "short", "frames"),
    [
        pytest.param(2, 10, 1, "drop", [2, 3, 4, 5], id="consecutive"),
        pytest.param(0, 10, 3, "drop", [0, 3, 6, 9], id="apart"),
        pytest.param(0, 2, 1, "pad", [0, 1], id="only what there is"),
        pytest.param(0, 5, 2, "pad", [0, 2, 4], id="only what there is, apart"),
        pytest.param(0, 3, 1, "loop", [0, 1, 2, 0], id="from the start again"),
        pytest.param(0, 5, 2, "loop", [0, 2, 4, 1], id="the beat goes on over the end"),
        pytest.param(0, 1, 1, "loop", [0, 0, 0, 0], id="a picture stands still"),
    ],
)
def test_a_window_has_these_frames(start, length, stride, short, frames):
    found = frames_of_window(start, length, window=4, stride=stride, short=short)

    assert found.tolist() == frames


@pytest.mark.parametrize(
    ("length", "stride", "frames"),
    [(3, 1, 3), (4, 2, 2), (5, 2, 5), (6, 4, 3), (1, 9, 1), (2, 7, 2), (7, 7, 1)],
)
def test_a_looped_clip_shows_its_first_frame_again_after(length, stride, frames):
    shown = frames_of_window(0, length, window=20, stride=stride, short="loop").tolist()

    assert period(length, stride=stride) == frames == shown.index(0, 1)


def test_windows_are_numbered_one_clip_after_the_other():
    edges = np.array([0, 2, 3, 6])

    clips, starts = locate(np.arange(6), edges)

    assert clips.tolist() == [0, 0, 1, 2, 2, 2]
    assert starts.tolist() == [0, 1, 0, 0, 1, 2]
