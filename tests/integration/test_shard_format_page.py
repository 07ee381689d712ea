"""What docs/shard-format.md says is so: its programs are run and its dumps are compared.

A fenced block under ``<!-- run: name -->`` is run beside an output directory named ``out``; one
under ``<!-- dump: format -->`` shows bytes of a shard, ``...`` standing for some left out.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import shardmill
from made_clips import FORMATS
from made_media import picture, video
from shardmill.contract.schema import Item
from shardmill.read import open_shards
from shardmill_worker.engine.shards import Clip, StoredFrame, open_shard
from source_tree import ROOT

PAGE = (ROOT / "docs" / "shard-format.md").read_text("utf-8")
BLOCKS = {
    (kind, name): text
    for kind, name, text in re.findall(
        r"^<!-- (run|dump): (\w+) -->\n```\w*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
    )
}
COLOURS = ("ff000000ff00", "0000ffffffff")
"""Red and green; blue and white."""
LINE = re.compile(r"([0-9a-f]{8})  ((?:[0-9a-f]{2} )+) *\|(.+)\|")


def test_every_block_of_the_page_is_known_to_these_tests():
    known = {("dump", name) for name in FORMATS} | {("run", name) for name in FORMATS}

    assert set(BLOCKS) == known | {("run", "reader")}
    assert PAGE.count("<!-- ") == len(BLOCKS)


@pytest.fixture
def shard(tmp_path, shard_format) -> tuple[bytes, list[int]]:
    """The bytes of the shard that the page shows, and where its frames begin."""
    clip = Clip(
        item=Item(path="jump/1.mp4", size_bytes=1, mtime_ns=1, label="jump", label_id=3),
        clip_id="0123456789abcdef",
        encoding="raw",
        width=2,
        height=1,
        fps=25.0,
        frames=[
            StoredFrame(bytes.fromhex(pixels), pts_ns=k * 40_000_000, source_index=k, keyframe=True)
            for k, pixels in enumerate(COLOURS)
        ],
    )
    writer = open_shard(shard_format, str(tmp_path / "shard"))
    placed = writer.add(clip)
    writer.finish()
    return (tmp_path / "shard").read_bytes(), placed.frame_offset.tolist()


@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_dump_shows_the_bytes_that_are_written(shard, shard_format):
    data, _ = shard
    lines = BLOCKS["dump", shard_format].splitlines()
    shown = [line for line in lines if line != "..."]

    for line in shown:
        start, octets, text = LINE.fullmatch(line).groups()
        row = data[int(start, 16) :][:16]
        assert bytes.fromhex(octets) == row, line
        assert text == "".join(chr(b) if 32 <= b < 127 else "." for b in row), line
    assert len(shown) >= 5


@pytest.mark.parametrize("shard_format", FORMATS)
def test_the_page_says_where_the_frames_begin(shard, shard_format):
    data, offsets = shard
    after = PAGE.partition(f"<!-- dump: {shard_format} -->")[2].partition("The index says")[2]
    said = re.match(r" `offset` (\d+) \(`([0-9a-f]+)`\) and (\d+)", after)

    assert [int(said[1]), int(said[3])] == offsets
    assert int(said[2], 16) == offsets[0]
    assert [data[start : start + 6].hex() for start in offsets] == list(COLOURS)


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    video(folder / "a" / "1.mp4")
    video(folder / "b" / "2.mp4", frames=9)
    picture(folder / "b" / "3.png")
    return folder


def made_here(media: Path, folder: Path, shard_format: str) -> list[str]:
    """Do a job in ``folder/out``; return what a program that reads it prints, line by line."""
    options = {"fit": "24x24", "pad": True, "format": shard_format}
    if shard_format == "npy":
        options["encoding"] = "raw"
    shardmill.run(str(media), out=str(folder / "out"), spec=shardmill.Spec(**options))
    clips = [
        f"{clip.path} {clip.label_id} {len(clip)} 24 24 3" for clip in open_shards(folder / "out")
    ]
    assert sorted(clips) == ["a/1.mp4 0 5 24 24 3", "b/2.mp4 1 9 24 24 3", "b/3.png 1 1 24 24 3"]
    return sorted(clips)


def printed(python: str, program: str, folder: Path) -> list[str]:
    """Run a program; nothing of ours may be in its process."""
    alone = "\nimport sys\nassert not {'shardmill', 'shardmill_worker'} & set(sys.modules)"
    command = [python, "-c", program + alone]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return sorted(done.stdout.splitlines())


@pytest.mark.needs_redis
@pytest.mark.parametrize("shard_format", FORMATS)
def test_the_reader_of_the_page_reads_every_format(media, tmp_path, shard_format):
    expected = made_here(media, tmp_path, shard_format)

    assert printed(sys.executable, BLOCKS["run", "reader"], tmp_path) == expected


@pytest.mark.needs_redis
@pytest.mark.parametrize(
    ("shard_format", "needs"),
    [
        ("tfrecord", "tensorflow_python"),
        ("webdataset", "webdataset_python"),
        ("hdf5", None),
        ("npy", None),
    ],
)
def test_the_program_of_each_format_reads_it(media, tmp_path, shard_format, needs, request):
    python = request.getfixturevalue(needs) if needs else sys.executable
    expected = made_here(media, tmp_path, shard_format)

    assert printed(python, BLOCKS["run", shard_format], tmp_path) == expected
