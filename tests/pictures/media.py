"""Clips that are worth a look, made by FFmpeg's own pattern sources: nobody else's pictures."""

import shutil
import subprocess
from itertools import chain
from pathlib import Path

SEGMENT = "-c copy -f segment -reset_timestamps 1 -segment_times"
H264 = "-c:v libx264 -preset ultrafast -crf 28 -pix_fmt yuv420p -g 24"
MPEG4 = "-c:v mpeg4 -qscale 6 -g 12"
PALETTE = "c0=0x1b2a6b:c1=0xff7a59:c2=0xffd166:c3=0x118ab2:c4=0x073b4c:n=5"
COLOURS = "death_color=#20304f:life_color=#7fd1ff:mold_color=#1a2440"
SOURCES = {
    "fractal": ("mandelbrot=s=960x540:rate=30:end_scale=0.02:end_pts=900:maxiter=300", H264),
    "gradient": (f"gradients=s=1280x720:rate=30:speed=0.02:seed=7:{PALETTE}", H264),
    "life": (f"life=s=480x360:rate=24:mold=10:ratio=0.15:seed=3:{COLOURS}", MPEG4),
    "carpet": ("sierpinski=s=640x480:rate=25:type=carpet:seed=4", H264),
    "pattern": ("testsrc2=s=1280x720:rate=30000/1001", H264),
}
"""Class to FFmpeg's source and its encoder."""
LENGTHS_S = (4, 7, 3, 10, 5, 8, 2, 6, 4, 3)
"""Of the clips of a class."""


def make(directory: Path, ffmpeg: str, *, lengths_s: tuple[int, ...] = LENGTHS_S) -> None:
    """Fill a folder with classes of clips, some odd and some broken.

    Args:
        directory: A folder that is not there yet.
        ffmpeg: The program.
        lengths_s: Of the clips of a class; at least three.
    """
    cuts = ",".join(str(sum(lengths_s[:place])) for place in range(1, len(lengths_s)))
    for label, (source, encoder) in SOURCES.items():
        folder = directory / label
        folder.mkdir(parents=True)
        whole = folder / "whole.mp4"
        _run(ffmpeg, "-f lavfi -i", source, f"-t {sum(lengths_s)} {encoder}", whole)
        _run(ffmpeg, "-i", whole, f"{SEGMENT} {cuts}", folder / "clip-%02d.mp4")
        whole.unlink()
    pattern, life = directory / "pattern", directory / "life"
    first = pattern / "clip-00.mp4"
    _run(ffmpeg, "-i", first, "-c copy -metadata:s:v rotate=90", pattern / "upright.mp4")
    _run(ffmpeg, "-i", first, r"-vf select=lt(mod(n\,7)\,4) -vsync vfr", pattern / "vfr.mp4")
    _run(ffmpeg, "-i", life / "clip-01.mp4", "-c:v libvpx -b:v 1M", life / "more.webm")
    shutil.copy(directory / "carpet" / "clip-02.mp4", directory / "carpet" / "again.mp4")
    (directory / "fractal" / "cut-off.mp4").write_bytes(first.read_bytes()[:200_000])
    (directory / "gradient" / "empty.mp4").touch()


def _run(ffmpeg: str, *words: str | Path) -> None:
    """Run FFmpeg; text is split at its blanks, paths are not."""
    parts = [word.split() if isinstance(word, str) else [str(word)] for word in words]
    subprocess.run([ffmpeg, "-v", "error", "-nostdin", *chain(*parts)], check=True)
