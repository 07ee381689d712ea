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


def told(windows, case, clips, paths, data):
    "Check every window against the clips, and return path and start of each."
    shown = []
    for window in windows.as_numpy_iterator():
        path = paths[window["clip_id"].decode()]
        assert window["path"].decode() == path == data.clips[window["clip"]].path
        frames, pts_ns, label = clips[path]
        count = int(window["mask"].sum())
        assert np.array_equal(window["pts_s"], window["pts_ns"] / 1e9)
        start = pts_ns.tolist().index(window["pts_ns"][0])
        assert window["window"] == (start if case["sample"] == "uniform-windows" else 0)
        numbers = start + case["stride"] * np.arange(case["window"] or len(frames))
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
            share = Share(rank=rank, world=case["world"], tail=case["tail"])
            windows = make(data, epoch=case["epoch"], share=share)
        except UsageError as error:
            shown.append(str(error))
        else:
            shown.append(told(windows, case, clips, paths, data))
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
    "tail": "pad",
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


def test_the_middle_of_each_clip_is_the_same_in_both_ways(tensorflow_python, outs):
    """Clips of 9, 5 and 12 frames have 6, 2 and 9 starts; the middle ones are 2, 0 and 4."""
    changes = [
        {"kind": kind, "sample": "center", "epoch": epoch}
        for kind in ("graph", "python")
        for epoch in (0, 1)
    ]

    answers = asked(tensorflow_python, outs, *changes)

    for (shown,) in answers:
        assert sorted(shown) == [["a/1.mp4", 2], ["a/2.mp4", 0], ["b/3.mp4", 4]]


def test_whole_clips_come_in_both_ways(tensorflow_python, outs):
    changes = [
        {"kind": kind, "window": None, "encoding": encoding, "stride": stride}
        for kind in ("graph", "python")
        for encoding, stride in (("jpeg", 1), ("raw", 2))
    ]

    answers = asked(tensorflow_python, outs, *changes)

    for (shown,) in answers:
        assert sorted(shown) == [[path, 0] for path in LENGTHS]


@pytest.mark.parametrize("kind", ["graph", "python"])
def test_uneven_ranks_share_the_windows(tensorflow_python, outs, kind):
    change = {"kind": kind, "tail": "uneven"}
    (two, many) = asked(tensorflow_python, outs, change | {"world": 2}, change | {"world": 9})

    for shares in (two, many):
        paths = Counter(path for path, _ in chain(*shares))
        assert paths == dict.fromkeys(("a/1.mp4", "a/2.mp4", "b/3.mp4"), 1)
    assert all(two)


def test_even_ranks_have_equally_many_windows_and_no_whole_shards(tensorflow_python, outs):
    (even, (refused, _)) = asked(
        tensorflow_python, outs, {"kind": "python", "world": 2}, {"kind": "graph", "world": 2}
    )

    assert [len(share) for share in even] == [2, 2]
    twice = Counter(path for path, _ in chain(*even)) - Counter(("a/1.mp4", "a/2.mp4", "b/3.mp4"))
    assert twice == {even[0][0][0]: 1}, "three windows: the first stands in for one more"
    assert "expected a share with tail='uneven', got 'pad'" in refused


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

    ((by_window,), (by_format,), (by_k,)) = asked(
        tensorflow_python,
        outs | {"hdf5": out},
        {"sample": "uniform-windows"},
        {"encoding": "hdf5"},
        {"sample": "uniform-k"},
    )

    assert "expected sample='uniform-clips' or 'center', without windows_per_clip" in by_window
    assert "got 'uniform-windows'; tf_windows can" in by_window
    assert "got 'uniform-k'" in by_k
    assert "expected TFRecord shards, got " in by_format


EQUAL = """
import json, sys
import numpy as np
from shardmill.read import ClipDataset, stack_windows
from shardmill.read.tf_dataset import tf_record_windows, tf_windows

for options in (
    {"window": 4, "stride": (1, 3), "short": "pad"},
    {"window": 4, "short": "loop"},
    {"window": None, "stride": (1, 2)},
):
    data = ClipDataset(sys.argv[1], sample="uniform-clips", seed=3, **options)
    places = range(len(data))
    batch = stack_windows([data.at(place, epoch=1) for place in places])
    for make in (tf_windows, tf_record_windows):
        (theirs,) = make(data, epoch=1, batch_size=len(data)).as_numpy_iterator()
        assert set(theirs) == set(batch)
        order = [theirs["clip"].tolist().index(clip) for clip in batch["clip"]]
        for name, ours in batch.items():
            found = theirs[name][order]
            if ours.dtype.kind == "U":
                found = np.array([text.decode() for text in found])
            assert found.dtype == ours.dtype or found.dtype.kind == "U", name
            assert np.array_equal(found, ours), (name, options)
"""


def test_every_key_of_a_batch_is_equal_in_every_way(tensorflow_python, outs):
    done = subprocess.run(
        [tensorflow_python, "-c", EQUAL, outs["raw"]], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr


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
