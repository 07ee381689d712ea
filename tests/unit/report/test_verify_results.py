"""What lies beside manifest, index and shards is whole, and fits the rows, or verify says so."""

import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from out_dir import OutDir, Video, failed, skipped
from shardmill.contract.spec import Spec
from shardmill.dataset.checksum import seal_file
from shardmill.dataset.classes import write_classes
from shardmill.report import summary
from shardmill.report.verify import MOST, verify

AGAIN = "run the same command again"
RESULTS = ("job.json", "classes.json", "summary.json", "files.parquet", "report.html")


def make(place: Path, **of_job) -> OutDir:
    """Return a finished job of five inputs, with two shards and two classes."""
    out = OutDir(str(place))
    out.shard("b0", Video("a/x.mp4", label="a", label_id=0), Video("b/y.mp4", frames=2, value=9))
    out.shard("b1", Video("b/z.png", frames=1, value=200, label="b", label_id=1))
    out.part("b2", failed("a/bad.mp4", "corrupt"), skipped("a/song.mp3"))
    summary.finish(out.job(**of_job))
    return out


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("finished") / "out"
    make(place)
    return place


@pytest.fixture
def out(finished, tmp_path) -> Path:
    """A copy of the finished job; its name is in none of its files but ``job.json``."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


def told(out) -> list[tuple[str, str]]:
    return [(problem.file, problem.wrong) for problem in verify(str(out)).problems]


def test_a_finished_job_is_sound_wherever_it_lies(out):
    assert told(out) == []


@pytest.mark.parametrize("name", RESULTS[1:])
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "longer", "directory"])
def test_a_result_that_is_not_whole_is_found(out, name, damage):
    path = out / name
    data = path.read_bytes()
    path.unlink()
    if damage == "directory":
        path.mkdir()
    elif damage != "missing":
        kept = {"empty": b"", "half": data[: len(data) // 2], "longer": data + b"\0"}
        path.write_bytes(kept[damage])

    (problem,) = verify(str(out)).problems

    assert (problem.file, problem.mend, problem.part) == (name, AGAIN, None)
    if damage == "missing":
        assert problem.wrong == "is missing"


@pytest.mark.parametrize("name", RESULTS)
def test_a_flipped_bit_of_a_result_is_found(out, name):
    """In ``job.json`` it may be told by an error: then there is no job to look at."""
    path = out / name
    data = path.read_bytes()
    unseen = []
    for place in range(0, len(data), max(1, len(data) // 12)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        try:
            found = any(file == name for file, _ in told(out))
        except ValueError:  # DatasetDamaged
            found = True
        if not found:
            unseen.append(place)

    assert unseen == []


@pytest.mark.parametrize(
    "change", [{"inputs": 4}, {"root": "/elsewhere"}, {"goal": "probe"}, {"content_version": 1}]
)
def test_a_job_file_that_was_edited_is_found(out, change):
    path = out / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    first, *_ = verify(str(out)).problems

    assert first.file == "job.json"
    assert first.wrong.startswith("was changed since it was written")


def test_a_summary_of_other_rows_is_found(out):
    """It is whole and sealed: that of an earlier state, from a backup."""
    other = OutDir(str(out) + ".other")
    other.part("b0", *(failed(f"{n}.mp4", "corrupt") for n in range(5)))
    summary.finish(other.job())
    shutil.copy(other.layout.summary, out / "summary.json")

    assert told(out) == [("summary.json", "says ok 0, the rows say 3")]


@pytest.mark.parametrize("change", ["a row less", "another value"])
def test_a_table_of_other_rows_is_found(out, change):
    table = pq.read_table(out / "files.parquet")
    if change == "a row less":
        table = table.slice(1)
    else:
        sizes = table["size_bytes"].to_pylist()
        place = table.column_names.index("size_bytes")
        field = table.schema.field(place)
        table = table.set_column(place, field, [[sizes[0] + 1, *sizes[1:]]])
    pq.write_table(table, out / "files.parquet")
    seal_file(str(out / "files.parquet"))

    wrong = {
        "a row less": "has 4 rows, the manifest 5",
        "another value": "has other rows than the manifest",
    }
    assert told(out) == [("files.parquet", wrong[change])]


def test_a_shard_that_no_row_names_is_found_in_a_finished_job(out):
    shard = out / "shards" / "part-b9-a1.tfrecord"
    shard.write_bytes(b"x")

    (problem,) = verify(str(out)).problems

    assert (problem.file, problem.wrong) == ("shards/part-b9-a1.tfrecord", "belongs to no row")
    assert problem.mend == f"remove it with `shardmill clean {out} --yes`"


def test_other_peoples_files_beside_shards_are_no_problem(out):
    (out / "shards" / "part-of-a-book.tar").write_bytes(b"x")
    (out / "manifest" / "notes").write_bytes(b"x")

    assert told(out) == []


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("shards/part-b0-a1.tfrecord", "shards/part-b0-a1.tfrecord"),
        ("index/part-b0-a1.arrow", "manifest/part-b0.parquet"),
        ("index/part-b0-a1.idx", "index/part-b0-a1.idx"),
    ],
)
def test_a_file_of_a_shard_that_is_a_link_is_found(out, tmp_path, name, file):
    away = tmp_path / "away"
    shutil.move(out / name, away)
    os.symlink(away, out / name)

    ((place, wrong),) = told(out)
    assert (place, wrong.endswith(f"{name} is a symbolic link")) == (file, True)


def test_two_parts_under_each_others_names_are_found(out):
    one, two = (out / "manifest" / f"part-b{n}.parquet" for n in (0, 1))
    shard_of = {"b0": "part-b1-a1.tfrecord", "b1": "part-b0-a1.tfrecord"}
    one.rename(one.with_suffix(".away"))
    two.rename(one)
    one.with_suffix(".away").rename(two)

    found = [(file, wrong.rpartition(" ")[2]) for file, wrong in told(out)]

    assert found == [(f"manifest/part-{name}.parquet", shard) for name, shard in shard_of.items()]


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        pytest.param(failed("x", "bogus"), "has the error class bogus", id="unknown class"),
        pytest.param(failed("x", None), "is failed without an error class", id="no class"),
        pytest.param(
            replace(skipped("x"), outcome=replace(skipped("x").outcome, error_message=None)),
            "is skipped but tells of an error otherwise",
            id="no reason",
        ),
        pytest.param(
            replace(skipped("x"), outcome=replace(skipped("x").outcome, status="odd")),
            "has the status odd",
            id="unknown status",
        ),
        pytest.param(
            replace(skipped("x"), item=replace(skipped("x").item, split="val")),
            "is of split val, which the job has not",
            id="split of a job without",
        ),
        pytest.param(
            replace(skipped("x"), item=replace(skipped("x").item, extra="{}")),
            "holds an annotation, though the job has none",
            id="annotation of a job without",
        ),
    ],
)
def test_a_row_that_no_worker_writes_is_found(tmp_path, row, wrong):
    out = OutDir(str(tmp_path))
    out.part("b0", row)
    out.job()

    assert ("x", wrong) in told(out.out)


def test_a_probed_file_with_a_clip_is_found(tmp_path):
    out = OutDir(str(tmp_path), goal="probe")
    row = replace(skipped("x.mp4").outcome, status="ok", error_message=None, bytes_out=7)
    out.part("b0", replace(skipped("x.mp4"), outcome=row))
    out.job()

    assert told(out.out) == [("x.mp4", "has a clip or frames, though the job makes none")]


def test_splits_of_the_job_are_no_problem(tmp_path):
    out = OutDir(str(tmp_path))
    out.shard("b0", Video("x.mp4"), split="val")
    summary.finish(out.job(spec=Spec(split="train=0.5,val=0.5")))

    assert told(out.out) == []


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ({"a": 0}, "does not name class b"),
        ({"a": 1, "b": 0}, "gives class a the number 1, the rows 0"),
    ],
)
def test_a_list_of_classes_that_contradicts_the_rows_is_found(out, written, wrong):
    write_classes(OutDir(str(out)).layout, written)

    first, *_ = verify(str(out)).problems

    assert (first.file, first.wrong, first.part) == ("classes.json", wrong, None)


def test_a_class_that_no_row_has_is_no_problem(out):
    write_classes(OutDir(str(out)).layout, {"a": 0, "b": 1, "c": 9})

    assert told(out) == []


def labelled(out: OutDir, part: str, label: str, number: int, count: int) -> None:
    rows = (skipped(f"{part}/{n}") for n in range(count))
    out.part(
        part,
        *(
            replace(row, item=replace(row.item, labels=(label,), label_ids=(number,)))
            for row in rows
        ),
    )


@pytest.mark.parametrize("written", [{"b": 0, "c": 1}, None])
def test_of_rows_that_contradict_each_other_the_fewer_are_named(tmp_path, written):
    """The state that an earlier version left when ``classes.json`` was lost."""
    out = OutDir(str(tmp_path))
    labelled(out, "b0", "a", 0, 1)
    labelled(out, "b1", "b", 0, 4)
    labelled(out, "b2", "c", 1, 4)
    out.job()
    if written is None:
        Path(out.layout.classes).unlink()
    else:
        write_classes(out.layout, written)

    problems = verify(out.out).problems

    wrong = "has class a under number 0, which other rows contradict"
    by_part = [(each.file, each.wrong) for each in problems if each.part]
    assert by_part == [("manifest/part-b0.parquet", wrong)]


def test_rows_that_fit_the_list_of_classes_stay_though_they_are_fewer(tmp_path):
    out = OutDir(str(tmp_path))
    labelled(out, "b0", "a", 0, 1)
    labelled(out, "b1", "b", 0, 4)
    out.job()
    write_classes(out.layout, {"a": 0, "b": 1})

    (problem,) = [each for each in verify(out.out).problems if each.part]

    assert problem.wrong == "has class b under number 0, which other rows contradict"


def test_a_label_without_a_number_is_found(tmp_path):
    out = OutDir(str(tmp_path))
    out.part("b0", replace(skipped("x"), item=replace(skipped("x").item, labels=("a",))))
    out.job()

    (problem,) = verify(out.out).problems

    assert problem.wrong == "has a class without a number"


def test_of_very_many_orphans_the_first_are_told(out):
    for number in range(MOST + 5):
        (out / "shards" / f"part-{number:02d}-a1.tfrecord").touch()

    assert len(told(out)) == MOST
