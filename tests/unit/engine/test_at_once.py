"""All planes of a frame cropped, scaled and widened together, against each one's exact mean."""

import av
import cv2
import numpy as np
import pytest

from exact_area import decibels, shrunk_exactly
from shardmill.contract.options.geometry import Size
from shardmill_worker.engine.at_once import FORMATS, AtOnce
from shardmill_worker.engine.pixels import view

STORED = Size(340, 256)
STEPS = {"yuv420p": (2, 2), "yuv422p": (2, 1), "yuv440p": (1, 2), "yuv444p": (1, 1)}
"""Columns and rows to a sample of U and V."""


def noisy(format_name: str, **tags: int) -> tuple[av.VideoFrame, list[np.ndarray]]:
    """A frame of soft noise within limited range, and its planes."""
    frame = av.VideoFrame(STORED.width, STORED.height, format_name)
    planes = []
    for seed, plane in enumerate(frame.planes):
        noise = np.random.default_rng(seed).integers(0, 256, (plane.height, plane.width), np.uint8)
        soft = np.clip(cv2.GaussianBlur(noise, (0, 0), 1.5), 20, 230)
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : plane.width] = soft
        plane.update(padded)
        planes.append(soft)
    for name, value in tags.items():
        setattr(frame, name, value)
    return frame, planes


def described(frame: av.VideoFrame, **changed: object) -> AtOnce:
    """What is done, the whole frame to 160x120 unless something else is said."""
    usual = {"left": 0, "top": 0, "taken": STORED, "size": Size(160, 120), "widens": False}
    return AtOnce(
        format=frame.format.name,
        source=STORED,
        colour_space=frame.colorspace,
        colour_range=frame.color_range,
        **{**usual, **changed},  # type: ignore[arg-type]
    )


def exact_planes(planes: list[np.ndarray], what: AtOnce) -> list[np.ndarray]:
    """The planes as arithmetic has them: part by part, sample by sample."""
    exact = []
    for number, plane in enumerate(planes):
        x, y = STEPS[what.format] if number else (1, 1)
        right, bottom = what.left + what.taken.width, what.top + what.taken.height
        part = plane[what.top // y : -(-bottom // y), what.left // x : -(-right // x)]
        mean = shrunk_exactly(part, what.size.width // x, what.size.height // y)
        if what.widens:
            mean = (mean - 128) * 255 / 224 + 128 if number else (mean - 16) * 255 / 219
        exact.append(np.clip(mean, 0, 255))
    return exact


@pytest.mark.parametrize("format_name", sorted(FORMATS))
@pytest.mark.parametrize("widens", [False, True], ids=["as it is", "widened"])
@pytest.mark.parametrize(
    "tags",
    [{}, {"colorspace": 5, "color_range": 1}, {"colorspace": 1, "color_range": 1}],
    ids=["untagged", "BT.601", "BT.709"],
)
@pytest.mark.parametrize(
    "part",
    [
        pytest.param({}, id="whole"),
        pytest.param({"size": Size(340, 120)}, id="one side"),
        pytest.param({"left": 6, "top": 2, "taken": Size(301, 201)}, id="odd part"),
    ],
)
def test_each_plane_is_the_mean_of_its_areas(format_name, widens, tags, part):
    frame, planes = noisy(format_name, **tags)
    what = described(frame, widens=widens, **part)

    made = what(frame)

    assert (made.format.name, made.width, made.height) == (
        format_name,
        what.size.width,
        what.size.height,
    )
    for plane, exact in zip(made.planes, exact_planes(planes, what), strict=True):
        found = view(plane)
        assert found.shape == exact.shape
        assert decibels(found, exact) > 50
        assert np.abs(found - exact).max() < 2.5
