"""What tests may ask of the machine, in one table, and the media that they share.

Most tests make what they need.  One that wants something more says so with the fixture of that
name, or with the marker ``needs_<name>``.  Where it is absent the test skips with the reason;
where the environment variable CI is set it fails, as does every other skip.
"""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shardmill.local.cluster import SCRATCH
from shardmill.storage import scratch

pytest_plugins = ("cluster", "tiers")

ROOT = Path(__file__).parents[1]
CORPUS_SLICE = ROOT / "tests" / "corpus_slice.tsv"
EXPLAINED_FFMPEG = "5.1"
IN_CI = os.environ.get("CI", "") not in ("", "0", "false")


@dataclass(frozen=True)
class Need:
    """Something that a machine may lack."""

    find: Callable[[], str | None]
    """Returns where it is, None if it is absent."""
    remedy: str
    """What to do, said when it is absent."""


def _program(*names: str) -> Callable[[], str | None]:
    return lambda: next(filter(None, map(shutil.which, names)), None)


def _corpus() -> str | None:
    path = Path(os.environ.get("SHARDMILL_CORPUS") or ROOT.parent / "shared" / "corpus")
    return str(path) if (path / "MANIFEST.tsv").is_file() else None


def _redis_server() -> str | None:
    from shardmill.contract.errors import EnvironmentFault
    from shardmill.local.cluster import redis_server

    try:
        return redis_server()
    except EnvironmentFault:
        return None


def _docker() -> str | None:
    docker = shutil.which("docker")
    answers = docker and not subprocess.run([docker, "info"], capture_output=True).returncode
    return docker if answers else None


def _namespaces() -> str | None:
    ip = shutil.which("ip")
    name = f"shardmill-{os.getpid()}"
    if not ip or subprocess.run([ip, "netns", "add", name], capture_output=True).returncode:
        return None
    subprocess.run([ip, "netns", "delete", name], check=True)
    return ip


def _python_with(*packages: str) -> Callable[[], str | None]:
    def find() -> str | None:
        if all(map(importlib.util.find_spec, packages)):
            return sys.executable
        frameworks = ROOT / ".venv-frameworks"
        places = [f"lib/python3*/site-packages/{package}/__init__.py" for package in packages]
        found = all(any(frameworks.glob(place)) for place in places)
        return str(frameworks / "bin" / "python") if found else None

    return find


def _index() -> str | None:
    """Ask for one small package that is pinned anyway."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--dest",
            folder,
            "vine==5.1.0",
        ]
        return None if subprocess.run(pip, capture_output=True).returncode else "pip's own"


def _tmpfs() -> str | None:
    """Try it: root alone does not suffice in a container."""
    mount = shutil.which("mount")
    with tempfile.TemporaryDirectory() as folder:
        command = [mount or "false", "-t", "tmpfs", "-o", "size=1m", "none", folder]
        if subprocess.run(command, capture_output=True).returncode:
            return None
        subprocess.run(["umount", folder], check=True)
    return mount


NEEDS = {
    "corpus": Need(_corpus, "put the corpus beside the clone or name it in SHARDMILL_CORPUS"),
    "exfat": Need(_program("mount.exfat-fuse"), "install exfat-fuse and exfatprogs"),
    "ffmpeg": Need(_program("ffmpeg"), "install ffmpeg"),
    "index": Need(_index, "connect pip to a package index"),
    "namespaces": Need(_namespaces, "run as root on Linux, with iproute2"),
    "promtool": Need(_program("promtool"), "install prometheus"),
    "systemd_analyze": Need(_program("systemd-analyze"), "install systemd"),
    "openssl": Need(_program("openssl"), "install openssl"),
    "redis": Need(_redis_server, "install redis-server"),
    "docker": Need(_docker, "start a Docker engine"),
    "tmpfs": Need(_tmpfs, "run as root, in a container with --cap-add SYS_ADMIN"),
    "tmux": Need(_program("tmux"), "install tmux"),
    "chromium": Need(_program("chromium", "chromium-browser", "google-chrome"), "install chromium"),
    "tensorflow": Need(_python_with("tensorflow"), "make frameworks"),
    "torch": Need(_python_with("torch"), "make frameworks"),
    "training": Need(
        _python_with("torch", "pytorch_lightning", "accelerate", "torchdata"), "make frameworks"
    ),
    "grain": Need(_python_with("grain"), "make frameworks"),
    "webdataset": Need(_python_with("webdataset"), "make frameworks"),
    "kubernetes_validate": Need(_python_with("kubernetes_validate"), "make frameworks"),
}


@functools.cache
def _found(name: str) -> str | None:
    return NEEDS[name].find()


def require(name: str) -> str:
    """Return where something is, or end the test: skipped here, failed in CI."""
    where = _found(name)
    if where is None:
        pytest.skip(f"no {name} here: {NEEDS[name].remedy}")
    return where


def pytest_configure(config: pytest.Config) -> None:
    for name, need in NEEDS.items():
        config.addinivalue_line("markers", f"needs_{name}: skips without it ({need.remedy})")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers():
        if marker.name.startswith("needs_"):
            require(marker.name.removeprefix("needs_"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    return _no_skip_in_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    return _no_skip_in_ci((yield))


def _no_skip_in_ci(report):
    """Turn a skip into a failure where CI is set; an expected failure is none."""
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"CI lets no test skip: {report.longrepr[2]}"
    return report


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory of this process's own for temporary files, where embedded runs are looked for.

    Its name is short, for sockets lie in it.
    """
    tmp_path_factory.getbasetemp()  # stays where it is kept for a look after the tests
    with tempfile.TemporaryDirectory(prefix="t") as own, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", own)
        patch.setattr(tempfile, "tempdir", own)
        yield Path(own)


