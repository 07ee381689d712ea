"""How many cut-off files show: files that ffmpeg makes in every container, cut in thirty places.

``PYTHONPATH=tests python -m correctness.cuts > tests/correctness/cuts.md`` takes a minute.
"""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from correctness.ways import item_of
from made_containers import DECLARED, IN_PARTS, OPEN, container, cuts
from shardmill.contract.errors import ItemError, Skip
from shardmill_worker.engine.count import decode_all
from shardmill_worker.engine.probe import probe_item

PLACES = 30
RECIPES = DECLARED | IN_PARTS | OPEN | {"a.wtv": "-c:v mpeg2video -c:a mp2"}

_HEAD = f"""\
## Cut-off files

A download that broke off, a disk that was full: the file ends before its container says. Files
made by `ffmpeg` are each cut in {PLACES} places: at fixed shares of the length, shortly before the
end, before and within packets, and anywhere. *Shows* counts the cuts after which a file fails.
`probe` reads the head and the tail of a file; `run` and `probe --check` read all of it, so that the
demuxer notices a packet, and the decoder a picture, that is not complete. A file whose cut `probe`
sees is `corrupt` in every command, whatever is asked of it; `--keep-partial` keeps its frames.

A size that a streaming writer leaves open (0 or "unknown") is not declared. What follows the
declared end is ignored. Times and numbers of frames in headers are not believed. The last few bytes
of an index or of padding may be missing where every frame is there. Where a container declares
nothing, a file that is cut between two pictures is a file of fewer pictures, and its last picture
may be incomplete where the decoder does not notice.

`python -m correctness.cuts` measures it, in a minute.
"""


class Row(Struct, frozen=True):
    """A kind of container."""

    kind: str
    declares: str
    checked: str
    files: tuple[str, ...] = ()
    """Names of recipes; none where ffmpeg cannot write the container."""


