"""Makes the file system of every process behave as ``TEST_FILE_SYSTEM`` says, a list of words.

Put this folder on PYTHONPATH.  A reply that is lost is lost once, and the file that
``TEST_LOST_ONCE`` names remembers that.
"""

import ctypes
import errno
import fcntl
import os
import stat

WORDS = os.environ.get("TEST_FILE_SYSTEM", "").split()


def raiser(number):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    return refused


def lose_the_link_of_a_part():
    """Link, and report EEXIST as an NFS client does that asked twice."""
    link = os.link

    def linked(source, target, **more):
        link(source, target, **more)
        once = os.environ["TEST_LOST_ONCE"]
        if "/manifest/part-" in target and not os.path.exists(once):
            os.close(os.open(once, os.O_CREAT))
            raise FileExistsError(errno.EEXIST, "File exists", target)

    os.link = linked


def no_directory_sync():
    fsync = os.fsync

    def synced(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)

    os.fsync = synced


def no_exclusive_renames():
    """A C library without renameat2."""
    library = ctypes.CDLL

    class Without(library):
        def __getattr__(self, name):
            if name == "renameat2":
                raise AttributeError(name)
            return super().__getattr__(name)

    ctypes.CDLL = Without


def fail_inputs(number):
    """Open no input, as on a machine that is out of descriptors or has lost a drive."""
    opened = os.open

    def open_(path, *arguments, **more):
        if isinstance(path, str) and "/in/" in path:
            raise OSError(number, os.strerror(number), path)
        return opened(path, *arguments, **more)

    os.open = open_


def hide_a_folder():
    """List one folder as a drive does that is away for a moment."""
    scandir = os.scandir

    def scanned(path="."):
        if os.fsdecode(path).rstrip("/") == os.environ["TEST_UNLISTED"]:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return scandir(path)

    os.scandir = scanned


if "unlisted" in WORDS:
    hide_a_folder()
if "inputs" in WORDS:
    fail_inputs(getattr(errno, os.environ["TEST_INPUT_ERRNO"]))
if "no-links" in WORDS:
    os.link = raiser(errno.EPERM)
if "no-exclusive-renames" in WORDS:
    no_exclusive_renames()
if "no-directory-sync" in WORDS:
    no_directory_sync()
if "no-locks" in WORDS:
    fcntl.flock = raiser(errno.ENOLCK)
if "lost-link" in WORDS:
    lose_the_link_of_a_part()
