"""Inputs that change under the job, and an output directory that fills up or vanishes."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from awaiting import wait_for
from cluster import assert_whole, gates, names_of, open_gates, reached
from command_line import rows
from made_media import picture
from shardmill.contract import names
from shardmill.dataset.layout import Layout

pytestmark = pytest.mark.needs_redis
SIZE = ("--size", "16x12")


@pytest.mark.parametrize("stage", ["probe", "extract"])
def test_files_that_change_before_they_are_opened_are_told_and_done_the_next_time(
    here, server, start_worker, tmp_path, out, *, stage
):
    """All four wait at gates; whichever comes first keeps the others from being opened."""
    media = gates(tmp_path / "in", 4, stage=stage)
    start_worker("one")
    command = ("submit", media, "--out", out, *SIZE, "--wait")
    job = here.start(*command)
    wait_for(lambda: reached(media), "the first file")
    (first,) = reached(media)
    grown, deleted, replaced = sorted(names_of(media) - {first})
    with open(media / grown, "ab") as file:
        file.write(b"more")
    (media / deleted).unlink()
    os.replace(picture(media.parent / replaced, seed=99), media / replaced)

    open_gates(media)

    assert here.end(job).code == 3
    told = {first: "ok", grown: "changed", deleted: "unreadable", replaced: "changed"}
    assert_whole(out, told, server=server)
    assert here.run(*command).code == 0
    assert_whole(out, dict.fromkeys(names_of(media), "ok"), server=server)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path, *, but_bytes: int) -> Path:
    """Fill a file system but for so many bytes; return the file that does."""
    filler = place / "filler"
    free = os.statvfs(place)
    filler.write_bytes(bytes(free.f_bavail * free.f_frsize - but_bytes))
    return filler


@pytest.mark.needs_tmpfs
@pytest.mark.parametrize("room_bytes", [0, 150_000], ids=lambda n: f"{n} bytes left")
def test_a_full_disk_pauses_the_job_and_burns_no_attempt(
    here, server, ledger, start_worker, media, small_disk, *, room_bytes
):
    out = small_disk / "out"
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    (job,) = ledger.jobs()
    filler = fill(small_disk, but_bytes=room_bytes)
    start_worker("one", slots=2)
    wait_for(lambda: ledger.snapshot(job).state == "paused", "the pause")
    wait_for(lambda: ledger.snapshot(job).leased == 0, "the end of what was in work")

    assert f"cannot write to {out}: No space left on device" in ledger.snapshot(job).reason
    with server.client(database=1) as database:
        batches = database.keys(names.batch_key(job, "*"))
        charged = {database.hget(batch, "attempts") for batch in batches}
    assert charged == {"0"}
    assert os.listdir(out / ".tmp") == []
    filler.unlink()
    ledger.set_state(job, "running", allowed=["paused"])
    wait_for(lambda: ledger.snapshot(job).state == "done", "the end of the job")
    assert_whole(out, dict.fromkeys(names_of(media), "ok"), server=server)


def take_away(place: str) -> None:
    """Remove a directory at once: one that a worker writes into is never empty for long."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(place))) as trash:
        os.rename(place, os.path.join(trash, "taken"))


LOSSES: dict[str, Callable[[Layout], object]] = {
    "all of it": lambda layout: take_away(layout.out),
    "its manifest": lambda layout: take_away(layout.manifest),
    "its place for unfinished files": lambda layout: take_away(layout.tmp),
    "one manifest part": lambda layout: os.unlink(layout.parts()[0]),
}


@pytest.mark.parametrize("lost", LOSSES)
def test_an_output_directory_that_loses_something_pauses_the_job_and_is_made_whole(
    here, server, start_worker, media, out, *, lost
):
    gates(media, 1)
    start_worker("one", slots=2)
    command = ("submit", media, "--out", out, *SIZE, "--wait")
    job = here.start(*command)
    wait_for(lambda: reached(media) and Layout(str(out)).parts(), "a commit and a file in work")

    LOSSES[lost](Layout(str(out)))
    open_gates(media)

    paused = here.end(job)
    assert paused.code == 4, paused
    assert str(out) in paused.out
    assert lost != "all of it" or not out.exists(), "nobody makes it anew but who is told to"
    assert here.run(*command).code == 0
    assert len(rows(out)) == 21
    assert_whole(out, dict.fromkeys(names_of(media), "ok"), server=server)


DAMAGE: dict[str, Callable[[Layout], object]] = {
    "found no job.json": lambda layout: os.unlink(layout.job),
    "is no manifest part": lambda layout: Path(layout.parts()[0]).write_bytes(b"no table"),
}


@pytest.mark.parametrize("reason", DAMAGE)
def test_a_job_whose_output_directory_is_damaged_pauses_and_says_why(
    here, server, start_worker, media, out, *, reason
):
    gates(media, 1)
    start_worker("one", slots=2)
    job = here.start("submit", media, "--out", out, *SIZE, "--wait", "--json")
    wait_for(lambda: reached(media) and Layout(str(out)).parts(), "a commit and a file in work")

    DAMAGE[reason](Layout(str(out)))
    open_gates(media)

    paused = here.end(job)
    assert paused.code == 4, paused
    assert reason in paused.json["reason"]
    with server.client(database=1) as database:
        assert database.keys(names.batch_key(paused.json["job"], "*")) == []
