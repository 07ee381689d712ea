"""Files that libav must not open, cannot decode, or would decode to something else without a word.

The first bytes identify them.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import av

from shardmill.contract.errors import Encrypted, Forbidden, Unsupported
from shardmill.contract.schema import Item
from shardmill_worker.engine.faults import check_pixels
from shardmill_worker.engine.formats.png import is_apple_png, png_size
from shardmill_worker.engine.formats.tiff import refuse_tiff
from shardmill_worker.engine.input_file import InputFile

_STARTS_OF_POINTERS: Final = (b"#EXTM3U", b"ffconcat", b"v=0", b"[playlist]")
_OTHER_KINDS: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        b"\x1f\x8b": "gzip data",
        b"\x28\xb5\x2f\xfd": "Zstandard data",
        b"\xfd7zXZ\0": "xz data",
        b"BZh": "bzip2 data",
        b"7z\xbc\xaf\x27\x1c": "a 7z archive",
        b"Rar!\x1a\x07": "a RAR archive",
        b"PK\x03\x04": "a zip archive",
        b"%PDF-": "a PDF",
        b"\x89HDF\r\n": "an HDF5 file",
        b"\x93NUMPY": "a numpy array",
        b"icns": "an Apple icon",
        b"Image type: ": "an IM picture",
        b"\x28\0\0\0": "a bitmap without a file header",
    }
)
"""How files begin that are sound, and nothing that libav could know."""
_NOT_IN_TEXT: Final = frozenset(range(32)) - frozenset(b"\t\n\f\r\x1b")
_IS_ENCRYPTED: Final = re.compile(rb"ftyp.*stsd.{12}encv.*sinf", re.DOTALL)
"""An MP4 file whose video needs a key; libav refuses some of them without a word about it."""
_HEAD_BYTES: Final = 4096
_JPEG_XL_STARTS: Final = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_DECODES_JPEG_XL: Final = bool({"jpegxl", "libjxl"} & av.codecs_available)
_JPEG_2000: Final = b"\0\0\0\x0cjP  "
_CMYK_JPEG_2000: Final = re.compile(rb"colr\x01..\0\0\0\x0c", re.DOTALL)
"""ISO/IEC 15444-1 I.5.3.3: enumerated colour space 12."""
_GREY_TGAS: Final = (b"\3", b"\x0b")
"""Image types of the TGA specification, table 2.1."""


def refuse_by_header(file: InputFile, item: Item) -> None:
    """Raise for pictures of which libav would only say that they are broken, or make others.

    Raises:
        Unsupported: There is no decoder for it.
        TooLarge: It claims too many pixels.
    """
    head = file.pread(_HEAD_BYTES, 0)
    if not _DECODES_JPEG_XL and head.startswith(_JPEG_XL_STARTS):
        raise Unsupported("The file is a JPEG XL picture, for which there is no decoder.")
    if is_apple_png(head):
        raise Unsupported("The file is a PNG in Apple's own form, which FFmpeg cannot decode.")
    width, height = png_size(head) or (0, 0)
    check_pixels(width, height)
    refuse_tiff(head, file.pread)
    if item.path.lower().endswith(".tga") and head[2:3] in _GREY_TGAS and head[16:17] == b"\x10":
        raise Unsupported("The file is a TGA of grey and alpha, which FFmpeg takes for colours.")
    if head.startswith(_JPEG_2000) and _CMYK_JPEG_2000.search(head):
        raise Unsupported("The file is a JPEG 2000 in CMYK, which FFmpeg takes for RGB.")


def refuse_by_content(file: InputFile) -> None:
    """Raise for what only demuxers that are left out would take, needs a key, or is another kind.

    Raises:
        Forbidden: The file names others.
        Encrypted: Its video needs a key.
        Unsupported: It is no video and no picture.
    """
    head = file.pread(_HEAD_BYTES, 0)
    if b"<MPD" in head or head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_STARTS_OF_POINTERS):
        raise Forbidden("The file is a playlist or a description that names other files.")
    if not _NOT_IN_TEXT.intersection(head):
        raise Unsupported("The file is text, not video or image.")
    if _IS_ENCRYPTED.search(head):
        raise Encrypted("The video is encrypted.")
    known = next((what for start, what in _OTHER_KINDS.items() if head.startswith(start)), None)
    if known is not None:
        raise Unsupported(f"The file is {known}, not a video or image that FFmpeg reads.")
