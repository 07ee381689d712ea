"""Asking about every file in child processes: a crash costs one answer, never the comparison.

A child is this module run as a program.  It reads paths from its standard input and writes what
``look(corpus, path)`` of the module that it was started for returns, both as lines of JSON.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

CHILDREN = 2


def ask(module: str, corpus: Path, paths: Iterable[str]) -> dict[str, Any]:
    """Return ``module.look(corpus, path)`` for each path, None where the child died over it."""
    waiting: SimpleQueue[str] = SimpleQueue()
    for path in paths:
        waiting.put(path)
    with ThreadPoolExecutor(CHILDREN) as threads:
        found = [threads.submit(_empty, waiting, module, corpus) for _ in range(CHILDREN)]
        return {path: answer for part in found for path, answer in part.result().items()}


def _empty(waiting: "SimpleQueue[str]", module: str, corpus: Path) -> dict[str, Any]:
    """Ask about one path after the other until none waits; a child that died is replaced."""
    answers: dict[str, Any] = {}
    child = _start(module, corpus)
    while True:
        try:
            path = waiting.get_nowait()
        except Empty:
            child.communicate()
            return answers
        child.stdin.write(json.dumps(path) + "\n")
        child.stdin.flush()
        line = child.stdout.readline()
        answers[path] = json.loads(line) if line else None
        if not line:
            child.communicate()
            child = _start(module, corpus)


def _start(module: str, corpus: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", __name__, module, str(corpus)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _answer(module: str, corpus: Path) -> None:
    look = importlib.import_module(module).look
    for line in sys.stdin:
        print(json.dumps(look(corpus, json.loads(line))), flush=True)


if __name__ == "__main__":
    _answer(sys.argv[1], Path(sys.argv[2]))