@pytest.fixture(autouse=True)
def nothing_reaches_the_next_test(temporary_files: Path) -> Iterator[None]:
    """Check that a test leaves no embedded run to be found, nor a process that starves others."""
    yield
    assert [run for run in scratch.living(SCRATCH) if Path(run).parent == temporary_files] == []
    if hasattr(os, "sched_getscheduler"):  # not on macOS
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Directory of clips by many hands, with MANIFEST.tsv; read-only."""
    return Path(require("corpus"))


@pytest.fixture(scope="session")
def corpus_slice(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty files of the corpus, each for a reason that ``corpus_slice.tsv`` gives; read-only."""
    folder = tmp_path_factory.mktemp("corpus")
    chosen = {line.split("\t")[0] for line in CORPUS_SLICE.read_text("utf-8").splitlines()[1:]}
    for path in chosen:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).symlink_to(corpus / path)
    head, *rows = (corpus / "MANIFEST.tsv").read_text("utf-8").splitlines(keepends=True)
    kept = [row for row in rows if row.split("\t")[0] in chosen]
    (folder / "MANIFEST.tsv").write_text("".join([head, *kept]), "utf-8")
    return folder


@pytest.fixture(scope="session")
def explained_ffmpeg(ffmpeg: str) -> str:
    """The ffmpeg program of the version whose differences ``explained.tsv`` explains."""
    from correctness.ffmpeg import version

    found = version()
    if found != EXPLAINED_FFMPEG:
        pytest.skip(f"the differences are explained for ffmpeg {EXPLAINED_FFMPEG}, this is {found}")
    return ffmpeg


@pytest.fixture(scope="session")
def measured(corpus: Path, explained_ffmpeg: str) -> Callable:
    """Makes a comparison with other hands' answers: once a session, however often it is asked."""
    return functools.cache(lambda measure: measure(corpus))


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """The ffmpeg program."""
    return require("ffmpeg")


@pytest.fixture(scope="session")
def redis_server() -> str:
    """The redis-server program, from PATH or from its wheel."""
    return require("redis")


@pytest.fixture(scope="session")
def ip_program() -> str:
    """The ip program, which may make network namespaces."""
    return require("namespaces")


@pytest.fixture(scope="session")
def openssl() -> str:
    """The openssl program."""
    return require("openssl")


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus's own checker of its files."""
    return require("promtool")


@pytest.fixture(scope="session")
def systemd_analyze() -> str:
    """systemd's own checker of its units."""
    return require("systemd_analyze")


@pytest.fixture(scope="session")
def docker() -> str:
    """The docker program, its engine running."""
    return require("docker")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The Chromium program."""
    return require("chromium")


@pytest.fixture(scope="session")
def tensorflow_python() -> str:
    """A Python that has TensorFlow: not this one, so run it."""
    return require("tensorflow")


@pytest.fixture(scope="session")
def webdataset_python() -> str:
    """A Python that has webdataset: not this one, so run it."""
    return require("webdataset")


@pytest.fixture(scope="session")
def torch_python() -> str:
    """A Python that has torch."""
    return require("torch")


@pytest.fixture(scope="session")
def training_python() -> str:
    """A Python that has torch, Lightning, Accelerate and torchdata: not this one, so run it."""
    return require("training")


@pytest.fixture(scope="session")
def grain_python() -> str:
    """A Python that has Grain: not this one, so run it."""
    return require("grain")


@pytest.fixture(scope="session")
def kubernetes_validate_python() -> str:
    """A Python that has the published schemas of Kubernetes: not this one, so run it."""
    return require("kubernetes_validate")


@pytest.fixture(scope="session")
def sample_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of small clips, two pictures and a broken file; read-only."""
    from shardmill_worker.sample import make_sample

    directory = tmp_path_factory.mktemp("media") / "sample"
    make_sample(str(directory))
    return directory
