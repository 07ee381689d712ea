"""The documentation's pictures are there, are pictures, and can be made anew."""

import re
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from browser import browser
from pictures import media, shots
from pictures.terminal import page, terminal
from source_tree import ROOT

PICTURE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<place>[^)]+)\)")
LARGEST_BYTES = 300_000


def named() -> list[tuple[str, Path]]:
    """What each page says of its photographs, and where they are; a plot is drawn, not taken."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [
        (found["text"], page.parent / found["place"])
        for page in pages
        for found in PICTURE.finditer(page.read_text("utf-8"))
        if not found["place"].endswith(".svg")
    ]


def test_every_picture_that_a_page_names_is_a_picture_of_sane_size():
    assert {path.name for _, path in named()} >= {"terminal.png", "report.png", "flower.png"}
    for text, path in named():
        assert len(text) > 10, f"{path.name} is not described for those who cannot see it"
        assert path.stat().st_size < LARGEST_BYTES
        with Image.open(path) as picture:
            picture.load()  # every byte, its checksums too
            assert picture.format == "PNG"
            assert 800 <= picture.width <= 2000
            assert 300 <= picture.height <= 2000
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 16, "nothing is on it"


def test_no_picture_is_left_over():
    there = {path.resolve() for path in (ROOT / "docs").glob("*.png")}

    assert there == {path.resolve() for _, path in named()}


@pytest.mark.needs_tmux
def test_a_terminal_shows_what_a_command_prints_in_its_colours(chromium, tmp_path):
    with terminal(tmp_path, columns=60, rows=12) as shown:
        screens = shown.watch("shardmill --version", timeout_s=90)
        shown.tmux("send-keys", "-t", "0", r"clear; printf '\e[31m<b>red\e[m\n'", "Enter")
        red = shown.watch("shardmill runn", timeout_s=90)[-1]
    (tmp_path / "page.html").write_text(page(("One", screens[-1]), ("Two", red)))

    with browser(chromium, tmp_path / "profile") as seen:
        seen.open(tmp_path / "page.html")
        text = seen.value("document.body.innerText")
        spans = "[...document.querySelectorAll('span')]"
        colour = f"getComputedStyle({spans}.find((s) => s.innerText == '<b>red')).color"

        assert "$ shardmill --version\nshardmill 0.1.0" in text
        assert "Did you mean 'run'?" in text
        assert seen.value(colour) == "rgb(224, 108, 117)"


@pytest.mark.needs_tmux
def test_a_run_and_its_report_are_photographed(chromium, ffmpeg, redis_server, tmp_path):
    media.make(tmp_path / "clips", ffmpeg, lengths_s=(1, 2, 1))

    with browser(chromium, tmp_path / "profile") as seen:
        ran = shots.of_terminal(seen, tmp_path)
        text = seen.value("document.body.innerText")
        report = shots.of_report(seen, tmp_path / "shards" / "report.html")

    assert "inputs   21: ok 19 · failed 2 · skipped 0" in text
    for png in (ran, report):
        with Image.open(BytesIO(png)) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 300
