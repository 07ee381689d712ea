"""A spec refuses what contradicts itself, travels as JSON, and is named after its content."""

import dataclasses
import json

import numpy as np
import pytest

from shardmill.contract.errors import InvalidSpec
from shardmill.contract.options import geometry, sampling
from shardmill.contract.options.geometry import Size
from shardmill.contract.spec import Spec

OTHER = {
    "all": True,
    "every": 2,
    "fps": 24.0,
    "count": 8,
    "at": "0.5,2",
    "keyframes": True,
    "start_s": 1.5,
    "end_s": 9.0,
    "clip_s": 10.0,
    "clip_stride_s": 5.0,
    "max_frames": 10,
    "keep_partial": True,
    "size": "160x120",
    "short_side": 256,
    "fit": "64x64",
    "pad": True,
    "crop": "32x32",
    "upscale": True,
    "encoding": "png",
    "quality": 80,
    "copy_if_fits": True,
    "format": "hdf5",
    "shard_size_bytes": 10_000_000,
    "clips_per_shard": 5,
    "labels": "none",
    "preset": "kinetics",
    "columns": ("path=video", "label=class"),
    "form": ("match=stem",),
    "classes": "classes.txt",
    "keep_unannotated": True,
    "strict": True,
    "split": "train=.8,val=.2",
    "split_group": "g[0-9]+",
    "include": ("*.mp4",),
    "exclude": ("*.tmp",),
    "hidden": True,
    "archives": True,
    "sequences": True,
    "fps_of": 30.0,
    "dedup": "exact",
    "shuffle": 7,
    "count_frames": True,
    "check": True,
    "no_upscale": True,
    "item_timeout_s": 60.0,
    "item_memory_bytes": 500_000_000,
}
"""A value other than the default for every field that has more than one."""
ANNOTATED = {"preset", "columns", "form", "classes"}
"""Fields that tell where annotations come from; what those say is told item by item."""
NOT_CONTENT = {"all", "item_timeout_s", "item_memory_bytes", "keep_unannotated", "strict"}
NOT_CONTENT |= ANNOTATED
"""Fields that never change a byte of a shard."""


def changed(name: str) -> Spec:
    """A spec that differs from the default in one field, and in what that field needs."""
    needs = {
        "pad": {"fit": "64x64"},
        "split_group": {"split": "a=1"},
        "clip_stride_s": {"clip_s": 1.0},
        "no_upscale": {"size": "64x64"},
        "fps_of": {"sequences": True},
    }.get(name, {})
    if name in ANNOTATED:
        needs = {"labels": "clips.csv"}
    return Spec(**needs, **{name: OTHER[name]})


def test_the_table_of_this_test_names_every_field():
    names = {field.name for field in dataclasses.fields(Spec)}

    assert names == set(OTHER)


@pytest.mark.parametrize(
    "options",
    [
        {"fps": 24.0, "every": 2},
        {"all": True, "count": 8},
        {"keyframes": True, "fps": 1.0},
        {"count": 8, "every": 1},
        {"size": "160x120", "short_side": 256},
        {"fit": "64x64", "crop": "64x64"},
        {"count_frames": True, "check": True},
    ],
    ids=" ".join,
)
def test_options_exclude_each_other(options):
    with pytest.raises(InvalidSpec, match=r"^give one of --.*; got --\S+ and --\S+$"):
        Spec(**options)


def test_the_message_names_the_two_that_were_given():
    with pytest.raises(InvalidSpec, match="got --every and --fps"):
        Spec(fps=24, every=2)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"split_group": "g"}, "give --split too"),
        ({"split": "a=1", "split_group": "("}, "--split-group must be a regular expression"),
        ({"split": "a=.5"}, "--split must have shares of 1 in all"),
    ],
    ids=str,
)
def test_impossible_splits_are_refused(options, why):
    with pytest.raises(InvalidSpec, match=why):
        Spec(**options)


def test_sequences_lie_in_folders_not_in_archives():
    with pytest.raises(InvalidSpec, match="unpack them, or leave one of the options out"):
        Spec(sequences=True, archives=True)


def test_padding_needs_something_to_fit():
    with pytest.raises(InvalidSpec, match="--pad fills up what --fit leaves free"):
        Spec(pad=True, size="160x120")


