"""One producer an output directory; the lock goes with its holder."""

import subprocess
import sys

import pytest

from shardmill.contract.errors import EnvironmentFault, OutputConflict
from shardmill.contract.layout import Layout
from shardmill.report.summary import is_locked
from shardmill.submission.lock import OutputLock

HOLD = """
import sys
from shardmill.contract.layout import Layout
from shardmill.submission.lock import OutputLock
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
