"""Every way in which an output directory can be broken is found, and named."""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import simplejpeg
from msgspec.structs import replace

from out_dir import HEIGHT, WIDTH, OutDir, Video, failed, skipped, tfrecord
from shardmill.contract.errors import DatasetDamaged, UsageError
from shardmill.contract.spec import Spec
from shardmill.dataset.checksum import OPEN, SEAL, check_seal, sealed
from shardmill.dataset.index import open_index
from shardmill.report.shard_bytes import faults
from shardmill.report.verify import MOST, Problem, verify

SHARD = "part-b0-a1.tfrecord"
RECORDS = "index/part-b0-a1.idx"
NO_RECORDS = "does not tell where the records of its shard lie"
PART = "part-b0.parquet"
REDO = "remove manifest/part-b0.parquet and run the same command again"


@pytest.fixture
def out(tmp_path):
    """Two shards of two and one clips, a failure and a skip: five inputs."""
    out = OutDir(str(tmp_path / "it's [out]*"))
    out.shard("b0", Video("a/x.mp4", label="a", label_id=0), Video("y.mp4", frames=2, value=9))
    out.shard("b1", Video("z.png", frames=1, value=200, encoding="raw"))
    out.part("b2", failed("bad.mp4", "corrupt"), skipped("song.mp3"))
    out.job()
    return out


def shard_of(out, name=SHARD):
    return Path(out.layout.shard(name))


def only(out, **options):
    """The one problem that there is."""
    (problem,) = verify(out.out, **options).problems
    return problem


@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_directory_has_no_problem(out, deep):
    verdict = verify(out.out, deep=deep)

    assert verdict.problems == ()
    assert verdict.inputs == 5
    assert (verdict.tally.ok, verdict.tally.failed, verdict.tally.skipped) == (3, 1, 1)


def test_a_probe_job_needs_no_clips(tmp_path):
    out = OutDir(str(tmp_path), goal="probe")
    row = skipped("x.mp4")
    out.part("b0", replace(row, outcome=replace(row.outcome, status="ok")))
    out.job()

    assert verify(out.out).problems == ()


def test_left_overs_of_a_job_that_is_not_finished_are_no_problem(out):
    out.shard("b9", Video("orphan.mp4"), commit=False)

    assert verify(out.out).problems == ()


def test_every_flipped_byte_of_a_shard_is_found(out):
    """Not one position of the file is outside of what is checked."""
    out.shard("b0", Video("x.mp4", frames=1), Video("y.mp4", frames=1))
    path = shard_of(out)
    sound = path.read_bytes()
    unseen = []
    for position in range(len(sound)):
        path.write_bytes(_flipped(sound, position))
        if not faults_of_shard(out):
            unseen.append(position)

    assert unseen == []


def _flipped(data, position):
    return data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :]


def faults_of_shard(out):
    """What ``verify`` does for one shard, without the rest: this is asked 1500 times."""
    index = open_index(out.layout.index_of(SHARD))
    return list(faults(str(shard_of(out)), index, deep=False))


@pytest.mark.parametrize("position", [0, 9, 15, -1], ids=["length", "its sum", "key", "last sum"])
def test_a_flipped_byte_beside_the_frames_is_told(out, position):
    path = shard_of(out)
    data = path.read_bytes()
    path.write_bytes(_flipped(data, position % len(data)))

    wrong = "has bytes outside of its frames that do not match the checksum in its index"
    assert only(out) == Problem(f"shards/{SHARD}", wrong, REDO, PART)


def test_a_flipped_byte_of_a_frame_names_the_clip(out):
    clip = out.clips[SHARD][1]
    path = shard_of(out)
    path.write_bytes(_flipped(path.read_bytes(), int(clip.frames.offset[1])))

    wrong = only(out).wrong

    assert f"(clip {clip.clip_id}) that do not match the checksum in its index" in wrong


def test_a_missing_shard_is_found(out):
    shard_of(out).unlink()

    assert only(out) == Problem(f"shards/{SHARD}", "is missing", REDO, PART)


def test_a_shard_that_may_not_be_read_hides_no_other(out):
    shard_of(out).unlink()
    shard_of(out).mkdir()
    shard_of(out, "part-b1-a1.tfrecord").unlink()

    first, second = verify(out.out).problems

    assert (first.file, second.wrong) == (f"shards/{SHARD}", "is missing")
    assert first.wrong == f"cannot be opened: {shard_of(out)} is no plain file"


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_truncated_shard_is_found(out, keep):
    data = shard_of(out).read_bytes()
    shard_of(out).write_bytes(data[:keep])

    problem = only(out)

    assert problem.file == f"shards/{SHARD}"
    assert problem.wrong.startswith("is cut short: ")
    assert problem.wrong.endswith(f"the file at byte {len(data[:keep])}")


