"""The same engine as ours without queue, ledger, lease and decoder process: plain processes.

python benchmarks/peers/engine_bare.py DIR OUT [--processes 2]

Each process takes every N-th file of the folder; a folder of one video is cut at keyframes into as
many ranges of time as there are processes.
"""

import argparse
import json
import multiprocessing
import os

from msgspec.structs import replace

from shardmill.contract.location.roots import Roots
from shardmill.contract.schema import Facts, Item, Outcome
from shardmill.contract.spec import Spec
from shardmill.dataset.layout import Layout
from shardmill.inputs.scan import Filter, one_by_one, scan
from shardmill_worker.engine.extract import extract_batch
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.packets import survey
from shardmill_worker.engine.probe import probe_item
from shardmill_worker.engine.work import ExtractWork
from shardmill_worker.execution.in_decoder.planner import plan
from shardmill_worker.execution.in_decoder.work import ROWS

SPEC = Spec(size="160x120")


def found(root: str) -> list[Item]:
    """Return the files of a folder as items."""
    return [
        Item(path=one.path, size_bytes=one.size_bytes, mtime_ns=one.mtime_ns)
        for one in one_by_one(scan(root, Filter((), ()), print))
    ]


def shares(root: str, processes: int) -> list[list[Item]]:
    """Return what each process does."""
    items = found(root)
    if len(items) > 1:
        return [items[number::processes] for number in range(processes)]
    (item,) = items
    with open_media(root, item) as media:
        timeline = survey(media, lambda: None).timeline
    if processes == 1 or timeline is None:
        return [items]
    ranges = timeline.ranges(processes)
    return [
        [replace(item, segment=number, segments=len(ranges), start_ns=start, end_ns=end)]
        for number, (start, end) in enumerate(ranges)
    ]


def extract(root: str, out: str, number: int, items: list[Item]) -> tuple[int, int]:
    """Do what a worker does with items; return how many clips and frames came out."""
    known: list[Facts] = [probe_item(root, item) for item in items]
    order, edges = plan(items, known, SPEC)
    outcomes: list[Outcome] = []
    for place, (first, end) in enumerate(edges):
        batch_id = f"{number:08x}{place:08x}"
        tmp = Layout(out).attempt(batch_id, "1")
        work = ExtractWork(
            roots=Roots.of(root),
            out=out,
            tmp=tmp,
            part_tmp=os.path.join(tmp, ROWS),
            spec=SPEC,
            batch_id=batch_id,
            attempt="1",
            worker="w",
            items=tuple(items[row] for row in order[first:end]),
            facts=tuple(known[row] for row in order[first:end]),
        )
        os.mkdir(work.tmp)
        outcomes += extract_batch(work, lambda: None)
        os.rename(work.part_tmp, Layout(out).part(work.batch_id))
    return len(outcomes), sum(outcome.frames_kept or 0 for outcome in outcomes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("root")
    parser.add_argument("out")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    Layout(given.out).make()
    parts = enumerate(shares(given.root, given.processes))
    calls = [(given.root, given.out, number, items) for number, items in parts]
    with multiprocessing.Pool(given.processes) as pool:
        made = pool.starmap(extract, calls)
    clips, frames = (sum(column) for column in zip(*made, strict=True))
    print(json.dumps({"clips": clips, "frames": frames}))


if __name__ == "__main__":
    main()
