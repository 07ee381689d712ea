"""Failures are grouped by class, with examples and what to do."""

import pytest
from msgspec.structs import replace

from out_dir import OutDir, Video, failed, skipped
from shardmill.contract.errors import Corrupt, ItemTimeout, UsageError
from shardmill.contract.schema import Outcome
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


def test_a_file_of_several_clips_fails_once_with_the_first_that_failed(out):
    done = replace(failed("x.mp4", None), outcome=Outcome(status="ok", clip_id="c"))
    whole = [replace(done, item=replace(done.item, segment=k, segments=4)) for k in (0, 3)]
    wrong = [failed("x.mp4", "crash", f"clip {k}", segment=k, segments=4) for k in (2, 1)]
    out.part("b0", *wrong, *whole)
    out.job()

    (group,) = groups(out.out)

    assert (group.count, [each.message for each in group.examples]) == (1, ["clip 1"])
    assert group.examples[0].name == "x.mp4 clip 2 of 4"


def test_a_file_that_was_cut_is_named_without_its_parts(out):
    of_file = {"segments": 2}
    out.part("b0", failed("x.mp4", "crash", segment=0, end_ns=9, **of_file))
    out.part("b1", failed("x.mp4", "timeout", segment=1, start_ns=9, **of_file))
    out.job()

    (group,) = groups(out.out)

    assert (group.error_class, group.count, group.examples[0].name) == ("crash", 1, "x.mp4")


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
