"""The programs of docs/annotations.md print what stands beside them.

A block under ``<!-- file: name -->`` is a file, one under ``<!-- run: name -->`` a program that is
run beside all files.  It prints what follows ``# `` behind a ``print`` or alone in a line.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from made_media import video
from pages import follow, installed
from shardmill.annotations.presets import FAMILIES, PRESETS, SUFFIXES
from shardmill.annotations.records import Kind
from source_tree import ROOT

PAGE = (ROOT / "docs" / "annotations.md").read_text("utf-8")
BLOCK = r"^<!-- {}: (\S+) -->\n```{}\n(.*?)^```$"


def blocks(kind: str, language: str) -> dict[str, str]:
    return dict(re.findall(BLOCK.format(kind, language), PAGE, re.MULTILINE | re.DOTALL))


FILES = blocks("file", "text")
PROGRAMS = blocks("run", "python")


UCF101 = ["ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01", "YoYo/v_YoYo_g01_c01"]


@pytest.mark.needs_redis
@pytest.mark.timeout(600)
def test_the_commands_go_as_the_page_says(tmp_path):
    here = tmp_path / "here"
    for name in ("videos/kitchen/a.mp4", "videos/kitchen/b.mp4", "videos/kitchen/c.mp4"):
        video(here / name, frames=30)
    for name in UCF101:
        video(here / "UCF-101" / f"{name}.avi", frames=30)
    for name, content in FILES.items():
        (here / name).write_text(content, "utf-8")

    follow(PAGE, here, installed(tmp_path / "bin"))


@pytest.fixture
def folder(tmp_path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, "utf-8")
    return tmp_path


def test_every_block_of_the_page_is_run():
    assert set(PROGRAMS) == {"own", "nested", "matching", "strict"}
    assert PAGE.count("```python") == len(PROGRAMS)
    assert PAGE.count("```text") == len(FILES)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_stands_beside_it(folder, name):
    (folder / "program.py").write_text(PROGRAMS[name], "utf-8")

    done = subprocess.run(
        [sys.executable, "program.py"], cwd=folder, capture_output=True, text=True, encoding="utf-8"
    )

    assert (done.returncode, done.stderr) == (0, "")
    said = re.findall(r"(?:^ *|\)  )# (.+)$", PROGRAMS[name], re.MULTILINE)
    assert done.stdout.splitlines() == said
    assert said


def test_the_page_names_every_preset_suffix_and_kind_of_fault():
    presets = {*PRESETS, *FAMILIES}
    assert {name for name in presets if f"`{name}`" in PAGE or f'"{name}"' in PAGE} == presets
    assert {suffix for suffix in SUFFIXES if f"`{suffix}`" in PAGE} == set(SUFFIXES)
    assert set(re.findall(r"^\| `([a-z]+)` \|", PAGE.rpartition("## ")[2], re.MULTILINE)) == set(
        Kind.__args__
    )
