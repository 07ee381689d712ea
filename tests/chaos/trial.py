"""One job on a sick machine: two workers, a Redis, a producer, and what a seed does to them."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import processes
from awaiting import wait_for
from chaos.content import Content
from private_redis import PrivateRedis
from shardmill import api
from shardmill.contract.errors import ShardmillError
from shardmill.contract.settings import Settings
from shardmill.ledger.ledger import Ledger
from shardmill.report.verify import verify

SHIM = Path(__file__).parent / "shim"
SPEC = ("--size", "240x180", "--encoding", "png", "--clips-per-shard", "2")
HANG_S = 90.0
"""A command that takes longer, with nothing going wrong any more, hangs: all is done in ten."""
TIMES_AGAIN = 4
"""How often the command may be needed once nothing goes wrong any more."""
HEX, WORKER = re.compile(r"\b[0-9a-f]{8,16}\b"), re.compile(r"\bw\d+: ")
DONE = (0, 3)
"""Exit codes of a job that is done."""


@dataclass(frozen=True)
class Setting:
    """What all trials share."""

    media: Path
    right: Content
    """What a calm run makes of it."""
    redis_server: str
    storm_s: float
    share: float
    """Share of the calls on files that fail."""


@dataclass
class Verdict:
    """What became of one trial."""

    seed: int
    mode: str
    blows: int = 0
    """Processes frozen or killed, and times that Redis went back."""
    faults: int = 0
    """Calls on files that failed."""
    runs: int = 0
    """How often the command was run."""
    seconds: float = 0.0
    interruptions: list[str] = field(default_factory=list)
    """What each command said that ended before the job was done."""
    wrong: list[str] = field(default_factory=list)
    """Empty if the trial is passed."""


def environment(place: Path) -> dict[str, str]:
    """Return the environment of a trial's programs; its TMPDIR marks them as its own."""
    (place / "t").mkdir(parents=True)
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("SHARDMILL_", "CHAOS_"))}
    return plain | {"TMPDIR": str(place / "t")}


