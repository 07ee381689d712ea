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
import threading

from shardmill.contract.errors import EnvironmentFault, ItemError
from shardmill.contract.location.roots import Roots
from shardmill.contract.schema import Item, Outcome
from shardmill_worker.engine.work import ProbeWork
from shardmill_worker.execution import supervisor
from shardmill_worker.execution.supervisor import Decoders, LeaseLost, Limits, ShuttingDown

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

    def beat(self, decoded: int) -> str:
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
        position = 0
        while position < len(self.files):
            items = [self.item(name) for name in self.files[position:]]
            try:
                for result in self.stream(items):
                    failed = isinstance(result, Outcome)
                    self.answer(position, result.error_class if failed else "ok", "")
                    position += 1
            except ItemError as error:
                self.answer(position, error.error_class, str(error))
                position += 1

    def item(self, name: str) -> Item:
        try:
            status = os.stat(os.path.join(self.asked["root"], name))
        except FileNotFoundError:
            return Item(path=name, size_bytes=0, mtime_ns=0)
        return Item(path=name, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)

    def stream(self, items: list[Item]):
        depth = self.asked.get("depth", "header")
        work = ProbeWork(roots=Roots.of(self.asked["root"]), items=tuple(items), depth=depth)
        limits = Limits(
            item_s=[self.asked.get("item_s", 300)] * len(items),
            frame_s=self.asked.get("frame_s", 0),
            idle_s=self.asked.get("idle_s", 300),
            memory_bytes=self.asked.get("memory_bytes", 10**12),
        )
        slot = self.decoders.slot()
        return slot.stream(work, limits=limits, beat=self.beat, beat_every_s=0.1)

    def answer(self, position: int, result: str, message: str) -> None:
        name = self.files[position]
        tell(slot=self.number, file=name, result=result, message=message)


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
