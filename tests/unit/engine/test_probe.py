"""What a file is said to be, and why another is refused."""

import os
import socket
import struct
import threading

import av
import numpy as np
import pytest
import simplejpeg

from shardmill.contract.errors import (
    ChangedInput,
    Corrupt,
    Empty,
    EnvironmentFault,
    Forbidden,
    ItemError,
    Skip,
    TooLarge,
    Unreadable,
    Unsupported,
)
from shardmill_worker.engine import media
from shardmill_worker.engine.formats.exif import orientation as orientation_in
from shardmill_worker.engine.probe import probe_item


def image(folder, name: str, picture: np.ndarray | None = None) -> str:
    import cv2

    picture = np.full((30, 40, 3), 90, np.uint8) if picture is None else picture
    _, data = cv2.imencode(os.path.splitext(name)[1], picture)
    return folder.write(name, data.tobytes())


def test_a_video(folder, steps):
    folder.video(
        "clip.mp4",
        steps(20),
        codec="libx264",
        rate=25,
        tags={"colorspace": 1, "color_range": 1, "color_trc": 1},
    )

    facts = folder.probe("clip.mp4")

    assert facts.kind == "video"
    assert (facts.container, facts.codec) == ("mov,mp4,m4a,3gp,3g2,mj2", "h264")
    assert (facts.width, facts.height) == (facts.display_width, facts.display_height) == (64, 48)
    assert (facts.rotation_deg, facts.mirrored, facts.sample_aspect) == (0, False, "1:1")
    assert (facts.pix_fmt, facts.bit_depth) == ("yuv420p", 8)
    assert (facts.color_matrix, facts.color_range) == ("bt709", "tv")
    assert (facts.color_transfer, facts.hdr) == ("bt709", False)
    assert (facts.fps, facts.vfr, facts.frames_header) == (25.0, False, 20)
    assert facts.duration_s == pytest.approx(0.8)
    assert (facts.video_streams, facts.has_audio) == (1, False)


def test_no_more_than_the_first_packet_is_decoded(folder, steps, monkeypatch):
    """Whatever the decoder would wait for: x264's B-frames come before what they follow.

    H.264 in an AVI is not read by its headers alone.
    """
    folder.video("clip.avi", steps(20), codec="libx264", options={"bf": "3"})
    asked = []

    class Counted(media.Media):
        def packets(self):
            for packet in super().packets():
                asked.append(packet.size)
                yield packet

    monkeypatch.setattr(media, "Media", Counted)

    assert folder.probe("clip.avi").codec == "h264"
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libx264", "mp4"), ("libx265", "mp4"), ("libvpx-vp9", "mkv")]
)
def test_what_a_frame_is_costs_no_decoding_of_it(folder, codec, suffix):
    """Of a packet whose picture is gone, its head tells what the whole told."""
    name = f"clip.{suffix}"
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (240, 320, 3), np.uint8) for _ in range(3)]
    tags = {"colorspace": 1, "color_range": 1, "color_trc": 1}
    folder.video(name, noise, codec=codec, tags=tags, options={"crf": "10"})
    sound = folder.probe(name)
    data = bytearray((folder.root / name).read_bytes())
    begin = len(data) // 10
    data[begin : begin + 9000] = bytes(9000)
    folder.write(name, bytes(data))

    assert folder.probe(name) == sound
    assert (sound.width, sound.height, sound.pix_fmt) == (320, 240, "yuv420p")
    assert (sound.color_matrix, sound.color_range, sound.color_transfer) == ("bt709", "tv", "bt709")


def test_what_libav_says_of_one_file_is_heard_of_the_next_too(folder):
    """Of two files alike: with a quantiser of 0, only libav's log tells of their size."""
    image(folder, "a.jpg")
    data = bytearray((folder.root / "a.jpg").read_bytes())
    start_of_frame, quantisers = data.index(b"\xff\xc0"), data.index(b"\xff\xdb")
    struct.pack_into(">HH", data, start_of_frame + 5, 60_000, 60_000)
    data[quantisers + 5 : quantisers + 69] = bytes(64)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        folder.write(name, bytes(data))

        with pytest.raises(TooLarge, match="60000x60000"):
            folder.probe(name)


def test_sound_beside_the_video_is_told(folder, steps):
    folder.video("clip.mkv", steps(3), audio=True)

    assert folder.probe("clip.mkv").has_audio is True


def test_pq_is_hdr(folder, steps):
    folder.video("hdr.mkv", steps(2), pix_fmt="yuv420p10le", tags={"color_trc": 16})

    facts = folder.probe("hdr.mkv")

    assert (facts.hdr, facts.color_transfer, facts.bit_depth) == (True, "smpte2084", 10)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tiff", ".ppm"])
def test_one_picture_is_an_image(folder, suffix):
    facts = folder.probe(image(folder, f"picture{suffix}"))

    assert (facts.kind, facts.width, facts.height) == ("image", 40, 30)
    assert (facts.fps, facts.duration_s) == (None, None)


