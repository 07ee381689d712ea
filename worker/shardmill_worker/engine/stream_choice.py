"""Which stream of a file is the video, and why there is none."""

from typing import Final, NoReturn

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from shardmill.contract.errors import Corrupt, Encrypted, Skip, Unsupported
from shardmill_worker.engine.faults import check_pixels

_DRM: Final = frozenset({"ASF_Protection_Type", "ASF_Key_ID"})
"""What an ASF file tells that needs a key."""


def choose_stream(container: InputContainer) -> VideoStream:
    """Return the stream that the ``ffmpeg`` program would choose: the largest, default first.

    Raises:
        ItemError: Its codec is unknown, it needs a key, or it is too large.
        Skip: The file holds sound alone, with or without cover art.
    """
    videos = moving_pictures(container)
    if not videos:
        _explain_no_video(container)
    stream = max(videos, key=_preference)
    if stream.codec_context is None:
        raise Unsupported(
            "The file's header is damaged, or names a codec for which there is no decoder here."
        )
    check_pixels(stream.codec_context.width, stream.codec_context.height)
    needs_key = "enc_key_id" in stream.metadata or _DRM & container.metadata.keys()
    if needs_key or stream.codec_context.codec_tag == "encv":
        raise Encrypted("The video is encrypted.")
    return stream


def _preference(stream: VideoStream) -> tuple[bool, bool, int]:
    """Rank as ``ffmpeg`` does, the largest first; an animated picture before its own still."""
    is_default = bool(stream.disposition & Disposition.default)
    return (
        stream.codec_context is not None,
        stream.frames != 1,
        _area(stream) + 5_000_000 * is_default,
    )


def moving_pictures(container: InputContainer) -> list[VideoStream]:
    """Return the video streams without cover art and without tiles of a larger picture."""
    not_alone = Disposition.attached_pic | Disposition.dependent
    return [s for s in container.streams.video if not s.disposition & not_alone]


def _area(stream: VideoStream) -> int:
    context = stream.codec_context
    return context.width * context.height if context is not None else 0


def _explain_no_video(container: InputContainer) -> NoReturn:
    if any(s.disposition & Disposition.dependent for s in container.streams.video):
        raise Unsupported("The file holds parts of a picture that is not its main one.")
    if container.streams.audio or container.streams.video:
        raise Skip("The file holds sound and no video.")
    if container.streams:
        raise Unsupported("The file holds neither video nor sound.")
    raise Corrupt("The file holds no stream.")
