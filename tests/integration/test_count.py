"""Probing that does not believe headers: counts agree with ffprobe, damage is found."""

import csv
from pathlib import Path

import pytest

from command_line import Shell, rows, shell
from made_media import video
from shardmill.report import store

pytestmark = pytest.mark.needs_redis


@pytest.fixture
def here():
    with shell() as here:
        yield here


def counted(out: Path) -> dict[str, int]:
    with store.query(str(out), "select path, frames_counted from files") as answer:
        return dict(answer.rows)


@pytest.mark.parametrize("depth", ["--count-frames", "--check"])
def test_made_clips_have_the_frames_they_were_made_with(here: Shell, tmp_path, depth):
    for frames in (1, 7, 30):
        video(tmp_path / "in" / f"{frames}.mp4", frames=frames)

    assert here.run("probe", tmp_path / "in", "--out", tmp_path / "out", depth).code == 0
    assert counted(tmp_path / "out") == {"1.mp4": 1, "7.mp4": 7, "30.mp4": 30}


@pytest.mark.needs_corpus
def test_a_check_decodes_as_many_frames_as_ffprobe(here: Shell, tmp_path, corpus):
    with open(corpus / "MANIFEST.tsv", encoding="utf-8", newline="") as file:
        table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        expected = {
            row["path"].removeprefix("clips/"): int(row["nb_frames_counted"])
            for row in table
            if row["path"].startswith("clips/")
        }
    assert expected

    done = here.run("probe", corpus / "clips", "--out", tmp_path / "out", "--check")

    assert done.code == 0
    assert counted(tmp_path / "out") == expected


def test_damage_behind_a_sound_beginning_shows_only_in_a_check(here: Shell, tmp_path):
    path = video(tmp_path / "in" / "a.mp4", frames=60)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    middle = start + (len(data) - start) // 2
    data[middle : middle + 200] = b"\xff" * 200
    path.write_bytes(bytes(data))

    for depth, found in (((), "ok"), (("--check",), "corrupt")):
        out = tmp_path / f"out{len(depth)}"
        here.run("probe", tmp_path / "in", "--out", out, *depth)
        assert rows(out) == {"a.mp4": found}
