"""Of videos made by the ffmpeg program, headers alone say what ffprobe says.

Each row has one oddity.  Whether the headers are read without libav is part of the table: a fast
way that no file takes would pass every comparison.  Either way the facts are ffprobe's.
"""

import json
import shlex
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from shardmill.contract.errors import Corrupt
from shardmill.contract.schema import Facts, Item
from shardmill_worker.engine.input_file import open_item
from shardmill_worker.engine.probe import full_look, header_look, probe_item

pytestmark = pytest.mark.needs_ffmpeg

SOURCE = "-f lavfi -i testsrc2=size=322x242:rate=25:duration=1"
SOUND = "-f lavfi -i sine=duration=1.3"
X264 = "-c:v libx264 -preset veryfast -threads 1 -pix_fmt"
X265 = "-c:v libx265 -preset ultrafast -x265-params log-level=0 -pix_fmt"
VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt"
AV1 = "-c:v libaom-av1 -cpu-used 8 -usage realtime -g 5 -t 0.2 -pix_fmt"
HDR = "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc"

BY_HEADER = {
    "plain.mp4": f"{SOURCE} {X264} yuv420p",
    "sound.mp4": f"{SOURCE} {SOUND} {X264} yuv420p -c:a aac",
    "sound first.mov": f"{SOUND} {SOURCE} {X264} yuv420p -c:a pcm_s16le -map 0 -map 1",
    "moov first.mp4": f"{SOURCE} {X264} yuv420p -movflags +faststart",
    "anamorphic.mp4": f"{SOURCE} {X264} yuv420p -vf setsar=16/11",
    "anamorphic.mkv": f"{SOURCE} {X264} yuv420p -vf setsar=16/11",
    "anamorphic hevc.mkv": f"{SOURCE} {X265} yuv420p -vf setsar=10/11",
    "anamorphic.webm": f"{SOURCE} {VP9} yuv420p -vf setsar=10/11",
    "anamorphic av1.mp4": f"{SOURCE} {AV1} yuv420p -vf setsar=4/3",
    "anamorphic mpeg4.avi": f"{SOURCE} -c:v mpeg4 -vf setsar=37/36",
    "anamorphic mpeg4.mp4": f"{SOURCE} -c:v mpeg4 -vf setsar=12/11",
    "only in the codec.mp4": f"{SOURCE} {X264} yuv420p "
    "-bsf:v h264_metadata=sample_aspect_ratio=4/3",
    "interlaced.mp4": f"{SOURCE} -s 320x240 {X264} yuv420p -flags +ildct+ilme -x264opts tff=1",
    "ten bits.mp4": f"{SOURCE} {X264} yuv420p10le",
    "ten bits.mkv": f"{SOURCE} {X265} yuv420p10le",
    "twelve bits.mp4": f"{SOURCE} {X265} yuv422p12le",
    "422.mkv": f"{SOURCE} {X264} yuv422p",
    "444 ten bits.mp4": f"{SOURCE} {X264} yuv444p10le",
    "full range.mp4": f"{SOURCE} {X264} yuvj420p",
    "full range 444.mkv": f"{SOURCE} {X264} yuvj444p",
    "full range hevc.mp4": f"{SOURCE} {X265} yuvj420p",
    "full range 444 hevc.mp4": f"{SOURCE} {X265} yuvj444p",
    "full range.webm": f"{SOURCE} {VP9} yuv420p -color_range pc",
    "hdr.mp4": f"{SOURCE} {X265} yuv420p10le {HDR}",
    "hdr.webm": f"{SOURCE} {VP9} yuv420p10le {HDR}",
    "hdr vp9.mp4": f"{SOURCE} {VP9} yuv420p10le {HDR}",
    "hdr av1.mkv": f"{SOURCE} {AV1} yuv420p10le {HDR}",
    "av1.mp4": f"{SOURCE} {AV1} yuv420p",
    "444 av1.mp4": f"{SOURCE} {AV1} yuv444p",
    "422 twelve bits av1.mkv": f"{SOURCE} {AV1} yuv422p12le",
    "422.webm": f"{SOURCE} {VP9} yuv422p",
    "444 twelve bits.webm": f"{SOURCE} {VP9} yuv444p12le",
    "vp8.webm": f"{SOURCE} {SOUND} -c:v libvpx -c:a libvorbis",
    "film.webm": "-f lavfi -i testsrc2=size=64x48:rate=24000/1001:duration=1 -c:v libvpx",
    "ntsc.mkv": f"-f lavfi -i testsrc2=size=720x480:rate=30000/1001:duration=1 {X264} yuv420p",
    "fast.mkv": f"-f lavfi -i testsrc2=size=64x48:rate=60000/1001:duration=1 {X264} yuv420p",
    "slow.mp4": f"-f lavfi -i testsrc2=size=64x48:rate=1/10:duration=40 {X264} yuv420p",
    "one frame.mp4": f"{SOURCE} {X264} yuv420p -frames:v 1",
    "cropped.mp4": f"-f lavfi -i testsrc2=size=1920x1080:rate=25:duration=0.2 {X264} yuv420p",
    "cropped hevc.mkv": f"-f lavfi -i testsrc2=size=318x238:rate=25:duration=1 {X265} yuv420p",
    "unlike colr.mp4": f"{SOURCE} {X264} yuv420p -color_primaries bt709 -color_trc bt709 "
    "-colorspace bt709 -movflags write_colr",
    "slices.mp4": f"{SOURCE} {X264} yuv420p -x264opts slices=4",
    "parameters repeated.mp4": f"{SOURCE} {X264} yuv420p -x264-params repeat-headers=1",
    "in-band parameters.mp4": f"{SOURCE} {X265} yuv420p -tag:v hev1",
    "layers.mp4": f"{SOURCE} -c:v libx265 -preset slow -x265-params log-level=0:temporal-layers=3",
    "B-frames.mp4": f"{SOURCE} {X264} yuv420p -bf 3",
    "no edit list.mp4": f"{SOURCE} {X264} yuv420p -bf 3 -use_editlist 0",
    "pause.mp4": f"{SOURCE} {X264} yuv420p -vf select='lt(n\\,9)+gt(n\\,20)' -fps_mode vfr",
    "pauses.mkv": f"{SOURCE} {X264} yuv420p -vf select='gt(mod(n\\,7)\\,2)' -fps_mode vfr",
    "subtitles.mkv": f"{SOURCE} -i SRT {X264} yuv420p -c:s srt",
    "timecode.mov": f"{SOURCE} {X264} yuv420p -timecode 00:00:00:00",
    "mpeg4.mp4": f"{SOURCE} -c:v mpeg4 -bf 2",
    "xvid.avi": f"{SOURCE} {SOUND} -c:v mpeg4 -vtag xvid -c:a libmp3lame",
    "pcm.avi": f"{SOURCE} {SOUND} -c:v mpeg4 -c:a pcm_s16le",
    "mjpeg.avi": f"{SOURCE} -c:v mjpeg -pix_fmt yuvj420p",
    "422 mjpeg.avi": f"{SOURCE} -c:v mjpeg -pix_fmt yuvj422p",
}
"""Name of a file to the words that make it, each with one oddity, read without libav."""
BY_LIBAV = {
    "rgb.mp4": f"{SOURCE} -c:v libx264rgb",
    "grey.mp4": f"{SOURCE} {X265} gray",
    "rgb.webm": f"{SOURCE} {VP9} gbrp",
    "alpha.webm": f"{SOURCE} {VP9} yuva420p",
    "fragments.mp4": f"{SOURCE} {SOUND} {X264} yuv420p -c:a aac -movflags frag_keyframe+empty_moov",
    "unknown length.mkv": f"{SOURCE} {X264} yuv420p -live 1",
    "two videos.mp4": f"{SOURCE} {SOURCE} {X264} yuv420p -map 0 -map 1",
    "turned in the codec.mp4": f"{SOURCE} {X264} yuv420p "
    "-bsf:v h264_metadata=display_orientation=insert:rotate=90",
    "hlg.mp4": f"{SOURCE} {X265} yuv420p10le -color_trc arib-std-b67",
    "h264.avi": f"{SOURCE} {X264} yuv420p",
    "program stream.mpg": f"{SOURCE} {SOUND} -c:v mpeg2video -c:a mp2",
    "transport stream.ts": f"{SOURCE} {SOUND} {X264} yuv420p -c:a aac",
    "mpeg2.ts": f"{SOURCE} -c:v mpeg2video",
    "turned in the codec.ts": f"{SOURCE} {X264} yuv420p "
    "-bsf:v h264_metadata=display_orientation=insert:rotate=90",
    "h264.flv": f"{SOURCE} {SOUND} {X264} yuv420p -c:a aac",
    "flv1.flv": f"{SOURCE} -c:v flv",
    "windows.wmv": f"{SOURCE} {SOUND} -c:v wmv2 -c:a wmav2",
    "theora.ogv": f"{SOURCE} {SOUND} -c:v libtheora -c:a libvorbis",
}
"""The same, of what headers leave open, or may."""


