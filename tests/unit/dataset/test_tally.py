"""Rows add up to a job's counters."""

from msgspec.structs import replace

from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.dataset.manifest import write_part
from shardmill.dataset.tally import Tally

ITEM = Item(path="a/b.mp4", size_bytes=100, mtime_ns=0)
CLIP = Outcome(status="ok", frames_kept=3, clip_id="c", bytes_out=50)
ROWS = [
    Row(ITEM, Facts(duration_s=1.5), CLIP),
    Row(replace(ITEM, segment=1, segments=3), Facts(duration_s=1.5), CLIP),
    Row(ITEM, Facts(), replace(CLIP, frames_kept=0, clip_id=None, bytes_out=0)),
    Row(ITEM, Facts(duration_s=9.0), Outcome(status="failed", error_class="corrupt")),
    Row(ITEM, Facts(), replace(CLIP, frames_kept=1, error_class="corrupt")),
    Row(ITEM, Facts(), Outcome(status="failed", error_class="corrupt")),
    Row(ITEM, Facts(), Outcome(status="failed", error_class="timeout")),
    Row(ITEM, Facts(), Outcome(status="skipped", error_message="audio alone")),
]
TALLY = Tally(
    ok=4,
    failed=3,
    skipped=1,
    partial=1,
    clips=3,
    frames=7,
    bytes_in=700,  # a long file counts once, with its first segment
    bytes_out=150,
    video_ns=2_000_000_000,  # a third of the second, nothing of what failed
    failures={"corrupt": 2, "timeout": 1},
)


def test_rows_are_counted_once_each():
    assert Tally.of(ROWS) == TALLY
    assert TALLY.items == len(ROWS)


def test_a_part_is_counted_like_its_rows(tmp_path):
    write_part(str(tmp_path / "part"), ROWS)

    assert Tally.of_part(str(tmp_path / "part")) == TALLY


def test_nothing_adds_up_to_zero():
    assert Tally.of([]) == Tally()
    assert set(Tally().counters().values()) == {0}


def test_a_failure_without_a_class_is_our_own():
    assert Tally.of([Row(ITEM, Facts(), Outcome(status="failed"))]).failures == {"internal": 1}


def test_counters_are_flat_and_come_back():
    counters = TALLY.counters()

    assert counters["failed:corrupt"] == 2
    assert counters["failed"] == 3
    assert Tally.from_counters(counters) == TALLY


def test_foreign_and_empty_counters_are_left_alone():
    assert Tally.from_counters({"ok": 2, "state": 7, "failed:crash": 0}) == Tally(ok=2)
