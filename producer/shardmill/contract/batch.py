"""The items of one queue task: the unit of retry and of a shard.

A batch is named after its content, so equal work has equal names wherever and whenever it is
planned.  On the queue travel only the job's and the batch's names; the batch itself lies in the
ledger as JSON.
"""

import hashlib
import json
from collections.abc import Sequence
from itertools import compress
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from shardmill.contract import fast_json
from shardmill.contract.columns import decode, encode
from shardmill.contract.errors import InvalidMessage
from shardmill.contract.names import STAGES, Stage
from shardmill.contract.schema import Facts, Item


class Batch(Struct, frozen=True):
    """Items that one task works on, one after the other."""

    stage: Stage
    """``probe``, ``extract`` or ``finish``."""
    items: tuple[Item, ...] = ()
    """What to work on; none for ``finish``."""
    facts: tuple[Facts, ...] = ()
    """One for each item of an ``extract`` batch, from probing; else none."""
    last_chance: bool = False
    """True if each item has cost a decoder its life already."""
    probe_s: float = 0.0
    """Of an ``extract`` batch: what probing each item took, in the mean; seconds."""

    def batch_id(self, spec_key: str) -> str:
        """Return 16 hex digits that name this content under this spec."""
        identity = [_identity(item) for item in self.items]
        text = json.dumps([spec_key, self.stage, self.last_chance, identity])
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def part(self, start: int, stop: int) -> "Batch":
        """Return the batch of items ``[start, stop)``."""
        return replace(self, items=self.items[start:stop], facts=self.facts[start:stop])

    def halves(self) -> tuple["Batch", "Batch"]:
        """Return the batches of its first items and of its last."""
        middle = len(self.items) // 2
        return self.part(0, middle), self.part(middle, len(self.items))

    def around(self, position: int) -> tuple["Batch", ...]:
        """Return the batches of what precedes an item and of what follows it, if anything does."""
        parts = self.part(0, position), self.part(position + 1, len(self.items))
        return tuple(part for part in parts if part.items)

    def only(self, wanted: Sequence[bool]) -> "Batch":
        """Return the batch of the wanted items, one flag an item."""
        return replace(
            self,
            items=tuple(compress(self.items, wanted)),
            facts=tuple(compress(self.facts, wanted)),
        )

    def encode(self) -> str:
        """Return JSON."""
        parts = [
            *(self.stage, self.last_chance, len(self.items)),
            *(encode(self.items), encode(self.facts), self.probe_s),
        ]
        return fast_json.dumps(parts)

    @classmethod
    def decode(cls, text: str | bytes) -> Self:
        """Read what ``encode`` gave.

        Raises:
            InvalidMessage: Not JSON or not a batch.
        """
        try:
            stage, last_chance, count, items, facts, probe_s = fast_json.loads(text)
            known = count if stage == "extract" else 0
            batch = cls(
                stage,
                decode(Item, items, count=count),
                decode(Facts, facts, count=known),
                last_chance is True,
                float(probe_s),
            )
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise InvalidMessage(f"expected a batch, got {text!r:.80}: {error}") from error
        if stage not in STAGES:
            raise InvalidMessage(f"expected a batch of {', '.join(STAGES)}, got {text!r:.80}")
        for item in batch.items:
            if _leads_away(item.path):
                raise InvalidMessage(f"expected a path below the input, got {item.path!r:.80}")
            if not item.is_possible:
                raise InvalidMessage(f"expected a part of a file, got {str(item)[-160:]}")
        if len({item.split for item in batch.items}) > 1:
            raise InvalidMessage("expected items of one split, for they become one shard")
        return batch


def _leads_away(path: str) -> bool:
    """Tell whether a path is none below the input."""
    return path[:1] == "/" or "\0" in path or (".." in path and ".." in path.split("/"))


def _identity(item: Item) -> tuple[object, ...]:
    whole: tuple[object, ...] = (item.path, item.size_bytes, item.mtime_ns, item.segment)
    if item.pictures is not None:
        whole = (*whole, item.pictures_digest)
    said = () if item.extra is None else (item.labels, item.extra)
    if item.segments == 1 and item.clip_start_ns is None and item.clip_end_ns is None:
        return (*whole, *said)
    ranges = (item.start_ns, item.end_ns, item.clip_start_ns, item.clip_end_ns)
    return (*whole, *said, item.segments, *ranges)
