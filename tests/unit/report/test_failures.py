"""Failures are grouped by class, with examples and what to do."""

import pytest

from out_dir import OutDir, Video, failed, skipped
from shardmill.contract.errors import Corrupt, ItemTimeout, UsageError
from shardmill.report.failures import Example, FailureGroup, groups


@pytest.fixture
def out(tmp_path):
    return OutDir(str(tmp_path / "my out"))


def fill(out):
    out.shard("b0", Video("ok.mp4"))
    out.part("b1", skipped("song.mp3"), failed("t1.mp4", "timeout", "took 60 s"))
    out.part("b2", *(failed(f"c{i}.mp4", "corrupt", f"no frame {i}") for i in (5, 3, 6, 1)))
    out.part("b3", *(failed(f"c{i}.mp4", "corrupt", f"no frame {i}") for i in (0, 2, 4)))
    out.job()


def test_the_most_frequent_class_comes_first_with_the_first_five_by_path(out):
    fill(out)

    assert groups(out.out) == [
        FailureGroup(
            error_class="corrupt",
            count=7,
            cause="The file is damaged or is not what its name says.",
            remedy=Corrupt.remedy,
            examples=tuple(Example(f"c{i}.mp4", "probe", f"no frame {i}") for i in range(5)),
            retry=f"shardmill retry '{out.out}' --class corrupt",
        ),
        FailureGroup(
            error_class="timeout",
            count=1,
            cause="The file took longer than its limit.",
            remedy=ItemTimeout.remedy,
            examples=(Example("t1.mp4", "probe", "took 60 s"),),
            retry=f"shardmill retry '{out.out}' --class timeout",
        ),
    ]


def test_examples_of_one_file_come_by_segment(out):
    rows = [failed("x.mp4", "crash", f"part {i}", segment=i, segments=12) for i in (3, 1, 10, 2)]
    out.part("b0", *rows)
    out.job()

    (group,) = groups(out.out)

    assert [example.message for example in group.examples] == [f"part {i}" for i in (1, 2, 3, 10)]
    assert group.examples[0].name == "x.mp4 part 2 of 12"


def test_one_class_can_be_asked_for(out):
    fill(out)

    assert [group.error_class for group in groups(out.out, "timeout")] == ["timeout"]
    assert groups(out.out, "memory") == []


def test_a_row_without_a_class_counts_as_our_own_bug(out):
    out.part("b0", failed("x.mp4", None))
    out.job()

    assert [group.error_class for group in groups(out.out)] == ["internal"]
    assert [group.count for group in groups(out.out, "internal")] == [1]


def test_an_unknown_class_is_refused_with_the_known_ones(out):
    out.job(inputs=0)

    with pytest.raises(UsageError, match=r"one of unreadable, .*internal; got 'sloth'"):
        groups(out.out, "sloth")


def test_a_directory_of_something_else_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no job\.json"):
        groups(str(tmp_path))
