"""How fast windows are read, and how fast a dataset of very many clips opens.

python benchmarks/windows.py read OUT                    windows a second, at random
python benchmarks/windows.py open DIR --clips 1000000    seconds and memory until the first window
                                                         could be read; DIR gets a made-up index

Whoever compares figures says what the disk's cache held: ``read`` goes through its windows twice.
"""

import argparse
import json
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shardmill.contract import index, manifest
from shardmill.contract.layout import Layout
from shardmill.read import ClipDataset

OPEN = """
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


def read(out: str, *, window: int, stride: int, seconds: float) -> None:
    """Print how many windows a second one process reads in shuffled order."""
    dataset = ClipDataset(out, window=window, stride=stride, short="pad")
    for cache in ("as it was", "warm"):
        times, began = [], time.perf_counter()
        while time.perf_counter() - began < seconds and len(times) < len(dataset):
            start = time.perf_counter()
            dataset.at(len(times), epoch=0)
            times.append(time.perf_counter() - start)
        p50, p95 = (1e3 * float(np.percentile(times, q)) for q in (50, 95))
        rate = len(times) / sum(times)
        print(
            f"cache {cache}: {rate:.0f} windows/s of {window} frames, "
            f"{rate * window:.0f} frames/s; median {p50:.1f} ms, 95 % {p95:.1f} ms"
        )


def make_index(out: str, *, clips: int, shards: int, frames: int) -> None:
    """Write manifest and index, without any shard, of clips that are nowhere."""
    layout = Layout(out)
    layout.make()
    each = clips // shards
    for shard in range(shards):
        name = f"part-{shard:016x}-1.tfrecord"
        ids = [f"{shard * each + clip:016x}" for clip in range(each)]
        edges = pa.array(np.arange(0, (each + 1) * frames, frames), pa.int32())
        values = np.arange(each * frames)
        constant = {"shard": name, "encoding": "jpeg", "width": 160, "height": 120, "crc32c": 0}
        constant |= {"record_offset": 0, "record_length": 1, "label": "class", "label_id": 0}
        columns = {key: [value] * each for key, value in constant.items()}
        columns |= {"clip_id": ids, "path": [f"class/{clip}.mp4" for clip in ids]}
        for field in index.SCHEMA:
            if pa.types.is_list(field.type):
                data = pa.array(values % 2 == 0 if field.name == "keyframe" else values)
                columns[field.name] = pa.ListArray.from_arrays(
                    edges, data.cast(field.type.value_type)
                )
        schema = index.SCHEMA.with_metadata({"shard_bytes": "0", "framing_crc32c": "0"})
        with pa.ipc.new_file(layout.index_of(name), schema) as writer:
            writer.write_table(pa.Table.from_pydict(columns, schema=schema))
        rows = {field.name: pa.nulls(each, field.type) for field in manifest.SCHEMA}
        rows |= {"path": columns["path"], "status": ["ok"] * each, "clip_id": ids}
        rows |= {"shard": columns["shard"], "frames_kept": [frames] * each}
        table = pa.Table.from_pydict(rows, schema=manifest.SCHEMA)
        pq.write_table(table, layout.part(f"{shard:016x}"), compression="zstd")


def opening(out: str, *, clips: int, shards: int, frames: int) -> None:
    """Print what opening costs, three times, each in a fresh process."""
    if not Layout(out).parts():
        make_index(out, clips=clips, shards=shards, frames=frames)
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", OPEN, out], stdout=subprocess.PIPE, check=True)
        print(json.dumps({"shards": len(Layout(out).parts())} | json.loads(done.stdout)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    modes = parser.add_subparsers(dest="mode", required=True)
    reading = modes.add_parser("read")
    reading.add_argument("out")
    reading.add_argument("--window", type=int, default=64)
    reading.add_argument("--stride", type=int, default=1)
    reading.add_argument("--seconds", type=float, default=10)
    many = modes.add_parser("open")
    many.add_argument("out")
    many.add_argument("--clips", type=int, default=1_000_000)
    many.add_argument("--shards", type=int, default=1000)
    many.add_argument("--frames", type=int, default=30)
    options = vars(parser.parse_args())
    {"read": read, "open": opening}[options.pop("mode")](**options)


if __name__ == "__main__":
    main()
