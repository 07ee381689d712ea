"""What the benchmarks work on, made once by ffmpeg in a folder that is kept.

Pictures are zooms into the Mandelbrot set, with detail at all scales as nature has it, blended in
videos with testsrc2, whose edges and counters move, and with a little noise in time, as a camera's
sensor has.  Encoders are told to be bit-exact, so that the same ffmpeg makes the same files.  Sets
of many files are hard links to fewer: the page cache then holds them all, and reading from a disk,
the same for every contender, is left out.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PHOTO_SIZES = (
    "500x375",
    "500x333",
    "375x500",
    "500x400",
    "500x500",
    "333x500",
    "640x480",
    "800x600",
)
"""Those of ImageNet's training pictures that are met most, and two of the larger."""
FILES_A_FOLDER = 1000
TINY = 16
"""Side of the smallest pictures, pixels."""
GOPS = (12, 60, 250)


@dataclass(frozen=True, slots=True)
class Clip:
    """How the clips of a set are stored."""

    size: str
    rate: int
    frames: int
    suffix: str
    codec: Sequence[str]
    gops: Sequence[int] = (250,)
    """Frames from one keyframe to the next; clips take turns."""
    sound: Sequence[str] = ()
    """How a tone beside it is stored; empty for none."""


H264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-sc_threshold", "0")
BASE = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "6")
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "4", "-bf", "2", "-f", "mpeg")
VP9 = ("-c:v", "libvpx-vp9", "-b:v", "600k", "-deadline", "realtime", "-cpu-used", "8")
HEVC = ("-c:v", "libx265", "-preset", "veryfast", "-x265-params", "log-level=none:pools=none")
VP8 = ("-c:v", "libvpx", "-b:v", "600k", "-deadline", "realtime", "-cpu-used", "8")
AV1 = ("-c:v", "libaom-av1", "-b:v", "400k", "-usage", "realtime", "-cpu-used", "8")
AAC, OPUS, MP3 = ("-c:a", "aac"), ("-c:a", "libopus"), ("-c:a", "libmp3lame")
UCF11 = Clip("320x240", 30, 200, "mpg", MPEG2, (15,))
KINETICS = Clip("340x256", 30, 300, "mp4", H264)
HD = Clip("1280x720", 30, 300, "mp4", H264, GOPS)
SHORT = (
    Clip("340x256", 30, 150, "mp4", H264),
    Clip("426x240", 25, 125, "mkv", H264),
    Clip("320x240", 24, 96, "webm", VP9),
    Clip("640x360", 30, 90, "mp4", H264),
)
PROBED = {
    "MP4": (
        Clip("340x256", 30, 150, "mp4", H264, sound=AAC),
        Clip("640x360", 30, 90, "mp4", H264),
        Clip("426x240", 25, 100, "mp4", HEVC, sound=AAC),
        Clip("320x240", 24, 48, "mp4", AV1),
    ),
    "MKV": (
        Clip("426x240", 25, 125, "mkv", H264, sound=AAC),
        Clip("340x256", 30, 90, "mkv", H264),
        Clip("426x240", 25, 100, "mkv", HEVC),
    ),
    "WebM": (
        Clip("320x240", 24, 96, "webm", VP9, sound=OPUS),
        Clip("340x256", 30, 90, "webm", VP9),
        Clip("320x240", 25, 75, "webm", VP8),
        Clip("320x240", 24, 48, "webm", AV1, sound=OPUS),
    ),
    "AVI": (
        Clip("320x240", 25, 100, "avi", ("-c:v", "mpeg4", "-vtag", "XVID"), sound=MP3),
        Clip("320x240", 15, 60, "avi", ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p")),
    ),
    "MPEG-PS": (Clip("320x240", 30, 120, "mpg", MPEG2, (15,)),),
    "MPEG-TS": (Clip("340x256", 30, 120, "ts", H264, (30,), AAC),),
    "FLV": (Clip("340x256", 30, 120, "flv", H264, (60,), AAC),),
    "ASF": (Clip("320x240", 25, 100, "wmv", ("-c:v", "wmv2"), sound=("-c:a", "wmav2")),),
    "Ogg": (Clip("320x240", 25, 100, "ogv", ("-c:v", "libtheora"), sound=("-c:a", "libvorbis")),),
}
"""Small clips by their container, as people have them."""
MODERN = ("MP4", "MKV", "WebM")
"""Those that most data sets are made of."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of media; what is there is not made again."""

    root: Path
    made: list[str] = field(default_factory=list)

    def clips(self, name: str, *styles: Clip, distinct: int, count: int = 0) -> Path:
        """Return a folder with ``count`` clips in two classes, links to ``distinct`` ones.

        Styles take turns.
        """
        count = max(count, distinct)
        folder = self.root / f"{name}-{distinct}-{count}-{styles[0].frames}"
        if not folder.is_dir():
            with _Making(folder) as making:
                places: list[Path] = []
                for number in range(count):
                    style = styles[number % distinct % len(styles)]
                    place = making / f"class{number % 2}" / f"clip{number:05}.{style.suffix}"
                    place.parent.mkdir(parents=True, exist_ok=True)
                    if number < distinct:
                        make_clip(place, style, number)
                    else:
                        os.link(places[number % distinct], place)
                    places.append(place)
        return folder

    def photos(self, count: int, *, distinct: int) -> Path:
        """Return a folder with JPEGs of ImageNet's sizes, in folders of a thousand."""
        folder = self.root / f"photos-{distinct}-{count}"
        if not folder.is_dir():
            with _Making(folder) as making:
                sources = making / ".sources"
                for number, size in enumerate(PHOTO_SIZES):
                    (sources / size).mkdir(parents=True)
                    frames = -(-distinct // len(PHOTO_SIZES))
                    zoom = mandelbrot(size, 30, number)
                    words = ("-q:v", "3", "-pix_fmt", "yuvj420p", f"{sources / size}/%05d.jpg")
                    ffmpeg("-i", zoom, "-frames:v", f"{frames}", *words)
                link_pictures(making, sorted(sources.rglob("*.jpg"))[:distinct], count)
                shutil.rmtree(sources)
        return folder

    def tiny_pictures(self, count: int) -> Path:
        """Return a folder with so many JPEGs of 16x16 pixels, links to one a folder."""
        folder = self.root / f"tiny-{count}"
        if not folder.is_dir():
            with _Making(folder) as making:
                source = making.with_suffix(".jpg")
                tiny_picture(source)
                folders = -(-count // FILES_A_FOLDER)
                copies = [source.with_name(f"{source.stem}-{n}.jpg") for n in range(folders)]
                for copy in copies:
                    shutil.copyfile(source, copy)
                link_pictures(making, copies, count, together=FILES_A_FOLDER)
                for copy in [source, *copies]:
                    copy.unlink()
        return folder

    def long_video(self, name: str, style: Clip, *, links: int = 1) -> Path:
        """Return a folder with one long video under several names."""
        folder = self.root / f"{name}-{style.frames}-{links}"
        if not folder.is_dir():
            with _Making(folder) as making:
                base = making / "base.mkv"
                make_clip(base, Clip(style.size, style.rate, 300, "mkv", BASE), 0)
                first = making / f"long0.{style.suffix}"
                ffmpeg(
                    *("-f", "matroska", "-stream_loop", "-1", "-i", str(base)),
                    *("-f", "lavfi", "-i", f"testsrc2=size=160x90:rate={style.rate}"),
                    *("-filter_complex", "[0][1]overlay=x=mod(t*7\\,100):y=20,format=yuv420p"),
                    *_encoder(style, style.gops[0], threads=0),
                    *("-frames:v", str(style.frames), str(first)),
                    lavfi=False,
                )
                base.unlink()
                for number in range(1, links):
                    os.link(first, making / f"long{number}.{style.suffix}")
        return folder


class _Making:
    """A folder that gets its name when it is whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._partial = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")

    def __enter__(self) -> Path:
        self._partial.mkdir(parents=True)
        return self._partial

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._partial.rename(self._folder)
        else:
            shutil.rmtree(self._partial, ignore_errors=True)


def ffmpeg(*words: str, lavfi: bool = True) -> None:
    """Run ffmpeg."""
    source = ("-f", "lavfi") if lavfi else ()
    common = ("ffmpeg", "-nostdin", "-v", "error", "-y", "-filter_complex_threads", "1")
    subprocess.run([*common, *source, *words], check=True)


def mandelbrot(size: str, rate: int, number: int) -> str:
    """Return a zoom into a place of its own, in ffmpeg's words."""
    x, y = -0.7436 - 0.004 * (number % 97), 0.1318 + 0.0007 * (number % 89)
    return (
        f"mandelbrot=size={size}:rate={rate}:start_x={x:.5f}:start_y={y:.5f}"
        ":start_scale=0.4:end_scale=0.02:end_pts=400:maxiter=600"
    )


def tiny_picture(path: Path) -> None:
    """Make a JPEG of 16x16 pixels."""
    zoom = mandelbrot(f"{TINY}x{TINY}", 30, 0)
    ffmpeg("-i", zoom, "-frames:v", "1", "-pix_fmt", "yuvj420p", str(path))


def make_clip(path: Path, style: Clip, number: int) -> None:
    """Make one clip."""
    mix = "[0][1]blend=all_expr='0.7*A+0.3*B'" if number % 2 else "[0][1]blend=all_mode=average"
    noise = f"noise=alls=4:allf=t:all_seed={number}"
    ffmpeg(
        *("-i", mandelbrot(style.size, style.rate, number)),
        *("-f", "lavfi", "-i", f"testsrc2=size={style.size}:rate={style.rate}"),
        *(_tone(style) if style.sound else ()),
        *("-filter_complex", f"{mix},{noise},format=yuv420p"),
        *_encoder(style, style.gops[number % len(style.gops)]),
        *("-frames:v", str(style.frames), str(path)),
    )


def _tone(style: Clip) -> list[str]:
    """Return a tone as the third input, and how it is stored."""
    tone = f"sine=frequency=330:duration={style.frames / style.rate}"
    return ["-f", "lavfi", "-i", tone, *style.sound]


def _encoder(style: Clip, gop: int, *, threads: int = 1) -> list[str]:
    exact = ["-threads", str(threads), "-fflags", "+bitexact", "-flags:v", "+bitexact"]
    return [*style.codec, *exact, "-g", str(gop), "-keyint_min", str(gop)]


def link_pictures(root: Path, sources: list[Path], count: int, *, together: int = 1) -> None:
    """Fill folders with links; ``together`` neighbours are links to the same source."""
    for number in range(count):
        folder = root / f"n{number // FILES_A_FOLDER:06}"
        if number % FILES_A_FOLDER == 0:
            folder.mkdir()
        source = sources[number // together % len(sources)]
        os.link(source, folder / f"{number % FILES_A_FOLDER:03}.jpg")


def warm(folder: Path) -> int:
    """Read a folder's files once, so that no contender pays for the disk; return their size."""
    seen: set[int] = set()
    size = 0
    for path in folder.rglob("*.*"):
        told = path.stat()
        if path.is_file() and told.st_ino not in seen:
            seen.add(told.st_ino)
            size += len(path.read_bytes()) if told.st_size < 1 << 28 else told.st_size
    return size


def count_frames(path: Path) -> int:
    """Return how many frames ffprobe counts in a video."""
    words = ("ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets")
    shown = ("-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", str(path))
    done = subprocess.run([*words, *shown], capture_output=True, text=True, check=True)
    return int(done.stdout.strip().rstrip(","))
