"""A long video is several items that several slots work on, and their frames are those of one."""

import os
import subprocess

import pyarrow.parquet as pq
import pytest

from correctness.ways import item_of
from shardmill.contract.location.roots import Roots
from shardmill.contract.schema import Item
from shardmill.contract.spec import Spec
from shardmill.dataset.index import open_index
from shardmill.dataset.layout import Layout
from shardmill.report.verify import verify
from shardmill_worker.engine import division
from shardmill_worker.engine.extract import extract_batch
from shardmill_worker.engine.probe import probe_item
from shardmill_worker.engine.work import ExtractWork

Stored = list[tuple[int, int, bytes]]
"""Number in the source, time, and bytes of each frame."""


def stored(out: str, shard: str) -> list[Stored]:
    """The frames of each clip of a shard."""
    layout = Layout(out)
    clips = []
    with open(layout.shard(shard), "rb") as file:
        for clip in open_index(layout.index_of(shard)).to_pylist():
            places = zip(clip["length"], clip["offset"], strict=True)
            frames = [os.pread(file.fileno(), *place) for place in places]
            clips.append(list(zip(clip["source_index"], clip["pts_ns"], frames, strict=True)))
    return clips


def extracted(root: str, out: str, items: tuple[Item, ...], spec: Spec) -> list[Stored]:
    """The frames of each item, extracted in this process."""
    facts = tuple(probe_item(root, item) for item in items)
    work = ExtractWork(
        roots=Roots.of(root),
        out=out,
        spec=spec,
        batch_id=f"b{len(items)}",
        attempt="a",
        worker="w",
        items=items,
        facts=facts,
    )
    Layout(out).make()
    os.makedirs(work.tmp, exist_ok=True)
    outcomes = list(extract_batch(work, lambda: None))
    assert {outcome.error_message for outcome in outcomes} == {None}
    return stored(out, work.shard)


@pytest.fixture
def eager(monkeypatch) -> None:
    """Whatever lasts a moment is a long video."""
    monkeypatch.setattr(division, "PART_S", 0.001)
    monkeypatch.setattr(division, "LEAST_KEPT", 4)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="all"),
        pytest.param({"fps": 7.0}, id="a rate"),
        pytest.param({"every": 3}, id="every third"),
        pytest.param({"start_s": 0.4, "max_frames": 25}, id="a range"),
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("clips/decord__flipping_a_pancake.mkv", id="long groups"),
        pytest.param("clips/mozmt__gizmo.mp4", id="H.264"),
        pytest.param("clips/mozmt__sync.webm", id="VP9"),
        pytest.param("odd_video/media3__edit_list_positive_shift.mp4", id="edit list"),
        pytest.param("odd_video/mozmt__frame_order.mp4", id="B-frames"),
        pytest.param("odd_video/mozmt__no-cues.webm", id="no index"),
        pytest.param("odd_video/mux.js__test-segment.ts", id="a piece of a broadcast"),
    ],
)
def test_the_parts_of_a_video_are_the_whole(corpus, eager, tmp_path, name, options):
    """Files by many hands."""
    root, out = str(corpus), str(tmp_path)
    whole, spec = item_of(root, name), Spec(size="32x24", **options)
    items = division.items_of(root, whole, probe_item(root, whole), spec, lambda: None)
    assert len(items) > 1 or options

    pieces = extracted(root, out, items, spec)

    (serial,) = extracted(root, str(tmp_path / "serial"), (whole,), spec)
    assert [frame for piece in pieces for frame in piece] == serial
    assert min(map(len, pieces)) >= 4


UNEVEN = "testsrc=size=64x48:rate=25:duration=12,setpts=PTS+0.3*trunc(N/7)/TB"


