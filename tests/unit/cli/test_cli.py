"""The command line explains itself, suggests, refuses in one sentence, and starts light."""

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from out_dir import OutDir, Video, failed
from shardmill.cli.jobs import run_command
from shardmill.cli.main import COMMANDS
from shardmill.cli.options import take_spec
from shardmill.contract.errors import Corrupt
from shardmill.contract.quantity import format_bytes
from shardmill.contract.schema import Row
from shardmill.contract.spec import Spec
from shardmill.dataset.manifest import read_part
from shardmill.producer.output_lock import OutputLock

HEAVY = {"av", "cv2", "celery", "numpy", "kombu", "redis", "pyarrow", "duckdb", "shardmill_worker"}


def shardmill(*arguments: str, **options) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "shardmill", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_begins_with_an_example(name, flag):
    done = shardmill(name, flag)

    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    assert lines[0].startswith("Usage: ")
    example = next(i for i, line in enumerate(lines) if line in ("Example:", "Examples:"))
    assert example <= 3, "behind one sentence"
    assert lines[example + 1].startswith(f"shardmill {name} ")
    assert example < lines.index("Options:")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_the_help_of_all_lists_every_command(arguments):
    done = shardmill(*arguments)

    shown = done.stdout + done.stderr
    assert all(f"  {name} " in shown for name in COMMANDS)
    assert "shardmill run CLIPS --out SHARDS" in shown
    assert done.returncode == (0 if arguments else 2)


