"""TensorFlow reads what the engine writes: the shard is a TFRecord file, not merely like one."""

import json
import os
import subprocess

from engine_work import extract_work
from shardmill.contract.schema import Item
from shardmill.contract.spec import Spec
from shardmill.dataset.index import open_index
from shardmill.dataset.layout import Layout
from shardmill_worker.engine.extract import extract_batch
from shardmill_worker.engine.probe import probe_item

READ = """
import json, sys
import tensorflow as tf

one = {"num_frames": tf.int64, "height": tf.int64, "width": tf.int64, "channels": tf.int64,
       "class_label": tf.int64, "class_text": tf.string, "filename": tf.string,
       "encoding": tf.string, "fps": tf.float32}
features = {name: tf.io.FixedLenFeature([], kind) for name, kind in one.items()}
features["frames"] = tf.io.RaggedFeature(tf.string)
features["pts_ns"] = tf.io.RaggedFeature(tf.int64)
for record in tf.data.TFRecordDataset(sys.argv[1]):
    for parsed in (tf.io.parse_single_example(record, features),
                   {k: v[0] for k, v in tf.io.parse_example([record], features).items()}):
        frames = [tf.io.decode_jpeg(f).numpy() for f in parsed["frames"]]
        said = {name: parsed[name].numpy() for name in one}
        said = {n: v.decode() if isinstance(v, bytes) else v.item() for n, v in said.items()}
        said |= {"pts_ns": parsed["pts_ns"].numpy().tolist(),
                 "sizes": [len(f.numpy()) for f in parsed["frames"]],
                 "shapes": sorted({f.shape for f in frames})}
        print(json.dumps(said))
    example = tf.train.Example.FromString(record.numpy())
    assert len(example.features.feature["frames"].bytes_list.value) == said["num_frames"]
"""


def item_of(root: str, path: str, **known) -> Item:
    found = os.stat(os.path.join(root, path))
    return Item(path=path, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns, **known)


def test_tensorflow_parses_every_feature(tensorflow_python, sample_set, tmp_path):
    root = str(sample_set)
    paths = sorted(str(p.relative_to(root)) for p in sample_set.rglob("*.mp4"))[:2]
    items = (item_of(root, paths[0], label="jump", label_id=3), item_of(root, paths[1]))
    facts = [probe_item(root, item) for item in items]
    work = extract_work(root, tmp_path, items, facts, Spec(size="160x120", max_frames=20))
    assert [o.status for o in extract_batch(work, lambda: None)] == ["ok", "ok"]
    layout = Layout(str(tmp_path))

    run = subprocess.run(
        [tensorflow_python, "-c", READ, layout.shard(work.shard)], capture_output=True, text=True
    )

    assert run.returncode == 0, run.stderr
    said = [json.loads(line) for line in run.stdout.splitlines()]
    assert said[0::2] == said[1::2]  # parse_single_example and parse_example
    clips = open_index(layout.index_of(work.shard)).to_pylist()
    for found, clip, item, facts in zip(said[0::2], clips, items, work.facts, strict=True):
        assert found["filename"] == item.path
        assert found["num_frames"] == len(clip["offset"]) == 20
        assert (found["height"], found["width"], found["channels"]) == (120, 160, 3)
        assert found["shapes"] == [[120, 160, 3]]
        assert found["sizes"] == clip["length"]
        assert found["pts_ns"] == clip["pts_ns"]
        assert found["class_text"] == (item.label or "")
        assert found["class_label"] == (-1 if item.label_id is None else item.label_id)
        assert found["encoding"] == "jpeg"
        assert abs(found["fps"] - facts.fps) < 1e-3
