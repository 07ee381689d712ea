"""Reading a file to its end, for probing that does not believe headers."""

from fractions import Fraction

from msgspec import Struct

from shardmill.contract.schema import Item
from shardmill_worker.engine.decode import source_frames
from shardmill_worker.engine.faults import media_faults
from shardmill_worker.engine.image_sequence import OpenSequence
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.work import Advance


class Decoded(Struct, frozen=True):
    """What decoding every frame of a file shows."""

    frames: int
    """How many there are."""
    size_changes: int
    """How often a frame's display size is another than that of the frame before."""


def count_packets(root: str, item: Item, advance: Advance) -> int:
    """Return how many frames the packets announce, without decoding one.

    Raises:
        ItemError: The file cannot be read to its end.
    """
    if item.sequence is not None:
        return item.sequence.pictures
    count = 0
    with open_media(root, item) as media, media_faults("The file cannot be read"):
        for packet in media.packets():
            if not packet.is_discard:
                count += 1
                advance()
    return count


def decode_all(root: str, item: Item, advance: Advance) -> Decoded:
    """Decode a file from the first frame to the last.

    Raises:
        ItemError: The file is damaged.
    """
    if item.sequence is not None:
        return Decoded(_decode_pictures(root, item, advance), size_changes=0)
    count = changes = 0
    before: tuple[int, int, Fraction] | None = None
    with open_media(root, item) as media:
        for frame in source_frames(media, advance):
            size = (frame.picture.width, frame.picture.height, frame.sample_aspect)
            changes += before not in {None, size}
            before, count = size, count + 1
    return Decoded(count, changes)


def _decode_pictures(root: str, item: Item, advance: Advance) -> int:
    opened = OpenSequence(root, item, advance)
    for index in range(len(opened.files)):
        with opened.picture(index):
            pass
    return len(opened.files)
