"""Row 9: how fast windows of 64 frames are read, beside other ways to have them.

python benchmarks/windows.py

From clips of 300 frames, 340x256, H.264, and from what each peer reads.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from media import KINETICS, make_clip
from numpy.typing import NDArray
from program import Bench, layout_key, options, parser, publish
from record import Aim, Record, Table
from side_by_side import Contender, Result, Unequal, best, race

import shardmill
from shardmill.read import Clip, ClipDataset, open_shards
from shardmill_worker.engine.shards.example import Example

FRAMES, WINDOW = 300, 64
WIDTH, HEIGHT = 160, 120
GOPS = {"a keyframe a second": 30, "one keyframe a clip": 300}


@dataclass(frozen=True, slots=True)
class Material:
    """The same clips in every form."""

    root: Path
    clips: int

    def videos(self, gop: int) -> Path:
        return self.root / f"gop{gop}"

    @property
    def out(self) -> Path:
        return self.root / "out"

    def loose(self, clip: Clip) -> Path:
        return self.root / "loose" / Path(clip.path).stem

    def array(self, clip: Clip) -> Path:
        return self.root / "npy" / (Path(clip.path).stem + ".npy")

    def make(self) -> None:
        """Make what is not there yet."""
        for gop in GOPS.values():
            if not self.videos(gop).is_dir():
                make_videos(self.videos(gop), clips=self.clips, gop=gop)
        spec = shardmill.Spec(size=f"{WIDTH}x{HEIGHT}")
        shardmill.run(self.videos(min(GOPS.values())), out=self.out, spec=spec)
        if not (self.root / "npy").is_dir():
            (self.root / "npy").mkdir()
            for clip in open_shards(self.out):
                np.save(self.array(clip), clip.frames())
                self.loose(clip).mkdir(parents=True)
                shard = Path(clip.file).read_bytes()
                for number, (start, stop) in enumerate(clip.entry.frames.spans()):
                    (self.loose(clip) / f"{number:05}.jpg").write_bytes(shard[start:stop])


def make_videos(directory: Path, *, clips: int, gop: int) -> None:
    """Write clips that have so many frames from one keyframe to the next."""
    directory.mkdir(parents=True)
    style = replace(KINETICS, gops=(gop,))
    for number in range(clips):
        make_clip(directory / f"{number:03}.mp4", style, number)


@dataclass(frozen=True, slots=True)
class Draws:
    """Which window each piece of work is: the same for all contenders."""

    clips: list[Clip]

    def __call__(self, piece: int) -> tuple[Clip, int]:
        rng = np.random.default_rng(piece)
        clip = self.clips[int(rng.integers(len(self.clips)))]
        return clip, int(rng.integers(len(clip) - WINDOW + 1))


def without_video(material: Material, draws: Draws) -> Iterator[Contender]:
    """Yield the ways to have frames that were written before."""
    dataset = ClipDataset(material.out, window=WINDOW)
    starts = dataset.spots(np.arange(len(dataset)), epoch=0).start
    names = (clip.clip_id for clip in dataset.clips)
    first_windows = dict(zip(names, np.flatnonzero(starts == 0).tolist(), strict=True))

    def ours(piece: int) -> NDArray[np.uint8]:
        clip, start = draws(piece)
        return dataset[first_windows[clip.clip_id] + start]["frames"]

    def example(piece: int) -> NDArray[np.uint8]:
        clip, start = draws(piece)
        with open(clip.file, "rb") as file:
            file.seek(clip.entry.record_offset)
            record = file.read(clip.entry.record_length)[12:-4]
        jpegs = Example.FromString(record).features.feature["frames"].bytes_list.value
        return pictures(np.frombuffer(jpeg, np.uint8) for jpeg in jpegs[start : start + WINDOW])

    def loose(piece: int) -> NDArray[np.uint8]:
        clip, start = draws(piece)
        names = (material.loose(clip) / f"{start + i:05}.jpg" for i in range(WINDOW))
        return np.stack([cv2.cvtColor(cv2.imread(str(n)), cv2.COLOR_BGR2RGB) for n in names])

    def mapped(piece: int) -> NDArray[np.uint8]:
        clip, start = draws(piece)
        return np.array(np.load(material.array(clip), mmap_mode="r")[start : start + WINDOW])

    yield Contender("shardmill, TFRecord of JPEG", ours)
    yield Contender("TFRecord, the whole example parsed (protobuf, OpenCV)", example)
    yield Contender("loose JPEG files (OpenCV)", loose)
    yield Contender("raw .npy, memory-mapped", mapped)


def pictures(encoded: Iterator[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Decode JPEGs as OpenCV's users do."""
    decoded = (cv2.imdecode(data, cv2.IMREAD_COLOR) for data in encoded)
    return np.stack([cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) for picture in decoded])


def from_video(videos: Path, draws: Draws) -> Iterator[Contender]:
    """Yield the ways to seek in the source, by those that are installed."""
    yield from from_decord(videos, draws)
    yield from from_torchcodec(videos, draws)


