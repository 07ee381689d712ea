"""What a worker asks of a decoder: values that travel through the pipe between the two."""

import os
from collections.abc import Callable, Generator
from typing import Final, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from shardmill.contract.location.roots import Roots
from shardmill.contract.schema import Facts, Item, Outcome
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout, shard_name
from shardmill.dataset.tally import Tally

Advance = Callable[[], None]
"""Called once a decoded frame, so that a watcher can tell slow from stuck."""


ROWS: Final = "rows.parquet"
"""The name of a manifest part in its attempt's directory, where it waits for its commit."""

Depth = Literal["header", "count", "check"]
"""How far probing goes: to the first frame, through every packet, or through every frame."""


class ProbeWork(Struct, frozen=True, kw_only=True):
    """Find out what each file is."""

    roots: Roots
    """Input directories."""
    items: tuple[Item, ...]
    """Files below them."""
    depth: Depth = "header"
    """How far to look into each."""
    spec: Spec | None = None
    """What is to be done with each, which decides into how many items it is cut; None keeps all
    whole."""
    keep_partial: bool = False
    """Whether a video that is cut off will do."""
    writes: "PartWriting | None" = None
    """How the answers become a manifest part; None has them told instead.  With a spec, a row is a
    clip and has the number of frames that it would keep."""

    @property
    def chooses(self) -> bool:
        """Whether clips are to be rows at once, with the number of frames each would keep."""
        return self.spec is not None and self.writes is not None

    def part(self, start: int, stop: int) -> "ProbeWork":
        """Return the same for the items ``[start, stop)``."""
        return replace(self, items=self.items[start:stop])


class PartWriting(Struct, frozen=True, kw_only=True):
    """What the rows of a manifest part have besides what the decoder finds out."""

    tmp: str
    """Where the part waits for its commit."""
    worker: str
    """Written into every row."""
    ledger_s: float = 0.0
    """What the attempt has spent on the ledger; seconds."""
    judged: dict[int, Outcome] = field(default_factory=dict)
    """Items, by position, that are not to be touched again: each cost a decoder its life."""


class Divided(Struct, frozen=True):
    """A file that is several items, or whose frames are chosen."""

    facts: Facts
    """What probing found."""
    items: tuple[Item, ...]
    """What it becomes, in the order of time."""
    kept: tuple[int, ...] = ()
    """How many frames each would keep; empty where nobody asked, or the packets do not tell."""


Answer = Facts | Divided | Outcome
"""What a decoder says of an item: what it is, or what became of it."""

Answers = Generator[Answer, None, Tally | None]
"""One answer an item, in order; at the end, what the manifest part comes to that was written."""


class ExtractWork(Struct, frozen=True, kw_only=True):
    """Write the kept frames of each file into one shard, with its index and manifest part."""

    roots: Roots
    """Input directories."""
    out: str
    """Output directory."""
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
    judged: dict[int, Outcome] = field(default_factory=dict)
    """Items, by position, that are not to be touched again: each cost a decoder its life."""

    @property
    def shard(self) -> str:
        """File name below ``OUT/shards`` of the first shard, mostly the only one."""
        return self.shard_at(0)

    def shard_at(self, number: int) -> str:
        """Return the file name of one of the batch's shards, counted from 0."""
        split = self.items[0].split  # that of all: batches keep splits apart
        return shard_name(self.batch_id, self.attempt, self.spec.format, number=number, split=split)

    @property
    def tmp(self) -> str:
        """The attempt's directory, which the worker makes."""
        return Layout(self.out).attempt(self.batch_id, self.attempt)

    @property
    def part_tmp(self) -> str:
        """Where the manifest part waits for its commit."""
        return os.path.join(self.tmp, ROWS)


class FinishWork(Struct, frozen=True, kw_only=True):
    """Write the results of a job whose batches are all counted."""

    job: Job
    """The job."""
    run: str
    """Its run at hand: what an earlier one left is removed."""


Work = ProbeWork | ExtractWork | FinishWork
"""What a decoder does."""
