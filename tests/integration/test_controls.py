"""A job is steered from any process, whoever began it and whatever has died since."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from awaiting import wait_for
from cluster import assert_whole, open_gates
from command_line import Done, Shell, poisoned, rows, shell
from made_media import picture, pictures

pytestmark = pytest.mark.needs_redis
SIZE = ("--size", "16x12")
GATE = "gate@extract.png"


@pytest.fixture
def home() -> Iterator[Shell]:
    """The command line of somebody without a cluster: nothing answers at the usual place."""
    with shell() as home:
        home.environment["SHARDMILL_REDIS_URL"] = "unix:///nowhere/redis.sock"
        yield poisoned(home)


def gated(media: Path) -> Path:
    """Add a file at which a decoder waits until it is let through."""
    picture(media / GATE, seed=99)
    return media


def let_through(media: Path) -> None:
    open_gates(media)


def files(media: Path) -> dict[str, str]:
    return {path.name: "ok" for path in media.iterdir() if path.suffix == ".png"}


def in_work(out: Path) -> bool:
    return (out / ".tmp").is_dir() and any((out / ".tmp").iterdir())


def state(here: Shell, of: object) -> str:
    done = here.run("status", of, "--json")
    assert done.code == 0, done.err
    return done.json["state"]


def told_command(done: Done) -> list[str]:
    """The command that an error names between backquotes, without the program's name."""
    _, command, _ = done.only_sentence.split("`")
    program, *arguments = shlex.split(command)
    assert program == "shardmill"
    return arguments


def test_a_run_is_steered_from_another_terminal(home, media, out):
    process = home.start("run", gated(media), "--out", out, *SIZE)
    wait_for(lambda: in_work(out), "a shard in work")
    (listed,) = home.run("list", "--json").json["jobs"]
    job = listed["job"]
    assert (listed["state"], listed["out"], listed["inputs"]) == ("running", str(out), 21)

    paused = home.run("pause", out)
    again = home.run("pause", job, "--json")

    assert (paused.code, again.code) == (0, 0)
    assert f"{job}  paused" in paused.out
    assert again.json["state"] == "paused"
    assert home.run("watch", out).code == 4
    let_through(media)
    wait_for(lambda: not in_work(out), "the end of the batches at hand")
    assert process.poll() is None, "a run that is paused by hand waits"
    assert state(home, job) == "paused"
    assert home.run("resume", out, "--json").json["state"] == "running"
    watched = home.run("watch", out, "--json")
    done = home.end(process)
    assert (done.code, watched.code) == (0, 0)
    assert json.loads(watched.out.splitlines()[-1])["state"] == "done"
    assert f"go on with: shardmill resume {out}" in done.err
    assert_whole(out, files(media))
    home.wait_until_all_are_gone()


def test_a_job_is_watched_by_a_machine_line_by_line(here, start_worker, media, out):
    """The line in mid-job names the file that holds its slot, and the one that has failed."""
    (media / "broken.mp4").write_bytes(b"no video" * 99)
    gated(media)
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    start_worker("box", slots=2)
    watching = here.start("watch", out, "--json")
    seen = []
    for line in watching.stdout:
        seen.append(json.loads(line))
        held = [batch["file"] for worker in seen[-1]["workers"] for batch in worker["batches"]]
        if GATE in held and seen[-1]["last_failures"]:
            break
    assert seen[-1]["workers"][0]["worker"] == "box"
    (failure,) = seen[-1]["last_failures"]
    assert (failure["path"], failure["class"]) == ("broken.mp4", "unsupported")
    let_through(media)

    seen += [json.loads(line) for line in watching.stdout]

    assert watching.wait() == 3
    *before, last = seen
    status = here.run("status", out, "--json").json
    assert {name: last[name] for name in status if name != "seconds"} == {
        name: value for name, value in status.items() if name != "seconds"
    }
    assert {each["state"] for each in before} == {"running"}
    assert all(each.keys() == last.keys() for each in before)
    assert (last["probed"], last["share_done"], last["eta_s"]) == (22, 1.0, None)
    ended = here.run("watch", out, "--json")
    assert ended.json.keys() == last.keys()
    assert ended.json["ok"] == 21