def make(path: Path, words: str) -> None:
    subtitles = path.with_name("said.srt")
    subtitles.write_text("1\n00:00:00,000 --> 00:00:00,500\nhello\n")
    given = [str(subtitles) if word == "SRT" else word for word in shlex.split(words)]
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *given, str(path)], check=True)


def looks(path: Path) -> tuple[Facts | None, Facts, Facts]:
    """Return what headers, decoding and probing say of a file."""
    found = path.stat()
    item = Item(path=path.name, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)
    with open_item(str(path.parent), item) as file:
        by_header, full = header_look(file), full_look(file, item)
    return by_header, full, probe_item(str(path.parent), item, keep_partial=False)


def ffprobe(path: Path, shown: str) -> dict:
    words = ["ffprobe", "-v", "error", *shown.split(), "-of", "json", str(path)]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def check(facts: Facts, path: Path) -> None:
    """Compare facts with ffprobe's; it shows no colour, and no count, as nothing."""
    told = ffprobe(path, "-show_streams -show_format")
    videos = [s for s in told["streams"] if s["codec_type"] == "video"]
    video = videos[0]
    first = "-select_streams v:0 -show_frames -read_intervals %+#1"
    frame = ffprobe(path, first)["frames"][0]
    assert facts.container == told["format"]["format_name"]
    assert (facts.kind, facts.codec) == ("video", video["codec_name"])
    assert (facts.width, facts.height) == (frame["width"], frame["height"])
    aspect = Fraction(frame.get("sample_aspect_ratio", "1:1").replace(":", "/"))
    if Fraction(video.get("sample_aspect_ratio", "0:1").replace(":", "/") or 0):
        aspect = Fraction(video["sample_aspect_ratio"].replace(":", "/"))
    assert Fraction(facts.sample_aspect.replace(":", "/")) == aspect
    assert facts.pix_fmt == frame["pix_fmt"]
    assert facts.color_range == frame.get("color_range")
    assert facts.color_matrix == frame.get("color_space")
    assert facts.color_transfer == frame.get("color_transfer")
    assert facts.video_streams == len(videos)
    assert facts.has_audio == any(s["codec_type"] == "audio" for s in told["streams"])
    assert facts.frames_header == (int(video["nb_frames"]) if "nb_frames" in video else None)
    assert facts.fps == pytest.approx(float(Fraction(video["avg_frame_rate"])), rel=1e-3)
    length_s = video.get("duration", told["format"].get("duration"))
    rate = told["format"].get("bit_rate")
    assert facts.duration_s == (pytest.approx(float(length_s), abs=2e-3) if length_s else None)
    assert facts.bit_rate == (pytest.approx(int(rate), rel=1e-3) if rate else None)


