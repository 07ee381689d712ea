"""Files in archives are opened where they lie, and refused where the archive lies about them."""

import errno
import io
import os
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from shardmill.contract.errors import (
    ChangedInput,
    Corrupt,
    Empty,
    Encrypted,
    EnvironmentFault,
    ItemError,
    TooLarge,
    Unreadable,
    Unsupported,
)
from shardmill.contract.location.archive import MOST_UNPACKED_BYTES, without_suffix
from shardmill.contract.location.roots import Roots
from shardmill.contract.schema import Item
from shardmill.inputs.archives.entering import entered
from shardmill.inputs.scan import Filter, one_by_one, scan
from shardmill_worker.engine.input_file import NamelessFile, open_item

DATA = os.urandom(3000) + b"a" * 2_000_000
FLAGS, METHOD, CRC, PACKED, SIZE = 6, 8, 14, 18, 22
"""Where a local header has them."""


def items(root: Path) -> dict[str, Item]:
    wanted = Filter((), (), archives=True)
    found = one_by_one(entered(scan(str(root), wanted, pytest.fail), Roots.of(str(root)), wanted))
    return {each.path: each.item() for each in found}


def zipped(root: Path, method: int = zipfile.ZIP_DEFLATED, data: bytes = DATA) -> Item:
    with zipfile.ZipFile(root / "x.zip", "w", method) as packed:
        packed.writestr("before.png", b"before")
        packed.writestr("1.png", data)
    return items(root)["x.zip/1.png"]


