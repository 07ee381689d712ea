"""Output directories on file systems that lack something, lose replies, or lose power."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from made_media import picture

pytestmark = pytest.mark.needs_redis
ODD = Path(__file__).parent / "odd_file_system"
SIZE = ("--size", "16x12")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        picture(folder / f"{number}.png", seed=number)
    return folder


@contextmanager
def mounted(place: Path, *arguments: object) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", *map(str, arguments), str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def block_device(image: Path, *, megabytes: int) -> str:
    """Return the loop device of a new file."""
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    losetup = ["losetup", "-f", "--show", str(image)]
    return subprocess.run(losetup, check=True, capture_output=True, text=True).stdout.strip()


def assert_sound(here, out: Path) -> None:
    verdict = here.run("verify", out, "--json")
    assert (verdict.code, verdict.json["problems"]) == (0, [])
    assert here.run("status", out, "--json").json["ok"] == 3


@pytest.mark.parametrize(
    "odd", ["lost-link", "no-links", "no-directory-sync", "no-locks", "no-links no-locks"]
)
def test_what_can_be_done_otherwise_is(here, media, tmp_path, out, *, odd):
    here.environment |= {
        "PYTHONPATH": str(ODD),
        "TEST_FILE_SYSTEM": odd,
        "TEST_LOST_ONCE": str(tmp_path / "lost"),
    }

    done = here.run("run", media, "--out", out, *SIZE)

    assert (done.code, (tmp_path / "lost").exists()) == (0, odd == "lost-link")
    assert_sound(here, out)
    assert here.run("status", out, "--json").json["state"] == "done"


def test_what_cannot_be_done_safely_is_refused_before_any_work(here, media, out):
    here.environment |= {
        "PYTHONPATH": str(ODD),
        "TEST_FILE_SYSTEM": "no-links no-exclusive-renames",
    }

    done = here.run("run", media, "--out", out, *SIZE)

    assert done.code == 1
    assert done.only_sentence == (
        f"expected a file system with hard links or exclusive renames, {out} lies on one without "
        "(Function not implemented): give another --out, and copy the result there"
    )
    assert not out.exists()


@pytest.mark.needs_exfat
def test_a_memory_card_s_file_system_is_refused_before_any_work(here, media, tmp_path):
    """exFAT has no links; its driver in user space has no exclusive renames either."""
    image, card = tmp_path / "image", tmp_path / "card"
    card.mkdir()
    device = block_device(image, megabytes=32)
    try:
        for program in (["mkfs.exfat", device], ["mount.exfat-fuse", device, str(card)]):
            subprocess.run(program, check=True, capture_output=True)
        done = here.run("run", media, "--out", card / "out", *SIZE)
    finally:
        subprocess.run(["umount", "--lazy", str(card)], check=True)
        subprocess.run(["losetup", "-d", device], check=True)

    assert done.code == 1
    assert "expected a file system with hard links or exclusive renames" in done.only_sentence


@pytest.mark.needs_tmpfs
def test_an_overlay_does(here, media, tmp_path):
    with mounted(tmp_path / "ram", "-t", "tmpfs", "none") as ram:
        lower, upper, work = (ram / name for name in ("lower", "upper", "work"))
        for folder in (lower, upper, work):
            folder.mkdir()
        layers = f"lowerdir={lower},upperdir={upper},workdir={work}"
        with mounted(tmp_path / "both", "-t", "overlay", "-o", layers, "overlay") as both:
            assert here.run("run", media, "--out", both / "out", *SIZE).code == 0
            assert_sound(here, both / "out")


@pytest.mark.needs_tmpfs
def test_once_a_job_is_done_all_of_it_survives_a_power_cut(here, media, tmp_path):
    """What the disk holds at the end is copied, as a power cut would leave it."""
    image, after = tmp_path / "image", tmp_path / "after.image"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    with mounted(tmp_path / "disk", "-o", "loop,commit=300", image) as disk:
        # Its journal is written every five minutes, so nothing is there that was not asked for.
        assert here.run("run", media, "--out", disk / "a" / "out", *SIZE).code == 0
        whole = sorted(os.listdir(disk / "a" / "out"))
        sizes = {name: (disk / "a" / "out" / name).stat().st_size for name in whole}
        shutil.copyfile(image, after)
    with mounted(tmp_path / "revived", "-o", "loop", after) as disk:
        out = disk / "a" / "out"
        plain = {name for name in whole if (out / name).is_file()} - {".lock"}

        assert set(whole) - set(os.listdir(out)) == set()
        assert {n: (out / n).stat().st_size for n in plain} == {n: sizes[n] for n in plain}
        assert {"job.json", "classes.json", "files.parquet", "report.html"} < plain
        assert_sound(here, out)
