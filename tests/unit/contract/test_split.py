"""``--split`` says what it means, or why it cannot."""

import re
from fractions import Fraction

import pytest

from shardmill.contract.errors import InvalidSpec
from shardmill.contract.options.split import Split, group_of, parse_splits


def test_names_and_shares_are_read_exactly():
    """Ten times a tenth is one, which binary fractions would deny."""
    tenths = ",".join(f"p{n}=0.1" for n in range(10))

    assert [split.share for split in parse_splits(tenths)] == [Fraction(1, 10)] * 10
    assert parse_splits("train=.8, val=.2") == (
        Split("train", Fraction(4, 5)),
        Split("val", Fraction(1, 5)),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must be names and shares"),
        ("train", "must be names and shares"),
        ("train=.8,", "must be names and shares"),
        ("../x=1", "must be names and shares"),
        (".=1", "must be names and shares"),
        ("a b=1", "must be names and shares"),
        ("-x=1", "must be names and shares"),
        ("train=-1,val=2", "must be names and shares"),
        ("train=1e0", "must be names and shares"),
        ("train=nan", "must be names and shares"),
        ("züge=1", "must be names and shares"),
        ("train=.5,Train=.5", "each part once"),
        ("train=1,val=0", "more than 0"),
        ("train=.8,val=.1", "1 in all, got 0.9"),
        ("train=80,val=20", "1 in all, got 100"),
        (",".join(f"p{n}=0.05" for n in range(20)), "can have 16 parts, got 20"),
    ],
)
def test_what_is_no_split_is_told(text, why):
    with pytest.raises(InvalidSpec, match=why):
        parse_splits(text)


@pytest.mark.parametrize(
    ("pattern", "path", "group"),
    [
        (None, "a/v_g23_c01.avi", b"path:a/v_g23_c01.avi"),
        (r"g\d+", "a/v_g23_c01.avi", b"group:g23"),
        (r"g\d+", "b/v_g23_c02.avi", b"group:g23"),
        (r"^(\w+)/.*_(g\d+)_", "a/v_g23_c01.avi", b"group:a\0g23"),
        (r"^(\w+)/.*_(g\d+)_", "b/v_g23_c01.avi", b"group:b\0g23"),
        (r"g\d+", "a/other.avi", b"path:a/other.avi"),
        (r"(x)?.avi", "a.avi", b"group:"),
        (r"\w+", "\udcff.avi", b"group:avi"),
        (r".*", "\udcff.avi", b"group:\xff.avi"),
    ],
)
def test_a_group_is_what_the_pattern_finds(pattern, path, group):
    assert group_of(path, pattern and re.compile(pattern), alone=path) == group
