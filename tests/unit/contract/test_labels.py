"""Labels come from folders or a pattern, and their numbers never change."""

import pytest

from shardmill.contract.errors import UsageError
from shardmill.contract.options import labels
from shardmill.contract.options.labels import label_of, last_folder, number_classes, pattern_label


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


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("cats/a.mp4", "cats"),
        ("train/cats/a.mp4", "cats"),
        ("a.mp4", None),
        ("train/\udcff\n/a.mp4", "\\udcff\\n"),
    ],
)
def test_the_last_folder_is_the_label(path, label):
    assert last_folder(path) == label


@pytest.mark.parametrize(
    ("pattern", "path", "label"),
    [
        (r"v_(?P<label>[A-Za-z]+)_g\d+", "x/v_YoYo_g01_c01.avi", "YoYo"),
        (r"^(?P<label>n\d{8})", "n01440764_10026.JPEG", "n01440764"),
        (r"^(?P<label>n\d{8})", "x/n01440764_10026.JPEG", None),
        (r"(?P<label>x)?\.avi$", "a.avi", None),
        (r"(?P<label>.+)\.avi", "a\udcff.avi", "a\\udcff"),
        (r"(?P<other>a)(?P<label>b)", "ab", "b"),
    ],
)
def test_a_pattern_finds_the_label(pattern, path, label):
    assert pattern_label(pattern)(path) == label


@pytest.mark.parametrize("pattern", ["(", "cats", "(cats)", "(?P<class>cats)"])
def test_a_pattern_without_the_group_is_refused(pattern):
    with pytest.raises(UsageError, match="expected a"):
        pattern_label(pattern)


def test_more_classes_than_a_job_may_have_are_refused(monkeypatch):
    monkeypatch.setattr(labels, "MAX_CLASSES", 3)

    assert len(number_classes({"a": 0}, ["b", "c", "a"])) == 3
    with pytest.raises(UsageError, match="at most 3 classes, got more, 'd' among them"):
        number_classes({"a": 0}, (letter for letter in "abcd"))


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
