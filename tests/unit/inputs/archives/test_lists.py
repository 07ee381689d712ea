"""The files in an archive are found where other people's programs find them."""

import io
import os
import struct
import subprocess
import sys
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_archives import contents_of, gnu_tar, py_tar, py_zip, tree
from shardmill.contract.location.archive import Member, contents, extent_of
from shardmill.inputs.archives.entry import BadArchive, Entry, Stretch
from shardmill.inputs.archives.tar_list import HEADERS_BYTES, entries_of_tar
from shardmill.inputs.archives.zip_list import entries_of_zip

LONG = "/".join(["a folder with a rather long name"] * 5)
FILES = {
    "a/1.jpg": b"one" * 1000,
    "a/2.jpg": b"",
    "b.mp4": bytes(range(256)) * 700,
    f"{LONG}/3.png": b"three",
    "ünïcödé/4.png": b"four",
}
ODD = os.fsdecode(b"\xff\xfe/5.png")


def stretch_of(data: bytes, start: int = 0, length: int | None = None) -> Stretch:
    def pread(length: int, offset: int) -> bytes:
        assert offset >= 0
        return data[offset : offset + length]

    return Stretch(pread, start, len(data) - start if length is None else length)


def entries(data: bytes, suffix: str) -> list[Entry]:
    found, damaged = listed(data, suffix)
    assert not damaged
    return found


def listed(data: bytes, suffix: str) -> tuple[list[Entry], bool]:
    """Return what is found before the list ends, and whether it ends in damage."""
    found: list[Entry] = []
    try:
        found.extend((entries_of_zip if suffix == ".zip" else entries_of_tar)(stretch_of(data)))
    except BadArchive:
        return found, True
    return found, False


def read(data: bytes, entry: Entry) -> bytes:
    """Read an entry's bytes as an item's would be."""
    pread = stretch_of(data).pread
    member = Member("x", entry.offset, entry.packed_bytes, entry.obstacle)
    return b"".join(contents(pread, extent_of(pread, len(data), member, entry.size_bytes)))


MAKERS = {
    "tar of GNU tar": (gnu_tar, ".tar"),
    "posix tar of GNU tar": (lambda a, r: gnu_tar(a, r, "--format=posix"), ".tar"),
    "pax tar": (py_tar, ".tar"),
    "gnu tar": (lambda a, r: py_tar(a, r, tarfile.GNU_FORMAT), ".tar"),
    "deflated zip": (py_zip, ".zip"),
    "stored zip": (lambda a, r: py_zip(a, r, zipfile.ZIP_STORED), ".zip"),
    "zip64": (lambda a, r: py_zip(a, r, force_zip64=True), ".zip"),
}


@pytest.mark.parametrize("maker", MAKERS)
def test_every_file_is_found_and_its_bytes_are_there(tmp_path, maker):
    make, suffix = MAKERS[maker]
    files = FILES | ({ODD: b"five"} if suffix == ".tar" else {})
    archive = make(tmp_path / f"x{suffix}", tree(tmp_path / "in", files))
    data = archive.read_bytes()

    found = {entry.name.removeprefix("./"): read(data, entry) for entry in entries(data, suffix)}

    assert found == contents_of(archive) == files


def test_a_name_in_a_zip_keeps_its_bytes(tmp_path):
    data = py_zip(tmp_path / "x.zip", tree(tmp_path / "in", {"??/5.png": b"x"})).read_bytes()

    assert [e.name for e in entries(data.replace(b"??/5", b"\xff\xfe/5"), ".zip")] == [ODD]


@pytest.mark.parametrize("suffix", [".tar", ".zip"])
def test_what_lies_in_another_file_is_found_too(tmp_path, suffix):
    pack = py_tar if suffix == ".tar" else py_zip
    data = pack(tmp_path / f"x{suffix}", tree(tmp_path / "in", FILES)).read_bytes()
    around = b"x" * 1000 + data + b"y" * 1000

    stretch = stretch_of(around, 1000, len(data))
    found = list((entries_of_zip if suffix == ".zip" else entries_of_tar)(stretch))

    assert {entry.name: read(around, entry) for entry in found} == FILES


@given(st.integers(0, 3), st.binary(max_size=200), st.binary(max_size=100))
def test_a_zip_behind_something_and_with_a_comment_is_read_as_zipfile_reads_it(
    files, before, comment
):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for number in range(files):
            packed.writestr(f"{number}.png", b"x" * number)
        packed.comment = comment + b"PK\5\6" + comment
    data = before + buffer.getvalue()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            expected = {e.filename: packed.read(e) for e in packed.infolist()}
    except zipfile.BadZipFile:
        expected = None

    found, damaged = listed(data, ".zip")

    assert (None if damaged else {e.name: read(data, e) for e in found}) == expected


def test_more_files_than_an_old_zip_can_count_are_all_there():
    """65,537 entries, counted as 1: so macOS writes them, and zipfile reads them."""
    count = 0x10001
    central = b"".join(
        struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0)
        + b"%05d.png" % number
        for number in range(count)
    )
    data = central + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central), 0, 0)
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        expected = packed.namelist()

    assert [entry.name for entry in entries(data, ".zip")] == expected
    assert len(expected) == count


def test_names_of_windows_have_folders(tmp_path):
    data = bytearray(
        py_zip(tmp_path / "x.zip", tree(tmp_path / "in", {"a\\b.png": b"x"})).read_bytes()
    )
    data[data.index(b"PK\1\2") + 5] = 0

    assert [entry.name for entry in entries(bytes(data), ".zip")] == ["a/b.png"]


