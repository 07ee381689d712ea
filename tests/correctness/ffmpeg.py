"""What the ``ffmpeg`` program says of a file: each frame's time and hash, some frames' pixels."""

import re
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

NS_PER_S = 1_000_000_000
ACCURATE = "accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
"""FFmpeg's scaler at its most accurate, the same on every processor."""
TIMEOUT_S = 120


@dataclass(frozen=True)
class View:
    """A way to show frames as RGB."""

    width: int
    height: int
    scaler: Literal["bilinear", "area"]
    """What enlarges U and V at source size; what shrinks."""
    halves_colour: bool = False
    """Whether U and V become as small as the source has them, as a JPEG stores them."""
    odd_source: tuple[int, int] | None = None
    """Width and height of upright frames of which a side is odd."""

    def filters(self, pix_fmt: str) -> str:
        """Return the filters that make it from upright frames of a format.

        U and V are enlarged in a step of its own, at 16 bits: on the direct way to RGB FFmpeg's
        scaler takes the nearest row of U and V, or the mean of two, whatever it is told.  It goes
        by the ratio of the planes' sizes, which moves the colours of odd frames: they are laid on
        even ones before, and cut out again.
        """
        size = f"scale={self.width}:{self.height}:flags={self.scaler}+{ACCURATE}"
        steps = [size]
        if self.odd_source and sampling(pix_fmt) not in {"", "444"}:
            width, height = self.odd_source
            opaque = pix_fmt.replace("yuva", "yuv")  # or it would be blended
            even = f"format={opaque},split[odd][same];[same]scale=ceil(iw/2)*2:ceil(ih/2)*2[even]"
            laid = f"{even};[even][odd]overlay=format=auto,scale=flags=bilinear+{ACCURATE}"
            steps = [laid, "format=yuv444p16le", f"crop={width}:{height}:0:0", size]
        if sparse := sampling(pix_fmt):
            if self.halves_colour:
                bits = 12 if sparse == "440" else 16  # the most that FFmpeg has
                steps += [f"format=yuv{sparse}p{bits}le", f"scale=flags=bilinear+{ACCURATE}"]
            steps += ["format=yuv444p16le", f"scale=flags={ACCURATE}"]
        return ",".join([*steps, "format=rgb24"])


@dataclass(frozen=True)
class Wanted:
    """How much of a file to look at."""

    frames: int
    """So many frames from the first."""
    looked_at: tuple[int, ...]
    """Those of which pixels are wanted, by number; empty for every frame."""
    pix_fmt: str
    """The format of the planes."""
    upright: bool
    """Whether frames are shown as they are stored."""
    one_size: bool
    """Whether all frames have the same size."""
    views: tuple[View, ...]


@dataclass(frozen=True)
class Frames:
    """What ``ffmpeg`` says."""

    pts_ns: list[int]
    """Time of each frame on the stream's clock, rounded down."""
    md5: list[str]
    """Of each frame as it is stored, planes without padding."""
    planes: list[bytes]
    """The frames that were looked at as they are stored, if all have one size."""
    views: list[NDArray[np.uint8]]
    """Shape (K, H, W, 3), RGB: the frames that were looked at, in each view."""


class Refused(Exception):
    """``ffmpeg`` gives no frame of the file; says why."""


def version() -> str:
    """Return the program's version, major and minor."""
    said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True)
    found = re.match(r"ffmpeg version (\d+\.\d+)", said.stdout)
    return found[1] if found else "unknown"


def sampling(pix_fmt: str) -> str:
    """Return how a format, or the JPEG made of it, samples U and V: 420; empty if it has none."""
    form = av.VideoFormat(pix_fmt)
    if form.is_rgb or form.has_palette or len(form.components) < 3:
        return ""
    across, down = 8 // form.chroma_width(8), 8 // form.chroma_height(8)
    return {(2, 2): "420", (2, 1): "422", (1, 2): "440"}.get((across, down), "444")


def read(path: Path, wanted: Wanted) -> Frames:
    """Return what ``ffmpeg`` says of a file.

    Raises:
        Refused: It gives no frame.
    """
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        stored = _stored(wanted, scratch)
        shown = [
            option
            for k, view in enumerate(wanted.views)
            for option in _raw(wanted, view.filters(wanted.pix_fmt), scratch / f"view{k}")
        ]
        if wanted.upright:
            said = _run(path, [], stored + shown)
        else:
            said = _run(path, ["-noautorotate"], stored) + _run(path, [], shown)
        pts_ns, md5 = _listed(scratch / "times")
        if not pts_ns:
            raise Refused(said)
        return Frames(
            pts_ns,
            md5,
            _cut(scratch / "planes", sum(k < len(pts_ns) for k in wanted.looked_at)),
            [
                np.fromfile(scratch / f"view{k}", np.uint8).reshape(-1, v.height, v.width, 3)
                for k, v in enumerate(wanted.views)
            ],
        )


def _run(path: Path, before: list[str], outputs: list[str]) -> str:
    command = ["ffmpeg", "-v", "error", "-y", "-nostdin", "-copyts", *before, "-i", f"file:{path}"]
    run = subprocess.run([*command, *outputs], capture_output=True, timeout=TIMEOUT_S)
    return run.stderr.decode(errors="replace")


def _stored(wanted: Wanted, scratch: Path) -> list[str]:
    options = ["-an", "-sn", "-dn", "-autoscale", "0", "-fps_mode", "passthrough"]
    options += ["-enc_time_base", "-1", "-frames:v", str(wanted.frames)]
    options += ["-f", "framemd5", str(scratch / "times")]
    if wanted.one_size:
        options += _raw(wanted, f"format={wanted.pix_fmt}", scratch / "planes")
    return options


def _raw(wanted: Wanted, filters: str, path: Path) -> list[str]:
    chosen = "+".join(f"eq(n,{k})" for k in wanted.looked_at) or "1"
    count = len(wanted.looked_at) or wanted.frames
    return [
        *("-an", "-sn", "-dn", "-fps_mode", "passthrough", "-frames:v", str(count)),
        *("-vf", f"select='{chosen}',{filters}", "-f", "rawvideo", str(path)),
    ]


def _listed(path: Path) -> tuple[list[int], list[str]]:
    """Read what the muxer ``framemd5`` wrote: times and hashes."""
    base, rows = Fraction(0), []
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.startswith("#tb 0:"):
            base = Fraction(line.partition(":")[2].strip())
        elif not line.startswith("#"):
            rows.append([part.strip() for part in line.split(",")])
    pts_ns = [int(row[2]) * base.numerator * NS_PER_S // base.denominator for row in rows]
    return pts_ns, [row[5] for row in rows]


def _cut(path: Path, count: int) -> list[bytes]:
    """Cut a file into equal parts; none if there is no file."""
    data = path.read_bytes() if path.exists() else b""
    length = len(data) // max(1, count)
    return [data[k * length : (k + 1) * length] for k in range(count if length else 0)]