def test_a_run_is_cancelled_from_another_terminal(home, media, out):
    process = home.start("run", gated(media), "--out", out, *SIZE, "--json")
    wait_for(lambda: in_work(out), "a shard in work")

    cancelled = home.run("cancel", out)

    done = home.end(process)
    assert (cancelled.code, done.code, done.json["state"]) == (0, 4, "cancelled")
    home.wait_until_all_are_gone()
    assert not in_work(out)
    late = home.run("cancel", out)
    assert late.code == 1
    let_through(media)
    assert home.run(*told_command(late)).code == 0
    assert_whole(out, files(media))


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_whoever_steers_a_run_that_was_killed_is_told_the_command_that_goes_on(
    home, media, out, verb
):
    process = home.start("run", gated(media), "--out", out, *SIZE, "--exclude", "a b*")
    wait_for(lambda: in_work(out), "a shard in work")
    process.kill()
    process.communicate()
    home.wait_until_all_are_gone()

    done = home.run(verb, out)

    assert done.code == 1
    assert state(home, out) == "paused"
    let_through(media)
    assert home.run(*told_command(done)).code == 0
    assert_whole(out, files(media))
    ended = home.run(verb, out)
    assert ended.code == 1
    assert f"{out} is done" in ended.only_sentence


def test_what_is_no_job_is_said(home, tmp_path):
    missing = home.run("pause", tmp_path)
    assert missing.code == 2
    assert "no job.json" in missing.only_sentence
    nobody = home.run("cancel", "nobody-123456")
    assert nobody.code == 1
    assert "Redis" in nobody.only_sentence


def test_a_cluster_gives_out_no_work_while_a_job_is_paused(here, ledger, start_worker, media, out):
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    (job,) = ledger.jobs()
    assert here.run("pause", job).code == 0
    other = pictures(media.parent / "other", 2)
    start_worker("one")
    assert here.run("submit", other, "--out", out.parent / "second", *SIZE, "--wait").code == 0

    assert rows(out) == {}
    listed = {each["job"]: each["state"] for each in here.run("list", "--json").json["jobs"]}
    assert sorted(listed.values()) == ["done", "paused"]
    assert listed[job] == "paused"
    assert here.run("resume", out).code == 0
    assert here.run("watch", job).code == 0
    assert_whole(out, files(media))
    ended = here.run("pause", job)
    assert ended.code == 1
    assert "is done" in ended.only_sentence


def test_a_paused_job_whose_producer_is_dead_is_resumed_whole(
    here, ledger, start_worker, media, out
):
    """Two of at least five batches are sent when it dies, and nobody else knows the others."""
    here.environment["SHARDMILL_WINDOW"] = "2"
    producer = here.start("submit", media, "--out", out, *SIZE)
    wait_for(ledger.jobs, "the job")
    (job,) = ledger.jobs()
    wait_for(lambda: ledger.snapshot(job).inflight == 2, "a full window")
    producer.kill()
    producer.communicate()
    assert here.run("pause", out).code == 0
    start_worker("one")

    resumed = here.run("resume", out)

    assert resumed.code == 0, resumed.err
    assert here.run("watch", out).code == 0
    assert_whole(out, files(media))
    assert ledger.snapshot(job).inflight == 0


def test_without_redis_the_output_directory_still_tells_and_controls_say_what_they_need(
    here, server, media, out
):
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    server.kill()

    assert state(here, out) == "paused"
    for verb in ("pause", "resume", "cancel"):
        done = here.run(verb, out)
        assert done.code == 1
        assert "expected Redis to answer" in done.only_sentence
    assert here.run("list").code == 1


def test_who_asks_the_wrong_ledger_is_told_the_right_one(here, server, ledger, media, out):
    here.environment["SHARDMILL_WINDOW"] = "1"
    producer = here.start("submit", media, "--out", out, *SIZE)
    wait_for(lambda: ledger.jobs() and ledger.snapshot(ledger.jobs()[0]).inflight, "a batch")

    done = here.run("pause", out, "--redis", f"{server.url}/4")

    assert done.code == 1
    assert f"process {producer.pid} on " in done.only_sentence
    assert done.only_sentence.endswith(f"give --redis {server.url}")
    producer.kill()


def test_a_job_that_redis_has_lost_is_gone_on_with_by_the_command_that_is_told(
    here, server, start_worker, media, out
):
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    with server.client() as queue:
        queue.flushall()

    done = here.run("resume", out)

    assert done.code == 1
    start_worker("one")
    assert here.run(*told_command(done), "--wait").code == 0
    assert_whole(out, files(media))


def test_a_run_stays_out_of_what_a_cluster_is_at(here, server, media, out):
    """Workers would commit beside it what it does too."""
    assert here.run("submit", media, "--out", out, *SIZE).code == 0

    before = (out / ".lock").read_bytes()
    for options in (SIZE, ("--size", "8x8"), (*SIZE, "--overwrite")):
        refused = here.run("run", media, "--out", out, *options)

        assert refused.code == 2
        assert options != SIZE or server.url in refused.only_sentence
        assert (out / ".lock").read_bytes() == before, "it says where the job is at work"
    assert state(here, out) == "running"
    with server.client(database=1) as database:
        database.flushdb()
    assert here.run("run", media, "--out", out, *SIZE).code == 0
    assert_whole(out, files(media))
