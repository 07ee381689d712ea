"""The training loop of every framework reads each window once an epoch, also after a resume.

Sixteen windows, batches of two, one rank or two; loaders without and with two processes.
"""

import json
import subprocess
from collections import Counter
from itertools import chain, zip_longest
from pathlib import Path

import pytest

from out_dir import OutDir, Video
from shardmill.read import ClipDataset
from source_tree import ROOT

pytestmark = pytest.mark.timeout(900)

CLIPS = {"six": 6, "nine": 9, "seven": 7}
"""Clip to its frames: 4, 7 and 5 windows of 3 frames."""
ALL = dict.fromkeys(
    ((Video(name).clip_id, start) for name, frames in CLIPS.items() for start in range(frames - 2)),
    1,
)
PROGRAM = ROOT / "tests" / "training_program.py"
FRAMEWORKS = [
    "pytorch",
    "lightning",
    "accelerate",
    "accelerate stateful",
    "torchdata",
    "torchdata stream",
]
BATCH = 2


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> str:
    out = OutDir(str(tmp_path_factory.mktemp("out")))
    videos = [Video(name, frames=frames) for name, frames in CLIPS.items()]
    out.shard("b0", *videos[:2])
    out.shard("b1", *videos[2:])
    return out.out


def train(python: str, framework: str, out: str, folder: Path, world: int) -> list[dict]:
    """Return what each rank saw, by number of loader processes."""
    ranks = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
    command = [python, *(ranks if world > 1 else []), PROGRAM, framework, out, folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(world)]


def windows(epoch: list) -> list[tuple[str, int]]:
    return [(clip, start) for clip, start in epoch]


def plain_order(out: str, epoch: int, rank: int, world: int) -> list[tuple[str, int]]:
    """The windows of a rank, without any loader."""
    data = ClipDataset(out, window=3, seed=5)
    found = [data.at(place, epoch=epoch) for place in range(rank, len(data), world)]
    return [(window["clip_id"], int(window["pts_ns"][0]) // 40_000_000) for window in found]


def order(epochs: list[list[tuple[str, int]]]) -> list[tuple[str, int]]:
    """The windows of all ranks, batch by batch: ranks take turns."""
    batches = [[e[i : i + BATCH] for i in range(0, len(e), BATCH)] for e in epochs]
    return [w for turn in zip_longest(*batches, fillvalue=[]) for batch in turn for w in batch]


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_window_is_trained_once_an_epoch(framework, world, out, training_python, tmp_path):
    ranks = train(training_python, framework, out, tmp_path, world)

    assert ranks[0].keys() >= {"0", "2"}
    for workers in ranks[0]:
        answers = [rank[workers] for rank in ranks]
        assert answers[0].keys() == {"fresh", "1", "2", "3"}
        for case, first in answers[0].items():
            epochs = [[windows(epoch) for epoch in answer[case]] for answer in answers]
            if case != "fresh":
                assert len(first[0]) == int(case) * BATCH
                epochs = [[begun + rest, following] for begun, rest, following in epochs]
            assert [len(rank) for rank in epochs] == [2] * world, (workers, case)
            for number in range(2):
                shares = [rank[number] for rank in epochs]
                assert Counter(chain(*shares)) == ALL, (workers, case, number)
                if framework.startswith("accelerate"):
                    assert order(shares) == plain_order(out, number, 0, 1), (workers, case, number)
                    continue
                for rank, share in enumerate(shares):
                    expected = plain_order(out, number, rank, world)
                    assert share == expected, (workers, case, number)


REFUSED = """
import sys
import pytorch_lightning as pl
from accelerate import Accelerator
from shardmill.contract.errors import UsageError
from shardmill.read import ClipDataset
from shardmill.read.torch_dataset import ClipLoader, WindowStream

data = ClipDataset(sys.argv[1], window=3)


class Model(pl.LightningModule):
    def predict_step(self, batch):
        return len(batch["clip_id"])


quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}


def predict():
    loader = ClipLoader(data, batch_size=2)
    pl.Trainer(accelerator="cpu", devices=1, **quiet).predict(Model(), loader)


accelerator = Accelerator(cpu=True)
for make in (predict, lambda: WindowStream(data, batch_size=2)):
    try:
        make()
    except UsageError as error:
        if accelerator.is_main_process:
            print(error)
accelerator.end_training()
"""


def test_what_would_read_wrong_windows_is_refused(out, training_python, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(REFUSED)
    alone = [training_python, program, out]
    ranks = [training_python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]

    one, two = (
        subprocess.run(command, capture_output=True, text=True)
        for command in (alone, [*ranks, program, out])
    )

    assert one.returncode == two.returncode == 0, one.stderr + two.stderr
    (predict,) = one.stdout.splitlines()
    assert predict.startswith("expected no batch_sampler for a ClipLoader")
    assert "Trainer.predict, need DataLoader(TorchWindows(dataset)" in predict
    assert "expected a ClipLoader, since Accelerate shares the windows" in two.stdout
