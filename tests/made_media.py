"""Media files of no size to speak of, for tests where the number of files matters."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

WIDTH, HEIGHT = 32, 24


def picture(path: Path, *, seed: int = 0) -> Path:
    """Write a picture; its suffix tells the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    _, data = cv2.imencode(path.suffix, pixels)
    path.write_bytes(data.tobytes())
    return path


def video(
    path: Path, *, frames: int = 5, rate_hz: int = 10, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> Path:
    """Write a clip of grey frames, each lighter than the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate_hz)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for step in range(frames):
            grey = np.full((height, width, 3), step * 7 % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts, frame.time_base = step, Fraction(1, rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def pictures(directory: Path, count: int) -> Path:
    """Fill a folder with so many different pictures."""
    for number in range(count):
        picture(directory / f"{number:03d}.png", seed=number)
    return directory
