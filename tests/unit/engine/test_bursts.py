"""Small frames are decoded some at a time, large ones one by one; none is lost or changes place."""

from types import SimpleNamespace

import pytest

from shardmill_worker.engine.decode import in_bursts


@pytest.mark.parametrize(
    ("width", "height", "ahead"),
    [(320, 240, 8), (160, 120, 20), (1280, 720, 1), (640, 480, 2)],
)
def test_a_burst_is_600_000_pixels_or_a_frame(width, height, ahead):
    decoded = []

    def frames():
        for index in range(20):
            decoded.append(index)
            yield SimpleNamespace(index=index, picture=SimpleNamespace(width=width, height=height))

    came = [(frame.index, len(decoded)) for frame in in_bursts(frames())]

    assert [index for index, _ in came] == list(range(20))
    assert came[0][1] == ahead


def test_of_no_frame_there_is_none():
    assert list(in_bursts([])) == []


@pytest.mark.parametrize(("most", "decoded"), [(1, 1), (3, 3), (None, 10)])
def test_what_is_not_wanted_is_not_decoded_ahead(folder, steps, most, decoded):
    folder.video("clip.mkv", steps(10), codec="ffv1")

    done = folder.extract("clip.mkv", max_frames=most)

    assert (done.outcomes[0].frames_decoded, done.advances) == (decoded, decoded)
