"""What beats have told is added up, and everything that crosses Redis has one key."""

import pytest

from shardmill.contract import names
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.dataset.manifest_rows import table_of
from shardmill.dataset.tally import Tally
from shardmill.ledger.answers import Snapshot
from shardmill.ledger.telemetry import Failure, Live

AT_WORK = Live(5, 6, 7, "box", "extract", "a/1.mp4", 2, 3)


@pytest.mark.parametrize(
    ("parts", "total"),
    [
        ([], Live(0, 0)),
        ([AT_WORK], Live(5, 6)),
        ([Live(5, 6), Live(10, 20), Live()], Live(15, 26)),
    ],
)
def test_beats_add_up(parts, total):
    assert Live.total(parts) == total


@pytest.mark.parametrize("live", [Live(), AT_WORK])
def test_a_beat_comes_back_as_it_was_told(live):
    assert Live.decode(live.encode()) == live


def test_a_file_is_told_short_and_without_harm():
    """Two hundred characters, no sequence that moves a terminal's cursor, no stray bytes."""
    assert Live.at("a\x1b[2J\udcff.mp4").file == "a\\x1b[2J\\udcff.mp4"
    assert Live.at("ä" * 300).file == "ä" * 199 + "…"


@pytest.mark.parametrize(
    "text", ["", "1", "5 6", "[]", "{}", "[1]", '["a"]', '[1.5, 2, 3, "", "", "", 0, 0]']
)
def test_what_is_no_beat_is_an_error(text):
    with pytest.raises(ValueError, match=r"expected Live|Expecting|Extra data"):
        Live.decode(text)


def failed(path: str, message: str | None = "found nothing") -> Row:
    outcome = Outcome(status="failed", error_class="corrupt", error_message=message)
    return Row(Item(path=path, size_bytes=1, mtime_ns=2), Facts(), outcome)


def test_the_last_three_failures_of_a_batch_are_told():
    ok = Row(Item(path="fine", size_bytes=1, mtime_ns=2), Facts(), Outcome(status="ok"))

    rows = [failed("1"), failed("2"), ok, failed("3", None), failed("4\n"), ok]

    told = Failure.last_of(table_of(rows))

    assert [each.path for each in told] == ["2", "3", "4\\n"]
    assert [each.message for each in told] == ["found nothing", "", "found nothing"]


def test_no_two_keys_of_a_ledger_are_the_same():
    jobs = ("a", "a:b", "batch")
    keys = [names.JOBS, names.ACTIVE, names.RECONCILER, names.WORKERS, names.SLOTS]
    for job in jobs:
        keys += [names.job_key(job), names.waiting_key(job), names.lease_key(job)]
        keys += [names.share_key(job), names.failures_key(job)]
        keys += [names.live_key(job), names.batch_key(job, "x"), names.batch_key(job, "job")]

    assert len(set(keys)) == len(keys)
    assert all(key.startswith("shardmill:") for key in keys)


def test_a_status_is_a_snapshot_in_the_users_words():
    snapshot = Snapshot(
        state="paused",
        reason="disk full",
        out="/out",
        inputs=9,
        counters={"ok": 5, "failed": 2, "failed:crash": 2, "planned_us": 7, "frames": 50},
        inflight=1,
        leased=0,
        live=Live(1, 2),
        seconds=3.25,
    )

    status = snapshot.status("clips-1")

    assert (status.job, status.state, status.out, status.inputs) == ("clips-1", "paused", "/out", 9)
    assert status.tally == Tally(ok=5, failed=2, frames=50, failures={"crash": 2})
    assert (status.reason, status.seconds) == ("disk full", 3.25)
