"""Every fact of every clip, odd video and image is ffprobe's, or the difference is explained."""

import pytest

from correctness.comparison import assert_explained
from correctness.facts import measure

pytestmark = [pytest.mark.needs_corpus, pytest.mark.timeout(900)]

LEAST_COMPARED = {"usable": 600, "size": 500, "fps": 150, "vfr": 120, "frames_counted": 200}
"""Files, so that a comparison that compares nothing does not pass."""


def test_facts_are_those_of_ffprobe(corpus):
    comparison = measure(corpus)

    print("\n" + comparison.claim)
    for row in (comparison.header, *comparison.rows):
        print("  ".join(f"{cell:>20}" for cell in row))
    assert_explained(comparison)
    compared = {row[0]: int(row[1]) for row in comparison.rows}
    assert {what for what, least in LEAST_COMPARED.items() if compared[what] < least} == set()
