"""A file that brings its decoder down is named exactly, and costs nothing but itself."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import processes
from awaiting import wait_for
from command_line import poison_path
from made_media import picture
from source_tree import ROOT

MEMORY_BYTES = 600_000_000  # a decoder at rest needs a third of it


@dataclass
class Program:
    """``slot_program.py`` in a process of its own."""

    process: "subprocess.Popen[str]"
    mark: str

    def lines(self) -> Iterator[dict]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield json.loads(line)

    def wait_for_beats(self, count: int) -> None:
        """Wait until leases were renewed so often while no file was answered."""
        lines = self.lines()
        assert all("beat" in next(lines) for _ in range(count))

    def wait_until_all_are_gone(self) -> None:
        wait_for(lambda: not processes.carrying(self.mark), "the end of all processes")


@pytest.fixture
def start(tmp_path) -> Iterator:
    """Starts the program on files of ``tmp_path``; what it leaves behind is killed."""
    programs = []
    scratch = tempfile.mkdtemp(prefix="s")  # a killed program leaves its sockets behind

    def start(*slots: list[str], **asked: float) -> Program:
        for name in (name for slot in slots for name in slot):
            if not name.startswith("gone"):
                picture(tmp_path / name)
        mark = uuid.uuid4().hex
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "slot_program.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": poison_path(), "TEST_RUN": mark, "TMPDIR": scratch},
        )
        programs.append(Program(process, mark))
        assert process.stdin is not None
        json.dump({"root": str(tmp_path), "slots": slots} | asked, process.stdin)
        process.stdin.close()
        return programs[-1]

    yield start
    for program in programs:
        for pid in processes.carrying(program.mark):
            os.kill(pid, signal.SIGKILL)
        program.process.wait()
        program.process.stdout.close()
    shutil.rmtree(scratch)


def results(program: Program) -> list[tuple[str, str]]:
    return [(line["file"], line["result"]) for line in program.lines() if "file" in line]


@pytest.mark.parametrize(
    ("bad", "error_class", "message"),
    [
        pytest.param("segv", "crash", "ended by SIGSEGV", id="a crash"),
        pytest.param("exit7", "crash", "exit code 7", id="an exit"),
        pytest.param("hang", "timeout", "took longer than 2 s", id="an endless loop"),
        pytest.param("grow", "memory", "MB when stopped", id="endless memory"),
        pytest.param("fail", "internal", "ValueError: poisoned", id="an unforeseen exception"),
    ],
)
def test_exactly_the_guilty_file_is_blamed(start, bad, error_class, message):
    files = ["1.png", "2.png", f"{bad}@probe.png", "gone.png", "3.png", f"{bad}@probe-2.png"]
    limits = {"item_s": 2} if bad == "hang" else {"memory_bytes": MEMORY_BYTES}

    lines = [line for line in start(files, **limits).lines() if "beat" not in line]

    assert [(line["file"], line["result"]) for line in lines[:-1]] == [
        ("1.png", "ok"),
        ("2.png", "ok"),
        (f"{bad}@probe.png", error_class),
        ("gone.png", "unreadable"),
        ("3.png", "ok"),
        (f"{bad}@probe-2.png", error_class),
    ]
    assert message in lines[2]["message"]
    assert lines[-1]["end"] == "done"


def test_a_decoder_that_gives_no_frame_is_stuck(start):
    program = start(["1.png", "hang@probe.png", "2.png"], idle_s=2)

    assert results(program) == [("1.png", "ok"), ("hang@probe.png", "timeout"), ("2.png", "ok")]


@pytest.mark.parametrize(("frame_s", "answer"), [(0, "timeout"), (1, "ok")])
def test_frames_that_come_in_time_add_to_the_time_of_their_file(start, frame_s, answer):
    """The file takes 4 s and is allowed 2: its header may have told too few frames."""
    program = start(["drip@probe.png", "1.png"], depth="check", item_s=2, frame_s=frame_s)

    assert results(program) == [("drip@probe.png", answer), ("1.png", "ok")]


def test_a_slot_is_not_disturbed_by_its_neighbour(start):
    bad = [f"{deed}@probe-{number}.png" for number in range(3) for deed in ("segv", "exit7")]
    good = [f"{number:03d}.png" for number in range(200)]

    lines = list(start(bad, good).lines())

    assert [line["result"] for line in lines if line["slot"] == 0 and "file" in line] == [
        "crash"
    ] * len(bad)
    assert [line["file"] for line in lines if line["slot"] == 1 and "file" in line] == good
    assert {line["result"] for line in lines if line["slot"] == 1 and "file" in line} == {"ok"}


def test_a_loop_that_holds_the_interpreter_lock_stops_no_heartbeat(start):
    program = start(["hang@probe.png"])

    program.wait_for_beats(20)


@pytest.mark.parametrize(
    ("asked", "end"),
    [
        pytest.param({"stop_at_beat": 3}, "ShuttingDown", id="the worker ends"),
        pytest.param({"lose_at_beat": 3}, "LeaseLost", id="the lease is lost"),
    ],
)
def test_a_hanging_decoder_is_dropped_when(start, asked, end):
    program = start(["1.png", "hang@probe.png", "2.png"], **asked)

    lines = list(program.lines())

    assert lines[-1]["end"] == end
    said = [line["file"] for line in lines if "file" in line]
    assert said in (
        [],
        ["1.png"],
    )  # what is finished a moment before may go unsaid: all is done anew
    assert program.process.wait() == 0
    program.wait_until_all_are_gone()


def test_a_program_that_ends_takes_its_hanging_decoders_along(start):
    """Python's own way to end would wait for them, and they ignore its signal."""
    program = start(["hang@probe-1.png"], ["hang@probe-2.png"], leave_at_beat=3)

    list(program.lines())

    assert program.process.wait() == 0
    program.wait_until_all_are_gone()


