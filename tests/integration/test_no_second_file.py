"""Files that point to others, under every disguise: nothing else is opened, no address is called.

The places they point to are watched: a port of this machine that counts its visitors, and a
video that would turn the row ``ok`` if it were read.
"""

import socket
import struct
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import rows, shell
from made_media import picture, video
from shardmill.report.verify import verify

pytestmark = pytest.mark.needs_redis

SUFFIXES = ("mp4", "mkv", "jpg", "ts", "m3u8", "txt")
HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n"
POINTERS = {
    "hls": HLS,
    "hls-behind-a-mark": "\ufeff" + HLS,
    "hls-behind-spaces": " \n\t" + HLS,
    "hls-of-dos": HLS.replace("\n", "\r\n"),
    "hls-master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n",
    "hls-with-a-key": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n"
    '#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n',
    "hls-before-noise": HLS + "\0\1\2\3" * 50,
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "concat-without-a-head": "file '{target}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
    "<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>\n",
    "imf": '<?xml version="1.0"?>\n<CompositionPlaylist xmlns="http://www.smpte-ra.org/'
    'schemas/2067-3/2016"><Id>urn:uuid:0</Id><Uri>{target}</Uri></CompositionPlaylist>\n',
    "pls": "[playlist]\nFile1={target}\nNumberOfEntries=1\n",
    "rtsp": "rtsptext\nrtsp://127.0.0.1:{port}/x\n",
    "ram": "rtsp://127.0.0.1:{port}/x.rm\n",
    "asx": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>\n',
    "smil": '<smil><body><video src="{target}"/></body></smil>\n',
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{target}"/></svg>',
    "vobsub": "# VobSub index file, v7\nsize: 720x576\nid: en, index: 0\n"
    "timestamp: 00:00:00:000, filepos: 000000000\n",
    "subfile": "subfile,,start,0,end,0,,:{target}\n",
}
TRUE_REFUSALS = {"forbidden", "unsupported", "corrupt"}


@pytest.fixture
def port() -> Iterator[int]:
    """A port that notices any visitor; the test fails if there was one."""
    visitors = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        ended = threading.Event()

        def listen() -> None:
            while not ended.is_set():
                try:
                    visitors.append(server.accept()[1])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1]
        ended.set()
        thread.join()
    assert visitors == []


def test_no_pointer_is_followed(tmp_path, port):
    media, out = tmp_path / "in", tmp_path / "out"
    decoy = video(tmp_path / "decoy" / "secret.ts")
    media.mkdir()
    targets = {"near": str(decoy), "far": f"http://127.0.0.1:{port}/x.ts", "file": f"file:{decoy}"}
    for kind, text in POINTERS.items():
        for place, target in targets.items():
            for suffix in SUFFIXES:
                path = media / f"{kind}-{place}.{suffix}"
                path.write_text(text.format(target=target, port=port))
    (media / "secret.idx").write_text(POINTERS["vobsub"])
    video(media / "sound.mp4")

    with shell() as here:
        done = here.run("run", media, "--out", out, "--include", "*", "--json")

    answers = rows(out)
    assert len(answers) == len(POINTERS) * len(targets) * len(SUFFIXES) + 2
    assert answers.pop("sound.mp4") == "ok"
    assert {name: said for name, said in answers.items() if said not in TRUE_REFUSALS} == {}
    for kind in ("hls", "hls-behind-a-mark", "hls-behind-spaces", "concat", "sdp", "dash", "pls"):
        assert {answers[f"{kind}-far.{suffix}"] for suffix in SUFFIXES} == {"forbidden"}, kind
    assert done.json["ok"] == 1
    assert verify(str(out)).problems == ()


