"""The log of a worker is read on a terminal, and what files are called gets into it."""

import logging

from shardmill_worker.__main__ import _Printable


def test_control_characters_are_escaped_and_lines_stay_lines():
    failure = (ValueError, ValueError("bad \x1b[31m"), None)
    record = logging.LogRecord(
        "a", logging.WARNING, "x.py", 1, "lost %s", ("b\x1b]0;\x07",), failure
    )

    lines = _Printable("%(name)s: %(message)s").format(record).split("\n")

    assert lines == ["a: lost b\\x1b]0;\\x07", "ValueError: bad \\x1b[31m"]
