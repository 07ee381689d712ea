"""Where things lie in an output directory.  Every path below OUT is built here.

OUT/
  job.json          spec, input directory, versions
  classes.json      label to id
  shards/part-<batch>-<attempt>.tfrecord      or .h5, .tar, .npy
  index/part-<batch>-<attempt>.arrow   where every frame lies
  index/part-<batch>-<attempt>.idx     where every record lies, for DALI; TFRecord only
  shards/<split>/…  index/<split>/…    with --split, in place of the two lines above
  manifest/part-<batch>.parquet        its appearance is the commit
  manifest/part-left-<content>.parquet inputs that the producer leaves out
  summary.json  files.parquet  report.html     written at the end, the last also when asked for
  .tmp/<batch>-<attempt>/              what an attempt is writing; gone when it ends
  .work/<run>/*.arrow                  tables of what is to do; gone when the job ends
  .lock             held by the producer while it lives; says who it is
"""

import os
import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from shardmill.contract.errors import DatasetDamaged
from shardmill.contract.options.split import SPLIT_NAME
from shardmill.storage import files

SUFFIXES: Final = {"tfrecord": ".tfrecord", "hdf5": ".h5", "webdataset": ".tar", "npy": ".npy"}
"""File name suffix of each shard format."""
_PART: Final = "part-"
_LEFT_OUT: Final = "part-left-"
_PARQUET: Final = ".parquet"
_SHARD: Final = re.compile(rf"(?:(?P<split>{SPLIT_NAME})/)?{_PART}[^/\0]+")
"""Name of a shard in the manifest: with a split, its folder comes first."""


class Layout(Struct, frozen=True):
    """The paths of one output directory."""

    out: str
    """The directory itself."""

    @property
    def job(self) -> str:
        """What is to be done."""
        return os.path.join(self.out, "job.json")

    @property
    def classes(self) -> str:
        """Label to id."""
        return os.path.join(self.out, "classes.json")

    @property
    def shards(self) -> str:
        """Directory of the shards."""
        return os.path.join(self.out, "shards")

    @property
    def index(self) -> str:
        """Directory of the index parts."""
        return os.path.join(self.out, "index")

    @property
    def manifest(self) -> str:
        """Directory of the manifest parts."""
        return os.path.join(self.out, "manifest")

    @property
    def summary(self) -> str:
        """Totals of a finished job."""
        return os.path.join(self.out, "summary.json")

    @property
    def files(self) -> str:
        """The manifest as one table."""
        return os.path.join(self.out, "files.parquet")

    @property
    def report(self) -> str:
        """The page on what is here."""
        return os.path.join(self.out, "report.html")

    @property
    def tmp(self) -> str:
        """Directory of files that are being written."""
        return os.path.join(self.out, ".tmp")

    @property
    def work(self) -> str:
        """Directory of the tables of what is to do."""
        return os.path.join(self.out, ".work")

    def work_of(self, run: str) -> str:
        """Return the directory of the tables of one opening of the job."""
        return os.path.join(self.work, run)

    def table(self, run: str, name: str) -> str:
        """Return the path of a table of what is to do."""
        return os.path.join(self.work_of(run), f"{name}.arrow")

    @property
    def lock(self) -> str:
        """File that the producer locks."""
        return os.path.join(self.out, ".lock")

    def attempt(self, batch_id: str, attempt: str) -> str:
        """Return the directory of what one attempt at a batch is writing."""
        return os.path.join(self.tmp, f"{batch_id}-{attempt}")

    def part(self, batch_id: str) -> str:
        """Return the manifest part of a batch."""
        return os.path.join(self.manifest, f"{_PART}{batch_id}{_PARQUET}")

    def refuse_linked_folders(self) -> None:
        """See that the folders lie in the output directory, which itself may be a link.

        Raises:
            DatasetDamaged: One is a symbolic link.
        """
        for path in (self.shards, self.index, self.manifest):
            files.refuse_link(path)

    def parts(self) -> list[str]:
        """Return the committed manifest parts, sorted; none if there is no manifest."""
        try:
            names = os.listdir(self.manifest)
        except FileNotFoundError:
            return []
        return sorted(
            os.path.join(self.manifest, name)
            for name in names
            if name.startswith(_PART) and name.endswith(_PARQUET)
        )

    def left_out_part(self, content: str) -> str:
        """Return the manifest part of inputs that the producer leaves out."""
        return os.path.join(self.manifest, f"{_LEFT_OUT}{content}{_PARQUET}")

    def left_out_parts(self) -> list[str]:
        """Return those of ``parts`` that hold what the producer leaves out, sorted."""
        return [part for part in self.parts() if os.path.basename(part).startswith(_LEFT_OUT)]

    def shard(self, name: str) -> str:
        """Return the path of a shard named in the manifest.

        Raises:
            DatasetDamaged: The name is none that ``shard_name`` gives, or leads away.
        """
        _refuse_other_names(name)
        return os.path.join(self.shards, name)

    def index_of(self, shard: str) -> str:
        """Return the index part of a shard named in the manifest.

        Raises:
            DatasetDamaged: The name would lead out of the output directory.
        """
        return self._beside(shard, ".arrow")

    def record_index_of(self, shard: str) -> str:
        """Return the list of records, for DALI, of a TFRecord shard named in the manifest.

        Raises:
            DatasetDamaged: The name would lead out of the output directory.
        """
        return self._beside(shard, ".idx")

    def files_of(self, shard: str) -> tuple[str, ...]:
        """Return the shard itself and all that may lie beside it.

        Raises:
            DatasetDamaged: The name would lead out of the output directory.
        """
        return self.shard(shard), self.index_of(shard), self.record_index_of(shard)

    def _beside(self, shard: str, suffix: str) -> str:
        _refuse_other_names(shard)
        return os.path.join(self.index, os.path.splitext(shard)[0] + suffix)

    def shard_names(self) -> list[str]:
        """Return the shard files that are there, sorted; none if there is no directory."""
        return sorted(os.path.relpath(path, self.shards) for path in _parts_below(self.shards))

    def made_files(self) -> Iterator[str]:
        """Yield the paths of all shards and index parts that are there, committed or not."""
        yield from _parts_below(self.shards)
        yield from _parts_below(self.index)

    def make(self) -> None:
        """Create the directories."""
        files.make_directories(self.out)
        for path in (self.shards, self.index, self.manifest, self.tmp, self.work):
            files.make_directory(path)
        files.sync_directory(self.out)


