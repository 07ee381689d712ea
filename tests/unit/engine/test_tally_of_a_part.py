"""What a decoder counts of the rows it wrote is what the written part holds."""

from collections.abc import Generator

import pytest

from shardmill.contract.location.roots import Roots
from shardmill.contract.schema import Outcome
from shardmill.contract.spec import Spec
from shardmill.dataset.tally import Tally
from shardmill_worker.engine.extract import extract_batch
from shardmill_worker.engine.probe_batch import probe_batch
from shardmill_worker.engine.work import PartWriting, ProbeWork


def end_of(answers: Generator) -> tuple[int, object]:
    """Return how many answers there are, and what is returned behind them."""
    count = 0
    while True:
        try:
            next(answers)
        except StopIteration as end:
            return count, end.value
        count += 1


@pytest.fixture
def items(folder, steps):
    """A sound video, what is none, and one that another decoder died of."""
    folder.video("a.mkv", steps(3))
    folder.write("b.mkv", b"nothing of the sort" * 99)
    folder.video("c.mkv", steps(2))
    return tuple(map(folder.item, ("a.mkv", "b.mkv", "c.mkv")))


JUDGED = {2: Outcome(status="failed", error_class="decoder_crash", error_stage="probe")}


def test_probing_tells_what_the_part_comes_to(folder, items, tmp_path):
    part = str(tmp_path / "part")
    writes = PartWriting(tmp=part, worker="w", judged=JUDGED)
    work = ProbeWork(roots=Roots.of(str(folder.root)), items=items, spec=Spec(), writes=writes)

    count, told = end_of(probe_batch(work, lambda: None))

    assert count == 3
    assert told == Tally.of_part(part)
    assert (told.ok, told.failures) == (1, {"unsupported": 1, "decoder_crash": 1})


def test_probing_that_writes_nothing_tells_nothing(folder, items):
    work = ProbeWork(roots=Roots.of(str(folder.root)), items=items)

    assert end_of(probe_batch(work, lambda: None)) == (3, None)


def test_extraction_tells_what_the_part_comes_to(folder, items):
    facts = [folder.probe("a.mkv"), folder.probe("c.mkv")]
    work = folder.extract(*items[::2], facts=facts).work

    count, told = end_of(extract_batch(work, lambda: None))

    assert count == 2
    assert told == Tally.of_part(work.part_tmp)
    assert (told.ok, told.clips, told.frames) == (2, 2, 5)