def test_bytes_after_the_last_record_are_found(out):
    data = shard_of(out).read_bytes()
    shard_of(out).write_bytes(data + tfrecord(b"more"))

    assert only(out).wrong == f"ends at byte {len(data) + 20}, its last clip at byte {len(data)}"


def test_a_record_between_two_clips_is_found(out):
    second = out.clips[SHARD][1]
    between = tfrecord(b"?")
    data = shard_of(out).read_bytes()
    start = second.record_offset
    shard_of(out).write_bytes(data[:start] + between + data[start:])
    frames = replace(second.frames, offset=second.frames.offset + len(between))
    out.edit_clip(SHARD, 1, record_offset=start + len(between), frames=frames)

    shard, records = verify(out.out).problems
    assert shard.wrong.startswith(f"should go on at byte {start} ")
    assert records == Problem(RECORDS, NO_RECORDS, REDO, PART)


def test_a_lost_manifest_part_is_found(out):
    os.unlink(out.layout.part("b0"))

    assert only(out) == Problem(
        "manifest", "has no row for 2 of 5 inputs", "run the same command again"
    )


@pytest.mark.parametrize("keep", [0, 7, 700, -1])
def test_a_broken_manifest_part_is_named_and_the_rest_is_looked_at(out, keep):
    path = Path(out.layout.part("b0"))
    path.write_bytes(path.read_bytes()[:keep])
    shard_of(out, "part-b1-a1.tfrecord").unlink()

    part, count, shard = verify(out.out).problems

    assert (part.file, part.mend, part.part) == ("manifest/part-b0.parquet", REDO, PART)
    assert part.wrong.startswith("cannot be read: ")
    assert count.wrong == "has no row for 2 of 5 inputs"
    assert shard.wrong == "is missing"


def test_a_table_of_something_else_is_no_manifest_part(out):
    pq.write_table(pa.table({"path": ["x"]}), out.layout.part("b3"))

    part = out.layout.part("b3")
    wrong = f"cannot be read: {part}: expected a file with its own checksum, found none"
    assert only(out).wrong == wrong


def test_a_part_of_another_version_is_told(out):
    table, path = pa.table({"path": ["x"]}), Path(out.layout.part("b3"))
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({SEAL: OPEN})
    path.write_bytes(sealed(path.read_bytes()))

    assert only(out).wrong == "has other columns than this version's manifest"


def test_an_input_with_two_rows_is_found(out):
    out.part("b3", failed("bad.mp4", "timeout"))

    count, double = verify(out.out).problems

    assert count.wrong == "has rows of 6 files for 5 inputs"
    assert (double.file, double.wrong) == ("bad.mp4", "has 2 rows in the manifest")


def test_the_parts_of_an_input_are_not_two_rows(out):
    out.part("b3", *(failed("long.mp4", "timeout", segment=k, segments=3) for k in (2, 0, 1)))
    out.job(inputs=6)

    verdict = verify(out.out)

    assert verdict.problems == ()
    assert (verdict.inputs, verdict.tally.failed) == (6, 2)


@pytest.mark.parametrize(
    ("parts", "wrongs"),
    [
        pytest.param(
            [(0, 3), (2, 3)],
            {("long.mp4", "has rows for 2 of its 3 parts", None)},
            id="one is missing",
        ),
        pytest.param(
            [(0, 2), (1, 2), (2, 2)],
            {
                ("long.mp4", "has part 3 of 2", "part-b3.parquet"),
            },
            id="one too many",
        ),
        pytest.param(
            [(0, 2), (1, 3), (2, 3)],
            {
                ("long.mp4", "is cut into 2 parts and into 3", "part-b3.parquet"),
            },
            id="cut twice",
        ),
    ],
)
def test_a_file_whose_parts_are_not_all_there_is_found(out, parts, wrongs):
    out.part("b3", *(failed("long.mp4", "crash", segment=k, segments=of) for k, of in parts))
    out.job(inputs=6)

    problems = verify(out.out).problems

    assert {(each.file, each.wrong, each.part) for each in problems} == wrongs
    assert all(each.mend.endswith("run the same command again") for each in problems)


