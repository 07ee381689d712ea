"""The engine's frames are those of the ``ffmpeg`` program: how many, which, and what colour."""

import colorsys
import io
import os
import subprocess

import av
import numpy as np
import pytest
from PIL import Image

from engine_work import extract_work
from shardmill.contract.schema import Item
from shardmill.contract.spec import Spec
from shardmill.dataset.index import open_index
from shardmill.dataset.layout import Layout
from shardmill_worker.engine.extract import extract_batch
from shardmill_worker.engine.probe import probe_item

BARS = "smptehdbars=size=320x240:rate=10:duration=0.5"
MOVING = "testsrc2=size=320x240:rate=25:duration=1"


def made(ffmpeg: str, path, source: str, *options: str) -> None:
    subprocess.run(
        [ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, *options, str(path)], check=True
    )


def rgb_by_ffmpeg(ffmpeg: str, path, width: int, height: int, scaler="bilinear") -> np.ndarray:
    """Shape (N, H, W, 3): every frame as ffmpeg turns it into RGB, upright."""
    flags = f"{scaler}+accurate_rnd+full_chroma_int+full_chroma_inp"
    run = subprocess.run(
        [
            *(ffmpeg, "-v", "error", "-i", str(path), "-fps_mode", "passthrough"),
            *("-vf", f"scale={width}:{height}", "-sws_flags", flags),
            *("-pix_fmt", "rgb24", "-f", "rawvideo", "-"),
        ],
        capture_output=True,
        check=True,
    )
    return np.frombuffer(run.stdout, np.uint8).reshape(-1, height, width, 3)


def rgb_by_engine(path, out, **options) -> np.ndarray:
    """Shape (N, H, W, 3)."""
    clip, frames = stored_by_engine(path, out, encoding="raw", **options)
    shape = (len(frames), clip["height"], clip["width"], 3)
    return np.frombuffer(b"".join(frames), np.uint8).reshape(shape)


def stored_by_engine(path, out, **options) -> tuple[dict, list[bytes]]:
    """A file's entry in the index and its frames as they are stored."""
    found = os.stat(path)
    item = Item(path=path.name, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)
    facts = probe_item(str(path.parent), item)
    work = extract_work(path.parent, out, [item], [facts], Spec(**options))
    (outcome,) = extract_batch(work, lambda: None)
    assert outcome.status == "ok", outcome.error_message
    (clip,) = open_index(Layout(str(out)).index_of(work.shard)).to_pylist()
    with open(Layout(str(out)).shard(work.shard), "rb") as shard:
        return clip, [
            os.pread(shard.fileno(), length, offset)
            for offset, length in zip(clip["offset"], clip["length"], strict=True)
        ]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("untagged.mkv", "-c:v ffv1 -pix_fmt yuv420p"),
        ("bt601.mp4", "-c:v libx264 -qp 1 -pix_fmt yuv420p"),
        (
            "bt709.mp4",
            "-vf scale=out_color_matrix=bt709 -c:v libx264 -qp 1 -colorspace bt709",
        ),
        (
            "bt2020.mkv",
            "-vf scale=out_color_matrix=bt2020 -c:v ffv1 -pix_fmt yuv422p10le -colorspace bt2020nc",
        ),
        ("full.mkv", "-vf scale=out_range=full -c:v ffv1 -pix_fmt yuv444p -color_range pc"),
        ("mjpeg.avi", "-c:v mjpeg -q:v 1 -pix_fmt yuvj422p"),
        ("rgb.mkv", "-c:v ffv1 -pix_fmt gbrp"),
        ("palette.gif", ""),
        ("grey.mkv", "-c:v ffv1 -pix_fmt gray"),
    ],
)
def test_colour_bars_have_the_colours_of_ffmpeg(ffmpeg, tmp_path, name, options):
    """In the middle of the bars, where no interpolation of U and V matters."""
    made(ffmpeg, tmp_path / name, BARS, *options.split())

    ours = rgb_by_engine(tmp_path / name, tmp_path / "out").astype(int)
    theirs = rgb_by_ffmpeg(ffmpeg, tmp_path / name, 320, 240).astype(int)

    assert ours.shape == theirs.shape
    difference = np.abs(ours - theirs)
    assert np.median(difference) <= 1
    assert difference.mean() < 1.5


