"""The real command line, as programs of their own in a place of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

import processes
from awaiting import wait_for
from shardmill.dataset.layout import Layout
from source_tree import ROOT

POISON = ROOT / "tests" / "poison"
LIMIT_S = 120


@dataclass
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        """The one object that ``--json`` prints."""
        return json.loads(self.out)

    @property
    def only_sentence(self) -> str:
        """The one line on standard error; anything else fails the test."""
        (line,) = self.err.splitlines()
        return _sentence(line)

    @property
    def last_sentence(self) -> str:
        """The last line on standard error, which notices about the inputs may precede."""
        return _sentence(self.err.splitlines()[-1])


def _sentence(line: str) -> str:
    assert line.startswith("shardmill: ")
    return line.removeprefix("shardmill: ")


@dataclass
class Shell:
    """Runs commands with an environment and a directory for temporary files of their own."""

    scratch: Path
    environment: dict[str, str] = field(default_factory=dict)
    limit_s: float = LIMIT_S
    prefix: tuple[str, ...] = ()
    """Program that runs the others, in another network for instance."""
    _started: list["subprocess.Popen[str]"] = field(default_factory=list)

    def whole_environment(self) -> dict[str, str]:
        """The environment that commands get: this process's without settings, then this shell's."""
        plain = {k: v for k, v in os.environ.items() if not k.startswith("SHARDMILL_")}
        return plain | {"TMPDIR": str(self.scratch)} | self.environment

    def start(self, *arguments: object, module: str = "shardmill") -> "subprocess.Popen[str]":
        """Start ``python -m shardmill`` with ``arguments``."""
        process = subprocess.Popen(
            [*self.prefix, sys.executable, "-m", module, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.whole_environment(),
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def end(self, process: "subprocess.Popen[str]") -> Done:
        """Wait for a command's end."""
        out, err = process.communicate(timeout=self.limit_s)
        return Done(process.returncode, out, err)

    def run(self, *arguments: object) -> Done:
        """Run ``shardmill`` to its end."""
        return self.end(self.start(*arguments))

    def submit(self, *arguments: object) -> Done:
        """Hand a job to the cluster of this shell and wait until it is done."""
        return self.run("submit", *arguments, "--wait")

    def processes(self) -> dict[int, str]:
        """All living processes that were started from here, by their ids."""
        return processes.carrying(str(self.scratch))

    def wait_until_all_are_gone(self) -> None:
        """Wait until no process is left."""
        wait_for(lambda: not self.processes(), "the end of all processes")

    def directories(self) -> set[str]:
        """The temporary directories that processes of this shell hold, wherever they lie."""
        return {path for pid in self.processes() for path in processes.directories_of(pid)}

    def leftovers(self, directories: Iterable[str] = ()) -> set[str]:
        """Return what is left among the temporary files, and of some directories."""
        return {str(path) for path in self.scratch.iterdir()} | set(
            filter(os.path.exists, directories)
        )

    def kill_all(self) -> None:
        """Kill what is left: workers, and more where a test has failed."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._started:
            process.communicate()


@contextmanager
def shell() -> Iterator[Shell]:
    """A place to run commands; paths of sockets are short, so it lies high in the tree."""
    scratch = Path(tempfile.mkdtemp(prefix="s"))
    here = Shell(scratch)
    try:
        yield here
    finally:
        here.kill_all()
        shutil.rmtree(scratch, ignore_errors=True)


def poison_path() -> str:
    """Return a PYTHONPATH with ``poison/`` in front."""
    return os.pathsep.join(filter(None, [str(POISON), os.environ.get("PYTHONPATH")]))


def poisoned(here: Shell) -> Shell:
    """Let the decoders of a shell meet what ``poison/sitecustomize.py`` does."""
    here.environment["PYTHONPATH"] = poison_path()
    return here


def rows(out: Path) -> dict[str, str]:
    """Return each committed row's path and ``ok`` or error class; none may be doubled."""
    found: Counter[str] = Counter()
    answers = {}
    for part in Layout(str(out)).parts():
        for row in pq.read_table(part).to_pylist():
            found[row["path"]] += 1
            failed = row["status"] == "failed"
            answers[row["path"]] = row["error_class"] if failed else row["status"]
    assert set(found.values()) <= {1}
    return answers


def shards(out: Path) -> dict[str, int]:
    """Return the shards and their times of change."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "shards").iterdir()}
