"""Whole jobs by one command: every input has its row, and nothing else is left behind."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import processes
from awaiting import wait_for
from command_line import Shell, poisoned, rows, shards, shell
from made_media import picture, pictures, video
from shardmill.contract.spec import CONTENT_VERSION
from shardmill.dataset.layout import Layout
from shardmill.report.verify import verify

pytestmark = pytest.mark.needs_redis
SIZE = ("--size", "16x12")
BROKEN = "sliding/broken.mp4"


@pytest.fixture
def here() -> Iterator[Shell]:
    with shell() as here:
        yield here


@pytest.fixture
def media(tmp_path) -> Path:
    """Two labelled folders: two clips and three pictures."""
    video(tmp_path / "in" / "a" / "1.mp4")
    video(tmp_path / "in" / "b" / "2.mp4")
    for name in ("a/3.png", "a/4.jpg", "b/5.bmp"):
        picture(tmp_path / "in" / name, seed=ord(name[2]))
    return tmp_path / "in"


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def assert_sound(out: Path) -> None:
    assert verify(str(out)).problems == ()


def assert_nothing_is_left(here: Shell, out: Path, directories: Iterable[str] = ()) -> None:
    here.wait_until_all_are_gone()
    assert here.leftovers(directories) == set()
    if out.exists():
        assert os.listdir(Layout(str(out)).tmp) == []


def test_every_input_has_one_row_and_failures_show_in_the_exit_code(here, sample_set, out):
    inputs = {
        path.relative_to(sample_set).as_posix()
        for path in sample_set.rglob("*.*")
        if not path.name.startswith(".")
    }
    first = here.run("run", sample_set, "--out", out, *SIZE, "--json")

    assert first.code == 3
    assert rows(out) == dict.fromkeys(inputs, "ok") | {BROKEN: "corrupt"}
    assert {name: first.json[name] for name in ("state", "inputs", "ok", "failed")} == {
        "state": "done",
        "inputs": 9,
        "ok": 8,
        "failed": 1,
    }
    assert first.json["failures"] == {"corrupt": 1}
    assert_sound(out)
    assert_nothing_is_left(here, out)

    before = shards(out)
    limits = ("--item-timeout", "50")  # may differ: they decide no content
    again = here.run("run", sample_set, "--out", out, *SIZE, *limits, "--allow-failures", "--json")

    assert again.code == 0
    assert shards(out) == before
    assert {**again.json, "seconds": 0} == {**first.json, "seconds": 0}
    assert_sound(out)


def test_a_job_without_failures_exits_with_0_and_says_what_it_came_to(here, media, out):
    done = here.run("run", media, "--out", out, *SIZE)

    assert done.code == 0
    assert "inputs   5: ok 5 · failed 0 · skipped 0" in done.out
    assert f"shardmill verify {out}" in done.out
    assert "Traceback" not in done.err


def test_a_failed_file_that_was_mended_is_all_that_is_done_again(here, media, out):
    broken = media / "a" / "6.mp4"
    broken.write_bytes(b"\0" * 5000)
    here.run("run", media, "--out", out, *SIZE)
    before = shards(out)
    video(broken)

    done = here.run("run", media, "--out", out, *SIZE, "--json")

    assert done.code == 0
    assert rows(out)["a/6.mp4"] == "ok"
    assert {name: shards(out)[name] for name in before} == before
    assert_sound(out)


def test_added_changed_and_removed_files_give_exactly_the_right_rows(here, media, out):
    alone = ("--clips-per-shard", "1")
    assert here.run("run", media, "--out", out, *SIZE, *alone).code == 0
    before = shards(out)
    picture(media / "c" / "new.png")
    video(media / "a" / "1.mp4", frames=9)
    (media / "b" / "5.bmp").unlink()

    done = here.run("run", media, "--out", out, *SIZE, *alone, "--json")

    names = ("a/1.mp4", "b/2.mp4", "a/3.png", "a/4.jpg", "c/new.png")
    assert done.code == 0
    assert rows(out) == dict.fromkeys(names, "ok")
    assert (done.json["inputs"], done.json["frames"]) == (5, 9 + 5 + 3)
    kept = before.keys() & shards(out).keys()
    assert len(kept) == 3
    assert {name: shards(out)[name] for name in kept} == {name: before[name] for name in kept}
    assert_sound(out)


def test_another_specs_output_is_refused_and_overwritten_only_when_told(here, media, out):
    assert here.run("run", media, "--out", out, *SIZE).code == 0
    before = shards(out)

    refused = here.run("run", media, "--out", out, "--size", "8x8", "--quality", "50")

    assert refused.code == 2
    assert "--size 16x12 there, 8x8 here" in refused.only_sentence
    assert "--quality 95 there, 50 here" in refused.only_sentence
    assert "--overwrite" in refused.only_sentence
    assert shards(out) == before
    probed = here.run("probe", media, "--out", out)
    assert probed.code == 2
    assert "extract there, probe here" in probed.only_sentence

    assert here.run("run", media, "--out", out, "--size", "8x8", "--overwrite").code == 0
    assert not before.keys() & shards(out).keys()
    sizes = here.run("query", out, "select distinct width, height from clips", "--csv")
    assert sizes.out == "width,height\n8,8\n"
    assert_sound(out)


def test_an_output_whose_frames_were_made_otherwise_is_never_mixed_with_new_ones(here, media, out):
    """The same command, after an upgrade that gives other bytes."""
    assert here.run("run", media, "--out", out, *SIZE).code == 0
    job = Path(out) / "job.json"
    values = json.loads(job.read_text())
    del values["content_version"]
    job.write_text(json.dumps(values))
    before = shards(out)

    refused = here.run("run", media, "--out", out, *SIZE)

    assert refused.code == 2
    assert f"content version 1 there, {CONTENT_VERSION} here" in refused.only_sentence
    assert "--overwrite" in refused.only_sentence
    assert shards(out) == before
    old = {path: path.stat().st_mtime_ns for path in (Path(out) / "shards").iterdir()}

    assert here.run("run", media, "--out", out, *SIZE, "--overwrite").code == 0
    new = {path: path.stat().st_mtime_ns for path in (Path(out) / "shards").iterdir()}
    assert not old.items() & new.items()
    assert_sound(out)


def test_a_probe_has_limits_too(here, tmp_path, out):
    poisoned(here)
    media = pictures(tmp_path / "in", 2)
    picture(media / "hang@probe.png")
    picture(media / "grow@probe.png")

    limits = ("--item-timeout", "3", "--item-memory", "600MB")
    done = here.run("probe", media, "--out", out, "--check", *limits, "--json")

    assert done.code == 3
    assert done.json["failures"] == {"memory": 1, "timeout": 1}
    assert done.json["ok"] == 2


def committed(out: Path) -> bool:
    return bool(Layout(str(out)).parts())


def with_a_shard_in_work(out: Path) -> bool:
    tmp = Path(Layout(str(out)).tmp)
    return tmp.is_dir() and any(tmp.iterdir())


MOMENTS: dict[str, Callable[[Shell, Path], object]] = {
    "Redis is starting": lambda here, out: any(here.scratch.glob("shardmill-run-*")),
    "the worker is starting": lambda here, out: processes.workers(str(here.scratch)),
    "the job is written": lambda here, out: (out / "job.json").exists(),
    "a shard is in work": lambda here, out: with_a_shard_in_work(out),
    "some is committed": lambda here, out: committed(out),
}


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGTERM, "Redis is starting"),
        (signal.SIGINT, "the worker is starting"),
        (signal.SIGTERM, "the job is written"),
        (signal.SIGTERM, "a shard is in work"),
        (signal.SIGINT, "some is committed"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_an_interrupted_run_leaves_nothing_and_goes_on(here, tmp_path, out, number, moment):
    poisoned(here)
    media = pictures(tmp_path / "in", 40)
    for seed in range(4):
        picture(media / f"slow@extract-{seed}.png", seed=50 + seed)
    process = here.start("run", media, "--out", out, *SIZE, "--jobs", "2")
    wait_for(lambda: MOMENTS[moment](here, out), moment)
    directories = here.directories()
    assert directories

    process.send_signal(number)
    ended = here.end(process)

    assert ended.code == 4
    assert ended.err.splitlines()[-1] == "shardmill: interrupted; the same command goes on"
    assert "Traceback" not in ended.err
    assert_nothing_is_left(here, out, directories)
    before = shards(out) if out.exists() else {}
    assert here.run("run", media, "--out", out, *SIZE).code == 0
    assert {name: shards(out)[name] for name in before} == before
    assert set(rows(out).values()) == {"ok"}
    assert len(rows(out)) == 44
    assert_sound(out)


def test_a_second_signal_does_not_disturb_the_cleaning_up(here, tmp_path, out):
    poisoned(here)
    media = pictures(tmp_path / "in", 12)
    picture(media / "hang@extract.png", seed=50)
    process = here.start("run", media, "--out", out, *SIZE)
    wait_for(lambda: committed(out), "the first commit")
    directories = here.directories()

    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)

    assert here.end(process).code == 4
    assert_nothing_is_left(here, out, directories)


def test_a_killed_run_leaves_no_process_and_the_next_one_sweeps_up(here, tmp_path, out):
    poisoned(here)
    media = pictures(tmp_path / "in", 12)
    picture(media / "hang@extract.png", seed=50)
    process = here.start("run", media, "--out", out, *SIZE)
    wait_for(lambda: committed(out) and with_a_shard_in_work(out), "a shard in work")
    assert len(here.processes()) >= 5, "producer, Redis, worker, fork server, decoders"
    directories = here.directories()

    process.kill()

    here.wait_until_all_are_gone()
    process.communicate()
    assert here.leftovers(directories) >= directories != set()
    (media / "hang@extract.png").unlink()
    assert here.run("run", media, "--out", out, *SIZE).code == 0
    assert here.leftovers(directories) == set()
    assert len(rows(out)) == 12
    assert_sound(out)


def test_a_job_survives_the_death_of_its_worker(here, tmp_path, out):
    poisoned(here).environment["SHARDMILL_LEASE_S"] = "2"
    media = pictures(tmp_path / "in", 40)
    picture(media / "slow@extract.png", seed=50)
    process = here.start("run", media, "--out", out, *SIZE)
    wait_for(lambda: committed(out), "the first commit")
    (worker,) = processes.workers(str(here.scratch))

    os.kill(worker, signal.SIGKILL)
    done = here.end(process)

    assert done.code == 0
    assert len(rows(out)) == 41
    assert set(rows(out).values()) == {"ok"}
    assert_sound(out)
    here.wait_until_all_are_gone()


LONG_LEASE = {"SHARDMILL_LEASE_S": "600"}
"""Longer than any command may take here: what takes a lease to be heard of fails the test."""


def test_a_run_whose_totals_cannot_be_written_pauses_at_once_and_goes_on(here, media, out):
    poisoned(here).environment |= LONG_LEASE
    here.environment["TEST_DECODER_DIE"] = "before shardmill.report.summary:write_json"

    stopped = here.run("run", media, "--out", out, *SIZE)

    assert stopped.code == 4
    assert "cannot write the job's totals: the decoder was ended by SIGKILL" in stopped.out
    del here.environment["TEST_DECODER_DIE"]
    done = here.run("run", media, "--out", out, *SIZE)
    assert (done.code, set(rows(out).values())) == (0, {"ok"})
    assert "5 of 5 inputs are done already" in done.err
    assert_sound(out)


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is of Linux")
def test_a_run_that_lacks_memory_for_its_totals_says_so_at_once(here, media, out):
    """1 GB of address space does for a decoder, and not for DuckDB beside it."""
    here.environment |= LONG_LEASE
    here.prefix = ("prlimit", f"--as={10**9}")

    stopped = here.run("run", media, "--out", out, *SIZE, "--jobs", "1")

    assert stopped.code == 4, stopped.err
    assert "give the process more memory (the container's limit, ulimit -v)" in stopped.out
    here.prefix = ()
    assert here.run("run", media, "--out", out, *SIZE).code == 0
    assert_sound(out)


def test_two_runs_into_one_output_are_told_apart(here, tmp_path, out):
    poisoned(here)
    media = pictures(tmp_path / "in", 12)
    picture(media / "hang@extract.png", seed=50)
    first = here.start("run", media, "--out", out, *SIZE)
    wait_for(lambda: committed(out), "the first commit")

    second = here.run("run", media, "--out", out, *SIZE)

    assert second.code == 2
    assert "is being written by another shardmill" in second.only_sentence
    first.send_signal(signal.SIGTERM)
    here.end(first)


def test_a_probe_describes_and_extracts_nothing(here, media, out):
    (media / "a" / "broken.mp4").write_bytes(b"no video")

    kept = here.run("probe", media, "--out", out, "--json")
    shown = here.run("probe", media)

    assert (kept.code, shown.code) == (3, 3)
    assert (kept.json["ok"], kept.json["failed"]) == (5, 1)
    assert shards(out) == {}
    codecs = here.run(
        "query", out, "select codec, count(*) from files group by 1 order by 1", "--csv"
    )
    assert "mpeg4,2" in codecs.out.splitlines()
    assert "mpeg4" in shown.out
    assert_nothing_is_left(here, out)


@pytest.mark.parametrize("length", [30, 90])
def test_a_long_directory_for_temporary_files_is_no_hindrance(here, media, out, length):
    """The path of a socket may have 103 bytes; the one for temporary files is the user's choice."""
    here.scratch /= "x" * length
    here.scratch.mkdir()

    assert here.run("run", media, "--out", out, *SIZE).code == 0
    here.wait_until_all_are_gone()


