"""A machine that cannot read now is no fault of the files, and keeps no work from others."""

import json
from pathlib import Path

import pytest

from awaiting import wait_for
from cluster import assert_whole
from made_media import picture

pytestmark = pytest.mark.needs_redis
ODD = Path(__file__).parent / "odd_file_system"
SIZE = ("--size", "16x12")
COUNT = 12


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(COUNT):
        picture(folder / f"{number:02}.png", seed=number)
    return folder


def sick(code: str) -> dict[str, str]:
    return {"PYTHONPATH": str(ODD), "TEST_FILE_SYSTEM": "inputs", "TEST_INPUT_ERRNO": code}


@pytest.mark.parametrize("code", ["EMFILE", "ESTALE"])
def test_a_lone_sick_machine_pauses_the_job_and_blames_no_file(here, media, out, *, code):
    healthy = dict(here.environment)
    here.environment |= sick(code)

    done = here.run("run", media, "--out", out, *SIZE)

    assert done.code == 4
    assert "mend the machine or its mount" in done.out
    here.environment.clear()
    here.environment.update(healthy)
    assert here.run("run", media, "--out", out, *SIZE).code == 0
    told = here.run("status", out, "--json").json
    assert (told["ok"], told["failed"]) == (COUNT, 0)


def test_a_sick_worker_leaves_its_batches_to_a_healthy_one(
    here, server, start_worker, ledger, media, out
):
    healthy = dict(here.environment)
    here.environment |= sick("EMFILE")
    start_worker("sick")
    here.environment.clear()
    here.environment.update(healthy)
    start_worker("well")
    wait_for(lambda: set(ledger.workers()) == {"sick", "well"}, "both workers")

    done = here.run("submit", media, "--out", out, *SIZE, "--clips-per-shard", 1, "--wait")

    assert done.code == 0
    assert_whole(out, {f"{n:02}.png": "ok" for n in range(COUNT)}, server=server)
    told = here.run("query", out, "select distinct worker from files", "--json").out
    assert json.loads(told) == {"worker": "well"}


def test_a_job_pauses_once_both_workers_are_sick(here, start_worker, ledger, media, out):
    here.environment |= sick("EIO")
    start_worker("one")
    start_worker("two")
    wait_for(lambda: len(ledger.workers()) == 2, "both workers")

    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    (job,) = ledger.jobs()
    wait_for(lambda: ledger.snapshot(job).state == "paused", "the pause")

    found = ledger.snapshot(job)
    assert "Input/output error; mend the machine or its mount" in found.reason
    assert found.counters.get("failed", 0) == 0
