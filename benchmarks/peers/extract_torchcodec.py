"""Frames by torchcodec in a process pool, scaled by its own transform.

python benchmarks/peers/extract_torchcodec.py DIR OUT --way usual | approximate
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clips
import simplejpeg
import torch
from torchcodec.decoders import VideoDecoder
from torchcodec.transforms import Resize


def frames(path: Path, wish: clips.Wish, **settings: Any) -> Iterator[bytes]:
    small = [Resize((clips.HEIGHT, clips.WIDTH))]
    video = VideoDecoder(str(path), dimension_order="NHWC", transforms=small, **settings)
    wanted = wish.of(len(video), video.metadata.average_fps or 30)
    for start in range(0, len(wanted), clips.CHUNK):
        some = wanted[start : start + clips.CHUNK]
        if wish.every:
            found = video.get_frames_in_range(some[0], some[-1] + 1)
        else:
            found = video.get_frames_at(list(some))
        for picture in found.data.numpy():
            yield simplejpeg.encode_jpeg(picture, clips.QUALITY, "RGB", "420")


def usual(path: Path, wish: clips.Wish) -> Iterator[bytes]:
    return frames(path, wish)


def approximate(path: Path, wish: clips.Wish) -> Iterator[bytes]:
    return frames(path, wish, seek_mode="approximate", num_ffmpeg_threads=1)


def be_alone() -> None:
    torch.set_num_threads(1)


if __name__ == "__main__":
    clips.main(__doc__, {"usual": (usual, bool), "approximate": (approximate, be_alone)})
