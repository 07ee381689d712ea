"""A picture that is a grid of tiles is put together as by libavif, and sample for sample."""

import io
import os
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import simplejpeg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from made_heif import TILE, av1, av1_of_10_bits, box, full, grid, hevc, mirror, turn
from shardmill.contract.errors import Corrupt, ItemError, TooLarge, Unsupported
from shardmill_worker.engine.assembled.heif import MAX_META_BYTES, read_grid
from shardmill_worker.engine.count import count_packets
from shardmill_worker.engine.decode import source_frames
from shardmill_worker.engine.input_file import InputFile
from shardmill_worker.engine.media import open_media

COLUMNS, ROWS = 3, 2


def soft(seed: int, side: int) -> np.ndarray:
    """A plane, shape (side, side), that differs from every other seed's everywhere."""
    small = np.random.default_rng(seed).integers(16, 235, (5, 5), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BILINEAR))


PLANES = [(soft(k, TILE), soft(50 + k, TILE // 2), soft(90 + k, TILE // 2)) for k in range(6)]


@pytest.fixture(scope="module")
def hevc_tiles():
    return [hevc(*planes) for planes in PLANES]


@pytest.fixture(scope="module")
def av1_tiles():
    return [
        av1(np.dstack([soft(k, TILE), soft(k + 50, TILE), soft(k + 90, TILE)])) for k in range(6)
    ]


@pytest.fixture(scope="module")
def thumbnail():
    return hevc(*(np.full((side, side), 100, np.uint8) for side in (32, 16, 16)))


def planes_of(folder, data: bytes) -> list[np.ndarray]:
    """Y, U and V of the picture as it is stored."""
    name = folder.write("a.heic", data)
    with open_media(str(folder.root), folder.item(name)) as media:
        (frame,) = source_frames(media, lambda: None)
        return [
            np.frombuffer(memoryview(p), np.uint8).reshape(p.height, p.line_size)[:, : p.width]
            for p in frame.picture.planes
        ]


def laid(plane: int, width: int, height: int, order=range(6)) -> np.ndarray:
    """The tiles' samples side by side, row after row, cut to a size: what the format asks for."""
    rows = [
        np.hstack([PLANES[order[row * COLUMNS + column]][plane] for column in range(COLUMNS)])
        for row in range(ROWS)
    ]
    return np.vstack(rows)[:height, :width]


@pytest.mark.parametrize("size", [(192, 128), (180, 100), (181, 101), (130, 66)])
@pytest.mark.parametrize("in_idat", [True, False])
def test_every_sample_lies_where_the_grid_says(folder, hevc_tiles, size, in_idat):
    """HEVC without loss: what goes in comes out."""
    data = grid(hevc_tiles, columns=COLUMNS, size=size, in_idat=in_idat)
    width, height = size
    half = -(-width // 2), -(-height // 2)

    y, u, v = planes_of(folder, data)

    assert np.array_equal(y, laid(0, width, height))
    assert np.array_equal(u, laid(1, *half))
    assert np.array_equal(v, laid(2, *half))


def test_one_tile_may_stand_in_several_places(folder, hevc_tiles):
    order = [5, 0, 0, 3, 5, 1]
    data = grid(hevc_tiles, columns=COLUMNS, size=(192, 128), order=order)

    assert np.array_equal(planes_of(folder, data)[0], laid(0, 192, 128, order))


def test_the_grid_is_the_picture_and_not_its_thumbnail(folder, hevc_tiles, thumbnail):
    """As telephones write them."""
    data = grid(hevc_tiles, columns=COLUMNS, size=(180, 100), thumbnail=thumbnail)
    name = folder.write("a.heic", data)

    facts = folder.probe(name)

    assert (facts.kind, facts.codec, facts.width, facts.height) == ("image", "hevc", 180, 100)
    assert facts.container == "mov,mp4,m4a,3gp,3g2,mj2"
    assert (facts.pix_fmt, facts.video_streams, facts.fps) == ("yuv420p", 1, None)
    assert np.array_equal(planes_of(folder, data)[0], laid(0, 180, 100))
    assert count_packets(str(folder.root), folder.item(name), lambda: None) == 1


@pytest.mark.parametrize(
    "turns",
    [[], *([turn(q)] for q in range(4)), [mirror(0)], [mirror(1)]]
    + [[turn(q), mirror(axis)] for q in (1, 2, 3) for axis in (0, 1)],
    ids=lambda turns: " ".join(f"{t[4:8].decode()}{t[8]}" for t in turns) or "as stored",
)
def test_it_is_turned_as_by_libavif(folder, av1_tiles, turns):
    data = grid(av1_tiles, columns=COLUMNS, size=(180, 100), turns=turns)
    with Image.open(io.BytesIO(data)) as image:
        stored = np.asarray(image.convert("RGB"))
        number = image.getexif().get(0x0112, 1)
    upright = np.asarray(_upright(Image.fromarray(stored), number))

    done = folder.extract(folder.write("a.avif", data), encoding="raw")

    (found,) = done.pictures()
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).mean() < 2


@pytest.mark.parametrize(
    ("coded", "pix_fmt"),
    [
        (partial(av1, subsampling="4:2:0"), "yuv420p"),
        (partial(av1, subsampling="4:2:2"), "yuv422p"),
        (partial(av1, subsampling="4:4:4"), "yuv444p"),
        (partial(av1, subsampling="4:0:0"), "gray"),
        (av1_of_10_bits, "yuv420p10le"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_kind_of_plane_is_put_together_as_by_libavif(folder, coded, pix_fmt):
    tiles = [coded(np.dstack([soft(k + n, TILE) for n in (0, 50, 90)])) for k in range(6)]
    data = grid(tiles, columns=COLUMNS, size=(180, 100))
    name = folder.write("a.avif", data)

    assert folder.probe(name).pix_fmt == pix_fmt
    (found,) = folder.extract(name, encoding="raw").pictures()
    with Image.open(io.BytesIO(data)) as image:
        assert np.abs(found.astype(int) - np.asarray(image.convert("RGB"))).mean() < 2


def test_turns_are_taken_in_the_order_of_the_file(folder, hevc_tiles):
    """Mirrored left to right and then turned to the left is a transposition: EXIF's 5."""
    data = grid(hevc_tiles, columns=COLUMNS, size=(180, 100), turns=[mirror(1), turn(1)])

    facts = folder.probe(folder.write("a.heic", data))

    done = folder.extract("a.heic")
    (jpeg,) = done.frames()
    y = simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[..., 0].astype(int)
    full_range = (laid(0, 180, 100).astype(float) - 16) * 255 / 219
    assert (facts.rotation_deg, facts.mirrored) == (90, True)
    assert np.abs(y - full_range.T).mean() < 2


def _upright(image: Image.Image, exif_number: int) -> Image.Image:
    how = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return image.transpose(how[exif_number]) if exif_number in how else image


def test_a_broken_tile_breaks_the_picture(folder, av1_tiles):
    """Of one tile's data, a stretch becomes zeros."""
    data = bytearray(grid(av1_tiles, columns=COLUMNS, size=(192, 128)))
    start = data.index(av1_tiles[4].data)
    data[start : start + len(av1_tiles[4].data)] = bytes(len(av1_tiles[4].data))

    with pytest.raises(Corrupt, match="tiles"):
        folder.probe(folder.write("a.avif", bytes(data)))


def described(rows: int, columns: int, width: int, height: int) -> bytes:
    return bytes([0, 1, rows - 1, columns - 1]) + b"".join(
        n.to_bytes(4, "big") for n in (width, height)
    )


HOSTILE = {
    "larger than its tiles": ({"size": (193, 128)}, Corrupt, "cover 193x128"),
    "a picture bomb": ({"descriptor": described(2, 3, 16385, 16384)}, TooLarge, "16385x16384"),
    "the largest numbers": (
        {"descriptor": described(2, 3, 2**32 - 1, 2**32 - 1)},
        TooLarge,
        "4294967295x4294967295",
    ),
    "a description bomb": ({"padding": MAX_META_BYTES}, TooLarge, "bytes of description"),
    "an overlay": ({"primary_kind": b"iovl", "descriptor": bytes(36)}, Unsupported, "laid over"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bad_grid_fails_with_its_reason(folder, hevc_tiles, name):
    changes, error, message = HOSTILE[name]
    data = grid(hevc_tiles, **{"columns": COLUMNS, "size": (180, 100), **changes})

    with pytest.raises(error, match=message):
        folder.probe(folder.write("a.heic", data))


@pytest.mark.parametrize(
    ("claims", "message"),
    [(32, "cannot be opened"), (TILE, "tiles of 64x64 yuv420p, found one of 32x32")],
)
def test_tiles_that_differ_are_no_grid(folder, hevc_tiles, thumbnail, claims, message):
    other = replace(thumbnail, width=claims, height=claims)
    data = grid([*hevc_tiles[:5], other], columns=COLUMNS, size=(180, 100))

    with pytest.raises(Corrupt, match=message):
        folder.probe(folder.write("a.heic", data))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\0\0\0\1free" + b"\xff" * 8, id="a box without end"),
        pytest.param(box(b"free") * 100 + full(b"meta"), id="box after box"),
        pytest.param(full(b"meta"), id="an empty description"),
        pytest.param(full(b"meta", full(b"pitm", b"\0\7")), id="items without kinds"),
        pytest.param(full(b"meta", box(b"pitm")), id="no primary item"),
    ],
)
def test_a_description_that_describes_nothing_is_corrupt(folder, data):
    folder.write("a.heic", data)

    with open(folder.root / "a.heic", "rb") as file, pytest.raises(Corrupt, match="description"):
        read_grid(InputFile(len(data), partial(os.pread, file.fileno())))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_altered_bytes_end_in_a_picture_or_in_the_items_own_error(
    folder, hevc_tiles, thumbnail, data
):
    sound = grid(hevc_tiles, columns=COLUMNS, size=(180, 100), thumbnail=thumbnail)
    altered = bytearray(sound)
    description = sound.index(b"mdat")
    places = st.integers(24, description - 1)
    for place, value in data.draw(
        st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=5)
    ):
        altered[place] = value
    name = folder.write("a.heic", bytes(altered))

    with suppress(ItemError):
        assert folder.probe(name).kind in ("image", "video")
