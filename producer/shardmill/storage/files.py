"""Changes to the files of an output directory: durable, whole, and sound on network drives.

A network file system repeats a request whose reply was lost, and may report the second answer:
EEXIST for a link or a folder that the first request made, ENOENT for a rename that it did (see
link(2) and open(2)).  So each call here compares what is there with what it asked for before it
believes such an error.

No call writes through a symbolic link: a new file is created exclusively, under a name that
others cannot foresee where its folder is known to others.
"""

import json
import os
import secrets
import stat
from contextlib import suppress
from errno import EINVAL, ELOOP, ENOSYS, ENOTSUP, EOPNOTSUPP, EPERM
from typing import Any, Final

from shardmill.contract.errors import DatasetDamaged, EnvironmentFault

_TRIES: Final = 3
_NO_SUCH_CALL: Final = frozenset({EINVAL, ENOSYS, ENOTSUP, EOPNOTSUPP})
_NO_LINKS: Final = _NO_SUCH_CALL | {EPERM}
"""What link(2) answers on exFAT, SMB and some FUSE file systems."""
_RENAME_NOREPLACE: Final = 1  # linux/fs.h
_AT_FDCWD: Final = -100  # fcntl.h


def create(path: str) -> int:
    """Return the descriptor of a new, empty file, open for reading and writing.

    A file or symbolic link that stood under its name is removed; nothing is written through it.

    Raises:
        FileExistsError: Something else has its name, a device for instance.
        OSError: It cannot be made.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    for _ in range(_TRIES):
        try:
            return os.open(path, flags, 0o666)
        except FileExistsError:
            mode = os.lstat(path).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise
            remove(path)
    return os.open(path, flags, 0o666)


def write(path: str, data: bytes | memoryview, *, durable: bool = True) -> None:
    """Write a new file and flush it to the disk, or to the system alone if not ``durable``."""
    with os.fdopen(create(path), "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def write_whole(path: str, data: bytes) -> None:
    """Put a file in place, whole or not at all, durable when this returns."""
    waiting = f"{path}.{secrets.token_hex(8)}.tmp"
    try:
        write(waiting, data)
        replace(waiting, path)
        sync_directory(os.path.dirname(path))
    finally:
        remove(waiting)


def write_json(path: str, values: object) -> None:
    """Put a JSON file in place, whole or not at all, durable when this returns."""
    write_whole(path, json.dumps(values, indent=1).encode("ascii"))


def read_json(path: str) -> Any:
    """Read JSON.

    Raises:
        FileNotFoundError: There is no such file.
        DatasetDamaged: It is not JSON.
    """
    with os.fdopen(open_to_read(path), encoding="ascii") as file:
        try:
            return json.load(file)
        except (ValueError, RecursionError) as error:
            raise DatasetDamaged(f"{path} is not JSON: {error}") from error


def publish(waiting: str, name: str) -> bool:
    """Give a durable file a name that no other file has: True for the first caller only.

    The file may keep its first name too.  The new one is durable once its folder is synced.

    Raises:
        FileNotFoundError: ``waiting`` or the folder of ``name`` is gone; nothing was published.
        OSError: Anything else; nobody knows whether the file has its name.
    """
    before = os.lstat(waiting)
    try:
        os.link(waiting, name)
    except FileExistsError:
        return _is_same(name, before)
    except OSError as error:
        if error.errno in _NO_LINKS:
            return _publish_by_rename(waiting, name, before)
        if not _is_same(name, before):
            raise
    return True


def _publish_by_rename(waiting: str, name: str, before: os.stat_result) -> bool:
    try:
        _rename_to_new(waiting, name)
    except FileExistsError:
        return False
    except FileNotFoundError:
        if not _is_same(name, before):
            raise
    return True


def _rename_to_new(source: str, target: str) -> None:
    """Rename a file; FileExistsError if the target exists (renameat2(2), RENAME_NOREPLACE)."""
    import ctypes  # where there are hard links, nobody waits for it

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:  # macOS, whose own file systems have hard links
        raise OSError(ENOSYS, os.strerror(ENOSYS), target)
    number, text = ctypes.c_int, ctypes.c_char_p
    call.argtypes = (number, text, number, text, ctypes.c_uint)
    names = os.fsencode(source), os.fsencode(target)
    if call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_NOREPLACE):
        fault = ctypes.get_errno()
        raise OSError(fault, os.strerror(fault), source, None, target)


def replace(source: str, target: str) -> None:
    """Rename a file; another one under the target's name is gone."""
    before = os.lstat(source)
    try:
        os.replace(source, target)
    except FileNotFoundError:
        if not _is_same(target, before):
            raise


def make_directory(path: str, *, dir_fd: int | None = None) -> None:
    """Make a folder, unless there is one; never the folder that it lies in.

    Args:
        path: The folder.
        dir_fd: An open folder that the path is relative to.

    Raises:
        FileExistsError: Something else has its name, a symbolic link for instance.
    """
    try:
        os.mkdir(path, dir_fd=dir_fd)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path, dir_fd=dir_fd).st_mode):
            raise


def make_directories(path: str) -> list[str]:
    """Make a folder and those that it lies in, durable; return those that were made, inner first.

    Raises:
        OSError: One of them cannot be made.
    """
    missing: list[str] = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        make_directory(folder)
        sync_directory(os.path.dirname(folder))
    return missing


def remove(path: str) -> None:
    """Remove a file, if it is there."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def sync_directory(path: str) -> None:
    """Make the names in a folder durable, as far as its file system knows that request."""
    descriptor = os.open(path or os.curdir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:
            raise
    finally:
        os.close(descriptor)


def open_to_read(path: str) -> int:
    """Return the descriptor of a plain file, for reading.

    Raises:
        OSError: It cannot be opened.
        DatasetDamaged: It is no plain file, a symbolic link for instance.
    """
    # A named pipe would block an open for ever.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno != ELOOP:
            raise
        raise DatasetDamaged(f"{path} is a symbolic link") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DatasetDamaged(f"{path} is no plain file")
    return descriptor


def refuse_link(path: str) -> None:
    """See that what others will open by its name is no symbolic link; it may be missing.

    Raises:
        DatasetDamaged: It is one.
    """
    if os.path.islink(path):
        raise DatasetDamaged(f"{path} is a symbolic link")


def check_file_system(folder: str) -> None:
    """Try in a folder what an output directory needs, and leave nothing there.

    Raises:
        EnvironmentFault: Its file system cannot do it.
        OSError: The folder cannot be written.
    """
    first, second, name = (os.path.join(folder, f".try-{secrets.token_hex(8)}") for _ in range(3))
    try:
        for path in (first, second):
            write(path, b"")
        if not publish(first, name) or publish(second, name):
            raise EnvironmentFault(
                f"expected a file system that keeps two files from taking one name, {folder} lies "
                "on one that does not: give another --out"
            )
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        raise EnvironmentFault(
            f"expected a file system with hard links or exclusive renames, {folder} lies on one "
            f"without ({error.strerror}): give another --out, and copy the result there"
        ) from error
    finally:
        for path in (first, second, name):
            remove(path)


def _is_same(path: str, known: os.stat_result) -> bool:
    """Tell whether a name leads to the very file that was looked at before."""
    try:
        return os.path.samestat(os.lstat(path), known)
    except FileNotFoundError:
        return False
