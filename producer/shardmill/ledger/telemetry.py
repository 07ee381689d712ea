"""What workers tell people by way of the ledger; nothing is decided by it.

All of it is bounded, and gone when its job ends: what stays is in the manifest.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from msgspec import Struct
from msgspec.structs import astuple, fields

from shardmill.contract.quantity import printable

if TYPE_CHECKING:
    import pyarrow as pa

LAST_FAILURES: Final = 3
"""So many failed files are remembered; all of them are in the manifest."""
LONGEST: Final = 200
"""Characters of a path or a message."""


def _cut(text: str) -> str:
    text = printable(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


class _Message(Struct, frozen=True):
    """Values that the ledger holds as one text: numbers and texts, each with a default."""

    def encode(self) -> str:
        """Return the text."""
        return json.dumps(astuple(self))

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what ``encode`` gave.

        Raises:
            ValueError: It is something else.
        """
        values, wanted = json.loads(text), [type(each.default) for each in fields(cls)]
        if not isinstance(values, list) or [type(value) for value in values] != wanted:
            raise ValueError(f"expected {cls.__name__}, got {text!r:.80}")
        return cls(*values)


class Live(_Message, frozen=True):
    """What a running attempt has done so far, by estimate: left in the ledger by each beat."""

    worked_us: int = 0
    """Work, microseconds of one core."""
    frames: int = 0
    """Frames stored."""
    whole_us: int = 0
    """Work of the whole batch."""
    worker: str = ""
    """Who holds the batch."""
    stage: str = ""
    """``probe``, ``extract`` or ``finish``."""
    file: str = ""
    """The file at hand, fit for a terminal."""
    answered: int = 0
    """Items of the batch that are through."""
    items: int = 0
    """Items of the batch."""

    @classmethod
    def at(cls, file: str, **values: Any) -> Self:
        """Return the same with a file's name that is safe and short."""
        return cls(file=_cut(file), **values)

    @classmethod
    def total(cls, parts: Sequence[Self]) -> Self:
        """Add up work and frames."""
        return cls(sum(part.worked_us for part in parts), sum(part.frames for part in parts))


class Share(Struct, frozen=True):
    """What one worker has committed."""

    probed: int = 0
    """Items probed."""
    frames: int = 0
    """Frames stored."""

    @classmethod
    def decode_all(cls, values: Mapping[str, str]) -> dict[str, Self]:
        """Read the hash of all workers.

        Raises:
            ValueError: It is something else.
        """
        found: dict[str, dict[str, int]] = defaultdict(dict)
        known = {each.name for each in fields(cls)}
        for key, amount in values.items():
            name, _, worker = key.partition(":")
            if name not in known:
                raise ValueError(f"expected one of {known} of a worker, got {key!r:.80}")
            found[worker][name] = int(amount)
        return {worker: cls(**amounts) for worker, amounts in found.items()}


class Failure(_Message, frozen=True):
    """A file that failed: left in the ledger by a commit."""

    error_class: str = ""
    """Why: a name of ``errors.ITEM_ERRORS``."""
    path: str = ""
    """Below the input directory, fit for a terminal."""
    message: str = ""
    """What was found, one sentence."""

    @classmethod
    def last_of(cls, rows: "pa.Table") -> tuple[Self, ...]:
        """Return the last failures among some manifest rows, in their order."""
        import pyarrow.compute as pc  # programs that show failures need not load it

        failed = rows.filter(pc.equal(rows["status"], "failed")).select(
            ["error_class", "path", "error_message"]
        )
        last = failed.slice(max(0, failed.num_rows - LAST_FAILURES)).to_pylist()
        return tuple(
            cls(
                row["error_class"] or "internal",
                _cut(row["path"]),
                _cut(row["error_message"] or ""),
            )
            for row in last
        )


class Telemetry(Struct, frozen=True):
    """What a commit tells people besides the counters."""

    worker: str = ""
    """Who has done the batch; empty if it is not shown."""
    failures: tuple[Failure, ...] = ()
    """Its last failures, the newest last."""


NOTHING: Final = Telemetry()
