"""Media files of no size to speak of, for tests where the number of files matters."""

import io
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


JUMP_S = 9000
"""How far a clock jumps in ``jumping_video``."""
FIRST, SECOND = 60, 40
"""Frames before the jump and behind it, at ``JUMPING_HZ``, each a second a group of pictures."""
JUMPING_HZ = 10
LONG = 600
"""Frames of ``long``: too many for probing to read them all."""
_CODECS = {"ts": "libx264", "mkv": "mpeg4", "mp4": "mpeg4", "flv": "flv"}


def jumping_video(path: Path) -> Path:
    """Write a clip whose clock jumps; its name tells how: ``forward.ts`` and so on.

    ``gap`` is a recording that stood still, ``forward`` and ``backward`` are two that were joined,
    ``wrap`` goes beyond the 33 bits of a transport stream's clock.  ``even`` and ``long`` do not
    jump.
    """
    kind, suffix = path.name.split(".")
    path.parent.mkdir(parents=True, exist_ok=True)
    runs = {
        "even": [[(FIRST + SECOND, 0.0)]],
        "long": [[(LONG, 0.0)]],
        "gap": [[(FIRST, 0.0), (SECOND, JUMP_S)]],
        "forward": [[(FIRST, 0.0)], [(SECOND, JUMP_S)]],
        "backward": [[(FIRST, JUMP_S)], [(SECOND, 0.0)]],
        "wrap": [[(FIRST, 2**33 / 90_000 - 3)]],
    }[kind]
    path.write_bytes(b"".join(_runs(suffix, recording) for recording in runs))
    return path


def _runs(suffix: str, runs: list[tuple[int, float]]) -> bytes:
    """Return a recording: so many frames from a time on, and perhaps more from a later one."""
    data = io.BytesIO()
    form = {"ts": "mpegts", "mkv": "matroska"}.get(suffix, suffix)
    with av.open(data, "w", format=form) as container:
        stream = container.add_stream(_CODECS[suffix], rate=JUMPING_HZ)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = JUMPING_HZ
        stream.codec_context.time_base = Fraction(1, 1000)
        for count, start_s in runs:
            for step in range(count):
                grey = np.full((HEIGHT, WIDTH, 3), 40 + step % 200, np.uint8)
                frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
                frame.pts = round(1000 * start_s) + 1000 * step // JUMPING_HZ
                frame.time_base = Fraction(1, 1000)
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return data.getvalue()


def pictures(directory: Path, count: int) -> Path:
    """Fill a folder with so many different pictures."""
    for number in range(count):
        picture(directory / f"{number:03d}.png", seed=number)
    return directory
