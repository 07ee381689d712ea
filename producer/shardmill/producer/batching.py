"""How inputs are grouped into probe batches: by what is known before any file is opened."""

import math
from collections.abc import Iterable, Iterator
from typing import Final

from shardmill.contract.batch import Batch
from shardmill.contract.schema import Item
from shardmill.inputs.scan import IMAGE_SUFFIXES, suffix

MAX_VIDEOS: Final = 256
MAX_IMAGES: Final = 4096
PROBE_ONLY: Final = 1024
"""Files in a batch that is probed only; small against a lease, large against a message."""
WANTED_BATCHES: Final = 16
"""A small job is cut into this many batches, so that several workers have something to do."""
MOST_SAID: Final = 8_000_000
"""Characters of labels and other columns from annotations in a batch: it is one entry in Redis."""
SMALLEST: Final = 4
"""But not into batches of fewer files than this: a shard each."""


def probe_batches(
    wanted: Iterable[Item], *, count: int, extracting: bool, full_bytes: int
) -> Iterator[Batch]:
    """Yield the batches of a job's items, in their order.

    A batch that is to be extracted becomes one or more shards, so it closes when its input would
    fill one, and where the split changes; an image counts less than a video.  The grouping depends
    on the inputs alone, never on the number of workers.

    Args:
        wanted: The items, those of a split together.
        count: How many there are.
        extracting: False if probing is all.
        full_bytes: Input size at which a batch is full.
    """
    batches = max(1, min(WANTED_BATCHES, math.ceil(count / SMALLEST)))
    most = min(math.ceil(count / batches), MAX_IMAGES)
    if not extracting:
        most, full_bytes = min(most, PROBE_ONLY), 2**63
    batch: list[Item] = []
    fill, size_bytes = 0.0, 0
    for item in wanted:
        if batch and item.split != batch[0].split:
            yield Batch("probe", tuple(batch))
            batch, fill, size_bytes = [], 0.0, 0
        batch.append(item)
        size_bytes += item.size_bytes
        is_picture = suffix(item.path) in IMAGE_SUFFIXES and item.pictures is None
        fill += 1 / (MAX_IMAGES if is_picture else MAX_VIDEOS)
        fill += (sum(map(len, item.labels)) + len(item.extra)) / MOST_SAID if item.extra else 0
        if len(batch) >= most or fill >= 1 - 1e-9 or size_bytes >= full_bytes:
            yield Batch("probe", tuple(batch))
            batch, fill, size_bytes = [], 0.0, 0
    if batch:
        yield Batch("probe", tuple(batch))
