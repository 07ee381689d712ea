"""What a catalog has to do, as values."""

import os
from typing import Any

from shardmill.catalog.catalog import Catalog


def work_of(catalog: Catalog, *, seed: int | None = None) -> list[dict[str, Any]]:
    """Return the rows to do in their order, with paths as text."""
    rows = catalog.work(seed=seed).read_all().to_pylist()
    assert catalog.todo_count() == len(rows)
    return [row | {"path": os.fsdecode(row["path"])} for row in rows]


def paths_to_do(catalog: Catalog, *, seed: int | None = None) -> list[str]:
    """Return the paths of the rows to do in their order."""
    return [row["path"] for row in work_of(catalog, seed=seed)]
