"""The tutorial goes as it says: its commands are run, and print what stands below them."""

import pytest

from pages import follow, installed
from source_tree import ROOT

pytestmark = [pytest.mark.needs_redis, pytest.mark.timeout(600)]


def test_the_tutorial_goes_as_it_says(tmp_path):
    (tmp_path / "here").mkdir()

    page = (ROOT / "docs" / "tutorial.md").read_text("utf-8")

    follow(page, tmp_path / "here", installed(tmp_path / "bin"))
