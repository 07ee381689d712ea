"""Frames by decord in a process pool; it scales while it decodes.

python benchmarks/peers/extract_decord.py DIR OUT --way usual | one-thread
"""

from collections.abc import Iterator
from pathlib import Path

import clips
import decord
import simplejpeg


def frames(path: Path, wish: clips.Wish, threads: int) -> Iterator[bytes]:
    video = decord.VideoReader(
        str(path), width=clips.WIDTH, height=clips.HEIGHT, num_threads=threads
    )
    wanted = wish.of(len(video), video.get_avg_fps())
    for start in range(0, len(wanted), clips.CHUNK):
        for picture in video.get_batch(wanted[start : start + clips.CHUNK]).asnumpy():
            yield simplejpeg.encode_jpeg(picture, clips.QUALITY, "RGB", "420")


def usual(path: Path, wish: clips.Wish) -> Iterator[bytes]:
    return frames(path, wish, 0)


def one_thread(path: Path, wish: clips.Wish) -> Iterator[bytes]:
    return frames(path, wish, 1)


if __name__ == "__main__":
    clips.main(__doc__, {"usual": (usual, bool), "one-thread": (one_thread, bool)})
