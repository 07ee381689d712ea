"""PyTorch shows every window once an epoch, in one order for any workers, and goes on anywhere."""

import json
import subprocess
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

from out_dir import OutDir, Video

CLIPS = {"six": (6, 10), "nine": (9, 100), "four": (4, 50)}
"""Clip to its frames, and the grey of the first; each frame is lighter by one."""
WINDOW, BATCH = 3, 4
ALL = {
    (name, grey + start, grey + start + WINDOW - 1)
    for name, (frames, grey) in CLIPS.items()
    for start in range(frames - WINDOW + 1)
}
"""Every window: its clip, and the greys of its first and last frame."""

BEGIN = """
import json, sys
import torch
from torch.utils.data import DataLoader
from shardmill.read import ClipDataset, Share
from shardmill.read.torch_dataset import ClipLoader, TorchWindows, WindowStream

torch.set_num_threads(1)
data = ClipDataset(sys.argv[1], window=3, seed=5)


def told(batch):
    frames = batch["frames"]
    assert (frames.dtype, batch["mask"].dtype) == (torch.uint8, torch.bool)
    assert (batch["pts_ns"].dtype, batch["label_id"].dtype) == (torch.int64, torch.int64)
    assert frames.shape[1:] == (3, 24, 32, 3) and batch["mask"].all()
    assert frames.float().std(dim=(2, 3, 4)).max() < 1
    greys = frames.float().mean(dim=(2, 3, 4)).round().int()
    return [[clip, int(g[0]), int(g[-1])] for clip, g in zip(batch["clip_id"], greys)]


def two_epochs(loader, begin=lambda epoch: None):
    shown = []
    for epoch in range(2):
        begin(epoch)
        shown.append([told(batch) for batch in loader])
    return shown
"""

WAYS = {
    "no workers": {},
    "fork": {"num_workers": 2, "multiprocessing_context": "fork"},
    "spawn": {"num_workers": 2, "multiprocessing_context": "spawn"},
    "three that live on": {
        "num_workers": 3,
        "multiprocessing_context": "fork",
        "persistent_workers": True,
    },
}

LOADERS = """
found = {"map": {}, "stream": {}}
for name, way in json.loads(sys.argv[2]).items():
    found["map"][name] = two_epochs(ClipLoader(data, batch_size=4, **way))
    stream = WindowStream(data, batch_size=4)
    loader = DataLoader(stream, batch_size=4, **way)
    found["stream"][name] = two_epochs(loader, stream.set_epoch)
print(json.dumps(found))
"""

RESUME = """
way = {"batch_size": 4, "num_workers": 2, "multiprocessing_context": "fork"}
whole = [batch for epoch in two_epochs(ClipLoader(data, **way)) for batch in epoch]
found = {"whole": whole, "map": [], "stream": []}
for taken in (0, 1, 2, 3, 4):
    stopped = ClipLoader(data, **way)
    begun = [told(batch) for _, batch in zip(range(taken), stopped)]
    state = json.loads(json.dumps(stopped.state_dict()))
    again = ClipLoader(data, **way)
    again.load_state_dict(state)
    left = len(again)
    rest = [told(batch) for batch in again]
    assert left == len(rest)
    found["map"].append(begun + rest)

    first = WindowStream(data, batch_size=4)
    state = first.state_dict(windows=min(4 * taken, len(first)))
    stream = WindowStream(data, batch_size=4)
    stream.load_state_dict(state)
    found["stream"].append(begun + [told(batch) for batch in DataLoader(stream, **way)])
print(json.dumps(found))
"""

RANK = """
torch.distributed.init_process_group(
    "gloo", init_method="file://" + sys.argv[2], rank=int(sys.argv[3]), world_size=2
)
loader = ClipLoader(data, batch_size=4, num_workers=2)
stream = WindowStream(data, batch_size=4)
found = {
    "map": two_epochs(loader),
    "stream": two_epochs(DataLoader(stream, batch_size=4, num_workers=2), stream.set_epoch),
}
torch.distributed.barrier()
torch.distributed.destroy_process_group()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> tuple[str, dict[str, str]]:
    """An output directory, and the names of its clips by their identities."""
    out = OutDir(str(tmp_path_factory.mktemp("out")))
    videos = [Video(name, frames=n, value=grey) for name, (n, grey) in CLIPS.items()]
    out.shard("b0", *videos[:2])
    out.shard("b1", *videos[2:])
    return out.out, {video.clip_id: video.path for video in videos}


def start(python: str, program: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [python, "-c", BEGIN + program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(process: "subprocess.Popen[str]"):
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out)


def windows(batches: list, names: dict[str, str]) -> list[tuple[str, int, int]]:
    return [(names[clip], first, last) for clip, first, last in chain.from_iterable(batches)]


@pytest.mark.timeout(600)
def test_any_workers_show_every_window_once_in_the_same_order(dataset, torch_python):
    out, names = dataset

    found = answer(start(torch_python, LOADERS, out, json.dumps(WAYS)))

    reference = found["map"]["no workers"]
    for style in ("map", "stream"):
        assert found[style].keys() == WAYS.keys()
        for way, epochs in found[style].items():
            assert epochs == reference, (style, way)
    for epoch in reference:
        assert Counter(windows(epoch, names)) == dict.fromkeys(ALL, 1)
        assert [len(batch) for batch in epoch] == [4, 4, 4, 1]
    assert reference[0] != reference[1]


def test_what_is_taken_up_again_is_the_rest(dataset, torch_python):
    """Of what two workers had fetched ahead, only what was handed out counts."""
    out, _ = dataset

    found = answer(start(torch_python, RESUME, out))

    whole = found["whole"][:4]
    for style in ("map", "stream"):
        assert found[style] == [whole] * 5


def test_two_ranks_show_every_window_once(dataset, torch_python, tmp_path: Path):
    out, names = dataset
    ranks = [start(torch_python, RANK, out, tmp_path / "meeting", rank) for rank in range(2)]

    answers = [answer(process) for process in ranks]

    for style in ("map", "stream"):
        for epoch in range(2):
            shown = [windows(rank[style][epoch], names) for rank in answers]
            assert Counter(chain(*shown)) == dict.fromkeys(ALL, 1)
            assert sorted(map(len, shown)) == [6, 7]


TRANSFORM = """
import os