BAR_COLOURS = {
    "white": (191, 191, 191),
    "yellow": (191, 191, 0),
    "cyan": (0, 191, 191),
    "green": (0, 191, 0),
    "magenta": (191, 0, 191),
    "red": (191, 0, 0),
    "blue": (0, 0, 191),
}
"""SMPTE RP 219: the upper bars are three quarters of full red, green and blue, from the left."""
TAGS = {"bt601": "bt470bg", "bt709": "bt709", "bt2020": "bt2020nc"}


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("range_", ["tv", "pc"])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_colour_bars_have_the_colours_of_their_standard(
    ffmpeg, tmp_path, encoding, matrix, range_, pix_fmt
):
    """Levels within 4 of 255 and hues within 2 degrees; BT.709 taken for BT.601 is 20 and 4 off."""
    scale = f"scale=flags=accurate_rnd:in_color_matrix=bt709:in_range=tv:out_range={range_}"
    made(
        *(ffmpeg, tmp_path / "bars.mkv", "smptehdbars=size=640x360:rate=1:duration=1"),
        *("-vf", f"{scale}:out_color_matrix={matrix},format={pix_fmt}", "-c:v", "ffv1"),
        *("-colorspace", TAGS[matrix], "-color_range", range_),
    )

    _, (data,) = stored_by_engine(tmp_path / "bars.mkv", tmp_path / "out", encoding=encoding)
    picture = (
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        if encoding == "jpeg"
        else np.frombuffer(data, np.uint8).reshape(360, 640, 3)
    )

    for number, (name, expected) in enumerate(BAR_COLOURS.items()):
        # The outermost eighths are grey, the seven bars share the rest.
        found = picture[100, 80 + round((number + 0.5) * 480 / 7)].astype(int)
        assert np.abs(found - expected).max() <= 4, (name, found)
        if name != "white":
            turn = colorsys.rgb_to_hsv(*found)[0] - colorsys.rgb_to_hsv(*expected)[0]
            assert abs((turn + 0.5) % 1 - 0.5) * 360 <= 2, (name, found)


@pytest.mark.parametrize(
    "name",
    ["b.mp4", "b.mkv", "b.ts", "b.mpg", "b.avi", "b.webm", "b.flv", "b.h264", "b.ogv", "b.wmv"],
)
@pytest.mark.parametrize("keep", [{}, {"every": 3}, {"count": 5}], ids=str)
def test_every_container_gives_ffmpeg_s_frames(ffmpeg, tmp_path, name, keep):
    made(ffmpeg, tmp_path / name, MOVING, "-g", "10", "-pix_fmt", "yuv420p")

    ours = rgb_by_engine(tmp_path / name, tmp_path / "out", **keep).astype(int)
    theirs = rgb_by_ffmpeg(ffmpeg, tmp_path / name, 320, 240).astype(int)

    indices = np.arange(len(theirs))
    wanted = {
        "every": indices[::3],
        "count": [round(len(theirs) * (2 * k + 1) / 10 - 0.5) for k in range(5)],
        "": indices,
    }[next(iter(keep), "")]
    assert len(ours) == len(wanted)
    assert np.abs(ours - theirs[wanted]).mean(axis=(1, 2, 3)).max() < 4


