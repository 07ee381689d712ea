"""JSON and JSON Lines: each element by itself, however large the document, however broken."""

import io
import json
from decimal import Decimal

import ijson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shardmill.annotations import columns
from shardmill.annotations.form import Columns, Form, Preset
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
        pytest.param('[A, {"path": tru}, B]', [(2, "json")], "AB", id="broken value"),
        pytest.param(
            '[A, {"path": "x" "q": [1, {}]}, B]', [(2, "json")], "AB", id="no comma in it"
        ),
        pytest.param('[A, {"q": ["],}", "\\"", }, B]', [(2, "json")], "AB", id="brackets cross"),
        pytest.param('[A, {"q": [1}, B, C]', [(2, "json")], "ABC", id="bracket never closed"),
        pytest.param('[A, {"path": "x, \n B, C]', [(2, "json")], "AC", id="quote never closed"),
        pytest.param(
            '[A, {"a": "x,\n{"b": "},"}, B]', [(2, "json")], "AB", id="brackets in quotes"
        ),
        pytest.param("[A, x, B]", [(2, "json")], "AB", id="no JSON at all"),
        pytest.param("[A B, C]", [(1, "json")], "ABC", id="no comma behind it"),
        pytest.param("[A,, B]", [(2, "json")], "AB", id="two commas"),
        pytest.param("[A, B,]", [], "AB", id="a comma at the end"),
        pytest.param("[A, 7, B]", [(2, "columns")], "AB", id="a number for an object"),
        pytest.param('[A, {"label": "x"}, B]', [(2, "columns")], "AB", id="no path"),
        pytest.param('[A, {"path": null}, B]', [(2, "columns")], "AB", id="null for a path"),
        pytest.param('[A, {"path": {}}, B]', [(2, "path")], "AB", id="an object for a path"),
        pytest.param('[A, {"path": "\\ud800"}, B]', [(2, "path")], "AB", id="half a character"),
        pytest.param('[A, {"path": "a\\u0000"}, B]', [(2, "path")], "AB", id="NUL in a path"),
        pytest.param("[A, B", [(2, "json")], "AB", id="cut off behind an element"),
        pytest.param("[A, B,", [(2, "json")], "AB", id="cut off behind a comma"),
        pytest.param('[A, {"pa', [(2, "json")], "A", id="cut off within an element"),
        pytest.param("[A] [B]", [(1, "json")], "A", id="more behind the end"),
        pytest.param(f"[A, {'[' * 5000}, B]", [(2, "json")], "A", id="deeper than can be decoded"),
        pytest.param(
            f"[A, {'[' * 5000}{']' * 5000}, B]", [(2, "json")], "AB", id="as deep, and closed"
        ),
        pytest.param(f'[A, {{"n": {"9" * 5000}}}, B]', [(2, "json")], "AB", id="a huge number"),
        pytest.param(
            '[A, {"n": 1e99999999999999999999}, B]', [(2, "json")], "AB", id="a huge power"
        ),
    ],
)
def test_a_broken_element_costs_itself_alone(desk, text, left_out, sources):
    for letter in "ABC":
        text = text.replace(letter, json.dumps({"path": letter}))

    found = desk.read("a.json", text)

    assert found.left_out == left_out
    assert found.sources == list(sources)


@pytest.mark.parametrize(
    ("text", "left_out", "sources"),
    [
        pytest.param('{"a": {}, b: {}, "c": {}}', [(2, "json")], "ac", id="name without quotes"),
        pytest.param('{"a": {}, "b" {}, "c": {}}', [(2, "json")], "ac", id="no colon"),
        pytest.param('{"a": {}, "b": {"q": [}, "c": {}}', [(2, "json")], "ac", id="not closed"),
        pytest.param(
            '{"a": {}, "b": [{}, {"q": tru}, {}], "c": {}}', [(3, "json")], "abbc", id="within"
        ),
        pytest.param('{"a": {}', [(1, "json")], "a", id="cut off"),
    ],
)
def test_a_broken_member_costs_itself_alone(desk, text, left_out, sources):
    found = desk.read("a.json", text, KEYED)

    assert found.left_out == left_out
    assert found.sources == list(sources)


