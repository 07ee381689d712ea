"""Inputs that the producer leaves out: each ends as one row ``skipped``, with the reason.

Which they are may be another matter the next time: the file that was a duplicate may be the one
that is kept.  So every run that looks into its inputs writes these rows anew, in parts of their
own, and ``Layout.left_out_parts`` tells them from the workers'.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec.structs import asdict

from shardmill.contract.quantity import printable
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.dataset.layout import Layout
from shardmill.storage import files

ROWS_IN_A_PART: Final = 4096

LeftOut = tuple[Item, str]
"""An item and why it is left out: a few words that continue "skipped:"."""


def write_anew(layout: Layout, left_out: Iterable[LeftOut]) -> None:
    """Commit a row for each input that is left out; rows of earlier runs go.

    Args:
        layout: The output directory; nobody else works on it.
        left_out: In an order that depends on them alone, so that equal ones give equal parts.
    """
    before = set(layout.left_out_parts())
    pending = iter(left_out)
    while chunk := list(islice(pending, ROWS_IN_A_PART)):
        from shardmill.dataset.manifest import write_part  # which brings Arrow

        part = layout.left_out_part(_name(chunk))
        waiting = os.path.join(layout.tmp, os.path.basename(part))
        write_part(waiting, _rows(chunk))
        files.replace(waiting, part)
        before.discard(part)
    for part in before:
        files.remove(part)
    files.sync_directory(layout.manifest)


def _name(chunk: list[LeftOut]) -> str:
    text = json.dumps([[asdict(item), reason] for item, reason in chunk])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _rows(chunk: list[LeftOut]) -> Iterator[Row]:
    for item, reason in chunk:
        outcome = Outcome(status="skipped", error_message=printable(reason), attempts=0)
        yield Row(item, Facts(), outcome)
