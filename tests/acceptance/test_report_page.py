"""The report in a real browser: quiet, alone, readable at any width; and of a million rows soon."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shardmill
from browser import Page, browser
from out_dir import OutDir, Video, failed
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.dataset import manifest
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout
from shardmill.report import summary
from shardmill.report.page import document
from shardmill.report.page.timeline import FEWEST

PLOTS = ["size", "aspect", "duration", "clip_frames", "frame_bytes", "fps", "codec", "pix_fmt"]
DRAWN = "[...document.querySelectorAll('[data-plot]')].every((place) => place.querySelector('svg'))"
MILLION, PARTS = 1_000_000, 1000
CPU_S, BYTES = 20, 5_000_000
"""Of all threads: others on the machine must not count; ten seconds of two cores are promised."""


@pytest.fixture(scope="module")
def page(chromium, tmp_path_factory) -> Iterator[Page]:
    with browser(chromium, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def made(sample_set, redis_server, tmp_path_factory) -> Path:
    """The report of a real job, as the job itself wrote it."""
    out = tmp_path_factory.mktemp("report") / "out"
    shardmill.run(str(sample_set), out=str(out), spec=shardmill.Spec(size="160x120", fps=12))
    return out / "report.html"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A report on names that would like to be code, many classes, and a course of time."""
    out = OutDir(str(tmp_path_factory.mktemp("hostile") / "out"))
    name = "</script ><script>console.log('run')</script><img src=http://127.0.0.1:1/x>"
    out.shard("b0", Video(f"{name}.mp4", label=name[:100].replace("/", "_"), label_id=0))
    out.part("b1", *(_file(f"{i}{'y' * 3000}{name}", i, name) for i in range(300)))
    out.part("b2", failed(name, "corrupt", name))
    out.job(started_s=os.stat(out.layout.part("b0")).st_mtime - 500)
    return Path(document.write(out.out, summary.status_of(out.out)))


def _file(path: str, number: int, name: str) -> Row:
    facts = Facts(
        kind="video",
        codec=name,
        fps=number % 7 + 0.5,
        vfr=True,
        display_width=160 + number,
        display_height=120,
        duration_s=number**3 + 1,
    )
    item = Item(path=path, size_bytes=9, mtime_ns=1, label=f"{name}{number}")
    return Row(item, facts, Outcome(status="ok", worker=f"{name}{number % 12}", seconds=1.0))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1400])
@pytest.mark.parametrize("which", ["made", "hostile"])
def test_the_page_is_quiet_alone_and_fits(page, which, width, dark, request):
    page.open(request.getfixturevalue(which), width=width, dark=dark)
    page.wait(DRAWN)

    assert page.complaints == []
    assert page.requests == []
    assert page.value("document.documentElement.scrollWidth") <= width
    shade = page.value("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, shade.removeprefix("rgb(").rstrip(")").split(",")))
    assert (brightness < 300) is dark


def test_plots_are_there_before_any_frame_is_shown(page, made):
    """As in a tab in the background, or a program that takes one picture of the page."""
    never = page.call(
        "Page.addScriptToEvaluateOnNewDocument", source="requestAnimationFrame = () => 0"
    )
    page.open(made)

    assert page.value("document.querySelectorAll('[data-plot] svg').length") >= len(PLOTS)
    page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=never["identifier"])


def lasted_s(out: Path) -> float:
    """Return how long after its beginning a job committed its last batch."""
    began_s = json.loads((out / "job.json").read_text())["started_s"]
    return max(path.stat().st_mtime for path in (out / "manifest").iterdir()) - began_s


