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
from shardmill.contract.quantity import format_count
from shardmill.dataset.layout import SUFFIXES
from shardmill.read.committed import UNLABELLED
from shardmill.read.dataset import ClipDataset
from shardmill.read.options import ONE_EACH
from shardmill.read.order import shuffled
from shardmill.read.share import Share

_FEATURES: Final = {
    "frames": tf.io.RaggedFeature(tf.string),
    "pts_ns": tf.io.RaggedFeature(tf.int64),
    "class_label": tf.io.RaggedFeature(tf.int64),
    "encoding": tf.io.FixedLenFeature([], tf.string),
    "height": tf.io.FixedLenFeature([], tf.int64),
    "width": tf.io.FixedLenFeature([], tf.int64),
}
_TYPES: Final = {
    "frames": tf.uint8,
    "mask": tf.bool,
    "label_id": tf.int64,
    "label_ids": tf.int64,
    "pts_ns": tf.int64,
    "pts_s": tf.float64,
    "clip_id": tf.string,
    "path": tf.string,
    "clip": tf.int64,
    "window": tf.int64,
}
_NS_PER_S: Final = 1e9


def tf_windows(
    dataset: ClipDataset,
    *,
    epoch: int = 0,
    first: int = 0,
    share: Share | None = None,
    batch_size: int | None = None,
) -> tf.data.Dataset:
    """Return the windows of an epoch.

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

    def read(place: np.int64) -> tuple[Any, ...]:
        window: Any = dataset.at(int(place) % len(dataset), epoch=epoch)
        return tuple(_as_tensor(window[name], kind) for name, kind in _TYPES.items())

    def element(place: tf.Tensor) -> dict[str, tf.Tensor]:
        tensors = tf.numpy_function(read, [place], tuple(_TYPES.values()), stateful=False)
        return _shaped(dict(zip(_TYPES, tensors, strict=True)), dataset)

    source = tf.data.Dataset.range(places.start, places.stop, places.step)
    windows = source.map(element, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return _batched(windows, dataset, batch_size)


def _as_tensor(value: Any, kind: tf.DType) -> Any:
    """Return a value of a window as TensorFlow takes it from Python."""
    return value.encode() if kind == tf.string else np.asarray(value, kind.as_numpy_dtype)


def tf_record_windows(
    dataset: ClipDataset,
    *,
    epoch: int = 0,
    share: Share | None = None,
    interleave: int = 8,
    batch_size: int | None = None,
) -> tf.data.Dataset:
    """Return one window of each clip, whole TFRecord shards read by TensorFlow alone.

    The windows are those of ``ClipDataset.at`` in the same epoch, in another order: several shards
    are read in turn, and shards are shuffled where the dataset is; a shard is a fair sample of all
    clips already.

    Args:
        dataset: The windows, one of each clip.
        epoch: Which epoch, from 0.
        share: Which shards; by default all.  Ranks need not have equally many windows.
        interleave: Shards that are read in turn.
        batch_size: Windows of a batch; by default they come one by one, of any size.

    Raises:
        UsageError: The shards are no TFRecord files, each clip would have several windows, or
            batches are to be made of frames of several sizes.
        DatasetDamaged: An index cannot be read.
    """
    shards = _shards(dataset, epoch, share or Share())

    def records(file: tf.Tensor, columns: tuple[tf.Tensor, ...]) -> tf.data.Dataset:
        clips = tf.data.Dataset.from_tensor_slices(columns)
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
            lambda record, clip: _window_of(dataset, record, clip),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
    )
    return _batched(windows, dataset, batch_size)


def _shards(dataset: ClipDataset, epoch: int, share: Share) -> tf.data.Dataset:
    """Return the file of each shard of a share, and what ``_window_of`` needs of its records."""
    files = dataset.clips.files()
    _check_whole_shards(dataset, files, share)
    order = np.arange(len(files))
    if dataset.shuffled:
        order = shuffled(order, count=len(files), seed=dataset.seed, epoch=epoch)
    mine = order[list(share.places(len(files)))].tolist()
    columns: list[tuple[list[Any], tf.DType]] = [
        *((rows, tf.int64) for rows in _plan(dataset, epoch)),
        (dataset.clips.ids(), tf.string),
        (dataset.clips.paths(), tf.string),
    ]
    return tf.data.Dataset.from_tensor_slices(
        (
            tf.constant([files[shard] for shard in mine], tf.string),
            tuple(_rows([rows[shard] for shard in mine], kind) for rows, kind in columns),
        )
    )


def _check_whole_shards(dataset: ClipDataset, files: Sequence[str], share: Share) -> None:
    options = dataset.options
    several = options.sample not in ONE_EACH or options.windows_per_clip > 1
    if several or dataset.weighted:
        raise UsageError(
            "a pass over whole shards shows one window of each clip: expected "
            "sample='uniform-clips' or 'center', without windows_per_clip and weights, got "
            f"{options.sample!r}; tf_windows can do the others"
        )
    if share.world > 1 and share.tail != "uneven":
        raise UsageError(
            "ranks that read whole shards have different numbers of windows: expected a share "
            f"with tail='uneven', got {share.tail!r}; tf_windows can do the others"
        )
    if cut := dataset.clips.cut_clips():
        raise UsageError(
            f"expected clips of one record each, got {format_count(cut, 'clip')} of long videos "
            "that lie in several: leave them out with open_shards(where='parts = 1'), or take "
            "tf_windows, which reads them"
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
    if dataset.options.window is None:
        return windows.padded_batch(batch_size)
    return windows.batch(batch_size)


def _plan(dataset: ClipDataset, epoch: int) -> list[list[NDArray[np.int64]]]:
    """Return first frame, stride and clip number for each record of each shard; -1 for none."""
    spots = dataset.spots(np.arange(len(dataset)), epoch=epoch)
    columns = []
    for values in (spots.start, spots.stride, spots.clip):
        chosen = np.full(len(dataset.clips), -1)
        chosen[spots.clip] = values
        columns.append(dataset.clips.by_record(chosen, other=-1))
    return columns


def _rows(rows: Sequence[Sequence[str] | NDArray[np.int64]], kind: tf.DType) -> tf.RaggedTensor:
    """Return rows of different lengths, S of them; quicker than ``tf.ragged.constant``."""
    values = tf.constant(list(chain.from_iterable(rows)), kind)
    return tf.RaggedTensor.from_row_lengths(values, [len(row) for row in rows])


def _window_of(
    dataset: ClipDataset, record: tf.Tensor, about: tuple[tf.Tensor, ...]
) -> dict[str, tf.Tensor]:
    """Parse a record and decode one window of it."""
    start, stride, number, clip_id, path = about
    clip = tf.io.parse_single_example(record, _FEATURES)
    length = tf.shape(clip["frames"], tf.int64)[0]
    if dataset.options.window is None:
        numbers = tf.range(start, length, stride)
    else:
        numbers = start + stride * tf.range(dataset.options.window, dtype=tf.int64)
    if dataset.options.short == "loop":
        numbers %= length
    mask = numbers < length
    missing = tf.shape(mask)[0] - tf.math.count_nonzero(mask, dtype=tf.int32)
    numbers = tf.boolean_mask(numbers, mask)
    unlabelled = dataset.clips.most_labels - tf.shape(clip["class_label"])[0]
    frames = _decoded(tf.gather(clip["frames"], numbers), clip)
    pts_ns = tf.pad(tf.gather(clip["pts_ns"], numbers), [[0, missing]])
    return _shaped(
        {
            "frames": tf.pad(frames, [[0, missing], [0, 0], [0, 0], [0, 0]]),
            "mask": mask,
            "label_id": clip["class_label"][0],
            "label_ids": tf.pad(clip["class_label"], [[0, unlabelled]], constant_values=UNLABELLED),
            "pts_ns": pts_ns,
            "pts_s": tf.cast(pts_ns, tf.float64) / _NS_PER_S,
            "clip_id": clip_id,
            "path": path,
            "clip": number,
            "window": tf.constant(0, tf.int64),
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
    """Set what is known of the shapes before anything is read."""
    length = dataset.options.window
    shapes = {"frames": [length, None, None, 3]}
    shapes |= {name: [length] for name in ("mask", "pts_ns", "pts_s")}
    shapes["label_ids"] = [dataset.clips.most_labels]
    return {name: tf.ensure_shape(value, shapes.get(name, [])) for name, value in window.items()}
