"""Breaks a share of a process's calls on the files of one job, as a network drive does.

Python imports a module of this name by itself; its folder is on PYTHONPATH of workers and
producers of ``chaos``.  Two kinds of faults are drawn, both only while the file ``CHAOS_ON`` is
there:

- A reply is lost: link, rename, replace, mkdir, unlink or rmdir in OUT is done, and the client
  that asks again hears that the name exists, or that it does not.
- Opening a file in IN or in OUT fails, before anything is done.

Native code (Arrow, DuckDB) makes its calls without Python and is not reached.
"""

import builtins
import errno
import io
import os
import random

ON = os.environ["CHAOS_ON"]
IN, OUT = os.environ["CHAOS_IN"], os.environ["CHAOS_OUT"]
LOG = os.environ["CHAOS_LOG"]
SHARE = float(os.environ["CHAOS_SHARE"])
OPEN_ERRORS = (errno.EIO, errno.ESTALE, errno.EMFILE)

_open, _stat, _write, _close = os.open, os.stat, os.write, os.close
dice = random.Random()


def seed() -> None:
    """Seed the dice with the number of the process among those of the trial, not with its pid."""
    log = _open(f"{LOG}.count", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    _write(log, b".")
    dice.seed(f"{os.environ['CHAOS_SEED']}/{os.lseek(log, 0, os.SEEK_CUR)}")
    _close(log)


def is_on() -> bool:
    try:
        _stat(ON)
    except OSError:
        return False
    return True


def place(path, dir_fd) -> str:
    """Return the absolute path that a call means, empty for one by descriptor."""
    if isinstance(path, int):
        return ""
    base = os.getcwd() if dir_fd is None else os.readlink(f"/proc/self/fd/{dir_fd}")
    return os.path.join(base, os.fsdecode(path))


def strikes(path: str, *roots: str) -> bool:
    inside = any(path == root or path.startswith(f"{root}/") for root in roots)
    return inside and dice.random() < SHARE and is_on()


def fault(call: str, number: int, path: str) -> OSError:
    log = _open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    _write(log, os.fsencode(f"{os.getpid()} {call} {errno.errorcode[number]} {path}\n"))
    _close(log)
    return OSError(number, os.strerror(number), path)


def losing_reply(call, number: int, *, name: str, at: int = 0, folder: str = "dir_fd"):
    """Return a call that is done and then fails, as one that a client sent twice."""

    def done_and_lost(*arguments, **options):
        answer = call(*arguments, **options)
        named = arguments[at] if len(arguments) > at else options[name]
        path = place(named, options.get(folder))
        if strikes(path, OUT):
            raise fault(call.__name__, number, path)
        return answer

    return done_and_lost


def failing_to_open(call, *, name: str):
    """Return a call that now and then cannot open a file of the job."""

    def opened(*arguments, **options):
        path = place(arguments[0] if arguments else options[name], options.get("dir_fd"))
        if strikes(path, IN, OUT):
            raise fault("open", dice.choice(OPEN_ERRORS), path)
        return call(*arguments, **options)

    return opened


def replace_in_os(name: str, broken) -> None:
    """Put a broken call in the place of a sound one, with what ``os`` says that it supports."""
    sound = getattr(os, name)
    for supporting in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
        if sound in supporting:
            supporting.add(broken)
    setattr(os, name, broken)


seed()
os.register_at_fork(after_in_child=seed)
for called in ("link", "rename", "replace"):
    number = errno.EEXIST if called == "link" else errno.ENOENT
    lost = losing_reply(getattr(os, called), number, name="dst", at=1, folder="dst_dir_fd")
    replace_in_os(called, lost)
for called in ("mkdir", "unlink", "remove", "rmdir"):
    number = errno.EEXIST if called == "mkdir" else errno.ENOENT
    replace_in_os(called, losing_reply(getattr(os, called), number, name="path"))
replace_in_os("open", failing_to_open(os.open, name="path"))
builtins.open = io.open = failing_to_open(io.open, name="file")
