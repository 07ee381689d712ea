"""Counting the frames of a file, for probing that does not believe headers."""

from shardmill.contract.row import Item
from shardmill_worker.engine.decode import source_frames
from shardmill_worker.engine.faults import media_faults
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.work import Advance


def count_packets(root: str, item: Item, advance: Advance) -> int:
    """Return how many frames the packets announce, without decoding one.

    Raises:
        ItemError: The file cannot be read to its end.
    """
    count = 0
    with open_media(root, item) as media, media_faults("The file cannot be read"):
        for packet in media.packets():
            if not packet.is_discard:
                count += 1
                advance()
    return count


def count_frames(root: str, item: Item, advance: Advance) -> int:
    """Return how many frames the decoder gives, from the first to the last.

    Raises:
        ItemError: The file is damaged.
    """
    with open_media(root, item) as media:
        return sum(1 for _ in source_frames(media, advance))