@pytest.mark.parametrize("codec", ["gif", "apng"])
@pytest.mark.parametrize(("count", "kind"), [(1, "image"), (3, "video")])
def test_an_animation_is_a_video_and_a_single_picture_is_not(folder, steps, codec, count, kind):
    pix_fmt = {"gif": "rgb8", "apng": "rgb24"}[codec]
    folder.video(f"moving.{codec}", steps(count), codec=codec, pix_fmt=pix_fmt)

    assert folder.probe(f"moving.{codec}").kind == kind


@pytest.mark.parametrize(("suffix", "kind", "kept"), [(".mjpeg", "video", 3), (".jpg", "image", 1)])
def test_jpeg_pictures_one_behind_the_other_are_a_video_by_their_name(folder, suffix, kind, kept):
    """Of large pictures libav sees only the first, unless it is told what they are."""
    noise = np.random.default_rng(0).integers(0, 255, (3, 240, 320, 3), dtype=np.uint8)
    folder.write(f"a{suffix}", b"".join(map(simplejpeg.encode_jpeg, noise)))

    assert folder.probe(f"a{suffix}").kind == kind
    assert folder.extract(f"a{suffix}").outcomes[0].frames_kept == kept


@pytest.mark.parametrize("mark", [b"", b"Exif\0\0"], ids=["as the format says", "as in a JPEG"])
def test_a_webp_is_turned_by_its_exif(folder, mark):
    data = (folder.root / image(folder, "upright.webp")).read_bytes()
    picture = data[12:]
    body = b"VP8X" + struct.pack("<IB3x", 10, 0x08) + (39).to_bytes(3, "little")
    body += (29).to_bytes(3, "little") + picture
    body += b"EXIF" + struct.pack("<I", len(mark) + len(exif(6))) + mark + exif(6)
    folder.write("turned.webp", b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)

    facts = folder.probe("turned.webp")

    assert (facts.rotation_deg, facts.display_width, facts.display_height) == (90, 30, 40)


def test_sound_alone_is_skipped(folder):
    data = b"".join(struct.pack("<h", 1000 * (k % 7)) for k in range(8000))
    head = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16
    )
    folder.write("sound.wav", head + b"data" + struct.pack("<I", len(data)) + data)

    with pytest.raises(Skip, match="sound and no video"):
        folder.probe("sound.wav")


STRANGE_NAMES = [
    b"frame%03d.mp4",
    b"*.mp4",
    b"a?b[c]{d,e}.mp4",
    b"-i.mp4",
    b"http:x.mp4",
    b"concat:a|b.mp4",
    b"file:clip.mp4",
    b"new\nline.mp4",
    b"not-utf8-\xff\xfe.mp4",
    "schön 写真.mp4".encode(),
    b"n" * 251 + b".mp4",
    b"clip",
    b"clip.jpg",
]


@pytest.mark.parametrize("name", STRANGE_NAMES, ids=repr)
def test_no_name_is_too_strange(folder, steps, name):
    folder.video("clip.mkv", steps(2))
    (folder.root / "clip.mkv").rename(
        os.path.join(os.fsencode(folder.root), name).decode("utf-8", "surrogateescape")
    )

    done = folder.extract(os.fsdecode(name))

    assert done.outcomes[0].status == "ok"
    assert done.rows[0].item.path == os.fsdecode(name)


@pytest.fixture
def port():
    """A port that notices any visitor; the test fails if there was one."""
    visitors = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)

        def listen():
            while True:
                try:
                    visitors.append(server.accept()[1])
                except TimeoutError:
                    continue
                except OSError:
                    return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.close()
    thread.join()
    assert visitors == []


POINTERS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "concat without a header": "file '{target}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">'
    "<Period><BaseURL>{target}</BaseURL></Period></MPD>\n",
    "pls": "[playlist]\nFile1={target}\nNumberOfEntries=1\n",
    "ansi": "\x1b[31mred\x1b[0m text that FFmpeg would draw\n" * 20,
    "prose": "It was a dark and stormy night.\n" * 50,
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{target}"/></svg>',
    "subtitles": "1\n00:00:01,000 --> 00:00:02,000\nhello\n",
}


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "txt", "m3u8", "jpg", "mpd"])
@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("kind", POINTERS)
def test_a_file_that_points_to_others_opens_none(folder, steps, port, kind, remote, suffix):
    folder.video("secret.mp4", steps(3), codec="libx264")
    target = f"http://127.0.0.1:{port}/x.ts" if remote else str(folder.root / "secret.mp4")
    name = folder.write(f"trap.{suffix}", POINTERS[kind].format(target=target, port=port).encode())

    with pytest.raises((Forbidden, Unsupported)):
        folder.probe(name)


