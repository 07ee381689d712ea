"""Skipping what nobody wants gives the frames of a plain decode, however a stream is built."""

import multiprocessing
import os
import subprocess
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from correctness.ways import item_of, read_ways
from engine_work import extract_work
from shardmill.contract.schema import Item
from shardmill.contract.spec import Spec
from shardmill.dataset.index import open_index
from shardmill.dataset.layout import Layout
from shardmill_worker.engine.extract import extract_batch
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.packets import survey
from shardmill_worker.engine.probe import probe_item

MOVING = "testsrc2=size=160x120:rate=25:duration=6"
X264 = "-c:v libx264 -preset fast -g 25 -pix_fmt yuv420p"
SKIPS, PLODS = True, False


def made(ffmpeg: str, path, options: str, source: str = MOVING) -> None:
    arguments = ["-f", "lavfi", "-i", source, *options.split(), str(path)]
    subprocess.run([ffmpeg, "-v", "error", *arguments], check=True)


@pytest.mark.parametrize(
    ("name", "options", "skips"),
    [
        ("closed.mp4", X264, SKIPS),
        ("pyramid.mp4", f"{X264} -bf 6 -x264-params b-pyramid=normal:ref=4", SKIPS),
        ("fragmented.mp4", f"{X264} -movflags frag_keyframe+empty_moov", SKIPS),
        ("closed.mkv", X264, SKIPS),
        ("closed.ts", X264, SKIPS),
        ("closed.flv", X264, SKIPS),
        ("many_slices.mp4", f"{X264} -x264-params slices=4", SKIPS),
        ("open.mp4", f"{X264} -x264-params open-gop=1:keyint=25:min-keyint=25", SKIPS),
        ("refresh.mp4", f"{X264} -x264-params intra-refresh=1:keyint=25", SKIPS),
        ("interlaced.mp4", f"{X264} -flags +ildct+ilme", PLODS),
        ("closed.h264", X264, PLODS),
        ("hevc.mp4", "-c:v libx265 -x265-params log-level=0:keyint=25:open-gop=0", SKIPS),
        ("hevc_open.mkv", "-c:v libx265 -x265-params log-level=0:keyint=25:open-gop=1", SKIPS),
        (
            "hevc_layers.mp4",
            "-c:v libx265 -x265-params log-level=0:keyint=25:temporal-layers=2:bframes=3",
            SKIPS,
        ),
        ("vp8.webm", "-c:v libvpx -g 25 -auto-alt-ref 0", SKIPS),
        ("vp8_hidden.webm", "-c:v libvpx -g 25 -auto-alt-ref 1 -lag-in-frames 16", SKIPS),
        ("vp9.webm", "-c:v libvpx-vp9 -g 25 -lag-in-frames 16 -cpu-used 8", SKIPS),
        ("av1.mp4", "-c:v libaom-av1 -g 25 -cpu-used 8 -usage realtime -row-mt 1", SKIPS),
        ("mjpeg.avi", "-c:v mjpeg -q:v 3", SKIPS),
        ("prores.mov", "-c:v prores", SKIPS),
        ("mpeg2.ts", "-c:v mpeg2video -g 25 -bf 2", PLODS),
        ("mpeg4.avi", "-c:v mpeg4 -g 25 -bf 2", PLODS),
    ],
)
def test_every_policy_gives_the_frames_of_a_plain_decode(ffmpeg, tmp_path, name, options, skips):
    made(ffmpeg, tmp_path / name, options)

    read = read_ways(str(tmp_path), name)

    assert read.frames == 150
    assert read.differences == []
    assert (read.decoded["3 given times"] < 100) == skips


def test_a_picture_that_is_no_reference_is_not_decoded_for_its_neighbours(ffmpeg, tmp_path):
    """Of I b B b P, at every fourth frame, only what the others stand on is decoded."""
    made(ffmpeg, tmp_path / "b.mp4", f"{X264} -bf 3 -x264-params b-adapt=0:scenecut=0")

    read = read_ways(str(tmp_path), "b.mp4")

    assert read.differences == []
    assert 50 < read.decoded["every 3rd"] < 125


def test_times_of_decoding_are_not_taken_for_times_of_showing(ffmpeg, tmp_path):
    """A raw stream has no times; a muxer that is given it counts packets."""
    made(ffmpeg, tmp_path / "raw.h264", f"{X264} -bf 3")
    copy = ["-r", "25", "-i", str(tmp_path / "raw.h264"), "-c", "copy", str(tmp_path / "late.avi")]
    subprocess.run([ffmpeg, "-v", "error", *copy], check=True)

    assert read_ways(str(tmp_path), "late.avi").differences == []


def extract(root: str, out: str, item: Item) -> str:
    """Extract one item as a decoder would; return its shard's name."""
    facts, spec = [probe_item(root, item)], Spec(fps=10, size="80x60")
    work = extract_work(root, out, [item], facts, spec, batch_id=f"b{item.segment}")
    (outcome,) = extract_batch(work, lambda: None)
    assert outcome.status == "ok", outcome.error_message
    return work.shard


def stored(out: str, shard: str) -> list[tuple[int, int, bytes]]:
    """Source index, time and bytes of each frame."""
    layout = Layout(out)
    (clip,) = open_index(layout.index_of(shard)).to_pylist()
    with open(layout.shard(shard), "rb") as file:
        frames = [
            os.pread(file.fileno(), length, offset)
            for offset, length in zip(clip["offset"], clip["length"], strict=True)
        ]
    return list(zip(clip["source_index"], clip["pts_ns"], frames, strict=True))


def test_ranges_on_several_decoders_give_what_one_gives(ffmpeg, tmp_path):
    made(ffmpeg, tmp_path / "long.mp4", f"{X264} -bf 3")
    root, out = str(tmp_path), str(tmp_path / "out")
    whole = item_of(root, "long.mp4")
    ranges = survey(partial(open_media, root, whole), lambda: None).timeline.ranges(4)
    items = [
        replace(whole, segment=n, start_ns=start_ns, end_ns=end_ns)
        for n, (start_ns, end_ns) in enumerate(ranges)
    ]

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(items), mp_context=context) as decoders:
        shards = list(decoders.map(extract, [root] * 4, [out] * 4, items))

    pieces = [frame for shard in shards for frame in stored(out, shard)]
    assert len(items) == 4
    assert pieces == stored(out, extract(root, out, replace(whole, segment=9)))
    assert len(pieces) == 60


def test_the_same_work_gives_the_same_bytes_in_any_process(ffmpeg, tmp_path):
    made(ffmpeg, tmp_path / "clip.mp4", X264)
    root = str(tmp_path)
    item = item_of(root, "clip.mp4")

    def files(out: str) -> dict[str, bytes]:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as decoder:
            shard = decoder.submit(extract, root, out, item).result()
        layout = Layout(out)
        paths = (layout.shard(shard), layout.index_of(shard))
        return {path.removeprefix(out): Path(path).read_bytes() for path in paths}

    assert files(str(tmp_path / "one")) == files(str(tmp_path / "two"))
