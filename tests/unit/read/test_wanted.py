"""A dataset can be made of some clips only: by label, or by a question to the manifest."""

import pickle
from pathlib import Path

import pytest

from out_dir import OutDir, Video, failed
from shardmill.contract.errors import UsageError
from shardmill.read import ClipDataset, open_shards


@pytest.fixture
def out(tmp_path):
    """Clips of cats, dogs and no class, in two shards, one of them with a failed row."""
    out = OutDir(str(tmp_path))
    out.shard(
        "b0",
        Video("cat/1", frames=4, value=10, label="cat", label_id=0, duration_s=1.5),
        Video("dog/1", frames=4, value=20, label="dog", label_id=1, duration_s=9.0),
    )
    out.shard(
        "b1",
        Video("it's", frames=4, value=30),
        Video("cat/2", frames=4, value=40, label="cat", label_id=0, duration_s=9.0),
    )
    out.part("b2", failed("dog/2", "corrupt"))
    Path(out.layout.classes).write_text('{"cat": 0, "dog": 1}')
    return out


@pytest.mark.parametrize(
    ("wish", "paths"),
    [
        ({}, ["cat/1", "dog/1", "it's", "cat/2"]),
        ({"labels": ["cat"]}, ["cat/1", "cat/2"]),
        pytest.param({"labels": {"dog", "cat"}}, ["cat/1", "dog/1", "cat/2"], id="a set of labels"),
        pytest.param({"labels": "cat"}, ["cat/1", "cat/2"], id="a text is one label"),
        ({"where": "duration_s > 5"}, ["dog/1", "cat/2"]),
        ({"where": "path like 'cat/%' -- a remark"}, ["cat/1", "cat/2"]),
        ({"where": "path = 'it''s'"}, ["it's"]),
        ({"where": "status = 'failed'"}, []),
        ({"where": "false or true"}, ["cat/1", "dog/1", "it's", "cat/2"]),
        ({"labels": ["cat"], "where": "duration_s > 5"}, ["cat/2"]),
    ],
    ids=str,
)
def test_only_the_wanted_clips_show(out, wish, paths):
    clips = open_shards(out.out, **wish)

    assert [clip.path for clip in clips] == paths
    assert len(clips) == clips.lengths().size == len(paths)
    assert [clip.path for clip in pickle.loads(pickle.dumps(clips))] == paths


@pytest.fixture
def split(tmp_path):
    """Three clips in two splits, and the test split's shard first by name."""
    out = OutDir(str(tmp_path))
    out.shard("b1", Video("a", label="cat", label_id=0), split="train")
    out.shard("b2", Video("b", duration_s=2.0), split="train")
    out.shard("b0", Video("c", label="cat", label_id=0), split="test")
    Path(out.layout.classes).write_text('{"cat": 0}')
    return out


@pytest.mark.parametrize(
    ("wish", "paths"),
    [
        ({"split": "all"}, ["c", "a", "b"]),
        ({"split": "train"}, ["a", "b"]),
        ({"split": "test"}, ["c"]),
        ({"split": "train", "labels": ["cat"]}, ["a"]),
        ({"split": "train", "where": "duration_s > 1"}, ["b"]),
        ({"split": "all", "where": "split = 'test'"}, ["c"]),
    ],
    ids=str,
)
def test_only_the_clips_of_a_split_show(split, wish, paths):
    assert [clip.path for clip in open_shards(split.out, **wish)] == paths


@pytest.mark.parametrize("wish", [{}, {"labels": ["cat"]}, {"where": "split = 'test'"}], ids=str)
def test_nobody_trains_on_all_splits_without_saying_so(split, wish):
    with pytest.raises(UsageError, match=r"splits test, train: name one.*split='all'"):
        open_shards(split.out, **wish)


