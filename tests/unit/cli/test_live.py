"""The picture of a job at work: one row a line at any width, and nothing jumps."""

import io
import re

import pytest
from msgspec.structs import replace
from rich.console import Console

from shardmill.cli.display import LiveBars
from shardmill.cli.live import MOST_WORKERS, Picture, eta, rate
from shardmill.ledger.answers import Snapshot
from shardmill.ledger.telemetry import Failure, Live, Share
from shardmill.monitor.progress import Meter, Progress

WIDTHS = (20, 40, 60, 80, 160)
LONG = "a folder with a long name/and one more below it/文件名很长的视频 clip.mp4"


def looks(*, workers: int = 6, seconds: tuple[float, ...] = (0, 5, 10)) -> list[Progress]:
    """A job of 1,300 files that has probed 1,000, stored 30,000 frames a minute, and failed."""
    meter, found = Meter("clips"), []
    for now in seconds:
        done = now / 60
        counters = {"probed": round(6000 * done), "worked_us": round(10**9 * done)}
        counters |= {"planned_frames": 60_000, "planned_us": 2 * 10**9, "video_ns": 10**9}
        counters |= {"frames": round(30_000 * done), "failed": 3, "failed:corrupt": 3}
        held = [
            Live(10**6, 10, 10**7, f"machine-{number:02}", "extract", LONG, 3, 12)
            for number in range(workers)
        ]
        snapshot = Snapshot(
            state="running",
            reason="",
            out="/out",
            inputs=1300,
            counters=counters,
            inflight=9,
            leased=workers,
            seconds=float(now),
            live=Live.total(held),
            held=held,
            shares={
                f"machine-{number:02}": Share(0, round(counters["frames"] * number / 21))
                for number in range(workers)
            },
            failures=[Failure("corrupt", LONG, "moov atom not found, " * 9)] * 3 if now else [],
        )
        found.append(meter.read(snapshot))
    return found


def drawn(picture: Picture, width: int, *, height: int = 40) -> list[str]:
    options = {"force_terminal": True, "color_system": None, "legacy_windows": False}
    console = Console(file=io.StringIO(), width=width, height=height, **options)
    console.print(picture, end="")
    return console.file.getvalue().rstrip("\n").split("\n")


def cells(line: str) -> int:
    """Columns that a terminal needs: two for each Chinese character, as Unicode says."""
    return sum(2 if "\u4e00" <= char <= "\u9fff" else 1 for char in line)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("extracting", [True, False])
def test_every_line_is_one_row_of_the_terminal(width, extracting):
    picture = Picture(extracting=extracting)
    shown = [drawn(picture, width)]
    for progress in looks():
        picture.update(progress)
        shown.append(drawn(picture, width))

    bars = 2 if extracting else 1
    assert [len(lines) for lines in shown] == [1, bars + 6, bars + 9, bars + 9]
    assert max(cells(line.rstrip()) for lines in shown for line in lines) <= width


def test_nothing_jumps_while_the_figures_change():
    """Bars end in the same column, workers keep their lines."""
    picture = Picture(extracting=True)
    places = set()
    first, *later = looks(seconds=(5, 10, 11, 12))
    picture.update(first)
    for progress in later:
        picture.update(progress)
        lines = drawn(picture, 80)
        places.add((lines[0].index("/1,300 files"), lines[1].index(" frames ")))
        assert [line.split()[0] for line in lines[3:7]] == [f"machine-0{n}" for n in (2, 3, 4, 5)]
    assert len(places) == 1


def test_lines_of_workers_that_have_gone_stay_empty():
    picture = Picture(extracting=True)
    picture.update(looks(workers=3)[-1])
    before = drawn(picture, 80)
    picture.update(looks(workers=1)[-1])

    after = drawn(picture, 80)
    assert len(after) == len(before)
    assert [line.strip() for line in after[4:6]] == ["", ""]


def test_the_busiest_are_shown_and_the_others_counted():
    """Worker n of six does n/21 of 500 frames a second: those beyond the four do 0 and 1/21."""
    picture = Picture(extracting=True)
    picture.update(looks()[-1])

    (others,) = [line for line in drawn(picture, 80) if line.startswith("and ")]
    assert others.split("  ") == ["and 2 more", "24 frames/s"]
    assert MOST_WORKERS == 4


def test_what_there_is_to_see_at_eighty_columns():
    picture = Picture(extracting=True)
    picture.update(looks()[-1])
    (probe, extract, facts, *_), text = drawn(picture, 80), "\n".join(drawn(picture, 80))

    assert probe.startswith("probe     ━")
    assert re.search(
        r"1,000/1,300 files +0/s +mean 100/s|1,000/1,300 files +100/s +mean 100/s", probe
    )
    assert re.search(r"5,060 frames +500/s +mean 506/s", extract)
    assert "3 failed" in facts
    assert "moov atom not found" in text
    assert "machine-05" in text


def test_a_low_terminal_shows_what_it_can():
    picture = Picture(extracting=True)
    picture.update(looks()[-1])

    assert len(drawn(picture, 80, height=5)) == 4


@pytest.mark.parametrize(
    ("hz", "noun", "told"),
    [
        (0, "", "0/s"),
        (0.25, "", "0.2/s"),
        (9.94, "files", "9.9 files/s"),
        (1234.5, "frames", "1,234 frames/s"),
    ],
)
def test_a_rate_is_short(hz, noun, told):
    assert rate(hz, noun) == told


def test_hostile_names_cannot_move_the_cursor():
    failure = Failure("corrupt", "a\x1b[2Jb", "c\x1b]0;d\x07")
    progress = looks()[-1]
    told = replace(progress, snapshot=replace(progress.snapshot, failures=[failure]))
    picture = Picture(extracting=True)
    picture.update(told)

    assert "\x1b" not in "".join(drawn(picture, 160)).replace("\x1b[0m", "")


def test_before_there_is_ground_no_end_is_told():
    first, *_, last = looks(seconds=tuple(range(21)))

    assert eta(first) == ""
    assert eta(last).startswith("ETA ")


def test_the_last_batch_is_told_as_the_end_and_no_share_is_rounded_up():
    progress = looks()[-1]
    counters = progress.snapshot.counters | {"finishing": 1}
    last = replace(progress, snapshot=replace(progress.snapshot, counters=counters))
    picture = Picture(extracting=True)
    picture.update(replace(last, share_done=0.999))

    assert eta(last) == "finishing"
    assert "finishing · 3 failed · 99% done" in drawn(picture, 80)[2]


def test_a_pause_is_told_once():
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=True, color_system=None)
    progress = looks()[-1]
    paused = replace(
        progress, snapshot=replace(progress.snapshot, state="paused", reason="by hand")
    )
    with LiveBars(console, extracting=True) as bars:
        for each in (progress, paused, paused):
            bars.progress(each)

    assert stream.getvalue().count("go on with: shardmill resume /out") == 1
