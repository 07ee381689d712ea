"""A batch is a range of rows in a few bytes, and nothing else is taken for one."""

import json

import pytest
from msgspec.structs import replace

from shardmill.contract.batch import FINISH, MAX_BYTES, MAX_SUBJECT, Batch
from shardmill.contract.errors import InvalidMessage

PROBE = Batch(
    id="0123456789abcdef",
    stage="probe",
    table="files-0-89abcdef",
    first=100,
    end=103,
    subject="a/1.mp4…",
    size_bytes=30,
)
MOST = Batch(
    id="f" * 16,
    stage="extract",
    table=f"probed-{'f' * 16}-{'f' * 16}-{'f' * 8}",
    first=2**32 - 1,
    end=2**32,
    size_bytes=2**63 - 1,
)
"""The longest name of a table, and the largest numbers."""


@pytest.mark.parametrize("character", ["a", "ä", "€", "\U0001d11e", '"', "\\"])
@pytest.mark.parametrize("last_chance", [False, True])
def test_a_batch_takes_300_bytes_at_most_whatever_its_files_are_called(character, last_chance):
    batch = replace(MOST, subject=character * 200)
    batch = batch.part(0, 1, last_chance=True) if last_chance else batch

    assert len(batch.encode()) <= MAX_BYTES == 300
    told = Batch.decode(batch.id, batch.encode())
    assert told == replace(batch, subject=character * MAX_SUBJECT)


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(PROBE, id="probe"),
        pytest.param(MOST, id="extract"),
        pytest.param(FINISH, id="finish"),
        pytest.param(PROBE.part(1, 2, last_chance=True), id="last chance"),
        pytest.param(replace(PROBE, size_bytes=0, subject=""), id="nothing for people"),
    ],
)
def test_a_batch_comes_back_from_json_as_it_was(batch):
    assert Batch.decode(batch.id, batch.encode()) == batch
    assert Batch.decode(batch.id, batch.encode().decode()) == batch


def test_a_part_is_some_of_the_rows_under_another_name():
    part = PROBE.part(1, 3)

    assert (part.stage, part.table, part.first, part.end) == ("probe", PROBE.table, 101, 103)
    assert (len(part), part.last_chance, part.size_bytes) == (2, False, None)
    assert part.id != PROBE.id
    assert len(part.id) == 16
    assert int(part.id, 16) >= 0


def test_parts_have_equal_names_where_their_content_is_equal():
    """Whoever cuts a batch again, after a death, names its parts as the first one did."""
    again = Batch.decode(PROBE.id, PROBE.encode())

    assert again.part(1, 3).id == PROBE.part(1, 3).id
    assert again.halves() == tuple(replace(h, subject=again.subject) for h in PROBE.halves())


def test_parts_of_other_content_have_other_names():
    parts = [
        batch.part(first, end, last_chance=last_chance)
        for batch in (PROBE, replace(PROBE, id="0123456789abcdee"))
        for first in range(3)
        for end in range(first + 1, 4)
        for last_chance in (False, True)
    ]

    assert len({part.id for part in parts} | {PROBE.id}) == len(parts) + 1


def test_halves_hold_every_row_once():
    first, second = PROBE.halves()

    assert (first.first, first.end) == (100, 101)
    assert (second.first, second.end) == (101, 103)


@pytest.mark.parametrize(
    ("row", "ranges"), [(0, [(101, 103)]), (1, [(100, 101), (102, 103)]), (2, [(100, 102)])]
)
def test_around_a_row_lie_those_before_and_those_behind(row, ranges):
    assert [(part.first, part.end) for part in PROBE.around(row)] == ranges


def test_around_the_only_row_lies_nothing():
    assert PROBE.part(0, 1).around(0) == ()


GOOD = json.loads(PROBE.encode())


def changed(**fields: object) -> str:
    return json.dumps(GOOD | fields)


def test_what_the_refused_ones_differ_from_is_a_batch():
    assert Batch.decode(PROBE.id, changed()) == PROBE


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="no JSON"),
        pytest.param("null", id="null"),
        pytest.param("17", id="a number"),
        pytest.param("[]", id="a list"),
        pytest.param("{}", id="no stage"),
        pytest.param(changed(stage="shutdown"), id="unknown stage"),
        pytest.param(changed(stage=["probe"]), id="stage of another type"),
        pytest.param(changed(stage={"probe": 1}), id="stage that cannot be hashed"),
        pytest.param(changed(stage="finish"), id="a finish with rows"),
        pytest.param('{"stage":"probe"}', id="a probe without rows"),
        pytest.param(changed(rows=None), id="no range"),
        pytest.param(changed(rows=[1]), id="half a range"),
        pytest.param(changed(rows=[0, 1, 2]), id="more than a range"),
        pytest.param(changed(rows=[1.5, 2]), id="half a row"),
        pytest.param(changed(rows=["0", "1"]), id="rows that are text"),
        pytest.param(changed(rows=[3, 3]), id="an empty range"),
        pytest.param(changed(rows=[3, 2]), id="a range backwards"),
        pytest.param(changed(rows=[-1, 2]), id="a row before the first"),
        pytest.param(changed(rows=[0, 2**32 + 1]), id="more rows than any table has"),
        pytest.param(changed(rows=[0, 10**100]), id="an endless range"),
        pytest.param(changed(table=""), id="no table"),
        pytest.param(changed(table="../../etc/passwd"), id="a path that leads out"),
        pytest.param(changed(table="/etc/passwd"), id="a path from the root"),
        pytest.param(changed(table="a-b/c"), id="a table in a folder"),
        pytest.param(changed(table="a-b.arrow"), id="a suffix"),
        pytest.param(changed(table="a-b\0"), id="a NUL"),
        pytest.param(changed(table="a-b\n"), id="a line break"),
        pytest.param(changed(table="A-b"), id="a table that none of ours is called"),
        pytest.param(changed(table="a" * 300 + "-b"), id="an endless table"),
        pytest.param(changed(last_chance=1), id="a flag that is none"),
        pytest.param(changed(subject=7), id="a subject that is no text"),
        pytest.param(changed(subject="\x1b[2J"), id="what moves a terminal's cursor"),
        pytest.param(changed(subject="a" * 300), id="an endless subject"),
        pytest.param(changed(size_bytes="many"), id="a size that is none"),
        pytest.param(changed(size_bytes=-1), id="less than nothing"),
        pytest.param(f'{{"size_bytes":1{"0" * 400},{changed()[1:]}', id="an endless size"),
        pytest.param(changed(worker="w"), id="a field too many"),
        pytest.param(b"\xff\xfe\x00", id="bytes that are no text"),
        pytest.param("[" * 100_000, id="endlessly nested"),
        pytest.param("9" * 10_000, id="an endless number"),
        pytest.param("\x80\x04\x95", id="a pickle"),
    ],
)
def test_what_is_no_batch_is_refused_with_one_error(text):
    with pytest.raises(InvalidMessage, match="expected a batch") as caught:
        Batch.decode("b1", text)

    assert len(str(caught.value)) < 400
