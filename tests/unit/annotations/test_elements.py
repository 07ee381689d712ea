"""JSON and JSON Lines: each element by itself, however large the document, however broken."""

import gzip
import io
import json
from decimal import Decimal

import ijson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shardmill.annotations import columns
from shardmill.annotations.presets import Columns, Form, Preset
from shardmill.contract.errors import InvalidAnnotations
from shardmill.inputs.text_file import BLOCK_BYTES, LIMIT

KEYED = Preset(columns=Columns(path="key"))
VALUED = Preset(columns=Columns(path="value"))


@pytest.fixture
def of_any_length(monkeypatch):
    """Let an element be as long as it can be read."""
    monkeypatch.setattr(columns, "LONGEST_TEXT", 2 * LIMIT)


def inside(*names: str) -> Preset:
    return Preset(form=Form(inside=names))


@pytest.mark.parametrize(
    ("name", "text", "preset"),
    [
        ("a.json", '[{"path": "a", "label": "x"}, {"path": "b", "label": "y"}]', None),
        (
            "a.json",
            '\ufeff [\n{"path": "a", "label": "x"}\n,{"path": "b", "label": "y"}\n]\n',
            None,
        ),
        ("a.json", b'[{"path":"a","label":"x"},{"path":"b","label":"y"}]', None),
        ("a.json", '{"a": {"label": "x"}, "b": {"label": "y"}}', KEYED),
        ("a.json", '{"a": [{"label": "x"}], "b": [ {"label": "y"}]}', KEYED),
        ("a.json", '{"a": "x", "b": ["y"]}', Preset(columns=Columns(path="key", label="value"))),
        ("a.json", '{"all": [{"path": "a", "label": "x"}, {"path": "b", "label": "y"}]}', None),
        (
            "a.json",
            (
                '{"v": [1, "]}"], "db": {"n": {}, "all": [{"path": "a", "label": "x"}, '
                '{"path": "b", "label": "y"}]}, "z": 0}'
            ),
            inside("db", "all"),
        ),
        (
            "a.json",
            '[["a", "x"], ["b", "y"]]',
            Preset(columns=Columns(path="value.0", label="value.1")),
        ),
        ("a.jsonl", '{"path": "a", "label": "x"}\r\n\n{"path": "b", "label": "y"}', None),
        ("a.ndjson", '\ufeff{"path": "a", "label": "x"}\n {"path": "b", "label": "y"}\n', None),
    ],
)
def test_the_same_annotations_in_every_shape(desk, name, text, preset):
    found = desk.read(name, text, preset)

    assert [(a.source, a.labels) for a in found.annotations] == [("a", ("x",)), ("b", ("y",))]
    assert found.left_out == []


def test_nested_values_are_reached_by_dots_and_carried_along(desk):
    """Kinetics' own JSON: {"id": {"annotations": {"label", "segment"}, "subset", ...}}."""
    text = json.dumps(
        {
            "0wR5jVB-WPk": {
                "annotations": {"label": "archery", "segment": [417.0, 427.5]},
                "duration": 10.0,
                "subset": "train",
                "url": None,
            }
        }
    )
    columns = Columns(
        path="key",
        label="annotations.label",
        start="annotations.segment.0",
        end="annotations.segment.1",
        split="subset",
    )

    (annotation,) = desk.read("a.json", text, Preset(columns=columns)).annotations

    assert (annotation.source, annotation.labels, annotation.split) == (
        "0wR5jVB-WPk",
        ("archery",),
        "train",
    )
    assert (annotation.start_ns, annotation.end_ns) == (417_000_000_000, 427_500_000_000)
    assert annotation.extra == {
        "annotations": {"label": "archery", "segment": [417.0, 427.5]},
        "duration": 10.0,
        "url": None,
    }


@pytest.mark.parametrize(
    ("text", "left_out", "sources"),
    [
        pytest.param("[A, 7, B]", [(2, "columns")], "AB", id="a number for an object"),
        pytest.param('[A, {"label": "x"}, B]', [(2, "columns")], "AB", id="no path"),
        pytest.param('[A, {"path": null}, B]', [(2, "columns")], "AB", id="null for a path"),
        pytest.param('[A, {"path": {}}, B]', [(2, "path")], "AB", id="an object for a path"),
        pytest.param('[A, {"path": "\\ud800"}, B]', [(2, "path")], "AB", id="half a character"),
        pytest.param('[A, {"path": "a\\u0000"}, B]', [(2, "path")], "AB", id="NUL in a path"),
        pytest.param("[A, B,]", [], "AB", id="a comma at the end"),
    ],
)
def test_an_element_that_cannot_be_used_costs_itself_alone(desk, text, left_out, sources):
    for letter in "AB":
        text = text.replace(letter, json.dumps({"path": letter}))

    found = desk.read("a.json", text)

    assert found.left_out == left_out
    assert found.sources == list(sources)