@pytest.mark.parametrize("kind", ["hls", "concat", "sdp"])
@pytest.mark.parametrize("place", ["http://127.0.0.1:{port}/x.ts", "{root}/secret.ts", "secret.ts"])
def test_even_a_demuxer_that_opens_others_could_not(folder, steps, port, monkeypatch, kind, place):
    """The second line of defence, were a demuxer forgotten in the first: no protocol.

    Without it, concat reads what lies in the working directory.
    """
    monkeypatch.setattr(media, "_ALLOWED", ",".join(sorted(av.formats_available)))
    monkeypatch.setattr(media, "refuse_by_content", lambda _: None)
    folder.video("secret.ts", steps(3), codec="libx264")
    monkeypatch.chdir(folder.root)
    target = place.format(port=port, root=folder.root)
    name = folder.write("trap.mp4", POINTERS[kind].format(target=target, port=port).encode())

    with pytest.raises(ItemError):
        folder.probe(name)


def test_a_quicktime_reference_opens_no_other_file(
    folder,
    steps,
):
    """An alias in ``dref`` names another file: FFmpeg would follow it if it were allowed to."""
    folder.video("secret.mp4", steps(3), codec="libx264")
    data = bytearray((folder.root / "secret.mp4").read_bytes())
    at = data.index(b"url \0\0\0\1")
    data[at : at + 8] = b"alis\0\0\0\0"
    folder.write("alias.mov", bytes(data))

    done = folder.extract("alias.mov")

    assert done.outcomes[0].error_class in (None, "corrupt", "forbidden")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"", Empty, id="no bytes"),
        pytest.param(b"\0" * 5000, Corrupt, id="zeros"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\0" * 500, Corrupt, id="a head and no body"),
    ],
)
def test_what_is_no_media_is_refused(folder, data, error):
    folder.write("broken.mp4", data)

    with pytest.raises(error):
        folder.probe("broken.mp4")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_half_an_image_is_corrupt(folder, suffix):
    """A JPEG that stops in the middle would be half grey."""
    noise = np.random.default_rng(1).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    whole = (folder.root / image(folder, f"whole{suffix}", noise)).read_bytes()
    folder.write(f"half{suffix}", whole[: len(whole) // 2])

    with pytest.raises(Corrupt):
        folder.probe(f"half{suffix}")


def test_half_an_mp4_is_corrupt_since_its_index_comes_last(folder, steps):
    folder.video("whole.mp4", steps(20), codec="libx264")
    whole = (folder.root / "whole.mp4").read_bytes()
    folder.write("half.mp4", whole[: len(whole) // 2])

    with pytest.raises(Corrupt, match="moov atom not found"):
        folder.probe("half.mp4")


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(folder):
    """A PNG that says 60000 x 60000 and holds next to nothing."""
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + chunk(b"IEND", b"")
    )
    folder.write("bomb.png", bomb)

    with pytest.raises(TooLarge):
        folder.probe("bomb.png")


def test_a_missing_file_is_unreadable_and_a_missing_root_is_no_file_s_fault(folder, steps):
    folder.video("clip.mkv", steps(2))
    item = folder.item("clip.mkv")
    (folder.root / "clip.mkv").unlink()

    with pytest.raises(Unreadable, match="No such file"):
        probe_item(str(folder.root), item)
    folder.root.rmdir()
    with pytest.raises(EnvironmentFault, match="input directory"):
        probe_item(str(folder.root), item)


def test_a_named_pipe_does_not_hang_and_a_directory_is_no_file(folder):
    os.mkfifo(folder.root / "pipe.mp4")
    (folder.root / "folder.mp4").mkdir()

    for name in ("pipe.mp4", "folder.mp4"):
        with pytest.raises(Unreadable, match=r"Expected a (regular )?file"):
            folder.probe(name)


@pytest.mark.parametrize("change", [{"size_bytes": 1}, {"mtime_ns": 1}], ids=str)
def test_another_size_or_time_means_the_file_changed(folder, steps, change):
    folder.video("clip.mkv", steps(2))

    with pytest.raises(ChangedInput):
        probe_item(str(folder.root), folder.item("clip.mkv", **change))


@pytest.mark.parametrize("path", ["../in/clip.mkv", "a/../../in/clip.mkv", "/etc/passwd"])
def test_a_path_out_of_the_root_is_refused(folder, steps, path):
    folder.video("clip.mkv", steps(2))

    with pytest.raises(Forbidden):
        probe_item(str(folder.root), folder.item("clip.mkv", path=path))


def exif(orientation: int, order: str = "<") -> bytes:
    head = {"<": b"II*\0", ">": b"MM\0*"}[order]
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return head + struct.pack(f"{order}IH", 8, 1) + entry + b"\0" * 4


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(11))
def test_exif_orientation_is_one_to_eight_or_upright(orientation, order):
    expected = orientation if 1 <= orientation <= 8 else 1

    assert orientation_in(exif(orientation, order)) == expected


@pytest.mark.parametrize("cut", range(26))
def test_exif_that_is_cut_off_is_upright(cut):
    assert orientation_in(exif(6)[:cut]) in (1, 6)


def test_errors_are_sentences(folder):
    folder.write("broken.mkv", b"\x1a\x45\xdf\xa3" + b"\0" * 200)

    with pytest.raises(ItemError) as caught:
        folder.probe("broken.mkv")
    assert str(caught.value)[0].isupper()
    assert str(caught.value).endswith(".")
