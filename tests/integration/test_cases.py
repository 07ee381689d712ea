"""Faults found in real use, each with its oracle: what a folder of ``cases`` holds comes out right.

``make cases`` runs them and prints a table.  A folder that needs no command of its own is shown by
a test of the kind, made with input of its own.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from case_folder import FOLDER, MARKS, classes, told
from command_line import Shell
from source_tree import ROOT

pytestmark = MARKS

Check = Callable[[Shell, Path, Path], None]
"""Asserts that a case, by its folder, comes out right in an output directory."""


def frames(there: Shell, out: Path) -> list[int]:
    sql = "select source_index from frames order by pts_ns"
    return [row["source_index"] for row in told(there, out, sql)]


def concealed_damage(there: Shell, case: Path, out: Path) -> None:
    there.submit(case, "--out", out, "--encoding", "raw")
    assert set(classes(there, out).values()) == {"corrupt"}
    checked = there.run("probe", case, "--check", "--json")
    assert checked.json["failed"] == checked.json["inputs"] == len(classes(there, out))


def stale_message(there: Shell, case: Path, out: Path) -> None:
    there.submit(case, "--out", out, "--encoding", "png")
    (row,) = told(there, out, "select error_message from files where path like 'av1%'")
    assert "h264" not in row["error_message"]


def unsupported(there: Shell, case: Path, out: Path) -> None:
    there.submit(case, "--out", out)
    assert set(classes(there, out).values()) == {"unsupported"}


def one_picture_each(there: Shell, case: Path, out: Path) -> None:
    assert there.submit(case, "--out", out).code == 0
    rows = told(there, out, "select kind, frames_kept from files")
    assert {(row["kind"], row["frames_kept"]) for row in rows} == {("image", 1)}


def any_encoding(there: Shell, case: Path, out: Path) -> None:
    (out.parent / "ж").mkdir()
    (out.parent / "ж" / "ü€.mp4").write_bytes(b"no video")
    there.submit(out.parent / "ж", "--out", out)
    for encoding in ("latin-1", "ascii"):
        environment = {**there.whole_environment(), "PYTHONIOENCODING": encoding}
        command = [sys.executable, "-m", "shardmill", "failures", str(out)]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def ten_frames(there: Shell, case: Path, out: Path) -> None:
    assert there.submit(case, "--out", out).code == 0
    assert told(there, out, "select kind, frames_kept from files") == [
        {"kind": "video", "frames_kept": 10}
    ]


def phantom_leading(there: Shell, case: Path, out: Path) -> None:
    ways = {
        ("--at", "0.6"): [15],
        ("--at", "0,0.6"): [0, 15],
        ("--start", "0.4", "--end", "0.6"): [10, 11, 12, 13, 14],
        ("--count", "3"): [8, 25, 41],
    }
    for name in ("h264_cut.ts", "hevcidr_cut.mkv", "hevcidr_cut.mp4"):
        for number, (options, expected) in enumerate(ways.items()):
            one = out.parent / f"{name}-{number}"
            there.submit(case, "--out", one, "--include", name, *options)
            assert frames(there, one) == expected, (name, options)


def keyframes(there: Shell, case: Path, out: Path) -> None:
    there.submit(case, "--out", out, "--keyframes")
    rows = told(there, out, "select path, frames_kept, error_message from files order by path")
    assert [row["frames_kept"] for row in rows] == [1, 1, None]
    assert "keyframe" in rows[2]["error_message"]


def suffixes(there: Shell, case: Path, out: Path) -> None:
    media = out.parent / "d"
    media.mkdir()
    sound = (FOLDER / "F12-y4m-one-frame" / "raw.y4m").read_bytes()
    for suffix in ("264", "265", "f4v", "m2t", "insv", "lrv", "mod", "mpo", "y4m", "xyz"):
        (media / f"x.{suffix}").write_bytes(sound)
    done = there.submit(media, "--out", out)
    assert len(classes(there, out)) == 9
    assert "1 file of another kind left out (.xyz 1): --include takes them" in done.err


def missing_shard(there: Shell, case: Path, out: Path) -> None:
    media = FOLDER / "F12-y4m-one-frame"
    there.submit(media, "--out", out)
    next(out.glob("shards/*")).unlink()
    assert there.submit(media, "--out", out).code == 0
    assert there.run("verify", out).code == 0


def encrypted(there: Shell, case: Path, out: Path) -> None:
    there.submit(case, "--out", out)
    assert set(classes(there, out).values()) == {"encrypted"}


def late_video(there: Shell, case: Path, out: Path) -> None:
    """The second file is cut off within its fourth picture, as FFmpeg says too."""
    assert there.submit(case, "--out", out, "--keep-partial").code == 0
    rows = told(there, out, "select frames_kept, error_class from files order by path")
    assert [(row["frames_kept"], row["error_class"]) for row in rows] == [
        (25, None),
        (3, "corrupt"),
    ]


def pages(there: Shell, case: Path, out: Path) -> None:
    done = there.submit(case, "--out", out)
    rows = told(there, out, "select pages, frames_kept from files where path = 'multi.tif'")
    assert rows == [{"pages": 6, "frames_kept": 1}]
    assert "1 file of several pictures (6 in all): the first of each is taken" in done.out


def density(there: Shell, case: Path, out: Path) -> None:
    there.submit(case, "--out", out)
    sql = "select display_width, display_height from files where kind = 'image'"
    assert told(there, out, sql) == [{"display_width": 300, "display_height": 200}] * 4


def one_time(there: Shell, case: Path, out: Path) -> None:
    times = set()
    for number, options in enumerate((["--all"], ["--every", "5"])):
        one = out.parent / f"out{number}"
        there.submit(case, "--out", one, "--size", "80x60", *options)
        sql = "select pts_ns from frames where source_index = 15"
        times |= {row["pts_ns"] for row in told(there, one, sql)}
    assert times == {283_000_000}


CHECKS: dict[str, Check] = {
    "F01-concealed-damage": concealed_damage,
    "F02-stale-message": stale_message,
    "F04-tiled-tiff": unsupported,
    "F06-misclassified-sound": unsupported,
    "F07-multipage-tiff": pages,
    "F08-small-jpeg-trailer": one_picture_each,
    "F11-stdout-encoding": any_encoding,
    "F12-y4m-one-frame": ten_frames,
    "F13-phantom-leading": phantom_leading,
    "F14-keyframes-none": keyframes,
    "F17-suffixes": suffixes,
    "F19-density": density,
    "F26-rerun-missing-shard": missing_shard,
    "F37-clear-lead-encrypted": encrypted,
    "F38-late-video-skipped": late_video,
    "F39-pts-by-policy": one_time,
}
SHOWN_ELSEWHERE = {
    "F18-plan-jump": "integration/test_plan.py",
    "F21-refused-run-steals-lock": "unit/producer/test_output_lock.py",
    "F22-worker-exit-traceback": "integration/test_cluster.py",
    "F27-lowmem-finishing": "integration/test_run.py",
    "F40-impossible-duration": "integration/test_impossible_numbers.py",
    "X-clip-limit": "unit/engine/test_division.py",
    "X-csv-cr": "unit/report/test_export.py",
    "X-extradata-change": "integration/test_engine_starts.py",
    "X-fps-ties": "unit/contract/test_sampling.py",
    "X-mjpeg-tables": "integration/test_engine_starts.py",
    "X-negative-times": "integration/test_engine_starts.py",
    "X-sei-orientation": "integration/test_engine_starts.py",
    "X-spec-key-int": "unit/contract/test_spec.py",
}
"""Folders without media of their own, or whose fault needs more than a command."""
OTHERS = ("D-", "R")
"""Starts of the names of folders about loaders and about sick machines: each has a file."""


@pytest.mark.parametrize("name", CHECKS)
def test_a_case_comes_out_right(there, name, tmp_path):
    CHECKS[name](there, FOLDER / name, tmp_path / "out")


def test_every_case_is_checked_or_shown():
    found = {path.name for path in FOLDER.iterdir() if path.is_dir()}

    assert {
        name for name in found if not name.startswith(OTHERS)
    } == CHECKS.keys() | SHOWN_ELSEWHERE.keys()
    assert all((ROOT / "tests" / place).exists() for place in SHOWN_ELSEWHERE.values())
