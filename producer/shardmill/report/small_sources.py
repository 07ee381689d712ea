"""The number of sources smaller than the exact size, and what became of them."""

from contextlib import closing

import duckdb

from shardmill.contract.quantity import format_count
from shardmill.contract.spec import Spec
from shardmill.report import store


def count(con: duckdb.DuckDBPyConnection, spec: Spec) -> int:
    """Return how many clips of the table ``files`` are of sources smaller than the exact size."""
    size = spec.sizes.exact
    if size is None:
        return 0
    (found,) = store.ask(
        con,
        store.sql("small_sources"),
        fitted=spec.fit is not None,
        width=size.width,
        height=size.height,
    )
    clips: int = found["clips"]
    return clips


def sentence(out: str) -> str | None:
    """Return what became of small sources in an output directory, None without any.

    Raises:
        UsageError: ``out`` is no output directory.
        DatasetDamaged: The manifest cannot be read.
    """
    spec = store.job_of(out).spec
    if spec.sizes.exact is None:
        return None
    with closing(store.open_files(out)) as con:
        clips = count(con, spec)
    if not clips:
        return None
    told = format_count(clips, "clip")
    if spec.no_upscale:
        return f"{told} smaller than {spec.sizes.exact}: sizes differ"
    return f"{told} enlarged to {spec.sizes.exact}: --no-upscale leaves them smaller"
