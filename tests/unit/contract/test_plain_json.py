"""What Python's JSON keeps is kept, whichever library writes or reads it."""

import json

import pytest

from shardmill.contract import plain_json


@pytest.mark.parametrize(
    "value", [["a/ü.mp4", 1, 2.5, None, True, {}], ["\udcff.mp4", "ü"], [2**70]]
)
def test_both_libraries_read_what_is_written(value):
    text = plain_json.dumps(value)

    assert plain_json.loads(text) == json.loads(text) == value


@pytest.mark.parametrize("text", ["", "[1", "{'a': 1}", "\udcff", b"\xff"])
def test_what_is_no_json_is_refused(text):
    with pytest.raises((json.JSONDecodeError, UnicodeError)):
        plain_json.loads(text)