def test_a_data_set_of_windows_names_its_split_too(split):
    paths = [clip.path for clip in ClipDataset(split.out, split="train", window=1).clips]

    assert paths == ["a", "b"]
    assert len(ClipDataset(split.out, split="all", window=1).clips) == 3
    with pytest.raises(UsageError, match="name one"):
        ClipDataset(split.out, window=1)
    with pytest.raises(UsageError, match="goes to open_shards"):
        ClipDataset(open_shards(split.out, split="train"), split="train")


def test_a_split_that_is_not_there_is_refused(split):
    with pytest.raises(UsageError, match="expected a split among test, train; got 'val'"):
        open_shards(split.out, split="val")


def test_where_nothing_is_split_no_split_can_be_wanted(out):
    with pytest.raises(UsageError, match="expected a split among none; got 'train'"):
        open_shards(out.out, split="train")


def test_windows_are_of_the_wanted_clips(out):
    data = ClipDataset(open_shards(out.out, labels=["cat"]), window=3)

    firsts = [round(float(data[i]["frames"][0].mean())) for i in range(len(data))]

    assert firsts == [10, 11, 40, 41]


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"labels": ["cow"]}, "expected labels among cat, dog; got 'cow'"),
        ({"labels": "cow"}, "expected labels among cat, dog; got 'cow'"),
        ({"labels": []}, "labels must name at least one class, got none"),
        ({"labels": 3}, "labels must be names of classes, got 3"),
        ({"labels": ["cat", 3]}, r"labels must be names of classes, got \['cat', 3\]"),
        ({"where": ""}, "where must be a condition in SQL, such as 'fps >= 24', got ''"),
        ({"where": " \n"}, "where must be a condition in SQL"),
        ({"where": 3}, "where must be a condition in SQL, such as 'fps >= 24', got 3"),
        ({"split": 3}, "split must be the name of a split, got 3"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"threads": "2"}, "threads must be at least 1, got '2'"),
        ({"check": "yes"}, "check must be True or False, got 'yes'"),
        ({"where": "fsp > 3"}, "this query has no answer.*fsp"),
        ({"where": "1) ; drop table files"}, "this query has no answer"),
    ],
)
def test_an_impossible_wish_is_refused(out, wish, message):
    with pytest.raises(UsageError, match=message):
        open_shards(out.out, **wish)


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({}, "the data set has 4 clips"),
        ({"where": "fps > 1000"}, "where='fps > 1000' is true of 0 of 4 clips"),
        (
            {"labels": ["cat"], "where": "duration_s = 1"},
            "labels=['cat'] names 2 of 4 clips and where='duration_s = 1' is true of 0 of 4 clips",
        ),
    ],
    ids=str,
)
def test_clips_know_how_they_were_chosen(out, wish, text):
    assert open_shards(out.out, **wish).chosen_by == text


def test_clips_of_a_split_know_it(split):
    assert open_shards(split.out, split="train").chosen_by == (
        "the data set has 2 clips of split 'train'"
    )


def test_a_condition_over_the_frames_of_the_index_is_answered(out):
    """Tables that are made only when a query asks for them, one inside the other."""
    where = "clip_id in (select clip_id from clips where frames = 4 and label = 'dog')"

    assert [clip.path for clip in open_shards(out.out, where=where)] == ["dog/1"]
    nested = "path in (select path from files where duration_s > 5 and label = 'dog')"
    assert [clip.path for clip in open_shards(out.out, where=nested)] == ["dog/1"]
    assert len(open_shards(out.out, where="(select count(*) from files) = 5")) == 4


def test_a_dataset_of_no_clips_is_refused(out):
    with pytest.raises(
        UsageError, match="no clip is chosen: where='false' is true of 0 of 4 clips"
    ):
        ClipDataset(open_shards(out.out, where="false"))


def test_where_nothing_has_a_label_none_can_be_wanted(out):
    Path(out.layout.classes).unlink()

    with pytest.raises(UsageError, match="expected labels among none; got 'cat'"):
        open_shards(out.out, labels=["cat"])
