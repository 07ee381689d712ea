"""The items of one queue task: the unit of retry and of a shard.

A batch is named after its content, so equal work has equal names wherever and whenever it is
planned.  On the queue travel only the job's and the batch's names; the batch itself lies in the
ledger as JSON.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final, Literal, Self, get_args

from shardmill.contract.errors import InvalidMessage
from shardmill.contract.manifest import Facts, Item, decode, encode

Stage = Literal["probe", "extract", "finish"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that one task works on, one after the other."""

    stage: Stage
    """``probe``, ``extract`` or ``finish``."""
    items: tuple[Item, ...] = ()
    """What to work on; none for ``finish``."""
    facts: tuple[Facts, ...] = ()
    """One for each item of an ``extract`` batch, from probing; else none."""

    def batch_id(self, spec_key: str) -> str:
        """Return 16 hex digits that name this content under this spec."""
        identity = [
            (item.path, item.size_bytes, item.mtime_ns, item.segment) for item in self.items
        ]
        text = json.dumps([spec_key, self.stage, identity])
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def halves(self) -> tuple["Batch", "Batch"]:
        """Split in two, to find the item that takes its worker down."""
        middle = len(self.items) // 2
        return (
            Batch(self.stage, self.items[:middle], self.facts[:middle]),
            Batch(self.stage, self.items[middle:], self.facts[middle:]),
        )

    def encode(self) -> str:
        """Return JSON."""
        parts = [self.stage, [encode(i) for i in self.items], [encode(f) for f in self.facts]]
        return json.dumps(parts, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str | bytes) -> Self:
        """Read what ``encode`` gave.

        Raises:
            InvalidMessage: Not JSON or not a batch.
        """
        try:
            stage, items, facts = json.loads(text)
            batch = cls(
                stage,
                tuple(decode(Item, values) for values in items),
                tuple(decode(Facts, values) for values in facts),
            )
        except (ValueError, TypeError) as error:
            raise InvalidMessage(f"expected a batch, got {text!r:.80}: {error}") from error
        if stage not in STAGES or len(facts) != (len(items) if stage == "extract" else 0):
            raise InvalidMessage(f"expected a batch with one facts an item, got {text!r:.80}")
        return batch
