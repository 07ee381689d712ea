"""Windows hold the right frames, each start is equally likely, and processes may share them."""

import copy
import multiprocessing
import pickle
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import simplejpeg

from out_dir import FRAME_NS, HEIGHT, WIDTH, OutDir, Video, failed
from shardmill.contract.errors import UsageError
from shardmill.read import ClipDataset, Epochs, open_shards


@pytest.fixture
def out(tmp_path):
    """Clips of 6, 2 and 4 frames; the greys tell clip and frame."""
    out = OutDir(str(tmp_path / "it's [out]*"))
    out.shard("b0", Video("six", frames=6, value=10, label="a", label_id=0))
    out.shard("b1", Video("two", frames=2, value=50), Video("four", frames=4, value=90))
    return out


def greys(window):
    return window["frames"].reshape(len(window["frames"]), -1).mean(axis=1).round().tolist()


def test_every_window_has_its_number(out):
    data = ClipDataset(out.out, window=3)

    assert len(data) == 4 + 2
    assert [greys(data[i]) for i in range(len(data))] == [
        *([10, 11, 12], [11, 12, 13], [12, 13, 14], [13, 14, 15]),
        *([90, 91, 92], [91, 92, 93]),
    ]
    assert greys(data[-1]) == [91, 92, 93]
    with pytest.raises(IndexError):
        data[6]


def test_a_window_tells_all_about_itself(out):
    window = ClipDataset(out.out, window=2, stride=2)[1]

    assert window["frames"].shape == (2, HEIGHT, WIDTH, 3)
    assert window["frames"].dtype == np.uint8
    assert greys(window) == [11, 13]
    assert window["mask"].tolist() == [True, True]
    assert window["mask"].dtype == bool
    assert window["pts_ns"].tolist() == [FRAME_NS, 3 * FRAME_NS]
    assert window["pts_ns"].dtype == np.int64
    assert window["label_id"] == 0
    assert window["pts_s"].tolist() == [0.04, 0.12]
    assert window["pts_s"].dtype == np.float64
    assert window["clip_id"] == Video("six").clip_id
    assert (window["path"], window["clip"], window["window"]) == ("six", 0, 1)


def test_a_window_says_which_of_its_clips_windows_it_is(out):
    """Clip 1 is too short for a window, and keeps its number."""
    data = ClipDataset(out.out, window=3)

    found = [(data.clips[w["clip"]].path, w["path"], w["clip"], w["window"]) for w in data]

    six, four = [("six", "six", 0, k) for k in range(4)], [("four", "four", 2, k) for k in range(2)]
    assert found == six + four


def test_several_windows_are_a_list(out):
    data = ClipDataset(out.out, window=3)

    assert [greys(window)[0] for window in data[1:6:2]] == [11, 13, 91]
    assert data[6:] == []
    assert greys(data[np.int64(4)]) == [90, 91, 92]
    assert greys(data.at(np.int32(1), epoch=np.int64(2))) == greys(data.at(1, epoch=2))


def test_a_whole_clip_is_a_window(out):
    data = ClipDataset(out.out, window=None, stride=2, sample="center")

    assert [greys(window) for window in data] == [[10, 12, 14], [50], [90, 92]]
    assert all(window["mask"].all() for window in data)
    assert data[0]["pts_s"].tolist() == [0, 0.08, 0.16]


def test_validation_reads_the_same_windows_in_order(out):
    data = ClipDataset(out.out, window=2, sample="uniform-k", windows_per_clip=3)

    assert not data.shuffled
    for epoch in (0, 7):
        windows = [data.at(place, epoch=epoch) for place in range(len(data))]
        assert [greys(w)[0] for w in windows] == [10, 12, 14, 50, 50, 50, 90, 91, 92]
        assert [(w["clip"], w["window"]) for w in windows] == [
            (clip, window) for clip in range(3) for window in range(3)
        ]
    assert [greys(window)[0] for window in data] == [10, 12, 14, 50, 50, 50, 90, 91, 92]


def test_a_sampler_of_ones_own_gets_other_starts_in_each_epoch(out):
    data = ClipDataset(out.out, window=3, sample="uniform-clips")

    starts = {greys(data.window(0, epoch=epoch))[0] for epoch in range(50)}

    assert starts == {10, 11, 12, 13}
    assert greys(data.window(0, epoch=0)) == greys(data[0])
    assert data.window(-1, epoch=3)["path"] == "four"
    with pytest.raises(IndexError):
        data.window(2, epoch=0)


