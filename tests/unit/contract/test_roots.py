"""Where an input lies, with one input directory and with several; never beside them."""

import pytest

from shardmill.contract.location.roots import Inputs, Roots

ONE = Roots.of("/data/in")
TWO = Roots.of("/data/cats", "/old/dogs")
ARCHIVE = Roots.of("/data/x.tar")


@pytest.mark.parametrize(
    ("roots", "path", "place", "below"),
    [
        (ONE, "a/1.mp4", "/data/in/a/1.mp4", "a/1.mp4"),
        (ONE, "1.mp4", "/data/in/1.mp4", "1.mp4"),
        (TWO, "cats/a/1.mp4", "/data/cats/a/1.mp4", "a/1.mp4"),
        (TWO, "dogs/1.mp4", "/old/dogs/1.mp4", "1.mp4"),
        (ARCHIVE, "x.tar", "/data/x.tar", ""),
        (ARCHIVE, "x.tar/a/1.mp4", "/data/x.tar/a/1.mp4", "a/1.mp4"),
    ],
)
def test_an_input_lies_below_its_root(roots, path, place, below):
    assert (roots.place(path), roots.below(path)) == (place, below)


@pytest.mark.parametrize("path", ["secret/1.mp4", "cat/1.mp4", "catsanddogs/1.mp4", "cats", ""])
def test_a_path_of_no_root_leads_to_no_place_beside_one(path):
    assert TWO.place(path).startswith("/data/cats/")


def test_the_words_of_a_command_name_the_inputs():
    assert Inputs(("a b", "c"), "-").words == ["a b", "c", "--list", "-"]
    assert Inputs(("a",)).words == ["a"]
