"""Where things lie in an output directory.  Every path below OUT is built here.

OUT/
  job.json          spec, input directory, versions
  classes.json      label to id
  shards/part-<batch>-<attempt>.tfrecord
  index/part-<batch>-<attempt>.arrow
  manifest/part-<batch>.parquet        its appearance is the commit
  summary.json  files.parquet          written at the end
  .tmp/             files that are being written; removed at the end
  .lock             held by the producer while it lives
"""

import os
from dataclasses import dataclass
from typing import Final

from shardmill.contract.errors import DatasetDamaged

SUFFIXES: Final = {"tfrecord": ".tfrecord"}
"""File name suffix of each shard format."""
_PART = "part-"
_PARQUET = ".parquet"


@dataclass(frozen=True, slots=True)
class Layout:
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
    def tmp(self) -> str:
        """Directory of files that are being written."""
        return os.path.join(self.out, ".tmp")

    @property
    def lock(self) -> str:
        """File that the producer locks."""
        return os.path.join(self.out, ".lock")

    def part(self, batch_id: str) -> str:
        """Return the manifest part of a batch."""
        return os.path.join(self.manifest, f"{_PART}{batch_id}{_PARQUET}")

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

    def shard(self, name: str) -> str:
        """Return the path of a shard named in the manifest.

        Raises:
            DatasetDamaged: The name would lead out of the output directory.
        """
        if os.path.basename(name) != name or not name.startswith(_PART):
            raise DatasetDamaged(f"expected a shard's file name in the manifest, got {name!r}")
        return os.path.join(self.shards, name)

    def index_of(self, shard: str) -> str:
        """Return the index part of a shard named in the manifest.

        Raises:
            DatasetDamaged: The name would lead out of the output directory.
        """
        stem, _ = os.path.splitext(os.path.basename(self.shard(shard)))
        return os.path.join(self.index, stem + ".arrow")

    def shard_names(self) -> list[str]:
        """Return the shard files that are there, sorted; none if there is no directory."""
        try:
            return sorted(name for name in os.listdir(self.shards) if name.startswith(_PART))
        except FileNotFoundError:
            return []

    def make(self) -> None:
        """Create the directories."""
        for path in (self.shards, self.index, self.manifest, self.tmp):
            os.makedirs(path, exist_ok=True)


def shard_name(batch_id: str, attempt: str, shard_format: str) -> str:
    """Return the file name of the shard that one attempt at a batch writes."""
    return f"{_PART}{batch_id}-{attempt}{SUFFIXES[shard_format]}"