@pytest.mark.parametrize(
    ("text", "element", "why"),
    [
        pytest.param('[A,\n{"path": tru}, B]', 2, "line 2: Expecting value", id="broken value"),
        pytest.param('[A, {"path": "x" "q": [1, {}]}, B]', 2, "delimiter", id="no comma in it"),
        pytest.param('[A, {"q": [1}, B]', 2, "delimiter", id="bracket never closed"),
        pytest.param('[A, {"path": "x, \n B]', 2, "control character", id="quote never closed"),
        pytest.param("[A, x, B]", 2, "Expecting value", id="no JSON at all"),
        pytest.param("[A B]", 1, "expected a comma or ], got '{'", id="no comma behind it"),
        pytest.param("[A,, B]", 2, "Expecting value", id="two commas"),
        pytest.param("[A, B", 2, "cut off", id="cut off behind an element"),
        pytest.param("[A, B,", 2, "cut off", id="cut off behind a comma"),
        pytest.param('[A, {"pa', 2, "Unterminated string", id="cut off within an element"),
        pytest.param("[A] [B]", 1, "say that the format is jsonl", id="more behind the end"),
        pytest.param("[A]\udcc3", 1, "expected the end", id="half a letter behind the end"),
        pytest.param(f"[A, {'[' * 5000}, B]", 2, "no program can use", id="too deep"),
        pytest.param(f'[A, {{"n": {"9" * 5000}}}, B]', 2, "no program can use", id="huge number"),
        pytest.param(
            '[A, {"n": 1e99999999999999999999}, B]', 2, "no program can use", id="a huge power"
        ),
        pytest.param('{"a": {}, b: {}}', 1, "a name in quotes", id="name without quotes"),
        pytest.param('{"a": {}, "b" {}}', 1, "a name in quotes and a colon", id="no colon"),
        pytest.param('{"a": {}, "b": [{}, {"q": tru}]}', 3, "Expecting value", id="within"),
        pytest.param('{"a": {}', 1, "cut off", id="object cut off"),
    ],
)
def test_a_broken_document_is_refused_with_the_place(desk, text, element, why):
    text = text.replace("A", '{"path": "a"}').replace("B", '{"path": "b"}')

    with pytest.raises(InvalidAnnotations) as caught:
        desk.read("a.json", text.encode("utf-8", "surrogateescape"), KEYED)

    assert f"a.json, element {element}: broken JSON in line " in str(caught.value)
    assert why in str(caught.value)


