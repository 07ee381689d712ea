"""What headers and tails declare of a file's extent, byte by byte, and what no number may do."""

import random
import struct

import pytest

from shardmill_worker.engine.extent import cut_off
from shardmill_worker.engine.input_file import InputFile

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
MATROSKA = "matroska,webm"
FORMATS = (
    *("apng", "asf", "avi", "bink", "dirac", "dv", "flic", "flv", "gif", "gxf", MATROSKA, "mjpeg"),
    *(MP4, "mpeg", "mpegts", "mxf", "nsv", "obu", "ogg", "rm", "roq", "yuv4mpegpipe"),
)
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
MXF_PACK = bytes.fromhex("060e2b34020501010d01020101020400")
MXF_FILL = bytes.fromhex("060e2b34010101020301021001000000")


def lack(data: bytes, format_name: str) -> str | None:
    """Return what a file lacks, in the engine's words."""

    def pread(length: int, offset: int) -> bytes:
        assert length >= 0
        assert offset >= 0
        return data[offset : offset + length]

    damage = cut_off(InputFile(len(data), pread), format_name)
    return None if damage is None else str(damage).removeprefix("The file is cut off: ")


def box(kind: bytes, size: int, *, declared: int | None = None) -> bytes:
    return struct.pack(">I4s", size if declared is None else declared, kind) + bytes(size - 8)


def sidx(version: int, first: int, *sizes: int) -> bytes:
    times = struct.pack(">II" if version == 0 else ">QQ", 0, first)
    entries = b"".join(struct.pack(">III", size, 1, 0) for size in sizes)
    content = bytes([version, 0, 0, 0]) + bytes(8) + times + struct.pack(">HH", 0, len(sizes))
    return struct.pack(">I4s", 8 + len(content + entries), b"sidx") + content + entries


def segment(size: bytes, content: int) -> bytes:
    return b"\x1a\x45\xdf\xa3\x84webm" + b"\x18\x53\x80\x67" + size + bytes(content)


def chunk(kind: bytes, size: int, *, declared: int | None = None) -> bytes:
    return kind + struct.pack("<I", size if declared is None else declared) + bytes(size)


def riff(content: bytes, *, size: int | None = None, kind: bytes = b"AVI ") -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(content) if size is None else size) + kind + content


def flv(filesize: float | None, tags: int = 1) -> bytes:
    number = b"" if filesize is None else b"\0\x08filesize\0" + struct.pack(">d", filesize)
    metadata = b"\x02\0\x0aonMetaData" + number + b"\0\0\x09"
    return b"FLV\1\1\0\0\0\x09\0\0\0\0" + flv_tag(18, metadata) + flv_tag(9, bytes(20)) * tags


def flv_tag(kind: int, content: bytes) -> bytes:
    head = bytes([kind]) + len(content).to_bytes(3) + bytes(7)
    return head + content + (11 + len(content)).to_bytes(4)


def asf(data_size: int, *, flags: int = 2, content: int = 100) -> bytes:
    properties = ASF_PROPERTIES + struct.pack("<Q", 104) + bytes(64) + struct.pack("<I", flags)
    header = ASF_HEADER + struct.pack("<QIH", 30 + 104, 1, 0x201) + properties.ljust(104, b"\0")
    return header + ASF_DATA + struct.pack("<Q", data_size) + bytes(content - 24)


def mxf(footer: int, fill: int = 0) -> bytes:
    pack = MXF_PACK + b"\x58" + bytes(24) + struct.pack(">Q", footer) + bytes(56)
    return pack + MXF_FILL + b"\x83" + fill.to_bytes(3) + bytes(fill)


