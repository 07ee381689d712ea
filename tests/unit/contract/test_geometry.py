"""What size a frame becomes, in tables worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardmill.contract.errors import InvalidSpec
from shardmill.contract.options.geometry import (
    MAX_SIDE,
    CentreCrop,
    Fit,
    Placement,
    ShortSide,
    Size,
    SourceSize,
    Stretch,
)

TARGET = Size(160, 120)


def size(text: str) -> Size:
    return Size.parse(text, option="--size")


@pytest.mark.parametrize(
    ("mode", "display", "scaled"),
    [
        pytest.param(SourceSize(), "341x257", "341x257", id="source size stays, odd too"),
        pytest.param(Stretch(size=TARGET), "320x240", "160x120", id="half"),
        pytest.param(Stretch(size=TARGET), "1280x720", "160x120", id="aspect is not kept"),
        pytest.param(Stretch(size=TARGET), "100x200", "100x120", id="a small side stays small"),
        pytest.param(Stretch(size=TARGET, upscale=True), "10x20", "160x120", id="unless told"),
        pytest.param(ShortSide(length=120), "320x240", "160x120", id="wide: height"),
        pytest.param(ShortSide(length=120), "240x320", "120x160", id="tall: width"),
        pytest.param(ShortSide(length=120), "340x256", "159x120", id="340 * 120 / 256 = 159.4"),
        pytest.param(ShortSide(length=120), "100x80", "100x80", id="a small one stays"),
        pytest.param(ShortSide(length=120, upscale=True), "100x80", "150x120", id="or grows"),
        pytest.param(Fit(size=TARGET), "320x240", "160x120", id="fits exactly"),
        pytest.param(Fit(size=TARGET), "1280x720", "160x90", id="wider: width decides"),
        pytest.param(Fit(size=TARGET), "720x1280", "68x120", id="taller: 67.5 rounds to even"),
        pytest.param(Fit(size=TARGET), "340x256", "159x120", id="nearly"),
        pytest.param(Fit(size=TARGET), "10000x10", "160x1", id="never less than a pixel"),
        pytest.param(Fit(size=TARGET), "10x12000", "1x120", id="in neither direction"),
        pytest.param(Fit(size=TARGET), "80x60", "80x60", id="a small one fits already"),
        pytest.param(Fit(size=TARGET, upscale=True), "80x30", "160x60", id="or grows to fit"),
    ],
)
def test_a_whole_picture_is_scaled(mode, display, scaled):
    placement = mode.place(size(display))

    assert placement == Placement(
        crop_x=0, crop_y=0, crop=size(display), scaled=size(scaled), canvas=size(scaled)
    )
    assert placement.offset == (0, 0)


@pytest.mark.parametrize(
    ("display", "upscale", "scaled", "offset"),
    [
        pytest.param("320x240", False, "160x120", (0, 0), id="nothing to fill"),
        pytest.param("1280x720", False, "160x90", (0, 15), id="bars above and below"),
        pytest.param("720x1280", False, "68x120", (46, 0), id="bars left and right"),
        pytest.param("80x61", False, "80x61", (40, 29), id="all round; the odd row below"),
        pytest.param("80x60", True, "160x120", (0, 0), id="grown to fill"),
    ],
)
def test_padding_centres_the_picture_on_the_whole_size(display, upscale, scaled, offset):
    placement = Fit(size=TARGET, pad=True, upscale=upscale).place(size(display))

    assert (placement.canvas, placement.scaled) == (TARGET, size(scaled))
    assert placement.offset == offset


@pytest.mark.parametrize(
    ("display", "upscale", "crop", "corner", "scaled"),
    [
        pytest.param("320x240", False, "320x240", (0, 0), "160x120", id="same aspect: all of it"),
        pytest.param("1280x720", False, "960x720", (160, 0), "160x120", id="sides cut off"),
        pytest.param("720x1280", False, "720x540", (0, 370), "160x120", id="top and bottom cut"),
        pytest.param("340x256", False, "340x255", (0, 0), "160x120", id="the odd row goes below"),
        pytest.param("100x80", False, "100x80", (0, 0), "100x80", id="too small: as it is"),
        pytest.param("400x80", False, "160x80", (120, 0), "160x80", id="one side too small"),
        pytest.param("400x80", True, "107x80", (146, 0), "160x120", id="80 * 1.5 = 120"),
        pytest.param("1x9000", True, "1x1", (0, 4499), "160x120", id="one pixel covers it all"),
        pytest.param("50x50", True, "50x38", (0, 6), "160x120", id="37.5 rows become 38"),
        pytest.param("3x3", True, "3x2", (0, 0), "160x120", id="2.25 become 2, stretched"),
    ],
)
def test_a_crop_takes_the_centre_that_covers_the_size(display, upscale, crop, corner, scaled):
    placement = CentreCrop(size=TARGET, upscale=upscale).place(size(display))

    assert (placement.crop, (placement.crop_x, placement.crop_y)) == (size(crop), corner)
    assert placement.scaled == placement.canvas == size(scaled)


sides = st.integers(1, MAX_SIDE)
sizes = st.builds(Size, sides, sides)


@given(
    display=sizes,
    mode=st.one_of(
        st.builds(Stretch, size=sizes, upscale=st.booleans()),
        st.builds(ShortSide, length=sides),
        st.builds(Fit, size=sizes, pad=st.booleans(), upscale=st.booleans()),
        st.builds(CentreCrop, size=sizes, upscale=st.booleans()),
    ),
)
def test_no_placement_leaves_its_picture_or_its_canvas(display, mode):
    placement = mode.place(display)

    assert placement.crop_x >= 0
    assert placement.crop_y >= 0
    assert 1 <= placement.crop.width <= display.width - placement.crop_x
    assert 1 <= placement.crop.height <= display.height - placement.crop_y
    assert 1 <= placement.scaled.width <= placement.canvas.width
    assert 1 <= placement.scaled.height <= placement.canvas.height
    assert min(placement.offset) >= 0
    if mode.upscale and isinstance(mode, Stretch | CentreCrop):
        assert placement.canvas == mode.size
    if not mode.upscale:
        assert placement.scaled.width <= placement.crop.width
        assert placement.scaled.height <= placement.crop.height


@pytest.mark.parametrize("text", ["160x120", "160X120", "0160x120"])
def test_reads_a_size(text):
    assert size(text) == TARGET
    assert str(TARGET) == "160x120"


@pytest.mark.parametrize("side", [1, MAX_SIDE])
def test_the_limits_themselves_are_sizes(side):
    assert size(f"{side}x{side}") == Size(side, side)
    assert ShortSide(length=side).length == side


@pytest.mark.parametrize(
    "text", ["", "160", "x120", "160x", "0x1", "1x0", "-1x5", "1.5x2", "16385x1", "1x2x3", "a x b"]
)
def test_refuses_what_is_no_size(text):
    with pytest.raises(InvalidSpec, match=r"--size must be WxH .* got "):
        size(text)


@pytest.mark.parametrize("length", [0, -1, MAX_SIDE + 1])
def test_refuses_an_impossible_short_side(length):
    with pytest.raises(InvalidSpec, match="--short-side must be in"):
        ShortSide(length=length)
