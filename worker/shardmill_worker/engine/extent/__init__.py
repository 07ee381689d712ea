"""What a container declares of its own extent, and whether a file has less than that.

libav reads what there is of a file and seldom says that more should have come.  A format can
declare its extent in three ways: a size in its header (``sizes``), a mark that ends every file
(``marks``), or the size of each of its parts, the last of which is incomplete (``parts``).

Every number read here is hostile.  What a streaming writer leaves open (0, -1, "unknown") declares
nothing, and what follows the declared end is of no interest.  The readers take a few reads of the
head and the tail of a file; they walk through it only where each of its parts is small and rare.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from shardmill.contract.errors import Corrupt
from shardmill_worker.engine.extent import marks, parts, sizes
from shardmill_worker.engine.input_file import InputFile
from shardmill_worker.engine.source import EndOfBytes, Source

_Look = Callable[[Source], str | None]
"""Returns what a file lacks, in words, or None; raises ``EndOfBytes`` if its head is too short."""

_LOOKS: Final[Mapping[str, tuple[_Look, ...]]] = MappingProxyType(
    {
        "apng": (marks.apng,),
        "asf": (sizes.asf,),
        "avi": (sizes.avi, marks.amv),
        "bink": (sizes.bink,),
        "dirac": (marks.dirac,),
        "dv": (parts.dv,),
        "flic": (sizes.flic,),
        "flv": (sizes.flv, parts.flv),
        "gif": (marks.gif,),
        "gxf": (marks.gxf,),
        "matroska,webm": (sizes.matroska,),
        "mjpeg": (marks.mjpeg,),
        "mov,mp4,m4a,3gp,3g2,mj2": (sizes.iso_bmff,),
        "mpeg": (parts.mpeg_ps,),
        "mpegts": (parts.mpeg_ts,),
        "mxf": (sizes.mxf,),
        "nsv": (sizes.nsv,),
        "obu": (parts.obu,),
        "ogg": (marks.ogg,),
        "rm": (sizes.real_media,),
        "roq": (parts.roq,),
        "yuv4mpegpipe": (parts.yuv4mpeg,),
    }
)
"""By the name that FFmpeg gives a container."""


def cut_off(file: InputFile, format_name: str) -> Corrupt | None:
    """Return the damage of a file that is shorter than its container declares, None if none shows.

    Args:
        file: The open file.
        format_name: Its container, as FFmpeg names it.
    """
    for look in _LOOKS.get(format_name, ()):
        with suppress(EndOfBytes):
            if (lack := look(Source(file.pread, file.size_bytes))) is not None:
                return Corrupt(f"The file is cut off: {lack}.")
    return None
