"""tf.data shows the windows of ClipDataset, in the graph and from Python, and the right pixels."""

import json
import subprocess
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

import shardmill
from made_media import picture, video
from shardmill.read import ClipDataset, open_shards

pytestmark = [pytest.mark.needs_redis, pytest.mark.timeout(600)]

LENGTHS = {"a/1.mp4": 9, "a/2.mp4": 5, "b/3.mp4": 12, "b/4.mp4": 2, "b/5.png": 1}

PROGRAM = """
import json, pathlib, sys
import numpy as np
import tensorflow as tf
from shardmill.contract.errors import UsageError
from shardmill.read import ClipDataset, Share, open_shards
from shardmill.read.tf_dataset import tf_record_windows, tf_windows

FEATURES = {
    "frames": tf.io.RaggedFeature(tf.string),
    "pts_ns": tf.io.RaggedFeature(tf.int64),
    "encoding": tf.io.FixedLenFeature([], tf.string),
    "class_label": tf.io.FixedLenFeature([], tf.int64),
    "filename": tf.io.FixedLenFeature([], tf.string),
}


def frame(data, encoding):
    if encoding == b"raw":
        return tf.io.decode_raw(data, tf.uint8).numpy().reshape(24, 32, 3)
    if encoding == b"png":
        return tf.io.decode_png(data).numpy()
    return tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE").numpy()


def clips_of(out):
    "Every clip by its path: frames, times, class; found with TensorFlow alone."
    found = {}
    paths = sorted(str(path) for path in pathlib.Path(out, "shards").glob("*.tfrecord"))
    for record in tf.data.TFRecordDataset(paths):
        clip = {k: v.numpy() for k, v in tf.io.parse_single_example(record, FEATURES).items()}
        frames = np.stack([frame(data, clip["encoding"]) for data in clip["frames"]])
        found[clip["filename"].decode()] = frames, clip["pts_ns"], clip["class_label"]
    return found


def told(windows, case, clips, paths):
    "Check every window against the clips, and return path and start of each."
    shown = []
    for window in windows.as_numpy_iterator():
        path = paths[window["clip_id"].decode()]
        frames, pts_ns, label = clips[path]
        count = int(window["mask"].sum())
        start = pts_ns.tolist().index(window["pts_ns"][0])
        numbers = start + case["stride"] * np.arange(case["window"])
        if case["short"] == "loop":
            numbers %= len(frames)
        expected = frames[numbers[numbers < len(frames)]]
        assert count == len(expected) and window["mask"][:count].all(), (case, path)
        assert np.array_equal(window["frames"][:count], expected), (case, path)
        assert not window["frames"][count:].any() and not window["pts_ns"][count:].any()
        assert window["pts_ns"][:count].tolist() == pts_ns[numbers[:count]].tolist()
        assert window["label_id"] == label
        shown.append([path, start])
    return shown


answers = []
for case in json.loads(sys.argv[1]):
    clips = clips_of(case["out"])
    paths = {clip.clip_id: clip.path for clip in open_shards(case["out"])}
    data = ClipDataset(
        open_shards(case["out"], labels=case["labels"]),
        **{name: case[name] for name in ("window", "stride", "short", "sample")},
        seed=9,
    )
    make = {"python": tf_windows, "graph": tf_record_windows}[case["kind"]]
    shown = []
    for rank in range(case["world"]):
        try:
            windows = make(data, epoch=case["epoch"], share=Share(rank=rank, world=case["world"]))
        except UsageError as error:
            shown.append(str(error))
        else:
            shown.append(told(windows, case, clips, paths))
    answers.append(shown)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def outs(tmp_path_factory) -> dict[str, str]:
    """Encoding to an output directory of several TFRecord shards."""
    media = tmp_path_factory.mktemp("media")
    for name, frames in LENGTHS.items():
        if name.endswith(".png"):
            picture(media / name)
        else:
            video(media / name, frames=frames)
    made = {}
    for encoding in ("jpeg", "png", "raw"):
        made[encoding] = str(tmp_path_factory.mktemp("out") / encoding)
        shardmill.run(str(media), out=made[encoding], spec=shardmill.Spec(encoding=encoding))
        clips = {clip.path: len(clip) for clip in open_shards(made[encoding])}
        assert clips == LENGTHS
    return made


PLAIN = {
    "kind": "graph",
    "encoding": "jpeg",
    "sample": "uniform-clips",
    "short": "drop",
    "window": 4,
    "stride": 1,
    "epoch": 0,
    "world": 1,
    "labels": None,
}


def asked(python: str, outs: dict[str, str], *changes: dict) -> list[list]:
    """What tf.data shows in several cases: for each rank (path, start) of each window."""
    cases = [PLAIN | change for change in changes]
    cases = [case | {"out": outs[case["encoding"]]} for case in cases]
    command = [python, "-c", PROGRAM, json.dumps(cases)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def starts_by_hand(window: int, stride: int) -> list[list]:
    """Every window that fits, whatever TensorFlow or we say."""
    return [
        [path, start]
        for path, frames in LENGTHS.items()
        for start in range(frames - (window - 1) * stride)
    ]


def test_the_graph_shows_one_window_of_each_clip(tensorflow_python, outs):
    changes = [
        {"encoding": encoding, "short": short, "stride": stride, "epoch": epoch}
        for encoding in ("jpeg", "png", "raw")
        for short in ("drop", "pad", "loop")
        for stride, epoch in ((1, 0), (2, 1))
    ]

    answers = asked(tensorflow_python, outs, *changes)

    for change, (shown,) in zip(changes, answers, strict=True):
        valid = starts_by_hand(4, change["stride"])
        long_enough = {path for path, _ in valid}
        expected = long_enough if change["short"] == "drop" else LENGTHS
        assert Counter(path for path, _ in shown) == dict.fromkeys(expected, 1), change
        assert all([path, start] in valid for path, start in shown if path in long_enough)
        assert all(start == 0 for path, start in shown if path not in long_enough)


def test_both_ways_show_the_same_windows_as_the_dataset_itself(tensorflow_python, outs):
    changes = [{"kind": kind, "epoch": epoch} for kind in ("graph", "python") for epoch in (0, 1)]

    answers = asked(tensorflow_python, outs, *changes)

    data = ClipDataset(outs["jpeg"], window=4, sample="uniform-clips", seed=9)
    paths = {clip.clip_id: clip.path for clip in data.clips}
    for change, (shown,) in zip(changes, answers, strict=True):
        windows = [data.at(place, epoch=change["epoch"]) for place in range(len(data))]
        ours = [[paths[w["clip_id"]], int(w["pts_ns"][0]) // 100_000_000] for w in windows]
        assert sorted(shown) == sorted(ours), change
        if change["kind"] == "python":
            assert shown == ours


@pytest.mark.parametrize("kind", ["graph", "python"])
def test_ranks_share_the_windows(tensorflow_python, outs, kind):
    (two, many) = asked(
        tensorflow_python, outs, {"kind": kind, "world": 2}, {"kind": kind, "world": 9}
    )

    for shares in (two, many):
        paths = Counter(path for path, _ in chain(*shares))
        assert paths == dict.fromkeys(("a/1.mp4", "a/2.mp4", "b/3.mp4"), 1)
    assert all(two)


def test_from_python_every_window_comes_once(tensorflow_python, outs):
    change = {"kind": "python", "sample": "uniform-windows", "encoding": "raw", "epoch": 2}

    ((shown,),) = asked(tensorflow_python, outs, change)

    assert sorted(shown) == sorted(starts_by_hand(4, 1))
    assert shown != sorted(shown)


def test_only_the_wanted_clips_are_decoded(tensorflow_python, outs):
    ((graph,), (python,)) = asked(
        tensorflow_python, outs, {"labels": ["b"]}, {"labels": ["b"], "kind": "python"}
    )

    assert [path for path, _ in graph] == [path for path, _ in python] == ["b/3.mp4"]


def test_what_the_graph_cannot_do_is_refused(tensorflow_python, outs, tmp_path: Path):
    video(tmp_path / "in" / "1.mp4")
    out = str(tmp_path / "out")
    shardmill.run(str(tmp_path / "in"), out=out, spec=shardmill.Spec(format="hdf5"))

    ((by_window,), (by_format,)) = asked(
        tensorflow_python,
        outs | {"hdf5": out},
        {"sample": "uniform-windows"},
        {"encoding": "hdf5"},
    )

    assert "expected sample='uniform-clips' and tail='keep', got 'uniform-windows'" in by_window
    assert "expected TFRecord shards, got " in by_format


SIZES = """
import json, sys
import tensorflow as tf
from shardmill.contract.errors import UsageError
from shardmill.read import ClipDataset
from shardmill.read.tf_dataset import tf_record_windows, tf_windows

