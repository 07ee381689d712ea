"""Folders of numbered pictures become clips, in whole jobs."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from cluster import assert_whole
from command_line import Done, shards
from made_media import picture, video
from shardmill.read import ClipDataset, open_shards

pytestmark = pytest.mark.needs_redis
ALONE = ("--clips-per-shard", "1")
EXACT = ("--encoding", "png", *ALONE)


def numbered(folder: Path, numbers, form: str = "%05d.png", seed: int = 0) -> Path:
    for number in numbers:
        picture(folder / (form % number), seed=seed + number)
    return folder


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """Two classes; a sequence not filled up with zeros, two in one folder, a video, a poster."""
    media = tmp_path / "in"
    numbered(media / "cat" / "v0", range(1, 9))
    numbered(media / "cat" / "v1", range(6, 14), "frame%d.png", seed=100)
    numbered(media / "dog" / "v2", range(5), "left_%04d.png", seed=200)
    numbered(media / "dog" / "v2", range(5), "right_%04d.png", seed=300)
    picture(media / "dog" / "poster.png", seed=400)
    video(media / "dog" / "walk.mp4")
    return media


SEQUENCES = {
    "cat/v0/%05d.png": [f"cat/v0/{n:05d}.png" for n in range(1, 9)],
    "cat/v1/frame%d.png": [f"cat/v1/frame{n}.png" for n in range(6, 14)],
    "dog/v2/left_%04d.png": [f"dog/v2/left_{n:04d}.png" for n in range(5)],
    "dog/v2/right_%04d.png": [f"dog/v2/right_{n:04d}.png" for n in range(5)],
}
ALL_OK = dict.fromkeys([*SEQUENCES, "dog/poster.png", "dog/walk.mp4"], "ok")


def submit(there, media: Path, out: Path, *options: object, code: int = 0) -> Done:
    done = there.submit(media, "--out", out, "--sequences", *options)
    assert done.code == code, done.err
    return done


def table(out: Path) -> dict[str, dict]:
    return {row["path"]: row for row in pq.read_table(out / "files.parquet").to_pylist()}


def frames(out: Path, **options) -> dict[str, np.ndarray]:
    return {clip.path: clip.frames() for clip in open_shards(str(out), **options)}


def read(media: Path, names: list[str]) -> np.ndarray:
    """The pictures as OpenCV reads them, shape (N, H, W, 3), RGB."""
    return np.stack([cv2.imread(str(media / name))[..., ::-1] for name in names])


def test_each_folder_is_one_clip_of_its_pictures(there, media, out):
    done = submit(there, media, out, *EXACT, "--fps-of", "10", "--json")

    assert_whole(out, ALL_OK)
    numbers = ("inputs", "ok", "clips", "frames")
    assert [done.json[name] for name in numbers] == [6, 6, 6, 26 + 1 + 5]
    assert "26 numbered pictures taken as 4 image sequences" in done.err
    found = frames(out)
    for path, names in SEQUENCES.items():
        assert np.array_equal(found[path], read(media, names)), path
    told = table(out)
    assert {path: told[path]["label"] for path in SEQUENCES} == {
        **dict.fromkeys(list(SEQUENCES)[:2], "cat"),
        **dict.fromkeys(list(SEQUENCES)[2:], "dog"),
    }
    size_bytes = sum((media / name).stat().st_size for name in SEQUENCES["cat/v0/%05d.png"])
    row = told["cat/v0/%05d.png"]
    names = ("kind", "container", "fps", "duration_s", "pictures", "pictures_missing", "size_bytes")
    assert [row[name] for name in names] == ["video", "image2", 10.0, 0.8, 8, 0, size_bytes]
    windows = ClipDataset(str(out), window=8)
    assert (
        sorted(windows[k]["pts_ns"].tolist() for k in range(2))
        == [[number * 100_000_000 for number in range(8)]] * 2
    )

    before = shards(out)
    again = submit(there, media, out, *EXACT, "--fps-of", "10")
    assert "6 of 6 inputs are done already" in again.err
    assert shards(out) == before


def test_without_the_option_the_folders_are_pointed_out(there, media, out):
    done = there.submit(media, "--out", out)

    assert done.code == 0
    assert "2 folders hold numbered pictures (16 files)" in done.err
    assert len(table(out)) == 28
    refused = there.submit(media, "--out", out, "--sequences")
    assert refused.code == 2
    assert "--sequences unset there, True here" in refused.only_sentence


def add(media: Path) -> None:
    picture(media / "cat" / "v1" / "frame14.png", seed=114)


def remove(media: Path) -> None:
    (media / "cat" / "v1" / "frame9.png").unlink()


def replace_one(media: Path) -> None:
    """By another picture, of a time before that of the newest."""
    path = media / "cat" / "v1" / "frame8.png"
    before = path.stat().st_mtime_ns
    picture(path, seed=999)
    os.utime(path, ns=(1, before - 1))


def swap(media: Path) -> None:
    one, other = media / "cat" / "v1" / "frame7.png", media / "cat" / "v1" / "frame8.png"
    one.rename(media / "cat" / "v1" / "x")
    other.rename(one)
    (media / "cat" / "v1" / "x").rename(other)


@pytest.mark.parametrize("change", [add, remove, replace_one, swap], ids=lambda f: f.__name__)
def test_after_a_change_of_one_picture_its_clip_alone_is_made_again(
    there, media, out, tmp_path, change: Callable[[Path], None]
):
    submit(there, media, out, *EXACT)
    before = {path: row["shard"] for path, row in table(out).items()}
    times = shards(out)
    change(media)

    again = submit(there, media, out, *EXACT)

    assert "5 of 6 inputs are done already" in again.err
    assert_whole(out, ALL_OK)
    submit(there, media, tmp_path / "fresh", *EXACT)
    assert {path: row["pictures_digest"] for path, row in table(out).items()} == {
        path: row["pictures_digest"] for path, row in table(tmp_path / "fresh").items()
    }
    found, fresh = frames(out), frames(tmp_path / "fresh")
    assert all(np.array_equal(found[path], fresh[path]) for path in ALL_OK)
    names = sorted((media / "cat" / "v1").iterdir(), key=lambda path: int(path.stem[5:]))
    assert np.array_equal(found["cat/v1/frame%d.png"], read(media, names))
    changed = {path for path, row in table(out).items() if row["shard"] != before[path]}
    assert changed == {"cat/v1/frame%d.png"}
    kept = {os.path.basename(before[path]) for path in ALL_OK if path not in changed}
    assert {name: shards(out)[name] for name in kept} == {name: times[name] for name in kept}


def test_a_broken_picture_fails_its_clip_until_it_is_mended(there, media, out):
    path = media / "cat" / "v0" / "00004.png"
    sound = path.read_bytes()
    path.write_bytes(sound[: len(sound) // 2])

    submit(there, media, out, *EXACT, code=3)

    assert_whole(out, ALL_OK | {"cat/v0/%05d.png": "corrupt"})
    assert "Picture 00004.png: " in there.run("failures", out).out
    path.write_bytes(sound)
    retried = there.run("retry", out)
    assert retried.code == 0, retried.err
    assert_whole(out, ALL_OK)
    found = frames(out)["cat/v0/%05d.png"]
    assert np.array_equal(found, read(media, SEQUENCES["cat/v0/%05d.png"]))


def test_the_frames_before_a_broken_picture_are_kept_when_that_is_asked_for(there, media, out):
    (media / "cat" / "v0" / "00004.png").write_bytes(b"")

    done = submit(there, media, out, *EXACT, "--keep-partial", "--json")

    assert done.json["partial"] == 1
    row = table(out)["cat/v0/%05d.png"]
    assert (row["status"], row["error_class"], row["frames_kept"]) == ("ok", "corrupt", 3)


SHAPES = {
    "tfrecord": ("--encoding", "png"),
    "webdataset": ("--encoding", "png"),
    "hdf5": ("--encoding", "raw"),
    "npy": ("--encoding", "raw", "--size", "32x24"),
}


@pytest.mark.parametrize("form", SHAPES)
def test_every_format_holds_the_clips(there, media, out, form):
    submit(there, media, out, "--format", form, *SHAPES[form])

    assert_whole(out, ALL_OK)
    found = frames(out)
    assert all(np.array_equal(found[path], read(media, SEQUENCES[path])) for path in SEQUENCES)


def test_annotations_name_the_folder_or_the_sequence(there, media, out, tmp_path):
    """A folder of two sequences could be either, so it is given to neither."""
    rows = [
        "path,label,start,end,split",
        "cat/v0,jump,0,0.2,train",
        "cat/v0,land,0.2,,train",
        "cat/v1/frame%d.png,sit,,,val",
        "dog/v2/left_%04d.png,run,,,train",
        "dog/v2,walk,,,val",
        "dog/walk.mp4,walk,,,val",
    ]
    (tmp_path / "clips.csv").write_text("\n".join(rows))

    submit(there, media, out, *EXACT, "--labels", tmp_path / "clips.csv")

    found = {
        (row["path"], row["segment"]): (row["status"], row["label"], row["split"])
        for part in (out / "manifest").iterdir()
        for row in pq.read_table(part).to_pylist()
    }
    assert found == {
        ("cat/v0/%05d.png", 0): ("ok", "jump", "train"),
        ("cat/v0/%05d.png", 1): ("ok", "land", "train"),
        ("cat/v1/frame%d.png", 0): ("ok", "sit", "val"),
        ("dog/v2/left_%04d.png", 0): ("ok", "run", "train"),
        ("dog/v2", 0): ("skipped", "walk", "val"),
        ("dog/v2/right_%04d.png", 0): ("skipped", None, None),
        ("dog/poster.png", 0): ("skipped", None, None),
        ("dog/walk.mp4", 0): ("ok", "walk", "val"),
    }
    train = open_shards(str(out), split="train")
    clips = {(clip.path, clip.label): clip.frames() for clip in train}
    jump, land = (clips["cat/v0/%05d.png", label] for label in ("jump", "land"))
    assert np.array_equal(np.concatenate([jump, land]), read(media, SEQUENCES["cat/v0/%05d.png"]))
    assert len(jump) == 5


def test_annotations_find_a_folder_by_its_name_as_they_find_a_file(there, media, out, tmp_path):
    """As in the lists of UCF101, which name videos."""
    (tmp_path / "list.csv").write_text("path,label\nv0.avi,jump\nfar/v1.avi,sit\n")

    submit(there, media, out, "--labels", tmp_path / "list.csv", "--form", "match=stem")

    labels = {path: row["label"] for path, row in table(out).items() if row["status"] == "ok"}
    assert labels == {"cat/v0/%05d.png": "jump", "cat/v1/frame%d.png": "sit"}


def test_sequences_of_one_folder_go_to_one_split(there, tmp_path, out):
    media = tmp_path / "in"
    for number in range(8):
        for side in ("l%d.png", "r%d.png"):
            numbered(media / f"{number}", range(2), side, seed=10 * number)

    submit(there, media, out, "--split", "train=.5,val=.5", *ALONE)

    folders = {
        split: {clip.path.split("/")[0] for clip in open_shards(str(out), split=split)}
        for split in ("train", "val")
    }
    assert not folders["train"] & folders["val"]
    assert (len(folders["train"]), len(folders["val"])) == (4, 4)
    assert {row["label"] for row in table(out).values()} == {None}


def test_the_first_of_equal_sequences_is_kept(there, tmp_path, out):
    media = tmp_path / "in"
    for folder, seed in (("a", 0), ("b", 0), ("c", 5)):
        numbered(media / folder, range(4), "%d.bmp", seed=seed)
    numbered(media / "d", range(4), "%02d.bmp")

    submit(there, media, out, "--dedup", "exact")

    told = {path: row["error_message"] for path, row in table(out).items()}
    assert told == {
        "a/%d.bmp": None,
        "b/%d.bmp": "duplicate of a/%d.bmp",
        "c/%d.bmp": None,
        "d/%02d.bmp": "duplicate of a/%d.bmp",
    }


def test_paths_below_one_of_several_directories_begin_with_its_name(there, media, out, tmp_path):
    numbered(tmp_path / "more", range(3))

    done = there.submit(media, tmp_path / "more", "--out", out, "--sequences")

    assert done.code == 0, done.err
    assert_whole(out, {f"in/{path}": "ok" for path in ALL_OK} | {"more/%05d.png": "ok"})
    labels = {path: row["label"] for path, row in table(out).items()}
    assert (labels["more/%05d.png"], labels["in/cat/v0/%05d.png"]) == (None, "cat")


def test_a_pattern_finds_its_label_in_the_name_of_the_sequence(there, media, out):
    submit(there, media, out, "--labels", "(?P<label>left|right)")

    labels = {path: row["label"] for path, row in table(out).items()}
    assert {path: label for path, label in labels.items() if label} == {
        "dog/v2/left_%04d.png": "left",
        "dog/v2/right_%04d.png": "right",
    }
    assert json.loads((out / "classes.json").read_text()) == {"left": 0, "right": 1}


def test_a_plan_foresees_what_sequences_become(there, media, out):
    planned = there.run("plan", media, "--out", out, "--sequences", "--fps", "5", "--json")
    done = submit(there, media, out, "--fps", "5", "--json")

    assert planned.code == 0, planned.err
    plan = planned.json
    assert (plan["inputs"], plan["clips"], plan["sampled"]) == (6, 6, 6)
    assert plan["frames"]["value"] == pytest.approx(done.json["frames"], abs=1)
    assert not plan["failures"]


def test_probing_to_the_end_finds_what_is_broken(there, media, out):
    (media / "cat" / "v1" / "frame9.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    probed = there.run("probe", media, "--out", out, "--sequences", "--check")

    assert probed.code == 3, probed.err
    told = table(out)
    assert told["cat/v0/%05d.png"]["frames_counted"] == 8
    assert told["cat/v1/frame%d.png"]["error_class"] == "corrupt"
    assert told["cat/v1/frame%d.png"]["error_message"].startswith("Picture frame9.png: ")