@pytest.mark.parametrize(
    ("size", "tolerance"),
    [((160, 120), 0.2), ((80, 60), 0.2), ((40, 30), 0.2), ((150, 110), 2.5), ((107, 53), 2.5)],
    ids=str,
)
def test_scaling_is_that_of_ffmpeg_at_its_most_accurate(ffmpeg, tmp_path, size, tolerance):
    """The same to rounding at whole-number ratios, close to it at others."""
    made(ffmpeg, tmp_path / "clip.mkv", MOVING, "-c:v", "ffv1", "-pix_fmt", "yuv420p")

    width, height = size
    ours = rgb_by_engine(tmp_path / "clip.mkv", tmp_path / "out", size=f"{width}x{height}")
    theirs = rgb_by_ffmpeg(ffmpeg, tmp_path / "clip.mkv", width, height, scaler="area")

    assert np.abs(ours.astype(int) - theirs).mean() < tolerance


def test_a_rotated_phone_video_is_as_ffmpeg_shows_it(ffmpeg, tmp_path):
    turned = str(tmp_path / "turned.mp4")
    made(ffmpeg, tmp_path / "flat.mp4", MOVING, "-c:v", "libx264", "-pix_fmt", "yuv420p")
    with av.open(str(tmp_path / "flat.mp4")) as flat, av.open(turned, "w") as target:
        stream = target.add_stream_from_template(flat.streams.video[0])
        stream.set_display_rotation(90)
        for packet in flat.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)

    ours = rgb_by_engine(tmp_path / "turned.mp4", tmp_path / "out").astype(int)
    theirs = rgb_by_ffmpeg(ffmpeg, tmp_path / "turned.mp4", 240, 320).astype(int)

    assert ours.shape == theirs.shape == (25, 320, 240, 3)
    assert np.abs(ours - theirs).mean() < 4


def test_an_edit_list_is_followed(ffmpeg, tmp_path):
    """A cut without decoding keeps pictures before the cut, which the edit list hides."""
    made(ffmpeg, tmp_path / "whole.mp4", MOVING, "-g", "25", "-c:v", "libx264")
    cut = ["-ss", "0.5", "-i", str(tmp_path / "whole.mp4"), "-c", "copy"]
    subprocess.run([ffmpeg, "-v", "error", *cut, str(tmp_path / "cut.mp4")], check=True)

    for keep in ({}, {"fps": 12.5}):
        ours = rgb_by_engine(tmp_path / "cut.mp4", tmp_path / "out", **keep).astype(int)
        theirs = rgb_by_ffmpeg(ffmpeg, tmp_path / "cut.mp4", 320, 240).astype(int)
        theirs = theirs[:: 2 if keep else 1]
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).mean() < 4


def test_a_cut_off_recording_gives_the_frames_before_the_last_that_ffmpeg_gives(ffmpeg, tmp_path):
    """FFmpeg paints over what is missing of the last."""
    made(ffmpeg, tmp_path / "whole.ts", MOVING, "-c:v", "libx264", "-g", "5", "-bf", "0")
    data = (tmp_path / "whole.ts").read_bytes()
    (tmp_path / "cut.ts").write_bytes(data[: len(data) * 2 // 3])

    ours = rgb_by_engine(tmp_path / "cut.ts", tmp_path / "out", keep_partial=True)
    theirs = rgb_by_ffmpeg(ffmpeg, tmp_path / "cut.ts", 320, 240)

    assert 10 < len(ours) == len(theirs) - 1 < 25


def test_a_recording_that_starts_between_keyframes_is_used_from_where_ffmpeg_can(ffmpeg, tmp_path):
    made(ffmpeg, tmp_path / "whole.ts", MOVING, "-c:v", "libx264", "-g", "10", "-bf", "0")
    data = (tmp_path / "whole.ts").read_bytes()
    (tmp_path / "late.ts").write_bytes(data[len(data) // 4 // 188 * 188 :])

    ours = rgb_by_engine(tmp_path / "late.ts", tmp_path / "out").astype(int)
    theirs = rgb_by_ffmpeg(ffmpeg, tmp_path / "late.ts", 320, 240).astype(int)

    assert ours.shape == theirs.shape
    assert 10 < len(ours) < 25
    assert np.abs(ours - theirs).mean() < 4