def test_a_compressed_document_that_is_cut_off_says_so(desk):
    content = json.dumps([{"path": f"{number * 7919 % 100_003}"} for number in range(50_000)])
    whole = gzip.compress(content.encode())

    with pytest.raises(InvalidAnnotations, match="compressed data is damaged or cut off"):
        desk.read("a.json.gz", whole[: len(whole) // 2])


def test_what_is_beside_the_annotations_may_be_of_any_length(desk):
    images = [{"name": "x" * 100, "at": [1, {"y": "]}"}]}] * 20_000
    document = {"images": images, "more": {"all": images}, "notes": [{"path": "a"}], "z": images}

    found = desk.read("a.json", json.dumps(document), inside("notes"))

    assert found.sources == ["a"]


@pytest.mark.parametrize("where", [BLOCK_BYTES - 40, BLOCK_BYTES, 3 * BLOCK_BYTES + 1])
@pytest.mark.parametrize("kind", ["text", "array", "escapes"])
def test_an_element_longer_than_the_limit_is_refused(desk, where, kind):
    long = {"text": "x" * LIMIT, "array": ["[{", 1.5] * (LIMIT // 8), "escapes": '"]' * LIMIT}
    elements = [{"path": "a" * 5}] * (where // 20) + [{"path": "b", "q": long[kind]}]

    with pytest.raises(InvalidAnnotations, match="name what leads to them"):
        desk.read("a.json", json.dumps(elements))


@pytest.mark.usefixtures("of_any_length")
def test_elements_up_to_the_limit_are_read_wherever_the_window_ends(desk):
    sizes = [
        0,
        1,
        BLOCK_BYTES // 2,
        BLOCK_BYTES - 20,
        BLOCK_BYTES,
        BLOCK_BYTES + 1,
        LIMIT - 40,
        3,
        5,
    ]
    elements = [{"path": str(size), "fill": '"}]é' * (size // 8)} for size in sizes]

    found = desk.read("a.json", json.dumps(elements, ensure_ascii=False))

    assert found.left_out == []
    assert [a.extra["fill"] for a in found.annotations] == [e["fill"] for e in elements]


@pytest.mark.parametrize("offset", range(BLOCK_BYTES - 12, BLOCK_BYTES + 2))
def test_no_token_is_torn_at_the_edge_of_a_window(desk, offset):
    """Numbers, names and letters of several bytes, cut at each of their bytes."""
    head = '[{"path":"a"}'
    rest = ',{"path":"b","n":12345.5,"t":true,"é":"é"}]'

    found = desk.read("a.json", head + " " * (offset - len(head)) + rest)

    assert found.left_out == []
    assert found.annotations[1].extra == {"n": 12345.5, "t": True, "é": "é"}


@pytest.mark.parametrize("offset", range(BLOCK_BYTES - 8, BLOCK_BYTES + 2))
def test_no_number_is_torn_either(desk, offset):
    head = "[1, {"
    numbers = head.rstrip("{") + " " * (offset - len(head)) + "1234567]"

    assert desk.read("a.json", numbers, VALUED).sources == ["1", "1234567"]


def test_lines_are_counted_from_the_documents_start(desk):
    sound = '{"path": "a", "fill": "some text that fills the window"},\n' * 5000

    with pytest.raises(InvalidAnnotations, match="element 5001: broken JSON in line 5002: "):
        desk.read("a.json", "[\n" + sound + '{"path": tru},\n{"path": "b"}]')


@pytest.mark.parametrize(
    ("text", "left_out", "sources"),
    [
        ('{"path": "a"}\n{"path": \n"b"}\n{"path": "c"}', [(2, "json"), (3, "json")], ["a", "c"]),
        ('{"path": "a"}\n{"path": "b"} {}\n{"path": "c"}', [(2, "json")], ["a", "c"]),
        ('{"path": "a"}\n[1, 2]\n{"path": "c"}', [(2, "columns")], ["a", "c"]),
        ('{"path": "' + "x" * LIMIT + '"}\n{"path": "c"}', [(1, "long")], ["c"]),
        ("[" * 100_000 + '\n{"path": "c"}', [(1, "json")], ["c"]),
    ],
)
def test_a_broken_line_of_json_lines_costs_itself_alone(desk, text, left_out, sources):
    found = desk.read("a.jsonl", text)

    assert found.left_out == left_out
    assert found.sources == sources


@pytest.mark.parametrize(
    ("text", "preset", "message"),
    [
        ('"text"', None, "expected an array or an object of annotations"),
        ('{"a": 1}', inside("b"), "expected a member 'b' .* got 'a': name what leads"),
        ("[1]", inside("b"), "expected a member 'b' .* got none"),
        ('{"b": 1}', inside("b"), "expected an array or an object"),
        ('{"b": ', inside("b"), "expected an array or an object"),
        ("{1: 1}", inside("b"), "expected a name in quotes"),
    ],
)
def test_a_document_without_annotations_is_refused_whole(desk, text, preset, message):
    with pytest.raises(InvalidAnnotations, match=message):
        desk.read("a.json", text, preset)


def test_surrogates_and_numbers_that_are_no_json_do_no_harm(desk):
    content = b'[{"path": "a\xff", "label": "x\\ud800", "n": NaN, "m": 1e999, "k": 0.1}]'

    (annotation,) = desk.read("a.json", content).annotations

    assert (annotation.source, annotation.labels) == ("a\udcff", ("x\\ud800",))
    assert annotation.extra == {"n": None, "m": "1E+999", "k": 0.1}


SCALAR = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
VALUES = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=10,
)


def plain(value: object) -> object:
    """ijson's numbers as ours: it gives Decimal for what is no int."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [plain(each) for each in value]
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value


@given(values=st.lists(VALUES, max_size=6), indent=st.sampled_from([None, 1]), data=st.data())
@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
def test_a_sound_document_is_read_as_ijson_reads_it(desk, values, indent, data):
    elements = [{"path": "a", "v": value} for value in values]
    text = json.dumps(elements, indent=indent, ensure_ascii=data.draw(st.booleans()))

    found = desk.read("a.json", text)

    expected = [plain(each["v"]) for each in ijson.items(io.BytesIO(text.encode()), "item")]
    assert [a.extra["v"] for a in found.annotations] == expected
    assert found.left_out == []
