"""Reads annotations from standard input and prints what that cost: run as a child process.

``reading_program.py FORMAT`` prints annotations, faults and the growth of this process's peak of
resident memory in bytes as JSON.
"""

import json
import sys

from shardmill.annotations.annotation import Faults
from shardmill.annotations.form import Form, Preset
from shardmill.annotations.reading import read


def memory_bytes(name: str) -> int:
    """Return VmRSS or VmHWM of this process; getrusage would tell the parent's peak before exec."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith(name))
    return int(line.split()[1]) * 1024


def main() -> None:
    before = memory_bytes("VmRSS")
    faults = Faults()
    preset = Preset(form=Form(format=sys.argv[1]))
    count = sum(1 for _ in read("/dev/stdin", preset, faults))
    growth = memory_bytes("VmHWM") - before
    print(json.dumps({"annotations": count, "faults": faults.counts, "growth_bytes": growth}))


main()