def tarred(root: Path, data: bytes = DATA) -> Item:
    with tarfile.open(root / "x.tar", "w") as tar:
        for name, content in (("before.png", b"before"), ("1.png", data), ("2.png", b"behind")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return items(root)["x.tar/1.png"]


def edited(root: Path, item: Item, at: int, value: bytes) -> Item:
    """Change bytes behind the start of a member's local header, and take the change for planned."""
    with open(root / item.archive, "r+b") as file:
        file.seek(item.archive_offset + at)
        file.write(value)
    return items(root)[item.path]


def whole(root: Path, item: Item) -> bytes:
    with open_item(str(root), item) as file:
        return file.pread(file.size_bytes, 0)


@pytest.mark.parametrize(
    "pack",
    [
        tarred,
        zipped,
        lambda root: zipped(root, zipfile.ZIP_STORED),
    ],
    ids=["tar", "deflated", "stored"],
)
def test_a_member_is_read_as_if_it_were_a_file(tmp_path, pack):
    item = pack(tmp_path)

    with open_item(str(tmp_path), item) as file:
        assert file.size_bytes == len(DATA)
        assert file.pread(10, 0) == DATA[:10]
        assert file.pread(100, len(DATA) - 3) == DATA[-3:]
        assert file.pread(100, len(DATA) + 3) == b""
        with pytest.raises(OSError, match="Invalid"):
            file.pread(100, -1)
        seen = NamelessFile(file)
        assert (seen.seek(-3, os.SEEK_END), seen.read(9), seen.tell()) == (
            len(DATA) - 3,
            DATA[-3:],
            len(DATA),
        )
        assert (seen.seek(2), seen.seek(3, os.SEEK_CUR), seen.read(4)) == (2, 5, DATA[5:9])
        assert seen.seek(-1) < 0
        assert seen.tell() == 9


def refused(root: Path, item: Item) -> ItemError:
    with pytest.raises(ItemError) as refusal:
        whole(root, item)
    return refusal.value


def test_an_encrypted_member_needs_its_key(tmp_path):
    item = edited(tmp_path, zipped(tmp_path), FLAGS, b"\1\0")

    assert isinstance(refused(tmp_path, item), Encrypted)


@pytest.mark.parametrize(
    ("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "LZMA")]
)
def test_of_another_method_the_name_is_told(tmp_path, method, name):
    refusal = refused(tmp_path, zipped(tmp_path, method))

    assert isinstance(refusal, Unsupported)
    assert f"compressed with {name} in its archive" in str(refusal)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_header_that_is_none_is_corrupt(tmp_path, method):
    item = edited(tmp_path, zipped(tmp_path, method), 0, b"XX")

    assert "holds no file" in str(refused(tmp_path, item))


def test_a_wrong_checksum_is_corrupt(tmp_path):
    item = edited(tmp_path, zipped(tmp_path), CRC, b"\1\2\3\4")

    assert "not the one that its archive says" in str(refused(tmp_path, item))


def test_damage_in_what_is_deflated_is_corrupt(tmp_path):
    item = zipped(tmp_path)
    item = edited(tmp_path, item, item.packed_bytes // 2, bytes(64))

    assert isinstance(refused(tmp_path, item), Corrupt)


def lying_zip(root: Path, *, size: int, data: bytes) -> Item:
    """A zip whose directory tells another size than there is."""
    item = zipped(root, data=data)
    archive = root / "x.zip"
    content = bytearray(archive.read_bytes())
    at = content.rindex(b"PK\1\2")
    struct.pack_into("<I", content, at + 24, size)
    archive.write_bytes(content)
    return items(root)[item.path]


@pytest.mark.parametrize("size", [10, len(DATA) - 1, len(DATA) + 1])
def test_a_member_of_another_size_than_told_is_corrupt(tmp_path, size):
    assert isinstance(refused(tmp_path, lying_zip(tmp_path, size=size, data=DATA)), Corrupt)


def test_of_a_bomb_nothing_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.TemporaryFile", pytest.fail)
    item = lying_zip(tmp_path, size=MOST_UNPACKED_BYTES + 1, data=b"a" * 100_000)

    refusal = refused(tmp_path, item)

    assert isinstance(refusal, TooLarge)
    assert f"{MOST_UNPACKED_BYTES + 1:,} bytes when unpacked" in str(refusal)


def test_a_bomb_that_says_it_is_small_is_unpacked_no_further_than_that(tmp_path):
    item = lying_zip(tmp_path, size=1000, data=b"a" * 50_000_000)
    written = []

    class Counting(io.BytesIO):
        def __init__(self, **_) -> None:
            super().__init__()

        def write(self, piece: bytes) -> int:
            written.append(len(piece))
            return len(piece)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.TemporaryFile", Counting)
        assert isinstance(refused(tmp_path, item), Corrupt)
    assert sum(written) <= 1 << 20


def test_an_archive_that_ends_before_its_member_is_corrupt(tmp_path):
    item = tarred(tmp_path)
    os.truncate(tmp_path / "x.tar", item.archive_offset + 100)
    cut = os.stat(tmp_path / "x.tar")

    refusal = refused(tmp_path, Item(**_fields(item) | {"mtime_ns": cut.st_mtime_ns}))

    assert "ends before the file in it" in str(refusal)


def _fields(item: Item) -> dict:
    return {name: getattr(item, name) for name in item.__struct_fields__}


def test_an_empty_member_is_empty(tmp_path):
    assert isinstance(refused(tmp_path, tarred(tmp_path, b"")), Empty)
    assert isinstance(refused(tmp_path, zipped(tmp_path, data=b"")), Empty)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_changed_archive_is_told(tmp_path, when):
    item = tarred(tmp_path)
    if when == "before":
        os.utime(tmp_path / "x.tar", ns=(0, item.mtime_ns + 1))
        assert isinstance(refused(tmp_path, item), ChangedInput)
        return
    with pytest.raises(ChangedInput), open_item(str(tmp_path), item):
        os.utime(tmp_path / "x.tar", ns=(0, item.mtime_ns + 1))


def test_an_archive_that_is_gone_is_unreadable(tmp_path):
    item = tarred(tmp_path)
    (tmp_path / "x.tar").unlink()

    assert isinstance(refused(tmp_path, item), Unreadable)


def test_no_room_to_unpack_is_no_file_s_fault(tmp_path, monkeypatch):
    item = zipped(tmp_path)

    class Full(io.BytesIO):
        def __init__(self, **_) -> None:
            super().__init__()

        def write(self, piece: bytes) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    with pytest.raises(EnvironmentFault, match="No space left on device; make room there"):
        whole(tmp_path, item)


@pytest.mark.parametrize(
    ("obstacle", "kind"),
    [("damaged", Corrupt), ("packed", Unsupported), ("deep", Unsupported), ("link", Unsupported)],
)
def test_what_hindered_the_list_is_told_of_the_item(tmp_path, obstacle, kind):
    found = _fields(tarred(tmp_path)) | {"archive_offset": None, "obstacle": obstacle}

    assert type(refused(tmp_path, Item(**found))) is kind


def test_a_media_file_in_an_archive_is_what_it_is_outside(folder, steps):
    name = folder.video("clip.mp4", steps(8), codec="libx264")
    data = (folder.root / name).read_bytes()
    for number, pack in enumerate((tarred, zipped)):
        place = folder.root / str(number)
        place.mkdir()
        pack(place, data=data)

    outside = folder.extract(name)

    for path, item in items(folder.root).items():
        if path.endswith("1.png"):
            inside = folder.extract(item)
            assert inside.frames() == outside.frames()
            assert inside.rows[0].facts == outside.rows[0].facts


def test_names_without_their_suffix():
    told = {
        "n01440764.tar": "n01440764",
        "a.TAR.GZ": "a",
        "x.zip": "x",
        ".zip": ".zip",
        "cat": "cat",
    }
    assert {name: without_suffix(name) for name in told} == told


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_read_that_fails_is_no_verdict_on_a_member(tmp_path, monkeypatch, *, pack):
    item = pack(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", fail)
    with pytest.raises(
        EnvironmentFault, match=r"cannot read x\.(zip|tar)/1\.png: Input/output error"
    ):
        whole(tmp_path, item)


def test_no_room_for_a_member_is_the_machine_s_fault(tmp_path, monkeypatch):
    item = zipped(tmp_path)

    def refuse(**_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(EnvironmentFault, match="cannot unpack a file of an archive"):
        whole(tmp_path, item)
