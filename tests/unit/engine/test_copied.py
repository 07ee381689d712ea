"""With --copy-if-fits a JPEG that is what it should become is stored byte for byte."""

import os
import struct

import cv2
import numpy as np
import pytest
import simplejpeg

SIZE = {"size": "48x32", "copy_if_fits": True}


def pixels(seed: int = 0, *, width: int = 48, height: int = 32) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def jpeg(*, width: int = 48, height: int = 32, **options) -> bytes:
    return simplejpeg.encode_jpeg(pixels(width=width, height=height), **options)


def with_exif(data: bytes, orientation: int, thumbnail: bytes = b"") -> bytes:
    """Put Exif behind the start of a JPEG: IFD0 with the orientation, IFD1 with a thumbnail."""
    ifd0 = struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 26 if thumbnail else 0)
    ifd1 = struct.pack("<HHHIIHHIII", 2, 0x0201, 4, 1, 56, 0x0202, 4, 1, len(thumbnail), 0)
    tiff = b"II*\0" + struct.pack("<I", 8) + ifd0 + (ifd1 + thumbnail if thumbnail else b"")
    body = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


FITS = {
    "4:2:0": jpeg(colorsubsampling="420"),
    "4:2:2": jpeg(colorsubsampling="422"),
    "4:4:4": jpeg(colorsubsampling="444"),
    "of low quality": jpeg(quality=30),
    "progressive": cv2.imencode(".jpg", pixels(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
    "upright by Exif": with_exif(jpeg(), 1),
    "with a thumbnail": with_exif(jpeg(), 1, jpeg(width=16, height=8)),
}
FITS_NOT = {
    "another size": (jpeg(width=96, height=64), (32, 48)),
    "turned by Exif": (with_exif(jpeg(), 6), (32, 48)),
    "mirrored by Exif": (with_exif(jpeg(), 2), (32, 48)),
    "grey": (simplejpeg.encode_jpeg(pixels()[..., :1].copy(), colorspace="GRAY"), (32, 48)),
    "no JPEG": (cv2.imencode(".png", pixels())[1].tobytes(), (32, 48)),
    "something behind it": (jpeg() + bytes(48 * 32 * 3), (32, 48)),
}


@pytest.mark.parametrize("data", FITS.values(), ids=FITS)
def test_what_fits_is_copied(folder, data):
    done = folder.extract(folder.write("a.jpg", data), **SIZE)

    assert done.outcomes[0].status == "ok"
    assert done.frames() == [data]
    assert (done.clips[0]["width"], done.clips[0]["height"]) == (48, 32)
    assert abs(done.pictures()[0].astype(int) - simplejpeg.decode_jpeg(data)).max() == 0


@pytest.mark.parametrize("geometry", [{}, {"short_side": 32}, {"fit": "48x99"}, {"crop": "48x32"}])
def test_any_geometry_that_changes_nothing_copies(folder, geometry):
    done = folder.extract(folder.write("a.jpg", jpeg()), copy_if_fits=True, **geometry)

    assert done.frames() == [jpeg()]


@pytest.mark.parametrize("geometry", [{"fit": "48x40", "pad": True}, {"crop": "40x32"}])
def test_any_geometry_that_changes_something_encodes(folder, geometry):
    done = folder.extract(folder.write("a.jpg", jpeg()), copy_if_fits=True, **geometry)

    assert done.frames() != [jpeg()]
    assert done.outcomes[0].status == "ok"


@pytest.mark.parametrize(("data", "shape"), FITS_NOT.values(), ids=FITS_NOT)
def test_what_does_not_fit_is_encoded_as_without_the_option(folder, data, shape):
    name = folder.write("a.jpg", data)
    options = {"size": "48x32", "upscale": True}
    plain = folder.extract(name, **options).frames()

    done = folder.extract(name, copy_if_fits=True, **options)

    assert done.frames() == plain != [data]
    assert done.pictures()[0].shape[:2] == shape


@pytest.mark.parametrize("cut", [30, 300, -40])
def test_a_broken_jpeg_is_never_copied_in_silence(folder, cut):
    whole = folder.write("whole.jpg", jpeg())
    facts = folder.probe(whole)
    name = folder.write("a.jpg", jpeg()[:cut])

    done = folder.extract(name, facts=[facts], **SIZE)

    assert done.outcomes[0].status == "failed"
    assert done.outcomes[0].error_class == "corrupt"


def test_damage_inside_the_picture_fails_too(folder):
    data = bytearray(jpeg(quality=98))
    middle = len(data) // 2
    data[middle : middle + 6] = b"\xff\xd9\xff\xd9\xff\xd9"

    done = folder.extract(folder.write("a.jpg", bytes(data)), **SIZE)

    assert done.outcomes[0].status == "failed"


def test_a_thumbnail_and_a_preview_are_no_frames(folder):
    """Exif's thumbnail, and a second picture behind the first as in a multi-picture file."""
    data = with_exif(jpeg(width=96, height=64), 1, jpeg(width=16, height=8))
    name = folder.write("a.jpg", data + jpeg(width=48, height=32))

    facts = folder.probe(name)
    done = folder.extract(name)

    assert (facts.kind, facts.width, facts.height) == ("image", 96, 64)
    assert [picture.shape for picture in done.pictures()] == [(64, 96, 3)]


def test_a_film_of_jpegs_is_no_picture(folder):
    pictures = [pixels(seed) for seed in range(3)]
    name = folder.video("a.avi", pictures, codec="mjpeg", pix_fmt="yuvj420p")

    done = folder.extract(name, **SIZE)

    assert len(done.frames()) == 3
    assert os.path.getsize(folder.root / name) not in map(len, done.frames())
