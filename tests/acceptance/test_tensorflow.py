"""TensorFlow reads the shards of a whole job with nothing of ours in the process."""

import json
import subprocess
from pathlib import Path

import pytest

import shardmill

READ = """
import json, pathlib, sys
import tensorflow as tf

features = {
    "frames": tf.io.RaggedFeature(tf.string),
    "pts_ns": tf.io.RaggedFeature(tf.int64),
    "num_frames": tf.io.FixedLenFeature([], tf.int64),
    "class_label": tf.io.FixedLenFeature([], tf.int64),
    "class_text": tf.io.FixedLenFeature([], tf.string),
    "filename": tf.io.FixedLenFeature([], tf.string),
}
clips = {}
paths = [str(path) for path in pathlib.Path(sys.argv[1]).glob("*.tfrecord")]
for record in tf.data.TFRecordDataset(paths):
    clip = tf.io.parse_single_example(record, features)
    shapes = {tuple(tf.io.decode_jpeg(frame).shape) for frame in clip["frames"]}
    clips[clip["filename"].numpy().decode()] = {
        "shapes": sorted(shapes),
        "frames": int(clip["num_frames"]),
        "stored": int(clip["frames"].shape[0]),
        "times": len(set(clip["pts_ns"].numpy().tolist())),
        "label": [clip["class_text"].numpy().decode(), int(clip["class_label"])],
    }
print(json.dumps(clips))
"""


@pytest.mark.needs_redis
def test_tensorflow_reads_every_clip(sample_set: Path, tmp_path: Path, tensorflow_python: str):
    spec = shardmill.Spec(size="160x120", fps=12)
    shardmill.run(str(sample_set), out=str(tmp_path / "out"), spec=spec)
    done = subprocess.run(
        [tensorflow_python, "-c", READ, str(tmp_path / "out" / "shards")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr

    clips = json.loads(done.stdout)

    frames = {
        "bouncing/clip-00.mp4": 30,  # 75 frames at 30 a second: 2.5 s
        "sliding/clip-01.mp4": 30,
        "bouncing/clip-02.mp4": 29,  # 60 frames at 25 a second: 2.4 s
        "sliding/clip-03.mp4": 29,
        "bouncing/clip-04.webm": 30,  # 60 frames at 24 a second: 2.5 s
        "sliding/clip-05.webm": 30,
        "bouncing/still.jpg": 1,
        "sliding/still.png": 1,
    }
    assert {name: clip["frames"] for name, clip in clips.items()} == frames
    for name, clip in clips.items():
        label = name.partition("/")[0]
        assert clip["label"] == [label, ["bouncing", "sliding"].index(label)]
        assert clip["stored"] == clip["times"] == clip["frames"]
        assert clip["shapes"] == [[120, 160, 3]]
