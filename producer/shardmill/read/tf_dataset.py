"""TensorFlow: windows as a ``tf.data.Dataset``, in two ways.

``tf_windows`` takes any shard format and reads only the windows, by our own reader, in the order
of ``ClipDataset.at``.  ``tf_record_windows`` has no Python in its graph: TensorFlow reads TFRecord
shards from front to back and decodes the frames of one window of each clip.  Choose it where
clips are not much longer than a window, or where Python is the bottleneck.

Elements have the names and types of ``Window``.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from shardmill.contract.errors import UsageError
from shardmill.contract.layout import SUFFIXES
from shardmill.read.dataset import UNLABELLED, ClipDataset
from shardmill.read.order import Share, shuffled

_FEATURES: Final = {
    "frames": tf.io.RaggedFeature(tf.string),
    "pts_ns": tf.io.RaggedFeature(tf.int64),
    "class_label": tf.io.RaggedFeature(tf.int64),
    "encoding": tf.io.FixedLenFeature([], tf.string),
    "height": tf.io.FixedLenFeature([], tf.int64),
    "width": tf.io.FixedLenFeature([], tf.int64),
}


def tf_windows(
    dataset: ClipDataset,
    *,
    epoch: int = 0,
    first: int = 0,
    share: Share | None = None,
    batch_size: int | None = None,
) -> tf.data.Dataset:
    """Return the shuffled windows of an epoch.

    Args:
        dataset: The windows.
        epoch: Which epoch, from 0.
        first: The first place that is left: after a stop in mid-epoch, how many windows all ranks
            together have used.
        share: Which windows; by default all.
        batch_size: Windows of a batch; by default they come one by one, of any size.

    Raises:
        UsageError: Batches are to be made of frames of several sizes.
    """
    places = (share or Share()).places(len(dataset), first=first)
    names = ("frames", "mask", "label_id", "label_ids", "pts_ns", "clip_id")
    types = (tf.uint8, tf.bool, tf.int64, tf.int64, tf.int64, tf.string)

    def read(place: np.int64) -> tuple[Any, ...]:
        window: Any = dataset.at(int(place), epoch=epoch)
        fit = window | {
            "label_id": np.int64(window["label_id"]),
            "clip_id": window["clip_id"].encode(),
        }
        return tuple(fit[name] for name in names)

    def element(place: tf.Tensor) -> dict[str, tf.Tensor]:
        tensors = tf.numpy_function(read, [place], types, stateful=False)
        return _shaped(dict(zip(names, tensors, strict=True)), dataset)

    source = tf.data.Dataset.range(places.start, places.stop, places.step)
    windows = source.map(element, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return _batched(windows, dataset, batch_size)


def tf_record_windows(
    dataset: ClipDataset,
    *,
    epoch: int = 0,
    share: Share | None = None,
    interleave: int = 8,
    batch_size: int | None = None,
) -> tf.data.Dataset:
    """Return one window of each clip, whole TFRecord shards read by TensorFlow alone.

    The windows are those of ``ClipDataset.at`` in the same epoch, in another order: shards are
    shuffled, and several are read in turn; a shard is a fair sample of all clips already.

    Args:
        dataset: The windows; made with ``sample="uniform-clips"``.
        epoch: Which epoch, from 0.
        share: Which shards; by default all.  Ranks need not have equally many windows.
        interleave: Shards that are read in turn.
        batch_size: Windows of a batch; by default they come one by one, of any size.

    Raises:
        UsageError: The shards are no TFRecord files, each clip would have several windows, or
            batches are to be made of frames of several sizes.
        DatasetDamaged: An index cannot be read.
    """
    shares = share or Share()
    files = dataset.clips.files()
    _check_whole_shards(dataset, files, shares)
    starts, ids = _plan(dataset, epoch), dataset.clips.ids()
    order = shuffled(np.arange(len(files)), count=len(files), seed=dataset.seed, epoch=epoch)
    mine = [int(order[place]) for place in shares.places(len(files))]
    shards = tf.data.Dataset.from_tensor_slices(
        (
            tf.constant([files[shard] for shard in mine], tf.string),
            _rows([starts[shard] for shard in mine], tf.int64),
            _rows([ids[shard] for shard in mine], tf.string),
        )
    )

    def records(file: tf.Tensor, begins: tf.Tensor, names: tf.Tensor) -> tf.data.Dataset:
        clips = tf.data.Dataset.from_tensor_slices((begins, names))
        return tf.data.Dataset.zip(tf.data.TFRecordDataset(file), clips)

    windows = (
        shards.interleave(
            records,
            cycle_length=interleave,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .filter(lambda _, clip: clip[0] >= 0)
        .map(
            lambda record, clip: _window_of(dataset, record, *clip),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
    )
    return _batched(windows, dataset, batch_size)


def _check_whole_shards(dataset: ClipDataset, files: Sequence[str], share: Share) -> None:
    if dataset.sample_by != "uniform-clips" or share.tail == "drop":
        raise UsageError(
            "a pass over whole shards shows one window of each clip: expected "
            f"sample='uniform-clips' and tail='keep', got {dataset.sample_by!r} and "
            f"{share.tail!r}; tf_windows can do the others"
        )
    if other := [file for file in files if not file.endswith(SUFFIXES["tfrecord"])]:
        raise UsageError(f"expected TFRecord shards, got {other[0]}: tf_windows reads any format")


def _batched(
    windows: tf.data.Dataset, dataset: ClipDataset, batch_size: int | None
) -> tf.data.Dataset:
    if batch_size is None:
        return windows
    if batch_size > 1:
        dataset.check_one_size()
    return windows.batch(batch_size)


def _plan(dataset: ClipDataset, epoch: int) -> list[NDArray[np.int64]]:
    """Return the first frame of the window of each record of each shard; -1 for none."""
    clips, starts = dataset.spots(np.arange(len(dataset)), epoch=epoch)
    chosen = np.full(len(dataset.clips), -1)
    chosen[clips] = starts
    return dataset.clips.by_record(chosen, other=-1)


def _rows(rows: Sequence[Sequence[str] | NDArray[np.int64]], kind: tf.DType) -> tf.RaggedTensor:
    """Return rows of different lengths, S of them; quicker than ``tf.ragged.constant``."""
    values = tf.constant(list(chain.from_iterable(rows)), kind)
    return tf.RaggedTensor.from_row_lengths(values, [len(row) for row in rows])


def _window_of(
    dataset: ClipDataset, record: tf.Tensor, start: tf.Tensor, clip_id: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Parse a record and decode one window of it."""
    clip = tf.io.parse_single_example(record, _FEATURES)
    length = tf.shape(clip["frames"], tf.int64)[0]
    numbers = start + dataset.stride * tf.range(dataset.window, dtype=tf.int64)
    if dataset.short == "loop":
        numbers %= length
    mask = numbers < length
    numbers = tf.boolean_mask(numbers, mask)
    missing = dataset.window - tf.shape(numbers)[0]
    unlabelled = dataset.clips.most_labels - tf.shape(clip["class_label"])[0]
    frames = _decoded(tf.gather(clip["frames"], numbers), clip)
    return _shaped(
        {
            "frames": tf.pad(frames, [[0, missing], [0, 0], [0, 0], [0, 0]]),
            "mask": mask,
            "label_id": clip["class_label"][0],
            "label_ids": tf.pad(clip["class_label"], [[0, unlabelled]], constant_values=UNLABELLED),
            "pts_ns": tf.pad(tf.gather(clip["pts_ns"], numbers), [[0, missing]]),
            "clip_id": clip_id,
        },
        dataset,
    )


