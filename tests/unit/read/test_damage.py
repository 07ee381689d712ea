"""A damaged window ends a run, or is replaced by another one that is known beforehand."""

import os
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import simplejpeg

from out_dir import OutDir, Video
from shardmill.contract.errors import DatasetDamaged, EnvironmentFault
from shardmill.read import ClipDataset, Epochs, open_shards
from shardmill.read.order import replacement


@pytest.fixture
def out(tmp_path):
    """Four shards of three clips with five windows each; that of ``bad`` is cut off."""
    out = OutDir(str(tmp_path))
    for name in ("a", "b", "bad", "c"):
        shard = out.shard(name, *(Video(f"{name}/{k}", frames=7) for k in range(3)))
        if name == "bad":
            os.truncate(out.layout.shard(shard), 100)
    return out.out


def places(data, epoch):
    """Clip and window at each place of an epoch."""
    windows = [data.at(place, epoch=epoch) for place in range(len(data))]
    return [(window["path"], window["window"]) for window in windows]


def test_a_damaged_window_is_an_error_by_default(out):
    data = ClipDataset(out, window=3)

    with pytest.raises(DatasetDamaged):
        places(data, 0)
    assert data.damage.windows == 0


def test_a_damaged_window_is_replaced_and_counted(out):
    data = ClipDataset(out, window=3, on_damage="skip")

    found = [places(data, epoch) for epoch in (0, 1)]

    for shown in found:
        counts = Counter(shown)
        assert len(shown) == 60
        assert len(counts) == 45, "every sound window, some of them several times"
        assert not any(path.startswith("bad") for path, _ in shown)
    assert data.damage.windows >= 2 * 15
    assert len(data.damage.examples) == 3
    assert all("clip " in sentence for sentence in data.damage.examples)
    again = ClipDataset(out, window=3, on_damage="skip")
    assert [places(again, epoch) for epoch in (1, 0)] == found[::-1], "in any order"


def test_replacements_come_from_the_whole_epoch(out):
    """Fifteen windows of 40 epochs; 45 sound windows are equally likely to stand in.

    78.7 is the 0.1 % point of chi-square with 44 degrees of freedom.
    """
    data = ClipDataset(out, window=3, on_damage="skip")
    bad = [
        k
        for k in range(60)
        if data.clips[int(data.spots(np.array([k]), epoch=0).clip[0])].path.startswith("bad")
    ]

    stood_in = Counter(
        (window["path"], window["window"])
        for epoch in range(40)
        for window in (data.window(number, epoch=epoch) for number in bad)
    )

    assert len(bad) == 15
    assert len(stood_in) == 45
    mean = 600 / 45
    assert sum((count - mean) ** 2 / mean for count in stood_in.values()) < 78.7


def numbers_logged(caplog, start):
    messages = [record.getMessage() for record in caplog.records]
    return [message for message in messages if message.startswith(start)]


@pytest.mark.parametrize(
    "loop", [iter, lambda epochs: islice(epochs, 60)], ids=["to its end", "to its last window"]
)
def test_each_epoch_says_how_many_windows_were_replaced(out, caplog, loop):
    epochs = Epochs(ClipDataset(out, window=3, on_damage="skip"))

    first = [window["path"] for window in loop(epochs)]
    (said,) = numbers_logged(caplog, "epoch 0: ")
    second = [window["path"] for window in loop(epochs)]

    assert len(first) == len(second) == 60
    assert int(said.split()[2]) >= 15
    assert len(numbers_logged(caplog, "epoch 1: ")) == 1
    examples = numbers_logged(caplog, "another window is read in place of a damaged one: clip ")
    assert len(set(examples)) == len(examples) == 3


def test_an_epoch_without_damage_says_nothing(out, caplog):
    sound = open_shards(out)[:6]

    assert len(list(Epochs(ClipDataset(sound, window=3, on_damage="skip")))) == 30

    assert caplog.records == []


def test_sixteen_damaged_windows_in_a_row_are_an_error(out):
    for shard in os.scandir(f"{out}/shards"):
        os.truncate(shard, 100)
    data = ClipDataset(out, window=3, on_damage="skip")

    with pytest.raises(DatasetDamaged):
        data.at(0, epoch=0)
    assert data.damage.windows == 15


def test_a_shard_that_cannot_be_read_is_damaged_too(out):
    for shard in os.scandir(f"{out}/shards"):
        if shard.stat().st_size == 100:
            os.remove(shard)

    data = ClipDataset(out, window=3, on_damage="skip")

    assert len(places(data, 0)) == 60


def test_a_missing_decoder_is_not_damage(out, monkeypatch):
    """It is an OSError too, but every window has it."""

    def missing(*_, **__):
        raise EnvironmentFault("no decoder")

    monkeypatch.setattr(simplejpeg, "decode_jpeg", missing)
    data = ClipDataset(out, window=3, on_damage="skip")

    with pytest.raises(EnvironmentFault, match="no decoder"):
        data[0]
    assert data.damage.windows == 0


def test_different_windows_have_different_replacements():
    for attempt in (1, 2):
        found = [
            replacement(number, count=50, seed=1, epoch=2, attempt=attempt) for number in range(50)
        ]
        assert sorted(found) == list(range(50))
    more = {
        replacement(3, count=10**12, seed=seed, epoch=epoch, attempt=attempt)
        for seed in range(3)
        for epoch in range(3)
        for attempt in range(1, 4)
    }
    assert len(more) == 27
