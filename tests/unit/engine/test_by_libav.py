"""Formats that libav alone reads: it is spared what takes long, and says the same."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from engine_work import look_at
from shardmill.contract.errors import ItemError
from shardmill.contract.schema import Facts
from shardmill_worker.engine.decode import source_frames
from shardmill_worker.engine.formats.by_libav import begins_as_tga
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.probe import (
    Shown,
    facts_of,
    full_look,
    opened_look,
    probe_item,
    quick_look,
)


def saved(mode: str, form: str, **options) -> bytes:
    noise = np.random.default_rng(3).integers(0, 256, (40, 56, 4), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise, "RGBA").convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


def decoded(folder, name: str):
    """The facts of a picture with its decoded frame."""
    with open_media(str(folder.root), folder.item(name)) as media:
        frame = next(source_frames(media, lambda: None)).picture
        return facts_of(media, Shown.in_frame(media, frame), "image")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "YCbCr"])
@pytest.mark.parametrize("bare", [False, True])
def test_the_header_of_a_jpeg_2000_says_what_its_frame_says(folder, mode, bare):
    folder.write("picture.jp2", saved(mode, "JPEG2000", no_jp2=bare))

    facts = folder.probe("picture.jp2")

    assert (facts.container, facts.width, facts.height) == ("j2k_pipe", 56, 40)
    assert facts == decoded(folder, "picture.jp2")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_jpeg_2000_without_its_end_is_decoded_to_see_what_is_there(folder, share, monkeypatch):
    data = saved("RGB", "JPEG2000")
    folder.write("cut.jp2", data[: int(len(data) * share)])
    looked = []
    monkeypatch.setattr(
        "shardmill_worker.engine.probe._by_frames",
        lambda media: looked.append(media.format_name) or Facts(),
    )

    look_at(opened_look, str(folder.root), folder.item("cut.jp2"))

    assert looked == ["j2k_pipe"]


@pytest.mark.parametrize("rle", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_a_tga_is_opened_by_its_name_at_once(folder, mode, rle):
    data = saved(mode, "TGA", compression="tga_rle" if rle else None)
    folder.write("picture.tga", data)

    facts = folder.probe("picture.tga")

    assert begins_as_tga(data[:18])
    assert (facts.container, facts.codec) == ("image2pipe", "targa")
    assert (facts.width, facts.height, facts.kind) == (56, 40, "image")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "ICO"])
def test_a_picture_of_another_format_is_what_it_is_whatever_its_name(folder, form):
    data = saved("RGB", form)
    folder.write("picture.tga", data)
    folder.write(f"picture.{form.lower()}", data)

    assert not begins_as_tga(data[:18])
    assert folder.probe("picture.tga") == folder.probe(f"picture.{form.lower()}")


def test_a_short_file_of_that_name_is_no_tga(folder):
    folder.write("picture.tga", bytes(10))

    assert not begins_as_tga(bytes(10))
    with pytest.raises(ItemError):
        probe_item(str(folder.root), folder.item("picture.tga"))


@pytest.mark.needs_corpus
def test_a_quick_open_says_of_every_still_avif_and_heic_what_a_full_one_says(corpus):
    from shardmill.contract.schema import Item

    told = 0
    for path in sorted((corpus / "images").glob("*.[ah][ve][i]*")):
        found = os.stat(path)
        item = Item(path=path.name, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)
        quick = look_at(quick_look, str(path.parent), item)
        if quick is not None and quick.kind == "image":
            told += 1
            assert quick == look_at(full_look, str(path.parent), item), path.name

    assert told > 60