def test_at_is_the_window_that_the_shuffle_puts_there(out):
    data = ClipDataset(out.out, window=3, sample="uniform-clips", windows_per_clip=5)

    for epoch in (0, 1):
        shuffled = sorted(greys(data.at(k, epoch=epoch)) for k in range(10))
        assert shuffled == sorted(greys(data.window(k, epoch=epoch)) for k in range(10))


def test_classes_may_be_equally_likely(tmp_path):
    """Eight clips of a, two of b, and one without a class: five windows of each class."""
    out = OutDir(str(tmp_path))
    labels = [("a", 0)] * 8 + [("b", 1)] * 2 + [(None, None)]
    videos = [Video(f"{k}", label=name, label_id=n) for k, (name, n) in enumerate(labels)]
    out.shard("b0", *videos)
    out.job()
    data = ClipDataset(out.out, window=2, sample="uniform-clips", weights="balanced")

    for epoch in range(4):
        found = [data.at(place, epoch=epoch)["label_id"] for place in range(len(data))]
        assert Counter(found) == {0: 5, 1: 5}
    again = pickle.loads(pickle.dumps(data))
    assert [w["path"] for w in again] == [w["path"] for w in data]


def test_a_clip_without_a_label_has_the_number_of_none(out):
    assert ClipDataset(out.out, window=3)[4]["label_id"] == -1


def test_a_short_clip_can_be_padded(out):
    window = ClipDataset(out.out, window=4, short="pad")[3]

    assert greys(window) == [50, 51, 0, 0]
    assert window["mask"].tolist() == [True, True, False, False]
    assert window["pts_ns"].tolist() == [0, FRAME_NS, 0, 0]
    assert window["pts_s"].tolist() == [0, 0.04, 0, 0]


def test_a_short_clip_can_be_looped(out):
    window = ClipDataset(out.out, window=5, short="loop")[2]

    assert greys(window) == [50, 51, 50, 51, 50]
    assert window["mask"].all()
    assert window["pts_ns"].tolist() == [0, FRAME_NS, 0, FRAME_NS, 0]


def test_a_looped_clip_is_decoded_once(out, monkeypatch):
    decoded = []
    decode = simplejpeg.decode_jpeg
    monkeypatch.setattr(
        simplejpeg, "decode_jpeg", lambda data, **kw: decoded.append(1) or decode(data, **kw)
    )

    window = ClipDataset(out.out, window=64, short="loop")[1]

    assert greys(window) == [50, 51] * 32
    assert len(decoded) == 2


def test_colours_are_rgb_in_every_encoding(tmp_path):
    """The three primaries: a decoder that gives BGR swaps the first with the last."""
    primaries = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    frames = [np.full((HEIGHT, WIDTH, 3), colour, np.uint8) for colour in primaries]
    stored = {
        "raw": [frame.tobytes() for frame in frames],
        "jpeg": [simplejpeg.encode_jpeg(frame, quality=100) for frame in frames],
    }
    for encoding, data in stored.items():
        out = OutDir(str(tmp_path / encoding))
        video = Video("x", encoding=encoding)
        video.encoded = lambda data=data: data
        out.shard("b0", video)

        window = ClipDataset(out.out, window=3)[0]

        assert np.abs(window["frames"].astype(int) - np.stack(frames)).max() <= 2, encoding


@pytest.fixture
def mixed(tmp_path):
    """Six clips of 32x24, one of 24x32, two of 64x48, and a still picture of 8x8."""
    out = OutDir(str(tmp_path / "mixed"))
    out.shard("b0", *(Video(f"wide/{number}.mp4") for number in range(6)))
    out.shard("b1", Video("tall.mp4", width=24, height=32))
    large = [Video(f"large/{number}.mp4", width=64, height=48) for number in range(2)]
    out.shard("b2", *large, Video("still.png", frames=1, width=8, height=8))
    out.job()
    return out.out


def test_clips_know_their_sizes(mixed):
    sizes = open_shards(mixed).sizes()

    assert sizes.tolist() == [[32, 24]] * 6 + [[24, 32]] + [[64, 48]] * 2 + [[8, 8]]
    assert open_shards(mixed, where="path = 'tall.mp4'").sizes().tolist() == [[24, 32]]
    assert open_shards(mixed, where="path = 'none'").sizes().shape == (0, 2)
    again = pickle.loads(pickle.dumps(open_shards(mixed)))
    assert again.sizes().tolist() == sizes.tolist()


