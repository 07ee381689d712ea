"""Damaged windows that a dataset replaces by others: counted, logged, and summed up by epoch."""

import logging
from typing import Final

_logger = logging.getLogger("shardmill.read")
_EXAMPLES: Final = 3


class Damage:
    """Damaged windows that a dataset has replaced, as far as this process knows."""

    def __init__(self) -> None:
        self.windows = 0
        """Number of windows that have been replaced."""
        self.examples: list[str] = []
        """The first few different errors of this process."""
        self._reported = 0

    def note(self, error: Exception) -> None:
        """Count a window that is damaged as ``error`` says; log the first few different errors."""
        self.windows += 1
        if len(self.examples) < _EXAMPLES and str(error) not in self.examples:
            self.examples.append(str(error))
            _logger.warning("another window is read in place of a damaged one: %s", error)

    def report(self, epoch: int) -> None:
        """Log the number of windows that have been replaced since the last call, if there are any.

        Args:
            epoch: Number of the epoch that has ended.
        """
        if new := self.windows - self._reported:
            _logger.warning("epoch %d: %d damaged windows were replaced by others", epoch, new)
        self._reported = self.windows
