"""Annotations from the command line to the clips: ranges, labels, splits, and what has no partner.

The videos have ten frames a second, each lighter than the one before, so that numbers of frames and
their times are worked out by hand.
"""

import json
import shlex
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from command_line import Done, Shell, shards
from made_media import picture, video
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout
from shardmill.read import ClipDataset, open_shards

pytestmark = pytest.mark.needs_redis
SIZE = ("--size", "16x12")
S = 1_000_000_000
CLIPS = """\
path,label,start,end,split,camera
kitchen/a.mp4,pour,0,1,train,2
kitchen/a.mp4,stir,1,2.5,train,3
kitchen/a.mp4,late,2.8,9,train,3
kitchen/a.mp4,never,9,12,train,3
kitchen/b.mp4,,,,val,1
kitchen/c.mp4,pour,9,3,val,1
gone.mp4,pour,,,val,1
gone.mp4,pour,1,2,val,1
d.mp4,stir,2,,val,1
d.mp4,stir,0,1,train,7
../e.mp4,stir,0,1,train,7
"""


@pytest.fixture
def media(tmp_path: Path) -> Path:
    media = tmp_path / "in"
    for name in ("kitchen/a", "kitchen/b", "kitchen/c", "d"):
        video(media / f"{name}.mp4", frames=30)
    return media


def table(out: Path) -> dict[tuple[str, int], dict]:
    rows = [row for part in (out / "manifest").iterdir() for row in pq.read_table(part).to_pylist()]
    return {(row["path"], row["segment"]): row for row in rows}


def sound(there: Shell, out: Path) -> bool:
    return there.run("verify", out).code == 0


def write(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content)
    return folder / name


def counts(done: Done) -> tuple[int, ...]:
    return tuple(done.json[name] for name in ("inputs", "ok", "failed", "skipped", "clips"))


def test_each_annotation_is_a_clip_and_what_has_no_partner_is_told(there, media, out, tmp_path):
    annotations = write(tmp_path, "clips.csv", CLIPS)

    done = there.submit(media, "--out", out, "--labels", annotations, *SIZE, "--json")

    # Six clips of a, b and d, of which one lies behind the end of a; c has none, one file is gone.
    assert (done.code, counts(done)) == (3, (5, 2, 1, 2, 5))
    told = done.err.splitlines()
    bad = [line.removeprefix("shardmill: ") for line in told if "bad annotation" in line]
    where = f"bad annotation: {annotations}, line"
    assert bad == [
        f"{where} 7: expected an end after the start, got '9' to '3'",
        f"{where} 12: expected a path without .., got '../e.mp4'",
        f"{where} 11: expected split val as in {annotations}, line 10, got train",
        "3 bad annotations left out: path 1, split 1, time 1",
    ]
    assert "shardmill: 6 annotations of 3 files of 4" in told
    assert any("2 annotations without a file" in line for line in told)
    assert any("1 file without annotation left out" in line for line in told)
    rows = table(out)
    assert rows["gone.mp4", 0]["error_message"] == (
        f"no such file; annotated in {annotations}, line 8 and 1 more"
    )
    assert rows["kitchen/c.mp4", 0]["error_message"] == "no annotation"
    late = rows["kitchen/a.mp4", 3]
    assert (late["status"], late["error_class"]) == ("failed", "empty")
    assert "No frame lies in the range" in late["error_message"]
    ok = {key: row for key, row in rows.items() if row["status"] == "ok"}
    assert {key: (row["frames_kept"], row["labels"], row["split"]) for key, row in ok.items()} == {
        ("kitchen/a.mp4", 0): (10, ["pour"], "train"),
        ("kitchen/a.mp4", 1): (15, ["stir"], "train"),
        ("kitchen/a.mp4", 2): (2, ["late"], "train"),  # 2.8 s and 2.9 s
        ("kitchen/b.mp4", 0): (30, [], "val"),
        ("d.mp4", 0): (10, ["stir"], "val"),
    }
    classes = json.loads((out / "classes.json").read_text())
    assert classes == {"late": 0, "never": 1, "pour": 2, "stir": 3}
    assert sound(there, out)