@pytest.mark.parametrize("name", [n for n in COMMANDS if n not in {"worker", "probe", "list"}])
def test_a_command_without_arguments_shows_its_help(name):
    done = shardmill(name)

    assert done.returncode == 2
    assert "Usage: " in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_of_all_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['shardmill', '--help']\n"
        "try:\n    from shardmill.cli.main import main; main()\n"
        f"except SystemExit:\n    print('loaded', sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "loaded []"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_one_command_loads_no_media_library(name):
    code = (
        f"import sys; sys.argv = ['shardmill', {name!r}, '--help']\n"
        "try:\n    from shardmill.cli.main import main; main()\n"
        "except SystemExit:\n    print('loaded', sorted({'av', 'cv2', 'shardmill_worker'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "loaded []"


def flags(name: str) -> set[str]:
    """The options of a command that are fields of a spec."""
    shown = shardmill(name, "--help").stdout
    return {flag for f in dataclasses.fields(Spec) if f" {(flag := f.metadata['flag'])} " in shown}


def test_every_field_of_a_spec_is_an_option():
    assert flags("run") == flags("submit")
    assert flags("run") | flags("probe") == {f.metadata["flag"] for f in dataclasses.fields(Spec)}
    assert {"--include", "--exclude", "--labels"} <= flags("probe")


@pytest.mark.parametrize(
    "spec",
    [
        Spec(),
        Spec(fps=29.97, size="160x120", upscale=True, quality=80),
        Spec(every=2, start_s=0.5, end_s=10.0, max_frames=450, short_side=256),
        Spec(at="0.5,2,10", fit="64x64", pad=True, encoding="raw", format="npy"),
        Spec(keyframes=True, crop="8x8", include=("*.mp4", "a b/*"), exclude=("-x*",)),
        Spec(all=True, labels="none", shuffle=7, shard_size_bytes=1_000_001, clips_per_shard=3),
        Spec(count=16, keep_partial=True, item_timeout_s=2.5, item_memory_bytes=10**9),
    ],
    ids=lambda spec: shlex.join(spec.arguments()) or "nothing",
)
def test_the_options_that_a_spec_names_give_that_spec(spec):
    context = run_command.make_context("run", ["in", "--out", "out", *spec.arguments()])

    assert take_spec(context.params) == spec


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("runn", "Did you mean 'run'?"),
        ("verfy", "Did you mean 'verify'?"),
        ("stats", "Did you mean 'status'?"),
        ("xyzzy", "See shardmill --help."),
        ("a\nb", "See shardmill --help."),
    ],
)
def test_an_unknown_command_gets_a_hint(typed, hint):
    done = shardmill(typed)

    assert done.returncode == 2
    assert hint in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["run", "in"], "--out", id="no OUT"),
        pytest.param(["run", "--out", "out"], "DIR", id="no DIR"),
        pytest.param(["run", "in", "--out", "out", "--sise", "1x1"], "--sise", id="unknown option"),
        pytest.param(["run", "in", "--out", "out", "--jobs", "0"], "--jobs", id="no jobs"),
        pytest.param(["run", "in", "--out", "out", "--jobs", "x"], "--jobs", id="no number"),
        pytest.param(
            ["run", "in", "--out", "out", "--shard-size", "big"], "--shard-size", id="size"
        ),
        pytest.param(["run", "in", "--out", "out", "--encoding", "bmp"], "jpeg", id="choice"),
        pytest.param(["run", "in", "--out", "out", "--quality", "101"], "--quality", id="range"),
        pytest.param(["failures", "nowhere"], "nowhere", id="no output directory"),
        pytest.param(["verify", "nowhere"], "nowhere", id="nothing to verify"),
        pytest.param(["query", "nowhere", "select 1"], "nowhere", id="nothing to query"),
        pytest.param(["worker", "--queues", "prob"], "prob", id="unknown stage"),
        pytest.param(["worker", "--redis", "http://x"], "redis://", id="no Redis URL"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(tmp_path, arguments, told):
    (tmp_path / "in").mkdir()

    done = shardmill(*arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_an_environment_variable_that_is_none_is_wrong_usage(tmp_path, monkeypatch):
    monkeypatch.setenv("SHARDMILL_SLOTS", "many")
    (tmp_path / "in").mkdir()

    done = shardmill("run", "in", "--out", "out", cwd=tmp_path)

    assert done.returncode == 2
    assert "SHARDMILL_SLOTS must be a number" in done.stderr


def test_debug_shows_the_traceback():
    assert "Traceback" in shardmill("--debug", "verify", "nowhere").stderr


def test_the_version_is_told():
    assert shardmill("--version").stdout.startswith("shardmill ")


@pytest.fixture
def out(tmp_path) -> OutDir:
    out = OutDir(str(tmp_path / "out"))
    out.shard("b1", Video("a/1.mp4", label="a", label_id=0), Video("a/2.mp4", value=9))
    out.part("b2", failed("x\x1b[31m.mp4", "crash", "the decoder was ended by SIGSEGV"))
    out.job()
    return out


def test_failures_are_grouped_with_what_to_do(out):
    done = shardmill("failures", out.out)

    assert done.returncode == 0
    assert "crash  1" in done.stdout
    assert "the decoder was ended by SIGSEGV" in done.stdout
    assert "fetch it again" in done.stdout
    assert "\x1b" not in done.stdout
    assert shardmill("failures", out.out, "--class", "timeout").stdout == "nothing failed\n"


def test_what_is_kept_up_to_the_damage_is_listed_apart(out):
    row = read_rows(out, "b1")[0]
    damaged = row.outcome.damaged(Corrupt("no frame after 3 s"), stage="extract")
    out.part("b1", replace(row, outcome=damaged), *read_rows(out, "b1")[1:])

    shown = shardmill("failures", out.out).stdout
    told = json.loads(shardmill("failures", out.out, "--json").stdout)

    assert shown.index("crash  1 failed") < shown.index("corrupt  1 kept up to the damage")
    assert "cause    The file ended its decoder process." in shown
    assert f"retry    shardmill retry {out.out} --class crash" in shown
    assert "--class corrupt" not in shown, "it did not fail"
    assert (told["failed"], told["partial"]) == (1, 1)
    assert [group["error_class"] for group in told["groups"]] == ["crash"]
    assert [group["error_class"] for group in told["partial_groups"]] == ["corrupt"]
    assert told["partial_groups"][0]["examples"][0]["message"] == "no frame after 3 s"


def read_rows(out: OutDir, batch: str) -> list[Row]:
    return list(read_part(out.layout.part(batch)))


def test_cleaning_shows_first_and_removes_when_told(out):
    orphan = out.shard("b9", Video("z"), commit=False)
    size_bytes = os.path.getsize(out.layout.shard(orphan))
    Path(out.layout.summary).touch()
    before = sorted(Path(out.out).rglob("*"))

    shown = shardmill("clean", out.out)

    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"{format_bytes(size_bytes)}  shards/{orphan}  of no committed batch" in shown.stdout
    assert "3 left-overs" in shown.stdout, "shard and two indexes"
    assert shown.stdout.endswith(f"shardmill clean {out.out} --yes\n")
    assert [path for path in sorted(Path(out.out).rglob("*")) if path.name != ".lock"] == before
    told = json.loads(shardmill("clean", out.out, "--yes", "--json").stdout)
    assert (told["removed"], len(told["found"])) == (True, 3)
    assert not os.path.exists(out.layout.shard(orphan))
    assert len(out.layout.shard_names()) == 1
    assert shardmill("clean", out.out).stdout == "nothing to clean\n"


def test_nothing_is_cleaned_while_somebody_is_or_may_be_at_work(out):
    out.shard("b9", Video("z"), commit=False)
    before = sorted(Path(out.out).rglob("*"))

    for _ in range(2):
        unknown = shardmill("clean", out.out, "--yes", "--redis", "unix:///nowhere")
    with OutputLock(out.layout):
        held = shardmill("clean", out.out, "--yes")

    assert (unknown.returncode, held.returncode) == (1, 2)
    assert "cannot tell whether workers are at it" in unknown.stderr
    assert "is being written by another shardmill" in held.stderr
    assert [path for path in sorted(Path(out.out).rglob("*")) if path.name != ".lock"] == before
    assert shardmill("clean", str(Path(out.out).parent)).returncode == 2


def complete(words: str, place: int) -> list[str]:
    """What a shell offers after these words."""
    code = "import sys; sys.argv = ['shardmill']; from shardmill.cli.main import main; main()"
    asked = {"_SHARDMILL_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    environment = os.environ | asked
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    return [line.partition(",")[2] for line in done.stdout.decode().splitlines()]


def test_a_shell_completes_commands_and_options():
    assert complete("shardmill re", 1) == ["resume", "retry", "report"]
    assert complete("shardmill run x --sh", 3) == ["--short-side", "--shard-size", "--shuffle"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["run", "in", "--out", "out", "--sise", "1x1"], "--size"),
        (["submit", "in", "--out", "out", "--redi", "x"], "--redis"),
        (["retry", "out", "--clas", "x"], "--class"),
        (["pause", "out", "--jsn"], "--json"),
    ],
)
def test_an_unknown_option_gets_a_hint(arguments, hint):
    done = shardmill(*arguments)

    assert done.returncode == 2
    assert re.search(rf"Did you mean .*{hint}", done.stderr)


def test_a_query_answers_in_the_form_asked_for(out):
    question = "select path, frames_kept from files where status = 'ok' order by path"

    assert shardmill("query", out.out, question, "--csv").stdout == (
        "path,frames_kept\na/1.mp4,3\na/2.mp4,3\n"
    )
    assert shardmill("query", out.out, question, "--json").stdout.splitlines()[1] == (
        '{"path": "a/2.mp4", "frames_kept": 3}'
    )
    assert "a/1.mp4" in shardmill("query", out.out, question).stdout
    assert shardmill("query", out.out, "selec 1").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "expected a query, such as 'from files'"),
        (["from files", "--to", "x.csv", "--json"], "leave --csv or --json out"),
        (["--to", "x.csv"], "a CSV file holds one table"),
    ],
)
def test_a_query_that_is_none_is_wrong_usage(out, arguments, told):
    done = shardmill("query", out.out, *arguments)

    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


