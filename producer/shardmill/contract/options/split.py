"""Splits: the named parts of a dataset, ``train=.8,val=.1,test=.1``."""

import os
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from msgspec import Struct

from shardmill.contract.errors import InvalidSpec

MAX_SPLITS: Final = 16
SPLIT_NAME: Final = "[A-Za-z0-9_][A-Za-z0-9_-]{0,31}"
_PART: Final = re.compile(rf"(?P<name>{SPLIT_NAME})=(?P<share>\d*\.?\d+)", re.ASCII)


class Split(Struct, frozen=True):
    """One part."""

    name: str
    """A plain word, for it names a folder too."""
    share: Fraction
    """Its share of the sources, above 0; all shares together are 1."""


def parse_splits(text: str) -> tuple[Split, ...]:
    """Read ``NAME=SHARE,NAME=SHARE,...``.

    Raises:
        InvalidSpec: A name or share is none, a name comes twice, or the shares are not 1 in all.
    """
    found = [_PART.fullmatch(part.strip()) for part in text.split(",")]
    splits = [Split(part["name"], Fraction(part["share"])) for part in found if part]
    if len(splits) < len(found):
        raise InvalidSpec(
            f"--split must be names and shares, as in train=.8,val=.1,test=.1; got {text!r}"
        )
    if len({split.name.lower() for split in splits}) < len(splits):
        raise InvalidSpec(f"--split must name each part once, got {text!r}")
    _check_shares(splits, text)
    return tuple(splits)


def _check_shares(splits: Sequence[Split], text: str) -> None:
    if len(splits) > MAX_SPLITS:
        raise InvalidSpec(f"--split can have {MAX_SPLITS} parts, got {len(splits)}")
    if min(split.share for split in splits) <= 0:
        raise InvalidSpec(f"--split must give each part more than 0, got {text!r}")
    total = sum(split.share for split in splits)
    if total != 1:
        raise InvalidSpec(f"--split must have shares of 1 in all, got {float(total):g} in {text!r}")


def group_pattern(text: str | None) -> re.Pattern[str] | None:
    """Return the pattern that tells which sources must go to one split; None for none.

    Raises:
        InvalidSpec: It is no regular expression.
    """
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise InvalidSpec(
            f"--split-group must be a regular expression, got {text!r}: {error}"
        ) from error


def group_of(path: str, pattern: re.Pattern[str] | None, *, alone: str) -> bytes:
    """Return what a source has in common with those that must be in the same split.

    Args:
        path: Below the input directory.
        pattern: Searched in it; its groups, or else all it matches, is the answer.
        alone: Names the group of a path in which it is not found, as in none without a pattern.
    """
    found = pattern.search(path) if pattern is not None else None
    if found is None:
        return b"path:" + os.fsencode(alone)
    return b"group:" + os.fsencode("\0".join(part or "" for part in found.groups() or (found[0],)))
