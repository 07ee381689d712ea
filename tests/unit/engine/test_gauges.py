"""How far a decoder is stands in numbers that outlive it."""

import ctypes
import multiprocessing
import os
import signal

import pytest

from shardmill_worker.engine.gauges import FILE_BYTES, Gauges, Shared


@pytest.fixture
def shared() -> Shared:
    return Shared()


def numbers(shared: Shared) -> dict[str, object]:
    return {name: getattr(shared, name) for name, _ in Shared._fields_}


def test_each_gauge_shows_what_was_noted(shared):
    gauges = Gauges(shared)

    gauges.expect(frames=3, frames_kept=2, cost_us=10**12)
    gauges.begin("a/1.mp4", 2.5)
    gauges.advance()
    gauges.advance()
    gauges.finish()

    assert numbers(shared) == {
        "finished": 1,
        "decoded": 2,
        "allowed_s": 2.5,
        "frames": 3,
        "frames_kept": 2,
        "cost_us": 10**12,
        "file": b"a/1.mp4",
    }


def test_new_work_begins_at_its_first_row_and_keeps_the_frames_of_the_decoders_life(shared):
    gauges = Gauges(shared)
    gauges.expect(frames=3, frames_kept=2, cost_us=7)
    gauges.begin("a/1.mp4", 2.5)
    gauges.advance()
    gauges.finish()

    gauges.reset(600.0)

    rest = dict.fromkeys(("finished", "frames", "frames_kept", "cost_us"), 0)
    assert numbers(shared) == rest | {"decoded": 1, "allowed_s": 600.0, "file": b""}


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        pytest.param(os.fsdecode(b"\xff.mp4"), b"\xff.mp4", id="bytes that are no text"),
        pytest.param("ä" * 300, "ä".encode() * 127 + b"\xc3", id="longer than there is room"),
        pytest.param("a\0b", b"ab", id="a NUL would end it"),
        pytest.param("", b"", id="none"),
    ],
)
def test_a_files_name_fits_whatever_it_is(shared, path, shown):
    Gauges(shared).begin(path, 1.0)

    assert shared.file == shown
    assert len(shown) < FILE_BYTES
    assert os.fsdecode(shared.file) is not None


def test_no_name_runs_into_the_next_number():
    class Watched(ctypes.Structure):
        _fields_ = (("shared", Shared), ("behind", ctypes.c_uint64))

    watched = Watched(behind=2**64 - 1)

    Gauges(watched.shared).begin("x" * 10_000, 1.0)

    assert watched.behind == 2**64 - 1


def _note_and_die(shared: Shared) -> None:
    gauges = Gauges(shared)
    gauges.begin("guilty.mp4", 9.0)
    gauges.finish()
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_process_has_noted_is_there_after_its_death():
    context = multiprocessing.get_context("fork")
    shared = context.RawValue(Shared)
    process = context.Process(target=_note_and_die, args=(shared,), daemon=True)

    process.start()
    process.join(60)

    assert process.exitcode == -signal.SIGKILL
    assert (shared.file, shared.allowed_s, shared.finished) == (b"guilty.mp4", 9.0, 1)
