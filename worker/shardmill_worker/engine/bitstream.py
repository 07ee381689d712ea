"""What a packet's own bits say about how far it depends on others, without decoding it.

A container's keyframe flag may lie, or mean no more than that decoding may begin to recover.
So a codec is understood here, or its streams are decoded from beginning to end: nothing is
skipped on trust.  Sources: ITU-T H.264 7.3 and H.265 7.3, ISO/IEC 14496-15 5.3.3 and 8.3.3,
RFC 6386 9.1 (VP8), the VP9 bitstream specification 6.2 and its annex B, the AV1 one 5.3 to 5.9.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import av
from av.video.codeccontext import VideoCodecContext
from msgspec import Struct


class Role(Struct, frozen=True):
    """A packet's part among the others."""

    start: bool
    """What is shown from here on needs nothing from before."""
    spare: bool
    """No other picture needs it."""


Inspector = Callable[[bytes], Role | None]
"""Tells a packet's role; None if the stream breaks the rule of one shown picture a packet, or
does what is not understood here."""

_START: Final = Role(start=True, spare=False)
_NEEDED: Final = Role(start=False, spare=False)
_SPARE: Final = Role(start=False, spare=True)
_ALONE: Final = Role(start=True, spare=True)
_SLICE_HEAD_BYTES: Final = 256
"""More than the header of a keyframe's slice takes, be it cut for hundreds of threads."""
_VPX_HEAD_BYTES: Final = 1024
"""More than a VP8 or VP9 frame's headers take as a rule; what is beyond changes no fact."""


def inspector_of(context: VideoCodecContext) -> Inspector | None:
    """Return what tells the roles of a stream's packets; None for a codec not understood."""
    if context.codec.intra_only:
        return lambda _: _ALONE
    name, header = context.codec.canonical_name, bytes(context.extradata or b"")
    if name == "h264":
        return _h264(header)
    if name == "hevc":
        return _hevc(header)
    return {"vp8": _vp8, "vp9": _vp9, "av1": _av1}.get(name)


def head_of(context: VideoCodecContext, packet: "av.Packet[Any]") -> bytes | None:
    """Return a packet whose picture is left out, as far as its codec is understood.

    A decoder tells of it what it would tell of the whole, size, format, colours and orientation,
    and is spared the picture itself, which would be nearly all the work.

    Returns:
        None for a codec that is not understood, and where there is nothing to leave out.
    """
    name, header = context.codec.canonical_name, bytes(context.extradata or b"")
    if name == "h264":
        return _up_to_slice(packet, _h264_length_bytes(header), _is_h264_slice)
    if name == "hevc":
        return _up_to_slice(packet, _hevc_length_bytes(header), _is_hevc_slice)
    if name in ("vp8", "vp9") and packet.size > _VPX_HEAD_BYTES:
        # Of zeros the arithmetic decoder makes the largest blocks, with nothing in them.
        return bytes(packet)[:_VPX_HEAD_BYTES] + bytes(packet.size - _VPX_HEAD_BYTES)
    return None


def _up_to_slice(
    packet: "av.Packet[Any]", length_bytes: int, is_slice: Callable[[bytes], bool]
) -> bytes | None:
    """Return the NAL units up to the first slice, which is cut short behind its header."""
    kept: list[bytes] = []
    for unit in _units(bytes(packet), length_bytes):
        last = unit[:1] != b"" and is_slice(unit)
        part = unit[:_SLICE_HEAD_BYTES] if last else unit
        kept += [len(part).to_bytes(length_bytes) if length_bytes else b"\0\0\1", part]
        if last:
            return b"".join(kept)
    return None


def _is_h264_slice(unit: bytes) -> bool:
    return unit[0] & 31 in (_H264_SLICE, _H264_IDR)


def _is_hevc_slice(unit: bytes) -> bool:
    return unit[0] >> 1 & 63 <= _HEVC_LAST_SLICE