def _refuse_other_names(shard: str) -> None:
    if not (_SHARD.fullmatch(shard) and shard.endswith(tuple(SUFFIXES.values()))):
        raise DatasetDamaged(f"expected a shard's file name in the manifest, got {shard!r}")


def _parts_below(directory: str) -> Iterator[str]:
    """Yield the files named like a shard or its index, in a directory and in its splits."""
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.name.startswith(_PART):
            yield entry.path
        elif entry.is_dir(follow_symlinks=False):
            inside = sorted(os.listdir(entry.path))
            yield from (os.path.join(entry.path, n) for n in inside if n.startswith(_PART))


def shard_name(
    batch_id: str, attempt: str, shard_format: str, *, number: int = 0, split: str | None = None
) -> str:
    """Return the file name of a shard that one attempt at a batch writes.

    Args:
        batch_id: The batch.
        attempt: The attempt.
        shard_format: A key of ``SUFFIXES``.
        number: From 0; there are more only where the batch was larger than foreseen.
        split: That of all its clips; None without splits.
    """
    further = f".{number}" if number else ""
    folder = f"{split}/" if split is not None else ""
    return f"{folder}{_PART}{batch_id}-{attempt}{further}{SUFFIXES[shard_format]}"


def split_of(shard: str) -> str | None:
    """Return the split of a shard named in the manifest; None without splits."""
    found = _SHARD.fullmatch(shard)
    return found["split"] if found else None


def without_attempt(shard: str) -> str:
    """Return a shard's name as it is for every attempt at its batch."""
    batch, _, rest = shard.rpartition("-")
    return batch + rest[rest.index(".") :]
