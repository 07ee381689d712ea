"""Pictures of every kind that probing meets, made from one photograph-like picture."""

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageCms

SIZE: Final = (320, 240)
_JFIF_BYTES: Final = 20


def kinds() -> dict[str, tuple[str, Callable[[int], bytes]]]:
    """Return each kind's suffix, and what makes the bytes of a picture by its number."""
    return {
        "plain JPEG": ("jpg", _jpeg),
        "two bytes behind the end": ("jpg", lambda n: _jpeg(n) + b"\r\n"),
        "a video behind the end": ("jpg", lambda n: _jpeg(n) + _video(100_000)),
        "no end marker": ("jpg", lambda n: _jpeg(n)[:-2]),
        "MPF": ("jpg", lambda n: _with(_jpeg(n), 0xFFE2, _mpf()) + _jpeg(n + 1)),
        "Adobe": ("jpg", lambda n: _with(_jpeg(n), 0xFFEE, b"Adobe\0\x64\0\0\0\0\1")),
        "ICC profile": ("jpg", lambda n: _jpeg(n, icc_profile=_profile())),
        "XMP of 60 kB": ("jpg", lambda n: _with(_jpeg(n), 0xFFE1, _xmp())),
        "Exif, turned": ("jpg", lambda n: _jpeg(n, exif=_exif())),
        "restart markers": ("jpg", lambda n: _jpeg(n, restart_marker_blocks=8)),
        "progressive": ("jpg", lambda n: _jpeg(n, progressive=True)),
        "PNG": ("png", lambda n: _saved(_photo(n), "PNG")),
        "PNG of 16 bits": ("png", lambda n: _saved(_deep(n), "PNG")),
        "WebP": ("webp", lambda n: _saved(_photo(n), "WEBP")),
        "BMP": ("bmp", lambda n: _saved(_photo(n), "BMP")),
        "TIFF": ("tif", lambda n: _saved(_photo(n), "TIFF", compression="tiff_lzw")),
        "GIF": ("gif", lambda n: _saved(_photo(n).quantize(64), "GIF")),
    }


def make(folder: Path, kind: str, *, count: int, distinct: int) -> None:
    """Fill a new folder with pictures of a kind, links to fewer."""
    suffix, picture = kinds()[kind]
    folder.mkdir(parents=True)
    places: list[Path] = []
    for number in range(count):
        place = folder / f"n{number // 1000:03}" / f"{number:06}.{suffix}"
        place.parent.mkdir(exist_ok=True)
        if number < distinct:
            place.write_bytes(picture(number))
            places.append(place)
        else:
            os.link(places[number % distinct], place)


def _photo(number: int) -> Image.Image:
    """Return something soft with edges, as photographs are."""
    noise = np.random.default_rng(number).integers(0, 256, (15, 20, 3), np.uint8)
    return Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC)


def _deep(number: int) -> Image.Image:
    grey = np.asarray(_photo(number).convert("L"), np.uint16)
    return Image.fromarray(grey * 257)


def _saved(picture: Image.Image, form: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **settings)
    return buffer.getvalue()


def _jpeg(number: int, **settings: Any) -> bytes:
    return _saved(_photo(number), "JPEG", quality=85, **settings)


def _with(jpeg: bytes, marker: int, body: bytes) -> bytes:
    """Put a segment behind the JFIF header."""
    segment = struct.pack(">HH", marker, len(body) + 2) + body
    return jpeg[:_JFIF_BYTES] + segment + jpeg[_JFIF_BYTES:]


def _mpf() -> bytes:
    """Return an index of two pictures, a primary one and one of no kind."""
    entries = struct.pack(">5I", 0x030000, 0, 0, 0, 0)[:16] + bytes(16)
    directory = struct.pack(">H", 1) + struct.pack(">HHII", 0xB002, 7, len(entries), 26)
    return b"MPF\0MM\0*" + struct.pack(">I", 8) + directory + bytes(4) + entries


def _xmp() -> bytes:
    return b"http://ns.adobe.com/xap/1.0/\0" + b"<x:xmpmeta/>" + b" " * 60_000


def _video(size_bytes: int) -> bytes:
    return b"\0\0\0\x18ftypmp42" + bytes(size_bytes)


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = 6
    tags[0x010F] = "Maker"
    tags[0x8769] = {0x9003: "2020:01:01 00:00:00", 0xA002: SIZE[0], 0xA003: SIZE[1]}
    return tags