mixed, alike = (ClipDataset(o, window=2, sample="uniform-clips") for o in sys.argv[1:])
found = []
for make in (tf_windows, tf_record_windows):
    try:
        error = str(make(mixed, batch_size=2))
    except UsageError as refused:
        error = str(refused)
    cut = make(mixed).map(lambda window: window["frames"][:, :24, :24])
    found.append({
        "error": error,
        "one": sorted(batch["frames"].shape.as_list() for batch in make(mixed, batch_size=1)),
        "none": sorted(window["frames"].shape.as_list() for window in make(mixed)),
        "own": [batch.shape.as_list() for batch in cut.batch(2)],
        "alike": [batch["frames"].shape.as_list() for batch in make(alike, batch_size=3)],
    })
print(json.dumps(found))
"""


def test_clips_of_other_sizes_are_named_and_only_where_they_are_stacked(
    tensorflow_python, outs, tmp_path: Path
):
    video(tmp_path / "in" / "wide.mp4")
    video(tmp_path / "in" / "tall.mp4", size=(24, 32))
    out = str(tmp_path / "out")
    shardmill.run(str(tmp_path / "in"), out=out)

    done = subprocess.run(
        [tensorflow_python, "-c", SIZES, out, outs["jpeg"]], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    for found in json.loads(done.stdout):
        for told in ("32x24 in 1 clip (wide.mp4)", "24x32 in 1 clip (tall.mp4)"):
            assert told in found["error"]
        assert found["one"] == [[1, 2, 24, 32, 3], [1, 2, 32, 24, 3]]
        assert found["none"] == [[2, 24, 32, 3], [2, 32, 24, 3]]
        assert found["own"] == [[2, 2, 24, 24, 3]]
        assert found["alike"] == [[3, 2, 24, 32, 3], [1, 2, 24, 32, 3]]
