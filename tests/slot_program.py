"""A program with decoders and nothing else, so that a test can watch it, and kill it.

Reads one JSON object from standard input: ``root``, the limits, and ``slots``, lists of file
names, one a slot.  Each slot probes its files and goes on behind one that is to blame; with
``kill_idle`` it does so twice, and its decoder is killed in between; with ``bounds``, values of the
supervisor by their names, it does so three times; with ``leave_at_beat`` the program ends while it
does so.  Prints one JSON object a line: ``slot``, ``file`` and ``result`` of a file, ``beat`` for a
renewed lease, ``decoder`` for the process of each time, and ``end`` of a slot.
"""

import json
import os
import signal
import sys
import tempfile
import threading

from in_process_slot import batch_in
from shardmill.contract.errors import EnvironmentFault, ItemError
from shardmill.contract.schema import Item
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Job
from shardmill.dataset.manifest import read_columns
from shardmill_worker.execution import supervisor
from shardmill_worker.execution.in_decoder.work import BatchWork
from shardmill_worker.execution.supervisor import Decoders, LeaseLost, Limits, ShuttingDown

RUN = "00000001"
PRINTING = threading.Lock()


def tell(**values: object) -> None:
    with PRINTING:
        print(json.dumps(values), flush=True)


class SlotThread(threading.Thread):
    def __init__(self, decoders: Decoders, asked: dict, number: int) -> None:
        super().__init__(daemon="leave_at_beat" in asked)
        self.decoders, self.asked, self.number = decoders, asked, number
        self.files = asked["slots"][number]
        self.beats = 0
        self.enough = threading.Event()
        self.job = Job(
            name="job",
            root=asked["root"],
            out=tempfile.mkdtemp(),
            spec=Spec(
                item_timeout_s=float(asked.get("item_s", 300)), check=asked.get("depth") == "check"
            ),
            goal="probe",
        )
        self.job.layout.make()

    def beat(self, gauges: object) -> str:
        self.beats += 1
        tell(slot=self.number, beat=self.beats)
        if self.beats == self.asked.get("stop_at_beat"):
            self.decoders.stop()
        if self.beats == self.asked.get("leave_at_beat"):
            self.enough.set()
        return "lost" if self.beats == self.asked.get("lose_at_beat") else "held"

    def run(self) -> None:
        try:
            self.work()
            if self.asked.get("kill_idle"):
                decoder = self.decoders.slot()._process
                os.kill(decoder.pid, signal.SIGKILL)
                decoder.join()
                self.work()
            for _ in range(3 if "bounds" in self.asked else 0):
                self.work()
                tell(slot=self.number, decoder=self.decoders.slot()._process.pid)
        except (ShuttingDown, LeaseLost, EnvironmentFault) as reason:
            tell(slot=self.number, end=type(reason).__name__)
        else:
            tell(slot=self.number, end="done")

    def work(self) -> None:
        """Probe the files, as an attempt does that meets one row after the other to blame."""
        first = 0
        while first < len(self.files):
            try:
                rows = self.probe(self.files[first:])
            except ItemError as error:
                guilty = first + self.decoders.slot().finished
                if guilty > first:
                    self.answer(self.probe(self.files[first:guilty]))
                name, first = self.files[guilty], guilty + 1
                tell(slot=self.number, file=name, result=error.error_class, message=str(error))
            else:
                self.answer(rows)
                return

    def item(self, name: str) -> Item:
        try:
            status = os.stat(os.path.join(self.asked["root"], name))
        except FileNotFoundError:
            return Item(path=name, size_bytes=0, mtime_ns=0)
        return Item(path=name, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)

    def probe(self, names: list[str]) -> list[dict]:
        work = BatchWork(
            job=self.job,
            run=RUN,
            batch=batch_in(self.job, RUN, [self.item(name) for name in names]),
            attempt="a1",
            worker="w",
        )
        limits = Limits(
            rows=len(names),
            frame_s=self.asked.get("frame_s", 0),
            idle_s=self.asked.get("idle_s", 300),
            memory_bytes=self.asked.get("memory_bytes", 10**12),
        )
        os.makedirs(work.attempt_dir, exist_ok=True)
        self.decoders.slot().run(work, limits=limits, heartbeat=self.beat, heartbeat_every_s=0.1)
        return read_columns(work.waiting_part, ["path", "status", "error_class"]).to_pylist()

    def answer(self, rows: list[dict]) -> None:
        for row in rows:
            result = row["error_class"] or row["status"]
            tell(slot=self.number, file=row["path"], result=result, message="")


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    for name, value in asked.get("bounds", {}).items():
        setattr(supervisor, name, value)
    decoders = Decoders()
    threads = [SlotThread(decoders, asked, number) for number in range(len(asked["slots"]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.enough.wait() if thread.daemon else thread.join()
