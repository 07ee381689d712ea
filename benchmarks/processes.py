"""What the processes of a running job use: processor time and memory, by what they are."""

import os
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

LOOK_S = 0.05
ROLES = {"redis-server": "redis", "shardmill_worker": "workers", "forkserver": "workers"}
"""Word of a command line to what the process is; the command itself is the producer."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Usage:
    """What one job's processes used, by role: ``producer``, ``redis``, ``workers``."""

    cpu_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Processor seconds."""
    peak_mb: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Most memory of the largest process, resident."""
    returncode: int = 0
    stdout: str = ""


def watched(words: Sequence[str]) -> Usage:
    """Run a command to its end; return what it and all its descendants used.

    A process is looked at 20 times a second: what it does after the last look is not seen.
    """
    usage, last = Usage(), dict[int, tuple[str, float, float]]()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_S):
            for pid in family(process.pid):
                with suppress(OSError, ValueError):
                    last[pid] = look(pid, producer=process.pid)

    watcher = threading.Thread(target=watch)
    watcher.start()
    usage.stdout, _ = process.communicate()
    ended.set()
    watcher.join()
    usage.returncode = process.returncode
    for role, cpu_s, peak_mb in last.values():
        usage.cpu_s[role] += cpu_s
        usage.peak_mb[role] = max(usage.peak_mb[role], peak_mb)
    return usage


def look(pid: int, *, producer: int) -> tuple[str, float, float]:
    """Return a process' role, processor seconds and peak of memory in MB.

    Raises:
        OSError: It has ended.
    """
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        line = file.read().decode(errors="replace")
    role = next((role for word, role in ROLES.items() if word in line), "other")
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        peaks = (int(line.split()[1]) for line in file if line.startswith("VmHWM"))
        peak_kb = next(peaks, None)
    if peak_kb is None:
        raise ProcessLookupError(f"process {pid} has ended")
    cpu_s = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return "producer" if pid == producer else role, cpu_s, peak_kb / 1e3


def family(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    yield pid
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                for child in file.read().split():
                    yield from family(int(child))