def _h264_length_bytes(header: bytes) -> int:
    return (header[4] & 3) + 1 if len(header) > 6 and header[0] == 1 else 0


def _hevc_length_bytes(header: bytes) -> int:
    is_boxed = len(header) > 22 and header[:3] not in (b"\0\0\0", b"\0\0\1")
    return (header[21] & 3) + 1 if is_boxed else 0


def _units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """Yield NAL units: each after its length, or after a start code if that takes 0 bytes."""
    if not length_bytes:
        begin = data.find(b"\0\0\1")
        while begin >= 0:
            end = data.find(b"\0\0\1", begin + 3)
            yield data[begin + 3 : end if end >= 0 else None]
            begin = end
        return
    position = 0
    while position + length_bytes < len(data):
        begin = position + length_bytes
        position = begin + int.from_bytes(data[position:begin])
        yield data[begin:position]


_H264_SLICE, _H264_IDR, _H264_SEI, _H264_SPS = 1, 5, 6, 7
_H264_KNOWN: Final = frozenset({_H264_SLICE, _H264_IDR, _H264_SEI, _H264_SPS, 8, 9, 10, 11, 12, 13})


def _h264(header: bytes) -> Inspector | None:
    """Start at IDR pictures alone; a picture that is no reference is spare."""
    length_bytes = _h264_length_bytes(header)
    parameters = _avcc_parameters(header) if length_bytes else list(_units(header, 0))
    if any(unit[:1] and unit[0] & 31 == _H264_SPS and _has_fields(unit) for unit in parameters):
        return None

    def inspect(data: bytes) -> Role | None:
        is_slice = is_reference = is_idr = False
        for unit in _units(data, length_bytes):
            kind = unit[0] & 31 if unit else 0
            if kind not in _H264_KNOWN or (kind == _H264_SPS and _has_fields(unit)):
                return None
            if kind in (_H264_SLICE, _H264_IDR):
                is_slice = True
                is_idr |= kind == _H264_IDR
                is_reference |= unit[0] & 0x60 > 0
        if not is_slice:
            return None
        return _START if is_idr else _NEEDED if is_reference else _SPARE

    return inspect


def _avcc_parameters(header: bytes) -> list[bytes]:
    """Return the sequence parameter sets of an avcC box."""
    units, position = [], 6
    for _ in range(header[5] & 31):
        begin = position + 2
        position = begin + int.from_bytes(header[position:begin])
        units.append(header[begin:position])
    return units


