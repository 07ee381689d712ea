"""What ``make chaos`` does to a job's calls, and what it calls a fault of the data set."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from chaos.content import Content
from chaos.trial import SHIM
from out_dir import OutDir

PROGRAM = """
import errno, os, shutil
IN, OUT = os.environ["CHAOS_IN"], os.environ["CHAOS_OUT"]

def said(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

folder = os.open(os.path.dirname(OUT), os.O_RDONLY)
print(said(os.mkdir, f"{OUT}/a"), os.path.isdir(f"{OUT}/a"))
print(said(os.rename, f"{OUT}/a", f"{OUT}/b"), os.path.isdir(f"{OUT}/b"))
print(said(os.link, f"{IN}/x", f"{OUT}/x"), os.path.exists(f"{OUT}/x"))
print(said(os.replace, "out/x", "out/y", src_dir_fd=folder, dst_dir_fd=folder), os.listdir(OUT))
print(said(os.unlink, "out/y", dir_fd=folder), os.path.exists(f"{OUT}/y"))
print(said(os.rmdir, path=f"{OUT}/b"), os.listdir(OUT))
print(said(os.open, f"{IN}/x", os.O_RDONLY) in {"EIO", "ESTALE", "EMFILE"})
print(said(open, f"{OUT}/z", "w") in {"EIO", "ESTALE", "EMFILE"}, os.listdir(OUT))
print(said(os.mkdir, f"{OUT}-beside"), said(open, f"{OUT}-beside/z", "w"))
print(shutil._use_fd_functions, os.mkdir in os.supports_dir_fd)
"""


def sick(place: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a Python program whose calls on two folders fail, while there is a file ``on``."""
    for name in ("in", "out"):
        (place / name).mkdir(exist_ok=True)
    (place / "in" / "x").touch()
    told = {
        "CHAOS_ON": str(place / "on"),
        "CHAOS_IN": str(place / "in"),
        "CHAOS_OUT": str(place / "out"),
        "CHAOS_LOG": str(place / "log"),
        "CHAOS_SHARE": "1",
        "CHAOS_SEED": "7",
        "PYTHONPATH": str(SHIM),
    }
    return subprocess.run(
        [sys.executable, *command], env=os.environ | told, capture_output=True, text=True
    )


def test_a_lost_reply_is_a_call_that_was_done_and_an_open_that_fails_does_nothing(tmp_path):
    (tmp_path / "on").touch()

    assert sick(tmp_path, "-c", PROGRAM).stdout.splitlines() == [
        "EEXIST True",
        "ENOENT True",
        "EEXIST True",
        "ENOENT ['b', 'y']",
        "ENOENT False",
        "ENOENT []",
        "True",
        "True []",
        "done done",
        "True True",
    ]
    calls = Counter(line.split()[1] for line in (tmp_path / "log").read_text().splitlines())
    assert calls == dict.fromkeys(("mkdir", "rename", "link", "replace", "unlink", "rmdir"), 1) | {
        "open": 2
    }


def test_nothing_fails_while_the_storm_is_off(tmp_path):
    lines = sick(tmp_path, "-c", PROGRAM).stdout.splitlines()

    assert [line.split()[0] for line in lines[:6]] == ["done"] * 6
    assert not (tmp_path / "log").exists()


RIGHT = Content(rows=[("a", "ok", None), ("b", "ok", None)], clips=[("a", "1", 5)])


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (Content(RIGHT.rows[:1], RIGHT.clips), "1 rows are missing, 0 are wrong, 0 stand twice"),
        (Content(RIGHT.rows, RIGHT.clips * 2), "0 clips are missing, 0 are wrong, 1 stand twice"),
        (Content(RIGHT.rows, [("a", "1", 4)]), "1 clips are missing, 1 are wrong, 0 stand twice"),
    ],
    ids=["a row is lost", "a clip is there twice", "a clip lacks a frame"],
)
def test_a_data_set_that_differs_from_the_right_one_is_a_fault(found, fault):
    assert RIGHT.faults_of(found)[0] == fault
    assert RIGHT.faults_of(RIGHT) == []


def test_a_command_says_in_one_sentence_which_file_it_cannot_open(tmp_path):
    OutDir(str(tmp_path / "out")).job(inputs=0)
    (tmp_path / "on").touch()

    failed = sick(tmp_path, "-m", "shardmill", "status", str(tmp_path / "out"))

    assert (failed.returncode, failed.stdout) == (1, "")
    assert re.fullmatch(
        rf"shardmill: cannot use {tmp_path}/out/job.json: (Input/output error|Stale file handle|"
        "Too many open files); mend that, then run the same command again\n",
        failed.stderr,
    )
