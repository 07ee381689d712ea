"""Pictures by many hands that libav alone cannot put together: the pixels are those of Pillow."""

import os

import numpy as np
import pytest
from PIL import Image

from shardmill.contract.schema import Item
from shardmill_worker.engine.decode import source_frames
from shardmill_worker.engine.media import open_media

pytestmark = pytest.mark.needs_corpus


def frames_of(corpus, path: str) -> list[tuple[int, np.ndarray]]:
    """Time in ms and RGBA, shape (H, W, 4), of each frame."""
    found = os.stat(corpus / path)
    item = Item(path=path, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)
    with open_media(str(corpus), item) as media:
        return [
            (frame.pts_ns // 1_000_000, frame.picture.to_ndarray(format="rgba"))
            for frame in source_frames(media, lambda: None)
        ]


@pytest.mark.parametrize(
    "path",
    [
        "images/image-rs__anim.webp",
        "images/mozimg__first-frame-green.webp",
        "images/wpt__webp-animated.webp",
        "hostile/libvips__big-height.webp",
    ],
)
def test_an_animation_is_that_of_libwebp(corpus, path):
    ours = frames_of(corpus, path)

    with Image.open(corpus / path) as image:
        assert len(ours) == image.n_frames
        for number, (time_ms, found) in enumerate(ours):
            image.seek(number)
            image.load()
            truth = np.asarray(image.convert("RGBA")).astype(int)
            assert time_ms == image.info["timestamp"], number
            assert np.abs(found - truth).max() <= 2, number


def test_a_grid_is_that_of_libavif(corpus):
    path = "images/libavif__sofa_grid1x5_420.avif"
    ((_, found),) = frames_of(corpus, path)

    with Image.open(corpus / path) as image:
        truth = np.asarray(image.convert("RGB")).astype(int)
    assert found.shape[:2] == truth.shape[:2]
    assert np.abs(found[..., :3] - truth).mean() < 1
