"""Probing a batch: what each of its files is, told to the worker or written as a manifest part."""

import time
from itertools import repeat
from typing import Any

from msgspec.structs import replace

from shardmill.contract.errors import ItemError, Skip
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.dataset.manifest import write_part
from shardmill.dataset.tally import Tally
from shardmill_worker.engine.count import count_packets, decode_all
from shardmill_worker.engine.division import choose, items_of
from shardmill_worker.engine.faults import output_faults
from shardmill_worker.engine.image_sequence import probe_sequence
from shardmill_worker.engine.probe import probe_item, refuse_cut_off
from shardmill_worker.engine.work import Advance, Answer, Answers, Divided, PartWriting, ProbeWork


def probe_batch(work: ProbeWork, advance: Advance) -> Answers:
    """Yield what each item is, in order; behind the last one write the part, if there is to be one.

    In the end it returns what the part comes to, if one was written.

    Args:
        work: What to do.
        advance: Called now and then while an item takes long.

    Raises:
        EnvironmentFault: OUT cannot be written, or the input directory is missing.
    """
    answers = _answers(work, advance)
    return answers if work.writes is None else _written(work, work.writes, answers)


def _answers(work: ProbeWork, advance: Advance) -> Answers:
    """Yield what each item is; of several clips of one file the facts of the first are all's."""
    judged = {} if work.writes is None else work.writes.judged
    path, answer = None, None
    for position, item in enumerate(work.items):
        if position in judged:
            yield judged[position]
            continue
        if answer is None or item.path != path or work.chooses:
            path, answer = item.path, _probe(work, item, advance)
        yield answer
    return None


def _written(work: ProbeWork, writing: PartWriting, answers: Answers) -> Answers:
    """Let answers through, then write them as a manifest part.

    Raises:
        EnvironmentFault: OUT cannot be written.
    """
    began_s = time.perf_counter()
    found: list[tuple[Item, Answer]] = []
    for item, answer in zip(work.items, answers, strict=True):
        found.append((item, answer))
        yield answer
    count = len(found)
    shared: Any = {
        "worker": writing.worker,
        "probe_s": (time.perf_counter() - began_s) / count,
        "ledger_s": writing.ledger_s / count,
    }
    ok = Outcome(status="ok", **shared)
    rows = [row for item, answer in found for row in _rows(item, answer, ok, shared)]
    with output_faults(writing.tmp):
        write_part(writing.tmp, rows)
    return Tally.of(rows)


def _rows(item: Item, answer: Answer, ok: Outcome, shared: Any) -> list[Row]:
    if isinstance(answer, Outcome):
        return [Row(item, Facts(), replace(answer, **shared))]
    if isinstance(answer, Facts):
        return [Row(item, answer, ok)]
    return [
        Row(part, answer.facts, replace(ok, frames_kept=kept))
        for part, kept in zip(answer.items, answer.kept or repeat(None), strict=False)
    ]


def _probe(work: ProbeWork, item: Item, advance: Advance) -> Answer:
    try:
        base = work.roots.base_of(item.path)
        if item.sequence is not None:
            facts = probe_sequence(base, item)
        else:
            facts = probe_item(base, item)
            if not work.keep_partial:
                refuse_cut_off(base, item, facts)
        if work.depth == "count":
            facts = replace(facts, frames_counted=count_packets(base, item, advance))
        elif work.depth == "check":
            found = decode_all(base, item, advance)
            changes = found.size_changes if facts.kind == "video" else None
            facts = replace(facts, frames_counted=found.frames, size_changes=changes)
        if work.spec is None:
            return facts
        if work.chooses:
            return choose(base, item, facts, work.spec, advance)
        items = items_of(base, item, facts, work.spec, advance)
        return facts if items == (item,) else Divided(facts, items)
    except Skip as reason:
        return Outcome(status="skipped", error_stage="probe", error_message=str(reason))
    except ItemError as error:
        return Outcome.of_error(error, stage="probe")
