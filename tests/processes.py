"""The processes of one run, found by a text that only they carry."""

import os
from contextlib import suppress


def _read(pid: str, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""  # gone, or a kernel thread


def carrying(mark: str) -> dict[int, str]:
    """Return the living processes with ``mark`` in environment or command line, and the latter.

    A zombie has neither.  redis-server overwrites its environment, but not its socket's name.
    """
    wanted, found = os.fsencode(mark), {}
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        command = _read(pid, "cmdline")
        if wanted in command or wanted in _read(pid, "environ"):
            found[int(pid)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def workers(mark: str) -> list[int]:
    """Return the worker processes; neither their fork server nor their decoders."""
    return [
        pid for pid, command in carrying(mark).items() if command.endswith("-m shardmill_worker")
    ]


def directories_of(pid: int) -> set[str]:
    """Return the temporary directories of shardmill that a process has open, and so holds."""
    found = set()
    with suppress(OSError):  # gone
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return {path for path in found if os.path.basename(path).startswith("shardmill-")}


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    state = _read(str(pid), "stat").rpartition(b")")[2].split()
    return bool(state) and state[0] not in (b"Z", b"X")


def parent(pid: int) -> int:
    """Return the parent's process id; 0 if the process is gone."""
    state = _read(str(pid), "stat").rpartition(b")")[2].split()
    return int(state[1]) if state else 0


def descendants(pid: int) -> list[int]:
    """Return the children of a process, and theirs."""
    parents = {int(each): parent(int(each)) for each in filter(str.isdecimal, os.listdir("/proc"))}
    family = [pid]
    for member in family:
        family += [child for child, of in parents.items() if of == member]
    return family[1:]
