"""Temporary directories of the living stay, those of the dead are swept."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from shardmill.submission import scratch


@pytest.fixture
def parent(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_directory_tells_whose_it_is(parent):
    made = Path(scratch.make("run"))

    assert made.parent == parent
    assert made.name.startswith(f"shardmill-run-{os.getpid()}-")
    assert made.stat().st_mode & 0o077 == 0


def test_a_process_can_remove_all_that_it_made_and_nothing_else(parent, dead_pid):
    for number in range(2):
        Path(scratch.make("spool"), f"{number}").touch()
    others = [parent / f"shardmill-run-{pid}-x" for pid in (dead_pid, os.getppid())]
    for other in (*others, parent / "shardmill-notes"):
        other.mkdir()

    scratch.remove_own()

    assert sorted(parent.iterdir()) == sorted([*others, parent / "shardmill-notes"])


INTERRUPTED = """
import sys
from shardmill.cli.main import main
from shardmill.submission import feed

def interrupted(*_, **__):
    raise KeyboardInterrupt

feed.Spool = interrupted  # the first thing that is put into the new directory
sys.argv = ["shardmill", "submit", sys.argv[1] + "/in", "--out", sys.argv[1] + "/out"]
main()
"""


def test_a_signal_right_after_a_directory_is_made_leaves_none(parent):
    (parent / "in").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(parent)],
        env=os.environ | {"TMPDIR": str(parent)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 4
    assert done.stderr.splitlines()[-1] == "shardmill: interrupted; the same command goes on"
    assert [path.name for path in parent.iterdir()] == ["in"]


def test_sockets_get_a_short_path(parent, monkeypatch):
    deep = parent / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    made = [scratch.make("run", sockets=True), scratch.make("run")]
    try:
        assert os.path.dirname(made[0]) == "/tmp"
        assert os.path.dirname(made[1]) == str(deep)
    finally:
        for directory in made:
            os.rmdir(directory)


def test_only_the_directories_of_the_dead_are_swept(parent, dead_pid):
    kept = [
        scratch.make("run"),
        *(str(parent / name) for name in (f"other-run-{dead_pid}-a", f"shardmill-{dead_pid}")),
    ]
    swept = [str(parent / f"shardmill-{kind}-{dead_pid}-a") for kind in ("run", "spool", "worker")]
    for path in kept[1:] + swept:
        os.mkdir(path)
    Path(swept[0], "redis.sock").touch()

    scratch.sweep()

    assert sorted(map(str, parent.iterdir())) == sorted(kept)


def test_a_process_that_nobody_waits_for_is_dead_too(parent):
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    process.stdout.read()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended and stays a zombie
    (parent / f"shardmill-run-{process.pid}-a").mkdir()

    scratch.sweep()

    assert list(parent.iterdir()) == []
    process.wait()
    process.stdout.close()


def test_another_users_directory_is_left_alone(parent, dead_pid, monkeypatch):
    (parent / f"shardmill-run-{dead_pid}-a").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    scratch.sweep()

    assert len(list(parent.iterdir())) == 1
