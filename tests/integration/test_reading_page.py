"""The programs of docs/reading.md and docs/reading/ print what stands beside them.

A block under ``<!-- run: name -->`` is run beside an output directory named ``out``; what follows
``#`` on a line with ``print`` is a line that it prints.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import shardmill
from made_media import video
from source_tree import ROOT

pytestmark = [pytest.mark.needs_redis, pytest.mark.timeout(600)]

PAGES = [ROOT / "docs" / "reading.md", *sorted((ROOT / "docs" / "reading").glob("*.md"))]
TEXT = "".join(page.read_text("utf-8") for page in PAGES)
BLOCKS = dict(
    re.findall(r"^<!-- run: (\w+) -->\n```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
)
PYTHONS = {
    "torch": "torch_python",
    "resume": "torch_python",
    "sampler": "torch_python",
    "lightning": "training_python",
    "accelerate": "training_python",
    "torchdata": "training_python",
    "tensorflow": "tensorflow_python",
    "grain": "grain_python",
}
"""Program to the fixture of its Python, if it needs more than is here."""
REPEATED = {"lightning": 1, "accelerate": 2, "torchdata": 2, "sampler": 2}
"""Program to how often its one line is printed, if in a loop."""
CLIPS = """
sliding/clip-01.mp4 30 (1, 120, 160, 3)
sliding/clip-03.mp4 29 (1, 120, 160, 3)
sliding/clip-05.webm 30 (1, 120, 160, 3)
sliding/still.png 1 (1, 120, 160, 3)
"""


def test_every_block_of_the_page_is_run():
    plain = {"windows", "clips", "validation", "sampling", "whole", "some", "epochs", "sizes"}
    assert set(BLOCKS) == plain | set(PYTHONS)
    assert TEXT.count("```python") == len(BLOCKS)


def test_every_framework_has_a_page_that_is_linked():
    names = [page.name for page in PAGES[1:]]

    assert len(names) == 6
    assert all(f"(reading/{name})" in PAGES[0].read_text("utf-8") for name in names)


@pytest.fixture(scope="module")
def folder(sample_set, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reading")
    spec = shardmill.Spec(size="160x120", fps=12)
    shardmill.run(str(sample_set), out=str(folder / "out"), spec=spec)
    for name, size in (("a", (64, 48)), ("b", (64, 48)), ("c", (48, 64))):
        video(folder / "videos" / f"{name}.mp4", frames=8, size=size)
    shardmill.run(str(folder / "videos"), out=str(folder / "mixed"))
    return folder


@pytest.mark.parametrize("name", BLOCKS)
def test_a_program_prints_what_stands_beside_it(folder, name, request):
    python = request.getfixturevalue(PYTHONS[name]) if name in PYTHONS else sys.executable
    (folder / "program.py").write_text(BLOCKS[name])

    done = subprocess.run([python, "program.py"], cwd=folder, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    said = re.findall(r"^ *print\(.*\)  # (.+)$", BLOCKS[name], re.MULTILINE)
    if name == "clips":
        assert sorted(printed) == CLIPS.split("\n")[1:-1]
    elif name in REPEATED:
        assert printed == said * REPEATED[name]
    elif name == "tensorflow":
        assert printed == [said[0]] * 4 + said[1:], "two epochs of two batches"
    else:
        assert printed == said
        assert said
