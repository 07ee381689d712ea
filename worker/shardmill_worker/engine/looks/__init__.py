"""What a video's pictures look like by its codec's own headers: nothing is decoded.

A reader here answers what FFmpeg's decoder would, or raises ``OnlyLibav``: whatever is rare, odd or
in doubt is the decoder's to say.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from shardmill_worker.engine.looks.av1 import av1_look
from shardmill_worker.engine.looks.h264 import h264_look
from shardmill_worker.engine.looks.hevc import hevc_look
from shardmill_worker.engine.looks.look import Look
from shardmill_worker.engine.looks.mjpeg import mjpeg_look
from shardmill_worker.engine.looks.mpeg4 import mpeg4_look
from shardmill_worker.engine.looks.vpx import vp8_look, vp9_look

__all__ = ["LOOKS", "Look"]

LOOKS: Final[Mapping[str, Callable[[bytes, bytes], Look]]] = MappingProxyType(
    {
        "av1": av1_look,
        "h264": h264_look,
        "hevc": hevc_look,
        "mjpeg": lambda _, data: mjpeg_look(data),
        "mpeg4": mpeg4_look,
        "vp8": lambda _, data: vp8_look(data),
        "vp9": lambda _, data: vp9_look(data),
    }
)
"""Codec to the reader of its private header and the beginning of its first packet."""
