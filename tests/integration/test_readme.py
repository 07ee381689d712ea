"""What the README shows is what happens: its console blocks are run in a fresh copy.

Every fenced ``console`` block is run, in order, in one directory that is a fresh copy of the tree;
lines that begin with ``$`` are commands, ``>`` goes on with one, all others are output.  A block
under the comment ``<!-- not run: reason -->`` is left out.  In the output

* a line ``...`` stands for any number of lines, ``...`` in a line for any text,
* sizes, times and rates are equal whatever their number, and so are names with a hash in them,
* every other number is a promise.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from source_tree import ROOT

BLOCK = re.compile(
    r"(?P<left_out><!-- not run: .+? -->\s*)?^```console\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
UNIT = r"(?:[kMGT]?i?B|[nµm]?s|min|h|%|x)(?:/s)?|[a-z-]+/s"
ALIKE = [
    (re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"), ""),
    (re.compile(r"(?<=-)[0-9a-f]{6,}\b|\b[0-9a-f]{8,}\b"), "<hash>"),
    (re.compile(rf"\d+(?:[.,:]\d+)*(\s?)(?=(?:{UNIT})(?![\w/]))"), r"<n>\1"),
    (re.compile(r"\b\d+:\d\d(?::\d\d)?\b"), "<time>"),
    (re.compile(r"[^\S\n]+"), " "),
]


@dataclass
class Command:
    """One command of the README and what it is said to print."""

    line: str
    output: list[str] = field(default_factory=list)


def commands(readme: str) -> list[Command]:
    found: list[Command] = []
    for block in BLOCK.finditer(readme):
        if block["left_out"]:
            continue
        for line in block["text"].splitlines():
            if line.startswith("$ "):
                found.append(Command(line[2:]))
            elif line.startswith("> "):
                found[-1].line += "\n" + line[2:]
            else:
                found[-1].output.append(line)
    return found


def alike(lines: list[str]) -> list[str]:
    """Lines without what differs from run to run, and without empty ones."""
    text = "\n".join(lines)
    for pattern, instead in ALIKE:
        text = pattern.sub(instead, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def matches(said: list[str], printed: list[str]) -> bool:
    """Say if ``printed`` is what the README says, ``...`` standing for anything."""
    parts = [
        r"(?:.*\n)*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + "\n"
        for line in alike(said)
    ]
    return bool(re.fullmatch("".join(parts), "".join(line + "\n" for line in alike(printed))))


@pytest.fixture
def fresh_copy(tmp_path: Path) -> Path:
    """The tree as it would be cloned."""
    here = (".git", ".venv*", "*.egg-info", "__pycache__", ".*_cache", "out", "sample", "build")
    return Path(shutil.copytree(ROOT, tmp_path / "shardmill", ignore=shutil.ignore_patterns(*here)))


def user_environment() -> dict[str, str]:
    """This environment without what a surrounding ``make test`` put there."""
    ours = ("MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHON", "SHARDMILL", "DATA", "OUT", "SPEC", "TESTS")
    plain = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return plain | {"PYTHON": f"{sys.base_prefix}/bin/python{sys.version_info[0]}"}


@pytest.mark.needs_index
@pytest.mark.timeout(600)
def test_the_readme_tells_the_truth(fresh_copy):
    told = commands((ROOT / "README.md").read_text())
    assert told, "README.md has no console block: this test would prove nothing"
    for command in told:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command.line],
            cwd=fresh_copy,
            env=user_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        printed = done.stdout.splitlines()

        assert done.returncode == 0, f"$ {command.line}\n{done.stdout}"
        said = "\n".join(command.output)
        assert matches(command.output, printed), (
            f"$ {command.line}\n--- said\n{said}\n--- printed\n{done.stdout}"
        )


README = """
# A project

```console
$ make run \\
>   DATA=clips
3 inputs, 2 ok, 1 failed in 3.2 s
...
$ ls out
shards/part-0123456789abcdef-1.tfrecord
```

<!-- not run: it needs a cluster -->

```console
$ rm -rf /
```

```python
import shardmill
```
"""


def test_commands_are_found_with_their_output():
    make, ls = commands(README)

    assert make.line == "make run \\\n  DATA=clips"
    assert make.output == ["3 inputs, 2 ok, 1 failed in 3.2 s", "..."]
    assert (ls.line, len(ls.output)) == ("ls out", 1)


@pytest.mark.parametrize(
    "printed",
    [
        ["3 inputs, 2 ok, 1 failed in 3.2 s"],
        ["3 inputs, 2 ok, 1 failed in 14.9 s", "more", "and more"],
        ["", "3 inputs,  2 ok, 1 failed in \x1b[1m59 s\x1b[0m  ", ""],
    ],
)
def test_what_differs_from_run_to_run_is_alike(printed):
    assert matches(commands(README)[0].output, printed)


@pytest.mark.parametrize(
    "printed",
    [
        [],
        ["more"],
        ["3 inputs, 3 ok, 0 failed in 3.2 s"],
        ["3 inputs, 2 ok, 1 failed in 3.2 min"],
        ["before", "3 inputs, 2 ok, 1 failed in 3.2 s"],
    ],
)
def test_what_is_another_statement_is_not(printed):
    assert not matches(commands(README)[0].output, printed)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.2 MB at 3.4 MB/s", "999 MB at 0.1 MB/s", True),
        ("1.2 MB", "1.2 GB", False),
        ("350 frames/s", "1,204.5 frames/s", True),
        ("350 frames", "351 frames", False),
        ("ETA 0:00:03", "ETA 1:10:03", True),
        ("4 min 05 s", "5 min 59 s", True),
        ("part-0123456789abcdef-1", "part-ffffffffffffffff-1", True),
        ("job clips-<hash> done", "job clips-408d96 done", True),
        ("failed: ... (mp4)", "failed: no index found (mp4)", True),
        ("failed: ... (mp4)", "failed: no index found (webm)", False),
        ("160x120", "160x121", False),
        ("shardmill 0.1.0", "shardmill 0.2.0", False),
        ("h264 2 clips", "h265 2 clips", False),
    ],
)
def test_numbers_with_a_unit_vary_and_counts_do_not(one, other, same):
    assert matches([one], [other]) == same