def test_two_names_that_print_alike_are_two_inputs(out):
    out.part("b3", failed("\udcff.mp4", "corrupt"), failed("\\udcff.mp4", "corrupt"))
    out.job(inputs=7)

    assert verify(out.out).problems == ()


def test_inputs_that_are_still_being_counted_prove_nothing(out):
    replace(out.job(), inputs=None).write()

    assert only(out).file == "job.json"


def test_a_clip_in_two_shards_is_found(out):
    """The same input, twice at work, and both attempts in the manifest."""
    out.shard("b3", Video("y.mp4", frames=2, value=9))
    out.job(inputs=5)

    wrongs = {(problem.file, problem.wrong) for problem in verify(out.out).problems}

    clip_id = out.clips[SHARD][1].clip_id
    assert wrongs == {
        ("manifest", "has rows of 6 files for 5 inputs"),
        ("y.mp4", "has 2 rows in the manifest"),
        ("y.mp4", f"its clip {clip_id} is 2 times in the index"),
    }


def test_a_clip_twice_in_one_index_is_found(out):
    out.index(SHARD, [*out.clips[SHARD], out.clips[SHARD][0]])

    first, second, third = verify(out.out).problems

    assert first.file == "a/x.mp4"
    assert first.wrong.endswith("is 2 times in the index")
    assert second.wrong.startswith("should go on at byte ")
    assert third.file == RECORDS


def test_a_clip_that_the_index_lacks_is_found(out):
    lost = out.clips[SHARD][1]
    out.index(SHARD, out.clips[SHARD][:1])

    row, shard, records = verify(out.out).problems

    assert row.file == "y.mp4"
    assert row.wrong == f"its clip {lost.clip_id} is not in the index of {SHARD}"
    assert shard.wrong.endswith(f"its last clip at byte {lost.record_offset}")
    assert records.file == RECORDS


def test_a_clip_that_no_row_names_is_found(out):
    rows = out.rows["b0"]
    out.part("b0", rows[0], replace(rows[1], outcome=failed("y", "crash").outcome))

    assert only(out).wrong.endswith("but no row names it")


def test_a_failed_row_with_a_clip_is_found(out):
    rows = out.rows["b0"]
    out.part("b0", rows[0], replace(rows[1], outcome=replace(rows[1].outcome, status="failed")))

    wrongs = [problem.wrong for problem in verify(out.out).problems]

    assert "is failed but names a clip" in wrongs


def test_an_ok_row_without_a_clip_is_found(out):
    row = skipped("x.mp4")
    out.part("b3", replace(row, outcome=replace(row.outcome, status="ok")))
    out.job(inputs=6)

    assert only(out) == Problem(
        "x.mp4",
        "is ok in the manifest but names no clip",
        "remove manifest/part-b3.parquet and run the same command again",
        "part-b3.parquet",
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [("frames_kept", 4), ("bytes_out", 1), ("frames_kept", None), ("bytes_out", None)],
)
def test_a_row_that_counts_otherwise_than_the_index_is_found(out, field, value):
    first, second = out.rows["b0"]
    out.part("b0", replace(first, outcome=replace(first.outcome, **{field: value})), second)

    problem = only(out)

    assert problem.file == "a/x.mp4"
    assert problem.wrong.startswith("the manifest says ")


def test_a_clip_in_the_shard_of_another_split_is_found(out):
    shard = out.shard("b3", Video("s.mp4"), split="val")
    out.job(spec=Spec(split="train=0.5,val=0.5"))
    assert verify(out.out).problems == ()
    (row,) = out.rows["b3"]
    out.part("b3", replace(row, item=replace(row.item, split="train")))

    assert only(out).wrong == f"is of split train but in shard {shard}"


@pytest.mark.parametrize("changes", [{"path": "y.mp4"}, {"label": "b"}, {"label_id": 7}])
def test_an_index_that_names_the_clip_otherwise_is_found(out, changes):
    out.edit_clip(SHARD, 0, **changes)

    assert only(out).file == "a/x.mp4"


