"""Which pictures of a folder are one sequence, what it is called, and when each is shown."""

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardmill.contract.errors import TooLarge
from shardmill.contract.location.image_sequence import (
    ImageSequence,
    NamePattern,
    NumberedFile,
    end_of,
    missing_in,
    patterns_of,
    pictures_at,
    sequence_of,
    times_ns,
)


def numbered(form: str, *numbers: int) -> list[str]:
    return [form % number for number in numbers]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(numbered("%05d.jpg", 1, 2, 3), {"%05d.jpg": "1 2 3"}, id="Jester"),
        pytest.param(numbered("img_%05d.jpg", 7, 8), {"img_%05d.jpg": "7 8"}, id="UCF101"),
        pytest.param(numbered("%010d.png", 0, 1), {"%010d.png": "0 1"}, id="KITTI raw"),
        pytest.param(
            ["000000_10.png", "000000_11.png", "000001_10.png", "000001_11.png"],
            {"000000_%d.png": "10 11", "000001_%d.png": "10 11"},
            id="KITTI flow: pairs",
        ),
        pytest.param(
            numbered("set00_V000_%d.jpg", 9, 10) + numbered("set00_V001_%d.jpg", 0, 1),
            {"set00_V000_%d.jpg": "9 10", "set00_V001_%d.jpg": "0 1"},
            id="many in one folder",
        ),
        pytest.param(
            ["right_1.png", "left_1.png", "left_2.png", "right_2.png", "poster.png"],
            {"left_%d.png": "1 2", "right_%d.png": "1 2"},
            id="two beside a picture without number",
        ),
        pytest.param(
            numbered("frame%d.jpg", 100, 9, 10, 12), {"frame%d.jpg": "9 10 12 100"}, id="by number"
        ),
        pytest.param(numbered("f%02d.png", 98, 101, 9), {"f%02d.png": "9 98 101"}, id="it grows"),
        pytest.param(numbered("f%04d.png", 1000, 1001), {"f%d.png": "1000 1001"}, id="no zeros"),
        pytest.param(
            ["a_001_640x480.png", "a_002_640x480.png", "a_003_640x360.png"],
            {"a_%03d_640x480.png": "1 2"},
            id="the last number in which two differ, all else being equal",
        ),
        pytest.param(["1.JPG", "2.jpg"], {"%d.JPG": "1 2"}, id="case of the suffix"),
        pytest.param(["1.jpg", "2.jpeg"], {}, id="another suffix"),
        pytest.param(["1.jp2", "2.jp2", "3.j2k"], {"%d.jp2": "1 2"}, id="digits in the suffix"),
        pytest.param(["A1.png", "a2.png"], {}, id="case of the name"),
        pytest.param(["1.png"], {}, id="one"),
        pytest.param(["1.png", "01.png", "2.png"], {}, id="a number written in two ways"),
        pytest.param(["01.png", "002.png"], {}, id="zeros up to two widths"),
        pytest.param(["1.png", "1.PNG"], {}, id="a number twice"),
        pytest.param(["a1.png", "a2.png", "a%d.png"], {}, id="a file has the name of the pattern"),
        pytest.param(["50%_01.png", "50%_02.png"], {"50%%_%02d.png": "1 2"}, id="a percent sign"),
        pytest.param(["a%d1.png", "a%d2.png"], {"a%%d%d.png": "1 2"}, id="a format in the name"),
        pytest.param(["١.png", "٢.png"], {}, id="digits of another script"),  # noqa: RUF001
        pytest.param([".1.png", ".2.png"], {".%d.png": "1 2"}, id="a dot in front"),
    ],
)
def test_a_sequence_is_pictures_that_differ_in_one_number(names, expected):
    random.Random(7).shuffle(names)
    found = {
        pattern.name: " ".join(str(pattern.number_in(name)) for name in members)
        for pattern, members in patterns_of(names)
    }

    assert found == expected


NAMES = st.text(alphabet="a1029%d_.", min_size=1, max_size=7).map(lambda text: text + ".png")


