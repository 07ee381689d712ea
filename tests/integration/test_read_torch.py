"""PyTorch shows every window once an epoch, in one order for any workers, and goes on anywhere."""

import json
import os
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
    assert len(again) == 4
    rest = [told(batch) for batch in again]
    found["map"].append(begun + rest)

    stream = WindowStream(data, batch_size=4)
    stream.set_epoch(state["epoch"], first=state["place"])
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

    whole = found["whole"]
    for style in ("map", "stream"):
        assert found[style] == [whole[:4]] * 4 + [whole], "after the last batch the next epoch"


def test_two_ranks_show_every_window(dataset, torch_python, tmp_path: Path):
    out, names = dataset
    ranks = [start(torch_python, RANK, out, tmp_path / "meeting", rank) for rank in range(2)]

    answers = [answer(process) for process in ranks]

    for style in ("map", "stream"):
        for epoch in range(2):
            shown = [windows(rank[style][epoch], names) for rank in answers]
            twice = Counter(chain(*shown)) - Counter(ALL)
            assert twice == {shown[0][0]: 1}, "thirteen windows: the first stands in for one more"
            assert list(map(len, shown)) == [7, 7]


TRANSFORM = """
import os


def centre(window):
    return {"pid": os.getpid(), "centre": window["frames"][:, 12, 16].copy()}

by_number = [told({k: [v] if isinstance(v, str) else torch.as_tensor(v)[None]
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


LOOPS = """
from itertools import islice

from shardmill.contract.errors import UsageError


def counts(loader, loop):
    return [sum(1 for _ in loop(loader)) for _ in range(4)]


def refusal(**options):
    try:
        ClipLoader(data, batch_size=4, **options)
    except UsageError as error:
        return str(error)


found = {"counts": [], "peeked": None}
for way in ({}, {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}):
    for loop in (iter, lambda loader: islice(loader, 4), lambda loader: zip(range(4), loader)):
        loader = ClipLoader(data, batch_size=4, **way)
        found["counts"].append([*counts(loader, loop), loader.epoch, len(loader)])
    loader = ClipLoader(data, batch_size=4, **way)
    whole = [[told(batch) for batch in loader] for _ in range(2)]
    loader.set_epoch(0)
    first = told(next(iter(loader)))
    loader.restart()
    again = [told(batch) for batch in loader]
    following = [told(batch) for batch in islice(loader, 2)]
    found["peeked"] = [first == whole[0][0], again == whole[0], following == whole[1][:2]]
    assert all(found["peeked"]), (way, found)
found["tails"] = [
    [len(ClipLoader(data, share=Share(rank=r, world=3, tail=tail))) for r in range(3)]
    for tail in ("pad", "drop", "uneven")
]
found["refusals"] = [
    refusal(in_order=False, num_workers=2),
    refusal(shuffle=True),
    refusal(sampler=range(3)),
    refusal(layout="CTHW"),
    refusal(resize=0),
    refusal(resize="224"),
    refusal(crop=(8, 8, 3)),
    refusal(crop=25),
]
print(json.dumps(found))
"""


def test_a_loop_over_all_batches_is_an_epoch_however_it_counts(dataset, torch_python):
    out, _ = dataset

    found = answer(start(torch_python, LOOPS, out))

    assert found["counts"] == [[4, 4, 4, 4, 4, 4]] * 9
    assert found["tails"] == [[5, 5, 5], [4, 4, 4], [5, 4, 4]]
    for refusal, text in zip(
        found["refusals"],
        [
            "expected in_order=True",
            "expected no shuffle for a ClipLoader",
            "expected no sampler for a ClipLoader",
            "layout must be one of THWC, TCHW; got 'CTHW'",
            "resize must be a number of pixels, or height and width; got 0",
            "resize must be a number of pixels, or height and width; got '224'",
            "crop must be a number of pixels, or height and width; got (8, 8, 3)",
            "expected frames of at least 25x25 to crop, got 32x24",
        ],
        strict=True,
    ):
        assert refusal.startswith(text)


SHAPES = """
import numpy as np
from PIL import Image
from shardmill.read.torch_dataset import FrameShape

WANTED = {
    "as it is": ({}, (48, 64, 3)),
    "channels first": ({"layout": "TCHW"}, (3, 48, 64)),
    "exactly": ({"resize": (30, 33)}, (30, 33, 3)),
    "shorter side": ({"resize": 31}, (31, 41, 3)),
    "larger": ({"resize": [96, 128]}, (96, 128, 3)),
    "crop": ({"crop": 25}, (25, 25, 3)),
    "both": ({"resize": 36, "crop": (32, 40), "layout": "TCHW"}, (3, 32, 40)),
}
rng = np.random.default_rng(0)
picture = np.kron(rng.integers(0, 256, (12, 16, 3)), np.ones((4, 4, 1))).astype(np.uint8)