class Trial:
    """The programs of one seed, in a directory of its own."""

    def __init__(self, seed: int, place: Path, setting: Setting) -> None:
        self._dice = random.Random(seed)
        self.verdict = Verdict(seed, self._dice.choice(("stop", "back")))
        self._place, self._setting = place, setting
        self._out, self._storming = place / "out", place / "storming"
        self._environment = environment(place) | {
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(SHIM), os.environ.get("PYTHONPATH")]),
            ),
            "CHAOS_SEED": str(seed),
            "CHAOS_SHARE": str(setting.share),
            "CHAOS_ON": str(self._storming),
            "CHAOS_IN": str(setting.media),
            "CHAOS_OUT": str(self._out),
            "CHAOS_LOG": str(place / "faults"),
        }
        self._workers: list[subprocess.Popen[bytes]] = []

    def run(self) -> Verdict:
        """Do all of it, and end every process."""
        begun_s = time.monotonic()
        self._server = PrivateRedis(self._setting.redis_server)
        self._settings = Settings(redis_url=self._server.url, lease_s=1.0, slots=2)
        self._environment |= self._settings.environment()
        try:
            self._start_workers()
            self._weather_the_storm()
            if self._come_to_the_end():
                self._judge()
        except (AssertionError, ShardmillError, OSError) as error:
            self.verdict.wrong.append(f"{type(error).__name__}: {error}")
        finally:
            self._end_all()
        self.verdict.faults = self._count_faults()
        self.verdict.seconds = time.monotonic() - begun_s
        return self.verdict

    def _start(self, log: str, *command: object, **environment: str) -> "subprocess.Popen[bytes]":
        with (self._place / f"{log}.err").open("ab") as err, self._result(log).open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-m", *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=self._environment | environment,
                start_new_session=True,
            )

    def _result(self, log: str) -> Path:
        return self._place / f"{log}.out"

    def _start_workers(self) -> None:
        for _ in range(2):
            self._add_worker()
        ledger = Ledger(self._settings)
        wait_for(lambda: len(ledger.workers()) == 2, "two workers")
        ledger.close_connections()

    def _add_worker(self) -> None:
        name = f"w{len(self._workers) + 1}"
        self._workers.append(self._start(name, "shardmill_worker", SHARDMILL_WORKER_NAME=name))

    def _submit(self) -> "subprocess.Popen[bytes]":
        self.verdict.runs += 1
        command = ("submit", self._setting.media, "--out", self._out, *SPEC, "--wait", "--json")
        return self._start(f"submit-{self.verdict.runs}", "shardmill", *command)

    def _weather_the_storm(self) -> None:
        """Do harm for the time that is set, or until the job is done in spite of it."""
        self._storming.touch()
        self._command = self._submit()
        blow = self._freeze_or_kill if self.verdict.mode == "stop" else self._set_redis_back
        self._snapshots: deque[tuple[float, bytes]] = deque(maxlen=50)
        end_s = time.monotonic() + self._setting.storm_s
        while time.monotonic() < end_s and self._command.returncode not in DONE:
            time.sleep(self._dice.uniform(0.05, 0.4))
            blow()
            if self._command.poll() is not None and not self._is_done():
                self._command = self._submit()
        self._storming.unlink()

    def _freeze_or_kill(self) -> None:
        """Freeze a worker, some of its decoders, or both, for less or more than a lease."""
        worker = self._dice.choice(self._living())
        family = processes.descendants(worker.pid)
        victims = [worker.pid] if self._dice.random() < 0.5 else []
        if not victims or self._dice.random() < 0.5:
            victims += self._dice.sample(family, min(len(family), self._dice.randint(1, 3)))
        _send(signal.SIGSTOP, victims)
        time.sleep(self._dice.choice((0.2, 1.2, 2.5)))
        _send(signal.SIGCONT, victims)
        self.verdict.blows += 1
        if self._dice.random() < 0.15:
            worker.kill()
            worker.wait()
            self._add_worker()

    def _living(self) -> list["subprocess.Popen[bytes]"]:
        """Return the workers that run; one that ended by itself is a fault, and is replaced."""
        for worker in list(self._workers):
            if worker.poll() not in (None, -signal.SIGKILL):
                self.verdict.wrong.append(f"a worker ended with {worker.returncode}")
                self._workers.remove(worker)
                self._add_worker()
        return [worker for worker in self._workers if worker.returncode is None]

    def _set_redis_back(self) -> None:
        """Let Redis crash now and then and come back as it was one to three seconds ago."""
        self._living()
        self._snapshots.append((time.monotonic(), self._server.snapshot()))
        if self._dice.random() < 0.15:
            now_s = time.monotonic()
            old = [data for at_s, data in self._snapshots if 1 <= now_s - at_s <= 3]
            if old:
                self._server.set_back(self._dice.choice(old))
                self.verdict.blows += 1

    def _is_done(self) -> bool:
        """Return whether a command that has ended has done the job; note what it said else."""
        self.verdict.wrong += self._setting.right.faults_on_the_way(self._out)
        log = f"submit-{self.verdict.runs}"
        err = (self._place / f"{log}.err").read_text(errors="replace")
        if "Traceback" in err:
            self.verdict.wrong.append(f"{log}: {err.splitlines()[-1]}")
        if self._command.returncode in DONE:
            return True
        told = self._result(log).read_text(errors="replace").splitlines()
        last = (told or err.splitlines() or ["nothing"])[-1]
        said = json.loads(last).get("reason", last) if told else last
        self.verdict.interruptions.append(self._without_names(said))
        return False

    def _without_names(self, said: str) -> str:
        """Return a sentence as other trials say it: without the names that they do not share."""
        socket = self._server.url.removeprefix("unix://")
        for name, text in (("OUT", self._out), ("IN", self._setting.media), ("SOCKET", socket)):
            said = said.replace(str(text), name)
        return HEX.sub("#", WORKER.sub("w: ", said))

    def _come_to_the_end(self) -> bool:
        """Run the command until it is done, with nothing going wrong any more."""
        for _ in range(TIMES_AGAIN):
            try:
                self._command.wait(HANG_S)
            except subprocess.TimeoutExpired:
                self.verdict.wrong.append(f"run {self.verdict.runs} hangs")
                self._start("status", "shardmill", "status", self._out, "--json").wait()
                return False
            self._living()
            if self._is_done():
                return True
            self._command = self._submit()
        self.verdict.wrong.append(f"not done after {TIMES_AGAIN} runs in calm")
        return False

    def _judge(self) -> None:
        """Compare the data set with that of a calm run, and look for what is left over."""
        wrong = self.verdict.wrong
        problems = verify(str(self._out)).problems
        wrong += [f"verify: {problem.file} {problem.wrong}" for problem in problems[:3]]
        if not problems:
            wrong += self._setting.right.faults_of(Content.of(self._out))
        with api.clean(str(self._out), settings=self._settings) as cleaning:
            wrong += [f"left over: {each.path}: {each.why}" for each in cleaning.leftovers]
        wrong += [f"left over: {path}" for path in (self._out / ".tmp").glob("*")]

    def _end_all(self) -> None:
        """Kill all processes of this trial by their ids."""
        for pid in processes.carrying(self._environment["TMPDIR"]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._workers:
            process.wait()
        self._server.close()

    def _count_faults(self) -> int:
        log = self._place / "faults"
        return len(log.read_bytes().splitlines()) if log.exists() else 0


def _send(number: int, pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
