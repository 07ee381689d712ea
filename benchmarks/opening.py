"""Row 9: seconds and memory until a data set of a million clips is open.

python benchmarks/opening.py [--clips 1000000] [--parts 1]

The index is made up, as a job leaves it that has ended; there is no shard behind it.  Each opening
is a process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from program import Bench, layout_key, options, parser, publish
from record import Record, Table, ceiling
from side_by_side import results_of

from shardmill.dataset import index, manifest
from shardmill.dataset.checksum import OPEN, SEAL, sealed
from shardmill.dataset.layout import Layout
from shardmill.report import files_table

STRIDE = 7919
"""From one path to the next of the same shard: a prime, so that none comes twice."""

PROGRAM = """
import json, resource, sys, time
from shardmill.read import ClipDataset

def private_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1e3

before, began = private_mb(), time.perf_counter()
dataset = ClipDataset(sys.argv[1], window=16)
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
print(json.dumps({
    "windows": len(dataset), "seconds": round(seconds, 3),
    "private_mb_more": round(private_mb() - before, 1), "peak_rss_mb": round(peak, 1),
}))
"""


def make_index(out: str, *, clips: int, shards: int, frames: int, parts: int = 1) -> None:
    """Write manifest and index, without any shard, of clips that are nowhere.

    By path, neighbours lie in other shards.  With several parts as many clips are one that was cut.
    """
    layout = Layout(out)
    layout.make()
    each = clips // shards
    for shard in range(shards):
        name = f"part-{shard:016x}-1.tfrecord"
        numbers = range(shard * each, (shard + 1) * each)
        ids = [f"{number // parts:016x}" for number in numbers]
        paths = [f"class/{number // parts * STRIDE % clips:07d}.mp4" for number in numbers]
        part = [number % parts for number in numbers]
        edges = pa.array(np.arange(0, (each + 1) * frames, frames), pa.int32())
        values = np.arange(each * frames)
        shard_bytes = 2 * each * frames  # each frame lies in it
        constant = {"shard": name, "encoding": "jpeg", "width": 160, "height": 120, "crc32c": 0}
        constant |= {"record_offset": 0, "record_length": 1, "label": "class", "label_id": 0}
        columns: dict[str, Any] = {
            field.name: pa.nulls(each, field.type) for field in index.SCHEMA if field.nullable
        }
        columns |= {key: [value] * each for key, value in constant.items()}
        columns |= {"clip_id": ids, "path": paths, "clip_part": part, "clip_parts": [parts] * each}
        for field in index.SCHEMA:
            if pa.types.is_list(field.type):
                data = pa.array(values % 2 == 0 if field.name == "keyframe" else values)
                columns[field.name] = pa.ListArray.from_arrays(
                    edges, data.cast(field.type.value_type)
                )
        schema = index.SCHEMA.with_metadata(
            {"shard_bytes": str(shard_bytes), "framing_crc32c": "0"}
        )
        data = pa.BufferOutputStream()
        with pa.ipc.new_file(data, schema, metadata={SEAL: OPEN}) as writer:
            writer.write_table(pa.Table.from_pydict(columns, schema=schema))
        Path(layout.index_of(name)).write_bytes(sealed(data.getvalue().to_pybytes()))
        rows = {field.name: pa.nulls(each, field.type) for field in manifest.SCHEMA}
        rows |= {"path": columns["path"], "status": ["ok"] * each, "clip_id": ids}
        rows |= {"shard": columns["shard"], "frames_kept": [frames] * each}
        rows |= {"segment": part, "segments": [parts] * each}
        if parts > 1:
            rows |= {"start_ns": [number or None for number in part]}
            rows |= {"end_ns": [number + 1 if number + 1 < parts else None for number in part]}
        table = pa.Table.from_pydict(rows, schema=manifest.SCHEMA)
        pq.write_table(table, layout.part(f"{shard:016x}"), compression="zstd")
    files_table.write_files(layout)


def measure(bench: Bench) -> Record:
    clips = bench.more["clips"] or bench.size(small=20_000, full=1_000_000)
    parts = bench.more["parts"]
    shards, frames = max(1, clips // 1000), 30
    out = bench.cache.root / f"index-{clips}-{parts}-{layout_key()}"
    if not os.path.exists(Layout(str(out)).files):
        make_index(str(out), clips=clips, shards=shards, frames=frames, parts=parts)
    told: list[dict[str, Any]] = []
    for _ in range(bench.rounds):
        words = [sys.executable, "-c", PROGRAM, str(out)]
        told.append(json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout))
    seconds = results_of({"ClipDataset(OUT, window=16)": [one["seconds"] for one in told]})
    private_mb = max(one["private_mb_more"] for one in told)
    return Record(
        name="opening",
        title="Opening a data set",
        text=f"{clips:,} clips of {frames} frames in {shards:,} shards: time inside the process, "
        "and private memory that it takes afterwards.",
        scale=bench.scale,
        tables=[Table(f"Opening {clips:,} clips", seconds, per="opening", compared=False)],
        aims=[
            ceiling("9e", f"open {clips:,} clips", 1, seconds[0].median, unit="s"),
            ceiling("9f", f"private memory of {clips:,} clips", 100, private_mb, unit="MB"),
        ],
        figures={"peak_rss_mb": max(one["peak_rss_mb"] for one in told)},
    )


if __name__ == "__main__":
    mine = parser(__doc__)
    mine.add_argument("--clips", type=int)
    mine.add_argument("--parts", type=int, default=1, help="as many of them are one clip")
    given = options(mine, small=3, full=5)
    publish(measure(given), given)