ROWS = (
    Row(
        "MP4, MOV, 3GP",
        "the size of each box",
        "the last box ends within the file",
        ("index first.mp4", "index last.mp4", "hevc.mp4", "a.mov", "a.3gp"),
    ),
    Row(
        "MP4 in fragments, with `sidx`",
        "the sizes of all segments",
        "the last segment ends within the file",
        ("indexed fragments.mp4",),
    ),
    Row(
        "MP4 in fragments, without",
        "the size of each box, not how many follow",
        "the last box ends within the file",
        ("fragments.mp4",),
    ),
    Row(
        "Matroska, WebM",
        "the size of the segment",
        "the segment ends within the file",
        ("h264.mkv", "ffv1.mkv", "a.webm"),
    ),
    Row(
        "Matroska, WebM, live",
        "the sizes of clusters and blocks",
        "the demuxer's complaint of an incomplete block",
        ("live.mkv",),
    ),
    Row(
        "AVI",
        "the sizes of RIFF and its chunks",
        "the last of them ends within the file",
        ("mpeg4.avi", "raw.avi"),
    ),
    Row("AMV", "an end mark", "it is there", ("a.amv",)),
    Row(
        "FLV",
        "`filesize` in its metadata, if its writer put it there; the size of each tag",
        "both: the file is as long, the last tag is whole",
        ("flv1.flv", "h264.flv"),
    ),
    Row(
        "ASF, WMV",
        "the sizes of its objects, but for broadcasts",
        "the last object ends within the file",
        ("a.wmv", "a.asf"),
    ),
    Row(
        "Ogg",
        "the last page of each stream is marked",
        "the marks of all streams that reach into the last 256 kB",
        ("a.ogv", "vp8.ogv"),
    ),
    Row(
        "MXF",
        "the place of the footer, if it was closed",
        "the elements of the footer end within the file",
        ("mpeg2.mxf", "d10.mxf"),
    ),
    Row("RealMedia", "the sizes of its chunks", "the last ends within the file", ("a.rm",)),
    Row("GXF", "an end-of-stream packet", "it is there", ("a.gxf",)),
    Row("GIF", "a trailer", "it is there", ("a.gif",)),
    Row("APNG", "the chunk `IEND`", "it is there", ("a.apng",)),
    Row("animated WebP", "the size of RIFF", "it ends within the file", ("a.webp",)),
    Row("Bink, FLIC, NSV", "the size of the file", "the file is as long"),
    Row(
        "MPEG-TS, M2TS",
        "the size of each packet",
        "the last packet is whole",
        ("h264.ts", "hevc.ts", "a.m2ts"),
    ),
    Row(
        "MPEG-PS, VOB",
        "the size of each packet; an end code is optional",
        "the last packet is whole",
        ("a.mpg", "a.vob"),
    ),
    Row(
        "DV",
        "the size of a frame",
        "the last frame is whole",
        ("ntsc.dv", "pal.dv", "pal50.dv"),
    ),
    Row("Y4M", "the size of a frame", "the last frame is whole", ("a.y4m", "mono.y4m")),
    Row(
        "IVF",
        "the size of each frame; a number of frames, which some writers take for a time",
        "the demuxer's flag for an incomplete packet",
        ("a.ivf",),
    ),
    Row(
        "NUT",
        "the size of each packet; an index at the end is optional",
        "the demuxer's flag for an incomplete packet",
        ("a.nut",),
    ),
    Row("RoQ", "the size of each chunk", "the last chunk is whole", ("a.roq",)),
    Row("AV1 as bare units", "the size of each unit", "the last unit is whole", ("a.obu",)),
    Row(
        "Dirac, VC-2, bare",
        "an end of sequence, by FFmpeg's encoder behind each picture",
        "the last unit is one",
        ("a.drc",),
    ),
    Row(
        "Motion JPEG, bare",
        "an end mark for each picture",
        "the last picture has one",
        ("a.mjpeg",),
    ),
    Row(
        "H.264, HEVC, MPEG-1, -2 and -4, H.261, H.263, bare",
        "nothing: end codes are optional",
        "nothing; the last picture may be found damaged",
        ("a.h264", "a.hevc", "a.m1v", "a.m2v", "a.m4v", "a.h261", "a.h263"),
    ),
    Row(
        "WTV",
        "nothing, but its directory stands at its end",
        "nothing: without it the file cannot be opened",
        ("a.wtv",),
    ),
    Row(
        "others (SWF, Smacker, Film/CPK, XMV …)",
        "various",
        "nothing but what the demuxer and the decoder notice",
    ),
)


def shows(path: Path, *, check: bool) -> bool:
    """Return whether a file fails when it is probed, or decoded to its end."""
    root, item = str(path.parent), item_of(str(path.parent), path.name)
    try:
        probe_item(root, item, keep_partial=False)
        if check:
            decode_all(root, item, lambda: None)
    except (ItemError, Skip):
        return True
    return False


def places(path: Path) -> list[int]:
    """Return where to cut a file."""
    chance, size = random.Random(path.name), path.stat().st_size
    chosen = cuts(path)
    return chosen + [chance.randrange(64, size) for _ in range(PLACES - len(chosen))]


def measured(row: Row, folder: Path) -> Iterator[int]:
    """Yield how often files were cut, and how often that shows, quickly and to the end."""
    tried = quick = full = 0
    for name in row.files:
        path = folder / name
        data = container("ffmpeg", path, RECIPES[name])
        assert not shows(path, check=True), name
        shorter = folder / f"cut {name}"
        for size in places(path):
            shorter.write_bytes(data[:size])
            tried += 1
            quick += shows(shorter, check=False)
            full += shows(shorter, check=True)
    yield from (tried, quick, full)


def main() -> None:
    print(_HEAD)
    print("| container | declares | checked | cuts | show in `probe` | show in `run`, `--check` |")
    print("| --- | --- | --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for row in ROWS:
            numbers = measured(row, Path(folder)) if row.files else ("", "", "")
            print("|", " | ".join((row.kind, row.declares, row.checked, *map(str, numbers))), "|")


if __name__ == "__main__":
    main()
