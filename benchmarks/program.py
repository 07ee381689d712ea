"""What every benchmark has as a program: options, a folder of media, commands that it times."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media import Cache, tiny_picture
from page import section
from record import RESULTS, Record, load, save
from side_by_side import Contender, Result, Unequal, named

HERE = Path(__file__).parent
STARTING = "shardmill, one picture"
OUT = "OUT"
"""Stands for the output directory in a command's words."""


@dataclass(frozen=True, slots=True)
class Bench:
    """The options that all benchmarks have."""

    small: bool
    rounds: int
    cache: Cache
    results: Path
    more: dict[str, Any]
    """The benchmark's own options."""

    @property
    def scale(self) -> str:
        """``small`` or ``full``."""
        return "small" if self.small else "full"

    def size(self, *, small: int, full: int) -> int:
        """Return a size by the scale."""
        return small if self.small else full

    @property
    def work(self) -> Path:
        """Return an empty folder to work in, beside the media."""
        folder = self.cache.root / "work" / Path(sys.argv[0]).stem
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def parser(doc: str) -> argparse.ArgumentParser:
    """Return the options that every benchmark has; its own can be added."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--scale", choices=("small", "full"), default="full")
    made.add_argument("--rounds", type=int, help="turns of each contender")
    made.add_argument("--cache", type=Path, default=HERE.parent / ".bench", help="media are kept")
    made.add_argument("--results", type=Path, default=RESULTS, help="where the JSON goes")
    return made


def options(made: argparse.ArgumentParser, *, small: int = 1, full: int = 3) -> Bench:
    """Read the command line; ``small`` and ``full`` are the rounds if it names none."""
    given = vars(made.parse_args())
    is_small = given.pop("scale") == "small"
    rounds = given.pop("rounds") or (small if is_small else full)
    cache = Cache(given.pop("cache").resolve())
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are compiled once, as for users
    return Bench(is_small, rounds, cache, given.pop("results").resolve(), given)


def publish(record: Record, bench: Bench, *, packages: Sequence[str] = ()) -> None:
    """Write what was found, and print it."""
    save(record, folder=bench.results, packages=packages)
    print(section(load(bench.results / f"{record.name}.json")))


def layout_key() -> str:
    """Return what changes with the columns that we write: older output is made anew."""
    from shardmill.dataset import index, manifest

    return f"{zlib.crc32(f'{index.SCHEMA}{manifest.SCHEMA}'.encode()):08x}"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def shardmill(*words: object) -> list[str]:
    """Return a command of ours."""
    return [sys.executable, "-m", "shardmill", *map(str, words)]


def peer(name: str, *words: object) -> list[str]:
    """Return a program of ``peers/``."""
    return [sys.executable, str(HERE / "peers" / f"{name}.py"), *map(str, words)]


def run(words: Sequence[str]) -> dict[str, Any]:
    """Run a command to its end; return the JSON in the last line it prints."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return answer


def command(
    name: str, words: Sequence[str], *, out: Path, expect: dict[str, int], share: float = 1.0
) -> Contender:
    """Return a contender that is a program, from its start to its end.

    Args:
        name: Printed.
        words: The command; the word ``OUT`` is replaced by ``out``.
        out: What it makes; removed before each turn.
        expect: What the JSON it prints must hold, or the comparison is void.
        share: How much of the work it does.
    """
    line = [str(out) if word == OUT else word for word in words]

    def do(_: int) -> None:
        answer = run(line)
        found = {key: answer.get(key) for key in expect}
        if found != expect:
            raise Unequal(f"{name}: expected {expect}, got {found}; its time says nothing")

    return Contender(name, do, share, lambda: shutil.rmtree(out, ignore_errors=True))


def starting(out: Path) -> Contender:
    """Return a whole job of ours over one picture: what starting and ending take."""
    root = out.with_name("one")
    if not root.exists():
        root.mkdir(parents=True)
        tiny_picture(root / "one.jpg")
    words = shardmill("run", root, "--out", OUT, "--json")
    return command(STARTING, words, out=out, expect={"ok": 1})


def without_start(results: list[Result]) -> tuple[list[Result], str]:
    """Take the job over one picture out of the results, and say what is left of ours.

    Returns:
        The other results, and a sentence.
    """
    start = named(results, STARTING)
    others = [result for result in results if result is not start]
    whole = others[0].median
    told = f"Of our {whole:.1f} s, {start.median:.1f} s are starting and ending (a one-picture job)"
    if start.median >= whole:  # the work is less than the noise
        return others, f"{told}: the work is too small to tell."
    factor = whole / (whole - start.median)
    return others, f"{told}; without these every ratio would be {factor:.2f} times as large."