def test_swapped_clips_are_found(out):
    """Two rows of the index with each other's names: every byte is sound, yet it is a lie."""
    first, second = out.clips[SHARD]
    out.edit_clip(SHARD, 0, clip_id=second.clip_id, path=second.path)
    out.edit_clip(SHARD, 1, clip_id=first.clip_id, path=first.path)

    assert {problem.file for problem in verify(out.out).problems} == {"a/x.mp4", "y.mp4"}


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        pytest.param({"crc32c": 1}, "do not match the checksum in its index", id="checksum"),
        pytest.param({"record_offset": 1}, "should go on at byte 0", id="record offset"),
        pytest.param({"record_offset": -1}, "should go on at byte 0", id="negative offset"),
        pytest.param({"record_length": 10**12}, "is cut short", id="record length"),
        pytest.param({"record_length": -5}, "frames leave their record", id="negative length"),
        pytest.param({"record_length": 3000}, "should go on at byte 3000", id="short record"),
    ],
)
def test_a_wrong_record_in_the_index_is_found(out, change, wrong):
    out.edit_clip(SHARD, 0, **change)

    assert any(wrong in problem.wrong for problem in verify(out.out).problems)


@pytest.mark.parametrize(
    ("field", "by", "wrong"),
    [
        pytest.param("offset", [0, 1, 0], "do not match", id="one frame a byte late"),
        pytest.param("offset", [-25, 0, 0], "do not match", id="in the head"),
        pytest.param("offset", [0, 0, 5], "do not match", id="in the foot"),
        pytest.param("offset", [-40, 0, 0], "frames leave their record", id="before the record"),
        pytest.param("offset", [0, 0, 9], "frames leave their record", id="after the record"),
        pytest.param("length", [0, 9, 0], "frames leave their record", id="overlap"),
        pytest.param("offset", [2**62] * 3, "frames leave their record", id="far away"),
    ],
)
def test_a_wrong_frame_in_the_index_is_found(out, field, by, wrong):
    clip = out.clips[SHARD][0]
    value = getattr(clip.frames, field)
    moved = value + np.array(by, value.dtype)

    out.edit_clip(SHARD, 0, frames=replace(clip.frames, **{field: moved}))

    assert any(wrong in problem.wrong for problem in verify(out.out).problems)


def test_lists_of_different_lengths_are_found(out):
    clip = out.clips[SHARD][0]
    out.edit_clip(SHARD, 0, frames=replace(clip.frames, keyframe=np.array([True])))

    assert only(out).wrong == "has lists of different lengths"


def test_the_index_of_another_shard_is_found(out):
    out.index(SHARD, out.clips["part-b1-a1.tfrecord"])

    problem = only(out)

    assert (problem.file, problem.wrong) == (
        "index/part-b0-a1.arrow",
        "holds clips of another shard",
    )


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        pytest.param(None, "is missing", id="missing"),
        pytest.param("", NO_RECORDS, id="empty"),
        pytest.param("0 1\n", NO_RECORDS, id="other records"),
    ],
)
def test_a_list_of_records_that_dali_could_not_use_is_found(out, text, wrong):
    path = Path(out.layout.record_index_of(SHARD))
    path.unlink() if text is None else path.write_text(text)

    assert only(out) == Problem(RECORDS, wrong, REDO, PART)


def test_a_trace_of_a_record_too_many_is_found(out):
    path = Path(out.layout.record_index_of(SHARD))
    path.write_text(path.read_text() + "9 9\n")

    assert only(out) == Problem(RECORDS, NO_RECORDS, REDO, PART)


@pytest.mark.parametrize("damage", ["missing", "garbage", "empty cells", "no checksum"])
def test_an_index_that_cannot_be_read_is_told_once(out, damage):
    path = Path(out.layout.index_of(SHARD))
    if damage == "missing":
        path.unlink()
    elif damage == "garbage":
        path.write_bytes(b"garbage")
    elif damage == "no checksum":
        table = pa.ipc.open_file(path.read_bytes()).read_all().replace_schema_metadata(None)
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
    else:
        table = pa.ipc.open_file(path.read_bytes()).read_all()
        column = pa.array([None, "jpeg"])
        table = table.set_column(5, table.schema.field("encoding"), column)
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)

    problem = only(out)

    assert (problem.file, problem.mend, problem.part) == ("manifest/part-b0.parquet", REDO, PART)
    assert path.stem in problem.wrong


@pytest.mark.parametrize("kind", ["index", "manifest"])
def test_every_flipped_byte_of_index_and_manifest_is_found(out, kind):
    path = Path(out.layout.index_of(SHARD) if kind == "index" else out.layout.part("b0"))
    written = path.read_bytes()
    check_seal(str(path))
    unseen = []
    for position in range(len(written)):
        path.write_bytes(_flipped(written, position))
        with suppress(DatasetDamaged):
            check_seal(str(path))
            unseen.append(position)

    assert unseen == []


