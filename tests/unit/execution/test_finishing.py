"""Whatever keeps a job's totals from being written pauses it with a sentence."""

from types import SimpleNamespace

import pytest

from shardmill.contract.errors import (
    DatasetDamaged,
    DecoderCrash,
    EnvironmentFault,
    InternalError,
    ItemMemory,
    ItemTimeout,
)
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Job
from shardmill.ledger.answers import Claim
from shardmill_worker.execution.finishing import finish
from shardmill_worker.execution.in_decoder.work import FinishWork, StageResult
from shardmill_worker.execution.supervisor import LeaseLost, ShuttingDown

JOB = Job(name="job", root="/in", out="/out", spec=Spec())
MEMORY = "most likely memory is short: give the process more memory"


class Slot:
    """A slot whose decoder ends its work with an error, or none."""

    def __init__(self, error: Exception | None = None) -> None:
        self.done: list[object] = []
        self._error = error

    def run(self, work, **_) -> StageResult:
        self.done.append(work)
        if self._error is not None:
            raise self._error
        return StageResult()

    def kill(self) -> None:
        self.done.append("killed")


def finished(slot: Slot, **claim) -> str:
    lease = SimpleNamespace(heartbeat=lambda live: "held", heartbeat_every_s=1.0)
    answer = Claim(verdict=claim.pop("verdict", "claimed"), fence=3 << 20 | 1, **claim)
    return finish(JOB, answer, worker="w1", slot=slot, lease=lease)


def test_a_new_decoder_ends_the_job_and_does_no_other_work():
    slot = Slot()

    assert finished(slot) == ""
    assert slot.done == ["killed", FinishWork(job=JOB, run="00000003"), "killed"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DatasetDamaged("a part is gone"), "a part is gone"),
        (
            ItemTimeout("took longer than 43200 s"),
            "w1: cannot write the job's totals: its decoder took longer than 43200 s",
        ),
        (
            ItemMemory("needed more than 4.3 GB of memory"),
            "w1: cannot write the job's totals: its decoder needed more than 4.3 GB of memory",
        ),
        (EnvironmentFault("the disk is full"), "w1: the disk is full"),
        (
            DecoderCrash("the decoder was ended by SIGABRT"),
            f"w1: cannot write the job's totals: the decoder was ended by SIGABRT; {MEMORY}",
        ),
        (
            InternalError("ValueError: odd"),
            "w1: cannot write the job's totals: ValueError: odd; this is a bug, please report it",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_keeps_the_totals_from_being_written_is_said(error, said):
    slot = Slot(error)

    assert finished(slot).startswith(said)
    assert slot.done[-1] == "killed"


@pytest.mark.parametrize("error", [ShuttingDown, LeaseLost])
def test_a_worker_that_ends_or_has_lost_the_batch_pauses_nothing(error):
    with pytest.raises(error):
        finished(Slot(error()))


def test_a_job_over_whose_end_workers_have_vanished_is_not_tried_again():
    slot = Slot()

    said = finished(slot, verdict="exhausted", attempts=4)

    assert said.startswith(f"3 workers vanished while they wrote the job's totals; {MEMORY}")
    assert slot.done == []
