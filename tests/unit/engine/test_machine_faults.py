"""What a machine cannot do at the moment is no verdict on a file."""

import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from shardmill.contract.errors import EnvironmentFault, ItemError, Unreadable
from shardmill_worker.engine.probe import probe_item

OF_THE_MACHINE = [
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.EIO, errno.ETIMEDOUT),
    *(errno.EHOSTDOWN, errno.ENOTCONN, errno.EREMOTEIO),
]
OF_THE_FILE = [errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP]
names = [errno.errorcode[code] for code in OF_THE_MACHINE]


def picture(folder, name: str = "a.png") -> str:
    noise = np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8)
    return folder.write(name, cv2.imencode(Path(name).suffix, noise)[1].tobytes())


def fail_to_open(monkeypatch, code: int) -> None:
    true_open = os.open

    def opened(path, *arguments, **more):
        if "/in/" in os.fsdecode(path):
            raise OSError(code, os.strerror(code), path)
        return true_open(path, *arguments, **more)

    monkeypatch.setattr(os, "open", opened)


def fail_to_read(monkeypatch, code: int, *, after: int) -> None:
    """Let every read fail but the first few."""
    reads = iter(range(10**9))
    pread = os.pread

    def read(descriptor, length, offset):
        if next(reads) >= after:
            raise OSError(code, os.strerror(code))
        return pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", read)


@pytest.mark.parametrize("code", OF_THE_MACHINE, ids=names)
def test_a_machine_that_cannot_open_a_file_is_to_blame(folder, monkeypatch, *, code):
    item = folder.item(picture(folder))
    fail_to_open(monkeypatch, code)

    with pytest.raises(EnvironmentFault, match=f"cannot read a.png: {os.strerror(code)}; mend"):
        probe_item(str(folder.root), item)


@pytest.mark.parametrize("code", OF_THE_FILE, ids=[errno.errorcode[c] for c in OF_THE_FILE])
def test_a_file_that_cannot_be_opened_is_to_blame(folder, monkeypatch, *, code):
    item = folder.item(picture(folder))
    fail_to_open(monkeypatch, code)

    with pytest.raises(Unreadable, match=os.strerror(code)):
        probe_item(str(folder.root), item)


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tiff"])
def test_a_read_that_fails_is_no_verdict_on_a_picture(folder, monkeypatch, *, name, after):
    picture(folder, name)
    work = folder.extract(name).work
    fail_to_read(monkeypatch, errno.EIO, after=after)

    with pytest.raises(EnvironmentFault, match="cannot read a"):
        folder.run(work)


@pytest.mark.parametrize("after", [0, 3, 20])
@pytest.mark.parametrize("keep_partial", [False, True])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".avi"])
def test_a_read_that_fails_half_way_is_no_damage(
    folder, monkeypatch, *, suffix, keep_partial, after
):
    noise = np.random.default_rng(2).integers(0, 255, (40, 120, 160, 3), np.uint8)
    name = folder.video(f"a{suffix}", list(noise), codec="mpeg4")
    work = folder.extract(name, keep_partial=keep_partial).work
    fail_to_read(monkeypatch, errno.ESTALE, after=after)

    with pytest.raises(EnvironmentFault, match="Stale file handle"):
        folder.run(work)


def test_a_header_that_points_nowhere_is_the_file_s_own_fault(folder, monkeypatch):
    """EINVAL is what the system says of an impossible place."""
    item = folder.item(picture(folder))
    fail_to_read(monkeypatch, errno.EINVAL, after=1)

    with pytest.raises(ItemError):
        probe_item(str(folder.root), item)
