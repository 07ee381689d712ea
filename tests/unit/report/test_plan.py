"""A plan corrects what headers promise by what a sample keeps, and says how sure that is."""

import pytest

from out_dir import OutDir
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.contract.spec import Spec
from shardmill.report.plan import CloserLook, Foresight

FRAMES, RATE_HZ, JUMP_S = 1000, 10.0, 9000.0
"""Of each file; and what the header of some adds to their hundred seconds."""
SIZE_BYTES = 10**6


def row(path: str, outcome: Outcome, *, jumps: bool = False) -> Row:
    duration_s = FRAMES / RATE_HZ + (JUMP_S if jumps else 0.0)
    facts = Facts(
        kind="video", display_width=640, display_height=480, fps=RATE_HZ, duration_s=duration_s
    )
    return Row(Item(path=path, size_bytes=SIZE_BYTES, mtime_ns=1), facts, outcome)


OK = Outcome(status="ok")
BROKEN = Outcome(status="failed", error_class="corrupt", error_stage="probe", error_message="x")


class Files:
    """A directory of videos of which the first few jump, and what jobs say of a sample of them."""

    def __init__(self, tmp_path, *, count: int, jumping: int, spec: Spec | None = None) -> None:
        self.spec = spec or Spec()
        self.names = [f"{number:04d}.ts" for number in range(count)]
        self.jumping = set(self.names[:jumping])
        self._tmp_path = tmp_path
        self._outs = 0
        self.probed = self._out([row(n, OK, jumps=n in self.jumping) for n in self.names])

    def _out(self, rows: list[Row], goal: str = "probe") -> str:
        self._outs += 1
        out = OutDir(str(self._tmp_path / str(self._outs)), goal=goal)
        out.part("b0", *rows)
        out.job()
        return out.out

    def look(
        self, foresight: Foresight, *, kept: int | None = FRAMES, broken: str = ""
    ) -> CloserLook:
        """Look at the sample: of each file 300 frames are extracted, 30 bytes and 10 ms each."""
        look = CloserLook(foresight.sample, self.spec)
        names = sorted(asked.path for asked in foresight.sample)
        chosen = Outcome(status="ok", frames_kept=kept)
        look.take_chosen(
            self._out(
                [row(n, BROKEN if n == broken else chosen, jumps=n in self.jumping) for n in names]
            )
        )
        done = Outcome(
            status="ok", frames_kept=300, frames_decoded=300, bytes_out=9000, seconds=3.0
        )
        sound = sorted(asked.path for asked in look.sound)
        look.take_extracted(self._out([row(n, done, jumps=n in self.jumping) for n in sound]))
        return look


def test_of_a_few_files_all_is_known_whatever_their_headers_say(tmp_path):
    files = Files(tmp_path, count=3, jumping=1)
    foresight = Foresight(files.probed, files.spec)

    plan = foresight.plan(files.look(foresight))

    assert (plan.frames.value, plan.frames.error) == (pytest.approx(3 * FRAMES), 0.0)
    assert plan.bytes_out.value == pytest.approx(3 * 30 * FRAMES)
    assert plan.core_s.value == pytest.approx(3 * 0.01 * FRAMES, rel=0.01)
    assert (plan.clips, plan.sampled) == (3, 3)
    assert (plan.truncations[-1].frames, plan.truncations[-1].frames_kept) == (FRAMES, 3 * FRAMES)


def test_what_the_packets_do_not_tell_is_as_sure_as_the_header(tmp_path):
    files = Files(tmp_path, count=3, jumping=1)
    foresight = Foresight(files.probed, files.spec)

    plan = foresight.plan(files.look(foresight, kept=None))

    assert plan.frames.value == pytest.approx(3 * FRAMES + JUMP_S * RATE_HZ)
    assert plan.truncations[-1].frames == FRAMES + JUMP_S * RATE_HZ


def test_a_file_of_the_sample_that_fails_keeps_nothing(tmp_path):
    files = Files(tmp_path, count=3, jumping=0)
    foresight = Foresight(files.probed, files.spec)

    plan = foresight.plan(files.look(foresight, broken="0001.ts"))

    assert plan.frames.value == pytest.approx(2 * FRAMES)
    assert (plan.clips, plan.sampled) == (2, 3)
    (group,) = plan.sample_failures
    assert (group.error_class, group.count) == ("corrupt", 1)


@pytest.mark.parametrize("jumping", [4, 40])
def test_the_error_of_a_plan_holds_where_some_headers_promise_too_much(tmp_path, jumping):
    """Of twenty plans of 400 files, of which 48 are looked at, seventeen must hold."""
    files = Files(tmp_path, count=400, jumping=jumping)
    truth, held = 400 * FRAMES, 0
    for seed in range(20):
        spec = Spec(shuffle=seed)
        foresight = Foresight(files.probed, spec)
        frames = foresight.plan(files.look(foresight)).frames
        held += abs(frames.value - truth) <= frames.error + 1e-6 * truth

    assert held >= 17
