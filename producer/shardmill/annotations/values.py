"""Single values of annotation files: paths, times, templates, JSON.  Each is checked."""

import os
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeAlias

from shardmill.annotations.presets import FIELD
from shardmill.annotations.records import Unfit, shown
from shardmill.contract.options.sampling import NS_PER_S
from shardmill.inputs.text_file import utf8

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
MAX_S: Final = 1_000_000_000
"""The latest time, as for the options ``--start`` and ``--end``."""
LONGEST_TIME: Final = 40
"""Characters."""
SECONDS: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,2})?", re.ASCII | re.IGNORECASE)
CLOCK: Final = re.compile(r"(?:(\d+):)?([0-5]?\d):([0-5]?\d(?:\.\d+)?)", re.ASCII)
LONGEST_PATH: Final = 4096
"""Bytes of a path; Linux takes no longer one."""
WHOLE: Final = re.compile(r"(-?\d{1,18})(?:\.0*)?", re.ASCII)


def is_plain(value: object) -> bool:
    """Whether a value is text or a number."""
    return isinstance(value, str | Decimal) or type(value) is int


def time_ns(value: object, column: str) -> int | None:
    """Nanoseconds of seconds or ``[hh:]mm:ss.mmm``; None for nothing.

    Digits behind the ninth are rounded, a half to the even digit.

    Raises:
        Unfit: The value is neither, or lies outside ``[0, MAX_S]``.
    """
    if value is None or value == "":
        return None
    text = str(value).strip() if is_plain(value) else ""
    if len(text) <= LONGEST_TIME and SECONDS.fullmatch(text):
        seconds = Decimal(text)
    elif len(text) <= LONGEST_TIME and (match := CLOCK.fullmatch(text)):
        seconds = int(match[1] or 0) * 3600 + int(match[2]) * 60 + Decimal(match[3])
    else:
        raise Unfit("time", f"expected seconds or hh:mm:ss.mmm in {column}, got {shown(value)}")
    ns = int((seconds * NS_PER_S).to_integral_value())
    if ns > MAX_S * NS_PER_S or (seconds.is_signed() and seconds):
        raise Unfit("time", f"expected a time from 0 to {MAX_S:,} s in {column}, got {text} s")
    return ns


def path_bytes(source: str) -> bytes:
    """A path that leads to a file below the input directory.

    Raises:
        Unfit: It leads elsewhere, or no file can have it.
    """
    if source.startswith("/"):
        raise Unfit("path", f"expected a path below the input directory, got {shown(source)}")
    if ".." in source and ".." in source.split("/"):
        raise Unfit("path", f"expected a path without .., got {shown(source)}")
    try:
        path = os.fsencode(source)
    except UnicodeEncodeError:
        path = b""
    if b"\0" in path or not 0 < len(path) <= LONGEST_PATH or source.endswith("/"):
        raise Unfit("path", f"expected a file's name, got {shown(source)}")
    return path


def json_of(value: object) -> Json:
    """A value as plain JSON: text fit for UTF-8, numbers as numbers.

    Raises:
        StrayByte: Text has a byte that is not UTF-8.
    """
    match value:
        case str():
            return utf8(value)
        case Decimal():
            number = float(value)
            return number if abs(number) != float("inf") else str(value)
        case list():
            return [json_of(each) for each in value]
        case dict():
            return {utf8(name): json_of(each) for name, each in value.items()}
    assert value is None or isinstance(value, bool | int)
    return value


def filled(template: str, values: Mapping[str, object]) -> str:
    """A template with its columns' values in their places.

    Raises:
        Unfit: A value is missing, too long, no text or number, or not whole where it must be.
    """

    def text_of(field: re.Match[str]) -> str:
        if field["brace"]:
            return field["brace"][0]
        column = field["column"]
        value = values[column]
        if value is None or value == "":
            raise Unfit("columns", f"expected a value in column {column!r}, got none")
        text = str(value) if is_plain(value) else ""
        if not 0 < len(text) <= LONGEST_PATH:
            what = "short text or a number"
            raise Unfit("path", f"expected {what} in column {column!r}, got {shown(value)}")
        if not field["whole"]:
            return text
        whole = WHOLE.fullmatch(text)
        if whole is None:
            raise Unfit("path", f"expected a whole number in column {column!r}, got {shown(text)}")
        return f"{int(whole[1]):0{field['width'] or 1}d}"

    return FIELD.sub(text_of, template)
