"""Frames by the program ffmpeg in a process pool.

python benchmarks/peers/extract_ffmpeg.py DIR OUT --way files | pipe

As usual: JPEG files in a folder, read again.  At its best: one thread, through a pipe.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import clips

SCALE = f"scale={clips.WIDTH}:{clips.HEIGHT}"
TO_JPEG = ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p", "-fps_mode", "passthrough")
START, END = b"\xff\xd8", b"\xff\xd9"


def files(path: Path, _: clips.Wish) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        words = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-vf", SCALE]
        subprocess.run([*words, *TO_JPEG, f"{folder}/%06d.jpg"], check=True)
        for name in sorted(Path(folder).iterdir()):
            yield name.read_bytes()


def pipe(path: Path, _: clips.Wish) -> Iterator[bytes]:
    one = ("-threads", "1")
    words = ["ffmpeg", "-nostdin", "-v", "error", *one, "-i", str(path), *one]
    words += ["-filter_threads", "1", "-vf", SCALE, *TO_JPEG, "-f", "image2pipe", "-"]
    stream = subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout
    parts = stream.split(END + START)  # inside a JPEG these bytes never follow each other
    for number, part in enumerate(parts):
        head = START if number else b""
        yield head + part + (END if number < len(parts) - 1 else b"")


if __name__ == "__main__":
    clips.main(__doc__, {"files": (files, bool), "pipe": (pipe, bool)})