def from_decord(videos: Path, draws: Draws) -> Iterator[Contender]:
    try:
        import decord
    except ImportError:
        return

    def reader(path: str, threads: int) -> Any:
        return decord.VideoReader(path, width=WIDTH, height=HEIGHT, num_threads=threads)

    kept = cache(reader)

    def way(open_reader: Any, threads: int) -> Any:
        def window(piece: int) -> NDArray[np.uint8]:
            clip, start = draws(piece)
            video = open_reader(str(videos / clip.path), threads)
            return video.get_batch(range(start, start + WINDOW)).asnumpy()

        return window

    yield Contender("decord, opened each time", way(reader, 0))
    yield Contender("decord, one thread, kept open", way(kept, 1))


def from_torchcodec(videos: Path, draws: Draws) -> Iterator[Contender]:
    try:
        import torch
        from torchcodec.decoders import VideoDecoder
        from torchcodec.transforms import Resize
    except (ImportError, OSError):
        return
    torch.set_num_threads(1)

    def reader(path: str, mode: str) -> Any:
        return VideoDecoder(
            path,
            dimension_order="NHWC",
            num_ffmpeg_threads=1,
            seek_mode=mode,
            transforms=[Resize((HEIGHT, WIDTH))],
        )

    kept = cache(reader)

    def way(open_reader: Any, mode: str) -> Any:
        def window(piece: int) -> NDArray[np.uint8]:
            clip, start = draws(piece)
            video = open_reader(str(videos / clip.path), mode)
            return video.get_frames_in_range(start, start + WINDOW).data.numpy()

        return window

    yield Contender("torchcodec, opened each time", way(reader, "exact"))
    yield Contender("torchcodec, approximate, kept open", way(kept, "approximate"))


def check_alike(contenders: list[Contender], *, tolerance: float) -> None:
    """Stop if a contender does not give the frames that the first gives."""
    expected = np.asarray(contenders[0].do(0), np.float32)
    for contender in contenders[1:]:
        found = np.asarray(contender.do(0), np.float32)
        apart = float(np.abs(found - expected).mean())
        if found.shape != expected.shape or apart > tolerance:
            raise Unequal(f"{contender.name} gives other frames: {found.shape}, {apart:.1f}")


def loaders(out: Path, *, rounds: int, windows: int) -> list[Result]:
    """Return what one loader process takes beside two."""
    with ProcessPoolExecutor(1) as one, ProcessPoolExecutor(2) as two:

        def way(pool: ProcessPoolExecutor, processes: int) -> Contender:
            each = windows // processes

            def work(piece: int) -> None:
                firsts = (piece * windows + n * each for n in range(processes))
                jobs = [(str(out), first, each) for first in firsts]
                list(pool.map(read_some, jobs))

            return Contender(f"{processes} x {each} windows", work)

        return race([way(two, 2), way(one, 1)], rounds=rounds)


@cache
def opened(out: str) -> ClipDataset:
    return ClipDataset(out, window=WINDOW)


def read_some(asked: tuple[str, int, int]) -> None:
    """Read windows in a loader process."""
    out, first, count = asked
    dataset = opened(out)
    for place in range(first, first + count):
        dataset.at(place % len(dataset), epoch=0)


def measure(bench: Bench) -> Record:
    cv2.setNumThreads(1)
    clips, windows = bench.size(small=4, full=40), bench.size(small=8, full=40)
    material = Material(bench.cache.root / f"windows-{clips}-{layout_key()}", clips)
    material.make()
    draws = Draws(list(open_shards(material.out)))
    written = list(without_video(material, draws))
    check_alike(written, tolerance=12.0)
    title = f"Windows of {WINDOW} frames {WIDTH}x{HEIGHT}, from clips of {FRAMES}"
    results = race(written, rounds=bench.rounds, pieces=windows)
    tables = [Table(title, results, "ms", per="window")]
    aims = [
        Aim("9", "random windows", "the whole example parsed", 1.5, results[1].ratio),
        Aim("9b", "random windows", "loose JPEGs, OpenCV", 2, results[2].ratio),
    ]
    for told, gop in GOPS.items():
        seeking = list(from_video(material.videos(gop), draws))
        check_alike([written[0], *seeking], tolerance=20.0)
        found = race([written[0], *seeking], rounds=bench.rounds, pieces=max(1, windows // 4))
        tables.append(Table(f"Seeking in the video: {told}", found, "ms", per="window"))
        fastest = best(found)
        aims.append(Aim("9c", f"random windows, {told}", fastest.name, 10, fastest.ratio))
    pair = loaders(material.out, rounds=bench.rounds, windows=windows * 4)
    tables.append(Table("Two loader processes and one", pair, "ms", windows * 4, "window"))
    aims.append(Aim("9d", "two loader processes", "one", 1.9, pair[1].ratio))
    return Record(
        name="windows",
        title="Reading windows",
        text=f"Random windows of {WINDOW} frames from {clips} clips of {FRAMES}, one process; "
        "every contender reads the same windows and gives the same pictures but for the scaler.",
        scale=bench.scale,
        tables=tables,
        aims=aims,
        notes=[f"A raw memory-mapped array takes {results[3].ratio:.2f} times our time."],
    )


if __name__ == "__main__":
    given = options(parser(__doc__), small=3, full=9)
    publish(measure(given), given, packages=["protobuf", "decord", "torch", "torchcodec"])
