"""The first bytes by which a container is known before libav opens it."""

import re
from typing import Final

from shardmill_worker.engine.input_file import InputFile

_CONTAINER: Final = re.compile(
    rb"(?P<mov>.{4}ftyp)|(?P<matroska>\x1a\x45\xdf\xa3)|(?P<avi>RIFF.{4}AVI )|(?P<flv>FLV\x01)"
    rb"|(?P<ogg>OggS\0)|(?P<asf>\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c)",
    re.DOTALL,
)
"""Marks of which libav's own search is as sure as it can be, named after its demuxers."""
_DEMUXERS: Final = {"mov": "mov,mp4,m4a,3gp,3g2,mj2", "matroska": "matroska,webm"}
"""Those of several names, all of which PyAV wants to hear."""
_LITTLE_SAID: Final = re.compile(
    rb"FLV|OggS|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\0\0\x01[\xb3\xba]|(?:.{4})?\x47.{187}(?:.{4})?\x47",
    re.DOTALL,
)
"""FLV, Ogg, ASF, MPEG program streams and bare video, and transport streams."""


def demuxer_by_mark(file: InputFile) -> str | None:
    """Return libav's demuxer of a container, None where its mark leaves a doubt.

    To search, libav asks all its demuxers, which takes as long as opening a small file.
    """
    found = _CONTAINER.match(file.pread(16, 0))
    if found is None or found.lastgroup is None:
        return None
    return _DEMUXERS.get(found.lastgroup, found.lastgroup)


def says_little(file: InputFile) -> bool:
    """Return whether a video's header leaves much open in its format, so that packets decide."""
    return _LITTLE_SAID.match(file.pread(200, 0)) is not None
