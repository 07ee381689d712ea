"""How fast windows of 64 frames are read, beside other ways to have them.

python benchmarks/windows.py race DIR      random windows, against peers that are installed
python benchmarks/windows.py loaders DIR   two loader processes against one
python benchmarks/windows.py open DIR      seconds and memory until a million clips are open

DIR is made and filled: clips of 300 frames, 340x256, H.264, and what each peer reads.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from side_by_side import Contender, machine, race, show

import shardmill
from shardmill.contract import index, manifest
from shardmill.contract.layout import Layout
from shardmill.read import Clip, ClipDataset, open_shards
from shardmill_worker.engine.shards.example import Example

CLIPS, FRAMES, WINDOW = 40, 300, 64
WIDTH, HEIGHT = 160, 120
GOPS = {"a keyframe a second": 30, "one keyframe a clip": 300}
PEERS = ("numpy", "opencv-python-headless", "protobuf", "decord", "torch", "torchcodec")

OPEN = """
import json, resource, sys, time
from shardmill.read import ClipDataset

def private_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1e3

before, began = private_mb(), time.perf_counter()
dataset = ClipDataset(sys.argv[1], window=16)
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
print(json.dumps({
    "windows": len(dataset), "seconds": round(seconds, 3),
    "private_mb_more": round(private_mb() - before, 1), "peak_rss_mb": round(peak, 1),
}))
"""


@dataclass(frozen=True, slots=True)
class Material:
    """The same clips in every form."""

    root: Path

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
                make_videos(self.videos(gop), gop=gop)
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


def make_videos(directory: Path, *, gop: int) -> None:
    """Write clips of a moving Julia set: detail at all scales, as nature has it."""
    directory.mkdir(parents=True)
    for number in range(CLIPS):
        x, y = -0.75 + 0.01 * number, 0.1 + 0.003 * number
        source = f"mandelbrot=size=340x256:rate=30:start_x={x}:start_y={y}:start_scale=0.5"
        subprocess.run(
            [
                *("ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", str(FRAMES)),
                *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", str(gop), "-keyint_min"),
                *(str(gop), "-sc_threshold", "0", str(directory / f"{number:03}.mp4")),
            ],
            check=True,
        )


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
    numbers = {clip.clip_id: number for number, clip in enumerate(dataset.clips)}

    def ours(piece: int) -> NDArray[np.uint8]:
        clip, start = draws(piece)
        return dataset.read(numbers[clip.clip_id], start)["frames"]

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
            path, num_ffmpeg_threads=1, seek_mode=mode, transforms=[Resize((HEIGHT, WIDTH))]
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


def racing(root: str, *, rounds: int, windows: int) -> None:
    """Print how every way compares."""
    cv2.setNumThreads(1)
    material = Material(Path(root))
    material.make()
    draws = Draws(list(open_shards(material.out)))
    print(machine(PEERS))
    written = list(without_video(material, draws))
    check_alike(written, tolerance=12.0)
    title = f"Random windows of {WINDOW} frames {WIDTH}x{HEIGHT}, from clips of {FRAMES}"
    show(title, race(written, rounds=rounds, pieces=windows))
    for told, gop in GOPS.items():
        seeking = list(from_video(material.videos(gop), draws))
        if seeking:
            results = race([written[0], *seeking], rounds=rounds, pieces=max(1, windows // 4))
            show(f"The same by seeking in the source video: {told}", results)


def check_alike(contenders: list[Contender], *, tolerance: float) -> None:
    """Stop if a contender does not give the frames that the first gives."""
    expected = np.asarray(contenders[0].do(0), np.float32)
    for contender in contenders[1:]:
        found = np.asarray(contender.do(0), np.float32)
        apart = float(np.abs(found - expected).mean())
        if found.shape != expected.shape or apart > tolerance:
            raise SystemExit(f"{contender.name} gives other frames: {found.shape}, {apart:.1f}")


def loaders(root: str, *, rounds: int, windows: int) -> None:
    """Print what a second loader process adds."""
    material = Material(Path(root))
    material.make()
    print(machine(PEERS))
    with ProcessPoolExecutor(1) as one, ProcessPoolExecutor(2) as two:

        def way(pool: ProcessPoolExecutor, processes: int) -> Contender:
            each = windows // processes

            def work(piece: int) -> None:
                firsts = (piece * windows + n * each for n in range(processes))
                jobs = [(str(material.out), first, each) for first in firsts]
                list(pool.map(read_some, jobs))

            return Contender(f"{processes} x {each} windows", work)

        results = race([way(two, 2), way(one, 1)], rounds=rounds, pieces=1)
    show("Windows read by two processes and by one", results)


@cache
def opened(out: str) -> ClipDataset:
    return ClipDataset(out, window=WINDOW)


def read_some(asked: tuple[str, int, int]) -> None:
    """Read windows in a loader process."""
    out, first, count = asked
    dataset = opened(out)
    for place in range(first, first + count):
        dataset.at(place % len(dataset), epoch=0)


def make_index(out: str, *, clips: int, shards: int, frames: int) -> None:
    """Write manifest and index, without any shard, of clips that are nowhere."""
    layout = Layout(out)
    layout.make()
    each = clips // shards
    for shard in range(shards):
        name = f"part-{shard:016x}-1.tfrecord"
        ids = [f"{shard * each + clip:016x}" for clip in range(each)]
        edges = pa.array(np.arange(0, (each + 1) * frames, frames), pa.int32())
        values = np.arange(each * frames)
        constant = {"shard": name, "encoding": "jpeg", "width": 160, "height": 120, "crc32c": 0}
        constant |= {"record_offset": 0, "record_length": 1, "label": "class", "label_id": 0}
        columns = {key: [value] * each for key, value in constant.items()}
        columns |= {"clip_id": ids, "path": [f"class/{clip}.mp4" for clip in ids]}
        for field in index.SCHEMA:
            if pa.types.is_list(field.type):
                data = pa.array(values % 2 == 0 if field.name == "keyframe" else values)
                columns[field.name] = pa.ListArray.from_arrays(
                    edges, data.cast(field.type.value_type)
                )
        schema = index.SCHEMA.with_metadata({"shard_bytes": "0", "framing_crc32c": "0"})
        with pa.ipc.new_file(layout.index_of(name), schema) as writer:
            writer.write_table(pa.Table.from_pydict(columns, schema=schema))
        rows = {field.name: pa.nulls(each, field.type) for field in manifest.SCHEMA}
        rows |= {"path": columns["path"], "status": ["ok"] * each, "clip_id": ids}
        rows |= {"shard": columns["shard"], "frames_kept": [frames] * each}
        table = pa.Table.from_pydict(rows, schema=manifest.SCHEMA)
        pq.write_table(table, layout.part(f"{shard:016x}"), compression="zstd")


def opening(out: str, *, clips: int, shards: int, frames: int) -> None:
    """Print what opening costs, three times, each in a fresh process."""
    if not Layout(out).parts():
        make_index(out, clips=clips, shards=shards, frames=frames)
    print(machine(["pyarrow", "numpy"]))
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", OPEN, out], stdout=subprocess.PIPE, check=True)
        told = {"shards": len(Layout(out).parts())} | json.loads(done.stdout)
        print(json.dumps(told | {"process_seconds": round(time.perf_counter() - began, 3)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    modes = parser.add_subparsers(dest="mode", required=True)
    for mode in ("race", "loaders"):
        racers = modes.add_parser(mode)
        racers.add_argument("root")
        racers.add_argument("--rounds", type=int, default=9)
        racers.add_argument("--windows", type=int, default=40, help="a turn")
    many = modes.add_parser("open")
    many.add_argument("out")
    many.add_argument("--clips", type=int, default=1_000_000)
    many.add_argument("--shards", type=int, default=1000)
    many.add_argument("--frames", type=int, default=30)
    options = vars(parser.parse_args())
    {"race": racing, "loaders": loaders, "open": opening}[options.pop("mode")](**options)


if __name__ == "__main__":
    main()
