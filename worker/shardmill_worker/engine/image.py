"""Reading the one frame of an image: the same decoder, the same colours as for video."""

from msgspec.structs import replace

from shardmill_worker.engine.aspect import SQUARE
from shardmill_worker.engine.decode import source_frames
from shardmill_worker.engine.gathering import Keep, Kept
from shardmill_worker.engine.media import Reopen
from shardmill_worker.engine.video import Reading
from shardmill_worker.engine.work import Advance


def read_image(reopen: Reopen, keep: Keep[Kept], advance: Advance) -> Reading[Kept]:
    """Decode an image and make something of it; its time is 0, and its pixels are square.

    What a still picture says of its density is for printers: no viewer and no other library for
    training stretches pictures by it.

    Args:
        reopen: Opens the image.
        keep: Makes what is kept of the frame, which must not outlive the call.
        advance: Called once the frame is decoded.

    Raises:
        ItemError: The image cannot be used.
    """
    with reopen() as media:
        frame = next(source_frames(media, advance))
        return Reading([keep(media, replace(frame, pts_ns=0, sample_aspect=SQUARE))], decoded=1)