def centre(window):
    return {"pid": os.getpid(), "centre": window["frames"][:, 12, 16].copy()}

by_number = [told({k: [v] if k == "clip_id" else torch.as_tensor(v)[None]
                   for k, v in TorchWindows(data)[number].items()}) for number in range(3)]
batches = list(ClipLoader(data, batch_size=4, num_workers=1, transform=centre))
print(json.dumps({
    "by number": by_number,
    "here": os.getpid() in {int(pid) for batch in batches for pid in batch["pid"]},
    "shapes": [list(batch["centre"].shape) for batch in batches],
}))
"""


def test_windows_can_be_transformed_where_they_are_read(dataset, torch_python):
    out, names = dataset

    found = answer(start(torch_python, TRANSFORM, out))

    assert windows(found["by number"], names) == [("six", g, g + 2) for g in (10, 11, 12)]
    assert found["here"] is False
    assert found["shapes"] == [[4, 3, 3]] * 3 + [[1, 3, 3]]


SIZES = """
from shardmill.contract.errors import UsageError
from shardmill.read.torch_dataset import WindowCollate

WAYS = [{}, {"num_workers": 2, "multiprocessing_context": "fork"}]


def error(make):
    "What a loader raises, when it is made or when it is read."
    try:
        list(make())
    except (UsageError, RuntimeError) as error:
        return [type(error).__name__, str(error)]


def crop(window):
    return window | {"frames": window["frames"][:, :24, :24]}


def to_floats(window):
    return torch.from_numpy(window["frames"]).float(), window["label_id"]


def ragged(window):
    return torch.zeros(int(window["frames"][0, 0, 0, 0]))


def shapes(loader):
    return sorted([list(batch["frames"].shape) for batch in loader])


stream = WindowStream(data, batch_size=4)
print(json.dumps({
    "at once": error(lambda: ClipLoader(data, batch_size=4)),
    "made": [
        error(lambda: ClipLoader(data, batch_size=4, transform=to_floats, **way)) for way in WAYS
    ],
    "own loader": [
        error(lambda: DataLoader(d, batch_size=4, collate_fn=WindowCollate(data), **way))
        for way in WAYS for d in (TorchWindows(data), stream)
    ],
    "cropped": shapes(ClipLoader(data, batch_size=4, transform=crop)),
    "lists": sorted({len(batch) for batch in ClipLoader(data, batch_size=4, collate_fn=list)}),
    "one by one": shapes(ClipLoader(data)),
    "without batches": shapes(ClipLoader(data, batch_size=None)),
    "of another kind": error(
        lambda: ClipLoader(ClipDataset(sys.argv[2], window=3), batch_size=4, transform=ragged)
    ),
}))
"""


def test_clips_of_other_sizes_are_named_and_only_where_they_are_stacked(
    dataset, torch_python, tmp_path
):
    out = OutDir(str(tmp_path / "mixed"))
    out.shard("b0", Video("wide.mp4", frames=5), Video("tall.mp4", frames=4, width=24, height=32))
    sizes = "got 24x32 in 1 clip (tall.mp4); 32x24 in 1 clip (wide.mp4): make the data set with"

    found = answer(start(torch_python, SIZES, out.out, dataset[0]))

    assert found["at once"][0] == "UsageError"
    assert f"expected frames of one size, as a batch needs them, {sizes}" in found["at once"][1]
    for kind, message in [*found["made"], *found["own loader"]]:
        assert kind == "UsageError"
        assert sizes in message
    assert found["cropped"] == [[1, 3, 24, 24, 3], [4, 3, 24, 24, 3]]
    assert found["lists"] == [1, 4]
    assert found["one by one"] == [[1, 3, 24, 32, 3]] * 3 + [[1, 3, 32, 24, 3]] * 2
    assert found["without batches"] == [[3, 24, 32, 3]] * 3 + [[3, 32, 24, 3]] * 2
    assert found["of another kind"][0] == "RuntimeError"
    assert "stack expects each tensor to be equal size" in found["of another kind"][1]