def test_an_answer_can_go_into_a_file(out, tmp_path):
    done = shardmill("query", out.out, "select 7 as x", "--to", str(tmp_path / "x.csv"))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "x.csv").read_text() == "x\n7\n"


def test_a_report_is_written_and_its_place_told(out):
    done = shardmill("report", out.out)

    assert (done.returncode, done.stdout) == (0, f"{out.layout.report}\n")
    assert "1 input failed" in Path(out.layout.report).read_text("utf-8")
    assert shardmill("report", "nowhere").returncode == 2


def test_a_reader_that_has_enough_is_no_error_worth_a_traceback(out):
    command = f"{sys.executable} -m shardmill query {out.out} 'from range(300000)' --csv | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)

    assert (done.stdout, done.stderr) == ("range\n", "")


def test_verify_tells_sound_from_damaged(out):
    sound = shardmill("verify", out.out)
    assert sound.returncode == 0
    assert sound.stdout.startswith("sound: 3 inputs = 2 ok + 1 failed + 0 skipped; 2 clips, 6 fr")

    (shard,) = out.layout.shard_names()
    with open(out.layout.shard(shard), "r+b") as file:
        file.seek(100)
        file.write(b"\0\0\0\0")
    damaged = shardmill("verify", out.out)

    assert damaged.returncode == 1
    assert f"shards/{shard}" in damaged.stdout
    assert damaged.stdout.splitlines()[-2].startswith("damaged: ")
    assert shardmill("verify", out.out, "--json").returncode == 1


def test_the_status_of_an_output_directory_needs_no_cluster(out, monkeypatch):
    monkeypatch.setenv("SHARDMILL_REDIS_URL", "unix:///nowhere")

    done = shardmill("status", out.out)

    assert done.returncode == 0
    assert "inputs   3: ok 2 · failed 1 · skipped 0" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_output_cannot_show_is_escaped(tmp_path, encoding):
    out = OutDir(str(tmp_path / "out"))
    out.part("b0", failed("Ж/фильм.mp4", "corrupt"))
    out.job()
    environment = {**os.environ, "PYTHONIOENCODING": encoding}

    told = shardmill("failures", out.out, env=environment)

    assert (told.returncode, told.stderr) == (0, "")
    assert "\\u0416/\\u0444\\u0438\\u043b\\u044c\\u043c.mp4" in told.stdout


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_output_is_nobodys_fault(tmp_path, closed):
    out = OutDir(str(tmp_path / "out"))
    out.part("b0", failed("a.mp4", "corrupt"))
    out.job()
    command = f"{shlex.join([sys.executable, '-m', 'shardmill', 'failures', out.out])} {closed}"

    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=120)

    assert (done.returncode, done.stderr) == (0, "")