def page(serial: int, flags: int, content: int) -> bytes:
    lacing = bytes([255] * (content // 255) + [content % 255])
    head = b"OggS\0" + bytes([flags]) + bytes(8) + struct.pack("<III", serial, 0, 0)
    return head + bytes([len(lacing)]) + lacing + bytes(content)


GIF = (
    b"GIF89a\x02\0\x02\0\x80\0\0" + bytes(6) + b"\x21\xf9\x04\0\0\0\0\0"
    b"\x2c\0\0\0\0\x02\0\x02\0\0\x02\x02\x84\x51\0"
)
"""A screen of two colours and a picture, without the trailer."""
JPEG = b"\xff\xd8\xff\xdb picture \xff\xd9"
PACK = b"\0\0\1\xba\x44" + bytes(8) + b"\xf8"
PES = b"\0\0\1\xe0\0\x10" + bytes(16)
M2TS = (b"time" + b"\x47" + bytes(187)) * 12
TS = (b"\x47" + bytes(187)) * 12
OBUS = b"\x12\0" + b"\x0a\x0b" + bytes(11) + b"\x32\x82\x01" + bytes(130)

WHOLE = {
    "an empty box to the end": (MP4, box(b"ftyp", 16) + box(b"mdat", 90, declared=0)),
    "a size of 64 bits": (MP4, struct.pack(">I4sQ", 1, b"mdat", 60) + bytes(44)),
    "a box counted with its head twice": (MP4, box(b"moov", 90) + box(b"mdat", 90, declared=98)),
    "segments that follow": (MP4, box(b"moov", 90) + sidx(0, 10, 40, 50) + bytes(100)),
    "segments that are many bytes": (MP4, sidx(1, 0, 40, 50) + bytes(100)),
    "junk that would be a box": (MP4, box(b"moov", 90) + b"\x7f\xff\xff\xffjunk, by a camera"),
    "a size that is none": (MP4, box(b"moov", 90) + box(b"free", 90, declared=7)),
    "a segment of known size": (MATROSKA, segment(b"\x40\x64", 100)),
    "a segment with more behind": (MATROSKA, segment(b"\x40\x64", 101)),
    "a segment of unknown size": (MATROSKA, segment(b"\x01" + b"\xff" * 7, 100)),
    "a segment of unknown size in one byte": (MATROSKA, segment(b"\xff", 100)),
    "a segment of no size": (MATROSKA, segment(b"\0", 100)),
    "chunks in a RIFF": ("avi", riff(chunk(b"LIST", 50) + chunk(b"idx1", 32))),
    "a RIFF counted with its head twice": ("avi", riff(chunk(b"LIST", 50), size=70)),
    "an odd chunk without its padding": ("avi", riff(chunk(b"LIST", 51))),
    "two RIFFs": ("avi", riff(chunk(b"LIST", 50)) + riff(chunk(b"LIST", 50), kind=b"AVIX")),
    "a RIFF of no size": ("avi", riff(chunk(b"LIST", 50, declared=0), size=0)),
    "a RIFF of unknown size": ("avi", riff(bytes(50), size=0xFFFFFFFF)),
    "an AMV with its end": ("avi", riff(bytes(50) + b"AMV_END_", size=0, kind=b"AMV ")),
    "no size in the metadata": ("flv", flv(None)),
    "a size left open": ("flv", flv(0.0)),
    "a size that is no number": ("flv", flv(float("nan"))),
    "a size without end": ("flv", flv(float("inf"))),
    "a negative size": ("flv", flv(-1e300)),
    "junk behind the tags": ("flv", flv(None) + b"junk"),
    "objects": ("asf", asf(100)),
    "a broadcast": ("asf", asf(10_000, flags=1)),
    "data of no size": ("asf", asf(0)),
    "a footer": ("mxf", mxf(footer=105, fill=50)),
    "no footer": ("mxf", mxf(footer=0)),
    "chunks of RealMedia": ("rm", b".RMF\0\0\0\x12" + bytes(10) + b"DATA\0\0\0\x20" + bytes(24)),
    "bink": ("bink", b"BIKi" + struct.pack("<I", 92) + bytes(92)),
    "flic": ("flic", struct.pack("<I", 128) + bytes(124)),
    "nsv": ("nsv", b"NSVf" + struct.pack("<II", 12, 12)),
    "nsv of unknown size": ("nsv", b"NSVf" + struct.pack("<II", 12, 0xFFFFFFFF)),
    "nsv as it is sent": ("nsv", b"NSVs" + b"\x7f" * 20),
    "a trailer": ("gif", GIF + b"\x3b"),
    "junk behind a trailer": ("gif", GIF + b"\x3b" + b"\x2cmore"),
    "what is no block": ("gif", GIF + b"\x99 said by nobody"),
    "the end of a PNG": ("apng", b"\x89PNG" + bytes(99) + b"\0\0\0\0IEND\xae\x42\x60\x82\r\n"),
    "pictures": ("mjpeg", JPEG * 3),
    "pictures and padding": ("mjpeg", JPEG * 3 + bytes(99)),
    "an end of sequence": ("dirac", b"BBCD\0" + bytes(90) + b"BBCD\x10" + bytes(8)),
    "an end of stream": ("gxf", bytes(99) + bytes.fromhex("0000000001fb0000001000000000e1e2")),
    "two ended streams": ("ogg", page(1, 2, 9) + page(2, 2, 9) + page(1, 4, 600) + page(2, 4, 9)),
    "junk behind a page": ("ogg", page(1, 2, 9) + page(1, 4, 300) + b"junk"),
    "packets": ("mpegts", TS),
    "packets with times": ("mpegts", M2TS),
    "packets and zeros": ("mpegts", TS + bytes(188 * 20)),
    "packs": ("mpeg", (PACK + PES) * 5),
    "packs and their end": ("mpeg", (PACK + PES) * 5 + b"\0\0\1\xb9"),
    "a packet of open length": ("mpeg", (PACK + PES) * 5 + b"\0\0\1\xe0\0\0" + bytes(9)),
    "four bits too many": ("yuv4mpegpipe", b"YUV4MPEG2 W4 H2 C420p14x\nFRAME\nx"),
    "no height": ("yuv4mpegpipe", b"YUV4MPEG2 W4 C420\nFRAME\nx"),
    "units": ("obu", OBUS * 3),
    "units of no size": ("obu", b"\x10" + OBUS),
    "chunks of RoQ": ("roq", b"\x84\x10\xff\xff\xff\xff\x1e\0" + b"\x01\x10\x04\0\0\0\0\0data"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_reaches_its_end_lacks_nothing(name):
    format_name, data = WHOLE[name]

    assert lack(data, format_name) is None


CUT = {
    "a box": (MP4, box(b"moov", 90) + box(b"mdat", 90, declared=200), "least 282 bytes, found 180"),
    "a box by one byte": (MP4, box(b"mdat", 90) + box(b"moov", 90)[:-1], "least 180 bytes, found"),
    "a size of 64 bits": (MP4, struct.pack(">I4sQ", 1, b"mdat", 2**40), "1,099,511,627,768 bytes"),
    "a segment of an index": (MP4, sidx(0, 10, 40, 50) + bytes(99), "least 156 bytes, found 155"),
    "of a long index": (MP4, sidx(1, 0, 40, 50) + bytes(89), "least 154 bytes, found 153"),
    "a segment": (MATROSKA, segment(b"\x40\x64", 99), "least 115 bytes, found 114"),
    "a chunk": ("avi", riff(chunk(b"LIST", 50, declared=51)), "least 71 bytes, found 70"),
    "an index": ("avi", riff(chunk(b"LIST", 50), size=200), "least 200 bytes, found 70"),
    "a second RIFF": (
        "avi",
        riff(chunk(b"LIST", 50)) + riff(chunk(b"LIST", 50, declared=99), kind=b"AVIX"),
        "least 189 bytes, found 140",
    ),
    "an AMV": ("avi", riff(bytes(50), size=0, kind=b"AMV "), "mark that ends an AMV file, found"),
    "by the metadata": ("flv", flv(9999.0), "least 9,999 bytes, found 98"),
    "a tag": ("flv", flv(None)[:-10], "expected 31 bytes in its last tag, found 25"),
    "a data object": ("asf", asf(101), "least 235 bytes, found 234"),
    "a footer": ("mxf", mxf(footer=105, fill=50)[:-1], "least 175 bytes, found 174"),
    "before the footer": ("mxf", mxf(footer=9999), "least 10,000 bytes, found 125"),
    "a data chunk": (
        "rm",
        b".RMF\0\0\0\x12" + bytes(10) + b"DATA\0\1\0\0",
        "65,544 bytes, found 26",
    ),
    "bink": ("bink", b"BIKi" + struct.pack("<I", 92) + bytes(91), "least 100 bytes, found 99"),
    "flic": ("flic", struct.pack("<I", 129) + bytes(124), "least 129 bytes, found 128"),
    "nsv": ("nsv", b"NSVf" + struct.pack("<II", 12, 13), "least 13 bytes, found 12"),
    "behind a picture": ("gif", GIF, "mark that ends a GIF"),
    "within a block": ("gif", GIF[:-2], "mark that ends a GIF"),
    "within a picture's place": ("gif", GIF[:-12], "mark that ends a GIF"),
    "by one byte": ("apng", bytes(99) + b"\0\0\0\0IEND\xae\x42\x60", "mark that ends a PNG"),
    "a picture": ("mjpeg", (JPEG * 3)[:-1], "mark that ends a JPEG"),
    "a sequence": ("dirac", b"BBCD\0" + bytes(90), "mark that ends a Dirac sequence"),
    "an end of sequence": ("dirac", b"BBCD\x10" + bytes(7), "mark that ends a Dirac sequence"),
    "the end of a stream": ("gxf", bytes.fromhex("0000000001fb0000001000000000e1"), "GXF file"),
    "one stream of two": ("ogg", page(1, 2, 9) + page(2, 2, 9) + page(1, 4, 9), "an Ogg stream"),
    "a last page": ("ogg", page(1, 2, 9) + page(1, 4, 600)[:-1], "an Ogg stream"),
    "the head of a page": ("ogg", page(1, 2, 9) + page(1, 4, 600)[:20], "an Ogg stream"),
    "the lacing of a page": ("ogg", page(1, 2, 9) + page(1, 4, 600)[:29], "an Ogg stream"),
    "a packet": ("mpegts", TS[:-1], "expected 188 bytes in its last packet, found 187"),
    "a packet with its time": ("mpegts", M2TS[:-50], "188 bytes in its last packet, found 138"),
    "a packet in a pack": ("mpeg", (PACK + PES) * 5 + PES[:-1], "expected 22 bytes in its last"),
    "a unit": ("obu", (OBUS * 3)[:-1], "expected 133 bytes in its last unit, found 132"),
    "a chunk of RoQ": (
        "roq",
        bytes(8) + b"\x01\x10\x04\0\0\0\0\0dat",
        "12 bytes in its last chunk",
    ),
}


@pytest.mark.parametrize("name", CUT)
def test_a_file_that_ends_before_says_what_it_lacks(name):
    format_name, data, words = CUT[name]

    assert words in str(lack(data, format_name))


@pytest.mark.parametrize(
    ("colours", "frame_bytes"),
    [
        ("", 5 * 3 + 2 * 3 * 2),
        (" C420jpeg", 5 * 3 + 2 * 3 * 2),
        (" C420p10", 2 * (5 * 3 + 2 * 3 * 2)),
        (" C411", 5 * 3 + 2 * 2 * 3),
        (" C422", 5 * 3 + 2 * 3 * 3),
        (" C444p12", 2 * 3 * 5 * 3),
        (" C444alpha", 4 * 5 * 3),
        (" Cmono", 5 * 3),
        (" Cmono16", 2 * 5 * 3),
    ],
)
def test_a_frame_of_yuv4mpeg_has_the_size_of_its_planes(colours, frame_bytes):
    """Odd sides are rounded up in the planes of colour."""
    head = f"YUV4MPEG2 W5 H3 F25:1 Ip A1:1{colours}\n".encode()
    whole = head + (b"FRAME\n" + bytes(frame_bytes)) * 3

    assert lack(whole, "yuv4mpegpipe") is None
    for less in (1, frame_bytes, frame_bytes + 5):
        assert f"expected {frame_bytes + 6:,}" in str(lack(whole[:-less], "yuv4mpegpipe"))


@pytest.mark.parametrize(
    ("mark", "kind", "frame_bytes"),
    [(0x3F, 0, 120_000), (0xBF, 0, 144_000), (0x3F, 4, 240_000), (0xBF, 20, 576_000)],
)
def test_a_frame_of_dv_has_the_size_of_its_lines_and_kind(mark, kind, frame_bytes):
    frame = bytearray(frame_bytes)
    frame[:4] = bytes([0x1F, 7, 0, mark])
    frame[451] = 0xE0 | kind
    whole = bytes(frame * 2)

    assert lack(whole, "dv") is None
    assert lack(whole + b"junk", "dv") is None
    assert f"expected {frame_bytes:,} bytes" in str(lack(whole[:-1], "dv"))


@pytest.mark.parametrize("format_name", FORMATS)
def test_no_bytes_are_too_strange(format_name):
    """A reader answers or finds nothing, within so many reads, whatever it reads."""
    chance = random.Random(format_name)
    seeds = [data for name, data, *_ in (*WHOLE.values(), *CUT.values()) if name == format_name]
    for _ in range(300):
        data = bytearray(chance.choice(seeds) if seeds else chance.randbytes(600))
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        lack(bytes(data[: chance.randrange(len(data) + 1)]), format_name)


def test_of_what_is_in_no_table_nothing_is_said():
    assert lack(b"anything", "h264") is None