def test_a_missing_input_directory_is_nobodys_fault(start, tmp_path):
    program = start(["gone/1.png"], root=str(tmp_path / "unmounted"))

    assert [line for line in program.lines() if "beat" not in line] == [
        {"slot": 0, "end": "EnvironmentFault"}
    ]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda n: n.name)
def test_decoders_die_with_their_worker_even_in_an_endless_loop(start, number):
    program = start(["hang@probe-1.png"], ["hang@probe-2.png"])
    program.wait_for_beats(4)
    assert len(processes.carrying(program.mark)) >= 4, "the program, a fork server, two decoders"

    program.process.send_signal(number)

    assert program.process.wait() == -number
    program.wait_until_all_are_gone()


def test_a_group_signal_ends_no_decoder(start):
    """Ctrl-C and a closing terminal reach a whole group; who ends the decoders is the worker."""
    program = start(["hang@probe.png"], lose_at_beat=40)
    program.wait_for_beats(2)
    for pid in processes.carrying(program.mark):
        if pid != program.process.pid:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                os.kill(pid, number)

    assert list(program.lines())[-1]["end"] == "LeaseLost", "and not a crash of the file"


def test_a_decoder_that_is_killed_from_outside_costs_the_file_at_hand(start):
    """As the kernel does when memory runs out."""
    program = start(["hang@probe.png", "1.png", "2.png"])
    program.wait_for_beats(2)
    (decoder,) = (
        pid
        for pid, command in processes.carrying(program.mark).items()
        if "forkserver" in command and processes.parent(pid) != program.process.pid
    )

    os.kill(decoder, signal.SIGKILL)

    assert results(program) == [("hang@probe.png", "crash"), ("1.png", "ok"), ("2.png", "ok")]


def test_a_decoder_that_dies_while_idle_costs_nothing(start):
    program = start(["1.png", "2.png"], kill_idle=True)

    assert results(program) == [("1.png", "ok"), ("2.png", "ok")] * 2


@pytest.mark.parametrize(
    ("bounds", "decoders"),
    [
        pytest.param({}, 1, id="a decoder is kept"),
        pytest.param({"MAX_ROWS": 3}, 2, id="one that has done much is replaced"),
        pytest.param({"MAX_DESCRIPTORS": 0}, 3, id="so is one that holds files open"),
        pytest.param({"MAX_REST_BYTES": 0}, 3, id="and one that holds memory"),
    ],
)
def test_a_decoder_that_is_worn_is_replaced_before_its_next_work(start, bounds, decoders):
    lines = list(start(["1.png", "2.png"], bounds=bounds).lines())

    assert [line["result"] for line in lines if "file" in line] == ["ok"] * 8
    assert len({line["decoder"] for line in lines if "decoder" in line}) == decoders