@pytest.mark.parametrize("options", [{}, {"fps": 3.0}], ids=str)
def test_the_parts_of_an_uneven_video_are_the_whole(ffmpeg, eager, tmp_path, options):
    encoder = "-c:v libx264 -g 40 -bf 3 -pix_fmt yuv420p -fps_mode passthrough".split()
    source = ["-f", "lavfi", "-i", UNEVEN]
    subprocess.run([ffmpeg, "-v", "error", *source, *encoder, str(tmp_path / "a.mkv")], check=True)
    root, spec = str(tmp_path), Spec(**options)
    whole = item_of(root, "a.mkv")

    items = division.items_of(root, whole, probe_item(root, whole), spec, lambda: None)

    assert len(items) > 3
    pieces = extracted(root, str(tmp_path / "parts"), items, spec)
    (serial,) = extracted(root, str(tmp_path / "serial"), (whole,), spec)
    assert [frame for piece in pieces for frame in piece] == serial
    assert len(serial) == (300 if not options else 74)  # a tick each third of 24.6 s


LONG = "testsrc=size=640x360:rate=25:duration=80"
"""2000 frames; as PNG they are foreseen to take 0.8 GB: four parts, two a slot."""


@pytest.mark.needs_redis
def test_a_long_video_is_shared_among_slots(ffmpeg, tmp_path, home):
    media, out = tmp_path / "in", tmp_path / "out"
    media.mkdir()
    encoder = "-c:v libx264 -preset ultrafast -bf 2 -g 100 -pix_fmt yuv420p".split()
    source = ["-f", "lavfi", "-i", LONG]
    subprocess.run([ffmpeg, "-v", "error", *source, *encoder, str(media / "long.mp4")], check=True)

    told = home.run("run", media, "--out", out, "--jobs", "2", "--encoding", "png", "--json").json

    rows = pq.read_table(out / "files.parquet").to_pylist()
    assert [(row["segment"], row["segments"]) for row in rows] == [(n, 4) for n in range(4)]
    assert len({row["shard"] for row in rows}) == 4, "each part is a batch of its own"
    assert (told["inputs"], told["ok"], told["frames"]) == (4, 4, 2000)
    assert told["bytes_in"] == (media / "long.mp4").stat().st_size
    assert verify(str(out)).problems == ()
    frames = [f for row in rows for clip in stored(str(out), row["shard"]) for f in clip]
    assert [number for number, _, _ in frames] == list(range(2000))
    assert [time_ns for _, time_ns, _ in frames] == [n * 40_000_000 for n in range(2000)]


@pytest.mark.needs_redis
def test_a_video_becomes_clips_of_the_length_asked_for(ffmpeg, tmp_path, home):
    """11 s at 25 Hz: clips of 4 s that begin every 3 s hold 100, 100, 100 and 50 frames."""
    media, out = tmp_path / "in", tmp_path / "out"
    (media / "a").mkdir(parents=True)
    source = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=11"]
    encoder = "-c:v libx264 -bf 2 -g 30 -pix_fmt yuv420p".split()
    subprocess.run(
        [ffmpeg, "-v", "error", *source, *encoder, str(media / "a" / "1.mp4")], check=True
    )
    subprocess.run(
        [ffmpeg, "-v", "error", *source, "-frames:v", "1", str(media / "a" / "2.png")], check=True
    )
    (media / "a" / "3.mp4").write_bytes(b"no video")
    command = ("run", media, "--out", out, "--clip-seconds", "4", "--clip-stride", "3", "--json")

    told = home.run(*command).json

    assert (told["inputs"], told["ok"], told["failed"], told["clips"]) == (6, 5, 1, 5)
    rows = pq.read_table(out / "files.parquet").to_pylist()
    clips = [row for row in rows if row["path"] == "a/1.mp4"]
    assert [row["clip_start_ns"] for row in clips] == [n * 3 * 10**9 for n in range(4)]
    assert [row["frames_kept"] for row in clips] == [100, 100, 100, 50]
    assert {row["label"] for row in clips} == {"a"}
    assert sum(row["frames_decoded"] for row in clips) == 275, "each frame once"
    numbers = [
        [number for number, _, _ in clip]
        for row in clips[:1]
        for clip in stored(str(out), row["shard"])
        if len(clip) > 1
    ]
    assert numbers == [list(range(n * 75, min(n * 75 + 100, 275))) for n in range(4)]
    assert verify(str(out)).problems == ()
    again = home.run(*command)
    assert again.json | {"seconds": 0} == told | {"seconds": 0}
    assert "2 of 3 inputs are done already" in again.err