@pytest.mark.parametrize(("column", "changed"), [("pts_ns", [7, 8]), ("source_index", [1, 0])])
def test_another_value_in_an_index_is_found(out, column, changed):
    """A time or a number that nothing else tells of."""
    path = out.layout.index_of("part-b0-a1.tfrecord")
    table = pa.ipc.open_file(Path(path).read_bytes()).read_all()
    place = table.column_names.index(column)
    lists = table[column].to_pylist()
    lists[1] = changed
    field = table.schema.field(column)
    table = table.set_column(place, field, pa.array(lists, field.type))
    seal = pa.ipc.open_file(Path(path).read_bytes()).metadata
    with pa.ipc.new_file(path, table.schema, metadata=seal) as writer:
        writer.write_table(table)

    assert only(out).wrong == f"names {SHARD}: {path} does not match its own checksum"


def test_an_index_whose_lists_point_outside_is_found(out):
    """Arrow itself would follow such an offset out of its memory."""
    path = out.layout.index_of(SHARD)
    table = pa.ipc.open_file(Path(path).read_bytes()).read_all()
    column = table.column_names.index("keyframe")
    offsets = pa.py_buffer(np.array([0, 2**30, 5], np.int32))
    lists = pa.Array.from_buffers(
        pa.list_(pa.bool_()), 2, [None, offsets], children=[pa.array([True] * 5)]
    )
    table = table.set_column(column, table.schema.field(column), lists)
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)

    problem = only(out)

    assert (problem.file, problem.mend, problem.part) == ("manifest/part-b0.parquet", REDO, PART)


@pytest.mark.parametrize("name", ["../job.json", "part-/../../job.json"])
def test_a_shard_name_that_leads_away_is_found(out, name):
    row = out.rows["b1"][0]
    out.part("b1", replace(row, outcome=replace(row.outcome, shard=name)))

    problem = only(out)

    assert problem.file == "manifest/part-b1.parquet"
    assert repr(name) in problem.wrong


NOISE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.mark.parametrize(
    ("frame", "encoding", "wrong"),
    [
        pytest.param(b"no picture", "jpeg", "is no sound jpeg", id="no JPEG"),
        pytest.param(
            simplejpeg.encode_jpeg(NOISE)[:-500], "jpeg", "is no sound jpeg", id="half a JPEG"
        ),
        pytest.param(
            simplejpeg.encode_jpeg(np.zeros((WIDTH, HEIGHT, 3), np.uint8)),
            "jpeg",
            "is 24x32, not 32x24",
            id="JPEG of another size",
        ),
        pytest.param(bytes(7), "raw", "has 7 bytes, expected 2304", id="short raw frame"),
        pytest.param(b"GIF89a" + bytes(30), "png", "is no sound png", id="no PNG"),
        pytest.param(
            bytes.fromhex("89504e470d0a1a0a 0000000d 49484452 00000002 00000003 08 02 000000"),
            "png",
            "is 2x3, not 32x24",
            id="PNG of another size",
        ),
    ],
)
def test_a_frame_that_is_no_such_picture_is_found_by_looking_deep(out, frame, encoding, wrong):
    video = Video("z.png", frames=1, encoding=encoding)
    video.encoded = lambda: [frame]
    out.shard("b1", video)

    assert verify(out.out).problems == ()
    assert wrong in only(out, deep=True).wrong


@pytest.mark.parametrize(("more", "told"), [(0, ""), (13, " (and 13 more)")])
def test_a_great_many_problems_are_counted_not_listed(out, more, told):
    rows = [skipped(f"{i:03d}.mp4") for i in range(MOST + more)]
    out.part("b3", *(replace(r, outcome=replace(r.outcome, status="ok")) for r in rows))
    out.job(inputs=5 + len(rows))

    problems = verify(out.out).problems

    assert [problem.file for problem in problems] == [f"{i:03d}.mp4" for i in range(MOST)]
    assert [problem.wrong for problem in problems][-2:] == [
        "is ok in the manifest but names no clip",
        f"is ok in the manifest but names no clip{told}",
    ]


def test_progress_is_told_after_each_shard(out):
    shard_of(out).unlink()
    told = []

    verify(out.out, advance=lambda done, total: told.append((done, total)))

    assert told == [(2, 3), (3, 3)]


def test_a_directory_of_something_else_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no job\.json"):
        verify(str(tmp_path))
