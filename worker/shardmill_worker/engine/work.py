"""Values of the engine: what a batch's rows become, and what an extraction is given."""

from collections.abc import Callable

from msgspec import Struct

from shardmill.contract.location.roots import Roots
from shardmill.contract.schema import Facts, Item
from shardmill.contract.spec import Spec
from shardmill.dataset.layout import shard_name

Advance = Callable[[], None]
"""Called once a decoded frame, so that a watcher can tell slow from stuck."""


class Divided(Struct, frozen=True):
    """A file that is several items, or whose frames are chosen."""

    facts: Facts
    """What probing found."""
    items: tuple[Item, ...]
    """What it becomes, in the order of time."""
    kept: tuple[int, ...] = ()
    """How many frames each would keep; empty where nobody asked, or the packets do not tell."""


class ExtractWork(Struct, frozen=True, kw_only=True):
    """Write the kept frames of each file into one shard, with its index and manifest part."""

    roots: Roots
    """Input directories."""
    out: str
    """Output directory."""
    tmp: str
    """The attempt's directory, which the worker makes."""
    part_tmp: str
    """Where the manifest part waits for its commit."""
    spec: Spec
    """Which frames, what size, how stored."""
    batch_id: str
    """Names the shard, with ``attempt``."""
    attempt: str
    """Tells this attempt's files from those of any other."""
    worker: str
    """Written into every row."""
    items: tuple[Item, ...]
    """Files below ``roots``."""
    facts: tuple[Facts, ...]
    """What probing found, one an item."""
    probe_s: float = 0.0
    """What probing each item took, in the mean; seconds."""
    ledger_s: float = 0.0
    """What the attempt has spent on the ledger; seconds."""

    @property
    def shard(self) -> str:
        """File name below ``OUT/shards`` of the first shard, mostly the only one."""
        return self.shard_at(0)

    def shard_at(self, number: int) -> str:
        """Return the file name of one of the batch's shards, counted from 0."""
        split = self.items[0].split  # that of all: batches keep splits apart
        return shard_name(self.batch_id, self.attempt, self.spec.format, number=number, split=split)
