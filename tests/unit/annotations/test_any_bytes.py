"""Whatever bytes a file holds: annotations, faults, and no error but the documented one."""

import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shardmill.annotations.annotation import Annotation, Faults
from shardmill.annotations.classes import Classes, read_classes
from shardmill.annotations.form import PRESETS, Columns, Form, Preset
from shardmill.annotations.matching import Matching
from shardmill.annotations.reading import read
from shardmill.contract.errors import InvalidAnnotations

PIECES = [
    *(b'"', b",", b"\n", b"\r", b"\t", b" ", b"{", b"}", b"[", b"]", b":", b"\\", b"\\ud800"),
    *(
        b"\xff",
        b"\xef\xbb\xbf",
        b"\x1f\x8b",
        b"\0",
        b"path",
        b"label",
        b'"path":',
        b'"a":{"path":"b"}',
    ),
    *(
        b'{"path":"a"},',
        b"NaN",
        b"1e999",
        b"-",
        b"a/b.mp4 1\n",
        b"../x",
        b"/",
        b"path,label,start\n",
    ),
    *(b"a.mp4,x,1.5\n", b"tru", "e\u0301".encode(), b'["x"]'),
]
BYTES = st.binary(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)
PRESETS_TRIED = {
    **{f: Preset(form=Form(format=f)) for f in ("csv", "tsv", "json", "jsonl", "list")},
    "headless": Preset(form=Form(format="csv", names=("path", "label", "start"))),
    "inside": Preset(form=Form(format="json", inside=("a",)), columns=Columns(path="path")),
    **PRESETS,
    "columns": Preset(form=Form(format="jsonl"), columns=Columns(template="{path:06d}")),
}


@pytest.mark.parametrize("name", PRESETS_TRIED)
@given(content=BYTES, zipped=st.booleans(), strict=st.booleans())
@settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_no_other_exception_ever(desk, name, content, zipped, strict):
    path = desk.write("any", gzip.compress(content) if zipped else content)
    faults = Faults(strict=strict)
    found: list[Annotation] = []
    refusal = ""

    try:
        found.extend(read(path, PRESETS_TRIED[name], faults))
    except InvalidAnnotations as error:
        refusal = str(error)
    assert "\n" not in refusal
    refusal.encode()
    assert not strict or faults.count == 0
    for annotation in found:
        json.dumps(dict(annotation.extra), allow_nan=False, ensure_ascii=False).encode()
        "".join(annotation.labels).encode()
    for fault in faults.kept:
        assert str(fault).isprintable()
    (desk.folder / "table").unlink(missing_ok=True)
    with Matching(str(desk.folder / "table"), by="path") as matching:
        matching.add_inputs(["a", "a/b.mp4"])
        matching.add(found)
        repeated = Faults()
        counts = matching.join(repeated)
        assert counts.annotations + repeated.count == len(found)
        assert counts.matched == sum(1 for _ in matching.matched())
        assert counts.missing == sum(1 for _ in matching.missing())


@given(
    content=BYTES,
    order=st.sampled_from(["label", "code label"]),
    name=st.sampled_from(["c.json", "c"]),
)
@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_no_other_exception_from_a_list_of_classes(desk, content, order, name):
    path = desk.write(name, content)
    classes, refusal = Classes(), ""

    try:
        classes = read_classes(path, order, Faults())
    except InvalidAnnotations as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert len(set(classes.labels)) == len(classes.labels)
    assert set(classes.codes.values()) <= set(classes.labels)
