"""A worker tells which directory it cannot work in, and why."""

import os

import pytest

from shardmill_worker.execution.path_access import first_obstacle


@pytest.fixture
def place(tmp_path):
    for name in ("in", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "clip.mp4").touch()
    (tmp_path / "in" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "mark", "roots", "obstacle"),
    [
        ("in", "clip.mp4", [], None),
        ("in", "clip.mp4", ["in"], None),
        ("in", "clip.mp4", ["elsewhere", "in"], None),
        ("in", "", [], None),
        ("in", "other.mp4", [], "finds another directory at {}, without other.mp4"),
        ("gone", "clip.mp4", [], "expected to see the directory {}, found none: mount it"),
        ("in/file", "", [], "expected to see the directory {}, found none: mount it"),
        ("in", "clip.mp4", ["elsewhere"], "{} is outside SHARDMILL_ROOTS of this worker"),
        ("elsewhere", "", ["else"], "{} is outside SHARDMILL_ROOTS of this worker"),
        ("link", "clip.mp4", ["in"], None),
        ("link", "clip.mp4", ["link"], "{} is outside SHARDMILL_ROOTS of this worker"),
        ("in/../elsewhere", "", ["in"], "{} is outside SHARDMILL_ROOTS of this worker"),
    ],
)
def test_what_keeps_a_worker_from_a_directory(place, path, mark, roots, obstacle):
    where = os.path.join(place, path)

    found = first_obstacle({where: mark}, [os.path.join(place, root) for root in roots])

    assert (found is None) == (obstacle is None)
    assert obstacle is None or found.startswith(obstacle.format(where))


def test_the_first_of_several_is_told(place):
    sound, gone = str(place / "in"), str(place / "gone")

    assert gone in first_obstacle({sound: "clip.mp4", gone: ""}, [])
