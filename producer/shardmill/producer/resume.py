"""What an output directory holds already: keep what is good, take out what is not.

The same command again goes on: rows of unchanged files stay, failed ones are tried again, what
was made from a file that has changed or is gone is made again without it, and so is what lay in a
shard that is missing or cut off.
"""

import os

from shardmill.catalog.catalog import Catalog
from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.layout import SUFFIXES, Layout
from shardmill.dataset.manifest_store import ManifestStore
from shardmill.storage import files


def broken_parts(layout: Layout) -> dict[str, int]:
    """Return the manifest parts whose shards are not there as their index says.

    A shard is held against its index by its size, which costs no reading; ``verify`` reads all.

    Returns:
        Path of a part to how many of its shards are missing, of another size, or without a
        readable index.

    Raises:
        DatasetDamaged: A part cannot be read.
    """
    if not layout.parts():
        return {}
    from shardmill.dataset.manifest import shards_of  # which brings Arrow

    found = {
        part: sum(not _is_there(layout, shard) for shard in shards_of(part))
        for part in layout.parts()
    }
    return {part: count for part, count in found.items() if count}


def _is_there(layout: Layout, shard: str) -> bool:
    from shardmill.dataset.index import framing_of, open_index

    try:
        expected = framing_of(open_index(layout.index_of(shard))).shard_bytes
        if shard.endswith(SUFFIXES["tfrecord"]):
            os.stat(layout.record_index_of(shard))
        return os.stat(layout.shard(shard)).st_size == expected
    except (DatasetDamaged, OSError):
        return False


def take_out_stale(layout: Layout, catalog: Catalog) -> None:
    """Remove from the manifest what no longer holds; what then has no row is done again.

    A part that holds frames of a changed file goes whole, with its shard, for a shard is never
    edited.  From other parts the stale rows alone are taken out.  The part goes first: a shard
    without its part is an orphan, a part without its shard would be a lie.
    """
    if not layout.parts():
        return
    store = ManifestStore(layout)
    while parts := catalog.changed_parts():
        for part in parts:
            store.withdraw(part)
            catalog.forget(part)  # the rest of a file that was cut into parts is now stale too
    for part, stale in catalog.stale_rows().items():
        store.remove_rows(part, stale)
    store.sync()


def remove_results(layout: Layout) -> None:
    """Remove what sums up a manifest that is about to change: it would soon be a lie."""
    for path in (layout.summary, layout.files):
        files.remove(path)
