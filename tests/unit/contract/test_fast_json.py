"""What Python's JSON keeps is kept, whichever library writes or reads it."""

import json

import pytest

from shardmill.contract import fast_json


@pytest.mark.parametrize(
    "value", [["a/ü.mp4", 1, 2.5, None, True, {}], ["\udcff.mp4", "ü"], [2**70]]
)
def test_both_libraries_read_what_is_written(value):
    text = fast_json.dumps(value)

    assert fast_json.loads(text) == json.loads(text) == value


@pytest.mark.parametrize("text", ["", "[1", "{'a': 1}", "\udcff", b"\xff"])
def test_what_is_no_json_is_refused(text):
    with pytest.raises((json.JSONDecodeError, UnicodeError)):
        fast_json.loads(text)
