"""The data sets that have a preset, each on a small sample written after its documentation."""

import json

import pytest

from annotation_desk import joined
from shardmill.annotations.classes import read_classes
from shardmill.annotations.presets import PRESETS
from shardmill.annotations.records import Faults
from shardmill.contract.errors import InvalidAnnotations
from shardmill.contract.spec import Spec

KINETICS = """\
label,youtube_id,time_start,time_end,split
testifying,---QUuC4vJs,84,94,validate
washing feet,--33Lscn6sk,4,14,validate
"air, drumming",-0h3RRxYwSQ,137,147,validate
"""
KINETICS_400 = """\
label,youtube_id,time_start,time_end,split,is_cc
clay pottery making,---0dWlqevI,19,29,train,0
"""
KINETICS_TEST = "youtube_id,time_start,time_end,split\n---v8pgm1eQ,0,10,test\n"
TRAINLIST = """\
ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\r
ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c02.avi 1\r
YoYo/v_YoYo_g25_c05.avi 101\r
"""
TESTLIST = "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi\r\nYoYo/v_YoYo_g01_c01.avi\r\n"
CLASSIND = "1 ApplyEyeMakeup\r\n2 ApplyLipstick\r\n101 YoYo\r\n"
SYNSETS = """\
n01440764 tench, Tinca tinca
n02012849 crane
n03126707 crane
n01751748 sea snake
"""
WORDS = "n01440764\ttench, Tinca tinca\nn01751748\tsea snake\n"
VAL_SOLUTION = """\
ImageId,PredictionString
ILSVRC2012_val_00048981,n03126707 85 1 499 272\x20
ILSVRC2012_val_00037956,n01751748 131 0 499 254 n01751748 1 2 3 4\x20
"""
SOMETHING = json.dumps(
    [
        {
            "id": "78687",
            "label": "holding potato next to vicks vaporub bottle",
            "template": "Holding [something] next to [something]",
            "placeholders": ["potato", "vicks vaporub bottle"],
        },
        {
            "id": "42326",
            "label": "pushing a cloth onto the floor",
            "template": "Pushing [something] off of [something]",
            "placeholders": ["cloth", "floor"],
        },
    ],
    indent=0,
)
SOMETHING_LABELS = json.dumps(
    {"Approaching something with your camera": "0", "Holding something next to something": "46"}
    | {"Pushing something off of something": "93"}
)


@pytest.fixture
def matched(tmp_path, monkeypatch):
    """Path, labels and split of what is matched, and how many files are missing or bare."""
    monkeypatch.chdir(tmp_path)

    def matched(preset, files, inputs, **options):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content.encode())
        labels = tuple(name for name in files if name != options.get("classes"))
        found = joined(inputs, Spec(labels=labels, preset=preset, strict=True, **options))
        rows = [(row["path"], *row["labels"], row["split"]) for row in found.rows]
        bare = list(found.skipped.values()).count("no annotation")
        return rows, len(found.skipped) - bare, bare

    return matched


def test_kinetics_as_its_clips_are_commonly_cut(desk, matched):
    found = desk.read("kinetics700_validate.csv", KINETICS, PRESETS["kinetics"])
    inputs = [
        "val/testifying/---QUuC4vJs_000084_000094.mp4",
        "val/--33Lscn6sk_000004_000014.webm",
        "val/-0h3RRxYwSQ_000137_000148.mp4",
    ]

    assert found.left_out == []
    assert [a.start_ns for a in found.annotations] == [None] * 3, "the files are cut already"
    assert matched("kinetics", {"kinetics700_validate.csv": KINETICS}, inputs) == (
        [(inputs[1], "washing feet", "validate"), (inputs[0], "testifying", "validate")],
        1,
        1,
    )


def test_kinetics_whole_videos_give_ranges(desk):
    preset = PRESETS["kinetics-untrimmed"]
    (clip,) = desk.read("train.csv", KINETICS_400, preset).annotations

    assert (clip.source, clip.labels, clip.split) == (
        "---0dWlqevI",
        ("clay pottery making",),
        "train",
    )
    assert (clip.start_ns, clip.end_ns) == (19_000_000_000, 29_000_000_000)
    assert clip.extra == {"youtube_id": "---0dWlqevI", "is_cc": "0"}


def test_kinetics_without_labels(desk):
    (clip,) = desk.read("test.csv", KINETICS_TEST, PRESETS["kinetics"]).annotations

    assert (clip.source, clip.labels, clip.split) == ("---v8pgm1eQ_000000_000010", (), "test")


