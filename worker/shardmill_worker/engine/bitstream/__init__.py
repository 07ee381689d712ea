"""What a packet's own bits say about how far it depends on others, without decoding it.

A container's keyframe flag may lie, or mean no more than that decoding may begin to recover.
So a codec is understood here, or its streams are decoded from beginning to end: nothing is
skipped on trust.  What a decoder remembers besides pictures, parameter sets and tables, may come
with the first packet, which is always decoded, or with every start; where it changes later
nothing is skipped.
"""

from collections.abc import Callable
from typing import Any, Final

import av
from av.video.codeccontext import VideoCodecContext

from shardmill_worker.engine.bitstream import h264, hevc
from shardmill_worker.engine.bitstream.mjpeg import mjpeg
from shardmill_worker.engine.bitstream.nal import SEI_OF_LOOKS, nal_units, sei_kinds
from shardmill_worker.engine.bitstream.role import ALONE, Inspector, Role
from shardmill_worker.engine.bitstream.vpx import av1, vp8, vp9

__all__ = ["Inspector", "Role", "changes_looks", "head_of", "inspector_of", "is_moved"]

_PICTURES_ALONE: Final = frozenset(
    {"dnxhd", "dpx", "dvvideo", "exr", "ffvhuff", "hap", "hqx", "huffyuv", "jpeg2000", "magicyuv"}
    | {"prores", "r10k", "r210", "rawvideo", "speedhq", "utvideo", "v210", "v308", "v408", "v410"}
)
"""Codecs whose packets are decoded each by itself, with nothing remembered from one to another."""
_SLICE_HEAD_BYTES: Final = 256
"""More than the header of a keyframe's slice takes, be it cut for hundreds of threads."""
_VPX_HEAD_BYTES: Final = 1024
"""More than a VP8 or VP9 frame's headers take as a rule; what is beyond changes no fact."""


def inspector_of(context: VideoCodecContext) -> Inspector | None:
    """Return what tells the roles of a stream's packets; None for a codec not understood."""
    name, header = context.codec.canonical_name, bytes(context.extradata or b"")
    if name in _PICTURES_ALONE:
        return lambda _: ALONE
    if name == "h264":
        return h264.h264(header)
    if name == "hevc":
        return hevc.hevc(header)
    if name == "mjpeg":
        return mjpeg()
    return {"vp8": vp8, "vp9": vp9, "av1": av1}.get(name)


def head_of(context: VideoCodecContext, packet: "av.Packet[Any]") -> bytes | None:
    """Return a packet whose picture is left out, as far as its codec is understood.

    A decoder tells of it what it would tell of the whole, size, format, colours and orientation,
    and is spared the picture itself, which would be nearly all the work.

    Returns:
        None for a codec that is not understood, and where there is nothing to leave out.
    """
    name, header = context.codec.canonical_name, bytes(context.extradata or b"")
    if name == "h264":
        return _up_to_slice(packet, h264.length_bytes(header), h264.is_slice)
    if name == "hevc":
        return _up_to_slice(packet, hevc.length_bytes(header), hevc.is_slice)
    if name in ("vp8", "vp9") and packet.size > _VPX_HEAD_BYTES:
        # Of zeros the arithmetic decoder makes the largest blocks, with nothing in them.
        return bytes(packet)[:_VPX_HEAD_BYTES] + bytes(packet.size - _VPX_HEAD_BYTES)
    return None


def changes_looks(context: VideoCodecContext, packet: "av.Packet[Any]") -> bool:
    """Return whether a packet's messages may change what its picture looks like."""
    name, header = context.codec.canonical_name, bytes(context.extradata or b"")
    if name not in ("h264", "hevc"):
        return False
    codec, head_bytes = (h264, 1) if name == "h264" else (hevc, 2)
    for unit in nal_units(bytes(packet), codec.length_bytes(header)):
        if codec.is_slice(unit):
            return False
        if codec.is_message(unit) and sei_kinds(unit[head_bytes:]) & SEI_OF_LOOKS:
            return True
    return True


def is_moved(header: bytes) -> bool:
    """Return whether a Theora picture does not begin in the corner (Theora specification, 6.2).

    Args:
        header: The stream's headers as FFmpeg holds them, each after its length of two bytes.
    """
    return header[2:9] != b"\x80theora" or header[22:24] != b"\0\0"


def _up_to_slice(
    packet: "av.Packet[Any]", length_bytes: int, is_slice: Callable[[bytes], bool]
) -> bytes | None:
    """Return the NAL units up to the first slice, which is cut short behind its header."""
    kept: list[bytes] = []
    for unit in nal_units(bytes(packet), length_bytes):
        last = is_slice(unit)
        part = unit[:_SLICE_HEAD_BYTES] if last else unit
        kept += [len(part).to_bytes(length_bytes) if length_bytes else b"\0\0\1", part]
        if last:
            return b"".join(kept)
    return None
