"""What an output directory holds already: keep what is good, take out what is not.

The same command again goes on: rows of unchanged files stay, failed ones are tried again, and
what was made from a file that has changed or is gone is made again without it.
"""

import os
from contextlib import suppress

from shardmill.contract.layout import Layout
from shardmill.submission.spool import Spool


def take_out_stale(layout: Layout, spool: Spool) -> None:
    """Remove from the manifest what no longer holds; what then has no row is done again.

    A part that holds frames of a changed file goes whole, with its shard, for a shard is never
    edited.  From other parts the stale rows alone are taken out.  The part goes first: a shard
    without its part is an orphan, a part without its shard would be a lie.
    """
    if not layout.parts():
        return
    from shardmill.contract.manifest import read_part, shards_of, write_part  # which bring Arrow

    while parts := spool.changed_parts():
        for part in parts:
            shards = shards_of(part)
            os.unlink(part)
            for shard in shards:
                for path in layout.files_of(shard):
                    with suppress(FileNotFoundError):
                        os.unlink(path)
            spool.forget(part)  # the rest of a file that was cut into ranges is now stale too
    for part, stale in spool.stale_rows().items():
        rows = [
            row
            for row in read_part(part)
            if (os.fsencode(row.item.path), row.item.segment) not in stale
        ]
        if rows:
            waiting = os.path.join(layout.tmp, os.path.basename(part))
            write_part(waiting, rows)
            os.replace(waiting, part)
        else:
            os.unlink(part)


def remove_results(layout: Layout) -> None:
    """Remove what sums up a manifest that is about to change: it would soon be a lie."""
    for path in (layout.summary, layout.files):
        with suppress(FileNotFoundError):
            os.unlink(path)
