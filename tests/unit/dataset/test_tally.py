"""Rows add up to a job's counters."""

from msgspec.structs import replace

from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.dataset.manifest import write_part
from shardmill.dataset.manifest_rows import table_of
from shardmill.dataset.tally import Tally

ITEM = Item(path="a/b.mp4", size_bytes=100, mtime_ns=0)
CLIP = Outcome(status="ok", frames_kept=3, clip_id="c", bytes_out=50)
ROWS = [
    Row(ITEM, Facts(duration_s=1.5), CLIP),
    Row(replace(ITEM, segment=1, segments=3), Facts(duration_s=1.5), CLIP),
    Row(replace(ITEM, segment=2, segments=3, start_ns=7), Facts(duration_s=1.5), CLIP),
    Row(
        replace(ITEM, segment=1, segments=2),
        Facts(),
        Outcome(status="failed", error_class="corrupt"),
    ),
    Row(ITEM, Facts(), replace(CLIP, frames_kept=0, clip_id=None, bytes_out=0)),
    Row(ITEM, Facts(duration_s=9.0), Outcome(status="failed", error_class="corrupt")),
    Row(ITEM, Facts(), replace(CLIP, frames_kept=1, error_class="corrupt")),
    Row(ITEM, Facts(), Outcome(status="failed", error_class="corrupt")),
    Row(ITEM, Facts(), Outcome(status="failed", error_class="timeout")),
    Row(ITEM, Facts(), Outcome(status="skipped", error_message="audio alone")),
]
TALLY = Tally(
    ok=3,
    failed=3,
    skipped=1,
    partial=1,
    clips=3,  # a part behind the first is none
    frames=10,
    bytes_in=700,  # a file counts once, with its first item
    bytes_out=200,
    video_ns=2_500_000_000,  # a third of the second and third, nothing of what failed
    failures={"corrupt": 2, "timeout": 1},
)


def test_files_and_clips_are_counted_however_many_rows_they_have():
    assert Tally.of_table(table_of(ROWS)) == TALLY
    assert TALLY.files == len(ROWS) - 3


def test_a_part_is_counted_like_its_rows(tmp_path):
    write_part(str(tmp_path / "part"), ROWS)

    assert Tally.of_part(str(tmp_path / "part")) == TALLY


def test_nothing_adds_up_to_zero():
    assert Tally.of_table(table_of([])) == Tally()
    assert set(Tally().counters().values()) == {0}


def test_a_failure_without_a_class_is_our_own():
    row = [Row(ITEM, Facts(), Outcome(status="failed"))]

    assert Tally.of_table(table_of(row)).failures == {"internal": 1}


def test_counters_are_flat_and_come_back():
    counters = TALLY.counters()

    assert counters["failed:corrupt"] == 2
    assert counters["failed"] == 3
    assert Tally.from_counters(counters) == TALLY


def test_foreign_and_empty_counters_are_left_alone():
    assert Tally.from_counters({"ok": 2, "state": 7, "failed:crash": 0}) == Tally(ok=2)
