"""Each recipe goes as it says, on small data of the shape that it speaks of."""

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from made_archives import py_tar
from pages import follow, installed
from source_tree import ROOT

pytestmark = [pytest.mark.needs_redis, pytest.mark.timeout(600)]

PAGE = (ROOT / "docs" / "recipes.md").read_text("utf-8")
RECIPES = dict(re.findall(r"^## (\w+).*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
NTSC = Fraction(30000, 1001)


def clip(path: Path, *, frames: int, rate_hz: Fraction, size: str, codec: str) -> None:
    """Write a clip of flat frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz)
        stream.width, stream.height = map(int, size.split("x"))
        stream.pix_fmt = "yuv420p"
        for step in range(frames):
            pixels = np.full((stream.height, stream.width, 3), step % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = step, 1 / rate_hz
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def imagenet(here: Path) -> None:
    sizes = [(500, 375)] * 4 + [(375, 500)] * 2 + [(500, 333), (224, 224)]
    for number, (width, height) in enumerate(sizes):
        folder = here / "imagenet" / f"n0144076{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        _, data = cv2.imencode(".jpg", np.full((height, width, 3), 99, np.uint8))
        (folder / f"{folder.name}_{number}.JPEG").write_bytes(data.tobytes())
    tars = here / "tars"
    tars.mkdir()
    for folder in (here / "imagenet").iterdir():
        py_tar(tars / f"{folder.name}.tar", folder)
    py_tar(here / "train.tar", tars)


def ucf11(here: Path) -> None:
    """Of n frames at 30000/1001 Hz the 12 Hz clock takes ceil(0.4004 n): 31, 61, 97 and 481."""
    for number, (label, frames) in enumerate(
        [("basketball", 75), ("basketball", 150), ("biking", 240), ("biking", 1200)]
    ):
        group = here / "UCF11" / label / f"v_{label}_01"
        name = f"v_{label}_01_{number:02d}.mpg"
        clip(group / name, frames=frames, rate_hz=NTSC, size="320x240", codec="mpeg2video")
        annotation = here / "UCF11" / label / "Annotation"
        annotation.mkdir(exist_ok=True)
        (annotation / f"{group.name}.xgtf").write_text("<viper/>")
        (here / "UCF11" / label / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")


def kinetics(here: Path) -> None:
    for number in range(4):
        path = here / "kinetics" / f"class {number % 2}" / f"{number}.mp4"
        clip(path, frames=250, rate_hz=Fraction(25), size="340x256", codec="mpeg4")


def clips(here: Path) -> None:
    for number in range(40):
        path = here / "clips" / f"c{number % 4}" / f"{number}.mp4"
        clip(path, frames=8, rate_hz=Fraction(10), size="160x120", codec="mpeg4")


def jester(here: Path) -> None:
    """Four gestures of three seconds, a folder each; of the third two pictures are lost."""
    for folder, count in ((1, 37), (2, 37), (3, 37), (4, 35)):
        place = here / "20bn-jester-v1" / str(folder)
        place.mkdir(parents=True)
        for number in range(1, count + 1):
            if (folder, number) not in {(3, 12), (3, 14)}:
                _, data = cv2.imencode(".jpg", np.full((100, 176, 3), 5 * number, np.uint8))
                (place / f"{number:05d}.jpg").write_bytes(data.tobytes())
    labels = ("Swiping Left", "Stop Sign") * 2
    rows = (f"{number};{label}\n" for number, label in enumerate(labels, start=1))
    (here / "jester-train.csv").write_text("".join(rows))


def photos(here: Path) -> None:
    """Three of the wanted size, one of them under three names, and a larger one."""
    for name, grey, scale in (("a", 10, 1), ("b", 90, 1), ("large", 170, 2)):
        pixels = np.full((120 * scale, 160 * scale, 3), grey, np.uint8)
        (here / "photos").mkdir(exist_ok=True)
        (here / "photos" / f"{name}.jpg").write_bytes(cv2.imencode(".jpg", pixels)[1].tobytes())
    (here / "scans").mkdir()
    (here / "scans" / "notes.txt").write_text("none of them")
    first = (here / "photos" / "a.jpg").read_bytes()
    (here / "photos" / "copy.jpg").write_bytes(first)
    (here / "scans" / "a.jpg").write_bytes(first)
    pixels = np.full((120, 160, 3), 250, np.uint8)
    (here / "scans" / "c.jpg").write_bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


DATA: dict[str, Callable[[Path], None]] = {
    "How": imagenet,
    "UCF11": ucf11,
    "Kinetics": kinetics,
    "HDF5": clips,
    "Jester": jester,
    "Photos": photos,
}
"""First word of a recipe to what makes its data."""


def test_every_recipe_is_followed():
    assert set(RECIPES) == set(DATA)


@pytest.mark.parametrize("recipe", DATA)
def test_a_recipe_goes_as_it_says(recipe, tmp_path, request, monkeypatch):
    python = ()
    if "tf_dataset" in RECIPES[recipe]:
        python = (request.getfixturevalue("tensorflow_python"),)
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # else it tells what it does
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    (tmp_path / "here").mkdir()
    DATA[recipe](tmp_path / "here")

    follow(RECIPES[recipe], tmp_path / "here", installed(tmp_path / "bin", *python))
