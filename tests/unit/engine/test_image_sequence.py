"""The frames of an image sequence are its pictures, each as good or bad as it is alone."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image, ImageOps

from engine_work import probed
from shardmill.contract.errors import (
    ChangedInput,
    Corrupt,
    EnvironmentFault,
    Forbidden,
    TooLarge,
    Unreadable,
    Unsupported,
)
from shardmill.contract.location.image_sequence import pictures_at, sequence_of
from shardmill.contract.schema import Item
from shardmill.contract.spec import Spec
from shardmill_worker.engine import division
from shardmill_worker.engine.count import count_packets, decode_all
from shardmill_worker.engine.image_sequence import OpenSequence, probe_sequence

WIDTH, HEIGHT = 32, 24


def pixels(seed: int, *, channels: int = 3, width: int = WIDTH) -> np.ndarray:
    """Noise: any mistake shows."""
    shape = (HEIGHT, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save(root: Path, name: str, array: np.ndarray, **settings) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **settings)


def sequence(folder, path: str, *, hz: float = 25.0) -> Item:
    """The pictures as they are now, as one item."""
    files = pictures_at(f"{folder.root}/{path}")
    return Item(
        path=path,
        size_bytes=sum(file.size_bytes for file in files),
        mtime_ns=max(file.mtime_ns for file in files),
        **sequence_of(files, hz).fields(),
    )


def extract(folder, *items: Item, **options):
    facts = [probe_sequence(str(folder.root), items[0])] * len(items)
    return folder.extract(*items, facts=facts, **options)


def ten(folder, numbers: Sequence[int] = range(10), form: str = "v/%04d.png") -> Item:
    for number in numbers:
        save(folder.root, form % number, pixels(number))
    return sequence(folder, form)


@pytest.mark.parametrize("form", ["v/%d.png", "v/f_%05d.png", "%03d.bmp"], ids=str)
def test_the_frames_are_the_pictures_by_number_and_their_times_the_numbers(folder, form):
    item = ten(folder, range(7, 13), form)

    result = extract(folder, item, encoding="png")

    (outcome,), (clip,) = result.outcomes, result.clips
    assert (outcome.status, outcome.frames_kept, outcome.frames_decoded) == ("ok", 6, 6)
    assert clip["pts_ns"] == [number * 40_000_000 for number in range(6)]
    assert clip["source_index"] == list(range(6))
    assert clip["keyframe"] == [True] * 6
    alone = [np.asarray(Image.open(folder.root / (form % number))) for number in range(7, 13)]
    assert all(map(np.array_equal, result.pictures(), alone))
    assert len(result.pictures()) == 6


@pytest.mark.parametrize(
    ("numbers", "hz", "expected"),
    [
        pytest.param(range(3, 13), 25.0, (25.0, 0.4, False, 10, 0), id="whole"),
        pytest.param([0, 1, 2, 4], 25.0, (20.0, 0.2, True, 4, 1), id="a gap"),
        pytest.param([0, 5, 10], 50.0, (10.0, 0.3, False, 3, 0), id="every fifth"),
        pytest.param([1, 2], 29.97, (29.97, 2 / 29.97, False, 2, 0), id="NTSC"),
    ],
)
def test_facts_are_those_of_the_first_picture_and_of_the_numbers(folder, numbers, hz, expected):
    ten(folder, numbers)
    item = sequence(folder, "v/%04d.png", hz=hz)

    facts = probe_sequence(str(folder.root), item)

    alone = folder.probe(f"v/{numbers[0]:04d}.png")
    fps, duration_s, vfr, frames, missing = expected
    assert (facts.fps, facts.duration_s) == pytest.approx((fps, duration_s), rel=1e-12)
    assert facts.bit_rate == pytest.approx(8 * item.size_bytes / duration_s, abs=1)
    assert facts == replace(
        alone,
        kind="video",
        container="image2",
        fps=facts.fps,
        vfr=vfr,
        frames_header=frames,
        pictures_missing=missing,
        duration_s=facts.duration_s,
        bit_rate=facts.bit_rate,
    )
    assert (facts.codec, facts.width, facts.height) == ("png", WIDTH, HEIGHT)


@pytest.mark.parametrize("options", [{"fps": 10.0}, {"count": 2}, {"at": "0,0.12,0.3"}], ids=str)
def test_a_missing_number_moves_no_later_frame(folder, options):
    """What is kept of a sequence with a gap is what is kept of the whole, where that is there."""
    item = ten(folder)
    whole = extract(folder, item, encoding="png", **options)
    times = dict(zip(whole.clips[0]["pts_ns"], whole.frames(), strict=True))
    (folder.root / "v" / "0001.png").unlink()

    with_gap = extract(folder, sequence(folder, item.path), encoding="png", **options)

    assert 40_000_000 not in times
    assert dict(zip(with_gap.clips[0]["pts_ns"], with_gap.frames(), strict=True)) == times


def test_only_the_chosen_pictures_are_opened(folder):
    item = ten(folder)
    for number in (1, 2, 3, 4, 6, 7, 8, 9):
        path = folder.root / "v" / f"{number:04d}.png"
        before = path.stat()
        path.write_bytes(b"x" * before.st_size)
        os.utime(path, ns=(1, before.st_mtime_ns))

    result = extract(folder, item, encoding="png", every=5)

    assert result.outcomes[0].frames_decoded == 2
    assert np.array_equal(result.pictures()[1], pixels(5))


def test_clips_and_parts_of_a_sequence_are_the_whole(folder, monkeypatch):
    monkeypatch.setattr(division, "PART_S", 1e-6)
    monkeypatch.setattr(division, "LEAST_KEPT", 2)
    item = ten(folder)
    root, facts = str(folder.root), probe_sequence(str(folder.root), item)
    whole = extract(folder, item, encoding="png").frames()
    for options, count in (({}, 5), ({"clip_s": 0.12}, 4)):
        items = division.items_of(root, item, facts, Spec(**options), lambda: None)
        assert len(items) == count

        parts = folder.extract(*items, facts=[facts] * count, encoding="png", **options)

        assert [frame for clip in range(count) for frame in parts.frames(clip)] == whole
        assert {part.pictures_digest for part in items} == {item.pictures_digest}


def break_png(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:700])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [break_png, cut, empty], ids=lambda f: f.__name__)
def test_a_broken_picture_fails_the_clip_or_ends_it(folder, damage):
    ten(folder)
    damage(folder.root / "v" / "0004.png")
    item = sequence(folder, "v/%04d.png")

    (failed,) = extract(folder, item, encoding="png").outcomes
    result = extract(folder, item, encoding="png", keep_partial=True)

    assert (failed.status, failed.error_class) == ("failed", "corrupt")
    assert failed.error_message.startswith("Picture 0004.png: The file")
    (kept,) = result.outcomes
    assert (kept.status, kept.error_class, kept.frames_kept) == ("ok", "corrupt", 4)
    assert kept.error_message.startswith("Picture 0004.png: ")
    assert all(map(np.array_equal, result.pictures(), map(pixels, range(4))))


def test_a_first_picture_that_is_broken_leaves_nothing_to_keep(folder):
    ten(folder)
    break_png(folder.root / "v" / "0000.png")
    item = sequence(folder, "v/%04d.png")

    (failed,) = extract(folder, item, keep_partial=True).outcomes

    assert (failed.status, failed.error_class) == ("failed", "corrupt")


def test_a_broken_picture_fails_the_clips_that_hold_it_and_no_others(folder):
    ten(folder)
    break_png(folder.root / "v" / "0004.png")
    item = sequence(folder, "v/%04d.png")
    ranges = [(0, 160_000_000), (160_000_000, 320_000_000), (320_000_000, 400_000_000)]
    items = [
        replace(item, segment=k, segments=3, clip_start_ns=start, clip_end_ns=end)
        for k, (start, end) in enumerate(ranges)
    ]

    result = extract(folder, *items, encoding="png")

    assert [outcome.status for outcome in result.outcomes] == ["ok", "failed", "ok"]
    assert [clip["source_index"] for clip in result.clips] == [[0, 1, 2, 3], [8, 9]]


def smaller(root: Path) -> None:
    save(root, "v/0004.png", pixels(4, width=16))


def taller(root: Path) -> None:
    save(root, "v/0004.png", pixels(4).transpose(1, 0, 2))


def animated(root: Path) -> None:
    frames = [Image.fromarray(pixels(k)) for k in (4, 5)]
    frames[0].save(root / "v/0004.png", save_all=True, append_images=frames[1:])


def text(root: Path) -> None:
    (root / "v/0004.png").write_text("not a picture")


def sound(root: Path) -> None:
    import wave

    with wave.open(str(root / "v/0004.png"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(smaller, "Expected 32x24 like the first picture, found 16x24", id="smaller"),
        pytest.param(taller, "Expected 32x24 like the first picture, found 24x32", id="upright"),
        pytest.param(animated, "Expected one picture in each file", id="an animation"),
        pytest.param(text, "The file is text, not video or image", id="text"),
        pytest.param(sound, "The file holds sound and no video", id="sound"),
    ],
)
def test_what_is_no_frame_of_the_sequence_is_refused(folder, change, message):
    ten(folder)
    change(folder.root)
    item = sequence(folder, "v/%04d.png")

    (failed,) = extract(folder, item, keep_partial=True).outcomes

    assert (failed.status, failed.error_class) == ("failed", "unsupported")
    assert failed.error_message.startswith(f"Picture 0004.png: {message}")
    with pytest.raises(Unsupported, match=r"^Picture 0004.png: "):
        decode_all(str(folder.root), item, lambda: None)


def test_a_first_file_of_several_pictures_is_refused_by_probing(folder):
    frames = [Image.fromarray(pixels(k)) for k in (0, 1)]
    for name in ("1.gif", "2.gif"):
        frames[0].save(folder.root / name, save_all=True, append_images=frames[1:])

    with pytest.raises(Unsupported, match=r"Picture 1.gif: Expected one picture in each file"):
        probe_sequence(str(folder.root), sequence(folder, "%d.gif"))


def jpeg(root: Path, number: int, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    save(root, f"v/{number:04d}.jpg", pixels(number), exif=exif, quality=95)


@pytest.mark.parametrize("turn", [1, 3, 6, 7])
def test_every_picture_is_put_upright(folder, turn):
    for number in range(3):
        jpeg(folder.root, number, turn)
    item = sequence(folder, "v/%04d.jpg")

    result = extract(folder, item, encoding="png")

    for number, frame in enumerate(result.pictures()):
        upright = ImageOps.exif_transpose(Image.open(folder.root / f"v/{number:04d}.jpg"))
        difference = frame.astype(int) - np.asarray(upright.convert("RGB"))
        assert frame.shape == np.asarray(upright).shape
        assert np.abs(difference).mean() < 8  # how U and V are spread differs; a turn gives 80


def test_a_picture_that_is_turned_otherwise_is_refused(folder):
    for number, turn in enumerate((1, 1, 3)):
        jpeg(folder.root, number, turn)

    (failed,) = extract(folder, sequence(folder, "v/%04d.jpg")).outcomes

    assert failed.error_class == "unsupported"
    assert "found 32x24 turned by 180 degrees" in failed.error_message


def test_each_picture_becomes_what_it_becomes_alone(folder):
    """Grey, alpha, a palette, sixteen bits: of one size, they may take turns."""
    deep = np.random.default_rng(9).integers(0, 65536, (HEIGHT, WIDTH), np.uint16)
    arrays = [pixels(0), pixels(1)[..., 0], pixels(2, channels=4), deep, pixels(4)]
    for number, array in enumerate(arrays):
        save(folder.root, f"v/{number}.png", array)
    Image.fromarray(pixels(5)).quantize(16).save(folder.root / "v" / "5.png")
    names = [f"v/{number}.png" for number in range(6)]
    for options in ({"encoding": "png"}, {"size": "16x12"}, {"encoding": "raw", "crop": "8x8"}):
        alone = folder.extract(*names, **options)
        expected = [alone.frames(clip)[0] for clip in range(6)]

        assert extract(folder, sequence(folder, "v/%d.png"), **options).frames() == expected


def test_jpegs_of_the_wanted_size_are_stored_as_they_are(folder):
    for number in range(3):
        save(folder.root, f"v/{number}.jpg", pixels(number), quality=70)

    result = extract(folder, sequence(folder, "v/%d.jpg"), copy_if_fits=True)

    assert result.frames() == [(folder.root / f"v/{n}.jpg").read_bytes() for n in range(3)]


def add(root: Path) -> None:
    save(root, "v/0010.png", pixels(10))


def remove(root: Path) -> None:
    (root / "v/0003.png").unlink()


def touch(root: Path) -> None:
    os.utime(root / "v/0003.png", ns=(1, 1))


@pytest.mark.parametrize("change", [add, remove, touch], ids=lambda f: f.__name__)
def test_a_sequence_that_has_changed_is_not_read(folder, change):
    item = ten(folder)
    root, facts = str(folder.root), probe_sequence(str(folder.root), item)
    change(folder.root)

    with pytest.raises(ChangedInput, match="Expected the 10 pictures of the time when"):
        probe_sequence(root, item)
    (failed,) = folder.extract(item, facts=[facts]).outcomes
    assert (failed.status, failed.error_class) == ("failed", "changed")


def test_a_picture_that_changes_while_the_sequence_is_read_is_told(folder):
    item = ten(folder)
    opened = OpenSequence(str(folder.root), item, lambda: None)
    touch(folder.root)

    with pytest.raises(ChangedInput, match=r"^Picture 0003.png: "), opened.picture(3):
        pass
    with opened.picture(4) as (_, frame):
        assert (frame.index, frame.pts_ns) == (4, 160_000_000)


def test_a_picture_that_cannot_be_read_is_named(folder):
    ten(folder)
    (folder.root / "v" / "0010.png").symlink_to("nowhere")
    item = sequence(folder, "v/%04d.png")

    (failed,) = extract(folder, item).outcomes

    assert failed.error_class == "unreadable"
    assert failed.error_message.startswith("Picture 0010.png: The file cannot be opened")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("../v/%04d.png", Forbidden),
        ("/v/%04d.png", Forbidden),
        ("v/../../v/%04d.png", Forbidden),
        ("gone/%04d.png", Unreadable),
        ("v/%05d.png", ChangedInput),
    ],
)
def test_another_place_is_no_place_to_look_in(folder, path, error):
    item = ten(folder)

    with pytest.raises(error):
        probe_sequence(str(folder.root), replace(item, path=path))


def test_a_missing_input_directory_is_the_machines_fault(folder):
    item = ten(folder)

    with pytest.raises(EnvironmentFault, match="expected the input directory"):
        probe_sequence(f"{folder.root}/other", item)


def test_numbers_that_are_no_frame_numbers_are_refused(folder):
    ten(folder, [1_403_636_579_763_555_584, 1_403_636_629_763_555_584], "v/%d.png")

    with pytest.raises(TooLarge, match="at most 30 years at 25 a second"):
        probe_sequence(str(folder.root), sequence(folder, "v/%d.png"))


def test_probing_goes_as_far_as_it_is_told(folder):
    ten(folder)
    break_png(folder.root / "v" / "0007.png")
    item = sequence(folder, "v/%04d.png")
    root = str(folder.root)

    assert count_packets(root, item, lambda: None) == 10
    with pytest.raises(Corrupt, match=r"^Picture 0007.png: "):
        decode_all(root, item, lambda: None)
    save(folder.root, "v/0007.png", pixels(7))
    assert decode_all(root, sequence(folder, item.path), lambda: None).frames == 10


def test_a_worker_is_told_of_the_parts_of_a_sequence(folder, monkeypatch):
    monkeypatch.setattr(division, "PART_S", 1e-6)
    monkeypatch.setattr(division, "LEAST_KEPT", 5)
    item = ten(folder)

    found = probed(folder.root, [item], goal="extract")

    assert [part.start_ns for part, _ in found.pieces] == [None, 200_000_000]
    assert {part.pictures_digest for part, _ in found.pieces} == {item.pictures_digest}