def test_a_fault_names_element_line_and_what_was_skipped(desk):
    found = desk.read("a.json", '[\n{"path": "a"},\n{"path": [},\n{"path": "b"},\n{"path": "c"}]')

    assert found.reasons == (
        f"{desk.folder}/a.json, element 2: broken JSON in line 3: Expecting value; "
        "what follows is left out up to line 4"
    )
    assert found.sources == ["a", "b", "c"]


def test_open_brackets_without_end_cost_no_look_at_a_megabyte_each(desk):
    """At a look to the limit for each element this takes half an hour."""
    from shardmill.annotations.annotation import Faults
    from shardmill.annotations.reading import read

    path = desk.write("a.json", "[" + '{"a" {{},' * 50_000 + "]")
    faults = Faults()

    assert list(read(path, Preset(), faults)) == []
    assert faults.counts == {"json": 50_000}


@pytest.mark.usefixtures("of_any_length")
@pytest.mark.parametrize("where", [BLOCK_BYTES - 40, BLOCK_BYTES, 3 * BLOCK_BYTES + 1])
@pytest.mark.parametrize("kind", ["text", "array", "escapes"])
def test_an_element_longer_than_the_limit_is_left_out(desk, where, kind):
    long = {"text": "x" * LIMIT, "array": ["[{", 1.5] * (LIMIT // 8), "escapes": '"]' * LIMIT}
    elements = [{"path": "a", "fill": "y" * where}, {"path": "b", "q": long[kind]}, {"path": "c"}]

    found = desk.read("a.json", json.dumps(elements))

    assert found.left_out == [(2, "long")]
    assert "left out" not in found.reasons, "its end is found, not only a further start"
    assert found.sources == ["a", "c"]


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
def test_no_number_and_no_separator_is_torn_either(desk, offset):
    head = "[1, {"
    numbers = head.rstrip("{") + " " * (offset - len(head)) + "1234567]"
    broken = '[{"q": [x' + "x" * (offset - 12) + '}, {"path": "b"}]'

    assert desk.read("a.json", numbers, VALUED).sources == ["1", "1234567"]
    assert desk.read("a.json", broken).sources == ["b"]


def test_lines_are_counted_from_the_documents_start(desk):
    sound = '{"path": "a", "fill": "some text that fills the window"},\n' * 5000

    found = desk.read("a.json", "[\n" + sound + '{"path": tru},\n{"path": "b"}]')

    assert "element 5001: broken JSON in line 5002: " in found.reasons


def test_the_line_of_a_fault_is_not_that_of_the_one_before(desk):
    found = desk.read("a.json", '{"a": {"q": tru}, b\n\n\n\n\n\n\n\n: 1}', KEYED)

    assert "element 2: expected a name in quotes in line 1" in found.reasons


def test_half_a_letter_at_the_end_is_something_behind_the_end(desk):
    assert desk.read("a.json", b'[{"path": "a"}]\xc3').left_out == [(1, "json")]


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
        ("{1: 1}", inside("b"), "expected a member 'b'"),
    ],
)
def test_a_document_without_annotations_is_refused_whole(desk, text, preset, message):
    with pytest.raises(InvalidAnnotations, match=message):
        desk.read("a.json", text, preset)


def test_json_lines_under_another_name_are_recognised_in_the_fault(desk):
    found = desk.read("a.json", '{"path": "a"}\n{"path": "b"}\n')

    assert "say that the format is jsonl" in found.reasons


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
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_sound_document_is_read_as_ijson_reads_it(desk, values, indent, data):
    elements = [{"path": "a", "v": value} for value in values]
    text = json.dumps(elements, indent=indent, ensure_ascii=data.draw(st.booleans()))

    found = desk.read("a.json", text)

    expected = [plain(each["v"]) for each in ijson.items(io.BytesIO(text.encode()), "item")]
    assert [a.extra["v"] for a in found.annotations] == expected
    assert found.left_out == []
