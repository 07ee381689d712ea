"""One producer an output directory; the lock goes with its holder."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shardmill.contract.errors import EnvironmentFault, OutputConflict
from shardmill.dataset.holder import SILENCE_S, Holder, is_locked
from shardmill.dataset.layout import Layout
from shardmill.producer.output_lock import OutputLock

HOLD = """
import sys
from shardmill.dataset.layout import Layout
from shardmill.producer.output_lock import OutputLock
lock = OutputLock(Layout(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_one_is_refused_until_the_first_lets_go(tmp_path):
    layout = Layout(str(tmp_path))
    with OutputLock(layout) as lock:
        assert is_locked(layout)
        with pytest.raises(OutputConflict, match="is being written by another shardmill"):
            OutputLock(layout)
        lock.close()
        lock.close()
        OutputLock(layout).close()
    assert not is_locked(layout)


def test_a_killed_holder_lets_go(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(OutputConflict):
            OutputLock(Layout(str(tmp_path)))
        holder.kill()
        holder.wait()
        OutputLock(Layout(str(tmp_path))).close()


def test_a_place_where_nothing_can_be_written_is_told(tmp_path):
    with pytest.raises(EnvironmentFault, match="cannot write in"):
        OutputLock(Layout(str(tmp_path / "nothing")))


AFAR = """
import fcntl, socket, sys
fcntl.flock = lambda descriptor, how: None  # a file system that passes no locks on
socket.gethostname = lambda: "afar"
from shardmill.contract.errors import OutputConflict
from shardmill.dataset.layout import Layout
from shardmill.producer.output_lock import OutputLock
try:
    lock = OutputLock(Layout(sys.argv[1]), redis_url="redis://x")
except OutputConflict as conflict:
    print(conflict, flush=True)
else:
    print("held", flush=True)
    sys.stdin.readline()
    if sys.argv[2:] == ["close"]:
        lock.close()
"""


def afar(out: object, *arguments: str) -> "subprocess.Popen[str]":
    """Start a producer on a machine that sees OUT but none of its locks."""
    command = [sys.executable, "-c", AFAR, str(out), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)


def test_a_holder_on_a_machine_whose_locks_do_not_show_is_seen_by_its_count(tmp_path):
    layout = Layout(str(tmp_path))
    with afar(tmp_path) as far:
        assert far.stdout.readline() == "held\n"
        with pytest.raises(OutputConflict, match=rf"\(process {far.pid} on afar\)"):
            OutputLock(layout)
        far.kill()
        far.wait()
    OutputLock(layout).close()


def test_a_holder_here_is_seen_from_such_a_machine(tmp_path):
    with OutputLock(Layout(str(tmp_path))), afar(tmp_path) as far:
        assert f"(process {os.getpid()} on " in far.stdout.readline()


def test_who_let_go_in_order_is_not_waited_for(tmp_path):
    layout = Layout(str(tmp_path))
    with afar(tmp_path, "close") as far:
        assert far.stdout.readline() == "held\n"
        far.stdin.write("\n")
        far.stdin.flush()
        assert far.wait() == 0
    assert Holder.read(layout).released
    started = time.monotonic()
    seen = []
    with OutputLock(layout, admit=seen.append):
        assert time.monotonic() - started < SILENCE_S / 2
    (before,) = seen
    assert str(before).endswith("on afar")
    assert before.redis_url == "redis://x"


def test_who_is_not_admitted_leaves_the_file_as_it_is_and_lets_others_in(tmp_path):
    layout = Layout(str(tmp_path))
    with OutputLock(layout, redis_url="redis://first"):
        pass
    before = Path(layout.lock).read_bytes()

    def refuse(holder: Holder | None) -> None:
        raise OutputConflict(f"{holder.redis_url} is at it")

    for _ in range(2):
        with pytest.raises(OutputConflict, match="redis://first is at it"):
            OutputLock(layout, redis_url="redis://second", admit=refuse)
    assert Path(layout.lock).read_bytes() == before
    with OutputLock(layout, redis_url="redis://third"):
        assert Holder.read(layout).redis_url == "redis://third"


def test_the_refusal_names_the_process(tmp_path):
    layout = Layout(str(tmp_path))
    with OutputLock(layout), pytest.raises(OutputConflict, match=f"process {os.getpid()} on "):
        OutputLock(layout)


def test_a_link_in_place_of_the_lock_is_refused(tmp_path):
    (tmp_path / "precious").write_text("mine")
    os.symlink(tmp_path / "precious", tmp_path / ".lock")

    with pytest.raises(EnvironmentFault, match="cannot write in"):
        OutputLock(Layout(str(tmp_path)))

    assert (tmp_path / "precious").read_text() == "mine"


NO_LOCKS = """
import fcntl, errno, os, sys
def refuse(*_): raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = refuse
from shardmill.contract.errors import OutputConflict
from shardmill.dataset.holder import is_locked
from shardmill.dataset.layout import Layout
from shardmill.producer.output_lock import OutputLock
layout = Layout(sys.argv[1])
if sys.argv[2] == "ask":
    print(is_locked(layout))
else:
    try:
        lock = OutputLock(layout)
    except OutputConflict:
        print("refused")
    else:
        print("held", flush=True)
        sys.stdin.readline()
        lock.close()
"""


def test_without_any_locks_the_text_decides(tmp_path):
    """Also on one machine: Lustre without ``-o flock``."""

    def start(deed: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", NO_LOCKS, str(tmp_path), deed]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    with start("hold") as holder:
        assert holder.stdout.readline() == "held\n"
        with start("hold") as second, start("ask") as asker:
            assert second.communicate()[0] == "refused\n"
            assert asker.communicate()[0] == "True\n"
        holder.communicate("\n")
    with start("ask") as asker:
        assert asker.communicate()[0] == "False\n"
    with start("hold") as next_one:
        assert next_one.stdout.readline() == "held\n"
        next_one.kill()
    with start("hold") as after_a_death:
        assert after_a_death.stdout.readline() == "held\n"
        after_a_death.communicate("\n")
