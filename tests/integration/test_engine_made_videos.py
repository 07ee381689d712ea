"""What real files seldom have, made by the ffmpeg program and read as it reads them itself.

Each row is a video with one oddity.  Times, planes and colours are those of ``ffmpeg``; that the
oddity is there is known from what was asked for, and counted by hand.
"""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from correctness.frames import RGB_LEVELS, Sight, look

pytestmark = pytest.mark.needs_ffmpeg

SECOND = "testsrc2=size=96x64:rate=20:duration=1"
X264 = "-c:v libx264 -pix_fmt yuv420p -g 10"


def make(path: Path, options: str, source: str = SECOND) -> None:
    ffmpeg("-f", "lavfi", "-i", source, *options.split(), str(path))


def ffmpeg(*options: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *options], check=True)


def seen(path: Path) -> Sight:
    """What the engine and ffmpeg make of a file, ours checked against theirs."""
    sight = Sight(**look(path.parent, path.name))
    assert sight.compared, (sight.ours_refused, sight.theirs_refused)
    assert sight.ours_ns == sight.theirs_ns
    assert sight.exact == len(sight.theirs_ns)
    return sight


@pytest.mark.parametrize(
    ("name", "options", "frames"),
    [
        ("constant.mp4", X264, 20),
        ("b-frames.mp4", f"{X264} -bf 3 -b_strategy 0", 20),
        ("b-frames.avi", "-c:v mpeg4 -bf 2 -g 10", 20),
        ("b-frames.ts", f"{X264} -bf 3", 20),
        ("fragments.mp4", f"{X264} -movflags frag_keyframe+empty_moov+default_base_moof", 20),
        ("variable.mkv", f"{X264} -vf select='gt(mod(n\\,7)\\,2)' -fps_mode vfr", 11),
        ("variable.mp4", f"{X264} -vf select='gt(mod(n\\,7)\\,2)' -fps_mode vfr", 11),
        ("late.mkv", f"{X264} -output_ts_offset 7.3", 20),
        ("late.ts", f"{X264} -output_ts_offset 7.3", 20),
        ("late.mp4", f"{X264} -bf 2 -output_ts_offset 7.3", 20),
        ("ntsc.mp4", f"{X264} -vf setpts=N*1001/30000/TB -r 30000/1001", 20),
        ("interlaced.mpg", "-c:v mpeg2video -flags +ilme+ildct -top 1", 20),
        ("interlaced.mkv", f"{X264} -x264opts tff=1", 20),
    ],
)
def test_times_are_those_of_ffmpeg(tmp_path, name, options, frames):
    make(tmp_path / name, options)

    sight = seen(tmp_path / name)

    assert len(sight.ours_ns) == frames
    assert sight.rgb_off <= RGB_LEVELS


@pytest.mark.parametrize(
    ("name", "options", "pix_fmt"),
    [
        ("ten.mkv", "-c:v ffv1 -pix_fmt yuv420p10le", "yuv420p10le"),
        ("422.mp4", "-c:v libx264 -pix_fmt yuv422p", "yuv422p"),
        ("422-ten.mkv", "-c:v ffv1 -pix_fmt yuv422p10le", "yuv422p10le"),
        ("444.mp4", "-c:v libx264 -pix_fmt yuv444p", "yuv444p"),
        ("444-twelve.mkv", "-c:v ffv1 -pix_fmt yuv444p12le", "yuv444p12le"),
        ("440.mkv", "-c:v ffv1 -pix_fmt yuv440p", "yuv440p"),
        ("411.mkv", "-c:v ffv1 -pix_fmt yuv411p", "yuv411p"),
        ("410.mkv", "-c:v ffv1 -pix_fmt yuv410p", "yuv410p"),
        ("full.mkv", "-c:v ffv1 -pix_fmt yuv420p -color_range pc", "yuv420p"),
        ("prores.mov", "-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le", "yuva444p12le"),
        ("alpha.mkv", "-c:v ffv1 -pix_fmt yuva420p", "yuva420p"),
        ("alpha.webm", "-c:v libvpx-vp9 -pix_fmt yuva420p -deadline realtime", "yuv420p"),
        ("rgba.mkv", "-c:v ffv1 -pix_fmt bgra", "bgra"),
        ("rgb.mp4", "-c:v libx264rgb -pix_fmt rgb24", "gbrp"),
        ("deep-rgb.mkv", "-c:v ffv1 -pix_fmt gbrp12le", "gbrp12le"),
        ("grey.mkv", "-c:v ffv1 -pix_fmt gray", "gray"),
        ("deep-grey.mkv", "-c:v ffv1 -pix_fmt gray12le", "gray12le"),
        ("palette.gif", "", "bgra"),
        ("palette.avi", "-vf split[a][b];[a]palettegen[p];[b][p]paletteuse -c:v rawvideo", "pal8"),
        ("packed.avi", "-c:v rawvideo -pix_fmt uyvy422", "uyvy422"),
        ("semi-planar.nut", "-c:v rawvideo -pix_fmt nv12", "nv12"),
    ],
)
def test_colours_of_every_format_are_those_of_ffmpeg(tmp_path, name, options, pix_fmt):
    make(tmp_path / name, options)

    sight = seen(tmp_path / name)

    assert sight.pix_fmt == pix_fmt
    assert sight.rgb_off <= RGB_LEVELS


@pytest.mark.parametrize("size", ["33:17", "35:18", "34:19", "2:2", "1:1"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "gray"])
def test_odd_sizes_are_those_of_ffmpeg(tmp_path, size, pix_fmt):
    """All of one colour: FFmpeg's scaler does not mix U and V of so few pixels."""
    options = f"-vf scale={size},format={pix_fmt} -c:v rawvideo"
    make(tmp_path / "odd.nut", options, "color=c=orange:size=64x64:rate=5:duration=1")

    assert seen(tmp_path / "odd.nut").rgb_off <= RGB_LEVELS


def test_a_negative_start_is_kept(tmp_path):
    shift = "-output_ts_offset -0.2 -avoid_negative_ts disabled"
    make(tmp_path / "early.mkv", f"-c:v mpeg4 {shift}")

    assert seen(tmp_path / "early.mkv").ours_ns[:2] == [-200_000_000, -150_000_000]


def test_an_edit_list_hides_what_lies_before_it(tmp_path):
    """Cut at 0.7 s without decoding: the pictures from the keyframe at 0.5 s are there, unseen."""
    make(tmp_path / "whole.mp4", f"{X264} -bf 0")
    cut = ["-ss", "0.7", "-i", str(tmp_path / "whole.mp4"), "-c", "copy"]
    ffmpeg(*cut, str(tmp_path / "cut.mp4"))

    assert len(seen(tmp_path / "cut.mp4").ours_ns) == 6


def test_a_change_of_size_in_mid_stream_is_followed(tmp_path):
    """Two broadcasts one after the other: the second one's times begin anew, ours go on."""
    for name, size in (("a", "96x64"), ("b", "128x72")):
        source = f"testsrc2=size={size}:rate=20:duration=0.5"
        make(tmp_path / f"{name}.ts", f"{X264} -bf 0", source)
    data = (tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes()
    (tmp_path / "both.ts").write_bytes(data)

    sight = Sight(**look(tmp_path, "both.ts"))

    assert sight.exact == len(sight.theirs_ns) == sight.looked_at == 20
    assert sight.ours_ns[:10] == sight.theirs_ns[:10]
    assert np.all(np.diff(sight.ours_ns) > 0)
