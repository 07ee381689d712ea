"""Two producers never write one output directory, and two jobs share the workers."""

import os
from pathlib import Path

import pytest

from awaiting import wait_for
from cluster import assert_whole, gates, open_gates
from made_media import picture, pictures

pytestmark = pytest.mark.needs_redis
SIZE = ("--size", "16x12")
GATE = "gate@extract.png"


def files(media: Path) -> dict[str, str]:
    return {path.name: "ok" for path in media.iterdir() if path.suffix == ".png"}


def test_of_two_runs_that_begin_at_once_one_works_and_one_is_refused(here, media, out):
    picture(media / GATE, seed=99)
    processes = [here.start("run", media, "--out", out, *SIZE) for _ in range(2)]
    wait_for(lambda: any(process.poll() is not None for process in processes), "a refusal")
    open_gates(media)

    done = sorted((here.end(process) for process in processes), key=lambda each: each.code)

    assert [each.code for each in done] == [0, 2]
    working = {process.pid for process in processes if process.returncode == 0}
    assert any(f"(process {pid} on " in done[1].last_sentence for pid in working)
    assert_whole(out, files(media))


def test_a_second_submission_is_refused_while_the_first_still_sends(here, ledger, media, out):
    here.environment["SHARDMILL_WINDOW"] = "1"
    first = here.start("submit", media, "--out", out, *SIZE)
    wait_for(lambda: ledger.jobs() and ledger.snapshot(ledger.jobs()[0]).inflight, "a batch")

    second = here.run("submit", media, "--out", out, *SIZE)

    assert second.code == 2
    assert f"(process {first.pid} on " in second.last_sentence
    first.kill()


def test_a_second_submission_joins_when_everything_of_the_first_is_sent(
    here, start_worker, media, out
):
    picture(media / GATE, seed=99)
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    start_worker("one")
    wait_for(lambda: (out / ".tmp").is_dir() and os.listdir(out / ".tmp"), "a shard in work")

    joining = here.start("submit", media, "--out", out, *SIZE, "--wait", "--json")
    open_gates(media)

    done = here.end(joining)
    assert (done.code, done.json["ok"]) == (0, 21)
    assert_whole(out, files(media))


def test_a_job_has_four_batches_a_slot_of_the_workers_there_are(
    here, ledger, start_worker, tmp_path
):
    """Every file fills a shard of a megabyte, so it is a batch; each holds a slot that takes it."""
    media = gates(tmp_path / "in", 40, stage="probe")
    for path in media.iterdir():
        os.truncate(path, 1_000_000)
    sending = here.start("submit", media, "--out", tmp_path / "out", *SIZE, "--shard-size", "1MB")
    wait_for(ledger.jobs, "the job")
    (name,) = ledger.jobs()

    def in_flight(count: int) -> None:
        wait_for(lambda: ledger.snapshot(name).inflight == count, f"{count} batches in flight")

    in_flight(16)
    start_worker("one")
    start_worker("two", slots=6)
    wait_for(lambda: ledger.slots() == 7, "seven slots")
    in_flight(28)
    open_gates(media)
    assert here.end(sending).code == 0
    wait_for((tmp_path / "out" / "summary.json").exists, "the end of the job")
    assert_whole(tmp_path / "out", files(media))


def test_a_small_job_waits_for_no_more_than_a_window_of_a_large_one(
    here, ledger, start_worker, tmp_path
):
    """Sixteen batches of a second each against one; eight may be in flight."""
    here.environment["SHARDMILL_WINDOW"] = "8"
    large = pictures(tmp_path / "large", 48)
    for number in range(16):
        picture(large / f"slow@extract-{number}.png", seed=100 + number)
    small = pictures(tmp_path / "small", 1)
    sending = here.start("submit", large, "--out", tmp_path / "a", *SIZE)
    wait_for(ledger.jobs, "the large job")
    (name,) = ledger.jobs()
    wait_for(lambda: ledger.snapshot(name).inflight == 8, "a full window")
    assert here.run("submit", small, "--out", tmp_path / "b", *SIZE).code == 0
    start_worker("one")

    wait_for((tmp_path / "b" / "summary.json").exists, "the end of the small job")

    done = ledger.snapshot(name).counters.get("ok", 0)
    assert done <= 48, f"{done} of 64 files of the large job came first"
    assert here.end(sending).code == 0
    wait_for((tmp_path / "a" / "summary.json").exists, "the end of the large job")
    assert_whole(tmp_path / "a", files(large))
    assert_whole(tmp_path / "b", files(small))
