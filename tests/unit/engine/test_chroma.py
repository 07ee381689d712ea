"""Colours lie where the source has them, whatever the size, against Pillow and ffmpeg.

U and V are two waves over even Y.  Pillow decodes a JPEG to RGB at its own size, where a sample of
U and V lies in the middle of the pixels that it stands for.  The ffmpeg program gives the planes of
a video, which are put there by hand, since its scaler goes by the ratio of the planes' sizes.  That
picture is cut, shrunk by exact areas and turned.  How far the waves of a stored frame are off is
the least squares fit of their difference to their slope (Lucas and Kanade 1981).
"""

import io
import itertools
import subprocess

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from exact_area import shrunk_exactly
from shardmill.contract.options.geometry import Size
from shardmill.contract.spec import Spec

WAVE_LENGTH = 24
MOST_OFF = 0.2
"""Source pixels.  By the ratio of the planes' sizes it would be up to a whole one."""
SIZES = [(120, 98), (121, 97), (122, 99), (123, 96)]
GEOMETRIES = [
    {},
    {"size": "60x48"},
    {"size": "61x47"},
    {"size": "160x140"},
    {"short_side": 64},
    {"crop": "56x56"},
    {"crop": "57x59"},
    {"fit": "70x70", "pad": True},
]
TURNS = {1: 0, 6: 3, 3: 2}
"""EXIF orientation to quarter turns counter-clockwise."""


def waves(width: int, height: int) -> np.ndarray:
    """Y, U and V, shape (H, W, 3): U goes up and down along x, V along y."""
    u, v = (
        128 + 50 * np.sin(2 * np.pi * (np.arange(n) + 0.5) / WAVE_LENGTH) for n in (width, height)
    )
    picture = np.full((height, width, 3), 128.0)
    picture[..., 1] = u[None, :]
    picture[..., 2] = v[:, None]
    return np.rint(picture).astype(np.uint8)


def jpeg(width: int, height: int, sampling: str, orientation: int = 1) -> bytes:
    rgb = np.asarray(Image.fromarray(waves(width, height), "YCbCr").convert("RGB"))
    data = simplejpeg.encode_jpeg(rgb, quality=98, colorspace="RGB", colorsubsampling=sampling)
    exif = Image.Exif()
    exif[0x112] = orientation
    body = exif.tobytes()
    return data[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]


