"""The report tells what is in the manifest and the shards, and escapes whatever it is handed."""

import base64
import json
import os
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from msgspec.structs import replace

from out_dir import HEIGHT, WIDTH, OutDir, Video, failed, skipped
from shardmill.cli.jobs import run_command
from shardmill.cli.options import take_spec
from shardmill.contract.errors import EnvironmentFault, UsageError
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Job
from shardmill.report import summary
from shardmill.report.page import document

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "--><img src=x onerror=alert(3)>",
    '"><svg onload=alert(4)>',
    "{{ 7 * 7 }}",
    "' onmouseover='alert(5)",
    "</script ><b>",
    "<!--<script >",
)


class Page(HTMLParser):
    """What a browser would make of the page: text by place, scripts, attributes."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._in: list[str] = []
        self.feed(html)
        self.close()
        self.text = re.sub(r"\s+", " ", self.text)
        self.plots = {plot["id"]: plot for plot in json.loads(self.scripts[0])}

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._in.append(tag)
            if tag == "script":
                self.scripts.append("")
        elif tag in ("li", "td", "dt", "dd", "p", "h3", "div"):
            self.text += " "

    def handle_endtag(self, tag):
        if self._in and self._in[-1] == tag:
            self._in.pop()

    def handle_data(self, data):
        if not self._in:
            self.text += data
        elif self._in[-1] == "script":
            self.scripts[-1] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def out(tmp_path):
    return OutDir(str(tmp_path / "it's [out]*"))


def written(out: OutDir) -> Page:
    path = document.write(out.out, summary.status_of(out.out))
    assert path == out.layout.report
    assert os.listdir(out.layout.tmp) == []
    return Page(Path(path).read_text("utf-8"))


def ok(path: str, *, label: str | None = None, seconds: float = 0.0, **facts) -> Row:
    """A file that was probed and found sound."""
    return Row(
        Item(path=path, size_bytes=1000, mtime_ns=1, label=label),
        Facts(**({"kind": "video"} | facts)),
        Outcome(status="ok", seconds=seconds, worker="w1"),
    )


def test_it_says_in_one_sentence_what_was_done(out):
    out.shard("b1", Video("b.mp4", frames=2, duration_s=90), Video("a.mp4", duration_s=0.25))
    out.part("b0", failed("y.mp4", "timeout"), skipped("song.mp3"))
    out.job(started_s=1_792_267_200.0)  # 17 October 2026, 20:00 UTC
    summary.finish(out.job(started_s=1_792_267_200.0))

    page = written(out)

    assert (
        "On 17 October 2026 4 inputs (2.57 kB) of /videos became 2 clips with 5 JPEG frames "
        "in 1 TFRecord shard, in " in page.text
    )
    assert "; 1 input failed." in page.text
    for tile in ("4 inputs", "2 ok", "1 failed", "1 skipped", "1 min 30 s of video", "5 frames"):
        assert f" {tile} " in page.text


def test_in_mid_job_it_says_how_far_it_is(out):
    out.shard("b1", Video("b.mp4"))
    out.job(inputs=3)

    page = written(out)

    assert "1 of 3 inputs (1 kB) of /videos became 1 clip with 3 JPEG frames" in page.text
    assert "before it paused" in page.text
    assert summary.INTERRUPTED in page.text


def test_an_empty_manifest_has_a_report_too(out):
    out.job(inputs=0)

    page = written(out)

    assert "0 inputs (0 B) of /videos became 0 clips with 0 JPEG frames" in page.text
    assert page.plots == {}


def test_a_directory_of_something_else_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no job\.json"):
        document.write(str(tmp_path), None)

    assert os.listdir(tmp_path) == []


def test_a_report_that_cannot_be_put_in_place_leaves_nothing_behind(out):
    out.job(inputs=0)
    os.mkdir(out.layout.report)

    with pytest.raises(
        EnvironmentFault, match=r"expected to write .*report\.html, but: .*directory"
    ):
        written(out)

    assert os.listdir(out.layout.tmp) == []


def test_the_length_of_clips_is_told_as_people_quote_it(out):
    out.shard("b0", *(Video(f"{n}.mp4", frames=n) for n in (2, 3, 4, 5, 6)))
    out.job()

    plot = written(out).plots["clip_frames"]

    # The 95th percentile lies 0.95 x 4 = 3.8 steps above the first of five numbers.
    assert plot["numbers"] == [
        *(["min", "2"], ["mean", "4"], ["median", "4"], ["p95", "5.8"], ["max", "6"]),
    ]
    assert [(bar["x1"], bar["y"]) for bar in plot["data"]] == [(n, 1) for n in (2, 3, 4, 5, 6)]
    assert plot["data"][0]["tip"] == "2\n1  20.0%"


def test_sizes_that_are_nearly_equal_are_one_dot(out):
    sizes = [(1920, 1080)] * 3 + [(1918, 1080), (320, 240)]
    out.part(
        "b0",
        *(ok(f"{i}", display_width=w, display_height=h) for i, (w, h) in enumerate(sizes)),
        replace(  # the second part of a long one is no further file
            ok("0", display_width=1920, display_height=1080),
            item=Item(path="0", size_bytes=1, mtime_ns=1, segment=1, segments=2),
        ),
    )
    out.job()

    plots = written(out).plots

    assert [(dot["x"], dot["y"], dot["value"], dot["tip"]) for dot in plots["size"]["data"]] == [
        (1919.5, 1080, 4, "about 1920x1080\n4 files in 2 sizes\n3 are 1920x1080"),
        (320, 240, 1, "320x240\n1 file"),
    ]
    assert {"x": 3840, "y": 2160, "text": "4K"} in plots["size"]["marks"]
    assert [number for name, number in plots["aspect"]["numbers"] if name == "max"] == ["1.778"]


def test_rates_and_codecs_beyond_the_most_frequent_are_put_together(out):
    rows = [ok(f"{i}", fps=float(i), codec="h264") for i in range(1, 15)]
    out.part("b0", *rows, ok("again", fps=14.0, codec="vp9"))
    out.job()

    plots = written(out).plots

    bars = [(bar["name"], bar["value"]) for bar in plots["fps"]["data"]]
    assert bars[0] == ("14", 2)
    assert bars[-1] == ("2 others", 2)
    assert len(bars) == 13
    assert [bar["tip"] for bar in plots["codec"]["data"]] == ["h264\n14  93.3%", "vp9\n1  6.7%"]


def test_classes_come_by_their_size(out):
    out.shard("b0", Video("a/1", label="a", label_id=0), Video("b/1", label="b", label_id=1))
    lost = replace(
        failed("b/3", "corrupt"), item=Item(path="b/3", size_bytes=1, mtime_ns=1, label="b")
    )
    out.part("b1", ok("b/2", label="b"), lost)
    out.job()

    plot = written(out).plots["classes"]

    assert [(bar["name"], bar["value"], bar["tip"]) for bar in plot["data"]] == [
        ("b", 2, "b\n2 ok, 1 failed\n3 frames"),
        ("a", 1, "a\n1 ok, 0 failed\n3 frames"),
    ]
    assert plot["numbers"] == [["classes", "2"], ["largest", "2"], ["smallest", "1"]]


def test_failures_come_with_examples_and_the_command_that_retries_them(out):
    out.part("b1", *(failed(f"c{i}.mp4", "corrupt", f"no frame {i}") for i in range(7)))
    out.part("b2", failed("t.mp4", "timeout", "took 60 s"))
    out.job()

    text = written(out).text.partition("Time")[0]

    assert "corrupt 7" in text
    assert re.search(r"c4\.mp4 ?probe: no frame 4", text)
    assert "c5.mp4" not in text
    assert "and 2 more" in text
    assert f"shardmill retry {shlex.quote(out.out)} --class timeout" in text
    assert "Fetch the file again, or keep the frames before its damage with --keep-partial" in text


def test_odd_files_are_named(out):
    rows = {
        "Variable frame rate": ok("v", vfr=True, fps=29.5),
        "Rotated or mirrored": ok("r", rotation_deg=90, mirrored=True),
        "HDR (PQ or HLG): frames are kept as they are": ok("h", hdr=True, pix_fmt="yuv420p10le"),
        "Pixels that are not square": ok("p", kind="video", sample_aspect="64:45"),
        "Size that changes on the way: later frames are fitted to the first": ok(
            "c", size_changes=3
        ),
        "Several still pictures: the first is taken": ok("m", kind="image", pages=6),
        "Several video streams: FFmpeg's default is used": ok("s", video_streams=2),
        "Header that lies about the number of frames": ok(
            "l", frames_header=100, frames_counted=1234
        ),
        "Names that are no UTF-8": ok(os.fsdecode(b"caf\xe9.mp4")),
    }
    usual = ok(
        "usual", vfr=False, rotation_deg=0, mirrored=False, hdr=False, sample_aspect="1:1",
        video_streams=1, frames_header=5, frames_counted=5,
    )  # fmt: skip
    out.part("b0", *rows.values(), usual)
    out.job()

    text = written(out).text

    for title in rows:
        assert f"{title} 1 " in text
    for detail in (
        "29.5 fps",
        "90°, mirrored",
        "64:45",
        "2 video",
        "3 changes",
        "6 pictures",
        "says 100 frames, has 1,234",
    ):
        assert detail in text
    assert "caf\\udce9.mp4" in text
    _, _, worth = text.partition("Worth a look")
    assert "usual" not in worth.partition("Time")[0]


def test_clips_with_equal_frames_are_found_by_their_checksum(out):
    out.shard("b0", Video("a.mp4", value=7), Video("other.mp4", value=70))
    out.shard("b1", Video("b.mp4", value=7), Video("longer.mp4", value=7, frames=4))
    out.job()

    text = written(out).text

    assert "Clips with equal frames 1 " in text
    equal = text.partition("Clips with equal frames")[2].partition("Time")[0]
    assert "a.mp4" in equal
    assert "b.mp4" in equal
    assert "other.mp4" not in equal
    assert "longer.mp4" not in equal


def test_of_a_file_of_clips_the_one_with_equal_frames_is_named(out):
    out.shard("b0", Video("a.mp4", value=7))
    out.shard("b1", Video("long.mp4", value=7))
    (row,) = out.rows["b1"]
    out.part("b1", replace(row, item=replace(row.item, segment=1, segments=4)))
    out.job()

    equal = written(out).text.partition("Clips with equal frames")[2]

    assert "long.mp4 clip 2 of 4" in equal.partition("Time")[0]


def test_the_contact_sheet_shows_frames_from_the_shards(out):
    out.shard("b0", Video("a/1.mp4", value=90, frames=5, label="a", label_id=0))
    out.shard("b1", Video("b/1.raw", value=200, frames=3, label="b", label_id=1, encoding="raw"))
    out.job()

    pictures = written(out).named("img")

    assert [picture["title"] for picture in pictures] == [
        "a/1.mp4, frame 2 of 5",
        "b/1.raw, frame 1 of 3",
    ]
    for picture, grey in zip(pictures, (92, 201), strict=True):
        kind, _, data = picture["src"].partition(",")
        pixels = simplejpeg.decode_jpeg(base64.b64decode(data))
        assert kind == "data:image/jpeg;base64"
        assert pixels.shape == (HEIGHT, WIDTH, 3)
        assert np.abs(pixels.astype(int) - grey).max() <= 3


def test_a_frame_that_cannot_be_read_is_counted_and_the_rest_told(out):
    shard = out.shard("b0", Video("a.mp4"), Video("b.mp4"))
    clip = out.clips[shard][0]
    with open(out.layout.shard(shard), "r+b") as file:
        file.seek(int(clip.frames.offset[1]))
        file.write(b"\0" * int(clip.frames.length[1]))
    out.job()

    page = written(out)

    assert len(page.named("img")) == 1
    assert "Frames that could not be read: 1." in page.text


def test_a_missing_index_is_told_and_hides_nothing_else(out):
    shard = out.shard("b0", Video("a.mp4"))
    os.unlink(out.layout.index_of(shard))
    out.job()

    page = written(out)

    assert "`shardmill verify` names each damaged file" in page.text
    assert page.plots["clip_frames"]["data"]


def test_throughput_is_counted_when_batches_are_committed(out):
    began_s = 1_800_000_000.0
    for batch, after_s, worker, frames in (
        ("b0", -50, "w1", 1),  # an earlier run
        ("b1", 5, "w1", 20),
        ("b2", 9, "w2", 10),
        ("b3", 195, "w1", 40_000),
    ):
        row = ok(f"{batch}.mp4")
        outcome = replace(row.outcome, worker=worker, frames_kept=frames, seconds=frames)
        out.part(batch, replace(row, outcome=outcome))
        os.utime(out.layout.part(batch), (began_s + after_s,) * 2)
    out.job(started_s=began_s)

    plot = written(out).plots["timeline"]

    bars = [
        (round(bar["at"] * 60), round(bar["until"] * 60), bar["name"], bar["value"])
        for bar in plot["data"]
    ]
    assert plot["x"] == "minutes since the run began"
    assert bars == [  # 195 s in at most 100 steps: steps of 2 s
        (4, 6, "w1", 10),
        (8, 10, "w2", 5),
        (194, 196, "w1", 20_000),
    ]
    tips = [bar["tip"].splitlines()[1] for bar in plot["data"]]
    assert tips == ["10 frames/s", "5 frames/s", "20,000 frames/s"]
    summary.finish(out.job(started_s=began_s))
    ended = Page(Path(out.layout.report).read_text("utf-8"))
    assert ended.plots["timeline"] == plot, "the page that a job ends with says the same"


def test_where_the_time_went_is_drawn_step_by_step(out):
    row = ok("a.mp4")
    out.part("b0", replace(row, outcome=replace(row.outcome, decode_s=3.0, encode_s=0.5)))
    row = ok("b.mp4")
    out.part("b1", replace(row, outcome=replace(row.outcome, decode_s=6.0, ledger_s=0.5)))
    out.job()

    plot = written(out).plots["steps"]

    bars = [(bar["name"], bar["value"], bar["tip"]) for bar in plot["data"]]
    assert bars == [
        ("ledger", 0.5, "ledger\n0.5 s  5.0%"),
        ("decode", 9.0, "decode\n9.0 s  90.0%"),
        ("encode", 0.5, "encode\n0.5 s  5.0%"),
    ]
    assert plot["numbers"] == [["in all", "10.0 s"]]


def test_the_slowest_items_come_first(out):
    out.part("b0", *(ok(f"{i}.mp4", seconds=i % 13) for i in range(13)))
    out.job()

    slowest = written(out).text.partition("Slowest files")[2].partition("To do it again")[0]

    assert re.findall(r"\d+\.mp4", slowest) == [f"{i}.mp4" for i in range(12, 2, -1)]


def test_splits_are_shown_where_there_are_some(out):
    splits = {"1": "train", "2": "val", "3": "train"}
    rows = [(ok(path), split) for path, split in splits.items()]
    out.part("b0", *(replace(row, item=replace(row.item, split=name)) for row, name in rows))
    out.job()

    text = written(out).text

    assert "train 2 0 0 0" in text
    assert "val 1 0 0 0" in text


def test_without_splits_nothing_is_said_of_them(out):
    out.part("b0", ok("1"))
    out.job()

    assert "Splits" not in written(out).text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_text(out, name):
    label = name.replace("/", "_")
    out.shard("b0", Video(f"{name}.mp4", label=label, label_id=0))
    row = ok(f"2{name}", vfr=True, codec=name, pix_fmt=name, fps=1.0)
    out.part("b1", replace(row, outcome=replace(row.outcome, worker=name)))
    out.part("b2", failed(f"3{name}", name, name))
    out.job()

    page = written(out)

    assert len(page.scripts) == 4  # the data, and three of our own
    assert len(page.named("img")) == 1
    assert not page.named("svg")
    assert not [tag for tag, names in page.tags if any(n.startswith("on") for n in names)]
    assert f"3{name}" in page.text
    assert page.plots["codec"]["data"][0]["name"] == name
    assert page.plots["classes"]["data"][0]["name"] == label


def test_long_names_and_many_classes_keep_the_page_small(out):
    long = "x" * 10_000
    rows = [ok(f"{i:04d}{long}", label=f"{i:04d}{long}", seconds=1, vfr=True) for i in range(1000)]
    out.part("b0", *rows)
    out.part("b1", failed(long, "corrupt", long))
    out.job()

    page = written(out)

    assert len(page.plots["classes"]["data"]) == 1000
    assert os.path.getsize(out.layout.report) < 1_500_000
    assert long not in page.text
    assert f"0000{'x' * 100}" in page.text


def test_nothing_but_the_scripts_of_the_package_may_run(out):
    out.job(inputs=0)
    page = written(out)
    policy = next(m["content"] for m in page.named("meta") if "http-equiv" in m)

    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; ")
    assert len(re.findall(r"'sha256-[\w+/]{43}='", policy)) == 3
    assert "unsafe-eval" not in policy
    assert "script-src 'unsafe-inline'" not in policy
    sources = [names.get("src") or names.get("href") for _, names in page.tags]
    assert set(filter(None, sources)) == set()


@pytest.mark.parametrize(
    "spec",
    [
        Spec(),
        Spec(fps=24, size="160x120", upscale=True, quality=80, max_frames=450),
        Spec(at="0.5,2", fit="64x64", pad=True, include=("*.mp4", "it's/*"), exclude=("x y",)),
        Spec(every=2, start_s=1.5, format="npy", encoding="raw", crop="8x8", upscale=True),
    ],
    ids=["plain", "sized", "lists", "arrays"],
)
def test_the_command_makes_the_same_job_again(spec):
    job = Job(name="j", root="/my videos", out="/out; rm", spec=spec)

    program, verb, *arguments = shlex.split(job.command("run"))
    options = run_command.make_context("run", list(arguments)).params

    assert (program, verb) == ("shardmill", "run")
    assert (options["directories"], options["out"]) == (("/my videos",), "/out; rm")
    assert take_spec(options) == spec