def atoms(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield the beginning, the length and the name of each atom in a range of a QuickTime file."""
    while start < end:
        length, name = struct.unpack_from(">I4s", data, start)
        yield start, length, name
        start += length


def with_an_alias(data: bytes, target: str) -> bytes:
    """Return a QuickTime file with its index last whose video lies in another file.

    The record of an alias is that of the Mac's Alias Manager, as far as FFmpeg reads it.
    """
    name = target.encode()
    record = bytes(10) + bytes(28) + bytes(12) + bytes(64) + bytes(16) + bytes(4) + bytes(16)
    record += struct.pack(">HH", 2, len(name)) + name + bytes(len(name) % 2)
    record += struct.pack(">hH", -1, 0)
    alias = struct.pack(">I4sI", 12 + len(record), b"alis", 0) + record
    changed = bytearray(data)
    start, end = 0, len(data)
    parents = []
    for wanted in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start, length = next((s, n) for s, n, name in atoms(data, start, end) if name == wanted)
        parents.append(start)
        start, end = start + 8, start + length
    old = slice(start + 8, end)  # behind version and count
    for parent in parents:
        (length,) = struct.unpack_from(">I", data, parent)
        struct.pack_into(">I", changed, parent, length + len(alias) - (end - start - 8))
    changed[old] = alias
    return bytes(changed)


def frames_by(ffmpeg: str, path: Path, *options: str) -> int:
    told = subprocess.run(
        [ffmpeg, "-v", "quiet", *options, "-i", path, "-f", "framemd5", "-"],
        capture_output=True,
        text=True,
    )
    return sum(1 for line in told.stdout.splitlines() if line and not line.startswith("#"))


@pytest.mark.needs_ffmpeg
def test_video_that_lies_in_another_file_is_not_fetched(ffmpeg, tmp_path):
    decoy = video(tmp_path / "decoy.mov", frames=7)
    media, out = tmp_path / "in", tmp_path / "out"
    media.mkdir()
    trap = media / "trap.mov"
    whole = with_an_alias(decoy.read_bytes(), str(decoy))
    (at, length) = next((at, n) for at, n, name in atoms(whole, 0, len(whole)) if name == b"mdat")
    trap.write_bytes(whole[: at + 8] + bytes(length - 8) + whole[at + length :])
    follow = ("-enable_drefs", "1", "-use_absolute_path", "1")
    assert frames_by(ffmpeg, trap, *follow) == 7, "the trap works"

    with shell() as here:
        here.run("run", media, "--out", out, "--json")

    assert rows(out)["trap.mov"] in TRUE_REFUSALS | {"empty"}


def test_a_link_out_of_the_roots_is_forbidden_whatever_it_leads_to(tmp_path):
    """A file, a folder, an archive, a picture of a sequence; a link from root to root is sound."""
    outside, other, media = tmp_path / "outside", tmp_path / "other", tmp_path / "in"
    for place in (outside, other):
        picture(place / "private.jpg", seed=1)
    for number in range(3):
        picture(media / "sequence" / f"{number}.png", seed=number)
    picture(media / "own.jpg", seed=2)
    with zipfile.ZipFile(outside / "all.zip", "w") as archive:
        archive.write(outside / "private.jpg", "private.jpg")
    for name, target in {
        "file.jpg": outside / "private.jpg",
        "archive.zip": outside / "all.zip",
        "sequence/3.png": outside / "private.jpg",
        "sound.jpg": other / "private.jpg",
    }.items():
        (media / name).symlink_to(target)
    sound = {"own.jpg", "sound.jpg", *(f"sequence/{number}.png" for number in range(3))}

    with shell() as here:
        here.environment["SHARDMILL_ROOTS"] = f"{media}:{other}:{tmp_path / 'results'}"
        options = ("--size", "16x12", "--archives", "--dedup", "exact")
        done = here.run("run", media, "--out", tmp_path / "results" / "out", *options)
        groups = here.run("failures", tmp_path / "results" / "out", "--json").json["groups"]

    assert done.code == 3, done.err
    assert {
        path for path, status in rows(tmp_path / "results" / "out").items() if status == "ok"
    } == sound
    (group,) = groups
    assert (group["error_class"], group["count"]) == ("forbidden", 3)
