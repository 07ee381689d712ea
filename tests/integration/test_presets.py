"""Data sets that have a preset, from their own files to the clips: small samples, named as theirs.

Each has two videos or pictures that its files speak of, one file that is missing, and one that they
do not speak of; every count is worked out by hand.
"""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from made_media import picture, video
from shardmill.read import open_shards

pytestmark = pytest.mark.needs_redis

KINETICS = """\
label,youtube_id,time_start,time_end,split
testifying,---QUuC4vJs,0,1,validate
washing feet,--33Lscn6sk,1,3,validate
"air, drumming",-0h3RRxYwSQ,137,147,validate
"""
TRAINLIST = """\
ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\r
YoYo/v_YoYo_g25_c05.avi 101\r
"""
TESTLIST = "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi\r\n"
CLASSIND = "1 ApplyEyeMakeup\r\n2 ApplyLipstick\r\n101 YoYo\r\n"
SYNSETS = "n01440764 tench, Tinca tinca\nn02012849 crane\nn03126707 crane\n"
VAL_SOLUTION = """\
ImageId,PredictionString
ILSVRC2012_val_00048981,n03126707 85 1 499 272\x20
ILSVRC2012_val_00037956,n01440764 131 0 499 254 n01440764 1 2 3 4\x20
ILSVRC2012_val_00000001,n01440764 131 0 499 254\x20
"""
SOMETHING = [
    {"id": "78687", "template": "Holding [something]", "placeholders": ["potato"]},
    {"id": "42326", "template": "Pushing [something] off", "placeholders": ["cloth"]},
]
SOMETHING_VAL = [{"id": "9", "template": "Holding [something]"}, {"id": "404", "template": "None"}]
SOMETHING_LABELS = {"Holding something": "0", "Pushing something off": "1"}

CASES = {
    "kinetics": (
        [
            "val/---QUuC4vJs_000000_000001.mp4",
            "--33Lscn6sk_000001_000003.mp4",
            "x_000000_000001.mp4",
        ],
        {"kinetics700_validate.csv": KINETICS},
        ["kinetics700_validate.csv"],
        {
            "val/---QUuC4vJs_000000_000001.mp4": ("testifying", "validate", 30),
            "--33Lscn6sk_000001_000003.mp4": ("washing feet", "validate", 30),
        },
        {"-0h3RRxYwSQ_000137_000147": "no such file", "x_000000_000001.mp4": "no annotation"},
    ),
    "kinetics-untrimmed": (
        ["---QUuC4vJs.mp4", "--33Lscn6sk.mp4", "x.mp4"],
        {"val.csv": KINETICS},
        ["val.csv"],
        {
            "---QUuC4vJs.mp4": ("testifying", "validate", 10),  # of 30 frames, ten a second
            "--33Lscn6sk.mp4": ("washing feet", "validate", 20),
        },
        {"-0h3RRxYwSQ": "no such file", "x.mp4": "no annotation"},
    ),
    "ucf101": (
        [
            "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi",
            "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi",
            "YoYo/v_YoYo_g01_c01.avi",
        ],
        {"trainlist01.txt": TRAINLIST, "testlist01.txt": TESTLIST, "classInd.txt": CLASSIND},
        ["trainlist01.txt", "testlist01.txt", "--classes", "classInd.txt"],
        {
            "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi": ("ApplyEyeMakeup", "train", 30),
            "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi": ("ApplyEyeMakeup", "test", 30),
        },
        {"YoYo/v_YoYo_g25_c05.avi": "no such file", "YoYo/v_YoYo_g01_c01.avi": "no annotation"},
    ),
    "imagenet": (
        ["val/ILSVRC2012_val_00048981.png", "val/ILSVRC2012_val_00037956.png", "val/x.png"],
        {"LOC_val_solution.csv": VAL_SOLUTION, "LOC_synset_mapping.txt": SYNSETS},
        ["val=LOC_val_solution.csv", "--classes", "LOC_synset_mapping.txt"],
        {
            "val/ILSVRC2012_val_00048981.png": ("crane (n03126707)", "val", 1),
            "val/ILSVRC2012_val_00037956.png": ("tench, Tinca tinca", "val", 1),
        },
        {"ILSVRC2012_val_00000001": "no such file", "val/x.png": "no annotation"},
    ),
    "imagenet-folders": (
        ["train/n01440764/n01440764_1.png", "train/n02012849/n02012849_2.png", "train/n0/x.png"],
        {"LOC_synset_mapping.txt": SYNSETS},
        ["--classes", "LOC_synset_mapping.txt"],
        {
            "train/n01440764/n01440764_1.png": ("tench, Tinca tinca", None, 1),
            "train/n02012849/n02012849_2.png": ("crane (n02012849)", None, 1),
        },
        {"train/n0/x.png": "no annotation"},
    ),
    "something-something": (
        ["20bn/78687.webm", "20bn/9.webm", "20bn/5.webm"],
        {
            "train.json": json.dumps(SOMETHING),
            "validation.json": json.dumps(SOMETHING_VAL),
            "labels.json": json.dumps(SOMETHING_LABELS),
        },
        ["train=train.json", "val=validation.json", "--classes", "labels.json"],
        {
            "20bn/78687.webm": ("Holding something", "train", 30),
            "20bn/9.webm": ("Holding something", "val", 30),
        },
        {"42326": "no such file", "20bn/5.webm": "no annotation"},
    ),
}
BAD = {"imagenet-folders": 1, "something-something": 1}
"""How many annotations are of a class that the list has not."""


@pytest.mark.parametrize("preset", CASES)
def test_a_data_set_becomes_clips_with_its_own_files(home, tmp_path, out, preset):
    inputs, files, words, clips, skipped = CASES[preset]
    for number, name in enumerate(inputs):
        path = tmp_path / "in" / name
        _ = picture(path, seed=number) if path.suffix == ".png" else _video(path)
    for name, content in files.items():
        (tmp_path / name).write_text(content, newline="")
    options = [str(tmp_path / word) if word in files else word for word in words]
    for split in ("train", "val"):
        options = [o.replace(f"{split}=", f"{split}={tmp_path}/", 1) for o in options]
    cut = options.index("--classes") if "--classes" in options else len(options)
    labels = [word for each in options[:cut] for word in ("--labels", each)]

    done = home.run(
        *("run", tmp_path / "in", "--out", out, "--preset", preset, *labels, *options[cut:]),
        *("--size", "16x12", "--json"),
    )

    assert done.code == 0, done.err
    numbers = [done.json[name] for name in ("inputs", "ok", "failed", "skipped", "clips")]
    assert numbers == [len(clips) + len(skipped), len(clips), 0, len(skipped), len(clips)]
    assert (f"{BAD.get(preset, 0)} bad annotation left out: label 1" in done.err) == (preset in BAD)
    rows = {row["path"]: row for row in pq.read_table(out / "files.parquet").to_pylist()}
    assert {
        path: (row["label"], row["split"], row["frames_kept"])
        for path, row in rows.items()
        if row["status"] == "ok"
    } == clips
    reasons = {p: r["error_message"].partition(";")[0] for p, r in rows.items() if p in skipped}
    assert reasons == skipped
    assert {clip.path: clip.label for clip in open_shards(str(out), split="all")} == {
        path: label for path, (label, _, _) in clips.items()
    }
    assert home.run("verify", out).code == 0


def _video(path: Path) -> None:
    """A clip of three seconds; the container is told by its content, whatever the suffix."""
    made = video(path.with_suffix(".mp4"), frames=30)
    if made != path:
        made.rename(path)