def test_ucf101_lists(desk, matched):
    files = {"trainlist01.txt": TRAINLIST, "testlist01.txt": TESTLIST, "classInd.txt": CLASSIND}
    names = [
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c02.avi",
        "YoYo/v_YoYo_g25_c05.avi",
    ]

    assert matched("ucf101", files, names, classes="classInd.txt") == (
        [
            (names[0], "ApplyEyeMakeup", "test"),
            (names[1], "ApplyEyeMakeup", "train"),
            (names[2], "ApplyEyeMakeup", "train"),
            (names[3], "YoYo", "train"),
        ],
        1,
        0,
    )
    found = desk.read("trainlist01.txt", TRAINLIST, PRESETS["ucf101-train"])
    assert found.annotations[2].extra == {"class_number": "101"}


def test_a_list_of_ucf101_that_names_another_class(desk):
    classes = read_classes(desk.write("classInd.txt", CLASSIND), "code label", Faults())
    found = desk.read("t.txt", "NoSuch/v_x.avi 7\n", PRESETS["ucf101-train"], classes=classes)

    assert found.left_out == [(1, "label")]


def test_imagenet_solution_files(matched):
    files = {"LOC_val_solution.csv": VAL_SOLUTION, "LOC_synset_mapping.txt": SYNSETS}
    inputs = ["val/ILSVRC2012_val_00037956.JPEG", "val/ILSVRC2012_val_00048981.JPEG"]

    assert matched("imagenet", files, inputs, classes="LOC_synset_mapping.txt") == (
        [(inputs[0], "sea snake", None), (inputs[1], "crane (n03126707)", None)],
        0,
        0,
    )


@pytest.mark.parametrize(
    ("name", "content"), [("LOC_synset_mapping.txt", SYNSETS), ("words.txt", WORDS)]
)
def test_imagenet_folders_are_synsets(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    inputs = [
        "train/n01440764/n01440764_10026.JPEG",
        "n01751748/x.JPEG",
        "n99999999/x.JPEG",
        "x.JPEG",
    ]

    found = joined(inputs, Spec(preset="imagenet-folders", classes=f"{tmp_path}/{name}"))

    assert found.pairs == [
        (inputs[1], ("sea snake",)),
        (inputs[0], ("tench, Tinca tinca",)),
        (inputs[3], ()),
    ]
    assert found.notes[1] == "1 bad annotation left out: label 1"


def test_something_something(desk, matched):
    files = {"train.json": SOMETHING, "labels.json": SOMETHING_LABELS}
    inputs = ["20bn/78687.webm", "20bn/7868.webm"]

    assert matched("something-something", files, inputs, classes="labels.json") == (
        [("20bn/78687.webm", "Holding something next to something", None)],
        1,
        1,
    )
    found = desk.read("train.json", SOMETHING, PRESETS["something-something"])
    assert found.annotations[1].extra["placeholders"] == ["cloth", "floor"]
    assert found.left_out == []


def test_something_something_without_labels(desk):
    found = desk.read("test.json", '[{"id": "1420"}]', PRESETS["something-something"])

    assert [(a.source, a.labels) for a in found.annotations] == [("1420", ())]


@pytest.mark.parametrize(
    ("name", "content", "order", "codes", "labels"),
    [
        ("c.txt", "abseiling\n\nriding a bike\r\n", "label", {}, ("abseiling", "riding a bike")),
        (
            "c.txt",
            CLASSIND,
            "code label",
            {"1": "ApplyEyeMakeup", "2": "ApplyLipstick", "101": "YoYo"},
            ("ApplyEyeMakeup", "ApplyLipstick", "YoYo"),
        ),
        ("c.json", '{"b": 1, "a": "0"}', "label", {"1": "b", "0": "a"}, ("b", "a")),
        ("c.json", '{"b": null}', "label", {}, ("b",)),
    ],
)
def test_a_list_of_classes(desk, name, content, order, codes, labels):
    classes = read_classes(desk.write(name, content), order, Faults())

    assert (classes.codes, tuple(classes.known)) == (codes, labels)


@pytest.mark.parametrize(
    ("name", "content", "order", "message"),
    [
        ("c.txt", "a\na\n", "label", "each label once .* 'a"),
        ("c.txt", "1 a\n1 b\n", "code label", "each code once .* '1'"),
        ("c.txt", "1 a\n2\n", "code label", "expected a code label in .* got '2'"),
        ("c.txt", "x" * 2_000_000, "label", "line 1"),
        ("c.json", '{"a": tru}', "label", "broken JSON"),
        ("c.json", '["a"]', "label", "expected a label"),
    ],
)
def test_what_is_no_list_of_classes_is_refused(desk, name, content, order, message):
    with pytest.raises(InvalidAnnotations, match=message):
        read_classes(desk.write(name, content), order, Faults())