def test_clips_of_other_sizes_are_named_with_what_to_do(mixed):
    data = ClipDataset(mixed, window=2)

    with pytest.raises(UsageError) as refused:
        data.check_one_size()

    assert str(refused.value) == (
        "expected frames of one size, as a batch needs them, got 32x24 in 6 clips (wide/0.mp4, "
        "wide/1.mp4, wide/2.mp4, …); 64x48 in 2 clips (large/0.mp4, large/1.mp4); "
        "24x32 in 1 clip (tall.mp4): make the data set with --size WxH, choose clips by "
        'where="clip_id in (select clip_id from clips where width = 32 and height = 24)", '
        "or bring each window to one size before it is put into a batch"
    )
    where = str(refused.value).split('"')[1]
    chosen = ClipDataset(open_shards(mixed, where=where), window=2)
    chosen.check_one_size()
    assert len(chosen) == 12


def test_clips_too_short_for_a_window_do_not_count_for_sizes(mixed):
    clips = open_shards(mixed, where="path in ('tall.mp4', 'still.png')")

    ClipDataset(clips, window=2).check_one_size()
    with pytest.raises(UsageError, match="8x8 in 1 clip"):
        ClipDataset(clips, window=2, short="pad").check_one_size()


def test_many_sizes_are_counted_not_listed(tmp_path):
    out = OutDir(str(tmp_path / "many"))
    out.shard("b0", *(Video(f"{side}.mp4", width=side) for side in range(8, 18)))

    with pytest.raises(UsageError, match=r"; 11x24 in 1 clip \(11.mp4\) and 6 sizes more: make"):
        ClipDataset(out.out, window=2).check_one_size()


def test_windows_of_any_size_are_read_one_by_one(mixed):
    shapes = [window["frames"].shape for window in Epochs(ClipDataset(mixed, window=3))]

    assert Counter(shapes) == {(3, 24, 32, 3): 6, (3, 32, 24, 3): 1, (3, 48, 64, 3): 2}


def chi_square(counts, expected):
    """Pearson's statistic over all cells that are expected, and only those may occur."""
    assert set(counts) == set(expected)
    total = sum(counts.values())
    return sum((counts[k] - total * p) ** 2 / (total * p) for k, p in expected.items())


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        pytest.param(
            "uniform-windows",
            {10: 1 / 6, 11: 1 / 6, 12: 1 / 6, 13: 1 / 6, 90: 1 / 6, 91: 1 / 6},
            id="each window alike",
        ),
        pytest.param(
            "uniform-clips",
            {10: 1 / 8, 11: 1 / 8, 12: 1 / 8, 13: 1 / 8, 90: 1 / 4, 91: 1 / 4},
            id="each clip alike",
        ),
    ],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_valid_start_is_equally_likely(out, sample, expected, seed):
    """20.5 is the 0.1 % point of chi-square with 5 degrees of freedom."""
    data = ClipDataset(out.out, window=3, sample=sample)
    rng = np.random.default_rng(seed)

    counts = Counter(greys(data.sample(rng))[0] for _ in range(3000))

    assert chi_square(counts, expected) < 20.5


def test_by_clip_the_start_is_decided_by_seed_and_number(tmp_path):
    """16.3 is the 0.1 % point of chi-square with 3 degrees of freedom."""
    out = OutDir(str(tmp_path))
    out.shard("b0", *(Video(f"{i}.mp4", frames=6, value=10) for i in range(40)))
    drawn = {}
    for seed in range(15):
        data = ClipDataset(out.out, window=3, sample="uniform-clips", seed=seed)
        drawn[seed] = [greys(window)[0] for window in data]
        assert drawn[seed] == [greys(data[i])[0] for i in range(len(data))], "alike each time"

    counts = Counter(first for firsts in drawn.values() for first in firsts)

    assert counts.total() == 15 * 40
    assert chi_square(counts, dict.fromkeys((10, 11, 12, 13), 1 / 4)) < 16.3
    assert len(set(map(tuple, drawn.values()))) == 15


def windows_of_epoch(data, epoch):
    """The first grey of each window, in the order of the epoch."""
    return [greys(data.at(place, epoch=epoch))[0] for place in range(len(data))]


