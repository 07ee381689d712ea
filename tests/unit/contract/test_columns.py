"""Items and facts survive the ledger, and nothing else is taken for them."""

import json
import os

import pytest
from msgspec.structs import replace

from shardmill.contract.columns import decode, encode
from shardmill.contract.errors import InvalidMessage
from shardmill.contract.schema import Facts, Item, Outcome

ITEM = Item(path="a/b.mp4", size_bytes=10, mtime_ns=20, label="a", label_id=0)
FACTS = Facts(kind="video", codec="h264", width=320, height=240, fps=29.97, vfr=False)
DONE = Outcome(status="ok", frames_kept=3, clip_id="c", shard="part-x-1.tfrecord", bytes_out=99)
PLAIN = {"path": ["a"], "size_bytes": [1], "mtime_ns": [2]}


@pytest.mark.parametrize(
    "path",
    [
        "plain/ünï-日本.mp4",
        os.fsdecode(b"a/\xff\xfe.mp4"),
        "a/line\nbreak.mp4",
        "a/\\n.mp4",
        "-%d:x",
    ],
    ids=ascii,
)
def test_any_path_survives_json(path):
    item = replace(ITEM, path=path)
    text = json.dumps(encode([item]))

    assert decode(Item, json.loads(text), count=1) == (item,)
    assert text.isascii()


def test_fields_at_rest_in_all_do_not_travel():
    assert encode([Item(path="a", size_bytes=1, mtime_ns=2)]) == PLAIN
    assert encode([Facts(), Facts()]) == {}
    assert encode([Outcome(status="ok")]) == {"status": ["ok"]}
    assert encode([Facts(fps=2.0), Facts(), Facts(width=7)]) == {
        "width": [None, None, 7],
        "fps": [2.0, None, None],
    }
    assert encode([]) == {}


@pytest.mark.parametrize(
    "parts",
    [[ITEM], [FACTS, Facts()], [DONE], [Facts()] * 3, [ITEM, replace(ITEM, segment=1)]],
    ids=["item", "facts", "outcome", "nothing known", "segments"],
)
def test_parts_come_back_from_json_as_they_were(parts):
    sent = json.loads(json.dumps(encode(parts)))

    assert decode(type(parts[0]), sent, count=len(parts)) == tuple(parts)


@pytest.mark.parametrize("kind", [Item, Facts, Outcome])
def test_of_no_parts_there_are_none(kind):
    assert decode(kind, {}, count=0) == ()


def test_a_whole_number_is_a_duration_too():
    (facts,) = decode(Facts, {"duration_s": [2]}, count=1)

    assert facts.duration_s == 2


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        (Item, None),
        (Item, []),
        (Item, "a"),
        (Item, {}),
        (Item, {"path": ["a"], "size_bytes": [1]}),
        (Item, PLAIN | {"colour": [3]}),
        (Item, PLAIN | {"path": [1]}),
        (Item, PLAIN | {"path": "a"}),
        (Item, PLAIN | {"path": {"a": 1}}),
        (Item, PLAIN | {"path": ["a", "b"]}),
        (Item, PLAIN | {"path": []}),
        (Item, PLAIN | {"size_bytes": ["1"]}),
        (Item, PLAIN | {"size_bytes": [1.0]}),
        (Item, PLAIN | {"size_bytes": [True]}),
        (Item, PLAIN | {"size_bytes": [None]}),
        (Item, PLAIN | {"label": [["x"]]}),
        (Facts, {"kind": ["sound"]}),
        (Facts, {"vfr": [1]}),
        (Facts, {"fps": [True]}),
        (Facts, {"fps": ["fast"]}),
        (Facts, {"width": [{"$gt": 0}]}),
        (Outcome, {}),
        (Outcome, {"status": ["perfect"]}),
        (Outcome, {"status": [None]}),
        (Outcome, {"status": [["ok"]]}),
    ],
    ids=str,
)
def test_other_values_are_refused(kind, columns):
    with pytest.raises(InvalidMessage):
        decode(kind, columns, count=1)


def test_one_wrong_value_among_good_ones_is_found():
    with pytest.raises(InvalidMessage, match=r"3 Facts: .* at `\$\.width\[2\]`"):
        decode(Facts, {"width": [1, None, "3"]}, count=3)


@pytest.mark.parametrize("count", ["1", None, 1.5, [1]])
def test_a_count_that_is_none_is_refused(count):
    for columns in ({}, PLAIN):
        with pytest.raises(InvalidMessage):
            decode(Item, columns, count=count)


def test_a_refusal_names_the_field_and_quotes_little():
    with pytest.raises(InvalidMessage, match=r"1 Item: .* at `\$\.path\[0\]`") as caught:
        decode(Item, PLAIN | {"path": [["a" * 10_000]]}, count=1)

    assert len(str(caught.value)) < 200