def a_file(path: Path) -> Path:
    path.write_text("")
    return path


def a_folder_with(path: Path, name: str) -> Path:
    path.mkdir()
    (path / name).write_text("")
    return path


@pytest.mark.parametrize(
    ("places", "options", "code", "sentence"),
    [
        pytest.param(
            lambda tmp, media: (tmp / "nowhere", tmp / "out"),
            (),
            2,
            "expected a directory of media files, found nothing at",
            id="no DIR",
        ),
        pytest.param(
            lambda tmp, media: (a_file(tmp / "file"), tmp / "out"),
            (),
            2,
            "expected a directory, a tar or a zip, found another file at",
            id="DIR is a file",
        ),
        pytest.param(
            lambda tmp, media: (a_folder_with(tmp / "empty", "notes.txt"), tmp / "out"),
            (),
            2,
            "holds no media files: give another directory, --include GLOB",
            id="DIR without media",
        ),
        pytest.param(
            lambda tmp, media: (media, tmp / "out"),
            ("--include", "*.mov"),
            2,
            "holds no media files",
            id="a filter that lets nothing through",
        ),
        pytest.param(
            lambda tmp, media: (media, media / "out"),
            (),
            2,
            "lies in the input directory",
            id="OUT inside DIR",
        ),
        pytest.param(
            lambda tmp, media: (media, media),
            (),
            2,
            "lies in the input directory",
            id="OUT is DIR",
        ),
        pytest.param(
            lambda tmp, media: (media, a_file(tmp / "out")),
            (),
            2,
            "expected a directory for --out, found a file at",
            id="OUT is a file",
        ),
        pytest.param(
            lambda tmp, media: (media, a_folder_with(tmp / "out", "thesis.tex")),
            (),
            2,
            "holds other files (thesis.tex",
            id="OUT with other files",
        ),
        pytest.param(
            lambda tmp, media: (media, a_file(tmp / "file") / "out"),
            (),
            1,
            "cannot write in",
            id="OUT below a file",
        ),
        pytest.param(
            lambda tmp, media: (media, "/proc/self/nothing"),
            (),
            1,
            "cannot write in",
            id="OUT where nothing can be made",
        ),
        pytest.param(
            lambda tmp, media: (media, tmp / "out"),
            ("--fps", "0"),
            2,
            "fps must be in [1e-06, 1000.0], got 0.0",
            id="an impossible rate",
        ),
        pytest.param(
            lambda tmp, media: (media, tmp / "out"),
            ("--fps", "5", "--every", "2"),
            2,
            "give one of",
            id="options that exclude each other",
        ),
        pytest.param(
            lambda tmp, media: (media, tmp / "out"),
            ("--size", "huge"),
            2,
            "--size",
            id="an impossible size",
        ),
        pytest.param(
            lambda tmp, media: (media, tmp / "out"),
            ("--end", "1", "--start", "2"),
            2,
            "--end must be after --start",
            id="an impossible range",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence_before_anything_is_made(
    here, media, places, options, code, sentence
):
    tmp_path = media.parent
    wanted, out = places(tmp_path, media)
    before = sorted(tmp_path.rglob("*"))

    done = here.run("run", wanted, "--out", out, *options)

    assert (done.code, done.out) == (code, "")
    assert sentence in done.only_sentence
    assert sorted(tmp_path.rglob("*")) == before
    assert_nothing_is_left(here, tmp_path / "nothing")


def test_an_input_that_vanishes_pauses_the_job(here, tmp_path, out):
    """The files are not to blame, so they are not judged; the same command goes on."""
    poisoned(here)
    media = tmp_path / "in"
    for seed in range(5):
        picture(media / f"slow@extract-{seed}.png", seed=seed)
    process = here.start("run", media, "--out", out, *SIZE, "--jobs", "1")
    wait_for(lambda: committed(out), "the first commit")
    media.rename(tmp_path / "unplugged")

    paused = here.end(process)

    assert paused.code == 4
    assert f"expected to see the directory {media}" in paused.out or "mount" in paused.out
    (tmp_path / "unplugged").rename(media)
    assert here.run("run", media, "--out", out, *SIZE).code == 0
    assert set(rows(out).values()) == {"ok"}
    assert len(rows(out)) == 5


def test_names_that_are_no_text_keep_their_row(here, tmp_path, out):
    media = pictures(tmp_path / "in", 1)
    shutil.copy(media / "000.png", os.fsencode(media) + b"/\xff\xfe %d;\n.png")

    assert here.run("run", media, "--out", out, *SIZE).code == 0
    assert len(rows(out)) == 2
    assert_sound(out)
    before = shards(out)
    assert here.run("run", media, "--out", out, *SIZE).code == 0
    assert shards(out) == before


def test_an_input_directory_whose_name_is_no_text_does(here, tmp_path, out):
    media = pictures(tmp_path / os.fsdecode(b"in\xff"), 3)

    done = here.run("run", media, "--out", out, *SIZE)

    assert done.code == 0, done.err
    assert (out / "report.html").read_text("utf-8").count("in\\") > 0
    for command in ("status", "verify", "failures", "report"):
        told = here.run(command, out)
        assert (told.code, "Traceback" in told.err) == (0, False), told.err


def test_an_output_directory_whose_name_is_no_text_is_refused(here, media, tmp_path):
    done = here.run("run", media, "--out", tmp_path / os.fsdecode(b"out\xfe"), *SIZE)

    assert (done.code, done.only_sentence.partition(", got")[0]) == (
        2,
        "expected a path of UTF-8 for --out",
    )
    assert "\\xfe" in done.only_sentence or "\\udcfe" in done.only_sentence
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_damaged_index_pauses_the_next_job_and_is_named(here, media, out):
    assert here.run("run", media, "--out", out, *SIZE).code == 0
    index, *_ = (out / "index").glob("*.arrow")
    data = bytearray(index.read_bytes())
    data[len(data) // 3] ^= 255
    index.write_bytes(data)
    picture(media / "new.png", seed=99)

    done = here.run("run", media, "--out", out, *SIZE)

    assert done.code == 4
    assert f"{index.name} does not match its own checksum; `shardmill verify` names" in done.out
    assert "SIG" not in done.out
