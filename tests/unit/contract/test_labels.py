"""Labels come from the first folder, and their numbers never change."""

import pytest

from shardmill.contract.labels import label_of, number_classes


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("cats/a.mp4", "cats"),
        ("cats/deep/down/a.mp4", "cats"),
        ("a.mp4", None),
        ("with space/a.mp4", "with space"),
        ("\udcff/a.mp4", "\\udcff"),
        ("two\nlines/a.mp4", "two\\nlines"),
    ],
)
def test_the_first_folder_is_the_label(path, label):
    assert label_of(path) == label


def test_numbers_follow_the_sorted_names():
    assert number_classes({}, ["dogs", "cats", "dogs", "apes"]) == {"apes": 0, "cats": 1, "dogs": 2}


def test_known_classes_keep_their_numbers_and_new_ones_follow():
    """A folder added later must not move the labels of what was written before."""
    known = {"cats": 0, "dogs": 1}

    assert number_classes(known, ["apes", "dogs", "bees"]) == {
        "cats": 0,
        "dogs": 1,
        "apes": 2,
        "bees": 3,
    }
    assert known == {"cats": 0, "dogs": 1}


def test_a_gap_in_known_numbers_is_not_filled():
    assert number_classes({"dogs": 5}, ["cats"]) == {"dogs": 5, "cats": 6}


def test_no_labels_give_no_classes():
    assert number_classes({}, []) == {}
