"""Damaged files of every kind: each has exactly one row, and none takes anything else with it.

The seeds are fixed, so every run meets the same damage; a file that is found to do harm can be
made again from its name.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import rows, shell
from made_media import video
from mutants import mutant
from shardmill.report.verify import verify

pytestmark = [pytest.mark.needs_redis, pytest.mark.timeout(600)]

SMALL_BYTES = 150_000
FEW, MANY = range(10), range(10, 150)
"""Seeds."""
DID_HARM = (
    2573,  # asked libav for gigabytes: blamed on memory
    2714,  # sent libav to a place before the file: blamed on the disk
    6460,
    6880,
)
"""Seeds that were found among twenty thousand."""
PICTURES = ("jpg", "png", "gif", "bmp", "tif", "webp", "tga", "jp2", "ico")
CONTAINERS = ("mp4", "mkv", "avi", "mov", "ts", "nut", "3gp")


def made(folder: Path) -> list[tuple[str, bytes]]:
    """Sound files of every format that can be made here."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    images = [Image.fromarray(np.roll(noise, shift, 0)) for shift in range(3)]
    Image.init()
    sources = []
    for suffix in PICTURES:
        file = io.BytesIO()
        frames = {"save_all": True, "append_images": images[1:]} if suffix == "gif" else {}
        images[0].save(file, Image.EXTENSION[f".{suffix}"], **frames)
        sources.append((f"made.{suffix}", file.getvalue()))
    for suffix in CONTAINERS:
        path = video(folder / f"made.{suffix}", frames=12, rate_hz=25)
        sources.append((path.name, path.read_bytes()))
    return sources


def found(corpus: Path) -> list[tuple[str, bytes]]:
    """Sound files by many hands."""
    paths = sorted(
        p for kind in ("clips", "images", "odd_video") for p in (corpus / kind).iterdir()
    )
    small = [path for path in paths if 0 < path.stat().st_size <= SMALL_BYTES]
    assert len(small) > 300
    return [(path.name, path.read_bytes()) for path in small]


def assert_harmless(sources: list[tuple[str, bytes]], folder: Path, seeds: Sequence[int]) -> None:
    media, out = folder / "in", folder / "out"
    media.mkdir()
    for seed in seeds:
        name, data = mutant(sources, seed)
        (media / name).write_bytes(data)
    names = {path.name for path in media.iterdir()}
    assert len(names) == len(seeds)
    with shell() as here:
        options = ("--include", "*", "--size", "64x48", "--max-frames", "30")
        done = here.run("run", media, "--out", out, *options, "--json")

    answers = rows(out)
    assert done.code == 3, done.err
    assert answers.keys() == names
    harm = {"internal", "crash", "timeout", "memory", "unreadable", "changed"}
    assert {name: answer for name, answer in answers.items() if answer in harm} == {}
    assert done.json["inputs"] == done.json["ok"] + done.json["failed"] + done.json["skipped"]
    assert done.json["ok"] >= max(1, len(names) // 20), "nothing but failures would show little"
    assert verify(str(out)).problems == ()


@pytest.mark.parametrize("seeds", [FEW, MANY], ids=["few", "many"])
def test_damaged_files_of_every_format_do_no_harm(tmp_path, seeds):
    assert_harmless(made(tmp_path / "sources"), tmp_path, seeds)


@pytest.mark.needs_corpus
@pytest.mark.parametrize("seeds", [FEW, [*MANY, *DID_HARM]], ids=["few", "many"])
def test_damaged_files_by_many_hands_do_no_harm(corpus, tmp_path, seeds):
    assert_harmless(found(corpus), tmp_path, seeds)