class _Bits:
    """Reads numbers from bits; past the end all bits are 0."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data)
        self._left = 8 * len(data)

    def u(self, count: int) -> int:
        """Return an unsigned number of so many bits."""
        self._left -= count
        if self._left < 0:
            return 0
        return (self._value >> self._left) & ((1 << count) - 1)

    def ue(self) -> int:
        """Return an unsigned Exp-Golomb number."""
        zeros = 0
        while self._left > 0 and not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Return a signed Exp-Golomb number."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


_WITH_CHROMA_FORMAT: Final = frozenset(
    {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}
)
"""Profiles whose parameter sets tell the chroma format."""
_SPS_BYTES: Final = 4096
"""More than any parameter set needs; what is longer is hostile."""


def _has_fields(unit: bytes) -> bool:
    """Return whether an H.264 sequence parameter set allows pictures of single fields.

    A stream of them may spread one shown picture over two packets.
    """
    bits = _Bits(unit[1:_SPS_BYTES].replace(b"\0\0\3", b"\0\0"))
    profile = bits.u(8)
    bits.u(16)
    bits.ue()
    if profile in _WITH_CHROMA_FORMAT:
        chroma = bits.ue()
        bits.u(1 if chroma == 3 else 0)
        bits.ue(), bits.ue(), bits.u(1)
        if bits.u(1):
            for number in range(12 if chroma == 3 else 8):
                if bits.u(1):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    bits.ue()
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1), bits.se(), bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()
    bits.ue(), bits.u(1), bits.ue(), bits.ue()
    return not bits.u(1)


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


_HEVC_LAST_SLICE: Final = 31
_HEVC_IRAP: Final = range(16, 22)
_HEVC_LAST_SUB_LAYER: Final = 14
_HEVC_ONE_LAYER: Final = 1


def _hevc(header: bytes) -> Inspector:
    """Start at intra random access points; spare are sub-layer non-reference pictures.

    These may yet be needed by a higher sub-layer, so none is spare unless there is but one.
    """
    length_bytes = _hevc_length_bytes(header)
    one_layer = length_bytes > 0 and header[21] >> 3 & 7 == _HEVC_ONE_LAYER

    def inspect(data: bytes) -> Role | None:
        kinds = {
            unit[0] >> 1 & 63
            for unit in _units(data, length_bytes)
            if len(unit) > 1 and not (unit[0] & 1 or unit[1] >> 3)  # of the base layer
        }
        slices = [kind for kind in kinds if kind <= _HEVC_LAST_SLICE]
        if not slices:
            return None
        if all(kind in _HEVC_IRAP for kind in slices):
            return _START
        spare = one_layer and all(k <= _HEVC_LAST_SUB_LAYER and k % 2 == 0 for k in slices)
        return _SPARE if spare else _NEEDED

    return inspect


def _vp8(data: bytes) -> Role | None:
    if not data or not data[0] & 0x10:  # not shown
        return None
    return _NEEDED if data[0] & 1 else _START


def _vp9(data: bytes) -> Role | None:
    """A superframe holds several frames, of which one is shown."""
    heads = [_vp9_head(frame) for frame in _vp9_frames(data)]
    if sum(shown for _, shown in heads) != 1:
        return None
    return _START if heads[0][0] else _NEEDED


def _vp9_frames(data: bytes) -> list[bytes]:
    marker = data[-1] if data else 0
    count, width = (marker & 7) + 1, (marker >> 3 & 3) + 1
    index = 2 + count * width
    if marker & 0xE0 != 0xC0 or len(data) < index or data[-index] != marker:
        return [data]
    sizes = data[1 - index : -1]
    frames, begin = [], 0
    for number in range(count):
        end = begin + int.from_bytes(sizes[number * width : (number + 1) * width], "little")
        frames.append(data[begin:end])
        begin = end
    return frames


def _vp9_head(frame: bytes) -> tuple[bool, bool]:
    """Return whether a frame is a keyframe, and whether it is shown."""
    bits = _Bits(frame[:2])
    bits.u(2)
    profile = bits.u(1) + 2 * bits.u(1)
    bits.u(1 if profile == 3 else 0)
    if bits.u(1):  # shows a frame that was decoded before
        return False, True
    inter, shown = bits.u(1), bits.u(1)
    return not inter, bool(shown)


_AV1_SEQUENCE, _AV1_FRAME_HEADER, _AV1_FRAME = 1, 3, 6


def _av1(data: bytes) -> Role | None:
    """A temporal unit shows one frame; it is a start if its first frame is a shown keyframe.

    The sequence header must be with it: a decoder that begins here has seen none.
    """
    position, has_sequence = 0, False
    while position < len(data):
        head = data[position]
        position += 2 if head & 4 else 1
        size = 0
        if not head & 2:
            size = len(data) - position
        else:
            for shift in range(0, 56, 7):
                byte = data[position] if position < len(data) else 0
                position += 1
                size |= (byte & 0x7F) << shift
                if not byte & 0x80:
                    break
        kind = head >> 3 & 15
        if kind == _AV1_SEQUENCE:
            # A reduced header, that of still pictures, has other frame headers.
            if len(data) > position and data[position] & 0x08:
                return None
            has_sequence = True
        elif kind in (_AV1_FRAME_HEADER, _AV1_FRAME):
            first = data[position] if position < len(data) else 0x80
            return _START if has_sequence and first & 0xF0 == 0x10 else _NEEDED
        position += size
    return None
