"""A batch is named after its content, and nothing else is taken for one."""

import json
import os

import pytest
from msgspec.structs import replace

from shardmill.contract.batch import Batch
from shardmill.contract.errors import InvalidMessage
from shardmill.contract.schema import Facts, Item


def item(number: int = 0, **changes) -> Item:
    plain = Item(path=f"a/{number}.mp4", size_bytes=10, mtime_ns=20, label="a", label_id=0)
    return replace(plain, **changes)


PROBE = Batch("probe", (item(0), item(1)))
FRAMES = item(path="a/%d.png", pictures=3, pictures_hz=25.0, pictures_digest="0f")
EXTRACT = Batch(
    "extract",
    (item(0), item(1), item(2)),
    (Facts(width=1), Facts(), Facts(fps=3.0)),
    probe_s=0.5,
)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Batch("probe", (item(1), item(0))), id="order"),
        pytest.param(Batch("probe", (item(0),)), id="fewer items"),
        pytest.param(Batch("extract", PROBE.items, (Facts(), Facts())), id="stage"),
        pytest.param(Batch("probe", (item(0, path="a/0.mov"), item(1))), id="path"),
        pytest.param(Batch("probe", (item(0, size_bytes=11), item(1))), id="size"),
        pytest.param(Batch("probe", (item(0, mtime_ns=21), item(1))), id="time of change"),
        pytest.param(Batch("probe", (item(0, segment=1), item(1))), id="segment"),
        pytest.param(Batch("probe", (item(0, segments=2), item(1))), id="segments"),
        pytest.param(Batch("probe", (item(0, clip_start_ns=0), item(1))), id="start of a clip"),
        pytest.param(Batch("probe", (item(0, clip_end_ns=9), item(1))), id="end of a clip"),
        pytest.param(replace(PROBE, last_chance=True), id="last chance"),
    ],
)
def test_other_content_has_another_name(other):
    assert other.batch_id("spec") != PROBE.batch_id("spec")


@pytest.mark.parametrize("digest", ["0f", "0e"])
def test_an_image_sequence_is_named_by_the_digest_of_its_pictures(digest):
    names = {
        Batch("probe", (replace(FRAMES, pictures_digest=each),)).batch_id("spec")
        for each in ("0f", digest)
    }

    assert len(names) == len({"0f", digest})


@pytest.mark.parametrize(
    "change",
    [
        {"path": "a/1.png"},
        {"pictures": 1},
        {"pictures_hz": None},
        {"pictures_hz": 0.0},
        {"pictures_digest": None},
        {"archive": "a.tar", "archive_offset": 0, "path": "a.tar/%d.png"},
    ],
    ids=str,
)
def test_an_impossible_image_sequence_is_no_batch(change):
    assert Batch.decode(Batch("probe", (FRAMES,)).encode()).items == (FRAMES,)

    with pytest.raises(InvalidMessage, match="expected a part of a file"):
        Batch.decode(Batch("probe", (replace(FRAMES, **change),)).encode())


def test_another_spec_gives_another_name():
    assert PROBE.batch_id("spec") != PROBE.batch_id("other")


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(Batch("probe", (item(0), item(1))), id="equal"),
        pytest.param(Batch("probe", (item(0, label="b", label_id=1), item(1))), id="labels"),
    ],
)
def test_equal_work_has_an_equal_name(same):
    assert same.batch_id("spec") == PROBE.batch_id("spec")


def test_facts_do_not_name_a_batch():
    """What probing finds follows from the file, so it cannot tell two batches apart."""
    assert EXTRACT.batch_id("s") == Batch("extract", EXTRACT.items, (Facts(),) * 3).batch_id("s")


def test_a_name_is_16_hex_digits_also_for_strange_paths():
    strange = Batch("probe", (item(0, path=os.fsdecode(b"\xff\n")),))

    assert len(strange.batch_id("spec")) == 16
    assert int(strange.batch_id("spec"), 16) >= 0


def test_a_part_keeps_the_facts_with_their_items():
    assert EXTRACT.part(1, 3) == Batch("extract", EXTRACT.items[1:], EXTRACT.facts[1:], probe_s=0.5)
    assert PROBE.part(0, 1) == Batch("probe", PROBE.items[:1])


def test_halves_hold_every_item_once():
    first, second = EXTRACT.halves()

    assert (first.items, second.items) == (EXTRACT.items[:1], EXTRACT.items[1:])
    assert (first.facts, second.facts) == (EXTRACT.facts[:1], EXTRACT.facts[1:])


@pytest.mark.parametrize(("position", "numbers"), [(0, [[1, 2]]), (1, [[0], [2]]), (2, [[0, 1]])])
def test_around_an_item_lie_those_before_and_those_behind(position, numbers):
    around = EXTRACT.around(position)

    assert [part.items for part in around] == [
        tuple(EXTRACT.items[number] for number in part) for part in numbers
    ]


def test_around_the_only_item_lies_nothing():
    assert EXTRACT.part(0, 1).around(0) == ()


def test_only_keeps_the_wanted_ones_with_their_facts():
    kept = EXTRACT.only([True, False, True])

    assert kept.items == (item(0), item(2))
    assert kept.facts == (Facts(width=1), Facts(fps=3.0))
    assert PROBE.only([False, True]) == Batch("probe", (item(1),))


