"""Probing has five ways and one answer: that of a full decode, on files by many hands."""

from collections import Counter

import pytest

from correctness.probed import answers, table

pytestmark = [pytest.mark.needs_corpus, pytest.mark.timeout(900)]

LEAST_PLAIN = {
    "jpeg_pipe": 130,
    "png_pipe": 88,
    "webp_pipe": 25,
    "bmp_pipe": 42,
    "tiff_pipe": 31,
    "gif": 13,
}
"""Pictures of the corpus that need no decoder, fewer than there are: so the fast way cannot die."""
LEAST_BY_HEADER = {
    ("mov,mp4,m4a,3gp,3g2,mj2", "h264"): 50,
    ("mov,mp4,m4a,3gp,3g2,mj2", "hevc"): 3,
    ("mov,mp4,m4a,3gp,3g2,mj2", "av1"): 6,
    ("mov,mp4,m4a,3gp,3g2,mj2", "mpeg4"): 2,
    ("matroska,webm", "h264"): 3,
    ("matroska,webm", "vp8"): 8,
    ("matroska,webm", "vp9"): 12,
    ("avi", "mpeg4"): 4,
}
"""Videos of the corpus that need no libav."""
LEAST_QUICK = 170
LEAST_OPENED = 170
DAMAGED_WITHIN = {
    "hostile/jpeg-decoder__2c9e7a1805f8b47630bbb83d21bf8222.jpg",
    "hostile/jpeg-decoder__3976a754ef0aca80e84e2c403d714579.jpg",
    "hostile/jpeg-decoder__5315c35bbcc28d8eee419028ac9f38e0.jpg",
    "hostile/jpeg-decoder__79f5fc6bca756e1f067c6fc83e18b32e.jpg",
    "hostile/jpeg-decoder__8546907dbe574744d7fea6ca9de1de6b.jpg",
    "hostile/jpeg-decoder__9efd60f04cd971daa83d3131e6d6f389.jpg",
    "hostile/jpeg-decoder__c3018ebe53d0046eecb58858ca869a99.jpg",
    "hostile/jpeg-decoder__c52ffdd6a0346c4d09271f8ccbdfd5a3.jpg",
    "hostile/jpeg-decoder__d085a42245996e5750a30ccb48791bcf.jpg",
    "hostile/jpeg-decoder__f006e96f3b27fdfaa075322d759ea2e8.jpg",
    "hostile/jpeg-decoder__f1fad47f213bb64c99f714652f30e49e.jpg",
    "hostile/jpeg-decoder__id_000324,src_000000,op_arith16,pos_227,val_be_-16.jpg",
    "hostile/jpeg-decoder__partial_progressive.jpg",
    "hostile/jpeg-decoder__subtract-with-overflow.jpg",
    "hostile/mde__1cbb1bb37d62c44f67374cd451643dc4.jpg",
    "hostile/mde__551c2656a4f6f9f5ea7e9945b9081202.jpg",
    "hostile/mde__72d091e08c93c9e590360130fa35221b.jpg",
    "hostile/mde__7997b6b229f25315d33f5c7085e37500.jpg",
    "hostile/mde__c-m1-19e0d1d0dfe97dca39e9d449c6b8b3d2.png",
    "hostile/mde__c-m2-a46ce91d8975a017917156b8824f936e.png",
    "hostile/mde__fc3e2b992c559055267e26dc23e484c0.gif",
    "hostile/pillow__badrle.bmp",
    "hostile/pillow__hopper_bad_exif.jpg",
    "hostile/pillow__unknown_compression_method.png",
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


@pytest.fixture(scope="module")
def picture(corpus):
    return answers(corpus, table(corpus), "picture")


def test_a_header_alone_says_what_libav_says_after_decoding(picture, full):
    plain = {path: facts for path, facts in picture.items() if "kind" in facts}
    unequal = differences(plain, full)

    assert {path: unequal[path] for path in unequal.keys() - DAMAGED_WITHIN} == {}
    assert {full[path].get("error") for path in unequal} == {"corrupt"}
    assert unequal.keys() == DAMAGED_WITHIN
    covered = Counter(facts["container"] for facts in plain.values())
    print("\npictures told by their headers:", dict(covered))
    assert {name for name, least in LEAST_PLAIN.items() if covered[name] < least} == set()


def test_no_picture_that_libav_decodes_is_called_damaged_for_its_bytes(picture, full):
    """But one that is a start and an end, with nothing between them."""
    refused = {path: said["error"] for path, said in picture.items() if "error" in said}
    other = {path for path, error in refused.items() if full[path].get("error") != error}

    assert other == {"hostile/jpeg-decoder__missing-frame-image-1410.jpg"}
    assert sum(error == "corrupt" for error in refused.values()) >= 30


def test_a_check_finds_the_damage_that_a_header_hides(corpus):
    counted = answers(corpus, DAMAGED_WITHIN, "frames")

    assert {path: said for path, said in counted.items() if said.get("error") != "corrupt"} == {}


def test_a_video_s_header_says_what_libav_says_after_decoding(corpus, full):
    said = answers(corpus, table(corpus), "header")
    videos = {path: facts for path, facts in said.items() if "kind" in facts}

    assert differences(videos, full) == {}
    covered = Counter((facts["container"], facts["codec"]) for facts in videos.values())
    print("\nvideos told by their headers:", dict(covered))
    least = LEAST_BY_HEADER.items()
    assert {kind: covered[kind] for kind, least in least if covered[kind] < least} == {}


@pytest.mark.parametrize(("look", "least"), [("quick", LEAST_QUICK), ("opened", LEAST_OPENED)])
def test_an_open_file_says_what_decoding_says(corpus, full, look, least):
    said = answers(corpus, table(corpus), look)
    told = {path: facts for path, facts in said.items() if "kind" in facts}

    unequal = differences(told, full).keys()
    damaged = {path for path in unequal if full[path].get("error") == "corrupt"}
    assert unequal == damaged
    assert len(damaged) <= MOST_DAMAGED
    counted = answers(corpus, damaged, "frames")
    assert {path: told for path, told in counted.items() if told.get("error") != "corrupt"} == {}
    videos = sum(facts["kind"] == "video" for facts in told.values())
    print(f"\nvideos told by the {look} look:", videos)
    assert videos >= least
