"""A batch: the rows of one table that one queue task works on, the unit of retry and of a shard.

A batch is a range of rows.  What the rows hold lies in a table below ``OUT/.work`` (see
``dataset.work_table``); the ledger holds the range alone, whatever the rows hold.  The name of a
batch derives from the content of its rows, so equal work has equal names wherever it is planned.
"""

import hashlib
import re
from typing import Final, Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shardmill.contract.errors import InvalidMessage
from shardmill.contract.names import Stage

MAX_BYTES: Final = 300
"""Size of an encoded batch at most."""
MAX_SUBJECT: Final = 36
"""Characters of ``Batch.subject``."""
_TABLE: Final = re.compile(r"[0-9a-z]+(-[0-9a-z]+){1,3}")
_MAX_ROWS: Final = 2**32


class Batch(Struct, frozen=True, kw_only=True):
    """A range of rows of one table, and the stage that is to be done with them."""

    id: str
    """16 hex digits that name its content, or ``finish``."""
    stage: Stage
    """``probe``, ``extract`` or ``finish``."""
    table: str = ""
    """Name of the table below ``OUT/.work/<run>``; empty for ``finish``."""
    first: int = 0
    """First row."""
    end: int = 0
    """End of the rows (exclusive)."""
    last_chance: bool = False
    """True if its one row has ended a decoder process before."""
    subject: str = ""
    """What its files have in common, or the one file: printable, for people."""
    size_bytes: int | None = None
    """Size of its files; None for a part of a batch."""

    def __len__(self) -> int:
        return self.end - self.first

    def part(self, first: int, end: int, *, last_chance: bool = False) -> "Batch":
        """Return the batch of some of its rows, counted from 0."""
        text = f"{self.id} {first} {end} {last_chance:d}"
        return replace(
            self,
            id=hashlib.blake2b(text.encode(), digest_size=8).hexdigest(),
            first=self.first + first,
            end=self.first + end,
            last_chance=last_chance,
            size_bytes=None,
        )

    def halves(self) -> tuple["Batch", "Batch"]:
        """Return the batches of its first rows and of its last."""
        middle = len(self) // 2
        return self.part(0, middle), self.part(middle, len(self))

    def around(self, row: int) -> tuple["Batch", ...]:
        """Return the batches of what precedes a row, counted from 0, and of what follows it."""
        edges = (0, row), (row + 1, len(self))
        return tuple(self.part(first, end) for first, end in edges if first < end)

    def encode(self) -> bytes:
        """Return the text that the ledger holds: JSON of at most ``MAX_BYTES`` bytes."""
        return msgspec.json.encode(
            _Written(
                stage=self.stage,
                table=self.table,
                rows=(self.first, self.end),
                last_chance=self.last_chance,
                subject=self.subject[:MAX_SUBJECT],
                size_bytes=self.size_bytes,
            )
        )

    @classmethod
    def decode(cls, batch_id: str, text: str | bytes) -> Self:
        """Read what ``encode`` returned.

        Raises:
            InvalidMessage: It is no batch.
        """
        if len(text) > MAX_BYTES:
            raise InvalidMessage(f"expected a batch, got {len(text):,} bytes: {text!r:.80}")
        try:
            written = msgspec.json.decode(text, type=_Written)
        except (msgspec.DecodeError, ValueError) as error:
            raise InvalidMessage(f"expected a batch, got {text!r:.80}: {error}") from error
        first, end = written.rows
        has_rows = _TABLE.fullmatch(written.table) is not None and 0 <= first < end <= _MAX_ROWS
        is_shown = written.subject.isprintable() and (written.size_bytes or 0) >= 0
        if not is_shown or has_rows == (written.stage == "finish"):
            raise InvalidMessage(f"expected a batch of rows of a table, got {text!r:.200}")
        return cls(
            id=batch_id,
            stage=written.stage,
            table=written.table,
            first=first,
            end=end,
            last_chance=written.last_chance,
            subject=written.subject,
            size_bytes=written.size_bytes,
        )


class _Written(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A batch as JSON."""

    stage: Stage
    table: str = ""
    rows: tuple[int, int] = (0, 0)
    last_chance: bool = False
    subject: str = ""
    size_bytes: int | None = None


FINISH: Final = Batch(id="finish", stage="finish")
"""The one batch that ends a job."""