@pytest.mark.parametrize("name", BY_HEADER)
def test_headers_say_what_ffprobe_says(tmp_path, name):
    make(tmp_path / name, BY_HEADER[name])

    by_header, full, probed = looks(tmp_path / name)

    assert by_header == full == probed
    check(probed, tmp_path / name)


@pytest.mark.parametrize("name", BY_LIBAV)
def test_what_headers_leave_open_libav_says_as_ffprobe_does(tmp_path, name):
    make(tmp_path / name, BY_LIBAV[name])

    by_header, full, probed = looks(tmp_path / name)

    assert by_header is None
    assert probed == full
    check(probed, tmp_path / name)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_video_is_shown_upright(tmp_path, turn):
    """ffprobe shows the turn counter-clockwise."""
    make(tmp_path / "upright.mp4", BY_HEADER["plain.mp4"])
    make(
        tmp_path / "turned.mp4", f"-i '{tmp_path}/upright.mp4' -c copy -metadata:s:v rotate={turn}"
    )

    by_header, full, probed = looks(tmp_path / "turned.mp4")

    assert by_header == full == probed
    video = ffprobe(tmp_path / "turned.mp4", "-show_streams")["streams"][0]
    (matrix,) = (d for d in video["side_data_list"] if "rotation" in d)
    assert probed.rotation_deg == -int(matrix["rotation"]) % 360
    assert (probed.display_width, probed.display_height) == (
        (322, 242) if turn == 180 else (242, 322)
    )


def test_a_cover_is_no_video(tmp_path):
    make(tmp_path / "cover.jpg", "-f lavfi -i testsrc2=size=64x64 -frames:v 1")
    make(tmp_path / "film.mp4", BY_HEADER["sound.mp4"])
    common = f"-i '{tmp_path}/film.mp4' -c copy"
    attached = f"{common} -attach '{tmp_path}/cover.jpg' -metadata:s:t mimetype=image/jpeg"
    make(tmp_path / "attached.mkv", attached)
    beside = f"-i '{tmp_path}/cover.jpg' -map 0 -map 1 -disposition:v:1 attached_pic"
    make(tmp_path / "beside.mp4", f"-i '{tmp_path}/film.mp4' {beside} -c copy")

    for name in ("attached.mkv", "beside.mp4"):
        by_header, full, probed = looks(tmp_path / name)

        assert by_header == full == probed
        assert (probed.video_streams, probed.width, probed.height) == (1, 322, 242)


def test_a_file_that_is_cut_off_is_no_shorter_by_its_header(tmp_path):
    """The header at the front promises what the end lacks; what there is may be kept."""
    path = tmp_path / "cut.mp4"
    make(path, BY_HEADER["moov first.mp4"])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4])
    item = Item(path.name, len(whole) * 3 // 4, path.stat().st_mtime_ns)

    with pytest.raises(Corrupt, match="cut off"):
        probe_item(str(tmp_path), item, keep_partial=False)
    assert probe_item(str(tmp_path), item, keep_partial=True).frames_header == 25
