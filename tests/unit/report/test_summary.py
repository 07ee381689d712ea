"""Totals equal the row-by-row count, and the state is told from the directory alone."""

import fcntl
import json
import math
import os
import time
from importlib import metadata
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import force_setattr, replace

from out_dir import OutDir, Video, failed, skipped
from shardmill.contract.errors import DatasetDamaged, EnvironmentFault, UsageError
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.contract.spec import Spec
from shardmill.dataset import manifest
from shardmill.dataset.checksum import check_values
from shardmill.dataset.job import Job
from shardmill.dataset.manifest_rows import table_of
from shardmill.dataset.tally import Tally
from shardmill.report import files_table, remarks, summary
from shardmill.report.verify import verify


@pytest.fixture
def out(tmp_path):
    return OutDir(str(tmp_path / "it's [out]*"))


STEPS = ("ledger", "probe", "open", "demux", "decode", "scale", "colour", "encode", "write")


def mixed(out):
    """Two clips in a shard, two failures, one skip: five inputs, written out of order."""
    out.shard("b1", Video("z.mp4", frames=2, duration_s=1.5), Video("b.mp4", duration_s=0.25))
    out.part("b0", failed("y.mp4", "timeout"), failed("a.mp4", None), skipped("song.mp3"))
    return sum(int(c.frames.length.sum()) for c in out.clips["part-b1-a1.tfrecord"])


def test_a_mixed_manifest_is_summed_up(out):
    bytes_out = mixed(out)

    assert summary.tally(out.out) == Tally(
        ok=2,
        failed=2,
        skipped=1,
        clips=2,
        frames=5,
        bytes_in=2 * 1000 + 2 * 500 + 70,
        bytes_out=bytes_out,
        video_ns=1_750_000_000,
        failures={"timeout": 1, "internal": 1},
    )


def test_nothing_done_yet_sums_up_to_nothing(out):
    assert summary.tally(out.out) == Tally()


ROWS = st.builds(
    Row,
    st.builds(
        Item,
        path=st.just("x"),
        size_bytes=st.integers(0, 2**60),
        mtime_ns=st.just(0),
        segment=st.integers(0, 2),
        segments=st.integers(1, 3),
    ),
    st.builds(Facts, duration_s=st.none() | st.floats(0, 1e9)),
    st.builds(
        Outcome,
        status=st.sampled_from(["ok", "failed", "skipped"]),
        error_class=st.none() | st.sampled_from(["corrupt", "timeout", "internal"]),
        frames_kept=st.none() | st.integers(0, 2**40),
        clip_id=st.none() | st.just("c"),
        bytes_out=st.none() | st.integers(0, 2**60),
    ),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(ROWS, max_size=8))
