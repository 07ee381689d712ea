"""Geometry, orientation and colour of stored frames, against arithmetic done by hand."""

import struct
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from exact_area import decibels, shrunk_exactly
from shardmill.contract.options.geometry import Placement, Size
from shardmill.contract.schema import Facts
from shardmill_worker.engine.chroma import Box
from shardmill_worker.engine.colour import Colour, to_jfif, to_rgb
from shardmill_worker.engine.orientation import Orientation, from_matrix
from shardmill_worker.engine.picture import _framing as framing_of
from shardmill_worker.engine.resize import resize

VIDEO = Facts(kind="video")
COLOURS = {
    "red": (200, 30, 40),
    "green": (40, 180, 60),
    "blue": (30, 50, 210),
    "grey": (120, 120, 120),
}


def quarters(width: int = 64, height: int = 48) -> np.ndarray:
    """Top left red, top right green, bottom left blue, bottom right grey; shape (H, W, 3)."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = COLOURS["red"]
    picture[: height // 2, width // 2 :] = COLOURS["green"]
    picture[height // 2 :, : width // 2] = COLOURS["blue"]
    picture[height // 2 :, width // 2 :] = COLOURS["grey"]
    return picture


def named(pixel: np.ndarray) -> str:
    """Return the nearest colour's name."""
    return min(COLOURS, key=lambda name: np.abs(np.subtract(COLOURS[name], pixel, dtype=int)).sum())


