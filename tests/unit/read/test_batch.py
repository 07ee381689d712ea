"""Windows of several lengths make one batch, filled up so that the mask shows it."""

import numpy as np
import pytest

from out_dir import FRAME_NS, OutDir, Video
from shardmill.contract.errors import UsageError
from shardmill.read import ClipDataset, stack_windows


@pytest.fixture
def whole(tmp_path):
    """Whole clips of 3, 1 and 5 frames."""
    out = OutDir(str(tmp_path))
    videos = [
        Video(f"{n}.mp4", frames=n, value=10 * n, label_id=n, label=str(n)) for n in (3, 1, 5)
    ]
    out.shard("b0", *videos)
    return ClipDataset(out.out, window=None, sample="center")


def test_shorter_windows_are_filled_up(whole):
    batch = stack_windows(whole[0:3])

    assert batch["frames"].shape == (3, 5, 24, 32, 3)
    assert batch["frames"].dtype == np.uint8
    assert batch["frames"].mean(axis=(2, 3, 4)).round().tolist() == [
        [30, 31, 32, 0, 0],
        [10, 0, 0, 0, 0],
        [50, 51, 52, 53, 54],
    ]
    assert batch["mask"].tolist() == [[True] * n + [False] * (5 - n) for n in (3, 1, 5)]
    assert batch["pts_ns"].tolist() == [
        [0, FRAME_NS, 2 * FRAME_NS, 0, 0],
        [0] * 5,
        [k * FRAME_NS for k in range(5)],
    ]
    assert batch["pts_s"].tolist() == [[0, 0.04, 0.08, 0, 0], [0] * 5, [0, 0.04, 0.08, 0.12, 0.16]]
    assert batch["label_id"].tolist() == [3, 1, 5]
    assert batch["label_ids"].tolist() == [[3], [1], [5]]
    assert batch["path"].tolist() == ["3.mp4", "1.mp4", "5.mp4"]
    assert batch["clip"].tolist() == [0, 1, 2]
    assert batch["window"].tolist() == [0, 0, 0]
    assert set(batch) == set(whole[0])


def test_a_batch_of_one_is_a_window_with_one_more_dimension(whole):
    (window,) = whole[1:2]

    batch = stack_windows([window])

    assert all(np.array_equal(batch[name][0], value) for name, value in window.items())


def test_what_a_transform_has_added_is_stacked_too(whole):
    batch = stack_windows([window | {"weight": 0.5, "crop": np.arange(4)} for window in whole])

    assert batch["weight"].tolist() == [0.5] * 3
    assert batch["crop"].shape == (3, 4)


def test_frames_of_several_sizes_are_refused(tmp_path):
    out = OutDir(str(tmp_path))
    out.shard("b0", Video("a"), Video("b", width=64, height=48))
    windows = list(ClipDataset(out.out, window=2))

    with pytest.raises(UsageError, match="of one frame size, got 32x24, 64x48: bring each"):
        stack_windows(windows)
