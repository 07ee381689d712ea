"""On real files by many hands, skipping and cutting change no frame."""

import pytest

from correctness import ways
from correctness.comparison import assert_explained, table

pytestmark = [pytest.mark.needs_corpus, pytest.mark.timeout(1800)]


def test_skipping_and_cutting_change_no_frame(corpus):
    comparison = ways.measure(corpus)

    print(table(comparison))
    assert_explained(comparison)
    decoded = {row[0]: row[comparison.header.index("5 evenly")] for row in comparison.rows}
    assert int(decoded["h264"].rstrip("%")) < 60, "nothing is skipped any more"