@pytest.mark.parametrize(
    ("options", "is_one_size"),
    [
        pytest.param({"size": "8x6"}, True, id="size, the small ones grow"),
        pytest.param({"crop": "8x6"}, True, id="crop, the small ones grow"),
        pytest.param({"fit": "8x6", "pad": True}, True, id="the small ones get a margin"),
        pytest.param({"size": "8x6", "no_upscale": True}, False, id="size, the small ones stay"),
        pytest.param({"crop": "8x6", "no_upscale": True}, False, id="crop, the small ones stay"),
        pytest.param({"fit": "8x6", "upscale": True}, False, id="by the aspect"),
        pytest.param({"short_side": 6, "upscale": True}, False, id="by the aspect, one side given"),
        pytest.param({}, False, id="as they are"),
    ],
)
def test_npy_takes_raw_frames_of_one_size_only(options, is_one_size):
    with pytest.raises(InvalidSpec, match=r"^--format npy is one array .* give --encoding raw"):
        Spec(format="npy", **options)
    if is_one_size:
        assert Spec(format="npy", encoding="raw", **options).format == "npy"
    else:
        with pytest.raises(InvalidSpec, match="--size WxH, --crop WxH or"):
            Spec(format="npy", encoding="raw", **options)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("every", 0, "every must be at least 1"),
        ("fps", 0.0, "fps must be in"),
        ("fps", float("nan"), "fps must be in"),
        ("count", 0, "--count must be in"),
        ("quality", 0, r"--quality must be in \[1, 100\], got 0"),
        ("quality", 101, "--quality"),
        ("max_frames", 0, "--max-frames must be at least 1, got 0"),
        ("clips_per_shard", 0, "--clips-per-shard"),
        ("shard_size_bytes", 999_999, "--shard-size must be at least"),
        ("item_timeout_s", 0.0, "--item-timeout"),
        ("item_memory_bytes", 99_999_999, "--item-memory"),
        ("start_s", -0.1, "--start"),
        ("start_s", float("nan"), "--start"),
        ("end_s", float("inf"), "--end"),
        ("end_s", 0.0, "--end must be after --start"),
        ("clip_s", 0.0, "--clip-seconds must be in"),
        ("clip_s", float("nan"), "--clip-seconds must be in"),
        ("clip_stride_s", -1.0, "--clip-stride must be in"),
        ("clip_stride_s", 1.0, "--clip-stride is how far clips are apart: give --clip-seconds too"),
        ("fps_of", 0.0, "--fps-of must be in"),
        ("fps_of", float("nan"), "--fps-of must be in"),
        ("fps_of", 30.0, "--fps-of is the rate of numbered pictures: give --sequences too"),
        ("shuffle", -1, "--shuffle"),
        ("shuffle", 2**63, "--shuffle"),
        ("size", "big", "--size must be WxH"),
        ("fit", "0x5", "--fit must be WxH"),
        ("crop", "5", "--crop must be WxH"),
        ("short_side", 0, "--short-side must be in"),
        ("encoding", "gif", "--encoding must be one of jpeg, png, raw; got 'gif'"),
        ("format", "zip", "--format must be one of tfrecord, hdf5, webdataset, npy; got 'zip'"),
        ("labels", "", "--labels must be a word, a pattern or a file, got nothing"),
        ("labels", (), "--labels must be a word"),
        ("labels", ("dirs", "a.csv"), "one word or pattern, or files; got dirs, a.csv"),
        ("labels", ("dirs", "last"), "one word or pattern, or files; got dirs, last"),
        ("labels", "(?P<label>", "--labels: expected a regular expression"),
    ],
)
def test_values_out_of_range_are_refused(name, value, message):
    with pytest.raises(InvalidSpec, match=message):
        Spec(**{name: value})


@pytest.mark.parametrize(("start_s", "end_s"), [(2.0, 2.0), (2.0, 1.0)])
def test_a_range_that_ends_before_it_begins_is_refused(start_s, end_s):
    with pytest.raises(InvalidSpec, match=r"--end must be after --start, got \[2, [12]\)"):
        Spec(start_s=start_s, end_s=end_s)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("quality", 1), ("quality", 100), ("max_frames", 1), ("clips_per_shard", 1)),
        *(("item_timeout_s", 0.1), ("start_s", 0.0), ("shuffle", 2**63 - 1), ("every", 1)),
        *(("shard_size_bytes", 1_000_000), ("item_memory_bytes", 100_000_000), ("end_s", 1e9)),
    ],
)
def test_the_limits_themselves_are_allowed(name, value):
    assert getattr(Spec(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ({}, sampling.EveryFrame()),
        ({"all": True}, sampling.EveryFrame()),
        ({"every": 3}, sampling.EveryNth(step=3)),
        ({"fps": 24.0}, sampling.FixedRate(rate_hz=24.0)),
        ({"count": 8}, sampling.UniformCount(count=8)),
        ({"keyframes": True}, sampling.KeyframesOnly()),
    ],
    ids=str,
)
def test_options_become_a_policy(options, policy):
    assert Spec(**options).selection == sampling.Selection(policy=policy)