@given(st.sets(NAMES, max_size=40))
def test_a_name_says_exactly_which_files_belong_to_the_sequence(names):
    """A worker that lists the folder finds the same files, and no file is in two sequences."""
    taken: list[str] = []
    for pattern, members in patterns_of(names):
        read = NamePattern.parse(pattern.name)
        assert read == pattern
        belonging = {name: read.number_in(name) for name in names}
        assert {name for name, number in belonging.items() if number is not None} == set(members)
        numbers = [belonging[name] for name in members]
        assert numbers == sorted(set(numbers))
        taken += members

    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("name", ["a.png", "50%.png", "%d_%d.png", "%s.png", "%0d.png", "a%%d.png"])
def test_other_names_are_no_sequence(name):
    assert NamePattern.parse(name) is None


@pytest.mark.parametrize(
    ("numbers", "hz", "expected_ms", "missing"),
    [
        pytest.param([0, 1, 2], 25, [0, 40, 80, 120], 0, id="from 0"),
        pytest.param([10, 11, 12], 25, [0, 40, 80, 120], 0, id="from 10: the first is time 0"),
        pytest.param([1, 2, 5], 10, [0, 100, 400, 500], 2, id="a gap moves nothing behind it"),
        pytest.param([0, 5, 10, 20], 50, [0, 100, 200, 400, 500], 1, id="every fifth"),
        pytest.param([3, 4], 0.5, [0, 2000, 4000], 0, id="slow"),
        pytest.param(
            [10**18, 10**18 + 33_000_000, 10**18 + 67_000_000], 1e9, [0, 33, 67, 100], 0, id="times"
        ),
    ],
)
def test_the_number_is_the_time(numbers, hz, expected_ms, missing):
    assert [time / 1e6 for time in times_ns(numbers, hz)] == expected_ms
    assert missing_in(numbers) == missing


def test_a_rate_that_is_a_fraction_is_meant_exactly():
    """30000/1001 Hz: after 30000 frames 1001 s have passed, to the nanosecond."""
    assert times_ns([0, 30_000], 29.97002997)[1] == 1001 * 10**9
    assert end_of([0, 30_000]) == 60_000


def test_numbers_that_are_times_of_another_rate_are_refused():
    with pytest.raises(TooLarge, match=r"at most 30 years at 25 a second.*say in --fps-of"):
        times_ns([1_403_636_579_763_555_584, 1_403_636_629_763_555_584], 25)


def test_the_digest_covers_names_sizes_and_times_of_all_pictures():
    files = [NumberedFile(number, f"{number}.png", 5, 7) for number in range(3)]
    others = [
        files[:2],
        [*files[:2], NumberedFile(2, "02.png", 5, 7)],
        [*files[:2], NumberedFile(2, "2.png", 6, 7)],
        [*files[:2], NumberedFile(2, "2.png", 5, 8)],
    ]

    digests = {sequence_of(each, 25.0).pictures_digest for each in (files, *others)}

    assert len(digests) == 5
    assert sequence_of(list(files), 25.0) == sequence_of(files, 25.0)


def test_pictures_are_listed_by_number_and_only_files_are_pictures(tmp_path):
    for name in ("f10.png", "f9.png", "f9.jpg", "g9.png", "f09.png"):
        (tmp_path / name).write_bytes(b"x" * len(name))
    (tmp_path / "f11.png").mkdir()
    os.mkfifo(tmp_path / "f12.png")
    (tmp_path / "f13.png").symlink_to("nowhere")

    found = pictures_at(str(tmp_path / "f%d.png"))

    assert [(file.number, file.name, file.size_bytes) for file in found] == [
        (9, "f9.png", 6),
        (10, "f10.png", 7),
        (13, "f13.png", 0),
    ]


@pytest.mark.parametrize(
    ("path", "sequence", "is_possible"),
    [
        ("a/%d.png", ImageSequence(2, 25.0, "0"), True),
        ("a/1.png", ImageSequence(2, 25.0, "0"), False),
        ("%d/1.png", ImageSequence(2, 25.0, "0"), False),
        ("a/%d.png", ImageSequence(1, 25.0, "0"), False),
        ("a/%d.png", ImageSequence(2, 0.0, "0"), False),
        ("a/%d.png", ImageSequence(2, float("nan"), "0"), False),
    ],
)
def test_an_impossible_sequence_is_known(path, sequence, is_possible):
    assert sequence.is_possible(path) is is_possible
    assert ImageSequence.decode(ImageSequence(2, 0.1, "0").encode()) == ImageSequence(2, 0.1, "0")
