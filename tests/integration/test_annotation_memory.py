"""Annotation files of any size are read in constant memory.

``SHARDMILL_ANNOTATION_BYTES`` sets the size of the documents, 200 MB without it.  They come out of
a pipe and lie nowhere.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

from source_tree import ROOT

SIZE_BYTES = int(float(os.environ.get("SHARDMILL_ANNOTATION_BYTES", "200e6")))
GROWTH_BYTES = 150_000_000
ELEMENT = (
    '{"path": "train/video_%09d.mp4", "label": "riding a bike", "start": %d.5, "end": %d, '
    '"objects": [{"name": "bike", "box": [0.1, 0.25, 3.5, 4]}], "note": "%s"}'
)
PER_BLOCK = 1000

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc"),
    pytest.mark.timeout(3600),
]


def blocks(separator: str) -> Iterator[str]:
    """Yield elements, a thousand at a time, to about the size."""
    number = size = 0
    while size < SIZE_BYTES:
        elements = (
            ELEMENT % (n, n % 100, n % 100 + 10, "x" * 300)
            for n in range(number, number + PER_BLOCK)
        )
        block = separator.join(elements)
        number, size = number + PER_BLOCK, size + len(block)
        yield block


def array() -> Iterator[str]:
    yield "[\n"
    for place, block in enumerate(blocks(",\n")):
        yield f",\n{block}" if place else block
    yield "\n]\n"


def lines() -> Iterator[str]:
    for block in blocks("\n"):
        yield block + "\n"


def endless_element() -> Iterator[str]:
    """An element of the whole size."""
    yield '[{"path": "a"}, {"path": "'
    for _ in range(0, SIZE_BYTES, 1_000_000):
        yield "x" * 1_000_000


def broken_array() -> Iterator[str]:
    """The last element is broken."""
    yield "["
    for block in blocks(",\n"):
        yield f"{block},\n"
    yield '{"path": [1, }]'


def one_line() -> Iterator[str]:
    """No line end ever."""
    yield "path\n"
    yield from blocks(" ")


def read(form: str, document: Iterator[str]) -> tuple[dict, int]:
    """Return what the reading program tells, and how many sound elements it was given."""
    program = ROOT / "tests" / "annotation_program.py"
    given = 0
    with subprocess.Popen(
        [sys.executable, program, form], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        with suppress(BrokenPipeError):  # it need not read on behind a mistake
            for text in document:
                child.stdin.write(text.encode())
                given += text.count("video_")
            child.stdin.close()
        told = json.loads(child.stdout.read())
    assert child.returncode == 0
    assert told["growth_bytes"] <= GROWTH_BYTES
    return told, given


@pytest.mark.parametrize(("form", "document"), [("json", array), ("jsonl", lines)])
def test_a_sound_document_of_any_size(form, document):
    told, given = read(form, document())

    assert (told["annotations"], told["faults"]) == (given, {})


def test_a_broken_document_of_any_size_is_refused_at_the_place():
    told, given = read("json", broken_array())

    assert f"element {given + 1}: broken JSON in line {given + 1}: " in told["refusal"]


def test_an_element_of_any_size_is_refused():
    told, _ = read("json", endless_element())

    assert "element 2: " in told["refusal"]
    assert "got a longer element" in told["refusal"]


@pytest.mark.parametrize("form", ["csv", "list", "jsonl"])
def test_a_line_of_any_length(form):
    told, _ = read(form, one_line())

    assert told["faults"] == {"long": 1} | ({"json": 1} if form == "jsonl" else {})
    assert told["annotations"] == (1 if form == "list" else 0)
