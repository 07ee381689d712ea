"""JSON in a fifth of the time that Python's takes, for what is as long as a batch.

Names of files that are no UTF-8 have lone surrogates, which msgspec refuses and Python's keeps.
"""

import json
from typing import Any

from msgspec import DecodeError
from msgspec.json import Decoder, Encoder

_encode = Encoder().encode
_decode = Decoder().decode


def dumps(value: Any) -> str:
    """Return the JSON text of plain values."""
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))


def loads(text: str | bytes) -> Any:
    """Read JSON text.

    Raises:
        ValueError: It is none.
        RecursionError: It is too deep.
    """
    try:
        return _decode(text)
    except DecodeError:
        return json.loads(text)
