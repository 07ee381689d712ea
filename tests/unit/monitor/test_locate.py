"""The private Redis of an embedded run is found by its user, and by nothing that others write."""

import glob
import json
import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from out_dir import OutDir
from shardmill.contract.errors import UsageError
from shardmill.contract.settings import Settings
from shardmill.dataset.holder import Holder
from shardmill.monitor import locate
from shardmill.producer.output_lock import OutputLock
from shardmill.storage import scratch

CLUSTER = Settings(redis_url="redis://cluster:6379")
DEAD = 2**22 + 1
"""Above the largest process id of Linux."""


@pytest.fixture
def out(tmp_path: Path) -> OutDir:
    out = OutDir(str(tmp_path / "out"))
    out.job(inputs=0)
    return out


@contextmanager
def listening(path: str) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        yield


@pytest.fixture
def private(monkeypatch) -> Iterator[str]:
    """The socket of an embedded run of this very process."""
    monkeypatch.setattr("tempfile.tempdir", "/tmp")  # pytest's paths are too long
    directory = scratch.make("run", longest_parent=60)
    with listening(f"{directory}/redis.sock"):
        yield f"{directory}/redis.sock"
    scratch.remove(directory)
    for path in glob.glob(f"/tmp/*{directory[-8:]}*"):
        os.unlink(path) if os.path.islink(path) else shutil.rmtree(path)


def url_of(out: OutDir) -> str | None:
    place = locate.find(out.out, CLUSTER)
    assert place.name == "test"
    return place.settings.redis_url if place.settings else None


def test_the_run_that_holds_a_directory_is_found(out, private):
    with OutputLock(out.layout, redis_url=f"unix://{private}"):
        assert url_of(out) == f"unix://{private}"
    assert f"unix://{private}" in [each.redis_url for each in locate.embedded(CLUSTER)]


def test_the_job_of_a_cluster_is_where_the_settings_say(out):
    assert url_of(out) == CLUSTER.redis_url
    with OutputLock(out.layout, redis_url="redis://cluster:6379"):
        assert url_of(out) == CLUSTER.redis_url
    assert locate.find("some-job", CLUSTER).settings == CLUSTER


def test_a_run_that_has_ended_has_no_ledger(out):
    with OutputLock(out.layout, redis_url=f"unix:///tmp/shardmill-run-{DEAD}-x/redis.sock"):
        assert url_of(out) is None
    assert url_of(out) is None


def test_a_directory_without_a_job_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no job\.json"):
        locate.find(str(tmp_path), CLUSTER)


def loosen(path: str) -> str:
    os.chmod(os.path.dirname(path), 0o770)
    return path


def rename(path: str, old: str, new: str) -> str:
    """Give the directory another name; the socket goes with it."""
    directory, name = os.path.split(path)
    os.rename(directory, directory.replace(old, new))
    return os.path.join(directory.replace(old, new), name)


def no_socket(path: str) -> str:
    os.unlink(path)
    Path(path).touch()
    return path


def link(path: str) -> str:
    """A directory of the right name that is a link to another."""
    directory, _ = os.path.split(path)
    os.rename(directory, directory + "-moved")
    os.symlink(directory + "-moved", directory)
    return path


def unheld(path: str) -> str:
    """A directory of the right name whose process has ended."""
    directory, name = os.path.split(path)
    os.rename(directory, directory + "-moved")
    os.mkdir(directory, 0o700)
    os.rename(os.path.join(directory + "-moved", name), path)
    return path


FORGED: dict[str, Callable[[str], str]] = {
    "others may write beside the socket": loosen,
    "a worker's directory": lambda path: rename(path, "-run-", "-worker-"),
    "that nobody holds": unheld,
    "of no process": lambda path: rename(path, "shardmill-", "mine-"),
    "no socket": no_socket,
    "behind a link": link,
    "nothing there": lambda path: "/tmp/redis.sock",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_what_others_could_have_made_is_not_connected_to(out, private, forge):
    assert locate.private_url(private) is not None
    path = forge(private)

    assert locate.private_url(path) is None
    with OutputLock(out.layout, redis_url=f"unix://{path}"):
        assert url_of(out) in {None, CLUSTER.redis_url}


HOLDER = {"host": socket.gethostname(), "pid": os.getpid(), "redis_url": "unix:///x"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty, as earlier versions left it"),
        pytest.param(b"\xff\x00", id="no text"),
        pytest.param(b"[" * 4000, id="nested"),
        pytest.param(b"{}", id="no fields"),
        pytest.param(json.dumps(HOLDER | {"more": 1}).encode(), id="more fields"),
        pytest.param(json.dumps(HOLDER | {"pid": "1"}).encode(), id="a pid that is none"),
        pytest.param(json.dumps(HOLDER | {"redis_url": 7}).encode(), id="a URL that is none"),
        pytest.param(json.dumps(HOLDER).encode() + b" " * 5000 + b"x", id="long"),
    ],
)
def test_a_note_that_is_none_is_left_alone(out, text):
    Path(out.layout.lock).write_bytes(text)

    holder = Holder.read(out.layout)

    assert holder is None or holder == Holder(**HOLDER)
    assert url_of(out) == CLUSTER.redis_url
    OutputLock(out.layout).close()


def test_a_note_behind_a_link_or_in_a_pipe_is_not_read(out, tmp_path):
    (tmp_path / "note").write_text(json.dumps(HOLDER))
    os.symlink(tmp_path / "note", out.layout.lock)
    assert Holder.read(out.layout) is None
    os.unlink(out.layout.lock)
    os.mkfifo(out.layout.lock)
    assert stat.S_ISFIFO(os.stat(out.layout.lock).st_mode)
    assert Holder.read(out.layout) is None
