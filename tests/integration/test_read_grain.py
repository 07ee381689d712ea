"""Grain shows every window once an epoch, and its checkpoints take up the rest."""

import json
import subprocess
from collections import Counter
from itertools import chain

import pytest

from out_dir import OutDir, Video

pytestmark = pytest.mark.timeout(600)

CLIPS = {"six": (6, 10), "nine": (9, 100)}
"""Clip to its frames, and the grey of the first; each frame is lighter by one."""
ALL = {grey + start for frames, grey in CLIPS.values() for start in range(frames - 2)}
"""The grey of the first frame of every window of three."""

BEGIN = """
import json, sys
import grain
import numpy as np
from shardmill.read import ClipDataset, Share, stack_windows
from shardmill.read.grain_dataset import WindowSource, grain_windows


def told(window):
    frames = window["frames"]
    assert (frames.shape[-4:], frames.dtype) == ((3, 24, 32, 3), np.uint8)
    return frames[..., 0, 0, 0, 0].tolist()

data = ClipDataset(sys.argv[1], window=3, seed=5)
"""

READ = """
assert isinstance(WindowSource(data), grain.sources.RandomAccessDataSource)
found = {"own": [told(data.at(k, epoch=e)) for e in range(2) for k in range(len(data))]}
windows = grain_windows(data, epochs=2)
found["map"] = [told(windows[k]) for k in range(len(windows))]
found["threads"] = [told(window) for window in windows.to_iter_dataset()]
found["batches"] = [told(batch) for batch in windows.batch(4)]
loader = grain.DataLoader(
    data_source=WindowSource(data, epochs=2),
    sampler=grain.samplers.SequentialSampler(num_records=2 * len(data)),
    worker_count=0,
)
found["loader"] = [told(window) for window in loader]
found["shares"] = {}
for tail in ("uneven", "pad"):
    shares = [Share(rank=r, world=3, tail=tail) for r in range(3)]
    windows_of = [grain_windows(data, epochs=2, share=share) for share in shares]
    found["shares"][tail] = [[told(window) for window in each] for each in windows_of]
found["resumed"] = []
for taken in (0, 3, 13, 22):
    stopped = iter(windows.to_iter_dataset())
    begun = [told(next(stopped)) for _ in range(taken)]
    again = iter(grain_windows(data, epochs=2).to_iter_dataset())
    again.set_state(json.loads(json.dumps(stopped.get_state())))
    found["resumed"].append(begun + [told(window) for window in again])
whole = ClipDataset(sys.argv[1], window=None, stride=2, sample="center")
(batch,) = grain_windows(whole, batch_size=2)
ours = stack_windows(whole[0:2])
found["whole"] = {name: np.array_equal(batch[name], value) for name, value in ours.items()}
found["lengths"] = batch["mask"].sum(axis=1).tolist()
print(json.dumps(found))
"""

WORKERS = """
from absl import app


def main(_):
    many = grain.multiprocessing.MultiprocessingOptions(num_workers=2)
    windows = grain_windows(data, epochs=2).to_iter_dataset().mp_prefetch(many)
    print(json.dumps([told(window) for window in windows]))


if __name__ == "__main__":
    app.run(main)
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> str:
    out = OutDir(str(tmp_path_factory.mktemp("out")))
    for name, (frames, grey) in CLIPS.items():
        out.shard(name, Video(name, frames=frames, value=grey, encoding="raw"))
    return out.out


def answer(command: list):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_way_of_grain_shows_the_same_windows(grain_python, out):
    found = answer([grain_python, "-c", BEGIN + READ, out])

    own = found["own"]
    assert [Counter(own[:11]), Counter(own[11:])] == [dict.fromkeys(ALL, 1)] * 2
    assert own[:11] != own[11:]
    assert found["map"] == found["threads"] == found["loader"] == own
    assert list(chain(*found["batches"])) == own
    assert found["resumed"] == [own] * 4
    assert found["lengths"] == [5, 3]
    assert len(found["whole"]) == 10
    assert all(found["whole"].values())
    for half in (0, 1):
        uneven, even = (
            [share[half * len(share) // 2 :][: len(share) // 2] for share in found["shares"][tail]]
            for tail in ("uneven", "pad")
        )
        assert Counter(chain(*uneven)) == dict.fromkeys(ALL, 1)
        assert [len(share) for share in even] == [4, 4, 4]
        assert Counter(chain(*even)) - Counter(ALL) == {even[0][0]: 1}
        assert sorted(map(len, uneven)) == [3, 4, 4]


def test_workers_of_grain_show_the_same_windows(grain_python, out, tmp_path):
    program = tmp_path / "program.py"  # its workers are spawned: they need a file to import
    program.write_text(BEGIN + WORKERS)

    shown = answer([grain_python, program, out])

    assert [Counter(shown[:11]), Counter(shown[11:])] == [dict.fromkeys(ALL, 1)] * 2


SIZES = """
from shardmill.contract.errors import UsageError

try:
    found = {"batches": list(grain_windows(data, batch_size=2))}
except UsageError as error:
    found = {"error": str(error)}
found["one"] = sorted(batch["frames"].shape for batch in grain_windows(data, batch_size=1))
found["none"] = sorted(window["frames"].shape for window in grain_windows(data))
cut = grain_windows(data).map(lambda window: window["frames"][:, :24, :24])
found["own"] = [batch.shape for batch in cut.batch(5)]
alike = ClipDataset(sys.argv[2], window=3, seed=5)
found["batched"] = [told(batch) for batch in grain_windows(alike, epochs=2, batch_size=4)]
found["alike"] = [told(batch) for batch in grain_windows(alike, epochs=2).batch(4)]
print(json.dumps(found))
"""


def test_clips_of_other_sizes_are_named_and_only_where_they_are_stacked(
    grain_python, out, tmp_path
):
    mixed = OutDir(str(tmp_path / "mixed"))
    mixed.shard("b0", Video("wide.mp4", frames=5), Video("tall.mp4", frames=4, width=24, height=32))

    found = answer([grain_python, "-c", BEGIN + SIZES, mixed.out, out])

    assert "24x32 in 1 clip (tall.mp4); 32x24 in 1 clip (wide.mp4): make" in found["error"]
    assert found["one"] == [[1, 3, 24, 32, 3]] * 3 + [[1, 3, 32, 24, 3]] * 2
    assert found["none"] == [[3, 24, 32, 3]] * 3 + [[3, 32, 24, 3]] * 2
    assert found["own"] == [[5, 3, 24, 24, 3]]
    assert found["batched"] == found["alike"]
