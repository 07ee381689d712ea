"""A video is one file and one clip, however many parts it was cut into."""

from contextlib import closing

import pytest
from msgspec.structs import replace

from out_dir import OutDir, Video, failed
from shardmill.contract.schema import Outcome, Row
from shardmill.report import store, summary
from shardmill.report.verify import verify

LONG = [Video("long.mp4", frames=4, value=10 * k, part=k, parts=3, first=4 * k) for k in range(3)]
DAMAGE = {"error_class": "corrupt", "error_stage": "extract", "error_message": "bad"}


@pytest.fixture
def out(tmp_path) -> OutDir:
    """A short video, and a long one whose three parts were committed in another order."""
    out = OutDir(str(tmp_path))
    out.shard("b0", Video("a.mp4", frames=2))
    for k in (2, 0, 1):
        out.shard(f"b{k + 1}", LONG[k])
    out.job()
    return out


def change(out: OutDir, part: int, **outcome: object) -> None:
    """Write the row of one part anew with another outcome."""
    (row,) = out.rows[f"b{part + 1}"]
    out.part(f"b{part + 1}", Row(row.item, row.facts, replace(row.outcome, **outcome)))


def fail(out: OutDir, part: int, error_class: str = "corrupt") -> None:
    (row,) = out.rows[f"b{part + 1}"]
    outcome = failed("x", error_class).outcome
    out.part(f"b{part + 1}", Row(row.item, row.facts, outcome))


def asked(out: OutDir, sql: str) -> list[tuple[object, ...]]:
    with store.query(out.out, sql) as answer:
        return list(answer.rows)


SHARDS = [f"part-b{k}-a1.tfrecord" for k in range(4)]


def test_the_tables_have_a_row_a_file_and_a_row_a_clip(out):
    clip_id = LONG[0].clip_id

    assert asked(
        out,
        "select path, status, segments, clips, parts, frames_kept, clip_id, shard, shards "
        "from files order by path",
    ) == [
        ("a.mp4", "ok", 1, 1, 1, 2, Video("a.mp4").clip_id, SHARDS[0], None),
        ("long.mp4", "ok", 3, 1, 3, 12, clip_id, None, SHARDS[1:]),
    ]
    assert asked(
        out,
        "select clip_id, frames, first_pts_ns, last_pts_ns, parts, shard, shards from clips "
        "where path = 'long.mp4'",
    ) == [(clip_id, 12, 0, 11 * 40_000_000, 3, None, SHARDS[1:])]
    assert asked(out, "select segment from parts where path = 'long.mp4' order by 1") == [
        *((0,), (1,), (2,))
    ]
    assert asked(
        out, f"select frame, source_index from frames where clip_id = '{clip_id}' order by 1"
    ) == [(n, 2 * n) for n in range(12)]
    assert verify(out.out).problems == ()


def totals(out: OutDir) -> tuple[int, ...]:
    tally = summary.tally(out.out)
    return tally.ok, tally.failed, tally.partial, tally.clips, tally.frames


def test_files_clips_and_frames_are_counted(out):
    assert totals(out) == (2, 0, 0, 2, 14)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_file_of_which_a_part_failed_is_failed_and_has_no_clip(out, part):
    fail(out, part)
    fail(out, 2, "timeout" if part < 2 else "corrupt")

    assert totals(out) == (1, 1, 0, 1, 2)
    assert summary.tally(out.out).failures == {"corrupt": 1}
    assert asked(out, "select path from clips") == [("a.mp4",)]
    assert asked(out, "select distinct path from frames") == [("a.mp4",)]


def test_a_clip_ends_with_the_first_part_that_is_damaged(out):
    change(out, 1, **DAMAGE)

    assert totals(out) == (2, 0, 1, 2, 10)
    assert asked(out, "select frames, parts from clips where parts > 1") == [(8, 2)]
    assert asked(out, "select max(frame) from frames where path = 'long.mp4'") == [(7,)]
    assert asked(out, "select error_class, frames_kept, shards from files where parts = 2") == [
        ("corrupt", 8, SHARDS[1:3])
    ]
    assert verify(out.out).problems == ()


def test_what_failed_behind_the_damage_does_not_matter(out):
    change(out, 0, **DAMAGE)
    fail(out, 1)

    assert totals(out) == (2, 0, 1, 2, 6)
    assert asked(out, "select frames, parts, shard from clips where path = 'long.mp4'") == [
        (4, 1, SHARDS[1])
    ]


