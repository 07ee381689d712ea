"""Whatever bytes a file holds: annotations, faults, and no error but the documented one."""

import gzip
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation_desk import Annotation, joined, read
from shardmill.annotations.classes import Classes, read_classes
from shardmill.annotations.presets import PRESETS, Columns, Form, Preset
from shardmill.annotations.records import Faults
from shardmill.contract.errors import InvalidAnnotations
from shardmill.contract.spec import Spec

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
    faults = Faults(strict=strict, keep=1000)
    found: list[Annotation] = []
    refusal = ""

    try:
        found = read(path, PRESETS_TRIED[name], faults)
    except InvalidAnnotations as error:
        refusal = str(error)
    assert "\n" not in refusal
    refusal.encode()
    assert not strict or faults.counts.total() == 0
    for annotation in found:
        json.dumps(annotation.extra, allow_nan=False, ensure_ascii=False).encode()
        "".join(annotation.labels).encode()
    for fault in faults.kept:
        assert str(fault).isprintable()


CONTRADICTIONS = ("duplicate", "split")


@given(content=BYTES, form=st.sampled_from(["csv", "tsv", "json", "jsonl", "list"]))
@settings(
    max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_whatever_is_read_is_an_inputs_or_lost(desk, content, form):
    (desk.folder / "any").write_bytes(content)
    spec = Spec(labels=f"{desk.folder}/any", form=(f"format={form}",), strict=False)
    faults = Faults(keep=1000)

    try:
        found = read(f"{desk.folder}/any", PRESETS_TRIED[form], faults)
        table = joined(["a", "a/b.mp4"], spec)
    except InvalidAnnotations:
        return
    notes = "; ".join(table.notes)
    repeated, torn = (sum(map(int, re.findall(rf"{kind} (\d+)", notes))) for kind in CONTRADICTIONS)
    torn -= faults.counts["split"]  # those are no splits at all
    lost = [reason for reason in table.skipped.values() if reason != "no annotation"]
    more = sum(int(n) for reason in lost for n in re.findall(r" and (\d+) more$", reason))
    assert len(table.rows) + len(lost) + more + repeated + torn == len(found)


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
    classes, refusal = Classes({}, {}), ""

    try:
        classes = read_classes(path, order, Faults())
    except InvalidAnnotations as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert set(classes.codes.values()) <= set(classes.known)
