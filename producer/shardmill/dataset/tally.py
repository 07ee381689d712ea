"""Sums over manifest rows: what a batch adds to its job's counters."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, Self

from msgspec import Struct, field
from msgspec.structs import fields

from shardmill.contract.options.sampling import MAX_TIME_NS, NS_PER_S
from shardmill.contract.schema import Row

_COLUMNS: Final = [
    *("status", "error_class", "clip_id", "frames_kept", "size_bytes"),
    *("segment", "segments", "bytes_out", "duration_s"),
]


class Tally(Struct, frozen=True, kw_only=True):
    """Counters of a job or a batch."""

    ok: int = 0
    """Items done."""
    failed: int = 0
    """Items that could not be used."""
    skipped: int = 0
    """Items left out with a reason."""
    partial: int = 0
    """Items done of which only the frames before their damage are kept."""
    clips: int = 0
    """Clips written."""
    frames: int = 0
    """Frames written."""
    bytes_in: int = 0
    """Size of the input files that have their row."""
    bytes_out: int = 0
    """Size of the stored frames."""
    video_ns: int = 0
    """Duration of the videos done, nanoseconds; each part counts as an equal share of its file."""
    failures: dict[str, int] = field(default_factory=dict)
    """Failed items by error class."""

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """Count rows."""
        totals: Counter[str] = Counter()
        failures: Counter[str] = Counter()
        for row in rows:
            outcome = row.outcome
            totals[outcome.status] += 1
            totals["clips"] += outcome.clip_id is not None
            totals["frames"] += outcome.frames_kept or 0
            totals["bytes_in"] += row.item.size_bytes if row.item.segment == 0 else 0
            totals["bytes_out"] += outcome.bytes_out or 0
            if outcome.status == "ok":
                totals["partial"] += outcome.error_class is not None
                share_ns = (row.facts.duration_s or 0) * NS_PER_S / row.item.segments
                totals["video_ns"] += round(share_ns)
            elif outcome.status == "failed":
                failures[outcome.error_class or "internal"] += 1
        return cls(**totals, failures=dict(failures))

    @classmethod
    def of_part(cls, path: str) -> Self:
        """Count the rows of one manifest part, column by column.

        Raises:
            DatasetDamaged: The file is no manifest part.
        """
        import pyarrow as pa  # who counts rows need not wait for it
        import pyarrow.compute as pc

        from shardmill.dataset.manifest import read_columns

        table = read_columns(path, _COLUMNS)
        status, error_class = table["status"], table["error_class"]
        ok, failed = pc.equal(status, "ok"), pc.equal(status, "failed")
        whole = pc.equal(table["segment"], 0)
        claimed = table["duration_s"]
        is_possible = pc.and_(
            pc.greater_equal(claimed, 0), pc.less_equal(claimed, MAX_TIME_NS / NS_PER_S)
        )
        lasting = pc.multiply(pc.if_else(is_possible, claimed, None), NS_PER_S)
        lasting = pc.divide(lasting, table["segments"]).filter(ok)
        causes = pc.fill_null(error_class.filter(failed), "internal").to_pylist()
        return cls(
            ok=_sum(ok),
            failed=_sum(failed),
            skipped=_sum(pc.equal(status, "skipped")),
            partial=_sum(pc.and_(ok, pc.is_valid(error_class))),
            clips=_sum(pc.is_valid(table["clip_id"])),
            frames=_sum(table["frames_kept"]),
            bytes_in=_sum(table["size_bytes"].filter(whole)),
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
    def items(self) -> int:
        """Items that have their row."""
        return self.ok + self.failed + self.skipped


def _sum(column: Any) -> int:
    return sum(column.drop_null().to_pylist())  # Arrow's own sum would wrap around
