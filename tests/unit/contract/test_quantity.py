"""Quantities are read as people write them and written as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardmill.contract.errors import UsageError
from shardmill.contract.quantity import (
    format_bytes,
    format_count,
    format_duration,
    format_span,
    parse_bytes,
    printable,
    storable_mtime_ns,
)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1", 1),
        ("1000", 1000),
        ("256MB", 256_000_000),
        ("256M", 256_000_000),
        ("256 mb", 256_000_000),
        (" 2GiB ", 2_147_483_648),
        ("2Gi", 2_147_483_648),
        ("1.5kB", 1500),
        ("1KiB", 1024),
        ("0.5TB", 500_000_000_000),
        ("3GB", 3_000_000_000),
        ("1MiB", 1_048_576),
        ("1TiB", 1_099_511_627_776),
        ("12B", 12),
    ],
)
def test_reads_a_size(text, size_bytes):
    assert parse_bytes(text, option="--shard-size") == size_bytes


@pytest.mark.parametrize(
    "text", ["", "MB", "1 XB", "-1", "1,5MB", "1e6", "0", "0.4B", "5iB", "nan", "1MB2"]
)
def test_refuses_what_is_no_size(text):
    with pytest.raises(UsageError, match=r"^--shard-size must be .* got "):
        parse_bytes(text, option="--shard-size")


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1500, "1.5 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (256_000_000, "256 MB"),
        (1_234_567_890, "1.23 GB"),
        (5 * 10**12, "5 TB"),
    ],
)
def test_writes_a_size_with_three_digits(size_bytes, text):
    assert format_bytes(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (3.24, "3.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (7380, "2 h 03 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_writes_a_duration(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (1204, "1,204 files")]
)
def test_counts_with_the_right_noun(count, text):
    assert format_count(count, "file") == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï 日本", "plain ünï 日本"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\udcff", "\\udcff"),
        ("\u202e", "\\u202e"),
    ],
)
def test_escapes_what_a_terminal_would_act_on(text, shown):
    assert printable(text) == shown


@given(st.text(alphabet=st.characters(), max_size=20))
def test_printable_text_is_one_line_of_utf8_and_stays_as_it_is(text):
    shown = printable(text)

    assert shown.isprintable()
    shown.encode("utf-8")
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("least_s", "most_s", "told"),
    [
        (2, 9, "<10 s"),
        (11, 14, "10-15 s"),
        (41, 58.5, "40-60 s"),
        (59, 121, "<3 min"),
        (125, 290, "2-5 min"),
        (3500, 3600, "58-60 min"),
        (3700, 7100, "1-2 h"),
        (40_000, 90_000, "11-25 h"),
    ],
)
def test_a_span_is_rounded_outward(least_s, most_s, told):
    assert format_span(least_s, most_s) == told


@pytest.mark.parametrize(
    ("mtime_ns", "stored_ns"),
    [(0, 0), (2**63 - 1, 2**63 - 1), (2**63, 2**63 - 1), (-(2**63) - 1, -(2**63)), (-5, -5)],
)
def test_a_time_of_change_fits_into_64_bits(mtime_ns, stored_ns):
    assert storable_mtime_ns(mtime_ns) == stored_ns
