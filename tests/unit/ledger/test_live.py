"""What beats have told is added up, and everything that crosses Redis has one key."""

import pytest

from shardmill.contract import names
from shardmill.contract.tally import Tally
from shardmill.ledger.answers import Live, Snapshot
from shardmill.submission.job import status_of


@pytest.mark.parametrize(
    ("texts", "total"),
    [([], Live(0, 0)), (["5 6"], Live(5, 6)), (["5 6", "10 20", "0 0"], Live(15, 26))],
)
def test_beats_add_up(texts, total):
    assert Live.total(texts) == total


@pytest.mark.parametrize("text", ["", "1", "1 2 3", "a b", "1.5 2"])
def test_what_is_no_beat_is_an_error(text):
    with pytest.raises(ValueError, match=r"invalid literal|values to unpack"):
        Live.total([text])


def test_no_two_keys_of_a_ledger_are_the_same():
    jobs = ("a", "a:b", "batch")
    keys = [names.JOBS, names.RECONCILER, names.WORKERS]
    for job in jobs:
        keys += [names.job_key(job), names.waiting_key(job), names.lease_key(job)]
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

    status = status_of("clips-1", snapshot)

    assert (status.job, status.state, status.out, status.inputs) == ("clips-1", "paused", "/out", 9)
    assert status.tally == Tally(ok=5, failed=2, frames=50, failures={"crash": 2})
    assert (status.reason, status.seconds) == ("disk full", 3.25)