def test_a_part_may_hold_nothing_before_its_damage(out):
    (row,) = out.rows["b2"]
    nothing = Outcome("ok", frames_kept=0, bytes_out=0, clip_id=LONG[0].clip_id, **DAMAGE)
    out.part("b2", Row(row.item, row.facts, nothing))

    assert totals(out) == (2, 0, 1, 2, 6)
    assert verify(out.out).problems == ()


def test_a_file_that_lacks_a_part_does_not_show(out):
    out.part("b2")

    assert totals(out) == (1, 0, 0, 1, 2)
    assert asked(out, "select path from clips") == [("a.mp4",)]
    assert not summary.status_of(out.out).is_complete
    assert ("long.mp4", "has rows for 2 of its 3 parts") in {
        (problem.file, problem.wrong) for problem in verify(out.out).problems
    }


@pytest.mark.parametrize(
    ("of_item", "wrong"),
    [
        pytest.param({"start_ns": 5}, "has a gap or an overlap behind part 1", id="a gap"),
        pytest.param({"end_ns": None}, "has a gap or an overlap behind part 2", id="an open end"),
    ],
)
def test_parts_that_do_not_follow_each_other_are_found(out, of_item, wrong):
    (row,) = out.rows["b2"]
    out.part("b2", replace(row, item=replace(row.item, **of_item)))

    assert ("long.mp4", wrong) in {(each.file, each.wrong) for each in verify(out.out).problems}


def test_parts_of_several_sizes_are_found(out):
    out.shard("b2", replace_size(LONG[1]))

    (problem,) = verify(out.out).problems

    assert problem.wrong == f"its clip {LONG[0].clip_id} has parts of several sizes or encodings"


def replace_size(video: Video) -> Video:
    return Video(**vars(video) | {"width": 16})


def test_a_file_of_several_clips_is_one_row_with_lists(out):
    rows = []
    for k, (status, label) in enumerate([("ok", "run"), ("failed", "run"), ("ok", "jump")]):
        base = failed("clips.mp4", "corrupt" if status == "failed" else None, segment=k, segments=3)
        item = replace(
            base.item,
            clip_start_ns=k * 10**9,
            clip_end_ns=(k + 1) * 10**9,
            label=None, labels=(label,), label_ids=(1 if label == "run" else 0,), label_id=None,
        )  # fmt: skip
        done = Outcome("ok", frames_kept=5, bytes_out=50, clip_id=f"c{k}", shard=f"s{k}")
        rows.append(Row(item, base.facts, done if status == "ok" else base.outcome))
    out.part("b9", *rows)

    with closing(store.open_files(out.out)) as con:
        (file,) = store.ask(con, "from files where path = 'clips.mp4'")
        clips = store.ask(con, "from file_clips where path = 'clips.mp4' order by clip_start_ns")

    assert (file["status"], file["error_class"], file["error_clip"]) == ("failed", "corrupt", 1)
    assert (file["clips"], file["clip_id"], file["clip_ids"]) == (2, None, ["c0", "c2"])
    assert (file["shard"], file["shards"]) == (None, ["s0", "s2"])
    assert (file["frames_kept"], file["bytes_out"], file["clip_start_ns"]) == (10, 100, None)
    assert (file["label"], file["labels"], file["label_ids"]) == ("jump", ["jump", "run"], [0, 1])
    assert [clip["clip_id"] for clip in clips] == ["c0", None, "c2"]
    assert [clip["label"] for clip in clips] == ["run", "run", "jump"]


def test_files_parquet_is_the_view(out):
    change(out, 1, **DAMAGE)
    expected = asked(out, "from files order by path")

    status = summary.finish(out.job())

    assert (status.inputs, status.tally.ok, status.state) == (2, 2, "done")
    with closing(store.open_results(out.out)) as con:
        found = store.ask(con, "select * exclude (part) from files order by path")
    assert [tuple(row.values()) for row in found] == expected
    assert verify(out.out).problems == ()


def test_a_table_may_be_scanned_several_times_in_one_query(out):
    """Arrow crashed where several scans of one data set forgot the same metadata."""
    for part in range(20):
        out.part(f"c{part}", failed(f"{part}.mp4", "corrupt"))
    question = "select " + ", ".join(
        f"(select count(*) from parts where size_bytes > {n})" for n in range(8)
    )

    for _ in range(30):
        assert asked(out, question) == [(24,) * 8]