@pytest.mark.parametrize("sample", ["uniform-windows", "uniform-clips"])
def test_an_epoch_shows_everything_once_in_an_order_of_its_own(tmp_path, sample):
    out = OutDir(str(tmp_path))
    out.shard("b0", *(Video(f"{i}.mp4", frames=3, value=10 * i) for i in range(10)))
    data = ClipDataset(out.out, window=2, sample=sample, seed=4)

    epochs = [windows_of_epoch(data, epoch) for epoch in range(3)]

    for firsts in epochs:
        clips = Counter(int(first) // 10 for first in firsts)
        assert clips == dict.fromkeys(range(10), 2 if sample == "uniform-windows" else 1)
    assert len({tuple(int(first) // 10 for first in firsts) for firsts in epochs}) == 3
    assert windows_of_epoch(ClipDataset(out.out, window=2, sample=sample, seed=4), 1) == epochs[1]
    assert windows_of_epoch(ClipDataset(out.out, window=2, sample=sample, seed=5), 1) != epochs[1]
    with pytest.raises(IndexError):
        data.at(len(data), epoch=0)


def test_by_clip_each_epoch_starts_anywhere_in_a_clip(tmp_path):
    """16.3 is the 0.1 % point of chi-square with 3 degrees of freedom."""
    out = OutDir(str(tmp_path))
    out.shard("b0", *(Video(f"{i}.mp4", frames=6, value=10) for i in range(40)))
    data = ClipDataset(out.out, window=3, sample="uniform-clips")

    counts = Counter(first for epoch in range(15) for first in windows_of_epoch(data, epoch))

    assert counts.total() == 15 * 40
    assert chi_square(counts, dict.fromkeys((10, 11, 12, 13), 1 / 4)) < 16.3


def test_the_generator_alone_decides(out):
    data = ClipDataset(out.out, window=2)

    def draws():
        rng = np.random.default_rng(5)
        return [greys(data.sample(rng)) for _ in range(5)]

    assert draws() == draws()


CHILD = """
import pickle, sys
data = pickle.load(sys.stdin.buffer)
print(len(data), [int(data[i]["frames"][0, 0, 0, 0]) for i in (0, 5)])
print([int(data.at(i, epoch=1)["frames"][0, 0, 0, 0]) for i in range(6)])
heavy = {"av", "cv2", "celery", "redis", "duckdb"} & set(sys.modules)
assert not heavy, heavy
"""


class Mine(ClipDataset):
    """What a user may write."""

    def __init__(self, out, bonus):
        super().__init__(out, window=3, seed=2)
        self.bonus = bonus

    def __getitem__(self, number):
        return super().__getitem__(number) | {"bonus": self.bonus}


@pytest.mark.parametrize("copied", [lambda d: pickle.loads(pickle.dumps(d)), copy.deepcopy])
def test_a_copy_of_a_subclass_is_of_that_class(out, copied):
    data = Mine(out.out, bonus=[5])

    again = copied(data)

    assert type(again) is Mine
    assert [(greys(w), w["bonus"]) for w in again] == [(greys(w), [5]) for w in data]
    assert windows_of_epoch(again, 1) == windows_of_epoch(data, 1)


def test_it_travels_to_a_fresh_process(out):
    data = ClipDataset(out.out, window=3, seed=3)
    sent = pickle.dumps(data)
    out.shard("b2", Video("later", frames=9))

    done = subprocess.run([sys.executable, "-c", CHILD], input=sent, capture_output=True)

    order = list(map(int, windows_of_epoch(data, 1)))
    assert done.stdout.decode() == f"6 [10, 91]\n{order}\n", done.stderr.decode()


def test_a_pickle_is_eight_bytes_a_clip(tmp_path):
    """Spawned workers get it each time an epoch begins."""
    sizes = []
    for count in (100, 300):
        out = OutDir(str(tmp_path / str(count)))
        out.shard("b0", *(Video(f"{i}.mp4", frames=1) for i in range(count)))
        sizes.append(len(pickle.dumps(ClipDataset(out.out, window=1))))

    assert sizes[1] - sizes[0] <= 200 * 8 + 10


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_processes_read_alike_at_the_same_time(out):
    data = ClipDataset(out.out, window=3)
    expected = [greys(data[i]) for i in range(len(data))]
    fork = multiprocessing.get_context("fork")
    queue = fork.SimpleQueue()

    def read():
        queue.put([[greys(data[i]) for i in range(len(data))] for _ in range(50)])

    children = [fork.Process(target=read) for _ in range(3)]
    for child in children:
        child.start()
    answers = [queue.get() for _ in children]
    for child in children:
        child.join()

    assert all(answer == [expected] * 50 for answer in answers)


def test_a_job_without_clips_is_refused(tmp_path):
    out = OutDir(str(tmp_path))
    out.part("b0", failed("x", "corrupt"))

    with pytest.raises(UsageError, match="no clip is chosen: the data set has 0 clips"):
        ClipDataset(out.out, short="pad")
