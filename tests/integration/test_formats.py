"""Whole jobs in every format: proved by verify, and read by the tools of each format's world."""

import subprocess
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
import simplejpeg

import shardmill
from shardmill.read import open_shards
from shardmill.report.verify import verify

pytestmark = pytest.mark.needs_redis

Frames = dict[str, np.ndarray]
"""Clip to its frames, shape (T, H, W, 3), uint8, RGB."""


def run(media: Path, out: Path, **options) -> Frames:
    """Do a job, prove it, and return what our own reader makes of it."""
    status = shardmill.run(str(media), out=str(out), spec=shardmill.Spec(**options))
    assert (status.state, status.tally.ok, status.tally.failed) == ("done", 8, 1)
    assert verify(str(out), deep=True).problems == ()
    return {clip.clip_id: clip.frames() for clip in open_shards(str(out))}


def shards(out: Path, suffix: str) -> list[Path]:
    """The shards, of which there must be several, and nothing else."""
    found = sorted((out / "shards").iterdir())
    assert len(found) > 1
    assert {path.suffix for path in found} == {suffix}
    return found


def assert_same(ours: Frames, theirs: Frames) -> None:
    assert ours.keys() == theirs.keys()
    for clip, frames in ours.items():
        assert np.array_equal(frames, theirs[clip]), clip


def test_h5py_reads_what_we_read(sample_set, tmp_path):
    ours = run(sample_set, tmp_path / "out", size="160x120", fps=12, format="hdf5")

    theirs = {}
    for path in shards(tmp_path / "out", ".h5"):
        with h5py.File(path) as shard:
            for name, clip in shard.items():
                data, edges = clip["frames"][:], clip["offsets"][:]
                pictures = [simplejpeg.decode_jpeg(data[a:b].tobytes()) for a, b in pairwise(edges)]
                theirs[name] = np.stack(pictures)

    assert_same(ours, theirs)


def test_numpy_reads_what_we_read(sample_set, tmp_path):
    """A shard is one array; the clips lie in it in the order of the index."""
    box = {"fit": "160x120", "pad": True}
    ours = run(sample_set, tmp_path / "out", fps=12, format="npy", encoding="raw", **box)

    clips = iter(open_shards(str(tmp_path / "out")))
    theirs = {}
    for path in shards(tmp_path / "out", ".npy"):
        frames, row = np.load(path, mmap_mode="r"), 0
        while row < len(frames):
            clip = next(clips)
            theirs[clip.clip_id] = frames[row : row + len(clip)]
            row += len(clip)

    assert_same(ours, theirs)


WEBDATASET = """
import sys
import numpy as np
import webdataset

target, *paths = sys.argv[1:]
found = {}
for sample in webdataset.WebDataset(paths, shardshuffle=False).decode("rgb8"):
    frames = [sample[name] for name in sorted(sample) if name[0].isdigit()]
    about = sample["json"]
    assert len(frames) == about["num_frames"] == len(about["pts_ns"])
    label = ["bouncing", "sliding"].index(about["class_text"])
    assert sample["cls"] == about["class_label"] == label
    assert about["filename"].startswith(about["class_text"] + "/")
    found[sample["__key__"]] = np.stack(frames)
np.savez(target, **found)
"""


@pytest.mark.parametrize("encoding", ["jpeg", "png", "raw"])
def test_webdataset_reads_what_we_read(sample_set, tmp_path, webdataset_python, encoding):
    options = {"size": "160x120", "fps": 12, "format": "webdataset", "encoding": encoding}
    ours = run(sample_set, tmp_path / "out", **options)

    paths = shards(tmp_path / "out", ".tar")
    program = [webdataset_python, "-c", WEBDATASET, tmp_path / "theirs.npz", *paths]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    with np.load(tmp_path / "theirs.npz") as theirs:
        assert_same(ours, dict(theirs))


TENSORFLOW = """
import pathlib, sys
import numpy as np
import tensorflow as tf

features = {"frames": tf.io.RaggedFeature(tf.string)}
paths = sorted(str(path) for path in pathlib.Path(sys.argv[1]).glob("*.tfrecord"))
found = {}
for number, record in enumerate(tf.data.TFRecordDataset(paths)):
    window = tf.io.parse_single_example(record, features)["frames"][2:6]
    pictures = [tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE") for data in window]
    found[str(number)] = np.array([picture.numpy() for picture in pictures])
np.savez(sys.argv[2], **found)
"""


def test_tensorflow_reads_the_windows_that_we_read(sample_set, tmp_path, tensorflow_python):
    """Parsed, sliced and decoded by TensorFlow alone, to the last bit of each pixel."""
    out = tmp_path / "out"
    run(sample_set, out, size="160x120", fps=12)

    program = [tensorflow_python, "-c", TENSORFLOW, out / "shards", tmp_path / "theirs.npz"]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    ours = {
        str(number): clip.frames(2, 6) if len(clip) > 1 else np.array([])
        for number, clip in enumerate(open_shards(str(out)))
    }
    with np.load(tmp_path / "theirs.npz") as theirs:
        assert_same(ours, dict(theirs))