def corners(picture: np.ndarray) -> list[str]:
    """Colours in the middle of the quarters: top left, top right, bottom left, bottom right."""
    height, width = picture.shape[:2]
    return [
        named(picture[y, x])
        for y in (height // 4, 3 * height // 4)
        for x in (width // 4, 3 * width // 4)
    ]


RED_GREEN_BLUE_GREY = ["red", "green", "blue", "grey"]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm"])
def test_an_image_is_the_right_way_up_and_the_right_way_round(folder, suffix):
    """Bitmaps are stored bottom up, and blue first."""
    _, data = cv2.imencode(suffix, quarters()[..., ::-1])
    folder.write(f"picture{suffix}", data.tobytes())

    assert corners(folder.extract(f"picture{suffix}").pictures()[0]) == RED_GREEN_BLUE_GREY


@pytest.mark.parametrize("encoding", ["jpeg", "png", "raw"])
@pytest.mark.parametrize(
    "sizes",
    [((64, 48), (64, 48)), ((340, 256), (160, 120))],
    ids=["as it is", "shrunk"],
)
@pytest.mark.parametrize(
    ("pix_fmt", "tags", "tolerance"),
    [
        pytest.param("yuv420p", {}, 4, id="untagged is BT.601"),
        pytest.param("yuv420p", {"colorspace": 1, "color_range": 1}, 4, id="BT.709"),
        pytest.param("yuv420p", {"colorspace": 9, "color_range": 1}, 4, id="BT.2020"),
        pytest.param("yuv420p", {"colorspace": 5, "color_range": 2}, 4, id="full range"),
        pytest.param("yuv420p", {"colorspace": 1, "color_range": 2}, 4, id="BT.709 full range"),
        pytest.param("yuv422p", {}, 4, id="4:2:2"),
        pytest.param("yuv444p", {}, 4, id="4:4:4"),
        pytest.param("yuv411p", {}, 4, id="4:1:1"),
        pytest.param("yuv420p10le", {"colorspace": 1, "color_range": 1}, 4, id="10 bits"),
        pytest.param("yuv444p10le", {"colorspace": 1, "color_range": 1}, 4, id="10 bits 4:4:4"),
        pytest.param("yuva420p", {}, 4, id="alpha is dropped"),
        pytest.param("bgr0", {}, 3, id="RGB"),
    ],
)
def test_colours_survive(folder, pix_fmt, tags, tolerance, sizes, encoding):
    stored, (width, height) = sizes
    folder.video("clip.mkv", [quarters(*stored)], pix_fmt=pix_fmt, tags=tags)

    done = folder.extract("clip.mkv", facts=[VIDEO], encoding=encoding, size=f"{width}x{height}")

    (picture,) = done.pictures()
    assert picture.shape == (height, width, 3)
    for name, (y, x) in zip(RED_GREEN_BLUE_GREY, np.ndindex(2, 2), strict=True):
        found = picture[height * (1 + 2 * y) // 4, width * (1 + 2 * x) // 4].astype(int)
        assert np.abs(found - COLOURS[name]).max() <= tolerance, name


@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
@pytest.mark.parametrize("space", [5, 1, 9], ids=["BT.601", "BT.709", "BT.2020"])
@pytest.mark.parametrize("range_", [1, 2], ids=["limited", "full"])
def test_black_stays_black_and_white_stays_white(folder, space, range_, encoding):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, 32:] = 255
    folder.video("clip.mkv", [picture], tags={"colorspace": space, "color_range": range_})

    (found,) = folder.extract("clip.mkv", encoding=encoding).pictures()

    assert found[:, :24].max() <= 2
    assert found[:, 40:].min() >= 252  # the sender rounds too


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (64, 48)),
        ({"size": "32x16"}, (32, 16)),
        ({"size": "30x22"}, (30, 22)),
        ({"size": "33x17"}, (33, 17)),
        ({"short_side": 12}, (16, 12)),
        ({"fit": "40x40"}, (40, 30)),
        ({"size": "128x100", "upscale": True}, (128, 100)),
        ({"size": "1x1"}, (1, 1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
def test_scaling_keeps_what_is_where(folder, options, size, encoding):
    folder.video("clip.mkv", [quarters()])

    done = folder.extract("clip.mkv", encoding=encoding, **options)

    assert done.pictures()[0].shape == (size[1], size[0], 3)
    assert (done.clips[0]["width"], done.clips[0]["height"]) == size
    if min(size) > 1:
        assert corners(done.pictures()[0]) == RED_GREEN_BLUE_GREY


@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
@pytest.mark.parametrize(
    ("source", "side"), [(120, 60), (120, 48), (120, 40), (120, 30), (127, 40), (254, 40)]
)
def test_fine_stripes_become_grey_when_they_shrink(folder, source, side, encoding):
    """Without antialiasing one-pixel stripes would turn into broad black and white ones."""
    stripes = np.zeros((source, source, 3), np.uint8)
    stripes[:, ::2] = 255
    folder.video("stripes.mkv", [stripes])

    picture = folder.extract("stripes.mkv", size=f"{side}x{side}", encoding=encoding).pictures()[0]

    assert np.ptp(picture[4:-4, 4:-4].astype(int)) <= 140
    assert abs(picture.mean() - 127.5) < 6


def test_a_crop_takes_the_middle(folder):
    """Of 64x48 a square of 24 takes columns 8 to 56 at half the size."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, 8:56] = 200
    folder.video("clip.mkv", [picture])

    cropped = folder.extract("clip.mkv", crop="24x24", encoding="raw").pictures()[0]

    assert cropped.shape == (24, 24, 3)
    assert cropped.min() >= 190


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "bgr0"])
def test_a_crop_without_scaling_touches_no_pixel(folder, pix_fmt):
    """33 of 64 columns begin at the 15th, in the middle of a sample of YUV 4:2:0."""
    picture = np.repeat(np.arange(20, 212, 3, dtype=np.uint8), 48 * 3).reshape(64, 48, 3)
    folder.video("ramp.mkv", [picture.transpose(1, 0, 2)], pix_fmt=pix_fmt)

    cropped = folder.extract("ramp.mkv", crop="33x48", encoding="raw").pictures()[0]

    ramp = cropped[20, :, 1].astype(int)
    assert abs(ramp[0] - (20 + 3 * 15)) <= 1
    assert np.abs(np.diff(ramp) - 3).max() <= 1
    assert abs(ramp[-1] - ramp[0] - 3 * 32) <= 1


@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
def test_padding_is_black_and_centred(folder, encoding):
    folder.video("clip.mkv", [np.full((48, 64, 3), (30, 50, 210), np.uint8)])

    picture = folder.extract("clip.mkv", fit="33x33", pad=True, encoding=encoding).pictures()[0]

    assert picture.shape == (33, 33, 3)
    assert picture[:3].max() <= 12  # 33x25 in the middle: 4 rows above, 4 below
    assert picture[-3:].max() <= 12
    assert named(picture[16, 16]) == "blue"


@pytest.mark.parametrize(
    ("turn", "expected", "facts"),
    [
        ((0, False), ["red", "green", "blue", "grey"], (0, False)),
        ((-90, False), ["blue", "red", "grey", "green"], (90, False)),
        ((180, False), ["grey", "blue", "green", "red"], (180, False)),
        ((90, False), ["green", "grey", "red", "blue"], (270, False)),
        ((0, True), ["green", "red", "grey", "blue"], (0, True)),
    ],
    ids=str,
)
@pytest.mark.parametrize("options", [{}, {"size": "24x32"}], ids=str)
def test_a_turned_video_is_put_upright(folder, turn, expected, facts, options):
    folder.video("turned.mp4", [quarters()] * 2, codec="mpeg4", turn=turn)

    found = folder.probe("turned.mp4")
    picture = folder.extract("turned.mp4", **options).pictures()[0]

    assert (found.rotation_deg, found.mirrored) == facts
    assert corners(picture) == expected
    if not options:
        assert (found.display_width, found.display_height) == picture.shape[1::-1]


@pytest.mark.parametrize(
    ("turn", "column", "row"),
    [((-90, False), 1, 0), ((90, False), 1, 0), ((180, False), 0, 1), ((0, True), 0, 1)],
    ids=str,
)
def test_a_crop_of_a_turned_video_takes_its_displayed_middle(folder, turn, column, row):
    """Only the middle of the displayed picture is light: nothing dark may be left."""
    picture = np.zeros((48, 96, 3), np.uint8)
    picture[:, 24:72] = 200
    folder.video("turned.mp4", [picture] * 2, codec="mpeg4", turn=turn)

    cropped = folder.extract("turned.mp4", crop="48x48", encoding="raw").pictures()[0]

    assert cropped.shape == (48, 48, 3)
    assert cropped[2:-2, 2:-2].min() > 180


@pytest.mark.parametrize(
    ("orientation", "box"),
    [
        (Orientation(0), (10, 5, 30, 12)),
        (Orientation(0, mirrored=True), (70, 5, 90, 12)),
        (Orientation(180), (70, 38, 90, 45)),
        (Orientation(180, mirrored=True), (10, 38, 30, 45)),
    ],
)
def test_a_part_of_the_display_is_found_in_the_stored_picture(orientation, box):
    """100x50 stored; of the display columns 10 to 30 and rows 5 to 12 are taken."""
    placement = Placement(
        crop_x=10, crop_y=5, crop=Size(20, 7), scaled=Size(20, 7), canvas=Size(20, 7)
    )

    framing = framing_of(Size(100, 50), orientation, Size(100, 50), placement)

    assert framing.box == Box(*box)


@pytest.mark.parametrize(
    ("orientation", "box"),
    [
        (Orientation(90), (5, 20, 12, 40)),
        (Orientation(90, mirrored=True), (5, 10, 12, 30)),
        (Orientation(270), (88, 10, 95, 30)),
        (Orientation(270, mirrored=True), (88, 20, 95, 40)),
    ],
)
def test_a_part_of_a_turned_display_is_found_in_the_stored_picture(orientation, box):
    """100x50 stored, 50x100 shown.  By hand for 90: stored x = y, stored y = 50 - x."""
    placement = Placement(
        crop_x=10, crop_y=5, crop=Size(20, 7), scaled=Size(20, 7), canvas=Size(20, 7)
    )

    framing = framing_of(Size(100, 50), orientation, Size(50, 100), placement)

    assert framing.box == Box(*box)
    assert framing.scaled == Size(7, 20)


def test_wide_pixels_are_made_square(folder):
    folder.video("wide.mp4", [quarters()] * 2, codec="mpeg4", sample_aspect=Fraction(4, 3))

    facts = folder.probe("wide.mp4")
    done = folder.extract("wide.mp4")

    assert (facts.sample_aspect, facts.width, facts.display_width) == ("4:3", 64, 85)
    assert (done.clips[0]["width"], done.clips[0]["height"]) == (85, 48)


def joined(folder, name: str, *pictures: np.ndarray, frames: int = 3, **settings) -> None:
    """Write streams of some frames of each picture one after the other, as a broadcaster does."""
    aspects = settings.pop("aspects", [None] * len(pictures))
    data = b""
    for picture, aspect in zip(pictures, aspects, strict=True):
        part = f"part{Path(name).suffix}"
        folder.video(part, [picture] * frames, rate=25, sample_aspect=aspect, **settings)
        data += (folder.root / part).read_bytes()
    folder.write(name, data)


def is_round(picture: np.ndarray) -> bool:
    """Whether what is light is as wide as it is high, to a tenth."""
    light = picture.mean(axis=2) > 100
    return bool(abs(light.any(axis=0).sum() / light.any(axis=1).sum() - 1) < 0.1)


def disc(width: int, height: int, *, sample_aspect: float = 1.0) -> np.ndarray:
    """A white disc, round on a screen, on black."""
    y, x = np.ogrid[:height, :width]
    across = (x - width / 2 + 0.5) * sample_aspect
    inside = across**2 + (y - height / 2 + 0.5) ** 2 < (0.4 * min(height, width)) ** 2
    return np.where(inside[..., None], np.uint8(230), np.uint8(16)).repeat(3, axis=2)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, (96, 128)),
        ({"short_side": 60}, (60, 80)),
        ({"short_side": 120, "upscale": True}, (120, 160)),
        ({"fit": "90x90"}, (68, 90)),
        ({"fit": "90x90", "pad": True}, (90, 90)),
        ({"crop": "60x60"}, (60, 60)),
        ({"crop": "100x100", "no_upscale": True}, (96, 100)),
    ],
    ids=str,
)
@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
def test_a_change_of_size_in_mid_stream_keeps_the_aspect(folder, options, shape, encoding):
    """4:3, then 16:9, then upright: a disc stays a disc, and the size is the first one's."""
    sizes = [(128, 96), (256, 144), (72, 128), (128, 96)]
    joined(folder, "switch.h264", *(disc(*size) for size in sizes), codec="libx264")

    done = folder.extract("switch.h264", encoding=encoding, **options)

    assert [picture.shape for picture in done.pictures()] == [(*shape, 3)] * 12
    assert all(is_round(picture) for picture in done.pictures())
    assert done.rows[0].facts.size_changes == 3


def test_an_exact_size_stretches_all_sizes_alike(folder):
    joined(folder, "switch.h264", quarters(64, 48), quarters(128, 48), codec="libx264")

    done = folder.extract("switch.h264", size="32x32")

    assert all(corners(p) == RED_GREEN_BLUE_GREY for p in done.pictures())
    assert done.rows[0].facts.size_changes == 1


@pytest.mark.parametrize("which", [{}, {"every": 2}, {"keyframes": True}], ids=str)
def test_a_change_of_the_pixels_aspect_in_mid_stream_is_followed(folder, which):
    """A broadcast goes from 4:3 to 16:9: the size stays, the pixels become wider."""
    aspects = (Fraction(1), Fraction(3, 2), Fraction(1))
    pictures = [disc(128, 96, sample_aspect=float(aspect)) for aspect in aspects]
    joined(folder, "switch.ts", *pictures, frames=20, aspects=aspects, codec="libx264")

    done = folder.extract("switch.ts", encoding="raw", **which)

    assert all(is_round(picture) for picture in done.pictures())
    assert done.rows[0].facts.size_changes == 2


def test_frames_that_a_decoder_holds_back_keep_their_own_aspect(folder):
    """MPEG-2 with B-frames: the packet that brings a new header brings out an older picture."""
    aspects = [Fraction(1), Fraction(4, 3)]
    pictures = [disc(128, 96, sample_aspect=float(aspect)) for aspect in aspects]
    options = {"bf": "2", "b": "4000000"}
    joined(
        folder,
        "switch.ts",
        *pictures,
        frames=7,
        aspects=aspects,
        codec="mpeg2video",
        options=options,
    )

    done = folder.extract("switch.ts", encoding="raw")

    assert [is_round(picture) for picture in done.pictures()] == [True] * 14
    assert done.rows[0].facts.size_changes == 1


def test_one_size_is_no_change(folder):
    folder.video("clip.mkv", [quarters()] * 3)

    assert folder.extract("clip.mkv").rows[0].facts.size_changes == 0
    folder.write("image.png", cv2.imencode(".png", quarters())[1].tobytes())
    assert folder.extract("image.png").rows[0].facts.size_changes is None


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP"])
def test_the_density_of_a_still_picture_is_a_fact_and_changes_nothing(folder, form):
    """72 by 144 dots an inch: printers stretch such a picture, viewers and loaders do not."""
    name = f"scan.{form.lower()}"
    Image.fromarray(quarters(300, 200)).save(folder.root / name, form, dpi=(72, 144))

    facts = folder.probe(name)
    picture = folder.extract(name, encoding="png").pictures()[0]

    with Image.open(folder.root / name) as expected:
        assert (facts.display_width, facts.display_height) == expected.size == (300, 200)
    assert picture.shape == (200, 300, 3)
    if form != "BMP":  # of which FFmpeg reads no density
        assert facts.sample_aspect != "1:1"


@pytest.mark.parametrize(
    ("a", "b", "c", "d", "expected"),
    [
        (1, 0, 0, 1, Orientation(0)),
        (0, 1, -1, 0, Orientation(90)),
        (-1, 0, 0, -1, Orientation(180)),
        (0, -1, 1, 0, Orientation(270)),
        (-1, 0, 0, 1, Orientation(0, mirrored=True)),
        (1, 0, 0, -1, Orientation(180, mirrored=True)),
        (0, 1, 1, 0, Orientation(90, mirrored=True)),
        (0, -1, -1, 0, Orientation(270, mirrored=True)),
        (0, 0, 0, 0, Orientation(0)),
    ],
)
def test_a_display_matrix_is_a_turn_and_then_a_mirror(a, b, c, d, expected):
    """ISO 14496-12: x' = a x + c y, y' = b x + d y, y pointing down."""
    entries = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 14], np.int32)

    assert from_matrix((entries << 16).tobytes()) == expected


def test_pyav_still_needs_help_with_side_data():
    """If this fails PyAV knows EXIF side data: drop the help in ``orientation``."""
    from av.sidedata.sidedata import Type

    assert av.__version__.startswith("18.")
    assert Type(31).name == "UNKNOWN_31"


def test_a_named_colour_profile_does_not_crash_the_decoder(folder):
    """PyAV 18.1 frees the name of a PNG's profile twice if side data is looked at."""
    _, plain = cv2.imencode(".png", quarters()[..., ::-1])
    body = b"a name\0\0" + zlib.compress(bytes(200))
    chunk = struct.pack(">I", len(body)) + b"iCCP" + body
    chunk += struct.pack(">I", zlib.crc32(b"iCCP" + body))
    folder.write("profile.png", plain.tobytes()[:33] + chunk + plain.tobytes()[33:])
    item = folder.item("profile.png")

    program = (
        "from shardmill.contract.schema import Item\n"
        "from shardmill_worker.engine.probe import probe_item\n"
        f"for _ in range(20): probe_item({str(folder.root)!r}, {item!r})\n"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_in_a_png_is_followed(folder, orientation):
    """The eXIf chunk turns the picture as EXIF in a JPEG does."""
    _, plain = cv2.imencode(".png", quarters()[..., ::-1])
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    body = b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body
    chunk += struct.pack(">I", zlib.crc32(b"eXIf" + body))
    folder.write("turned.png", plain.tobytes()[:33] + chunk + plain.tobytes()[33:])

    red, green, blue, grey = RED_GREEN_BLUE_GREY
    assert (
        corners(folder.extract("turned.png").pictures()[0])
        == {
            1: [red, green, blue, grey],
            2: [green, red, grey, blue],
            3: [grey, blue, green, red],
            4: [blue, grey, red, green],
            5: [red, blue, green, grey],
            6: [blue, red, grey, green],
            7: [grey, green, blue, red],
            8: [green, grey, red, blue],
        }[orientation]
    )


@pytest.mark.parametrize(
    ("full_range", "expected"), [(False, [0, 0, 128, 255, 255]), (True, [0, 16, 126, 235, 255])]
)
@pytest.mark.parametrize("matrix", [(0.299, 0.114), (0.2126, 0.0722)], ids=["BT.601", "BT.709"])
def test_grey_follows_its_range_whatever_the_matrix(full_range, expected, matrix):
    """Limited range: 16 is black, 235 is white, 126 is (126 - 16) * 255 / 219 = 128.1."""
    grey = np.array([[0, 16, 126, 235, 255]], np.uint8)
    colour = Colour(*matrix, full_range=full_range)

    assert to_jfif((grey,), colour)[0].tolist() == [expected]
    assert to_rgb((grey,), colour).tolist() == [[[value] * 3 for value in expected]]


@pytest.mark.parametrize("turn", [(0, False), (180, False), (0, True)], ids=str)
def test_the_colours_of_a_jpeg_of_odd_width_lie_where_they_belong(folder, turn):
    """54 samples of U stand for 107 columns; stretched over them they would drift to one side."""
    columns = np.arange(856)
    wave = np.rint(128 + 60 * np.sin(columns * 2 * np.pi / 200)).astype(np.uint8)
    picture = np.full((480, 856, 3), 128, np.uint8)
    picture[..., 0], picture[..., 2] = wave, 255 - wave
    folder.video("waves.mp4", [picture], codec="mpeg4", turn=turn, options={"b": "9000000"})

    jpeg, raw = (
        folder.extract("waves.mp4", fit="107x61", encoding=encoding).pictures()[0].astype(int)
        for encoding in ("jpeg", "raw")
    )

    assert raw.shape == (60, 107, 3)
    error = np.abs(jpeg - raw).mean(axis=(0, 2))
    assert error[:35].mean() < 2.5
    assert error[-35:].mean() < 2.5


@pytest.mark.parametrize(
    "size",
    [(340, 100), (170, 128), (160, 120), (113, 85), (107, 53), (90, 240), (31, 17), (3, 2), (1, 1)],
)
def test_shrinking_takes_the_mean_of_the_area(size):
    """Noise without a pattern is the hardest to average."""
    noise = np.random.default_rng(7).integers(0, 256, (256, 340), np.uint8)
    noise = cv2.GaussianBlur(noise, (0, 0), 1.0)

    found = resize(noise, Size(*size))

    assert found.shape == size[::-1]
    assert decibels(found, shrunk_exactly(noise, *size)) > 50


def test_a_side_that_grows_while_the_other_shrinks_is_smooth():
    ramp = np.repeat(np.arange(0, 250, 10, dtype=np.uint8)[None], 100, axis=0)

    assert np.diff(resize(ramp, Size(50, 40)).astype(int), axis=1).max() <= 6


def test_each_colour_of_a_picture_is_averaged_for_itself():
    colours = np.random.default_rng(3).integers(0, 256, (256, 340, 3), np.uint8)

    found = resize(colours, Size(113, 85))

    assert found.shape == (85, 113, 3)
    for number in range(3):
        one = np.ascontiguousarray(colours[:, :, number])
        assert np.array_equal(found[:, :, number], resize(one, Size(113, 85)))


def test_a_plane_may_be_a_part_of_a_larger_one_and_shrink_by_any_ratio():
    ramp = np.add.outer(np.arange(400), np.arange(8000)).astype(float) * 255 / 8400
    plane = ramp.astype(np.uint8)
    part = plane[3:303, 5:7905]

    for size in (Size(224, 224), Size(79, 100), Size(33, 299)):
        found = resize(part, size)
        assert found.shape == (size.height, size.width)
        assert np.abs(found - shrunk_exactly(part, size.width, size.height)).max() <= 1.5