def _decoded(frames: tf.Tensor, clip: dict[str, tf.Tensor]) -> tf.Tensor:
    """Decode frames, shape (T,), to shape (T, H, W, 3), uint8, RGB, as our own reader does."""
    shape = tf.stack([clip["height"], clip["width"], 3])
    decoders = {
        "jpeg": lambda data: tf.io.decode_jpeg(data, 3, dct_method="INTEGER_ACCURATE"),
        "png": lambda data: tf.io.decode_png(data, 3),
        "raw": lambda data: tf.reshape(tf.io.decode_raw(data, tf.uint8), shape),
    }

    def all_by(name: str) -> Callable[[], tf.Tensor]:
        picture = tf.TensorSpec([None, None, 3], tf.uint8)
        return lambda: tf.map_fn(decoders[name], frames, fn_output_signature=picture)

    return tf.case(
        [(clip["encoding"] == name, all_by(name)) for name in ("png", "raw")],
        default=all_by("jpeg"),
    )


def _shaped(window: dict[str, tf.Tensor], dataset: ClipDataset) -> dict[str, tf.Tensor]:
    """Tell TensorFlow what is known of the shapes before anything is read."""
    length = dataset.window
    shapes = {"frames": [length, None, None, 3], "mask": [length], "pts_ns": [length]}
    shapes["label_ids"] = [dataset.clips.most_labels]
    return {name: tf.ensure_shape(value, shapes.get(name, [])) for name, value in window.items()}
