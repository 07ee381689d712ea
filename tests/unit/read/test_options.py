"""Whatever a configuration file may hold is accepted as it is meant, or refused in a sentence."""

import json

import numpy as np
import pytest

from out_dir import OutDir, Video
from shardmill.contract.errors import UsageError
from shardmill.read import ClipDataset, open_shards


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    out = OutDir(str(tmp_path_factory.mktemp("out")))
    out.shard("b0", Video("six", frames=6), Video("two", frames=2))
    return open_shards(out.out)


WHOLE = "must be a whole number, at least {} and below 2\\*\\*{}"
CLIPS, K = {"sample": "uniform-clips"}, {"sample": "uniform-k"}


def refusals(name, least, *, bits=31, none=True):
    values = ["2", 2.0, True, -1, [], {}, 2**bits, *([None] if none else [])]
    values += [0] if least == 1 and name != "stride" else []
    return [({name: value}, f"^{name} {WHOLE.format(least, bits)}") for value in values]


REFUSED = [
    *refusals("window", 1, none=False),
    *refusals("hop", 1),
    *refusals("windows_per_clip", 1),
    *refusals("jitter", 0),
    *refusals("seed", 0, bits=64),
    ({"window": "16"}, "or None for whole clips; got '16'$"),
    ({"stride": 0}, r"^stride must .*, or a pair of them; got 0$"),
    ({"stride": "2"}, "got '2'$"),
    ({"stride": None}, "got None$"),
    ({"stride": []}, r"^stride must be a whole number or a pair \(low, high\), got \[\]$"),
    ({"stride": (1, 2, 3)}, "or a pair"),
    ({"stride": (3, 1)}, "with low <= high"),
    ({"stride": (0, 1)}, "stride must be a whole number, at least 1"),
    ({"stride": ["1", 2]}, "got '1'$"),
    ({"sample": "all"}, "^sample must be one of uniform-windows, uniform-clips, center, uniform-k"),
    ({"sample": None}, "got None$"),
    ({"sample": []}, r"got \[\]$"),
    ({"short": "cut"}, "^short must be one of drop, pad, loop; got 'cut'$"),
    ({"short": 1}, "got 1$"),
    ({"on_damage": "ignore"}, "^on_damage must be one of raise, skip; got 'ignore'$"),
    ({"on_damage": None}, "got None$"),
    ({"weights": "even", **CLIPS}, "^weights must be one of balanced; got 'even'$"),
    ({"weights": [1, 1]}, "^weights go with sample='uniform-clips', got sample='uniform-windows'$"),
    ({"windows_per_clip": 2}, "^windows_per_clip=2 goes with sample=uniform-clips or uniform-k;"),
    ({"windows_per_clip": 2, "sample": "center"}, "got 'center'$"),
    ({"hop": 2, **CLIPS}, "^hop=2 goes with sample=uniform-windows; got 'uniform-clips'$"),
    ({"jitter": 2, **CLIPS}, "draws every start from the whole clip: expected jitter=0, got 2$"),
    ({"window": None}, "^window=None goes with sample=uniform-clips or center; got 'uniform-w"),
    ({"window": None, **K}, "got 'uniform-k'$"),
    ({"window": None, "jitter": 1, "sample": "center"}, "^a whole clip has one start"),
    ({"window": 4, "stride": 2}, "^expected clips of at least 7 frames, the longest of 2 has 6"),
    ({"window": 4, "stride": (2, 9)}, "at least 7 frames"),
    ({"split": "train"}, "^split goes to open_shards"),
    ({"check": True}, "^check goes to open_shards"),
    ({"check": "yes"}, "^check must be True or False, got 'yes'$"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_an_impossible_option_is_refused(clips, options, message):
    with pytest.raises(UsageError, match=message) as refused:
        ClipDataset(clips, **{"window": 2} | options)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("clips", [None, 5, [], {}, True], ids=str)
def test_what_is_no_output_directory_is_refused(clips):
    with pytest.raises(UsageError, match="expected an output directory or what open_shards gave"):
        ClipDataset(clips)


def test_numpy_numbers_and_lists_are_taken_for_plain_ones(clips):
    ours = ClipDataset(clips, window=np.int32(2), stride=[np.int64(1), 2], seed=np.uint64(3))

    options = ours.options
    assert (options.window, options.stride, options.seed) == (2, (1, 2), 3)
    assert {type(value) for value in (options.window, *options.stride, options.seed)} == {int}


def test_the_identity_is_plain_and_other_for_other_windows(clips):
    """Each option differs from the first, and so must the identity."""
    some = [
        {},
        {"seed": 1},
        {"seed": 2**63},
        {"window": 3},
        {"stride": 2},
        {"stride": (1, 2)},
        {"hop": 2},
        {"jitter": 1},
        {"short": "pad"},
        {"short": "loop"},
        {"sample": "center"},
        CLIPS,
        CLIPS | {"window": None},
        CLIPS | {"windows_per_clip": 2},
        CLIPS | {"weights": [1, 2]},
        CLIPS | {"weights": [2, 1]},
        K | {"windows_per_clip": 2},
        K | {"windows_per_clip": 3},
    ]

    texts = [json.dumps(ClipDataset(clips, **{"window": 2} | one).identity()) for one in some]

    assert len(set(texts)) == len(some)
    assert texts[0] == json.dumps(ClipDataset(clips, window=2).identity())
    assert json.loads(texts[0])["windows"] == 5 + 1


def test_the_identity_names_what_decides(clips):
    data = ClipDataset(clips, window=2, sample="uniform-clips", weights=[1, 1], seed=np.int64(4))

    found = data.identity()

    assert {name: found[name] for name in found if name not in ("weights", "clips")} == {
        "windows": 2,
        "window": 2,
        "stride": [1, 1],
        "hop": 1,
        "sample": "uniform-clips",
        "windows_per_clip": 1,
        "jitter": 0,
        "short": "drop",
        "seed": 4,
    }
    twice = ClipDataset(clips, window=2, sample="uniform-clips", weights=[2, 2])
    assert found["weights"] == twice.identity()["weights"], "only their ratios count"
