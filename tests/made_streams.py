"""Videos whose parameters change in the middle, and recordings that start between keyframes.

They are what editors, live recorders and cameras leave behind; no encoder makes them at once.
"""

import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

SOURCE = "testsrc2=size=160x120:rate=25:duration=4"
X264 = "-c:v libx264 -preset fast -pix_fmt yuv420p -g 25 -bf 0"
FRAMES = 100
"""Of each part."""


def made(ffmpeg: str, path: Path, options: str, source: str = SOURCE) -> bytes:
    arguments = ["-f", "lavfi", "-i", source, *options.split(), str(path)]
    subprocess.run([ffmpeg, "-v", "error", "-y", *arguments], check=True)
    return path.read_bytes()


def parts(ffmpeg: str, folder: Path, suffix: str) -> Iterator[bytes]:
    """Two parts by encoders that are set otherwise: their pictures need their own parameters."""
    for crf in (18, 38):
        yield made(ffmpeg, folder / f"part{crf}.{suffix}", f"{X264} -crf {crf}")


def joined_flv(ffmpeg: str, folder: Path) -> Path:
    """What a live recorder writes behind a reconnect: a second AVC sequence header."""
    head, tags = b"", b""
    for number, part in enumerate(parts(ffmpeg, folder, "flv")):
        head = part[:9] + bytes(4)
        for kind, time_ms, data in flv_tags(part):
            if kind == 9 and data[1] != 2:  # video, and no end of it
                tags += flv_tag(kind, time_ms + 4000 * number, data)
    joined = folder / "joined.flv"
    joined.write_bytes(head + tags)
    return joined


def flv_tags(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    position = 13
    while position + 11 <= len(data):
        size = int.from_bytes(data[position + 1 : position + 4])
        time_ms = int.from_bytes(data[position + 4 : position + 7]) | data[position + 7] << 24
        yield data[position], time_ms, data[position + 11 : position + 11 + size]
        position += 11 + size + 4


def flv_tag(kind: int, time_ms: int, data: bytes) -> bytes:
    head = bytes([kind]) + len(data).to_bytes(3) + (time_ms & 0xFFFFFF).to_bytes(3)
    tag = head + bytes([time_ms >> 24, 0, 0, 0]) + data
    return tag + len(tag).to_bytes(4)


def joined_mkv(ffmpeg: str, folder: Path) -> Path:
    """Parameter sets in band, and at the beginning of each part alone."""
    stream = b""
    for part in parts(ffmpeg, folder, "h264"):
        seen = set()
        for unit in re.split(b"\0\0\0\1|\0\0\1", part)[1:]:
            kind = unit[0] & 31
            if kind not in seen:
                stream += b"\0\0\0\1" + unit
            if kind in (7, 8):
                seen.add(kind)
    (folder / "joined.h264").write_bytes(stream)
    joined = folder / "joined.mkv"
    copy = ["-r", "25", "-i", str(folder / "joined.h264"), "-c", "copy"]
    subprocess.run([ffmpeg, "-v", "error", *copy, str(joined)], check=True)
    return joined


def joined_mp4(ffmpeg: str, folder: Path) -> Path:
    """One track with two sample descriptions, as ``MP4Box -cat`` makes it."""
    descriptions, samples = [], []
    for part in parts(ffmpeg, folder, "mp4"):
        table = inside(part, b"moov", b"trak", b"mdia", b"minf", b"stbl")
        descriptions.append(inside(table, b"stsd")[8:])
        count, *sizes = numbers(inside(table, b"stsz")[8:])
        (first, *_) = numbers(inside(table, b"stco")[8:12])
        assert len(sizes) == count == FRAMES
        samples.append(
            [part[first + sum(sizes[:k]) : first + sum(sizes[: k + 1])] for k in range(count)]
        )
    joined = folder / "joined.mp4"
    joined.write_bytes(_mp4(descriptions, samples))
    return joined


def _mp4(descriptions: list[bytes], samples: list[list[bytes]]) -> bytes:
    sizes = [len(sample) for part in samples for sample in part]
    count = len(sizes)
    kind = box(b"ftyp", b"isom", words(512), b"isommp41")
    first = len(kind) + 8
    offsets = [first, first + sum(sizes[:FRAMES])]
    table = box(
        b"stbl",
        full_box(b"stsd", words(2), *descriptions),
        full_box(b"stts", words(1, count, 1)),
        full_box(b"stss", words(count // 25, *range(1, count + 1, 25))),
        full_box(b"stsc", words(2, 1, FRAMES, 1, 2, FRAMES, 2)),
        full_box(b"stsz", words(0, count, *sizes)),
        full_box(b"stco", words(2, *offsets)),
    )
    matrix = words(65536, 0, 0, 0, 65536, 0, 0, 0, 0x40000000)
    reference = box(b"dinf", full_box(b"dref", words(1), box(b"url ", words(1))))
    media = box(
        b"mdia",
        full_box(b"mdhd", words(0, 0, 25, count), b"\x55\xc4\0\0"),
        full_box(b"hdlr", words(0), b"vide", bytes(12), b"v\0"),
        box(b"minf", box(b"vmhd", words(1), bytes(8)), reference, table),
    )
    head = words(7, 0, 0, 1, 0, count * 40)
    track = box(b"trak", box(b"tkhd", head, bytes(16), matrix, words(160 << 16, 120 << 16)), media)
    movie = full_box(
        b"mvhd", words(0, 0, 1000, count * 40, 65536), b"\1", bytes(11), matrix, bytes(24), words(2)
    )
    data = box(b"mdat", *(sample for part in samples for sample in part))
    return kind + data + box(b"moov", movie, track)


def words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def numbers(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(data) // 4}I", data[: len(data) // 4 * 4])


def box(kind: bytes, *content: bytes) -> bytes:
    return words(8 + sum(map(len, content))) + kind + b"".join(content)


def full_box(kind: bytes, *content: bytes) -> bytes:
    return box(kind, bytes(4), *content)


def inside(data: bytes, *path: bytes) -> bytes:
    """The content of the first box on a path."""
    for name in path:
        position = 0
        while data[position + 4 : position + 8] != name:
            position += int.from_bytes(data[position : position + 4])
        data = data[position + 8 : position + int.from_bytes(data[position : position + 4])]
    return data


def tables_first_avi(ffmpeg: str, folder: Path) -> Path:
    """Motion JPEG whose quantisation tables stand in the first picture alone (T.81's B.4)."""
    stream = made(ffmpeg, folder / "all.mjpeg", "-c:v mjpeg -q:v 4 -pix_fmt yuvj420p -f mjpeg")
    first, *others = [b"\xff\xd8" + picture for picture in stream.split(b"\xff\xd8")[1:]]
    (folder / "first.mjpeg").write_bytes(first + b"".join(map(_without_tables, others)))
    avi = folder / "tables_first.avi"
    copy = ["-f", "mjpeg", "-framerate", "25", "-i", str(folder / "first.mjpeg"), "-c", "copy"]
    subprocess.run([ffmpeg, "-v", "error", *copy, str(avi)], check=True)
    return avi


def _without_tables(picture: bytes) -> bytes:
    kept, position = picture[:2], 2
    while picture[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(picture[position + 2 : position + 4])
        if picture[position + 1] != 0xDB:
            kept += picture[position:end]
        position = end
    return kept + picture[position:]


def started_late(stream: bytes, *, eighths: int) -> bytes:
    """A transport stream from a packet in its midst."""
    return stream[len(stream) * eighths // 8 // 188 * 188 :]
