"""What the engine and the ``ffmpeg`` program each make of every file, looked at side by side.

Each file is read once by both, in a child process; the modules ``times``, ``planes``, ``rgb``
and ``scaled`` sum up what was seen.
"""

import csv
import functools
import hashlib
import io
import os
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from math import log10
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from correctness import ffmpeg, isolated
from correctness.ffmpeg import View, Wanted
from shardmill.contract.errors import ItemError, Skip
from shardmill.contract.schema import Facts, Item
from shardmill.contract.spec import Spec
from shardmill_worker.engine.decode import SourceFrame, source_frames
from shardmill_worker.engine.media import Media, open_media
from shardmill_worker.engine.orientation import UPRIGHT, orientation_of
from shardmill_worker.engine.picture import PictureMaker
from shardmill_worker.engine.probe import probe_item

FOLDERS = ("clips/", "odd_video/", "images/")
PIXELS = 1_000_000_000
"""About so many pixels of a file are decoded: 3255 frames of 640x480, 120 of 3840x2160."""
MAX_FRAMES = 5000
FIRST, STRIDE = 3, 29
"""Pixels are compared of the first three frames and of each 29th."""
SIZES = ("160x120", "107x53")
"""A usual size, and one that is no whole part of any."""
SCALED = {
    f"{size} {encoding}": Spec(size=size, encoding=encoding, no_upscale=True)
    for size in SIZES
    for encoding in ("raw", "jpeg")
}
SPECS = {"source size": Spec(encoding="raw")} | SCALED
RGB_LEVELS = 2
"""So far off a red, green or blue value may be."""
INFINITE_DB = 99.0
"""What stands for the ratio of equal pictures."""

Picture = NDArray[np.uint8]
"""Shape (H, W, 3), RGB."""


@dataclass
class Sight:
    """What was seen of one file, in JSON's types."""

    path: str
    kind: str = ""
    codec: str = ""
    pix_fmt: str = ""
    ours_refused: str = ""
    """Why we give no frame; empty if we do."""
    theirs_refused: str = ""
    """Why ``ffmpeg`` gives no frame; empty if it does."""
    ours_ns: list[int] = field(default_factory=list)
    """Our time of each frame."""
    theirs_ns: list[int] = field(default_factory=list)
    """The time of each frame by ``ffmpeg``."""
    exact: int = 0
    """Frames whose stored planes are equal bit by bit."""
    planes_off: int = 0
    """Largest difference of a sample in the planes looked at."""
    looked_at: int = 0
    """Frames whose pixels were compared."""
    rgb_off: int = 0
    """Largest difference of a red, green or blue value at source size."""
    rgb_beyond: float = 0.0
    """Largest share of a frame's values that are further off than ``RGB_LEVELS``."""
    psnr_db: dict[str, float] = field(default_factory=dict)
    """Lowest of a frame, by size and encoding, where the picture became smaller."""
    jpeg_db: dict[str, float] = field(default_factory=dict)
    """The same of FFmpeg's own pictures when libjpeg stores them at the same quality."""

    @property
    def compared(self) -> bool:
        """Whether both gave frames."""
        return not (self.ours_refused or self.theirs_refused)