def by_pillow(resize=None, crop=None, layout="THWC"):
    image = Image.fromarray(picture)
    if resize is not None:
        size = (resize * 64 // 48, resize) if isinstance(resize, int) else resize[::-1]
        image = image.resize(size, Image.Resampling.BILINEAR)
    if crop is not None:
        height, width = (crop, crop) if isinstance(crop, int) else crop
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
        image = image.crop((left, top, left + width, top + height))
    array = np.asarray(image)
    return array.transpose(2, 0, 1) if layout == "TCHW" else array


found = {}
for name, (options, shape) in WANTED.items():
    window = FrameShape(**options)({"frames": np.stack([picture] * 2), "label_id": 1})
    frames = window["frames"]
    assert frames.shape == (2, *shape) and frames.dtype == np.uint8, (name, frames.shape)
    assert frames.flags.c_contiguous and window["label_id"] == 1
    found[name] = int(np.abs(frames[1].astype(int) - by_pillow(**options)).max())

mixed = ClipDataset(sys.argv[2], window=3)
batches = list(ClipLoader(mixed, batch_size=4, resize=16, crop=(16, 12), layout="TCHW"))
found["mixed"] = [list(batch["frames"].shape) for batch in batches]
found["own"] = [list(b["frames"].shape) for b in ClipLoader(mixed, batch_size=4, resize=(8, 9))]
try:
    ClipLoader(mixed, batch_size=4, resize=16)
except ValueError as error:
    found["aspects"] = str(error)
print(json.dumps(found))
"""


def test_frames_are_resized_as_pillow_does_and_brought_to_one_size(dataset, torch_python, tmp_path):
    out = OutDir(str(tmp_path / "mixed"))
    out.shard("b0", Video("wide.mp4", frames=5), Video("tall.mp4", frames=4, width=24, height=32))

    found = answer(start(torch_python, SHAPES, dataset[0], out.out))

    assert found.pop("mixed") == [[4, 3, 3, 16, 12], [1, 3, 3, 16, 12]]
    assert found.pop("own") == [[4, 3, 8, 9, 3], [1, 3, 8, 9, 3]]
    assert "expected frames of one size" in found.pop("aspects")
    assert max(found.values()) <= 1
    assert found["as it is"] == found["channels first"] == found["crop"] == 0


DAMAGE = """
import logging

lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
logging.getLogger("shardmill.read").addHandler(handler)
bad = ClipDataset(sys.argv[2], window=3, seed=5, on_damage="skip")
found = []
for way in ({}, {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}):
    lines.clear()
    loader = ClipLoader(bad, batch_size=4, **way)
    paths = [[path for batch in loader for path in batch["path"]] for _ in range(2)]
    found.append([paths, [line for line in lines if line.startswith("epoch ")]])
print(json.dumps(found))
"""


def test_damaged_windows_of_all_workers_are_counted(dataset, torch_python, tmp_path):
    out = OutDir(str(tmp_path / "bad"))
    for name in ("a", "bad", "c"):
        shard = out.shard(name, *(Video(f"{name}/{k}", frames=7) for k in range(3)))
        if name == "bad":
            os.truncate(out.layout.shard(shard), 100)

    alone, *workers = answer(start(torch_python, DAMAGE, dataset[0], out.out))

    paths, lines = alone
    assert [len(epoch) for epoch in paths] == [45, 45]
    assert not any(path.startswith("bad") for epoch in paths for path in epoch)
    assert [line.split(":")[0] for line in lines] == ["epoch 0", "epoch 1"]
    assert all(int(line.split()[2]) >= 15 for line in lines)
    assert workers == [alone] * 2


STACKED = """
import numpy as np
from torch.utils.data import default_collate
from shardmill.read.torch_dataset import WindowCollate


def more(window):
    return {**window, "ratio": 0.5, "flag": True, "half": np.float32(2), "tensor": torch.ones(2)}


def plain(window):
    return {name: value for name, value in more(window).items() if name != "half"}


def kinds(batch):
    return {k: str(v.dtype) + str(v.tolist()) if hasattr(v, "dtype") else str(v)
            for k, v in batch.items()}


for transform in (more, plain):
    own, torchs = (
        [kinds(batch) for batch in ClipLoader(
            data, batch_size=4, num_workers=1, transform=transform, collate_fn=collate)]
        for collate in (None, default_collate)
    )
    assert own == torchs and len(own) == 4
print(json.dumps("alike"))
"""


def test_batches_of_workers_are_those_of_the_default_collate(dataset, torch_python):
    assert answer(start(torch_python, STACKED, dataset[0])) == "alike"
