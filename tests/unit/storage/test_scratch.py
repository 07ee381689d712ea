"""Temporary directories of the living stay, those of the dead are swept."""

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shardmill.storage import scratch


@pytest.fixture
def parent(tmp_path, monkeypatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    scratch.remove_own()


HOLD = """
import os, sys
from shardmill.storage import scratch
print(scratch.make(sys.argv[1]), flush=True)
sys.stdin.read()
"""
RUN = (sys.executable, "-c", HOLD, "run")
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


@contextmanager
def holder(parent: Path, *command: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A process that has made a directory and lives, and the directory."""
    with subprocess.Popen(
        command or RUN,
        env=os.environ | {"TMPDIR": str(parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def left(parent: Path, kind: str = "run") -> Path:
    """A directory of a process that was killed, with something in it."""
    with holder(parent, *RUN[:-1], kind) as (path, process):
        process.kill()
        process.wait()
    Path(path, "redis.sock").touch()
    return Path(path)


def sweep_elsewhere(parent: Path, *wrapped: str) -> None:
    """Sweep in another process."""
    code = "from shardmill.storage import scratch; scratch.sweep()"
    environment = os.environ | {"TMPDIR": str(parent)}
    subprocess.run([*wrapped, sys.executable, "-c", code], env=environment, check=True)


def test_a_directory_is_for_its_user_alone_and_says_what_it_is_for(parent):
    made = Path(scratch.make("run"))

    assert made.parent == parent
    assert made.name.startswith("shardmill-run-")
    assert made.stat().st_mode & 0o077 == 0
    assert list(parent.iterdir()) == [made], "nothing is left of the name before"


def test_a_process_can_remove_all_that_it_made_and_nothing_else(parent):
    for number in range(2):
        Path(scratch.make("catalog"), f"{number}").touch()
    dead = left(parent)
    (parent / "shardmill-notes").mkdir()
    with holder(parent) as (living, _):
        scratch.remove_own()

        assert {str(path) for path in parent.iterdir()} == {
            *(str(dead), living, str(parent / "shardmill-notes"))
        }


INTERRUPTED = """
import sys
from shardmill.cli.main import main
from shardmill.producer import feeder

def interrupted(*_, **__):
    raise KeyboardInterrupt

feeder.Ledger.workers = interrupted  # what comes next
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
    made = [scratch.make("run", longest_parent=60), scratch.make("run")]
    try:
        assert os.path.dirname(made[0]) == "/tmp"
        assert os.path.dirname(made[1]) == str(deep)
    finally:
        for directory in made:
            scratch.remove(directory)


def test_only_directories_that_nobody_holds_are_swept(parent):
    for kind in ("run", "catalog", "worker"):
        left(parent, kind)
    kept = {scratch.make("run"), str(parent / "other-run-abcdefgh"), str(parent / "shardmill-1")}
    kept.add(str(parent / "shardmill-run-1-abcdefgh"))  # of an earlier version, which holds none
    for name in kept:
        Path(name).mkdir(exist_ok=True)

    with holder(parent) as (living, _):
        scratch.sweep()
        sweep_elsewhere(parent)
        assert {str(path) for path in parent.iterdir()} == kept | {living}
        assert living in scratch.living("run")

    assert living not in scratch.living("run")
    scratch.sweep()
    assert {str(path) for path in parent.iterdir()} == kept


@pytest.mark.parametrize("who_is_inside", ["the living one", "the one that sweeps"])
def test_a_living_run_of_another_pid_namespace_keeps_its_directory(parent, who_is_inside):
    if subprocess.run([*UNSHARE, "true"], capture_output=True).returncode:
        pytest.skip("this machine makes no PID namespaces")
    inside = who_is_inside == "the living one"

    with holder(parent, *((*UNSHARE, *RUN) if inside else RUN)) as (living, _):
        sweep_elsewhere(parent, *(() if inside else UNSHARE))

        assert [str(path) for path in parent.iterdir()] == [living]


def test_nothing_is_swept_where_there_are_no_locks(parent, monkeypatch):
    """As on some network drives: what is left there may be in use."""
    dead = left(parent)

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    made = scratch.make("run")
    scratch.sweep()

    assert {made, str(dead)} <= set(scratch.living("run"))
    scratch.remove(made)
    assert list(parent.iterdir()) == [dead]


def test_a_link_is_no_directory_of_ours(parent, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "file").touch()
    link = parent / "shardmill-run-abcdefgh"
    link.symlink_to(elsewhere)

    scratch.sweep()

    assert (elsewhere / "file").exists()
    assert link.is_symlink()
    assert not scratch.is_living(str(link), "run")


def test_another_users_directory_is_left_alone(parent, monkeypatch):
    left(parent)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    scratch.sweep()

    assert len(list(parent.iterdir())) == 1
