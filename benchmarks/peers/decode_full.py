"""Every frame decoded by libavcodec through PyAV, one thread in each process of a pool.

python benchmarks/peers/decode_full.py DIR OUT [--way bare]     the physical limit: nothing is kept
python benchmarks/peers/decode_full.py DIR OUT --way keep --count 16    wanted frames are stored
"""

from collections.abc import Iterator
from pathlib import Path

import av
import clips
import simplejpeg


def decoded(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        yield from container.decode(stream)


def bare(path: Path, _: clips.Wish) -> Iterator[bytes]:
    for _frame in decoded(path):
        yield b""


def keep(path: Path, wish: clips.Wish) -> Iterator[bytes]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        wanted = set(wish.of(stream.frames, float(stream.average_rate or 30)))
    scaler = av.video.reformatter.VideoReformatter()
    for number, frame in enumerate(decoded(path)):
        if number in wanted:
            small = scaler.reformat(frame, clips.WIDTH, clips.HEIGHT, "rgb24", interpolation="AREA")
            yield simplejpeg.encode_jpeg(small.to_ndarray(), clips.QUALITY, "RGB", "420")


if __name__ == "__main__":
    clips.main(__doc__, {"bare": (bare, bool), "keep": (keep, bool)})
