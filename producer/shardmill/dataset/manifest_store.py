"""The manifest parts of an output directory: the only code that commits, replaces or withdraws one.

A part is written under another name, made durable, and then published under its own.  Publishing
is exclusive, and it is the commit: of several attempts at a batch the first one wins.  Folders are
synced afterwards, so a name that was seen is never lost.  Arrow is loaded only where rows are read.
"""

import os
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from shardmill.contract.errors import EnvironmentFault
from shardmill.dataset.layout import Layout
from shardmill.storage import files

if TYPE_CHECKING:
    import pyarrow as pa

    from shardmill.contract.schema import Row


class ManifestStore:
    """The parts of one output directory."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def commit(self, waiting: str, batch_id: str) -> bool:
        """Give a written part its name: the commit.  False if another attempt was first.

        Raises:
            FileNotFoundError: ``waiting`` is gone: a later attempt has taken it away.
            EnvironmentFault: The manifest's folder is gone.
            OSError: Anything else; nobody knows whether the part has its name.
        """
        try:
            is_first = files.publish(waiting, self._layout.part(batch_id))
        except FileNotFoundError as error:
            if not os.path.exists(waiting):
                raise
            raise EnvironmentFault(
                f"{self._layout.manifest} is gone: run the same command again"
            ) from error
        if is_first:
            self.sync()
        return is_first

    def is_committed(self, batch_id: str) -> bool:
        """Return whether the part of a batch is there, durable once this returns True."""
        is_there = os.path.exists(self._layout.part(batch_id))
        if is_there:
            self.sync()  # the attempt that published it may have died before its own sync
        return is_there

    def replace(self, part: str, rows: "pa.Table | Iterable[Row]") -> None:
        """Put rows under a part's name, in place of what it holds; durable after ``sync``."""
        from shardmill.dataset.manifest import write_part

        waiting = os.path.join(self._layout.tmp, os.path.basename(part))
        write_part(waiting, rows)
        files.replace(waiting, part)

    def remove(self, part: str) -> None:
        """Remove a part; durable after ``sync``."""
        files.remove(part)

    def remove_rows(self, part: str, stale: Collection[tuple[bytes, int]]) -> None:
        """Remove rows from a part, by path and segment; a part without rows goes.

        Raises:
            DatasetDamaged: The file is no manifest part.
        """
        from shardmill.dataset.manifest import path_bytes, read_columns
        from shardmill.dataset.manifest_rows import MANIFEST

        rows = read_columns(part, MANIFEST.names)
        keys = zip(path_bytes(rows).to_pylist(), rows["segment"].to_pylist(), strict=True)
        left = [number for number, key in enumerate(keys) if key not in stale]
        if left:
            self.replace(part, rows.take(left))
        else:
            self.remove(part)

    def withdraw(self, part: str) -> None:
        """Remove a part, then its shards: a part without its shards would name what is not there.

        Raises:
            DatasetDamaged: The file is no manifest part.
        """
        from shardmill.dataset.manifest import shards_of

        shards = shards_of(part)
        self.remove(part)
        for shard in shards:
            for path in self._layout.files_of(shard):
                files.remove(path)

    def sync(self) -> None:
        """Make what was changed durable."""
        files.sync_directory(self._layout.manifest)
