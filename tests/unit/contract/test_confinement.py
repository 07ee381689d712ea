"""A process that is confined opens no file outside its roots, whatever its path looks like."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from made_archives import py_zip, tree
from made_media import picture
from shardmill.catalog.catalog import Catalog
from shardmill.catalog.duplicates import skip_duplicates
from shardmill.contract.errors import Forbidden
from shardmill.contract.location import confinement
from shardmill.contract.location.roots import Roots
from shardmill.contract.options.labels import no_label
from shardmill.contract.schema import Item
from shardmill.inputs.archives.entering import entered
from shardmill.inputs.scan import Filter, Found, one_by_one, scan
from shardmill_worker.engine.probe import probe_item


@pytest.fixture
def place(tmp_path) -> Iterator[Path]:
    """``in`` is the root; ``inner`` beside it only begins with the same letters."""
    for name in ("in/sub", "inner", "out"):
        (tmp_path / name).mkdir(parents=True)
    confinement.confine([str(tmp_path / "in")])
    yield tmp_path
    confinement.confine([])


def link(at: Path, to: Path) -> Path:
    at.symlink_to(to)
    return at


def is_let_in(path: Path) -> bool:
    try:
        os.close(confinement.open_input(str(path)))
    except Forbidden:
        return False
    return True


def test_a_file_in_a_root_may_have_any_name_that_leads_to_it(place):
    (place / "in" / "sub" / "a").touch()
    link(place / "in" / "b", place / "in" / "sub" / "a")
    link(place / "out" / "c", place / "in" / "sub")

    assert is_let_in(place / "in" / "sub" / "a")
    assert is_let_in(place / "in" / "b")
    assert is_let_in(place / "out" / "c" / "a")


@pytest.mark.parametrize("has_proc", [True, False])
def test_a_link_that_leads_out_is_forbidden(place, has_proc, monkeypatch):
    if not has_proc:  # as on macOS
        real = os.readlink

        def readlink(path: str) -> str:
            if str(path).startswith("/proc/"):
                raise FileNotFoundError
            return real(path)

        monkeypatch.setattr(os, "readlink", readlink)
    for name in ("inner/a", "out/a"):
        (place / name).touch()
    (place / "in" / "a").touch()
    descriptors = len(os.listdir("/proc/self/fd"))

    assert is_let_in(place / "in" / "a")
    assert not is_let_in(link(place / "in" / "file", place / "out" / "a"))
    assert not is_let_in(link(place / "in" / "folder", place / "out") / "a")
    assert not is_let_in(link(place / "in" / "twice", place / "in" / "file"))
    assert not is_let_in(place / "inner" / "a")
    assert len(os.listdir("/proc/self/fd")) == descriptors, "none stays open"


def test_without_roots_links_lead_anywhere(place):
    confinement.confine([])
    (place / "out" / "a").touch()

    assert is_let_in(link(place / "in" / "a", place / "out" / "a"))


def test_the_whole_disk_may_be_a_root(place):
    confinement.confine(["/"])
    (place / "out" / "a").touch()

    assert is_let_in(place / "out" / "a")


def test_a_decoder_says_what_is_the_matter_with_a_link(place):
    secret = picture(place / "out" / "private.jpg")
    link(place / "in" / "x.jpg", secret)
    status = secret.stat()
    item = Item(path="x.jpg", size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)

    with pytest.raises(Forbidden, match="SHARDMILL_ROOTS, found a link that leads out of them"):
        probe_item(str(place / "in"), item)


def test_no_list_of_an_archive_outside_is_read(place):
    """It is an input itself, and has its row as one that is forbidden."""
    archive = py_zip(place / "out" / "x.zip", tree(place / "out" / "files", {"secret.png": b"x"}))
    link(place / "in" / "x.zip", archive)
    wanted = Filter((), (), archives=True)

    scanned = scan(str(place / "in"), wanted, pytest.fail)
    found = entered(scanned, Roots.of(f"{place}/in"), wanted)

    assert [each.path for each in one_by_one(found)] == ["x.zip"]


def test_no_file_outside_is_compared_with_others(place):
    """Whether two files are equal would tell what the one outside holds."""
    for name in ("in/guess", "out/secret"):
        (place / name).write_text("4711")
    link(place / "in" / "secret", place / "out" / "secret")
    catalog = Catalog(str(place), no_label)
    for name in ("guess", "secret"):
        status = (place / "in" / name).stat()
        catalog.add([Found(name, status.st_size, status.st_mtime_ns)])
    catalog.compare()
    assert catalog.of_equal_size_count() == 2

    skip_duplicates(catalog, Roots.of(str(place / "in")), lambda sentence: None)

    assert catalog.skipped().read_all().num_rows == 0
    catalog.close()
