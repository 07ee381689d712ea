"""A long video is several items that several slots work on, and their frames are those of one."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from correctness.ways import item_of
from engine_work import extract_work
from shardmill.contract.schema import Item
from shardmill.contract.spec import Spec
from shardmill.dataset.index import open_index
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout
from shardmill.read import ClipDataset, open_shards
from shardmill.read.shards import Shards
from shardmill.report import store, summary
from shardmill.report.verify import Problem, verify
from shardmill_worker.engine import division
from shardmill_worker.engine.extract import extract_batch
from shardmill_worker.engine.probe import probe_item

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


def kept(root: str, out: str, items: tuple[Item, ...], spec: Spec, *, apart: bool) -> Shards:
    """The clips that items become, all in one shard or each in its own; extracted here."""
    layout = Layout(out)
    layout.make()
    batches = [[item] for item in items] if apart else [list(items)]
    for number, batch in enumerate(batches):
        facts = [probe_item(root, item) for item in batch]
        work = extract_work(root, out, batch, facts, spec, batch_id=f"b{number}")
        outcomes = list(extract_batch(work, lambda: None))
        assert spec.keep_partial or {outcome.error_message for outcome in outcomes} == {None}
        os.rename(work.part_tmp, layout.part(f"b{number}"))
    return open_shards(out)


@pytest.mark.parametrize("apart", [True, False], ids=["a shard each", "one shard"])
@pytest.mark.parametrize("shard_format", ["tfrecord", "hdf5", "webdataset", "npy"])
def test_windows_of_a_cut_video_are_those_of_the_whole(
    ffmpeg, eager, tmp_path, shard_format, apart
):
    root = str(tmp_path / "in")
    os.mkdir(root)
    made(ffmpeg, "testsrc=size=64x48:rate=25:duration=12", tmp_path / "in" / "a.mp4")
    encoding = "raw" if shard_format == "npy" else "jpeg"
    spec = Spec(size="32x24", format=shard_format, encoding=encoding, fps=5)
    whole = item_of(root, "a.mp4")
    items = division.items_of(root, whole, probe_item(root, whole), spec, lambda: None)
    assert len(items) > 2

    cut = ClipDataset(kept(root, str(tmp_path / "cut"), items, spec, apart=apart), window=7)
    uncut = ClipDataset(kept(root, str(tmp_path / "uncut"), (whole,), spec, apart=True), window=7)

    assert len(cut.clips[0].parts) == len(items)
    assert len(cut) == len(uncut) == 60 - 6
    for ours, theirs in zip(cut, uncut, strict=True):
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    pts_ns = cut.clips[0].pts_ns
    assert (np.diff(pts_ns) > 0).all()
    index = [part.entry.frames.source_index for part in cut.clips[0].parts]
    assert (np.diff(np.concatenate(index)) > 0).all()
    assert not store_problems(str(tmp_path / "cut"), spec)


@pytest.mark.parametrize("into_part", [0, 3], ids=["its first frame", "later"])
def test_what_is_kept_of_a_damaged_video_does_not_depend_on_the_cut(
    ffmpeg, eager, tmp_path, into_part
):
    """The third part begins with the damage, or has it behind some frames."""
    root = str(tmp_path / "in")
    os.mkdir(root)
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-sc_threshold", "0")
    path = made(ffmpeg, "testsrc2=size=128x96:rate=25:duration=12", Path(root, "a.mp4"), *encoder)
    spec = Spec(size="32x24", keep_partial=True)
    whole = item_of(root, "a.mp4")
    items = division.items_of(root, whole, probe_item(root, whole), spec, lambda: None)
    assert len(items) > 3
    first = items[2].start_ns * 25 // 10**9
    damage(ffmpeg, path, first + into_part)
    os.utime(path, ns=(whole.mtime_ns, whole.mtime_ns))

    cut = kept(root, str(tmp_path / "cut"), items, spec, apart=True)
    uncut = kept(root, str(tmp_path / "uncut"), (whole,), spec, apart=True)

    assert [len(clip) for clip in cut] == [len(clip) for clip in uncut] == [first + into_part]
    assert cut[0].clip_id == uncut[0].clip_id
    assert np.array_equal(cut[0].frames(), uncut[0].frames())
    for name in ("cut", "uncut"):
        assert not store_problems(str(tmp_path / name), spec)
        tally = summary.tally(str(tmp_path / name))
        assert (tally.ok, tally.partial, tally.frames) == (1, 1, first + into_part)


def store_problems(out: str, spec: Spec) -> tuple[Problem, ...]:
    """What verify finds in an output directory that was made here."""
    Job(name="j", root="/in", out=out, spec=spec, inputs=1).write()
    return verify(out, deep=True).problems


def extracted(root: str, out: str, items: tuple[Item, ...], spec: Spec) -> list[Stored]:
    """The frames of each item, extracted in this process."""
    facts = tuple(probe_item(root, item) for item in items)
    work = extract_work(root, out, items, facts, spec, batch_id=f"b{len(items)}")
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

    (row,) = pq.read_table(out / "files.parquet").to_pylist()
    assert (row["segments"], row["clips"], row["parts"], row["frames_kept"]) == (4, 1, 4, 2000)
    assert len(row["shards"]) == 4, "each part is a batch of its own"
    assert (told["inputs"], told["ok"], told["clips"], told["frames"]) == (1, 1, 1, 2000)
    assert told["bytes_in"] == (media / "long.mp4").stat().st_size
    assert verify(str(out)).problems == ()
    (clip,) = open_shards(out)
    numbers = [part.entry.frames.source_index for part in clip.parts]
    assert np.concatenate(numbers).tolist() == list(range(2000))
    assert clip.pts_ns.tolist() == [n * 40_000_000 for n in range(2000)]


def made(ffmpeg: str, source: str, target: Path, *encoder: str) -> Path:
    options = encoder or ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "100")
    subprocess.run(
        [
            ffmpeg,
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            source,
            *options,
            "-pix_fmt",
            "yuv420p",
            target,
        ],
        check=True,
    )
    return target


def damage(ffmpeg: str, video: Path, packet: int) -> None:
    """Overwrite the middle of one packet; its size, and those around it, stay as they are."""
    asked = [
        "-v",
        "error",
        "-select_streams",
        "v",
        "-show_entries",
        "packet=pos,size",
        "-of",
        "csv=p=0",
    ]
    program = Path(ffmpeg).with_name("ffprobe")
    told = subprocess.run([program, *asked, video], capture_output=True, text=True, check=True)
    size, position = map(int, told.stdout.split()[packet].strip(",").split(","))
    with open(video, "rb+") as file:
        file.seek(position + size // 4)
        file.write(np.random.default_rng(7).bytes(size // 2))


@pytest.fixture(scope="module")
def mixed(ffmpeg, tmp_path_factory) -> Path:
    """A long video among two short ones, a picture and what is none."""
    media = tmp_path_factory.mktemp("mixed")
    made(ffmpeg, LONG, media / "long.mp4")
    for name in ("a.mp4", "z.mp4"):
        made(ffmpeg, "testsrc=size=64x48:rate=25:duration=2", media / name)
    made(ffmpeg, "testsrc=size=64x48:rate=1:duration=1", media / "p.png", "-frames:v", "1")
    (media / "none.mp4").write_bytes(b"no video")
    return media


@pytest.mark.needs_redis
def test_every_display_counts_files(mixed, tmp_path, home):
    out = tmp_path / "out"

    ran = home.run("run", mixed, "--out", out, "--encoding", "png", "--json")

    counts = {"inputs": 5, "ok": 4, "failed": 1, "skipped": 0, "clips": 4, "frames": 2101}
    assert ran.code == 3
    told = {
        "run": ran.json,
        "status": home.run("status", out, "--json").json,
        "summary": json.loads((out / "summary.json").read_text()),
    }
    for name, found in told.items():
        assert {key: found[key] for key in counts} == counts, name
    assert pq.read_metadata(out / "files.parquet").num_rows == 5
    asked = "select (select count(*) from files), (select count(*) from clips)"
    assert home.run("query", out, asked, "--csv").out.splitlines()[1] == "5,4"
    lines = home.run("query", out, "select count(*) from parts", "--csv").out.splitlines()
    assert lines[1] == "8"
    assert "5 inputs = 4 ok + 1 failed" in home.run("verify", out).out
    assert "5 inputs" in (out / "report.html").read_text()
    assert len(open_shards(out)) == 4
    again = home.run("run", mixed, "--out", out, "--encoding", "png", "--json")
    assert again.json | {"seconds": 0} == ran.json | {"seconds": 0}
    assert "4 of 5 inputs are done already" in again.err


@pytest.mark.needs_redis
def test_a_long_video_with_a_damaged_part_fails_as_a_whole(ffmpeg, tmp_path, home):
    """Frame 1,250 lies in the third of four parts."""
    media, out = tmp_path / "in", tmp_path / "out"
    media.mkdir()
    damage(ffmpeg, made(ffmpeg, LONG, media / "long.mp4"), 1250)
    made(ffmpeg, "testsrc=size=64x48:rate=25:duration=2", media / "a.mp4")

    ran = home.run("run", media, "--out", out, "--encoding", "png", "--json")

    told = ran.json
    assert (ran.code, told["inputs"], told["ok"], told["failed"]) == (3, 2, 1, 1)
    assert (told["clips"], told["frames"], told["failures"]) == (1, 50, {"corrupt": 1})
    assert verify(str(out)).problems == ()
    assert [clip.path for clip in open_shards(out)] == ["a.mp4"]
    failed = home.run("failures", out).out
    assert "long.mp4" in failed
    assert "long.mp4 " not in failed, "no part is named"


@pytest.mark.needs_redis
def test_of_a_damaged_long_video_that_is_kept_which_is_kept_of_one_piece(ffmpeg, tmp_path, home):
    """As JPEG of 64x36 the same video is little work, and is not cut."""
    media = tmp_path / "in"
    media.mkdir()
    damage(ffmpeg, made(ffmpeg, LONG, media / "long.mp4"), 1250)
    ways = {"cut": ("--encoding", "png"), "whole": ("--size", "64x36")}

    clips = {}
    for name, way in ways.items():
        out = tmp_path / name
        told = home.run("run", media, "--out", out, *way, "--keep-partial", "--json").json
        assert (told["inputs"], told["ok"], told["partial"], told["clips"]) == (1, 1, 1, 1)
        assert verify(str(out)).problems == ()
        (clips[name],) = open_shards(out)
        assert len(clips[name]) == told["frames"]

    assert len(clips["cut"].parts) == 3
    assert len(clips["whole"].parts) == 1
    assert clips["cut"].pts_ns.tolist() == clips["whole"].pts_ns.tolist()
    assert 1000 < len(clips["cut"]) <= 1250
    assert clips["cut"].clip_id == clips["whole"].clip_id


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

    assert (told["inputs"], told["ok"], told["failed"], told["clips"]) == (3, 2, 1, 5)
    files = pq.read_table(out / "files.parquet").to_pylist()
    assert [(row["path"], row["clips"]) for row in files] == [
        *(("a/1.mp4", 4), ("a/2.png", 1), ("a/3.mp4", 0))
    ]
    with store.query(str(out), "from parts where path = 'a/1.mp4' order by segment") as answer:
        clips = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    assert files[0]["clip_ids"] == [row["clip_id"] for row in clips]
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
