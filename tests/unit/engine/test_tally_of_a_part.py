"""What a decoder counts of the rows it wrote is what the written part holds."""

import pytest

from engine_work import probed
from shardmill.dataset.tally import Tally
from shardmill_worker.engine.extract import extract_batch


@pytest.fixture
def items(folder, steps):
    """A sound video, what is none, and another video."""
    folder.video("a.mkv", steps(3))
    folder.write("b.mkv", b"nothing of the sort" * 99)
    folder.video("c.mkv", steps(2))
    return tuple(map(folder.item, ("a.mkv", "b.mkv", "c.mkv")))


def test_probing_tells_what_the_part_comes_to(folder, items):
    found = probed(folder.root, items)

    assert found.gauges.shared.finished == 3
    assert found.result.counters == found.tally.counters() | {"probed": 3}
    assert (found.tally.ok, found.tally.failures) == (2, {"unsupported": 1})


def test_probing_that_writes_nothing_tells_nothing(folder, items):
    found = probed(folder.root, items[::2], goal="extract")

    assert not found.result.has_part
    assert found.result.counters.keys() == {
        *("probed", "planned_frames", "planned_us", "planned_ms2"),
    }
    assert found.result.counters["planned_frames"] == 5


def test_probing_counts_what_ends_and_what_is_planned(folder, items):
    found = probed(folder.root, items, goal="extract")

    assert [item.path for item, _ in found.pieces] == ["a.mkv", "c.mkv"]
    assert [row.item.path for row in found.rows] == ["b.mkv"]
    assert found.tally.counters().items() <= found.result.counters.items()
    assert (found.tally.failed, found.result.counters["planned_frames"]) == (1, 5)


def test_extraction_tells_what_the_part_comes_to(folder, items):
    facts = [folder.probe("a.mkv"), folder.probe("c.mkv")]
    work = folder.extract(*items[::2], facts=facts).work

    outcomes = extract_batch(work, lambda: None)
    assert [next(outcomes).status for _ in range(2)] == ["ok", "ok"]
    with pytest.raises(StopIteration) as end:
        next(outcomes)

    told = Tally.of_table(end.value.value)
    assert told == Tally.of_part(work.part_tmp)
    assert (told.ok, told.clips, told.frames) == (2, 2, 5)
