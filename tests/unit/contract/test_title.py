"""A batch is called by its job, what its files have in common, their number and their size."""

import pytest

from shardmill.contract.batch import FINISH, Batch
from shardmill.contract.schema import Item
from shardmill.contract.title import LONGEST_PATH, title
from shardmill.dataset.manifest_rows import items_table
from shardmill.dataset.work_table import batch_of


def batch(*paths: str, size_bytes: int = 1_750_000, **more: int) -> Batch:
    rows = items_table([Item(path, size_bytes, 0, **more) for path in paths])
    return batch_of(rows, 0, len(paths), name="inputs-0", stage="probe", spec_key="key")


@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        ([f"basketball/v_{n:02}.avi" for n in range(64)], "ucf11/basketball/v… 64 files 112 MB"),
        (["a/x.mp4"], "ucf11/a/x.mp4 1.75 MB"),
        (["a/x.mp4", "b/y.mp4"], "ucf11/a/x.mp4… 2 files 3.5 MB"),
        (["ab1.mp4", "ab2.mp4"], "ucf11/ab1.mp4… 2 files 3.5 MB"),
        (["abc1.mp4", "abc2.mp4"], "ucf11/abc… 2 files 3.5 MB"),
        (
            [f"{'basketball' * 3}/{n}" for n in range(64)],
            "ucf11/basketballba… 64 files 112 MB",
        ),
        (["a\nb\x1b.mp4"], "ucf11/a\\nb\\x1b.mp4 1.75 MB"),
        (["\udce9.mp4"], "ucf11/\\udce9.mp4 1.75 MB"),
    ],
)
def test_what_people_see_of_a_batch(paths, shown):
    assert title("ucf11", batch(*paths)) == shown


def test_a_long_name_keeps_its_end():
    shown = title("job", batch("deep/" * 40 + "x.mp4"))

    assert shown.endswith("deep/x.mp4 1.75 MB")
    assert len(shown) == len("job/") + LONGEST_PATH + len(" 1.75 MB")


def test_a_part_of_a_long_video_is_told():
    part = batch("talk.mp4", size_bytes=1000, segment=2, segments=8)

    assert title("job", part) == "job/talk.mp4 part 3/8 1 kB"


def test_the_end_of_a_job_has_its_name_alone():
    assert title("ucf11", FINISH) == "ucf11"


def test_a_part_of_a_batch_has_no_size():
    first, second = batch("abc1.mp4", "abc2.mp4", "abc3.mp4").halves()

    assert title("job", first) == "job/abc…"
    assert title("job", second) == "job/abc… 2 files"
