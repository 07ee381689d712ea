"""A producer learns at once that a worker cannot work in its directories, and which one."""

import os
import signal

from awaiting import wait_for

SIZE = ("--size", "16x12")


def test_a_worker_without_the_input_is_named_before_anything_is_sent(
    here, start_worker, media, out, server
):
    start_worker("sees-all")
    here.environment["SHARDMILL_ROOTS"] = str(out.parent / "elsewhere")
    start_worker("sees-little")

    refused = here.run("submit", media, "--out", out, *SIZE)

    assert refused.code == 1
    assert refused.only_sentence == (
        f"worker sees-little: {media} is outside SHARDMILL_ROOTS of this worker"
    )
    assert not out.exists()
    assert os.listdir(out.parent) == [media.name], "the mark in the output's place is gone too"
    with server.client(database=1) as database:
        assert not database.keys("*:job")


def test_a_worker_that_sees_both_is_given_the_job(here, start_worker, media, out):
    here.environment["SHARDMILL_ROOTS"] = f"{media}:{out.parent}"
    start_worker("one")

    assert here.run("submit", media, "--out", out, *SIZE, "--wait").code == 0


def test_a_worker_that_comes_later_touches_nothing_outside_its_roots(
    here, start_worker, media, out
):
    """Nobody was there to be asked; the job pauses and says why, and no file is charged."""
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    here.environment["SHARDMILL_ROOTS"] = str(out)
    start_worker("sees-little")

    told = wait_for(
        lambda: (status := here.run("status", out, "--json").json)["state"] == "paused" and status,
        "the pause",
    )

    assert (told["ok"], told["failed"]) == (0, 0)
    reason = here.run("status", out).out
    assert f"sees-little: {media} is outside SHARDMILL_ROOTS of this worker" in reason
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_worker_that_hangs_holds_up_no_submission(here, start_worker, media, out):
    start_worker("one")
    frozen = start_worker("frozen")
    frozen.send_signal(signal.SIGSTOP)

    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    frozen.send_signal(signal.SIGCONT)


def test_a_heartbeat_file_is_fresh_while_a_worker_takes_messages(here, start_worker, tmp_path):
    beat = tmp_path / "beat"
    here.environment["SHARDMILL_HEARTBEAT"] = str(beat)
    worker = start_worker("one")
    wait_for(beat.exists, "the first beat")
    first_ns = beat.stat().st_mtime_ns
    wait_for(lambda: beat.stat().st_mtime_ns > first_ns, "the next beat")

    worker.send_signal(signal.SIGTERM)
    assert here.end(worker).code == 0

    assert not beat.exists(), "an old file must not speak for a worker that has ended"