def test_of_files_of_one_row_the_sums_equal_those_of_the_rows_one_by_one(out, rows):
    rows = [replace(row, item=replace(row.item, segment=0, segments=1)) for row in rows]
    out.part("b0", *rows)

    assert (
        summary.tally(out.out)
        == Tally.of_table(table_of(rows))
        == Tally.of_part(out.layout.part("b0"))
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
def test_a_job_is_complete_when_every_file_has_all_its_rows(out, parts, data):
    """Files of so many items each."""
    whole = [
        failed(f"{n}.mp4", "crash", segment=k, segments=of)
        for n, of in enumerate(parts)
        for k in range(of)
    ]
    there = data.draw(st.lists(st.sampled_from(whole), unique_by=id))
    out.job(inputs=len(parts))
    out.part("b0", *there)
    told = summary.status_of(out.out)

    paths = [row.item.path for row in there]
    ended = sum(paths.count(f"{n}.mp4") == of for n, of in enumerate(parts))
    assert (told.inputs, told.tally.files) == (len(parts), ended)
    assert told.is_complete == (len(there) == len(whole))
    out.part("b0", *whole)
    whole_tally = summary.status_of(out.out).tally
    assert (whole_tally.files, whole_tally.failed) == (len(parts), len(parts))


def test_where_the_time_went_is_told_in_all(out):
    taken = {f"{step}_s": 2.0**-place for place, step in enumerate(STEPS)}
    outcome = Outcome(status="ok", **taken)
    out.part("b0", *(replace(skipped(name), outcome=outcome) for name in "xy"), skipped("z"))

    summary.finish(out.job())

    with open(out.layout.summary) as file:
        told = json.load(file)["step_seconds"]
    assert told == {s: pytest.approx(2.0 ** (1 - n), abs=1e-6) for n, s in enumerate(STEPS)}


def test_durations_are_rounded_as_python_rounds(out):
    """Half a nanosecond goes to the even number: 0, 2 and 2."""
    durations_s = [0.5e-9, 1.5e-9, 2.5e-9]
    assert [s * 1e9 for s in durations_s] == [0.5, 1.5, 2.5]
    done = replace(skipped("x"), outcome=Outcome(status="ok"))
    out.part("b0", *(replace(done, facts=Facts(duration_s=s)) for s in durations_s))

    assert summary.tally(out.out).video_ns == 0 + 2 + 2


def test_a_finished_job_tells_what_it_was(out):
    mixed(out)
    job = out.job(started_s=time.time() - 100)

    status = summary.finish(job)

    assert (status.state, status.inputs, status.tally.files, status.reason) == ("done", 5, 5, "")
    assert 100 <= status.seconds < 110
    with open(out.layout.summary) as file:
        written = json.load(file)
    check_values(out.layout.summary, written)
    del written["seal"]
    assert written == status.encode() | {
        "version": metadata.version("shardmill"),
        "spec": job.spec.encode(),
        "shards": 1,
        "video_hours": 0.000486,
        "clip_frames": {"min": 2, "mean": 2.5, "median": 2.5, "p95": 3, "max": 3},
        "enlarged": 0,
        "pages_left_out": 0,
        "size_changes": 0,
        "examples": {
            "internal": {"count": 1, "path": "a.mp4", "message": "bad"},
            "timeout": {"count": 1, "path": "y.mp4", "message": "bad"},
        },
        "step_seconds": dict.fromkeys(STEPS, 0),
    }
    assert replace(summary.status_of(out.out), seconds=status.seconds) == status
    assert summary.status_of(out.out).seconds == written["seconds"]


def test_the_summary_appears_when_all_else_is_there(out):
    mixed(out)
    job = out.job()
    os.mkdir(out.layout.report)
    with pytest.raises(EnvironmentFault, match=r"report\.html"):
        summary.finish(job)
    assert not os.path.exists(out.layout.summary)

    os.rmdir(out.layout.report)
    summary.finish(job)

    assert os.path.isfile(out.layout.report)
    assert os.path.isfile(out.layout.summary)


def test_files_parquet_has_a_row_a_file_by_path(out):
    mixed(out)
    out.part("b2", *(failed("c.mp4", "memory", segment=k, segments=2) for k in (1, 0)))
    odd = "\udcff\n.mp4"
    out.part("b3", failed(odd, "corrupt"))

    summary.finish(out.job())

    table = pq.read_table(out.layout.files)
    assert table.schema.names == manifest.OF_FILES.names
    assert table["path"].to_pylist() == [
        "\\udcff\\n.mp4",  # a backslash comes before letters
        *("a.mp4", "b.mp4", "c.mp4", "song.mp3", "y.mp4", "z.mp4"),
    ]
    assert table["path_raw"].to_pylist() == [os.fsencode(odd), *[None] * 6]
    assert table["segments"].to_pylist() == [1, 1, 1, 2, 1, 1, 1]
    assert os.listdir(out.layout.tmp) == []


def test_a_job_of_no_clips_has_a_summary_too(out):
    out.part("b0", skipped("song.mp3"))

    assert summary.finish(out.job()).state == "done"

    assert pq.read_metadata(out.layout.files).num_rows == 1
    with open(out.layout.summary) as file:
        written = json.load(file)
    assert written["clip_frames"] == dict.fromkeys(["min", "mean", "median", "p95", "max"])


def test_finishing_twice_replaces_what_was_there(out):
    out.part("b0", skipped("a.mp3"))
    summary.finish(out.job())
    out.part("b1", skipped("b.mp3"))

    assert summary.finish(out.job()).tally.skipped == 2

    assert pq.read_metadata(out.layout.files).num_rows == 2


def test_a_job_with_inputs_to_go_does_not_end_as_done(out):
    out.part("b0", skipped("a.mp3"))

    assert summary.finish(out.job(inputs=2)).state == "paused"
    assert summary.status_of(out.out).state == "paused"


def test_a_disk_that_cannot_be_written_is_no_damage(out):
    mixed(out)
    job = out.job()
    os.rmdir(out.layout.tmp)
    with open(out.layout.tmp, "wb"):
        pass

    with pytest.raises(OSError, match=r"\.tmp"):
        summary.finish(job)

    assert not os.path.exists(out.layout.files)
    assert not os.path.exists(out.layout.summary)


def test_a_table_that_cannot_take_its_place_leaves_nothing_behind(out):
    mixed(out)
    job = out.job()
    os.mkdir(out.layout.files)

    with pytest.raises(IsADirectoryError):
        summary.finish(job)

    assert os.listdir(out.layout.tmp) == []


def test_a_full_disk_is_told_as_such(out, monkeypatch):
    mixed(out)
    job = out.job()
    monkeypatch.setattr(files_table, "uuid4", lambda: type("U", (), {"hex": "no/such/folder"}))

    with pytest.raises(EnvironmentFault, match="cannot"):
        summary.finish(job)


def state_of(out):
    status = summary.status_of(out.out)
    return status.state, status.reason


def test_the_state_is_told_from_the_directory_alone(out):
    out.part("b0", skipped("a.mp3"), skipped("b.mp3"))
    job = out.job(inputs=3)
    interrupted = ("paused", "interrupted: the same command goes on")

    assert state_of(out) == interrupted
    with open(out.layout.lock, "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert state_of(out) == ("running", "")
    assert state_of(out) == interrupted, "a lock file that nobody holds means nothing"
    out.part("b1", skipped("c.mp3"))
    assert state_of(out) == interrupted, "every row is there, but no summary yet"
    summary.finish(job)
    assert state_of(out) == ("done", "")
    replace(job, inputs=None).write()
    assert state_of(out) == interrupted, "more inputs are being counted"
    replace(job, inputs=4).write()
    assert state_of(out) == interrupted, "an input was added"


def test_a_probe_of_the_lock_keeps_no_other_probe_out(out):
    with open(out.layout.lock, "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)

        assert not summary.is_locked(out.layout)


def test_the_time_of_a_paused_job_ends_with_its_last_commit(out):
    out.part("b0", skipped("a.mp3"))
    out.job(inputs=2, started_s=1_000_000.0)
    os.utime(out.layout.manifest, (1_000_042.0, 1_000_042.0))

    assert summary.status_of(out.out).seconds == 42.0

    os.utime(out.layout.manifest, (999_000.0, 999_000.0))
    assert summary.status_of(out.out).seconds == 0.0, "nothing was committed since"


def test_a_directory_of_something_else_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no job\.json"):
        summary.status_of(str(tmp_path))


def test_a_broken_part_is_damage(out):
    out.job(inputs=1)
    with open(out.layout.part("b0"), "wb") as file:
        file.write(b"garbage")

    with pytest.raises(DatasetDamaged, match=r"part-b0\.parquet"):
        summary.status_of(out.out)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (Spec(size="64x48"), "2 clips enlarged to 64x48: --no-upscale leaves them smaller"),
        (Spec(crop="64x48"), "2 clips enlarged to 64x48: --no-upscale leaves them smaller"),
        (Spec(fit="64x48", pad=True), "1 clip enlarged to 64x48: --no-upscale leaves them smaller"),
        (Spec(size="64x48", no_upscale=True), "2 clips smaller than 64x48: sizes differ"),
        (Spec(size="16x12"), None),
        (Spec(fit="64x48"), None),
        (Spec(), None),
    ],
    ids=str,
)
def test_sources_smaller_than_the_size_asked_for_are_counted(out, spec, said):
    sizes = {"large": (64, 48), "low": (80, 40), "small": (32, 24)}
    out.shard("b0", *(Video(name) for name in sizes))
    rows = [
        replace(row, facts=replace(row.facts, display_width=w, display_height=h))
        for row, (w, h) in zip(out.rows["b0"], sizes.values(), strict=True)
    ]
    out.part("b0", *rows)
    job = replace(out.job(), spec=spec)
    job.write()

    assert remarks.sentences(out.out) == ([] if said is None else [("sizes", said)])

    summary.finish(job)
    written = json.loads(Path(out.layout.summary).read_text())
    name = "smaller" if spec.no_upscale else "enlarged"
    assert written[name] == (0 if said is None else int(said.split()[0]))


def test_pages_and_changes_of_size_are_remarked_on(out):
    known = {
        "scan.tif": Facts(kind="image", pages=6),
        "stereo.mpo": Facts(kind="image", pages=2),
        "plain.png": Facts(kind="image"),
        "switch.ts": Facts(kind="video", size_changes=3),
        "clip.mp4": Facts(kind="video", size_changes=0),
    }
    rows = [
        *(Row(Item(path, 1, 0), facts, Outcome("ok")) for path, facts in known.items()),
        failed("broken.tif", "corrupt", "It is broken."),
    ]
    out.part("b0", *rows)
    job = out.job(inputs=len(rows))

    summary.finish(job)

    assert remarks.sentences(out.out) == [
        ("sizes", "1 clip changing size on the way, fitted to the first frame"),
        ("pages", "2 files of several pictures (8 in all): the first of each is taken"),
    ]
    written = json.loads(Path(out.layout.summary).read_text())
    assert (written["pages_left_out"], written["size_changes"]) == (6, 1)


@pytest.mark.parametrize("text", ["[]", '"done"', "{}", '{"seconds": "x"}', '{"seconds": null}'])
def test_a_summary_that_says_something_else_is_told(out, text):
    mixed(out)
    out.job()
    Path(out.layout.summary).write_text(text)

    with pytest.raises(DatasetDamaged, match="does not say how long the job took"):
        summary.status_of(out.out)


IMPOSSIBLE = [1e10, 1e28, 1.7e308, math.inf, math.nan, -1.0, -1e15, 5e-324]
"""Durations, in seconds, that no row of this version holds, but that a manifest may."""


@pytest.mark.parametrize("duration_s", IMPOSSIBLE)
def test_a_manifest_that_holds_an_impossible_duration_is_summed_up(tmp_path, duration_s):
    out = OutDir(str(tmp_path / "out"), goal="probe")
    rows = [
        Row(
            Item(path=name, size_bytes=1000, mtime_ns=1),
            Facts(kind="video", codec="h264", width=64, height=48, duration_s=4.0),
            Outcome(status="ok"),
        )
        for name in ("a.mp4", "b.mp4")
    ]
    force_setattr(rows[0].facts, "duration_s", duration_s)
    out.part("b1", *rows)
    out.job()
    expected = 4_000_000_000

    assert Tally.of_part(out.layout.part("b1")).video_ns == expected
    assert summary.tally(out.out).video_ns == expected
    assert summary.finish(Job.read(out.out)).state == "done"
    assert verify(out.out).problems == ()
