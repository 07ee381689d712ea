"""Trains on a data set in the loop of a framework, stops, resumes, and says which windows it saw.

Arguments: framework, output directory, and a folder for checkpoints and answers.  Started alone it
is one rank; ``torch.distributed.run`` starts several.  For each number of loader processes it
trains two epochs without a stop; for each stop it trains so many batches, takes the state of
rank 0, and goes on from it in new objects for the rest of that epoch and the next one.  Rank r
writes ``<r>.json``: ``{"<workers>": {"fresh": [epoch, epoch], "<stop>": [begun, rest, epoch]}}``,
each a list of windows ``[clip, first frame]``.
"""

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from shardmill.read import ClipDataset
from shardmill.read.torch_dataset import ClipLoader, TorchWindows, WindowSampler, WindowStream

warnings.simplefilter("ignore")
torch.set_num_threads(1)
BATCH = 2
STOPS = (1, 2, 3)
WORKERS = {"lightning": (0, 2, 4)}
"""Numbers of loader processes, where they are not 0 and 2."""
FRAME_NS = 40_000_000

Windows = list[tuple[str, int]]
Answer = dict[str, list[Windows]]


def shown(batch: dict[str, Any]) -> Windows:
    starts = batch["pts_ns"][:, 0] // FRAME_NS
    return list(zip(batch["clip_id"], starts.tolist(), strict=True))


def epoch_of(batches: Iterable[dict[str, Any]]) -> Windows:
    return [window for batch in batches for window in shown(batch)]


def of_rank_0(state: Any) -> Any:
    """Every rank resumes from what rank 0 saved."""
    states = [state]
    if dist.is_initialized():
        dist.broadcast_object_list(states, src=0)
    return states[0]


def stop_and_resume(make: Callable[[], Any]) -> Answer:
    """Two plain loops over loaders that have ``state_dict`` and ``load_state_dict``."""
    loader = make()
    answer = {"fresh": [epoch_of(loader), epoch_of(loader)]}
    for stop in STOPS:
        stopped = make()
        begun = epoch_of(islice(stopped, stop))
        resumed = make()
        resumed.load_state_dict(of_rank_0(stopped.state_dict()))
        answer[str(stop)] = [begun, epoch_of(resumed), epoch_of(resumed)]
    return answer


def join() -> None:
    if "RANK" in os.environ:
        dist.init_process_group("gloo")


def pytorch(data: ClipDataset, workers: int, folder: Path) -> Answer:
    return stop_and_resume(lambda: ClipLoader(data, batch_size=BATCH, num_workers=workers))


def torchdata(data: ClipDataset, workers: int, folder: Path) -> Answer:
    from torchdata.stateful_dataloader import StatefulDataLoader

    def make() -> Any:
        return StatefulDataLoader(
            TorchWindows(data), sampler=WindowSampler(data), batch_size=BATCH, num_workers=workers
        )

    return stop_and_resume(make)


def stream(data: ClipDataset, workers: int, folder: Path) -> Answer:
    """Torchdata's loader of an iterable dataset, whose epoch is chosen before each loop."""
    from torchdata.stateful_dataloader import StatefulDataLoader

    class Loader:
        def __init__(self) -> None:
            self.stream = WindowStream(data, batch_size=BATCH)
            self.loader = StatefulDataLoader(self.stream, batch_size=BATCH, num_workers=workers)
            self.epoch = 0
            self.state_dict, self.load_state_dict = (
                self.loader.state_dict,
                self.loader.load_state_dict,
            )

        def __iter__(self) -> Any:
            self.stream.set_epoch(self.epoch)
            self.epoch += 1
            return iter(self.loader)

    return stop_and_resume(Loader)


def accelerate(data: ClipDataset, workers: int, folder: Path) -> Answer:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)

    def make() -> Any:
        return accelerator.prepare(ClipLoader(data, batch_size=BATCH, num_workers=workers))

    loader = make()
    answer = {"fresh": [epoch_of(loader), epoch_of(loader)]}
    for stop in STOPS:
        begun = epoch_of(islice(make(), stop))
        resumed = make()
        rest = epoch_of(accelerator.skip_first_batches(resumed, stop))
        resumed.set_epoch(1)
        answer[str(stop)] = [begun, rest, epoch_of(resumed)]
    return answer


def accelerate_stateful(data: ClipDataset, workers: int, folder: Path) -> Answer:
    from accelerate import Accelerator
    from accelerate.utils import DataLoaderConfiguration

    config = DataLoaderConfiguration(use_stateful_dataloader=True)
    accelerator = Accelerator(cpu=True, dataloader_config=config)
    return stop_and_resume(
        lambda: accelerator.prepare(ClipLoader(data, batch_size=BATCH, num_workers=workers))
    )


def lightning_parts() -> tuple[Any, Any]:
    """A model that keeps the windows of each epoch, and a callback that saves in the first one."""
    import pytorch_lightning as pl

    class Model(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)
            self.epochs: list[Windows] = [[]]

        def training_step(self, batch: dict[str, Any], number: int) -> torch.Tensor:
            if number == 0 and self.epochs[-1]:
                self.epochs.append([])
            self.epochs[-1] += shown(batch)
            return self.layer(batch["frames"].float().mean().reshape(1) / 255).pow(2).mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 1e-3)

    class Save(pl.Callback):
        def __init__(self, stop: int, path: str) -> None:
            self.stop, self.path = stop, path

        def on_train_batch_end(self, trainer: Any, *of_batch: Any) -> None:
            if trainer.current_epoch == 0 and of_batch[-1] == self.stop - 1:
                trainer.save_checkpoint(self.path)

    return Model, Save


def lightning(data: ClipDataset, workers: int, folder: Path) -> Answer:
    import pytorch_lightning as pl

    make_model, make_save = lightning_parts()
    checkpoints = {stop: str(folder / f"{workers}-{stop}.ckpt") for stop in STOPS}

    def fit(callbacks: list[Any], resume: str | None = None) -> list[Windows]:
        model, world = make_model(), int(os.environ.get("WORLD_SIZE", "1"))
        trainer = pl.Trainer(
            max_epochs=2,
            accelerator="cpu",
            devices=world,
            strategy="ddp" if world > 1 else "auto",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            callbacks=callbacks,
        )
        loader = ClipLoader(data, batch_size=BATCH, num_workers=workers)
        trainer.fit(model, loader, ckpt_path=resume)
        return model.epochs

    fresh = fit([make_save(stop, path) for stop, path in checkpoints.items()])
    answer = {"fresh": fresh}
    for stop, path in checkpoints.items():
        rest, following = fit([], path)
        answer[str(stop)] = [fresh[0][: stop * BATCH], rest, following]
    return answer


FRAMEWORKS = {
    "pytorch": pytorch,
    "lightning": lightning,
    "accelerate": accelerate,
    "accelerate stateful": accelerate_stateful,
    "torchdata": torchdata,
    "torchdata stream": stream,
}


if __name__ == "__main__":
    name, out, answers = sys.argv[1:]
    if name in {"pytorch", "torchdata", "torchdata stream"}:
        join()
    train = FRAMEWORKS[name]
    dataset = ClipDataset(out, window=3, seed=5)
    found = {
        workers: train(dataset, workers, Path(answers)) for workers in WORKERS.get(name, (0, 2))
    }
    Path(answers, f"{os.environ.get('RANK', '0')}.json").write_text(json.dumps(found))
    if dist.is_initialized():
        dist.destroy_process_group()
