"""What the options say of annotations: which files, read how."""

import os

import pytest

from shardmill.annotations import check_options, with_absolute_paths
from shardmill.annotations.presets import PRESETS
from shardmill.annotations.sources import sources_of
from shardmill.contract.errors import InvalidAnnotations, UsageError
from shardmill.contract.spec import Spec
from shardmill.producer.request import Request


def only(**options):
    """The one source that there is."""
    (source,) = sources_of(Spec(**options)).each
    return source


def asked(spec):
    """What tells of a job's inputs, as a request asks for it."""
    check_options(spec)
    return sources_of(spec)


@pytest.mark.parametrize("labels", ["dirs", "last", "none", r"(?P<label>g\d+)"])
def test_paths_alone_are_no_annotations(labels, tmp_path):
    spec = Spec(labels=labels)
    request = Request(root=str(tmp_path), out=f"{tmp_path}-out", spec=spec, goal="extract")

    assert request.sources is None


def test_a_file_is_read_by_its_columns_names():
    source = only(labels="a.csv")

    assert (source.path, source.preset) == ("a.csv", PRESETS["columns"])


def test_columns_are_named_and_an_empty_one_is_none():
    columns = only(
        labels="a.csv", columns=("path=video,label=a class,split=", "label_separator=,,start=t0")
    ).preset.columns

    assert (columns.path, columns.label, columns.start) == ("video", "a class", "t0")
    assert (columns.split, columns.label_separator, columns.end) == (None, ",", "end")


def test_a_path_or_a_label_takes_the_place_of_what_a_preset_makes_them_of():
    kinetics = only(labels="a.csv", preset="kinetics", columns=("path=file",)).preset.columns
    ucf = only(labels="trainlist01.txt", preset="ucf101", columns=("label=class_number",))

    assert (kinetics.path, kinetics.template) == ("file", None)
    assert (ucf.preset.columns.label, ucf.preset.columns.label_folder) == ("class_number", None)


def test_the_form_has_names_and_steps():
    sources = sources_of(
        Spec(labels="a.x", form=("format=csv,delimiter=;,names=path:label,match=stem",))
    )
    inside = only(labels="a.json", form=("inside=a.b",)).preset.form.inside

    form = sources.each[0].preset.form
    assert (form.format, form.delimiter, form.names, sources.match) == (
        *("csv", ";", ("path", "label")),
        "stem",
    )
    assert inside == ("a", "b")


def test_each_file_has_its_own_split_and_of_a_family_its_own_preset():
    found = sources_of(
        Spec(labels=("x/trainlist01.txt", "mine=testlist02.txt"), preset="ucf101", classes="c.txt")
    )

    assert [(s.path, s.preset.split) for s in found.each] == [
        ("x/trainlist01.txt", "train"),
        ("testlist02.txt", "mine"),
    ]
    assert found.each[0].preset == PRESETS["ucf101-train"]
    assert (found.classes, found.class_order) == ("c.txt", "code label")


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ({"preset": "imagenet-folders"}, {"label_folder": "last"}),
        ({"classes": "c.txt"}, {"label_folder": "first"}),
        ({"classes": "c.txt", "labels": "last"}, {"label_folder": "last"}),
        (
            {"classes": "c.txt", "labels": "(?P<label>.)"},
            {"label": "path", "label_pattern": "(?P<label>.)"},
        ),
    ],
    ids=str,
)
def test_with_a_list_of_classes_the_paths_are_the_annotations(options, columns):
    source = only(**options)

    assert source.path is None
    assert {name: getattr(source.preset.columns, name) for name in columns} == columns


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"columns": ("path=a",)}, "--columns and --form tell of files"),
        ({"strict": True}, "give --labels FILE too"),
        ({"keep_unannotated": True}, "give --labels FILE too"),
        ({"preset": "kinetics"}, "expected --labels FILE with --preset kinetics"),
        ({"preset": "ucf101-train"}, "expected --labels FILE with --preset ucf101-train"),
        ({"preset": "x", "labels": "a.csv"}, "expected one of columns, imagenet, .*, got 'x'"),
        ({"preset": "ucf101", "labels": "a.txt"}, "begins with trainlist or testlist"),
        ({"classes": "c.txt", "labels": "none"}, "leave one of them out"),
        ({"labels": "a.csv", "columns": ("path",)}, "expected --columns as name=value"),
        ({"labels": "a.csv", "columns": ("path=",)}, "expected a column as path"),
        ({"labels": "a.csv", "columns": ("path=a,path=b",)}, "each name once"),
        ({"labels": "a.csv", "columns": ("colour=a",)}, "got 'colour=a'"),
        ({"labels": "a.csv", "columns": ("template={",)}, "expected columns in braces"),
        ({"labels": "a.csv", "columns": ("label_folder=third",)}, "expected first or last"),
        ({"labels": "a.csv", "form": ("match=name",)}, "expected path or stem as match"),
        ({"labels": "a.csv", "form": ("format=xls",)}, "expected one of csv"),
    ],
    ids=str,
)
def test_options_that_say_nothing_are_refused(options, why):
    with pytest.raises(UsageError, match=why):
        asked(Spec(**options))


def test_a_missing_file_is_told_before_anything_begins(tmp_path):
    (tmp_path / "a.csv").write_text("path\n")
    here = {"labels": f"train={tmp_path}/a.csv"}
    sources_of(Spec(**here)).check_files()

    with pytest.raises(InvalidAnnotations, match=r"no file '.*/c\.txt'"):
        sources_of(Spec(**here, classes=f"{tmp_path}/c.txt")).check_files()
    with pytest.raises(InvalidAnnotations, match=r"expected dirs, last, none, .* 'dir'"):
        sources_of(Spec(labels="dir")).check_files()


def test_files_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = with_absolute_paths(Spec(labels=("train=a.csv", "../b.csv"), classes="c.txt"))

    above = os.path.dirname(tmp_path)
    assert spec.labels == (f"train={tmp_path}/a.csv", f"{above}/b.csv")
    assert spec.classes == f"{tmp_path}/c.txt"
    assert with_absolute_paths(Spec(labels="last")) == Spec(labels="last")
