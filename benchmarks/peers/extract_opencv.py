"""Frames by OpenCV's VideoCapture in a process pool.

python benchmarks/peers/extract_opencv.py DIR OUT --way usual | one-thread | area

As usually written it scales by two samples in each direction, whatever lies between (INTER_LINEAR);
``area`` takes them all, as ours does.
"""

from collections.abc import Iterator
from pathlib import Path

import clips
import cv2


def frames(
    capture: cv2.VideoCapture, wish: clips.Wish, scaling: int = cv2.INTER_LINEAR
) -> Iterator[bytes]:
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted = None if wish.every else set(wish.of(count, capture.get(cv2.CAP_PROP_FPS)))
    number = 0
    while capture.grab():
        if wanted is None or number in wanted:
            _, picture = capture.retrieve()
            small = cv2.resize(picture, (clips.WIDTH, clips.HEIGHT), interpolation=scaling)
            _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, clips.QUALITY])
            yield data.tobytes()
        number += 1
    capture.release()


def usual(path: Path, wish: clips.Wish) -> Iterator[bytes]:
    return frames(cv2.VideoCapture(str(path)), wish)


def alone(path: Path) -> cv2.VideoCapture:
    return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])


def one_thread(path: Path, wish: clips.Wish) -> Iterator[bytes]:
    return frames(alone(path), wish)


def area(path: Path, wish: clips.Wish) -> Iterator[bytes]:
    return frames(alone(path), wish, cv2.INTER_AREA)


def be_alone() -> None:
    cv2.setNumThreads(1)


if __name__ == "__main__":
    ways = {"usual": (usual, bool), "one-thread": (one_thread, be_alone), "area": (area, be_alone)}
    clips.main(__doc__, ways)