def test_the_reader_gives_what_annotations_say(there, media, out, tmp_path):
    lines = [
        {"path": "d.mp4", "label": ["b", "a"], "start": "00:00:01", "who": {"id": 7, "é": [1.5]}},
        {"path": "kitchen/a.mp4", "end": 0.95, "split": "val"},
    ]
    annotations = write(tmp_path, "clips.jsonl", "\n".join(map(json.dumps, lines)))

    done = there.submit(media, "--out", out, "--labels", annotations, *SIZE)

    assert done.code == 0, done.err
    clips = {clip.path: clip for clip in open_shards(str(out), split="all")}
    assert (clips["d.mp4"].labels, clips["d.mp4"].label_ids) == (("b", "a"), (1, 0))
    assert (clips["d.mp4"].label, clips["d.mp4"].label_id) == ("b", 1)
    assert clips["d.mp4"].extra == {"who": {"id": 7, "é": [1.5]}}
    assert clips["d.mp4"].pts_ns.tolist() == [S + i * S // 10 for i in range(20)]
    bare = clips["kitchen/a.mp4"]
    assert (bare.labels, bare.label_id, bare.extra, len(bare)) == ((), None, {}, 10)
    windows = ClipDataset(str(out), split="all", window=20)
    assert (windows[0]["label_id"], windows[0]["label_ids"].tolist()) == (1, [1, 0])
    short = ClipDataset(str(out), split="all", window=10).at
    labels = {tuple(short(place, epoch=0)["label_ids"].tolist()) for place in range(12)}
    assert labels == {(1, 0), (-1, -1)}
    assert [clip.path for clip in open_shards(str(out), split="all", labels=["a"])] == ["d.mp4"]
    assert [clip.path for clip in open_shards(str(out), split="val")] == ["kitchen/a.mp4"]
    asked = there.run(
        "query", out, "select path, extra->>'$.who.id' from files where extra like '%7%'", "--csv"
    )
    assert asked.out.splitlines()[1:] == ["d.mp4,7"]


def test_a_changed_annotation_is_done_again_and_nothing_else(there, media, out, tmp_path):
    alone = (*SIZE, "--clips-per-shard", "1")
    first = "path,label,start,end\nd.mp4,x,0,1\nd.mp4,y,1,2\nkitchen/a.mp4,x,,\nkitchen/b.mp4,y,,\n"
    annotations = write(tmp_path, "a.csv", first)
    assert there.submit(media, "--out", out, "--labels", annotations, *alone).code == 0
    before, rows = shards(out), table(out)

    moved = annotations.rename(tmp_path / "moved.csv")
    assert there.submit(media, "--out", out, "--labels", moved, *alone).code == 0
    assert shards(out) == before

    moved.write_text(first.replace("y,1,2", "y,1,2.5").replace("b.mp4,y", "b.mp4,z"))
    again = there.submit(media, "--out", out, "--labels", moved, *alone, "--json")

    assert (again.code, counts(again)) == (0, (4, 3, 0, 1, 4))
    same = {rows["d.mp4", 0]["shard"], rows["kitchen/a.mp4", 0]["shard"]}
    assert shards(out).keys() & before.keys() == same
    assert {name: before[name] for name in same}.items() <= shards(out).items()
    now = table(out)
    assert (now["d.mp4", 1]["frames_kept"], now["kitchen/b.mp4", 0]["labels"]) == (15, ["z"])
    assert json.loads((out / "classes.json").read_text()) == {"x": 0, "y": 1, "z": 2}

    moved.write_text(first + "d.mp4,x,2,3\n")
    more = there.submit(media, "--out", out, "--labels", moved, *alone, "--json")
    assert (more.code, counts(more)) == (0, (4, 3, 0, 1, 5))
    assert [table(out)["d.mp4", n]["segments"] for n in range(3)] == [3, 3, 3]
    assert sound(there, out)


def test_a_retry_takes_labels_and_ranges_from_the_rows(there, media, out, tmp_path):
    whole = (media / "d.mp4").read_bytes()
    (media / "d.mp4").write_bytes(b"\0" * 5000)
    annotations = write(
        tmp_path,
        "a.csv",
        "path,label,start,end,n\nd.mp4,x,0,1,1\nd.mp4,y,1,2.5,2\nkitchen/a.mp4,x,,,3",
    )
    done = there.submit(media, "--out", out, "--labels", annotations, *SIZE, "--json")
    assert (done.code, done.json["failed"]) == (3, 1)
    annotations.unlink()
    (media / "d.mp4").write_bytes(whole)

    assert there.run("retry", out).code == 0

    rows = table(out)
    found = [(rows["d.mp4", n]["frames_kept"], rows["d.mp4", n]["labels"]) for n in range(2)]
    assert found == [(10, ["x"]), (15, ["y"])]
    assert [json.loads(rows["d.mp4", n]["extra"]) for n in range(2)] == [{"n": "1"}, {"n": "2"}]
    assert sound(there, out)
    refused = there.submit(media, "--out", out, "--labels", annotations, *SIZE)
    assert refused.code == 2
    assert f"found no file '{annotations}'" in refused.only_sentence


def test_strict_ends_with_the_first_bad_line(there, media, out, tmp_path):
    annotations = write(tmp_path, "clips.csv", CLIPS)

    done = there.submit(media, "--out", out, "--labels", annotations, "--strict", *SIZE)

    assert done.code == 2
    assert f"{annotations}, line 7: expected an end after the start" in done.only_sentence
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "content", "why"),
    [
        ((), "path\nx/a.mp4\n", "none is of one of the 4 inputs, 'x/a.mp4' for instance"),
        ((), "video\nd.mp4\n", "expected a column 'path', got 'video'"),
        (("--preset", "imagenot"), "path\n", "expected one of columns, imagenet,"),
        (("--columns", "colour=x"), "path\n", "expected --columns as name=value"),
        (("--form", "match=name"), "path\n", "expected path or stem as match"),
        (
            ("--split", "a=.5,b=.5"),
            "path,split\nd.mp4,a\n",
            "--split and annotations that name 'a'",
        ),
        (("--preset", "ucf101"), "path\n", "begins with trainlist or testlist"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_one_sentence(there, media, out, options, content, why):
    annotations = write(media.parent, "a.csv", content)

    done = there.submit(media, "--out", out, "--labels", annotations, *options, *SIZE)

    assert done.code == 2
    assert why in done.err.splitlines()[-1]
    assert "Traceback" not in done.err
    assert not out.exists()


def test_files_without_annotation_are_taken_whole_when_told(there, media, out, tmp_path):
    annotations = write(tmp_path, "a.csv", "path,label,start,end\nd.mp4,x,0,1\n")
    command = (media, "--out", out, "--labels", annotations, *SIZE, "--json")
    assert counts(there.submit(*command)) == (4, 1, 0, 3, 1)

    kept = there.submit(*command, "--keep-unannotated")

    assert (kept.code, counts(kept)) == (0, (4, 4, 0, 0, 4))
    assert "3 files without annotation taken whole and unlabelled" in kept.err
    row = table(out)["kitchen/a.mp4", 0]
    assert (row["labels"], row["label_id"], row["extra"], row["frames_kept"]) == (
        [],
        None,
        None,
        30,
    )
    assert counts(there.submit(*command)) == (4, 1, 0, 3, 1)
    assert sound(there, out)


def test_a_table_of_a_spreadsheet_is_read_and_its_blanks_are_counted(there, media, out, tmp_path):
    table = "path\tlabel\r\nd.mp4 \tcaf\u00e9 \r\nkitchen/a.mp4\t caf\u00e9\r\n"
    (tmp_path / "a.tsv").write_bytes(table.encode("utf-16"))
    (tmp_path / "b.csv").write_bytes(b"path,label\nd.mp4,caf\xe9\n")

    done = there.submit(media, "--out", out, "--labels", tmp_path / "a.tsv", *SIZE)
    refused = there.run("submit", media, "--out", out, "--labels", tmp_path / "b.csv", *SIZE)

    assert "blanks stripped at the ends of 2 labels, 1 path" in done.err
    assert {(clip.path, clip.label) for clip in open_shards(str(out))} == {
        ("d.mp4", "caf\u00e9"),
        ("kitchen/a.mp4", "caf\u00e9"),
    }
    assert refused.code == 2
    assert "b.csv, line 2: expected UTF-8, got the byte 0xe9" in refused.err.splitlines()[-1]


def test_labels_are_last_folders_or_what_a_pattern_finds(there, tmp_path):
    media = tmp_path / "in"
    for name in ("x/pour/v_g01.png", "x/stir/v_g02.png", "top.png"):
        picture(media / name)
    for labels, expected in (
        ("last", {"x/pour/v_g01.png": "pour", "x/stir/v_g02.png": "stir", "top.png": None}),
        (r"_(?P<label>g\d+)", {"x/pour/v_g01.png": "g01", "x/stir/v_g02.png": "g02"}),
    ):
        out = tmp_path / f"out-{len(labels)}"
        assert there.submit(media, "--out", out, "--labels", labels, *SIZE).code == 0
        found = {clip.path: clip.label for clip in open_shards(str(out))}
        assert found == {"top.png": None} | expected


def test_clips_without_a_split_of_their_own_are_dealt_by_file(there, media, out, tmp_path):
    lines = [f"{name},x,{n},{n + 1}" for name in ("d.mp4", "kitchen/a.mp4") for n in range(3)]
    annotations = write(tmp_path, "a.csv", "\n".join(["path,label,start,end", *lines]))
    command = (media, "--out", out, "--labels", annotations, *SIZE)

    done = there.submit(*command, "--split", "train=.5,val=.5", "--json")

    assert (done.code, done.json["clips"]) == (0, 6)
    paths = {s: {c.path for c in open_shards(str(out), split=s)} for s in ("train", "val")}
    assert sorted(map(len, paths.values())) == [1, 1]
    before = Layout(str(out)).shard_names()
    assert there.submit(*command, "--split", "train=.5,val=.5").code == 0
    assert Layout(str(out)).shard_names() == before


def test_a_plan_counts_clips_and_their_ranges(there, media, out, tmp_path):
    annotations = write(tmp_path, "clips.csv", CLIPS)

    done = there.run("plan", media, "--out", out, "--labels", annotations, *SIZE)

    assert done.code == 0, done.err
    assert "5 files: 3 can be used, as 5 clips" in done.out
    assert "  frames   67 " in done.out  # 10 + 15 + 2 + 30 + 10; one of the clips gives none
    assert "1 of them failed: 1 empty" in done.out


def test_the_command_that_job_json_tells_works_anywhere(there, media, out, tmp_path, monkeypatch):
    write(tmp_path, "a.csv", "video;class\nd.mp4;x\n")
    monkeypatch.chdir(tmp_path)
    options = ("--columns", "path=video,label=class", "--form", "delimiter=;")
    done = there.submit(media, "--out", out, "--labels", "val=a.csv", *options, *SIZE)
    assert done.code == 0, done.err
    before = Layout(str(out)).shard_names()
    assert {name.split("/")[0] for name in before} == {"val"}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    again = there.run(*shlex.split(Job.read(str(out)).command("submit"))[1:], "--wait")

    assert again.code == 0, again.err
    assert Layout(str(out)).shard_names() == before


IN_TENSORFLOW = """
import json, sys
import tensorflow as tf
from shardmill.read import ClipDataset
from shardmill.read.tf_dataset import tf_record_windows, tf_windows

out, *shards = sys.argv[1:]
data = ClipDataset(out, window=5, sample="uniform-clips")
kinds = [(tf.string, name) for name in ("filename", "class_text", "extra")]
features = {name: tf.io.RaggedFeature(kind) for kind, name in kinds}
features["class_label"] = tf.io.RaggedFeature(tf.int64)
told = {"records": []}
for record in tf.data.TFRecordDataset(shards):
    found = tf.io.parse_single_example(record, features)
    texts = {name: [t.decode() for t in found[name].numpy()] for _, name in kinds}
    told["records"].append(texts | {"class_label": found["class_label"].numpy().tolist()})
for name, windows in ("graph", tf_record_windows(data)), ("python", tf_windows(data)):
    batch = next(iter(windows.batch(2)))
    ids = zip(batch["label_id"].numpy().tolist(), batch["label_ids"].numpy().tolist())
    told[name] = sorted(map(list, ids))
print(json.dumps(told))
"""


def test_tensorflow_finds_all_classes_and_columns_of_a_clip(there, media, out, tensorflow_python):
    lines = [
        {"path": "d.mp4", "label": ["b", "a"], "who": {"é": 7}},
        {"path": "kitchen/a.mp4", "label": "b"},
    ]
    annotations = write(media.parent, "clips.jsonl", "\n".join(map(json.dumps, lines)))
    assert there.submit(media, "--out", out, "--labels", annotations, *SIZE).code == 0
    paths = map(str, sorted((out / "shards").glob("*.tfrecord")))

    done = subprocess.run(
        [tensorflow_python, "-c", IN_TENSORFLOW, str(out), *paths],
        capture_output=True,
        text=True,
        check=True,
    )

    told = json.loads(done.stdout)
    assert sorted(told["records"], key=lambda record: record["filename"]) == [
        {
            "filename": ["d.mp4"],
            "class_text": ["b", "a"],
            "class_label": [1, 0],
            "extra": ['{"who":{"\\u00e9":7}}'],
        },
        {
            "filename": ["kitchen/a.mp4"],
            "class_text": ["b"],
            "class_label": [1],
            "extra": ["{}"],
        },
    ]
    assert told["graph"] == told["python"] == [[1, [1, -1]], [1, [1, 0]]]
