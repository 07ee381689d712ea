"""No control character reaches a terminal, wherever it comes from."""

import ast
import json
import os
import pty
import subprocess
import sys

import pytest
from msgspec.structs import replace

from out_dir import OutDir, failed
from source_tree import ROOT

HOSTILE = "a\x1b]0;pwned\x07\x9b31m\u202eb"
CONTROLS = {"\x1b", "\x07", "\x9b", "\u202e"}


@pytest.fixture
def out(tmp_path):
    row = failed("a.mp4", "corrupt", f"bad {HOSTILE}")
    extra = json.dumps({"caption": HOSTILE})
    out = OutDir(str(tmp_path / "out"))
    out.part("b0", replace(row, item=replace(row.item, extra=extra)))
    out.job()
    return out


def shown(*arguments: str) -> str:
    """What ``shardmill`` writes to a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "shardmill", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "dumb", "NO_COLOR": "1"},
    ) as process:
        os.close(theirs)
        data = b""
        try:
            while piece := os.read(ours, 1 << 16):
                data += piece
        except OSError:  # Linux's way to say that nobody has the other end any more
            pass
        process.wait()
    os.close(ours)
    return data.decode()


CAPTION = "select extra->>'caption' as \"x\x1b[31m\" from files"


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]], ids=str)
def test_the_answer_of_a_query_is_escaped_on_a_terminal(out, form):
    text = shown("query", out.out, CAPTION, *form)

    assert "pwned" in text
    assert CONTROLS & set(text) == set()


def test_machines_get_the_text_itself(out):
    """JSON escapes it in its own way, and a CSV file holds what there is."""
    command = [sys.executable, "-m", "shardmill", "query", out.out, CAPTION]
    asked = {
        form: subprocess.run([*command, form], capture_output=True, text=True, check=True).stdout
        for form in ("--csv", "--json")
    }

    assert asked["--csv"] == f"x\x1b[31m\n{HOSTILE}\n"
    assert json.loads(asked["--json"]) == {"x\x1b[31m": HOSTILE}
    assert CONTROLS & set(asked["--json"]) == set()


@pytest.mark.parametrize(
    ("verb", "wrong"),
    [
        ("status", {"name": HOSTILE}),
        ("failures", {"root": HOSTILE}),
        ("verify", {"spec": {HOSTILE: 1}}),
        ("report", {"goal": HOSTILE}),
        ("retry", {"list_file": HOSTILE}),
        ("retry", {"root": f"/{HOSTILE}"}),
    ],
)
def test_a_job_of_strangers_is_escaped_on_a_terminal(out, verb, wrong):
    path = out.layout.job
    with open(path, encoding="ascii") as file:
        values = json.load(file)
    with open(path, "w", encoding="ascii") as file:
        json.dump(values | wrong, file)

    text = shown(verb, out.out)

    assert text.startswith("shardmill: ")
    assert text.count("\n") == 1
    assert CONTROLS & set(text) == set()


@pytest.mark.parametrize(
    "arguments", [["--no-such\x1b]0;x"], ["status\x1b]0;x"], ["report", "x\x1b]0;x"]], ids=repr
)
def test_what_was_given_comes_back_escaped(arguments):
    text = shown(*arguments)

    assert "]0;x" in text
    assert CONTROLS & set(text) == set()


def test_one_module_prints():
    """All others hand it their text; the bars of ``live`` are drawn by rich."""
    printing = {
        path.name
        for path in (ROOT / "producer" / "shardmill" / "cli").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "click.echo"}
    }

    assert printing == {"terminal.py"}