@functools.cache
def sights(corpus: Path) -> list[Sight]:
    """Return what was seen of each file of which one of the two gives a frame."""
    with (corpus / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        paths = sorted(row["path"] for row in rows if row["path"].startswith(FOLDERS))
    answers = isolated.ask(__name__, corpus, paths)
    crash = {"ours_refused": "crash"}
    found = [Sight(**(answers[path] or {"path": path} | crash)) for path in paths]
    return [sight for sight in found if not (sight.ours_refused and sight.theirs_refused)]


def look(corpus: Path, path: str) -> dict[str, Any]:
    """Read one file by both and compare; returns a ``Sight`` as JSON's types."""
    sight = Sight(path)
    ours = None
    try:
        ours = _read(corpus, path)
    except Skip as reason:
        sight.ours_refused = f"skip: {reason}"
    except ItemError as error:
        sight.ours_refused = f"{error.error_class}: {error}"
    try:
        theirs = ffmpeg.read(corpus / path, ours.wanted() if ours else _ANY)
    except ffmpeg.Refused as reason:
        sight.theirs_refused = str(reason) or "no frame"
    else:
        sight.theirs_ns = theirs.pts_ns
        if ours:
            _compare(sight, ours, theirs)
    if ours:
        sight.kind, sight.codec = ours.facts.kind, ours.facts.codec or ""
        sight.pix_fmt, sight.ours_ns = ours.pix_fmt, ours.pts_ns
    return asdict(sight)


def first_picture(corpus: Path, path: str) -> Picture:
    """Return the engine's first frame of a file, upright, at source size."""
    return _read(corpus, path).pictures["source size"][0]


_ANY = Wanted(
    frames=MAX_FRAMES, looked_at=(0,), pix_fmt="rgb24", upright=True, one_size=False, views=()
)
"""Any frame at all, of a file that we refuse."""


@dataclass
class _Ours:
    """The engine's frames of one file, as far as they are looked at."""

    facts: Facts
    limit: int
    """Frames to decode."""
    pix_fmt: str = ""
    upright: bool = True
    sizes: set[tuple[int, int]] = field(default_factory=set)
    pts_ns: list[int] = field(default_factory=list)
    md5: list[str] = field(default_factory=list)
    looked_at: list[int] = field(default_factory=list)
    planes: list[bytes] = field(default_factory=list)
    pictures: dict[str, list[Picture]] = field(default_factory=lambda: {n: [] for n in SPECS})
    makers: dict[str, PictureMaker] = field(default_factory=dict)

    def wanted(self) -> Wanted:
        """Return what to ask ``ffmpeg`` for."""
        one_size = len(self.sizes) == 1
        return Wanted(
            frames=self.limit,
            looked_at=tuple(self.looked_at) if one_size else (),
            pix_fmt=self.pix_fmt,
            upright=self.upright,
            one_size=one_size,
            views=tuple(self._view(name) for name in SPECS),
        )

    def _view(self, name: str) -> View:
        height, width, _ = self.pictures[name][0].shape
        scaler = "area" if name in SCALED else "bilinear"
        odd = None
        if self.upright and len(self.sizes) == 1:
            odd = next((size for size in self.sizes if size[0] % 2 or size[1] % 2), None)
        halves = name.endswith("jpeg")
        return View(width, height, scaler, halves_colour=halves, odd_source=odd)

    def take(self, media: Media, frame: SourceFrame, *, look: bool) -> None:
        """Note a frame; look at its pixels too if told."""
        if not self.makers:
            orientation = orientation_of(media, frame.picture)
            self.upright = orientation == UPRIGHT
            self.pix_fmt = frame.picture.format.name
            for name, spec in SPECS.items():
                self.makers[name] = PictureMaker(spec, orientation)
        stored = _stored(frame.picture)
        self.sizes.add((frame.picture.width, frame.picture.height))
        self.pts_ns.append(frame.pts_ns)
        self.md5.append(hashlib.md5(stored).hexdigest())
        if look:
            self.looked_at.append(frame.index)
            self.planes.append(stored)
            for name, maker in self.makers.items():
                data = maker.make(frame.picture, frame.sample_aspect)
                self.pictures[name].append(_decoded(data, maker, SPECS[name].encoding))


def _read(corpus: Path, path: str) -> _Ours:
    """Read a file by the engine; every frame is looked at if their size changes.

    ``ffmpeg`` counts frames anew after a change of size, so there they cannot be chosen by number.
    """
    found = os.stat(corpus / path)
    item = Item(path=path, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)
    facts = probe_item(str(corpus), item)
    area = max(1, (facts.width or 1) * (facts.height or 1))
    limit = 1 if facts.kind == "image" else max(FIRST, min(MAX_FRAMES, PIXELS // area))
    for every in (False, True):
        ours = _Ours(facts, limit)
        with open_media(str(corpus), item) as media:
            for frame in source_frames(media, advance=lambda: None):
                look = every or frame.index < FIRST or frame.index % STRIDE == 0
                ours.take(media, frame, look=look)
                if len(ours.pts_ns) == limit:
                    break
        if len(ours.sizes) == 1:
            break
    return ours


def _stored(picture: av.VideoFrame) -> bytes:
    """Return the planes without padding, one after the other, as FFmpeg's raw video has them."""
    packer = av.CodecContext.create("rawvideo", "w")
    packer.width, packer.height = picture.width, picture.height
    packer.pix_fmt, packer.time_base = picture.format.name, Fraction(1, 1000)
    (packet,) = packer.encode(picture)
    return bytes(packet)


def _decoded(data: bytes, maker: PictureMaker, encoding: str) -> Picture:
    if encoding == "jpeg":
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return np.frombuffer(data, np.uint8).reshape(maker.size.height, maker.size.width, 3)


def _compare(sight: Sight, ours: _Ours, theirs: ffmpeg.Frames) -> None:
    sight.exact = sum(a == b for a, b in zip(ours.md5, theirs.md5, strict=False))
    sight.looked_at = len(ours.looked_at)
    deep = max(part.bits for part in av.VideoFormat(ours.pix_fmt).components) > 8
    for a, b in zip(ours.planes, theirs.planes, strict=False):
        pair = [np.frombuffer(data, "<u2" if deep else np.uint8) for data in (a, b)]
        sight.planes_off = max(sight.planes_off, _largest(*pair))
    views = dict(zip(SPECS, theirs.views, strict=True))
    source = ours.pictures["source size"]
    for a, b in zip(source, views["source size"], strict=False):
        off = np.abs(a.astype(np.int16) - b)
        sight.rgb_off = max(sight.rgb_off, int(off.max()))
        sight.rgb_beyond = max(sight.rgb_beyond, float(np.mean(off > RGB_LEVELS)))
    for name, spec in SCALED.items():
        pictures = ours.pictures[name]
        if pictures[0].shape == source[0].shape:
            continue
        pairs = list(zip(pictures, views[name], strict=False))
        sight.psnr_db[name] = min((_psnr_db(a, b) for a, b in pairs), default=0.0)
        if spec.encoding == "jpeg":
            stored = ((_by_libjpeg(b, ours.pix_fmt), b) for _, b in pairs)
            sight.jpeg_db[name] = min((_psnr_db(a, b) for a, b in stored), default=0.0)


def _by_libjpeg(picture: Picture, pix_fmt: str) -> Picture:
    """Return a picture after Pillow stored it as a JPEG like ours."""
    buffer = io.BytesIO()
    sampling = {"420": "4:2:0", "422": "4:2:2"}.get(ffmpeg.sampling(pix_fmt), "4:4:4")
    quality = Spec().quality
    Image.fromarray(picture).save(buffer, "jpeg", quality=quality, subsampling=sampling)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _largest(a: NDArray[Any], b: NDArray[Any]) -> int:
    return int(np.abs(a.astype(np.int32) - b).max()) if a.shape == b.shape else 1 << 16


def _psnr_db(a: Picture, b: Picture) -> float:
    mean_square = float(np.mean((a.astype(np.float64) - b) ** 2))
    return min(INFINITE_DB, 10 * log10(255**2 / mean_square)) if mean_square else INFINITE_DB