def test_a_job_leaves_a_report_with_every_plot_and_frames_of_every_class(page, made):
    page.open(made)
    page.wait(DRAWN)

    places = page.value("[...document.querySelectorAll('[data-plot]')].map((p) => p.dataset.plot)")
    course = ["timeline"] if lasted_s(made.parent) >= FEWEST else []
    assert places == [*PLOTS, "classes", *course, "steps"]
    pictures = "[...document.images].map((i) => i.complete && i.naturalWidth)"
    assert page.value(pictures) == [160] * 8
    text = page.value("document.body.innerText")
    assert "became 8 clips with 180 JPEG frames in" in text
    assert "moov atom not found" in text


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_plot_tells_more_where_the_mouse_is(page, made, dark):
    page.open(made, dark=dark)
    page.wait(DRAWN)
    bar = "document.querySelector('[data-plot=codec] [aria-label=bar] rect')"
    page.value(f"{bar}.scrollIntoView({{block: 'center'}})")
    box = page.value(f"{bar}.getBoundingClientRect().toJSON()")

    page.point(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait("document.querySelector('[data-plot=codec] [aria-label=tip] text')")

    tip = page.value("document.querySelector('[data-plot=codec] [aria-label=tip]').textContent")
    assert "h264" in tip  # of 8 sound files 2 are, as are mpeg4 and vp8; ties go by name
    assert "25.0%" in tip
    box = "getComputedStyle(document.querySelector('[data-plot=codec] [aria-label=tip] path')).fill"
    card = "getComputedStyle(document.querySelector('.card')).backgroundColor"
    assert page.value(box) == page.value(card)


def test_the_page_prints(page, made):
    page.open(made, dark=True)
    page.wait(DRAWN)

    printed = page.paper()

    assert printed.startswith(b"%PDF-")
    assert 3 <= printed.count(b"/Type /Page\n") <= 8
    assert page.complaints == []


@pytest.fixture(scope="module")
def million(tmp_path_factory) -> str:
    """A million rows in a thousand parts; paths, sizes and rates differ, the rest repeats."""
    out = str(tmp_path_factory.mktemp("million") / "out")
    layout, rng, count = Layout(out), np.random.default_rng(0), MILLION // PARTS
    layout.make()
    for part in range(PARTS):
        labels = rng.integers(0, 1000, count)
        status = rng.choice(["ok", "failed", "skipped"], count, p=[0.97, 0.02, 0.01])
        columns = {
            "path": [f"c{label:04d}/v_{part:04d}_{i:06d}.mp4" for i, label in enumerate(labels)],
            "size_bytes": rng.integers(10_000, 9_000_000, count),
            "label": [f"c{label:04d}" for label in labels],
            "segment": np.zeros(count, np.int64),
            "segments": np.ones(count, np.int64),
            "codec": rng.choice(["h264", "hevc", "vp9"], count),
            "display_width": rng.integers(100, 4000, count),
            "display_height": rng.integers(100, 3000, count),
            "fps": rng.choice([24, 25, 30000 / 1001, 30], count),
            "vfr": rng.random(count) < 0.03,
            "duration_s": np.exp(rng.normal(2.3, 0.8, count)),
            "status": status,
            "error_class": np.where(status == "failed", "corrupt", None),
            "error_message": ["something is wrong with it"] * count,
            "frames_kept": rng.integers(1, 900, count),
            "bytes_out": rng.integers(1_000_000, 2_000_000, count),
            "seconds": rng.random(count),
            "worker": [f"host-{part % 20}"] * count,
        }
        full = {field.name: columns.get(field.name, [None] * count) for field in manifest.SCHEMA}
        table = pa.table(full, schema=manifest.SCHEMA)
        pq.write_table(table, layout.part(f"{part:04d}"), compression="zstd")
    Job(name="million", root="/in", out=out, spec=shardmill.Spec(), inputs=MILLION).write()
    return out


def test_a_million_rows_take_seconds_and_a_small_page(page, million):
    status = summary.status_of(million)
    began_s = time.process_time()
    path = document.write(million, status)
    took_s = time.process_time() - began_s

    assert took_s < CPU_S
    assert os.path.getsize(path) < BYTES
    page.open(Path(path))
    page.wait(DRAWN)
    assert page.complaints == []
    assert "1,000,000 inputs" in page.value("document.body.innerText")