def sized(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    """Shrunk by area, enlarged linearly."""
    if (width, height) == rgb.shape[1::-1]:
        return rgb.astype(float)
    if width <= rgb.shape[1] and height <= rgb.shape[0]:
        return np.dstack([shrunk_exactly(rgb[..., n], width, height) for n in range(3)])
    return cv2.resize(rgb.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def opponents(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """B - Y and R - Y, which follow U and V alone."""
    pixels = rgb.astype(float)
    luma = pixels @ (0.299, 0.587, 0.114)
    return pixels[..., 2] - luma, pixels[..., 0] - luma


def offsets(found: np.ndarray, right: np.ndarray) -> list[float]:
    """How far each wave is off at either end of either axis along which it goes, in pixels."""
    result = []
    for waves_found, waves_right in zip(opponents(found), opponents(right), strict=True):
        axis = int(np.ptp(waves_right.mean(axis=0)) > np.ptp(waves_right.mean(axis=1)))
        both = (waves_found, waves_right)
        mine, theirs = (np.moveaxis(one, axis, 0)[2:-2, 2:-2] for one in both)
        slope = np.gradient(theirs, axis=0)
        ends = max(8, len(theirs) // 4)
        for part in (slice(ends), slice(-ends, None)):
            off = ((mine - theirs)[part] * slope[part]).sum() / (slope[part] ** 2).sum()
            result.append(float(off))
    return result


def furthest_off(folder, name: str, upright: np.ndarray, **options) -> float:
    """How far colours of the stored frame are off, in source pixels."""
    found = folder.extract(name, copy_if_fits=False, quality=100, **options).pictures()[0]
    place = Spec(**options).geometry.place(Size(upright.shape[1], upright.shape[0]))
    part = upright[place.crop_y :, place.crop_x :][: place.crop.height, : place.crop.width]
    right = sized(part, place.scaled.width, place.scaled.height)
    x, y = place.offset
    found = found[y : y + place.scaled.height, x : x + place.scaled.width]
    source_px = place.crop.width / place.scaled.width
    return max(map(abs, offsets(found, right))) * source_px


@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
@pytest.mark.parametrize("sampling", ["444", "440", "422", "420"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_colours_of_a_jpeg_lie_where_pillow_has_them(folder, width, height, sampling, encoding):
    for orientation, turns in TURNS.items():
        folder.write("waves.jpg", jpeg(width, height, sampling, orientation))
        stored = np.asarray(Image.open(folder.root / "waves.jpg").convert("RGB"))
        for options in GEOMETRIES:
            off = furthest_off(
                folder, "waves.jpg", np.rot90(stored, turns), encoding=encoding, **options
            )
            assert off < MOST_OFF, (orientation, options)


STEPS = {
    "yuv420p": (2, 2),
    "yuv422p": (2, 1),
    "yuv440p": (1, 2),
    "yuv444p": (1, 1),
    "yuv411p": (4, 1),
    "yuv410p": (4, 4),
    "yuv420p10le": (2, 2),
}
"""Columns and rows to a sample of U and V."""


def planes_of_ffmpeg(path, width: int, height: int, pix_fmt: str) -> list[np.ndarray]:
    """Y, U and V as the ffmpeg program decodes them, brought to 8 bits."""
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", pix_fmt, "-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    samples = np.frombuffer(data, "<u2" if "10le" in pix_fmt else np.uint8).astype(np.float32)
    x, y = STEPS[pix_fmt]
    small = (-(-height // y), -(-width // x))
    sizes = [height * width, *[small[0] * small[1]] * 2]
    luma, u, v = np.split(samples, np.cumsum(sizes)[:2])
    unit = 4 if "10le" in pix_fmt else 1
    return [luma.reshape(height, width) / unit, u.reshape(small) / unit, v.reshape(small) / unit]


def rgb_of(planes: list[np.ndarray], steps: tuple[int, int]) -> np.ndarray:
    """RGB of limited range BT.601, U and V interpolated between the middles of their pixels."""
    luma, *chroma = planes
    height, width = luma.shape
    large = [
        cv2.resize(one, (one.shape[1] * steps[0], one.shape[0] * steps[1]))[:height, :width]
        for one in chroma
    ]
    y, u, v = (luma - 16) * 255 / 219, *((one - 128) * 255 / 224 for one in large)
    return np.clip(
        np.dstack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u]), 0, 255
    )


@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
@pytest.mark.parametrize("pix_fmt", list(STEPS))
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_colours_of_a_video_lie_where_its_planes_have_them(
    folder, width, height, pix_fmt, encoding
):
    rgb = np.asarray(Image.fromarray(waves(width, height), "YCbCr").convert("RGB"))
    folder.video("waves.mkv", [rgb], pix_fmt=pix_fmt)
    planes = planes_of_ffmpeg(folder.root / "waves.mkv", width, height, pix_fmt)
    whole = rgb_of(planes, STEPS[pix_fmt])

    for options in GEOMETRIES:
        off = furthest_off(folder, "waves.mkv", whole, encoding=encoding, **options)
        assert off < MOST_OFF, options


@pytest.mark.parametrize(("left", "top"), list(itertools.product((40, 41), (20, 21))))
@pytest.mark.parametrize("size", ["224x224", "160x160"])
def test_a_crop_that_begins_within_a_sample_is_not_shifted(folder, left, top, size):
    """The part is large enough for all planes to be scaled in one go."""
    width, height = 320 + 2 * left, 320 + 2 * top
    folder.write("waves.jpg", jpeg(width, height, "420"))
    rgb = np.asarray(Image.open(io.BytesIO((folder.root / "waves.jpg").read_bytes())))
    folder.video("waves.mkv", [rgb])
    whole = rgb_of(planes_of_ffmpeg(folder.root / "waves.mkv", width, height, "yuv420p"), (2, 2))

    assert furthest_off(folder, "waves.mkv", whole, crop=size, encoding="jpeg") < MOST_OFF
