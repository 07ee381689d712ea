"""What the engine says of files, each group of files asked in a process of its own."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

GROUP = 50
"""Files a process: enough to make its start cheap, few enough to keep all cores busy."""

PROGRAM = """
import json, os, sys
from msgspec.structs import asdict
from shardmill.contract.errors import ItemError, Skip
from shardmill.contract.schema import Facts, Item
from shardmill_worker.engine import count, probe
from shardmill_worker.engine.input_file import open_item
root, look = sys.argv[1:]
def looking(look):
    def opened(root, item):
        with open_item(root, item) as file:
            return look(file, item)
    return opened
ask = {
    "probe": probe.probe_item,
    "picture": looking(probe.picture_look),
    "header": looking(lambda file, item: probe.header_look(file)),
    "quick": looking(probe.quick_look),
    "opened": looking(probe.opened_look),
    "full": looking(probe.full_look),
    "frames": lambda root, item: count.decode_all(root, item, lambda: None).frames,
    "packets": lambda root, item: count.count_packets(root, item, lambda: None),
}[look]
for path in sys.stdin.read().splitlines():
    found = os.stat(os.path.join(root, path))
    item = Item(path=path, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)
    try:
        said = ask(root, item)
        said = asdict(said) if isinstance(said, Facts) else {"said": said}
    except Skip as reason:
        said = {"skip": str(reason)}
    except ItemError as error:
        said = {"error": error.error_class, "message": str(error)}
    print(json.dumps([path, said]), flush=True)
"""


def table(corpus: Path, *folders: str) -> dict[str, dict[str, str]]:
    """Return the rows of MANIFEST.tsv by path: all, or those below some folders."""
    with (corpus / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {r["path"]: r for r in rows if r["path"].startswith(folders or "")}


def answers(corpus: Path, paths: Iterable[str], look: str) -> dict[str, dict[str, Any]]:
    """Return what the engine says of each file.

    Args:
        look: ``probe``, or one way of it, ``picture``, ``header``, ``quick``, ``opened`` or
            ``full``, for facts; ``frames`` or ``packets`` for their number.

    Returns:
        The facts' fields, or ``said`` (a number, or None for no answer), or ``error`` and
        ``message``, or ``skip``.
    """

    def ask(group: list[str]) -> list[Any]:
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(corpus), look],
            input="\n".join(group),
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, (run.returncode, run.stdout[-300:], run.stderr[-2000:])
        return [json.loads(line) for line in run.stdout.splitlines()]

    todo = list(paths)
    groups = [todo[k : k + GROUP] for k in range(0, len(todo), GROUP)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {path: said for group in pool.map(ask, groups) for path, said in group}