def test_links_and_sparse_files_are_hindered_and_other_things_are_no_files(tmp_path):
    root = tree(tmp_path / "in", {"1.png": b"one"})
    (root / "link.png").symlink_to("1.png")
    os.link(root / "1.png", root / "same.png")
    os.mkfifo(root / "pipe.png")
    with open(root / "holes.png", "wb") as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b"x")
    for form in ("gnu", "posix"):
        archive = gnu_tar(tmp_path / "x.tar", root, f"--format={form}", "--sparse", "--sort=name")
        found = {e.name: e.obstacle for e in entries(archive.read_bytes(), ".tar")}
        assert found == {
            "./1.png": None,
            "./holes.png": "sparse",
            "./link.png": "link",
            "./same.png": "link",
        }


def test_a_link_in_a_zip_is_hindered(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        info = zipfile.ZipInfo("link.png")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        packed.writestr(info, "1.png")
        packed.mkdir("folder.png")

    assert [(e.name, e.obstacle) for e in entries(buffer.getvalue(), ".zip")] == [
        ("link.png", "link")
    ]


def before_the_damage(data: bytes, suffix: str) -> list[str]:
    found, damaged = listed(data, suffix)
    assert damaged
    return [entry.name for entry in found]


def test_a_tar_that_is_cut_off_anywhere_is_told_and_read_up_to_there(tmp_path):
    files = {f"{n}.png": b"x" * 700 for n in range(3)}
    root = tree(tmp_path / "in", files)
    data = py_tar(tmp_path / "x.tar", root, tarfile.GNU_FORMAT).read_bytes()
    whole = 3 * (512 + 1024)

    assert [entry.name for entry in entries(data[: whole + 512], ".tar")] == list(files)
    for length in range(0, whole + 512, 64):
        names = before_the_damage(data[:length], ".tar")
        assert names == list(files)[: len(names)]
        assert len(names) >= length // 1536


def test_a_zip_that_is_cut_off_anywhere_is_told(tmp_path):
    data = py_zip(tmp_path / "x.zip", tree(tmp_path / "in", FILES)).read_bytes()

    for length in range(0, len(data), 37):
        assert before_the_damage(data[:length], ".zip") == []


def test_a_damaged_header_in_mid_tar_is_not_taken_for_the_end(tmp_path):
    files = {f"{n}.png": b"x" * 100 for n in range(3)}
    root = tree(tmp_path / "in", files)
    data = bytearray(py_tar(tmp_path / "x.tar", root, tarfile.GNU_FORMAT).read_bytes())
    data[1024 + 20] ^= 1

    assert before_the_damage(bytes(data), ".tar") == ["0.png"]


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def negative(name: str, size: int) -> bytes:
    """A header whose size is below zero, with the right checksum."""
    block = bytearray(header(name, 0))
    block[124:136] = size.to_bytes(12, "big", signed=True)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


HOSTILE = {
    "a size below zero": negative("1.png", -512),
    "one that leads far back": header("0.png", 0) + negative("1.png", -(2**40)),
    "attributes of a terabyte": header("x", 2**40, tarfile.XHDTYPE) + b"\0" * 4096,
    "a name of a gigabyte": header("x", 2**30, tarfile.GNUTYPE_LONGNAME) + b"a" * 4096,
    "attributes about attributes": header("x", 0, tarfile.XHDTYPE) * 3000,
    "a sparse map without end": header("x", 512, tarfile.XHDTYPE)
    + b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n".ljust(512, b"\0")
    + header("1.png", 2**20)
    + b"999999999\n"
    + b"1\n" * 700_000,
    "something else": b"no archive at all" * 100,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_tar_ends(what):
    data = HOSTILE[what] + b"\0" * 1024
    reads: list[int] = []

    def pread(length: int, offset: int) -> bytes:
        reads.append(length)
        return data[offset : offset + length]

    with pytest.raises(BadArchive):
        list(entries_of_tar(Stretch(pread, 0, len(data))))
    assert sum(reads) <= 2 * HEADERS_BYTES + len(data)


@given(st.data())
def test_whatever_is_changed_in_an_archive_its_list_ends(data):
    suffix = data.draw(st.sampled_from([".tar", ".zip"]))
    buffer = io.BytesIO()
    if suffix == ".zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
            for number in range(3):
                packed.writestr(f"{number}.png", b"x" * 99)
    else:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for number in range(3):
                tar.addfile(tarfile.TarInfo(f"{number}.png"))
    damaged = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    found, _ = listed(bytes(damaged), suffix)
    assert len(found) <= len(damaged) // 46
    assert all(entry.size_bytes >= 0 <= entry.offset for entry in found)


def test_many_files_are_listed_in_constant_memory(tmp_path):
    """Measured in a process of its own: the directory has 11 MB, objects would take 100."""
    count = 200_000
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 11, 0)
    central = b"".join(
        struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0)
        + b"%07d.png" % number
        for number in range(count)
    )
    where = len(local) + 11
    end_64 = struct.pack(
        "<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(central), where
    )
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, where + len(central), 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    archive = tmp_path / "x.zip"
    archive.write_bytes(local + b"0000000.png" + central + end_64 + locator + end)
    with zipfile.ZipFile(archive) as packed:
        assert len(packed.infolist()) == count
    program = (
        "import os, resource, sys\n"
        "from functools import partial\n"
        "from shardmill.inputs.archives.entry import Stretch\n"
        "from shardmill.inputs.archives.zip_list import entries_of_zip\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before, file = peak(), os.open(sys.argv[1], os.O_RDONLY)\n"
        "stretch = Stretch(partial(os.pread, file), 0, os.fstat(file).st_size)\n"
        "print(sum(1 for _ in entries_of_zip(stretch)), peak() - before)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, archive], capture_output=True, text=True, check=True
    )
    listed, kilobytes = map(int, told.stdout.split())
    assert listed == count
    assert kilobytes < 10_000
