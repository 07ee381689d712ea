"""An animated WebP is a clip: its frames are those of libwebp, its times those of a browser."""

import io
import itertools
import struct
from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from made_webp import Drawn, animation, chunk, file, picture, pixels
from shardmill.contract.errors import Corrupt, Empty, ItemError, TooLarge
from shardmill_worker.engine.assembled import animation as drawing
from shardmill_worker.engine.count import count_packets, decode_all
from shardmill_worker.engine.decode import source_frames
from shardmill_worker.engine.formats.webp_animation import (
    MAX_CANVAS_PIXELS,
    MAX_CHUNKS,
    MAX_PICTURES,
)
from shardmill_worker.engine.media import open_media

CANVAS = (40, 30)


def soft(seed: int, width: int, height: int, *, alpha: str = "opaque") -> np.ndarray:
    """RGBA, shape (H, W, 4), smooth enough for lossy coding; alpha none, holes or a slope."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(30, 220, (3, 3, 3), dtype=np.uint8))
    rgb = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
    slope = np.linspace(0, 255, width * height).reshape(height, width)
    layers = {"opaque": slope * 0 + 255, "holes": (slope > 128) * 255, "slope": slope}
    return np.dstack([rgb, layers[alpha].astype(np.uint8)])


def frames_of(folder, name: str) -> list[tuple[int, np.ndarray]]:
    """Time in ms and RGBA, shape (H, W, 4), of each frame."""
    with open_media(str(folder.root), folder.item(name)) as media:
        return [
            (frame.pts_ns // 1_000_000, frame.picture.to_ndarray(format="rgba"))
            for frame in source_frames(media, lambda: None)
        ]


def frames_of_pillow(data: bytes) -> list[tuple[int, np.ndarray]]:
    """The same by libwebp."""
    found = []
    with Image.open(io.BytesIO(data)) as image:
        for k in range(image.n_frames):
            image.seek(k)
            image.load()
            found.append((image.info["timestamp"], np.asarray(image.convert("RGBA"))))
    return found


def assert_like_libwebp(folder, data: bytes, tolerance: float) -> None:
    """Alpha to its last digit, colour as far as it is seen: libwebp blends in whole numbers."""
    ours, theirs = frames_of(folder, folder.write("a.webp", data)), frames_of_pillow(data)

    assert [time for time, _ in ours] == [time for time, _ in theirs]
    for number, ((_, found), (_, truth)) in enumerate(zip(ours, theirs, strict=True)):
        assert np.abs(found[..., 3].astype(int) - truth[..., 3]).max() <= 1, number
        assert np.abs(over_black(found) - over_black(truth)).max() <= tolerance, number


def over_black(rgba: np.ndarray) -> np.ndarray:
    """What is seen of a picture on black, shape (H, W, 3)."""
    return rgba[..., :3] * (rgba[..., 3:] / 255)


WAYS = list(itertools.product([True, False], [True, False], ["opaque", "holes", "slope"]))


@pytest.mark.parametrize(("lossless", "tolerance"), [(True, 2), (False, 3)])
@pytest.mark.parametrize(("blend", "dispose", "alpha"), WAYS)
def test_a_picture_is_drawn_as_by_libwebp(folder, lossless, tolerance, blend, dispose, alpha):
    """Between two others, at an offset, odd in size."""
    way = {"lossless": lossless}
    data = animation(
        CANVAS,
        [
            Drawn(rgba=soft(1, 40, 30), ms=70, **way),
            Drawn(
                rgba=soft(2, 13, 11, alpha=alpha),
                left=6,
                top=8,
                ms=40,
                blend=blend,
                dispose=dispose,
                **way,
            ),
            Drawn(rgba=soft(3, 9, 17, alpha="slope"), left=12, top=2, ms=1000, **way),
        ],
    )

    assert_like_libwebp(folder, data, tolerance)


@pytest.mark.parametrize("seed", range(8))
def test_any_row_of_pictures_is_drawn_as_by_libwebp(folder, seed):
    rng = np.random.default_rng(seed)
    drawn = []
    for k in range(12):
        width, height = (int(n) for n in rng.integers(1, CANVAS, endpoint=True))
        if rng.random() < 0.3:
            width, height = CANVAS
        drawn.append(
            Drawn(
                rgba=soft(100 * seed + k, width, height, alpha=rng.choice(["holes", "slope"])),
                left=int(rng.integers(0, CANVAS[0] - width + 1)) // 2 * 2,
                top=int(rng.integers(0, CANVAS[1] - height + 1)) // 2 * 2,
                ms=int(rng.integers(20, 300)),
                blend=bool(rng.random() < 0.5),
                dispose=bool(rng.random() < 0.5),
                lossless=bool(rng.random() < 0.7),
            )
        )

    assert_like_libwebp(folder, animation(CANVAS, drawn), tolerance=3)


def test_transparent_pixels_keep_the_colour_they_are_stored_with(folder):
    """As in a still WebP: alpha is dropped, not applied."""
    rgba = np.full((8, 8, 4), (200, 100, 50, 0), np.uint8)
    name = folder.write("a.webp", animation((8, 8), [Drawn(rgba=rgba), Drawn(rgba=rgba)]))

    done = folder.extract(name, encoding="raw")

    assert (done.pictures()[0] == (200, 100, 50)).all()


def greys(count: int, **ways) -> list[Drawn]:
    """Pictures of one grey each, 10 apart, after the first smaller than the canvas."""
    return [
        Drawn(
            rgba=np.full(
                (30, 40, 4) if k == 0 else (20, 30, 4), (*[20 + 10 * k] * 3, 255), np.uint8
            ),
            **ways,
        )
        for k in range(count)
    ]


def corners(extracted) -> list[int]:
    """Which of ``greys`` stands in the upper left corner of each frame."""
    return [round((float(p[:10, :10].mean()) - 20) / 10) for p in extracted.pictures()]


def test_its_facts_are_those_of_its_own_file(folder):
    name = folder.write("a.webp", animation(CANVAS, greys(5, ms=40)))
    size_bits = 8 * folder.item(name).size_bytes

    facts = folder.probe(name)

    assert (facts.kind, facts.container, facts.codec) == ("video", "webp_pipe", "webp")
    assert (facts.width, facts.height, facts.pix_fmt, facts.bit_depth) == (40, 30, "rgba", 8)
    assert (facts.fps, facts.vfr, facts.frames_header, facts.duration_s) == (25, False, 5, 0.2)
    assert facts.bit_rate == size_bits * 5
    assert (facts.video_streams, facts.has_audio) == (1, False)


def test_different_durations_are_a_variable_rate(folder):
    drawn = [Drawn(rgba=soft(k, 40, 30), ms=ms) for k, ms in enumerate([100, 500, 100])]

    facts = folder.probe(folder.write("a.webp", animation(CANVAS, drawn)))

    assert (facts.vfr, facts.duration_s, facts.fps) == (True, 0.7, float(Fraction(3000, 700)))


def test_an_animation_of_one_picture_is_an_image(folder):
    facts = folder.probe(folder.write("a.webp", animation(CANVAS, greys(1))))

    assert (facts.kind, facts.duration_s, facts.fps) == ("image", None, None)


@pytest.mark.parametrize(
    ("stored_ms", "shown_ms"), [(0, 100), (10, 100), (11, 11), (2**24 - 1,) * 2]
)
def test_a_duration_too_short_to_be_seen_is_a_tenth_of_a_second(folder, stored_ms, shown_ms):
    """Chromium and Firefox show 10 ms and less for 100 ms."""
    name = folder.write("a.webp", animation(CANVAS, greys(3, ms=stored_ms)))

    assert [time for time, _ in frames_of(folder, name)] == [0, shown_ms, 2 * shown_ms]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_it(folder, orientation):
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIHxxI", 8, 1, 0x0112, 3, 1, orientation, 0)
    data = animation(CANVAS, greys(2), exif=exif)

    facts = folder.probe(folder.write("a.webp", data))

    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif()[0x0112] == orientation
    turned = (30, 40) if orientation >= 5 else (40, 30)
    assert (facts.display_width, facts.display_height) == turned
    assert facts.mirrored == (orientation in (2, 4, 5, 7))


def test_sampling_takes_the_frames_of_the_moment(folder):
    """Twenty frames of 40 ms; five a second are 0, 200, 400 and 600 ms."""
    name = folder.write("a.webp", animation(CANVAS, greys(20, ms=40)))

    done = folder.extract(name, fps=5, encoding="raw")

    assert corners(done) == [0, 5, 10, 15]
    assert [pts // 1_000_000 for pts in done.clips[0]["pts_ns"]] == [0, 200, 400, 600]


def test_all_frames_and_all_counts_agree(folder):
    name = folder.write("a.webp", animation(CANVAS, greys(7)))
    root, item = str(folder.root), folder.item(name)

    assert corners(folder.extract(name, encoding="raw")) == list(range(7))
    assert count_packets(root, item, lambda: None) == 7
    assert decode_all(root, item, lambda: None).frames == 7


@pytest.mark.parametrize("wanted", [0, 3, 8, 11])
def test_seeking_gives_what_reading_through_gives(folder, wanted):
    """There and back; the pictures are larger than what libav keeps of a file."""
    drawn = [
        Drawn(
            rgba=soft(k, 320, 240) if k in (0, 6) else soft(k, 80, 60), left=0 if k == 6 else 2 * k
        )
        for k in range(12)
    ]
    name = folder.write("a.webp", animation((320, 240), drawn))
    truth = [picture for _, picture in frames_of(folder, name)]

    with open_media(str(folder.root), folder.item(name)) as media:
        for number in (11, wanted):
            media.container.seek(100 * number, stream=media.stream)
            found = next(media.container.decode(media.stream)).to_ndarray(format="rgba")
            assert np.array_equal(found, truth[number])


def test_reading_through_decodes_each_picture_once(folder, monkeypatch):
    name = folder.write("a.webp", animation(CANVAS, greys(50)))
    decoded = []
    read_still = drawing.read_still
    monkeypatch.setattr(
        drawing, "read_still", lambda *of: (decoded.append(of[1].offset), read_still(*of))[1]
    )

    with open_media(str(folder.root), folder.item(name)) as media:
        decoded.clear()  # what opening looked at
        assert sum(1 for _ in source_frames(media, lambda: None)) == 50

    assert len(decoded) <= 50
    assert len(set(decoded)) == len(decoded)


GREY = np.full((4, 4, 4), 90, np.uint8)
ONE = picture(Drawn(rgba=GREY))
WHOLE = file((40, 30), ONE, ONE)
HOSTILE = {
    "cut off in the last picture": (WHOLE[:-3], Corrupt, "cut off"),
    "cut off between pictures": (WHOLE[: -len(ONE)], Corrupt, "cut off"),
    "cut off in the first header": (WHOLE[:25], Corrupt, "cut off"),
    "no pictures": (file((40, 30)), Empty, "without a picture"),
    "a picture without pixels": (
        file((40, 30), ONE[:4] + struct.pack("<I", 16) + ONE[8:24]),
        Corrupt,
        "no pixels",
    ),
    "a picture too short for its header": (
        file((40, 30), chunk(b"ANMF", bytes(9))),
        Corrupt,
        "9 bytes",
    ),
    "right of the canvas": (
        file((40, 30), picture(Drawn(rgba=GREY, left=38))),
        Corrupt,
        "4x4 at 38,0",
    ),
    "below the canvas": (file((40, 30), picture(Drawn(rgba=GREY, top=28))), Corrupt, "at 0,28"),
    "smaller than it says": (
        file((40, 30), picture(Drawn(rgba=GREY), size=(8, 8))),
        Corrupt,
        "8x8",
    ),
    "a chunk that leaves its picture": (
        file((40, 30), chunk(b"ANMF", bytes(6) + b"\3\0\0\3\0\0\1\0\0\0", b"VP8L\xff\xff\0\0")),
        Corrupt,
        "65535 bytes long",
    ),
    "a chunk that leaves the file": (
        file((40, 30), ONE, b"ANMF\xff\xff\xff\xff"),
        Corrupt,
        "to end by",
    ),
    "noise for pixels": (
        file(
            (40, 30), chunk(b"ANMF", bytes(6) + b"\3\0\0\3\0\0\1\0\0\0", chunk(b"VP8L", bytes(40)))
        ),
        Corrupt,
        "cannot be decoded",
    ),
    "a canvas bomb": (file((16384, 16384), *[ONE] * 10_000), TooLarge, "16384x16384"),
    "a canvas just too large": (file((8193, 8192), ONE), TooLarge, "8193x8192"),
    "a canvas just too wide": (file((16385, 4), ONE), TooLarge, "16385x4"),
    "too many chunks": (
        file((4, 4), ONE, chunk(b"JUNK") * MAX_CHUNKS),
        TooLarge,
        f"{MAX_CHUNKS} chunks",
    ),
    "too many chunks of a picture": (
        file((4, 4), chunk(b"ANMF", ONE[8:24], chunk(b"JUNK") * 16, ONE[24:])),
        TooLarge,
        "16 chunks",
    ),
    "too many pictures": (file((4, 4), ONE * (MAX_PICTURES + 1)), TooLarge, "131072 pictures"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bad_animation_fails_with_its_reason(folder, name):
    data, error, message = HOSTILE[name]

    with pytest.raises(error, match=message):
        folder.probe(folder.write("a.webp", data))


def test_damage_in_a_later_picture_is_found_when_it_is_reached(folder):
    broken = chunk(b"ANMF", bytes(6) + b"\3\0\0\3\0\0\1\0\0\0", chunk(b"VP8L", bytes(40)))
    name = folder.write("a.webp", file((4, 4), *[ONE] * 30, broken, *[ONE] * 30))
    seen = []

    with open_media(str(folder.root), folder.item(name)) as media:
        frames = source_frames(media, lambda: seen.append(1))
        with pytest.raises(Corrupt, match="A picture of the animation cannot be decoded"):
            list(frames)

    assert len(seen) == 30


def test_the_largest_canvas_is_let_through(folder):
    assert MAX_CANVAS_PIXELS == 8192 * 8192
    facts = folder.probe(folder.write("a.webp", file((16384, 16), ONE, ONE)))

    assert (facts.width, facts.height) == (16384, 16)


def test_bytes_behind_the_file_are_none_of_it(folder):
    name = folder.write("a.webp", WHOLE + b"tail of something else")

    assert folder.probe(name).frames_header == 2


SAMPLE = animation(
    (24, 16),
    [
        Drawn(rgba=soft(1, 24, 16), dispose=True),
        Drawn(rgba=soft(2, 9, 7, alpha="slope"), left=2, top=4, lossless=False),
        Drawn(rgba=soft(3, 8, 8), left=16, top=8, lossless=False),
    ],
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.integers(21, len(SAMPLE) - 1), st.integers(0, 255)), min_size=1, max_size=6
    )
)
def test_altered_bytes_end_in_frames_or_in_the_items_own_error(folder, changes):
    data = bytearray(SAMPLE)
    for place, value in changes:
        data[place] = value
    name = folder.write("a.webp", bytes(data))

    with suppress(ItemError):
        assert 1 <= len(frames_of(folder, name)) <= 3


def test_pixels_of_the_maker_are_those_of_pillow():
    """The tests' own maker stores what it is given."""
    rgba = soft(5, 12, 10, alpha="slope")
    chunks = pixels(rgba, lossless=True)
    still = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks

    with Image.open(io.BytesIO(still)) as image:
        assert np.array_equal(np.asarray(image.convert("RGBA")), rgba)
