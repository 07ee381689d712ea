"""Probing has three speeds and one answer: that of a full open, on files by many hands."""

from collections import Counter

import pytest

from correctness.probed import answers, table

pytestmark = [pytest.mark.needs_corpus, pytest.mark.timeout(900)]

LEAST_PLAIN = {"jpeg_pipe": 90, "png_pipe": 75, "webp_pipe": 15, "bmp_pipe": 12, "gif": 9}
"""Pictures of the corpus that need no decoder, fewer than there are: so the fast way cannot die."""
LEAST_QUICK = 170
DAMAGED_WITHIN = {
    "hostile/jpeg-decoder__2c9e7a1805f8b47630bbb83d21bf8222.jpg",
    "hostile/jpeg-decoder__3976a754ef0aca80e84e2c403d714579.jpg",
    "hostile/jpeg-decoder__5315c35bbcc28d8eee419028ac9f38e0.jpg",
    "hostile/jpeg-decoder__79f5fc6bca756e1f067c6fc83e18b32e.jpg",
    "hostile/jpeg-decoder__8546907dbe574744d7fea6ca9de1de6b.jpg",
    "hostile/jpeg-decoder__c52ffdd6a0346c4d09271f8ccbdfd5a3.jpg",
    "hostile/jpeg-decoder__d085a42245996e5750a30ccb48791bcf.jpg",
    "hostile/jpeg-decoder__f006e96f3b27fdfaa075322d759ea2e8.jpg",
    "hostile/jpeg-decoder__f1fad47f213bb64c99f714652f30e49e.jpg",
    "hostile/jpeg-decoder__partial_progressive.jpg",
    "hostile/jpeg-decoder__subtract-with-overflow.jpg",
    "hostile/mde__551c2656a4f6f9f5ea7e9945b9081202.jpg",
    "hostile/mde__fc3e2b992c559055267e26dc23e484c0.gif",
    "hostile/mde__72d091e08c93c9e590360130fa35221b.jpg",
    "hostile/mde__7997b6b229f25315d33f5c7085e37500.jpg",
    "hostile/mde__c-m2-a46ce91d8975a017917156b8824f936e.png",
    "hostile/torchvision__bad_huffman.jpg",
    "hostile/torchvision__corrupt.jpg",
}
"""Sound heads and ends with broken pictures between: only decoding shows it (``--check``)."""
MOST_DAMAGED = 60
"""Files whose first picture is damaged, which a quick open does not decode to its end."""


@pytest.fixture(scope="module")
def full(corpus):
    return answers(corpus, table(corpus), "full")


def differences(fast: dict, full: dict) -> dict:
    """Return what fast answers say otherwise than a full open."""
    return {
        path: {
            name: (value, full[path].get(name))
            for name, value in said.items()
            if value != full[path].get(name)
        }
        for path, said in fast.items()
        if said != full[path]
    }


def test_a_header_alone_says_what_libav_says_after_decoding(corpus, full):
    said = answers(corpus, table(corpus), "plain")
    plain = {path: facts for path, facts in said.items() if "kind" in facts}
    unequal = differences(plain, full)

    assert {path: unequal[path] for path in unequal.keys() - DAMAGED_WITHIN} == {}
    assert {full[path].get("error") for path in unequal} == {"corrupt"}
    assert unequal.keys() == DAMAGED_WITHIN
    covered = Counter(facts["container"] for facts in plain.values())
    print("\npictures told by their headers:", dict(covered))
    assert {name for name, least in LEAST_PLAIN.items() if covered[name] < least} == set()


def test_a_check_finds_the_damage_that_a_header_hides(corpus):
    counted = answers(corpus, DAMAGED_WITHIN, "frames")

    assert {path: said for path, said in counted.items() if said.get("error") != "corrupt"} == {}


def test_a_quick_open_says_what_a_full_one_says(corpus, full):
    said = answers(corpus, table(corpus), "quick")
    quick = {path: facts for path, facts in said.items() if "kind" in facts}

    unequal = differences(quick, full).keys()
    damaged = {path for path in unequal if full[path].get("error") == "corrupt"}
    assert unequal == damaged
    assert len(damaged) <= MOST_DAMAGED
    counted = answers(corpus, damaged, "frames")
    assert {path: told for path, told in counted.items() if told.get("error") != "corrupt"} == {}
    videos = sum(facts["kind"] == "video" for facts in quick.values())
    print("\nvideos told by a quick open:", videos)
    assert videos >= LEAST_QUICK
