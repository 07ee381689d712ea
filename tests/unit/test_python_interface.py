"""From Python the verbs are the same, and importing the package costs nothing."""

import subprocess
import sys

import pytest
from msgspec.structs import replace

import shardmill
from made_media import picture, video
from private_redis import PrivateRedis
from shardmill.contract.errors import InvalidInput, InvalidSpec, OutputConflict, UsageError
from shardmill.contract.settings import Settings
from shardmill.monitor.watcher import Watcher
from shardmill.report.verify import verify


class Listener(Watcher):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.shares: list[float] = []

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def progress(self, progress) -> None:
        self.shares.append(progress.share_done)


@pytest.fixture
def media(tmp_path):
    video(tmp_path / "in" / "a" / "1.mp4")
    picture(tmp_path / "in" / "b" / "2.png")
    return tmp_path / "in"


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys, shardmill; print(sorted({'av', 'cv2', 'celery', 'kombu', 'redis', 'numpy',"
        " 'pyarrow', 'duckdb', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_submitting_needs_no_media_library():
    code = (
        "import sys, shardmill; shardmill.submit, shardmill.run, shardmill.Job, shardmill.Spec;"
        " print(sorted({'av', 'cv2', 'shardmill_worker'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_a_folder_of_the_same_name_does_not_hide_a_function():
    """Whatever was imported before, and however often it is asked for."""
    code = (
        "import shardmill.monitor.watcher, shardmill\n"
        "from shardmill import submit\n"
        "assert submit is shardmill.submit is shardmill.api.submit\n"
        "import shardmill.producer.job_handle\n"
        "assert submit is shardmill.submit"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_promised_name_is_there_and_no_other():
    for name in shardmill.__all__:
        assert getattr(shardmill, name) is not None
    with pytest.raises(AttributeError, match="'shardmill' has no attribute 'runn'"):
        _ = shardmill.runn


@pytest.mark.needs_redis
def test_a_run_returns_its_status_and_tells_a_watcher(media, tmp_path):
    listener = Listener()
    spec = shardmill.Spec(size="16x12")

    status = shardmill.run(media, out=tmp_path / "out", spec=spec, jobs=1, watcher=listener)

    assert isinstance(status, shardmill.Status)
    assert (status.state, status.inputs, status.tally.ok, status.tally.frames) == ("done", 2, 2, 6)
    assert listener.shares == sorted(listener.shares)
    assert listener.shares[-1] == 1.0
    assert verify(str(tmp_path / "out")).problems == ()
    again = shardmill.run(media, out=tmp_path / "out", spec=spec, jobs=1, watcher=listener)
    assert replace(again, seconds=0) == replace(status, seconds=0)
    assert "2 of 2 inputs are done already" in listener.notes
    assert shardmill.status(tmp_path / "out").tally == status.tally


@pytest.mark.needs_redis
def test_a_probe_finds_out_and_extracts_nothing(media, tmp_path):
    status = shardmill.probe(media, out=tmp_path / "out", jobs=1)

    assert (status.state, status.tally.ok, status.tally.clips) == ("done", 2, 0)


@pytest.mark.parametrize(
    ("directory", "out", "error"),
    [("nowhere", "out", InvalidInput), ("in", "in/out", OutputConflict)],
)
def test_what_cannot_be_is_raised_at_once(media, tmp_path, directory, out, error):
    with pytest.raises(error):
        shardmill.run(tmp_path / directory, out=tmp_path / out)
    with pytest.raises(ValueError, match=r"expected|lies in"):  # what a stranger would expect
        shardmill.submit(tmp_path / directory, out=tmp_path / out)
    with pytest.raises(InvalidSpec):
        shardmill.Spec(fps=5.0, every=2)


def test_a_submitted_job_is_steered_from_anywhere(media, tmp_path, redis_server):
    """Without a worker nothing moves, so every state can be looked at."""
    server = PrivateRedis(redis_server)
    settings = Settings(redis_url=server.url)
    out = tmp_path / "out"
    try:
        job = shardmill.submit(media, out=out, spec=shardmill.Spec(size="16x12"), settings=settings)
        job.wait_until_sent()
        other = shardmill.Job(job.name, str(out), settings)

        assert job.status().state == "running"
        assert job.status().inputs == 2
        assert (other.pause(), other.pause()) == (True, False)
        assert (job.status().state, job.status().reason) == ("paused", "by hand")
        assert job.wait().state == "paused"
        assert shardmill.status(job.name, settings=settings).state == "paused"
        assert (other.resume(), other.resume()) == (True, False)
        assert (other.cancel(), other.cancel()) == (True, False)
        assert other.wait().state == "cancelled"
        with pytest.raises(UsageError, match="expected an output directory or the name of a job"):
            shardmill.status("nobody-123456", settings=settings)
        job.close()
        other.close()
    finally:
        server.close()
