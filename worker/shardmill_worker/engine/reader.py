"""What reads the frames of an item that has several: a video, or an image sequence."""

from functools import partial

from shardmill.contract.schema import Facts, Item
from shardmill.contract.spec import Spec
from shardmill_worker.engine.image_sequence import SequenceReader
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.stopwatch import Stopwatch
from shardmill_worker.engine.video import VideoReader
from shardmill_worker.engine.work import Advance


def reader_of(
    root: str,
    item: Item,
    facts: Facts,
    spec: Spec,
    advance: Advance,
    stopwatch: Stopwatch | None = None,
) -> VideoReader | SequenceReader:
    """Return what reads the frames of an item, and of the other parts of its file.

    Args:
        root: Input directory.
        item: The item, or any part of it.
        facts: What probing found.
        spec: Says which frames are wanted, and what a damaged file is good for.
        advance: Called once a decoded frame, and now and then while packets are read.
        stopwatch: Told what is done with the files.
    """
    watch = stopwatch or Stopwatch()
    if item.sequence is not None:
        return SequenceReader(
            root=root,
            item=item,
            facts=facts,
            selection=spec.selection,
            keep_partial=spec.keep_partial,
            advance=advance,
            stopwatch=watch,
        )
    return VideoReader(
        reopen=partial(open_media, root, item, stopwatch=watch),
        selection=spec.selection,
        keep_partial=spec.keep_partial,
        advance=advance,
    )
