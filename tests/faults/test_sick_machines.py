"""A machine that cannot read now is no fault of the files, and keeps no work from others."""

import json
import os
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


def shards(out: Path) -> list[tuple[str, int]]:
    return sorted((path.name, path.stat().st_mtime_ns) for path in (out / "shards").iterdir())


@pytest.fixture
def two_folders(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    for number in range(2 * COUNT):
        place = folder / ("ab"[number % 2])
        place.mkdir(parents=True, exist_ok=True)
        picture(place / f"{number:02}.png", seed=number)
    return folder


def test_a_folder_that_cannot_be_listed_keeps_its_frames(here, two_folders, out):
    assert here.run("run", two_folders, "--out", out, *SIZE).code == 0
    made = shards(out)
    (two_folders / "a" / "new.png").write_bytes((two_folders / "a" / "00.png").read_bytes())
    here.environment |= {
        "PYTHONPATH": str(ODD),
        "TEST_FILE_SYSTEM": "unlisted",
        "TEST_UNLISTED": str(two_folders / "b"),
    }

    done = here.run("run", two_folders, "--out", out, *SIZE)

    assert done.code == 0
    assert f"what was made of {COUNT} files that cannot be looked at now stays" in done.err
    assert set(made) < set(shards(out))
    assert here.run("status", out, "--json").json["ok"] == 2 * COUNT + 1
    assert here.run("verify", out).code == 0


def test_a_drive_that_is_away_costs_no_frame_unless_it_is_said(here, two_folders, out):
    assert here.run("run", two_folders, "--out", out, *SIZE).code == 0
    made, results = shards(out), sorted(os.listdir(out))
    (two_folders / "b").rename(two_folders.parent / "away")
    (two_folders / "b").mkdir()

    refused = here.run("run", two_folders, "--out", out, *SIZE)

    assert refused.code == 2
    assert refused.only_sentence == (
        f"{COUNT} of the {2 * COUNT} rows of {out} are about files that are no longer there: mount "
        "what is missing, or give --prune to remove them with their frames"
    )
    assert (shards(out), sorted(os.listdir(out))) == (made, results)
    assert here.run("status", out, "--json").json["state"] == "done"

    assert here.run("run", two_folders, "--out", out, *SIZE, "--prune").code == 0
    assert here.run("status", out, "--json").json["ok"] == COUNT
    assert here.run("verify", out).code == 0


def test_a_few_files_that_are_gone_need_no_word(here, two_folders, out):
    assert here.run("run", two_folders, "--out", out, *SIZE).code == 0
    for path in sorted((two_folders / "b").iterdir())[:10]:
        path.unlink()

    assert here.run("run", two_folders, "--out", out, *SIZE).code == 0
    assert here.run("status", out, "--json").json["ok"] == 2 * COUNT - 10


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
