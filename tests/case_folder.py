"""The folder of cases: faults found in real use, with their commands, scripts and shims."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import Done, Shell
from source_tree import ROOT

FOLDER = Path(os.environ.get("SHARDMILL_CASES") or ROOT.parent / "shared" / "cases")
MARKS = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="there is no folder of cases beside the clone"),
    pytest.mark.needs_redis,
    pytest.mark.timeout(300),
]


def told(here: Shell, out: Path, sql: str) -> list[dict]:
    """Return the rows that a query of an output directory answers."""
    asked = here.run("query", out, sql, "--json")
    assert asked.code == 0, asked.err
    return [json.loads(line) for line in asked.out.splitlines()]


def classes(here: Shell, out: Path) -> dict[str, str | None]:
    """Return the path of each file, to its error class."""
    rows = told(here, out, "select path, error_class from files where path not like '%.md'")
    return {row["path"]: row["error_class"] for row in rows}


def with_shim(here: Shell, shim: Path, **environment: str) -> Shell:
    """Return a shell whose programs load the ``sitecustomize`` of a case."""
    path = os.pathsep.join(filter(None, [str(shim), os.environ.get("PYTHONPATH")]))
    return Shell(here.scratch, here.environment | {"PYTHONPATH": path} | environment)


def script(here: Shell, path: Path, *arguments: object) -> Done:
    """Run a Python program of a case."""
    done = subprocess.run(
        [sys.executable, str(path), *map(str, arguments)],
        env=here.whole_environment(),
        cwd=here.scratch,
        capture_output=True,
        text=True,
        check=False,
        timeout=here.limit_s,
    )
    return Done(done.returncode, done.stdout, done.stderr)
