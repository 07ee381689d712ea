"""The sample set is small, equal everywhere, holds one broken file, and overwrites nothing."""

import os
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from shardmill.contract.errors import OutputConflict, UsageError
from shardmill_worker.sample import MARK, main, make_sample


def content(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Every file's bytes and time of change, by path."""
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_it_holds_what_a_first_run_should_meet(sample_set):
    assert sorted(content(sample_set)) == [
        MARK,
        "bouncing/clip-00.mp4",
        "bouncing/clip-02.mp4",
        "bouncing/clip-04.webm",
        "bouncing/still.jpg",
        "sliding/broken.mp4",
        "sliding/clip-01.mp4",
        "sliding/clip-03.mp4",
        "sliding/clip-05.webm",
        "sliding/still.png",
    ]
    assert sum(len(data) for data, _ in content(sample_set).values()) < 2_000_000


@pytest.mark.parametrize(
    ("name", "codec", "shape", "frames"),
    [
        ("bouncing/clip-00.mp4", "h264", (240, 320, 3), 75),
        ("sliding/clip-03.mp4", "mpeg4", (256, 340, 3), 60),
        ("bouncing/clip-04.webm", "vp8", (144, 256, 3), 60),
        ("bouncing/still.jpg", "mjpeg", (240, 320, 3), 1),
        ("sliding/still.png", "png", (120, 160, 3), 1),
    ],
)
def test_its_files_decode(sample_set, name, codec, shape, frames):
    with av.open(str(sample_set / name)) as container:
        assert container.streams.video[0].codec_context.name == codec
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]

    assert [picture.shape for picture in pictures] == [shape] * frames
    if frames > 1:
        still = [np.array_equal(a, b) for a, b in pairwise(pictures)]
        assert not any(still), "every frame moves"


def test_the_broken_file_cannot_be_opened(sample_set):
    with pytest.raises(av.error.InvalidDataError):
        av.open(str(sample_set / "sliding" / "broken.mp4"))


def test_it_is_the_same_every_time(sample_set, tmp_path):
    assert make_sample(str(tmp_path / "again"))
    assert content(tmp_path / "again") == content(sample_set)


def test_an_empty_directory_is_filled_and_a_sample_set_left_alone(tmp_path):
    assert make_sample(str(tmp_path), clips=1)
    (tmp_path / "bouncing" / "clip-00.mp4").unlink()  # the user's own affair

    assert not make_sample(str(tmp_path), clips=1)
    assert not (tmp_path / "bouncing" / "clip-00.mp4").exists()


def test_a_directory_of_somebody_else_is_refused_untouched(tmp_path, capsys):
    (tmp_path / "holiday.mp4").write_bytes(b"precious")

    assert main([str(tmp_path)]) == 2
    assert "holds something else: name another directory" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["holiday.mp4"]


def test_a_sample_set_of_another_size_is_refused(tmp_path):
    make_sample(str(tmp_path), clips=1)

    with pytest.raises(OutputConflict, match="a sample set of 2 clips"):
        make_sample(str(tmp_path), clips=2)


def test_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "sample").write_text("")

    with pytest.raises(OutputConflict):
        make_sample(str(tmp_path / "sample"))


@pytest.mark.parametrize("clips", [0, 100])
def test_an_impossible_count_is_refused(tmp_path, clips):
    with pytest.raises(UsageError, match="--clips must be in"):
        make_sample(str(tmp_path / "sample"), clips=clips)


def test_an_interrupted_one_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shardmill_worker.sample._still", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make_sample(str(tmp_path / "sample"), clips=1)

    assert os.listdir(tmp_path) == []
