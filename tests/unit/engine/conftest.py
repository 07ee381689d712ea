"""A folder of media made on the spot, and what the engine says of it."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import simplejpeg

from engine_work import extract_work
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.contract.spec import Spec
from shardmill.dataset.index import open_index
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest import read_part
from shardmill_worker.engine.extract import extract_batch
from shardmill_worker.engine.probe import probe_item
from shardmill_worker.engine.work import ExtractWork


def grey_steps(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Pictures of one grey each, 10 apart: which is which survives any codec."""
    return [np.full((height, width, 3), 20 + 10 * k, np.uint8) for k in range(count)]


@dataclass
class Extracted:
    """What a batch left behind."""

    work: ExtractWork
    outcomes: list[Outcome]
    advances: int

    @property
    def layout(self) -> Layout:
        return Layout(self.work.out)

    @property
    def rows(self) -> list[Row]:
        return list(read_part(self.work.part_tmp))

    @property
    def clips(self) -> list[dict]:
        return open_index(self.layout.index_of(self.work.shard)).to_pylist()

    def frames(self, clip: int = 0) -> list[bytes]:
        """The encoded frames of a clip, read as a reader would: by the index alone."""
        entry = self.clips[clip]
        with open(self.layout.shard(self.work.shard), "rb") as shard:
            return [
                os.pread(shard.fileno(), length, offset)
                for offset, length in zip(entry["offset"], entry["length"], strict=True)
            ]

    def pictures(self, clip: int = 0) -> list[np.ndarray]:
        """RGB, shape (H, W, 3), of each frame of a clip."""
        entry = self.clips[clip]
        if entry["encoding"] == "raw":
            shape = (entry["height"], entry["width"], 3)
            return [np.frombuffer(data, np.uint8).reshape(shape) for data in self.frames(clip)]
        if entry["encoding"] == "png":
            pictures = [cv2.imdecode(np.frombuffer(d, np.uint8), 1) for d in self.frames(clip)]
            return [bgr[..., ::-1] for bgr in pictures]
        return [simplejpeg.decode_jpeg(data) for data in self.frames(clip)]

    def greys(self, clip: int = 0) -> list[int]:
        """Which of ``grey_steps`` each frame is."""
        return [round((float(p.mean()) - 20) / 10) for p in self.pictures(clip)]


class MediaFolder:
    """An input directory and what becomes of its files."""

    def __init__(self, root: Path, out: Path) -> None:
        self.root = root
        self.out = out

    def write(self, name: str | bytes, data: bytes) -> str:
        path = os.path.join(os.fsencode(self.root), os.fsencode(name))
        with open(path, "wb") as file:
            file.write(data)
        return os.fsdecode(name)

    def video(self, name: str, pictures: Sequence[np.ndarray], **settings) -> str:
        return self.write(name, encoded_video(pictures, suffix=Path(name).suffix, **settings))

    def item(self, name: str, **changes) -> Item:
        found = os.stat(os.path.join(self.root, name))
        known = {"path": name, "size_bytes": found.st_size, "mtime_ns": found.st_mtime_ns}
        return Item(**known | changes)

    def probe(self, name: str) -> Facts:
        return probe_item(str(self.root), self.item(name))

    def extract(self, *items: str | Item, facts: Sequence[Facts] = (), **options) -> Extracted:
        """Extract items; ``facts`` are asked for unless they are given."""
        items = tuple(self.item(i) if isinstance(i, str) else i for i in items)
        facts = facts or [probe_item(str(self.root), item) for item in items]
        return self.run(extract_work(self.root, self.out, items, facts, Spec(**options)))

    @staticmethod
    def run(work: ExtractWork) -> Extracted:
        beats = []
        outcomes = list(extract_batch(work, lambda: beats.append(1)))
        return Extracted(work, outcomes, len(beats))


@pytest.fixture
def folder(tmp_path) -> MediaFolder:
    root, out = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    return MediaFolder(root, out)


def encoded_video(
    pictures: Sequence[np.ndarray],
    *,
    suffix: str = ".mkv",
    codec: str = "ffv1",
    rate: Fraction | int = 10,
    pts: Sequence[int] | None = None,
    pix_fmt: str = "yuv420p",
    audio: bool = False,
    tags: dict[str, int] | None = None,
    sample_aspect: Fraction | None = None,
    turn: tuple[float, bool] | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """Encode RGB pictures, shape (H, W, 3).

    Args:
        pts: Times in units of ``1 / (100 * rate)`` s; default one picture per ``1 / rate`` s.
        tags: Attributes of the encoder, ``colorspace`` for instance.
        turn: Degrees counter-clockwise and whether mirrored, for the display matrix.
    """
    buffer = io.BytesIO()
    buffer.name = f"video{suffix}"
    with av.open(buffer, "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = pictures[0].shape[1], pictures[0].shape[0]
        stream.pix_fmt = pix_fmt
        tick = Fraction(1, 1) / rate / (1 if pts is None else 100)
        stream.codec_context.time_base = tick
        if sample_aspect:
            stream.codec_context.sample_aspect_ratio = sample_aspect
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        if turn:
            stream.set_display_rotation(turn[0], hflip=turn[1])
        sound = container.add_stream("pcm_s16le", rate=8000) if audio else None
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            space = (tags or {}).get("colorspace")
            frame = frame.reformat(
                format=pix_fmt,
                dst_colorspace={1: 1, 9: 9}.get(space, 5),
                dst_color_range=(tags or {}).get("color_range", 1),
                interpolation="BILINEAR",
            )
            frame.pts = k if pts is None else pts[k]
            frame.time_base = tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 800), np.int16), format="s16", layout="mono"
            )
            silence.sample_rate = 8000
            container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    return buffer.getvalue()


@pytest.fixture
def steps():
    return grey_steps
