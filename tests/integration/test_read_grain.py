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
from shardmill.read import ClipDataset, Share
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
shares = [grain_windows(data, epochs=2, share=Share(rank=r, world=3)) for r in range(3)]
found["shares"] = [[told(window) for window in share] for share in shares]
found["resumed"] = []
for taken in (0, 3, 13, 22):
    stopped = iter(windows.to_iter_dataset())
    begun = [told(next(stopped)) for _ in range(taken)]
    again = iter(grain_windows(data, epochs=2).to_iter_dataset())
    again.set_state(json.loads(json.dumps(stopped.get_state())))
    found["resumed"].append(begun + [told(window) for window in again])
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
    for half in (0, 1):
        shown = [share[half * len(share) // 2 :][: len(share) // 2] for share in found["shares"]]
        assert Counter(chain(*shown)) == dict.fromkeys(ALL, 1)
        assert sorted(map(len, shown)) == [3, 4, 4]


def test_workers_of_grain_show_the_same_windows(grain_python, out, tmp_path):
    program = tmp_path / "program.py"  # its workers are spawned: they need a file to import
    program.write_text(BEGIN + WORKERS)

    shown = answer([grain_python, program, out])

    assert [Counter(shown[:11]), Counter(shown[11:])] == [dict.fromkeys(ALL, 1)] * 2
