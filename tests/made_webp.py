"""Animated WebP files, chunk by chunk: every way of drawing, and every way of being wrong."""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One picture of an animation."""

    rgba: np.ndarray
    """Shape (H, W, 4)."""
    left: int = 0
    """Even, as ``top``: the format stores half of it."""
    top: int = 0
    ms: int = 100
    blend: bool = True
    dispose: bool = False
    lossless: bool = True


def animation(canvas: tuple[int, int], drawn: Sequence[Drawn], *, exif: bytes = b"") -> bytes:
    """Return a file with a canvas of that width and height."""
    return file(
        canvas,
        chunk(b"ANIM", struct.pack("<IH", 0xFFFFFFFF, 0)),
        *(picture(one) for one in drawn),
        chunk(b"EXIF", exif) if exif else b"",
    )


def file(canvas: tuple[int, int], *chunks: bytes) -> bytes:
    """Return a file of these chunks that says it moves."""
    sides = _three(canvas[0] - 1) + _three(canvas[1] - 1)
    body = b"WEBP" + chunk(b"VP8X", struct.pack("<I", 0x1A) + sides) + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def picture(drawn: Drawn, *, size: tuple[int, int] | None = None) -> bytes:
    """Return an ``ANMF`` chunk.

    Args:
        size: Width and height that it claims, instead of those it has.
    """
    height, width, _ = drawn.rgba.shape
    claimed = size or (width, height)
    return chunk(
        b"ANMF",
        *(_three(n) for n in (drawn.left // 2, drawn.top // 2, claimed[0] - 1, claimed[1] - 1)),
        _three(drawn.ms),
        bytes([drawn.dispose | (not drawn.blend) << 1]),
        pixels(drawn.rgba, lossless=drawn.lossless),
    )


def pixels(rgba: np.ndarray, *, lossless: bool) -> bytes:
    """Return the chunks of a still picture, ``VP8X`` left out."""
    buffer = io.BytesIO()
    Image.fromarray(rgba).save(buffer, "WEBP", lossless=lossless, quality=90, exact=True)
    still = buffer.getvalue()
    start = 12
    if still[12:16] == b"VP8X":
        start += 18
    return still[start:]


def chunk(kind: bytes, *parts: bytes) -> bytes:
    """Return a chunk of RIFF, padded to an even length."""
    payload = b"".join(parts)
    return kind + struct.pack("<I", len(payload)) + payload + bytes(len(payload) % 2)


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")
