"""Windows are slices of the frames that other hands read from the same shards.

TensorFlow, webdataset, h5py and numpy give each clip's frames; what a window must hold is then a
slice of them.  Pixels are compared to the last bit, in every format and encoding.
"""

import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import simplejpeg

import shardmill
from made_media import picture
from shardmill.read import ClipDataset, open_shards
from shardmill_worker.sample import make_sample

pytestmark = pytest.mark.needs_redis

Frames = dict[str, np.ndarray]
"""Clip to its frames, shape (T, H, W, 3), uint8, RGB."""

TENSORFLOW = """
import sys
import numpy as np
import tensorflow as tf

features = {
    "frames": tf.io.RaggedFeature(tf.string),
    "encoding": tf.io.FixedLenFeature([], tf.string),
    "height": tf.io.FixedLenFeature([], tf.int64),
    "width": tf.io.FixedLenFeature([], tf.int64),
    "filename": tf.io.FixedLenFeature([], tf.string),
}
decoders = {
    b"jpeg": lambda data, shape: tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE"),
    b"png": lambda data, shape: tf.io.decode_png(data, channels=3),
    b"raw": lambda data, shape: tf.reshape(tf.io.decode_raw(data, tf.uint8), shape),
}
target, *paths = sys.argv[1:]
found = {}
for record in tf.data.TFRecordDataset(paths):
    clip = tf.io.parse_single_example(record, features)
    decode, shape = decoders[clip["encoding"].numpy()], (clip["height"], clip["width"], 3)
    frames = [decode(data, shape).numpy() for data in clip["frames"]]
    found[clip["filename"].numpy().decode().replace("/", "|")] = np.stack(frames)
np.savez(target, **found)
"""
WEBDATASET = """
import sys
import numpy as np
import webdataset

target, *paths = sys.argv[1:]
found = {}
for sample in webdataset.WebDataset(paths, shardshuffle=False).decode("rgb8"):
    frames = [sample[name] for name in sorted(sample) if name[0].isdigit()]
    found[sample["json"]["filename"].replace("/", "|")] = np.stack(frames)
np.savez(target, **found)
"""


def by_program(python: str, program: str, out: Path) -> Frames:
    target, paths = out.with_suffix(".npz"), sorted((out / "shards").iterdir())
    done = subprocess.run([python, "-c", program, target, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(target) as found:
        return {name.replace("|", "/"): frames for name, frames in found.items()}


def by_h5py(out: Path) -> Frames:
    found = {}
    decoders: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "jpeg": lambda data: simplejpeg.decode_jpeg(data.tobytes()),
        "png": lambda data: cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1],
    }
    for path in (out / "shards").iterdir():
        with h5py.File(path) as shard:
            for clip in shard.values():
                frames = clip["frames"][:]
                if clip.attrs["encoding"] != "raw":
                    decode = decoders[clip.attrs["encoding"]]
                    edges = pairwise(clip["offsets"][:])
                    frames = np.stack([decode(frames[a:b]) for a, b in edges])
                found[clip.attrs["filename"]] = frames
    return found


def by_numpy(out: Path) -> Frames:
    """All frames of a shard are one array; which rows are whose stands in no shard."""
    found = {}
    clips = iter(open_shards(out))
    for path in sorted((out / "shards").iterdir()):
        frames, row = np.load(path, mmap_mode="r"), 0
        while row < len(frames):
            clip = next(clips)
            found[clip.path] = frames[row : row + len(clip)]
            row += len(clip)
    return found


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Moving pictures in colour, and one that stands still."""
    folder = tmp_path_factory.mktemp("media") / "sample"
    make_sample(str(folder))
    (folder / "sliding" / "broken.mp4").unlink(missing_ok=True)
    picture(folder / "still" / "noise.png")
    return folder


def theirs_of(out: Path, shard_format: str, request: pytest.FixtureRequest) -> Frames:
    if shard_format == "tfrecord":
        return by_program(request.getfixturevalue("tensorflow_python"), TENSORFLOW, out)
    if shard_format == "webdataset":
        return by_program(request.getfixturevalue("webdataset_python"), WEBDATASET, out)
    return by_h5py(out) if shard_format == "hdf5" else by_numpy(out)


WAYS = [
    *[
        (way, stored)
        for way in ("tfrecord", "webdataset", "hdf5")
        for stored in ("jpeg", "png", "raw")
    ],
    ("npy", "raw"),
]


@pytest.mark.parametrize(("shard_format", "encoding"), WAYS)
def test_windows_are_slices_of_what_others_read(media, tmp_path, shard_format, encoding, request):
    out = tmp_path / "out"
    spec = shardmill.Spec(
        fps=6, fit="64x48", pad=True, upscale=True, format=shard_format, encoding=encoding
    )
    shardmill.run(str(media), out=str(out), spec=spec)
    theirs = theirs_of(out, shard_format, request)
    clips = open_shards(out)
    assert sorted(theirs) == sorted(clip.path for clip in clips)

    for window, stride in ((4, 1), (3, 4)):
        data = ClipDataset(clips, window=window, stride=stride, short="pad")
        number = 0
        for clip in clips:
            frames = theirs[clip.path]
            for start in range(max(1, len(frames) - (window - 1) * stride)):
                expected = frames[start : start + window * stride : stride]
                found = data[number]
                assert found["clip_id"] == clip.clip_id
                assert found["mask"].tolist() == [k < len(expected) for k in range(window)]
                assert np.array_equal(found["frames"][: len(expected)], expected)
                assert not found["frames"][len(expected) :].any()
                number += 1
        assert number == len(data) > 40
