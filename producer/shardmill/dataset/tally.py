"""Sums over manifest rows: what a batch adds to its job's counters.

Files and clips are counted, however many rows they have: a file at the row of its first item, a
clip at that of its first part, each with that row's status.  So counters of batches add up.  What
became of the other rows of a file, ``report`` finds out when all are there.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Self

from msgspec import Struct, field
from msgspec.structs import fields

from shardmill.contract.options.sampling import MAX_TIME_NS, NS_PER_S

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Final = [
    *("status", "error_class", "clip_id", "frames_kept", "size_bytes"),
    *("segment", "segments", "start_ns", "end_ns", "bytes_out", "duration_s"),
]


class Tally(Struct, frozen=True, kw_only=True):
    """Counters of a job or a batch."""

    ok: int = 0
    """Files done."""
    failed: int = 0
    """Files that could not be used."""
    skipped: int = 0
    """Files left out with a reason."""
    partial: int = 0
    """Files done of which only the frames before their damage are kept."""
    clips: int = 0
    """Clips written."""
    frames: int = 0
    """Frames written."""
    bytes_in: int = 0
    """Size of the input files that have their row."""
    bytes_out: int = 0
    """Size of the stored frames."""
    video_ns: int = 0
    """Duration of the videos done, nanoseconds; each item counts as an equal share of its file."""
    failures: dict[str, int] = field(default_factory=dict)
    """Failed files by error class."""

    @classmethod
    def of_part(cls, path: str) -> Self:
        """Count the rows of one manifest part, column by column.

        Raises:
            DatasetDamaged: The file is no manifest part.
        """
        from shardmill.dataset.manifest import read_columns  # which loads Arrow

        return cls.of_table(read_columns(path, COLUMNS))

    @classmethod
    def of_table(cls, table: "pa.Table") -> Self:
        """Count manifest rows, column by column."""
        import pyarrow as pa  # programs that only show a tally need not load it
        import pyarrow.compute as pc

        status, error_class = table["status"], table["error_class"]
        ok, failed = pc.equal(status, "ok"), pc.equal(status, "failed")
        first = pc.equal(table["segment"], 0)
        is_part = pc.or_(pc.is_valid(table["start_ns"]), pc.is_valid(table["end_ns"]))
        begins_clip = pc.or_(first, pc.invert(is_part))
        claimed = table["duration_s"]
        is_possible = pc.and_(
            pc.greater_equal(claimed, 0), pc.less_equal(claimed, MAX_TIME_NS / NS_PER_S)
        )
        lasting = pc.multiply(pc.if_else(is_possible, claimed, None), NS_PER_S)
        lasting = pc.divide(lasting, table["segments"]).filter(ok)
        causes = pc.fill_null(error_class.filter(pc.and_(failed, first)), "internal").to_pylist()
        return cls(
            ok=_sum(pc.and_(ok, first)),
            failed=_sum(pc.and_(failed, first)),
            skipped=_sum(pc.and_(pc.equal(status, "skipped"), first)),
            partial=_sum(pc.and_(pc.and_(ok, first), pc.is_valid(error_class))),
            clips=_sum(pc.and_(pc.is_valid(table["clip_id"]), begins_clip)),
            frames=_sum(table["frames_kept"]),
            bytes_in=_sum(table["size_bytes"].filter(first)),
            bytes_out=_sum(table["bytes_out"]),
            video_ns=_sum(pc.cast(pc.round(lasting), pa.int64())),
            failures=dict(Counter(causes)),
        )

    def counters(self) -> dict[str, int]:
        """Return flat names and numbers, ``failures`` as ``failed:<class>``."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "failures"}
        return plain | {f"failed:{name}": count for name, count in self.failures.items()}

    @classmethod
    def from_counters(cls, counters: dict[str, int]) -> Self:
        """Read what ``counters`` gave; other names are left alone."""
        names = {f.name for f in fields(cls)} - {"failures"}
        failures = {
            name.removeprefix("failed:"): count
            for name, count in counters.items()
            if name.startswith("failed:") and count
        }
        return cls(**{n: counters[n] for n in names if n in counters}, failures=failures)

    @property
    def files(self) -> int:
        """Files that are done, failed or left out."""
        return self.ok + self.failed + self.skipped


def _sum(column: Any) -> int:
    return sum(column.drop_null().to_pylist())  # Arrow's own sum would wrap around