@pytest.mark.parametrize(
    "batch",
    [
        PROBE,
        EXTRACT,
        Batch("finish"),
        Batch("probe", (item(0, path=os.fsdecode(b"\xff\n")),)),
        replace(EXTRACT, last_chance=True),
        EXTRACT.part(0, 0),
    ],
    ids=["probe", "extract", "finish", "strange path", "last chance", "no items"],
)
def test_a_batch_comes_back_from_json_as_it_was(batch):
    assert Batch.decode(batch.encode()) == batch
    assert Batch.decode(batch.encode().encode()) == batch


GOOD = json.loads(PROBE.encode())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="no JSON"),
        pytest.param("null", id="null"),
        pytest.param("17", id="a number"),
        pytest.param("[]", id="too short"),
        pytest.param('["probe", false, 0, {}, {}]', id="a field missing"),
        pytest.param('["probe", false, 0, {}, {}, 0, 1]', id="a field too many"),
        pytest.param('["shutdown", false, 0, {}, {}, 0]', id="unknown stage"),
        pytest.param('[["probe"], false, 0, {}, {}, 0]', id="stage of another type"),
        pytest.param('[{"probe": 1}, false, 0, {}, {}, 0]', id="stage that cannot be hashed"),
        pytest.param('["probe", false, 1, null, {}, 0]', id="no items"),
        pytest.param('["probe", false, 1, 5, {}, 0]', id="a number of items"),
        pytest.param('["probe", false, 1, [1], {}, 0]', id="an item that is none"),
        pytest.param('["probe", false, 1, {"__class__": ["os.system"]}, {}, 0]', id="a class"),
        pytest.param(
            '["extract", false, 1000000000000, {}, {}, 0]', id="items that are only counted"
        ),
        pytest.param('["extract", false, 0, {}, {"width": [1]}, 0]', id="facts without an item"),
        pytest.param(json.dumps(["probe", False, 3, *GOOD[3:]]), id="fewer items than told"),
        pytest.param(json.dumps([*GOOD[:4], {"width": [1, 2]}, 0]), id="facts too early"),
        pytest.param('["probe", false, 0, {}, {}, [1]]', id="a time that is none"),
        pytest.param(f'["probe", false, 0, {{}}, {{}}, 1{"0" * 400}]', id="an endless time"),
        pytest.param(b"\xff\xfe\x00", id="bytes that are no text"),
        pytest.param("[" * 100_000, id="endlessly nested"),
        pytest.param("9" * 10_000, id="an endless number"),
    ],
)
def test_what_is_no_batch_is_refused_with_one_error(text):
    with pytest.raises(InvalidMessage, match="expected a batch") as caught:
        Batch.decode(text)

    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret", "a/../../b", "..", "a\0b", "a/.."])
def test_a_path_out_of_the_input_is_refused(path):
    text = Batch("probe", (item(0, path=path),)).encode()

    with pytest.raises(InvalidMessage, match="expected a path below the input"):
        Batch.decode(text)


IN_TAR = {"path": "a.tar/1.mp4", "archive": "a.tar", "archive_offset": 512}


@pytest.mark.parametrize(
    "changes",
    [
        {"segment": 1},
        {"segment": -1, "segments": 2},
        {"segments": 0},
        {"start_ns": 5, "end_ns": 5},
        {"clip_end_ns": 0},
        {"clip_start_ns": -1},
        {"clip_start_ns": 7, "clip_end_ns": 6},
        {"clip_end_ns": 2**62},
        {"start_ns": -(2**62)},
        {"archive": "x.tar", "archive_offset": 0},
        {"archive": "a", "archive_offset": 0},
        IN_TAR | {"archive": "../x.tar"},
        IN_TAR | {"archive_offset": -1},
        IN_TAR | {"archive_offset": 2**63},
        IN_TAR | {"packed_bytes": -1},
        IN_TAR | {"archive_offset": None},
        IN_TAR | {"obstacle": "damaged"},
    ],
    ids=str,
)
def test_an_impossible_part_of_a_file_is_refused(changes):
    text = Batch("probe", (item(0, **changes),)).encode()

    with pytest.raises(InvalidMessage, match="expected a part of a file"):
        Batch.decode(text)


def test_members_of_archives_come_back_from_json_as_they_were():
    zipped = item(0, **IN_TAR | {"packed_bytes": 7})
    cut_off = item(0, path="a.tar", archive="a.tar", obstacle="damaged")
    batch = Batch("probe", (item(0, **IN_TAR), zipped, cut_off))

    assert Batch.decode(batch.encode()) == batch


def test_parts_of_a_file_come_back_from_json_as_they_were():
    cut = item(0, segment=1, segments=2, start_ns=-5, end_ns=0)
    clip = item(0, segments=2, clip_start_ns=0, clip_end_ns=10**9)
    batch = Batch("probe", (cut, clip, item(0, clip_start_ns=3)))

    assert Batch.decode(batch.encode()) == batch


@pytest.mark.parametrize("path", ["a/..b", "...", "a..mp4", "a b", "-rf", "%d.mp4", ":"])
def test_a_path_that_only_looks_odd_is_let_through(path):
    batch = Batch("probe", (item(0, path=path),))

    assert Batch.decode(batch.encode()) == batch
