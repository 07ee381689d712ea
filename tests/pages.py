"""Pages of documentation as things to do: their commands and programs, in order.

In a page, every fenced ``console`` block is commands: lines that begin with ``$``, where ``>`` goes
on with one; all other lines are what they print.  A block of any language under the comment
``<!-- file: NAME -->`` is a file, written where the commands run; one under ``<!-- not run: reason
-->`` is left out.  In the output

* a line ``...`` stands for any number of lines, ``...`` in a line for any text,
* sizes, times and rates are equal whatever their number, and so are names with a hash in them,
* every other number is a promise.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = re.compile(
    r"(?:<!-- (?P<kind>not run|file): (?P<about>.+?) -->\s*)?"
    r"^```(?P<language>\w+)\n(?P<text>.*?)^```$",
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
    """One command of a page and what it is said to print."""

    line: str
    output: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class File:
    """A file that a page shows whole."""

    name: str
    text: str


def steps(page: str) -> list[Command | File]:
    """All that a page has one do, in order."""
    found: list[Command | File] = []
    for block in BLOCK.finditer(page):
        if block["kind"] == "file":
            found.append(File(block["about"], block["text"]))
        elif block["kind"] is None and block["language"] == "console":
            found += _commands(block["text"])
    return found


def _commands(text: str) -> list[Command]:
    found: list[Command] = []
    for line in text.splitlines():
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
    """Say if ``printed`` is what a page says, ``...`` standing for anything."""
    parts = [
        r"(?:.*\n)*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + "\n"
        for line in alike(said)
    ]
    return bool(re.fullmatch("".join(parts), "".join(line + "\n" for line in alike(printed))))


def follow(page: str, folder: Path, environment: dict[str, str]) -> None:
    """Do all that a page says, in a folder; fail where it does not go as the page says."""
    told = steps(page)
    assert any(isinstance(step, Command) for step in told), "no command: this would prove nothing"
    for step in told:
        if isinstance(step, File):
            (folder / step.name).write_text(step.text)
        else:
            _run(step, folder, environment)


def _run(command: Command, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.line],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"$ {command.line}\n{done.stdout}"
    said = "\n".join(command.output)
    assert matches(command.output, done.stdout.splitlines()), (
        f"$ {command.line}\n--- said\n{said}\n--- printed\n{done.stdout}"
    )


def user_environment() -> dict[str, str]:
    """This environment without what a surrounding ``make test`` put there."""
    ours = ("MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHON", "SHARDMILL", "DATA", "OUT", "SPEC", "TESTS")
    plain = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return plain | {"PYTHON": f"{sys.base_prefix}/bin/python{sys.version_info[0]}"}


def installed(folder: Path, python: str = sys.executable) -> dict[str, str]:
    """An environment in which ``shardmill`` is a command, and ``python`` is the one given."""
    folder.mkdir()
    for name, command in (("shardmill", f"{sys.executable} -m shardmill"), ("python", python)):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        program.chmod(0o755)
    plain = {k: v for k, v in os.environ.items() if not k.startswith("SHARDMILL_")}
    return plain | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
