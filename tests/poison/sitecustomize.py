"""Makes files of certain names do to a decoder what broken media do to native code.

Python imports a module of this name by itself; put its folder on PYTHONPATH of a program that has
decoders.  In their fork server opening ``<deed>@<stage>...`` for that stage does the deed, in the
decoder, in earnest.  Other programs die at the step that ``TEST_DIE`` names, as
``before module:function`` or ``after module:class.method``, as if the power had failed; so do
decoders at that of ``TEST_DECODER_DIE``.
"""

import ctypes
import functools
import importlib
import os
import signal
import sys
import time

CHUNK = b"x" * 2**23
DROPS, DROP_S = 40, 0.1


def segv(path: bytes) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def exit7(path: bytes) -> None:
    os._exit(7)


def hang(path: bytes) -> None:
    """Wait for ever in a call that holds the interpreter lock, as a native loop does."""
    while True:
        ctypes.PyDLL(None).pause()


def grow(path: bytes) -> None:
    hoard = []
    while True:
        hoard.append(bytearray(CHUNK))
        time.sleep(0.01)


def fail(path: bytes) -> None:
    raise ValueError("poisoned")


def frail(path: bytes) -> None:
    """Crash the first time only."""
    try:
        os.close(os.open(path + b".seen", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    segv(path)


def slow(path: bytes) -> None:
    """Take long enough to be caught at it."""
    time.sleep(1)


def flood(path: bytes) -> None:
    """Say more than any pipe or log should hold."""
    for descriptor in (1, 2):
        for _ in range(4):
            os.write(descriptor, CHUNK)


def gate(path: bytes) -> None:
    """Tell that it is reached, and wait until the gates of its folder are opened."""
    os.close(os.open(path + b".reached", os.O_CREAT))
    while not os.path.exists(os.path.join(os.path.dirname(path), b"gates.open")):
        time.sleep(0.01)


DEEDS = {deed.__name__: deed for deed in (segv, exit7, hang, grow, fail, frail, slow, flood, gate)}


def poisoned(open_file, stage: str):
    """Return a function that opens a file with the deeds of ``stage`` before it."""

    def open_or_do(root, item, **options):
        deed, _, when = os.path.basename(item.path).partition("@")
        if when.startswith(stage) and deed in DEEDS:
            DEEDS[deed](os.fsencode(os.path.join(root, item.path)))
        return open_file(root, item, **options)

    return open_or_do


def looking_closer(facts_of):
    """Return ``facts_of`` that leaves poisonous pictures to the step that opens them one by one."""

    def facts_or_none(pictures, row):
        deed, _, when = os.path.basename(pictures._paths[row]).partition("@")
        return None if deed in DEEDS and when.startswith("probe") else facts_of(pictures, row)

    return facts_or_none


def dripping(count):
    """Return ``decode_all`` that is slow over ``drip@...``, but makes progress."""

    def count_or_drip(root, item, advance):
        if os.path.basename(item.path).startswith("drip@"):
            for _ in range(DROPS):
                advance()
                time.sleep(DROP_S)
        return count(root, item, advance)

    return count_or_drip


def die(when: str, place: str) -> None:
    """Have this process killed before or after it calls a function for the first time."""
    module, _, name = place.partition(":")
    *classes, function = name.split(".")
    owner = functools.reduce(getattr, classes, importlib.import_module(module))
    original = getattr(owner, function)

    def last(*arguments, **options):
        if when == "after":
            original(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, function, last)


command = " ".join(sys.orig_argv)
if "multiprocessing.forkserver" in command:
    from shardmill_worker.engine import extract, probe, reader
    from shardmill_worker.execution.in_decoder import probe_stage

    probe.open_item = poisoned(probe.open_item, "probe")
    extract.open_media = poisoned(extract.open_media, "extract")
    reader.open_media = poisoned(reader.open_media, "extract")
    probe_stage.decode_all = dripping(probe_stage.decode_all)
    pictures = probe_stage.PictureProbe
    pictures.facts_of = looking_closer(pictures.facts_of)
    if "TEST_DECODER_DIE" in os.environ:
        die(*os.environ["TEST_DECODER_DIE"].split())
elif "TEST_DIE" in os.environ and "multiprocessing" not in command:
    die(*os.environ["TEST_DIE"].split())
