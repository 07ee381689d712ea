"""Faults of loaders found in real use, each with its program and its oracle.

The program of a case is in its ``case.md``.  Where the oracle asks for something that the program
does not use, ``EDITS`` adds it.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import shardmill
from case_folder import FOLDER, MARKS
from command_line import Done
from out_dir import OutDir, Video
from source_tree import ROOT

pytestmark = MARKS

Check = Callable[[Done], None]
"""Asserts that the program of a case said the right thing."""


def prints(*lines: str) -> Check:
    def check(done: Done) -> None:
        assert done.code == 0, done.err
        assert done.out.splitlines() == list(lines)

    return check


def holds(*texts: str) -> Check:
    def check(done: Done) -> None:
        assert done.code == 0, done.err
        for text in texts:
            assert text in done.out

    return check


def refuses(*texts: str) -> Check:
    def check(done: Done) -> None:
        assert done.code == 1
        for text in texts:
            assert text in done.err.splitlines()[-1]

    return check


def finds_clips(done: Done) -> None:
    is_in, number, *counted = done.out.splitlines()
    assert is_in == "True", done.err
    assert number.isdecimal()
    assert counted[-1].endswith(": 1}")


def skips_damage(done: Done) -> None:
    (line,) = done.out.splitlines()
    assert line.startswith("windows 440 errors 0 "), done.err


def shares_evenly(done: Done) -> None:
    counts = [json.loads(line[line.index("[") :]) for line in done.out.splitlines()]
    assert [len(set(ranks)) for ranks in counts] == [1] * 4, done.err


def draws_other_starts(done: Done) -> None:
    assert len(re.findall(r"\d+", done.out.partition("visits")[2])) >= 5, done.err


def refuses_every_flip(done: Done) -> None:
    found = set(re.findall(r"'([^']+)'", done.out.partition(":")[2]))
    assert found
    assert found <= {"DatasetDamaged", "same"}, done.err


def never_fails_to_open(done: Done) -> None:
    assert re.search(r"opens \d\d+ failed 0 rounds", done.out), done.out + done.err


CHECKS: dict[str, Check] = {
    "D-accelerate-half": prints(
        "windows a rank [88] distinct 88 of 88",
        "second epoch in the same order: False",
        "windows a rank [44, 44] distinct 88 of 88",
        "second epoch in the same order: False",
    ),
    "D-clip-equality": finds_clips,
    "D-damage-stops-all": skips_damage,
    "D-ddp-uneven-default": shares_evenly,
    "D-epoch-not-ended": prints(*["[11, 11, 11, 11]"] * 3, "[88]"),
    "D-frozen-starts-with-sampler": draws_other_starts,
    "D-in-order-false": refuses("UsageError", "in_order=True"),
    "D-index-unchecked": refuses_every_flip,
    "D-labels-string": prints("['12/v.mp4']"),
    "D-lightning-ddp-sampler": lambda done: prints()(Done(done.code, "", done.err)),
    "D-lightning-empty-epochs": holds("windows trained on, by epoch: [88, 88, 88, 88]"),
    "D-lightning-resume": holds(
        "resumed trained 48 expected 48 equal tail True first 40 then resumed: distinct 88"
    ),
    "D-no-match-message": refuses("UsageError", "no clip", "fps > 1000"),
    "D-open-while-rerun": never_fails_to_open,
    "D-relative-chdir": prints(),
    "D-seed-numpy": holds('"seed": 3'),
    "D-stateful-dataloader": holds("{"),
    "D-subclass-lost": prints("Mine Mine"),
}
SHOWN_ELSEWHERE = {"D-five-thousand-shards": "unit/report/test_store.py"}
"""A job of ten minutes; the test there is of the same kind."""
EDITS = {
    "D-accelerate-half": ("one == two)\n", "one == two)\na.end_training()\n"),
    "D-damage-stops-all": (
        'ClipDataset("bad", window=16)',
        'ClipDataset("bad", window=16, on_damage="skip")',
    ),
    "D-frozen-starts-with-sampler": (
        "for _ in range(50)",
        "for e in range(50) if not d.set_epoch(e)",
    ),
}
"""Case to a text of its program, and what takes its place."""


@pytest.fixture(scope="module")
def folder(sample_set, tmp_path_factory) -> Path:
    """A folder with what the programs need: ``out`` and ``dout``."""
    folder = tmp_path_factory.mktemp("cases")
    shardmill.run(
        str(sample_set), out=str(folder / "out"), spec=shardmill.Spec(size="160x120", fps=12)
    )
    out = OutDir(str(folder / "dout"))
    names = ("1", "2", "12")
    videos = [Video(f"{name}/v.mp4", label=name, label_id=i) for i, name in enumerate(names)]
    out.shard("b0", *videos)
    out.job()
    return folder


def program_of(case: str) -> str:
    text = (FOLDER / case / "case.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    old, new = EDITS.get(case, ("", ""))
    assert old in program
    return program.replace(old, new)


def run(command: list[str], folder: Path) -> Done:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("name", CHECKS)
def test_a_case_comes_out_right(folder, name, training_python, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    program = folder / f"{name.replace('-', '_')}.py"
    program.write_text(program_of(name))
    ways = [[training_python, str(program)]]
    if name == "D-accelerate-half":
        ways.append(
            [
                training_python,
                "-m",
                "torch.distributed.run",
                "--standalone",
                "--nproc-per-node",
                "2",
                str(program),
            ]
        )

    runs = [run(way, folder) for way in ways]

    code = max(done.code for done in runs)
    CHECKS[name](Done(code, "".join(d.out for d in runs), "".join(d.err for d in runs)))


def test_every_case_is_checked_or_shown():
    found = {path.name for path in FOLDER.iterdir() if path.name.startswith("D-") and path.is_dir()}

    assert found == CHECKS.keys() | SHOWN_ELSEWHERE.keys()
    assert all((ROOT / "tests" / place).exists() for place in SHOWN_ELSEWHERE.values())
