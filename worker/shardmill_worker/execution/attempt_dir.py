"""The directory of one attempt at a batch: all that it writes lies there until it counts.

A lease alone cannot stop a worker that slept through its end: it wakes up between its last look
at the ledger and its commit.  So the attempt that comes after takes its directory away, and with
it the manifest part that it would have committed.
"""

import os
import shutil
from contextlib import suppress

from shardmill.contract.errors import EnvironmentFault
from shardmill.dataset.layout import Layout
from shardmill.storage import files
from shardmill_worker.execution.lease import Lease
from shardmill_worker.execution.supervisor import LeaseLost


class AttemptDir:
    """``OUT/.tmp/<batch>-<attempt>``."""

    def __init__(self, layout: Layout, batch_id: str, attempt: str) -> None:
        self.path = layout.attempt(batch_id, attempt)
        self._layout = layout
        self._batch_id = batch_id

    def enter(self, lease: Lease) -> None:
        """Make the directory and take away those of all earlier attempts at the batch.

        The order is what makes it safe: whoever claims the batch after ``lease`` was seen to
        hold finds this directory, and what was there before that belongs to earlier claims.

        Raises:
            LeaseLost: Somebody has claimed the batch after us.
            OSError: The output directory is gone or cannot be written.
        """
        self._make()
        mine = os.path.basename(self.path)
        there = os.listdir(self._layout.tmp)
        if not lease.holds():
            self.remove()
            raise LeaseLost
        for name in there:
            if name.startswith(f"{self._batch_id}-") and name != mine:
                self._take(name)

    def _make(self) -> None:
        try:
            files.make_directory(self.path)
        except FileNotFoundError as error:
            raise EnvironmentFault(
                f"expected the output directory as the job made it, {self._layout.tmp} is gone: "
                "run the same command again"
            ) from error

    def _take(self, name: str) -> None:
        # A rename ends all at once what is written by path; removing file by file would race.
        taken = os.path.join(self.path, name)
        with suppress(FileNotFoundError):
            os.rename(os.path.join(self._layout.tmp, name), taken)
        shutil.rmtree(taken, ignore_errors=True)

    def remove(self) -> None:
        """Remove the directory with all that is in it, if it is still there."""
        shutil.rmtree(self.path, ignore_errors=True)
