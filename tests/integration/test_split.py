"""Splits from the command line to the reader: own shards, groups together, the same for good."""

from made_media import picture
from shardmill.dataset.layout import Layout
from shardmill.read import open_shards

SPEC = ("--size", "16x12", "--split", "train=.75,val=.25", "--split-group", r"_(g\d+)_")


def add(media, label, groups):
    for group in groups:
        for clip in range(3):
            path = media / label / f"v_g{group:02}_c{clip}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(path, seed=100 * group + clip)


def splits(out) -> dict[str, str]:
    return {
        clip.path: split
        for split in ("train", "val")
        for clip in open_shards(str(out), split=split)
    }


def groups_are_whole(found: dict[str, str]) -> bool:
    """No group, of whatever class, is in two splits."""
    where: dict[str, set[str]] = {}
    for path, split in found.items():
        where.setdefault(path.split("_")[1], set()).add(split)
    return all(len(splits) == 1 for splits in where.values())


def test_splits_have_their_own_shards_and_sources_keep_their_split(there, tmp_path):
    media, out = tmp_path / "in", tmp_path / "out"
    for label, first in (("dive", 0), ("run", 8)):
        add(media, label, range(first, first + 8))

    done = there.submit(media, "--out", out, *SPEC)

    assert done.code == 0, done.err
    found = splits(out)
    assert len(found) == 48
    for label in ("dive", "run"):  # 24 of each class: 18 and 6
        assert sum(s == "val" for path, s in found.items() if path.startswith(label)) == 6
    assert groups_are_whole(found)
    folders = {name.split("/")[0] for name in Layout(str(out)).shard_names()}
    assert folders == {"train", "val"}
    assert there.run("verify", out).code == 0
    told = there.run(
        "query", out, "select split, count(*) from files group by 1 order by 1", "--csv"
    )
    assert told.out.split() == ["split,count_star()", "train,36", "val,12"]

    add(media, "dive", range(20, 24))
    add(media, "run", [7])  # to a group that the other class has already
    assert there.submit(media, "--out", out, *SPEC).code == 0

    later = splits(out)
    assert {path: later[path] for path in found} == found
    assert len(later) == 48 + 12 + 3
    assert groups_are_whole(later)
    assert there.run("verify", out).code == 0
    assert there.run("clean", out, "--yes").code == 0
    assert splits(out) == later


def test_other_splits_are_another_job(there, tmp_path):
    media, out = tmp_path / "in", tmp_path / "out"
    add(media, "dive", range(2))
    assert there.submit(media, "--out", out, *SPEC).code == 0

    again = there.submit(media, "--out", out, "--size", "16x12")

    assert again.code == 2
    assert "--split train=.75,val=.25 there, unset here" in again.only_sentence
