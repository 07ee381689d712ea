"""A small set of clips to try shardmill on: ``python -m shardmill_worker.sample DIR``.

Two classes of moving patterns in the common codecs, two pictures, and one broken file, so that
a first run shows a failure too.  Equal on every machine that has the same codecs: pixels are
integer arithmetic and times of change are fixed.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.errors import OutputConflict, UsageError

MARK: Final = ".shardmill-sample"
"""Hidden file that says the directory is a sample set, and of how many clips."""
MTIME_S: Final = 1_767_225_600  # 2026-01-01: the same identity of every item everywhere
CLIPS: Final = 6

Picture = NDArray[np.uint8]
"""Shape (H, W, 3), uint8, RGB."""


class Style(Struct, frozen=True):
    """How a clip is stored."""

    codec: str
    suffix: str
    width: int
    height: int
    rate_hz: int
    frames: int
    options: dict[str, str]


X264: Final = {"preset": "veryfast", "crf": "26", "g": "24", "x264-params": "asm=0"}
"""Its assembly gives other bytes now and then for the same pictures."""
STYLES: Final = (
    Style("libx264", ".mp4", 320, 240, 30, 75, X264),
    Style("mpeg4", ".mp4", 340, 256, 25, 60, {"qscale": "6", "g": "12"}),
    # A speed above 0 would adapt to how busy the machine is, and the bytes with it.
    Style("libvpx", ".webm", 256, 144, 24, 60, {"deadline": "realtime", "cpu-used": "-8"}),
)


def _backdrop(width: int, height: int, seed: int) -> Picture:
    y, x = np.mgrid[0:height, 0:width]
    channels = [
        x * 120 // width + 40 * (seed % 3),
        y * 120 // height + 40,
        (x + y) * 60 // (width + height) + 20 * (seed % 5),
    ]
    return np.stack(channels, axis=-1).astype(np.uint8)


def _colour(seed: int) -> tuple[int, int, int]:
    return (240 - 50 * (seed % 4), 90 + 60 * (seed % 3), 60 + 35 * (seed % 6))


def _bouncing(width: int, height: int, step: int, seed: int) -> Picture:
    """Draw a disc that bounces off the sides."""
    radius = height // 6
    travel_x, travel_y = width - 2 * radius, height - 2 * radius
    x = radius + travel_x - abs((step * (4 + seed % 3)) % (2 * travel_x) - travel_x)
    y = radius + travel_y - abs((step * (3 + seed % 4)) % (2 * travel_y) - travel_y)
    picture = _backdrop(width, height, seed)
    rows, columns = np.ogrid[0:height, 0:width]
    picture[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2] = _colour(seed)
    return picture


def _sliding(width: int, height: int, step: int, seed: int) -> Picture:
    """Draw slanted stripes that slide to the left."""
    picture = _backdrop(width, height, seed)
    rows, columns = np.ogrid[0:height, 0:width]
    stripe = (columns + rows * (seed % 3) // 2 + step * (2 + seed % 3)) // (16 + 4 * (seed % 3))
    picture[stripe % 3 == 0] = _colour(seed)
    return picture


CLASSES: Final[dict[str, Callable[[int, int, int, int], Picture]]] = {
    "bouncing": _bouncing,
    "sliding": _sliding,
}


def _clip(path: str, draw: Callable[[int, int, int, int], Picture], seed: int) -> None:
    style = STYLES[seed // len(CLASSES) % len(STYLES)]
    with av.open(path, "w", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(style.codec, rate=style.rate_hz, options=dict(style.options))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = style.width, style.height, "yuv420p"
        stream.codec_context.thread_count = 1
        for step in range(style.frames):
            picture = draw(style.width, style.height, step, seed)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = step, Fraction(1, style.rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _still(path: str, picture: Picture) -> None:
    _, data = cv2.imencode(os.path.splitext(path)[1], picture[..., ::-1])
    with open(path, "wb") as file:
        file.write(data.tobytes())


def _fill(directory: str, clips: int) -> None:
    for name in CLASSES:
        os.makedirs(os.path.join(directory, name))
    for seed in range(clips):
        name, draw = list(CLASSES.items())[seed % len(CLASSES)]
        suffix = STYLES[seed // len(CLASSES) % len(STYLES)].suffix
        _clip(os.path.join(directory, name, f"clip-{seed:02d}{suffix}"), draw, seed)
    _still(os.path.join(directory, "bouncing", "still.jpg"), _bouncing(320, 240, 9, clips))
    _still(os.path.join(directory, "sliding", "still.png"), _sliding(160, 120, 9, clips))
    with open(os.path.join(directory, "bouncing", "clip-00.mp4"), "rb") as file:
        whole = file.read()
    with open(os.path.join(directory, "sliding", "broken.mp4"), "wb") as file:
        file.write(whole[: len(whole) // 2])  # the index of an MP4 stands at its end
    with open(os.path.join(directory, MARK), "w", encoding="ascii") as file:
        file.write(f"{clips} clips\n")
    for folder, _, names in os.walk(directory):
        for file_name in names:
            os.utime(os.path.join(folder, file_name), (MTIME_S, MTIME_S))


def make_sample(directory: str, *, clips: int = CLIPS) -> bool:
    """Make a sample set of ``clips`` clips, two pictures and a broken file.

    Returns:
        False if ``directory`` holds that very set already; it is then left alone.

    Raises:
        UsageError: ``clips`` is out of range.
        OutputConflict: ``directory`` holds anything else.
    """
    if not 1 <= clips <= 99:
        raise UsageError(f"--clips must be in [1, 99], got {clips}")
    directory = os.path.abspath(directory)
    try:
        with open(os.path.join(directory, MARK), encoding="ascii") as file:
            if file.read() == f"{clips} clips\n":
                return False
    except (FileNotFoundError, NotADirectoryError):
        pass
    if os.path.lexists(directory) and not (os.path.isdir(directory) and not os.listdir(directory)):
        raise OutputConflict(
            f"expected a new or empty directory, or a sample set of {clips} clips; "
            f"{directory} holds something else: name another directory"
        )
    partial = f"{directory}.{os.getpid()}.tmp"
    try:
        os.makedirs(partial)
        _fill(partial, clips)
        os.rename(partial, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a sample set where the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m shardmill_worker.sample", description=__doc__)
    parser.add_argument("directory", metavar="DIR", help="where to make it")
    parser.add_argument("--clips", type=int, default=CLIPS, metavar="N", help="how many clips")
    options = parser.parse_args(arguments)
    try:
        made = make_sample(options.directory, clips=options.clips)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if made:
        sys.stderr.write(
            f"Made a sample set in {options.directory}: {options.clips} clips, 2 pictures, "
            "1 broken file.\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
