"""Reads annotations from standard input and prints what that cost: run as a child process.

``annotation_program.py FORMAT`` prints annotations, faults and the growth of this process's peak of
resident memory in bytes as JSON; for a file that is refused, the refusal.
"""

import json
import sys

from shardmill.annotations.columns import Mapper
from shardmill.annotations.presets import Form, Preset
from shardmill.annotations.records import Faults
from shardmill.contract.errors import InvalidAnnotations


def memory_bytes(name: str) -> int:
    """Return VmRSS or VmHWM of this process; getrusage would tell the parent's peak before exec."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith(name))
    return int(line.split()[1]) * 1024


def main() -> None:
    before = memory_bytes("VmRSS")
    faults = Faults()
    mapper = Mapper("/dev/stdin", Preset(form=Form(format=sys.argv[1])), faults)
    count, refusal = 0, None
    try:
        for table in mapper.read():
            count += table.num_rows
    except InvalidAnnotations as error:
        refusal = str(error)
    growth = memory_bytes("VmHWM") - before
    told = {"annotations": count, "faults": faults.counts, "growth_bytes": growth}
    print(json.dumps(told | {"refusal": refusal}))


main()