def test_seconds_become_whole_nanoseconds():
    selection = Spec(start_s=0.1, end_s=2.0000000005, max_frames=3).selection

    assert (selection.start_ns, selection.end_ns, selection.max_frames) == (
        100_000_000,
        2_000_000_000,
        3,
    )


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({}, geometry.SourceSize()),
        ({"size": "160x120"}, geometry.Stretch(size=Size(160, 120), upscale=True)),
        ({"size": "160x120", "no_upscale": True}, geometry.Stretch(size=Size(160, 120))),
        ({"short_side": 256, "upscale": True}, geometry.ShortSide(length=256, upscale=True)),
        ({"fit": "64x48"}, geometry.Fit(size=Size(64, 48))),
        ({"fit": "64x48", "pad": True}, geometry.Fit(size=Size(64, 48), pad=True, upscale=True)),
        (
            {"fit": "64x48", "pad": True, "no_upscale": True},
            geometry.Fit(size=Size(64, 48), pad=True),
        ),
        ({"crop": "32x16"}, geometry.CentreCrop(size=Size(32, 16), upscale=True)),
        ({"crop": "32x16", "no_upscale": True}, geometry.CentreCrop(size=Size(32, 16))),
    ],
    ids=str,
)
def test_options_become_a_geometry(options, mode):
    assert Spec(**options).geometry == mode


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"short_side": 64},
        {"fit": "64x64"},
        {"size": "64x64", "upscale": True},
    ],
    ids=str,
)
def test_only_from_an_exact_size_may_small_pictures_be_left_out(options):
    with pytest.raises(InvalidSpec, match="--no-upscale leaves pictures smaller than an exact"):
        Spec(no_upscale=True, **options)


@pytest.mark.parametrize("name", OTHER)
def test_the_key_changes_when_and_only_when_content_changes(name):
    same = changed(name).key == dataclasses.replace(changed(name), **{name: default(name)}).key

    assert same == (name in NOT_CONTENT)


def default(name: str) -> object:
    return next(field.default for field in dataclasses.fields(Spec) if field.name == name)


@pytest.mark.parametrize("name", ["fps", "start_s", "end_s", "clip_s", "item_timeout_s"])
def test_a_whole_number_is_the_same_number_as_a_float(name):
    whole, point, given = (
        Spec(**{name: ten})
        for ten in (
            10,
            10.0,
            np.float32(10),
        )
    )

    assert whole == point == given
    assert whole.key == point.key == given.key
    assert whole.arguments() == point.arguments() == given.arguments()


def test_saying_the_default_aloud_is_the_same_spec():
    assert Spec().key == Spec(all=True).key
    assert len(Spec().key) == 16
    assert int(Spec().key, 16) >= 0


def test_the_defaults_are_those_of_the_documentation():
    spec = Spec()

    assert (spec.encoding, spec.quality, spec.format, spec.labels) == (
        "jpeg",
        95,
        "tfrecord",
        "dirs",
    )
    assert (spec.shard_size_bytes, spec.item_memory_bytes) == (256_000_000, 2_000_000_000)
    assert (spec.shuffle, spec.clips_per_shard, spec.item_timeout_s) == (0, None, None)


@pytest.mark.parametrize("name", OTHER)
def test_a_spec_comes_back_from_json_as_it_was(name):
    spec = changed(name)

    assert Spec.decode(json.loads(json.dumps(spec.encode()))) == spec


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": 1}, r"unknown fields \['colour'\]: upgrade shardmill"),
        ({"quality": "high"}, "plain values"),
        ({"fps": -1}, "fps must be in"),
        ({"format": "zip"}, "--format must be one of"),
    ],
)
def test_a_spec_of_another_making_is_refused(values, message):
    with pytest.raises(InvalidSpec, match=message):
        Spec.decode(values)


def test_differences_are_named_as_options():
    there = Spec(fps=24.0, size="160x120", item_timeout_s=5.0)
    here = Spec(size="64x64", include=("*.mp4",), item_timeout_s=9.0)

    assert there.differences(here) == [
        "--fps 24 there, unset here",
        "--size 160x120 there, 64x64 here",
        "--include unset there, *.mp4 here",
    ]


def test_equal_content_has_no_differences():
    assert Spec(all=True, item_timeout_s=5.0).differences(Spec()) == []


@pytest.mark.parametrize("name", OTHER)
def test_there_is_a_difference_exactly_where_the_key_differs(name):
    one = changed(name)
    two = dataclasses.replace(one, **{name: default(name)})

    assert bool(one.differences(two)) == (one.key != two.key)


def test_where_annotations_lie_is_no_other_spec():
    here, there = Spec(labels="a.csv"), Spec(labels=("train=b.csv", "c.csv"), preset="kinetics")

    assert here.key == there.key != Spec().key
    assert here.differences(there) == []
    assert Spec().differences(here) == ["--labels dirs there, annotations here"]


@pytest.mark.parametrize(
    ("labels", "files"),
    [
        ("dirs", ()),
        ("last", ()),
        ("none", ()),
        (r"_(?P<label>\w+)\.", ()),
        ("a.csv", ("a.csv",)),
        (("a.csv",), ("a.csv",)),
        (("train=a.csv", "b.csv"), ("train=a.csv", "b.csv")),
        ("./dirs", ("./dirs",)),
    ],
)
def test_what_is_neither_a_word_nor_a_pattern_is_a_file(labels, files):
    spec = Spec(labels=labels)

    assert spec.label_source.files == files
    assert spec.is_annotated == bool(files)
