"""What cannot be is refused before anything is made; what can be has a stable name."""

import re
from pathlib import Path

import pytest

from shardmill.contract.errors import (
    DatasetDamaged,
    EnvironmentFault,
    InvalidInput,
    OutputConflict,
)
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Job
from shardmill.producer.request import Request


def request(root: Path, out: Path, **changes) -> Request:
    asked = {"spec": Spec(fps=5.0), "goal": "extract"} | changes
    return Request(root=str(root), out=str(out), **asked)


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def taken(tmp_path, root) -> Path:
    """An output directory with another run's work."""
    out = tmp_path / "out"
    out.mkdir()
    Job(name="in-1", root=str(root), out=str(out), spec=Spec(fps=5.0)).write()
    return out


@pytest.mark.parametrize(
    ("root_name", "out_name", "error", "match"),
    [
        ("nowhere", "out", InvalidInput, "found nothing"),
        ("file", "out", InvalidInput, "found another file"),
        ("in", "in", OutputConflict, "lies in the input"),
        ("in", "in/out", OutputConflict, "lies in the input"),
        ("in", "link/out", OutputConflict, "lies in the input"),
        ("in", "in/../in/a/b", OutputConflict, "lies in the input"),
        ("in", "file", OutputConflict, "found a file"),
        ("in", "full", OutputConflict, r"holds other files \(1, 2, 3…\)"),
        ("in", "file/out", EnvironmentFault, "cannot write in"),
        ("in", "damaged", DatasetDamaged, "is not JSON"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, root, root_name, out_name, error, match):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(root)
    (tmp_path / "full").mkdir()
    for name in "4321":
        (tmp_path / "full" / name).touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "job.json").write_text("{")
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(error, match=match):
        request(tmp_path / root_name, tmp_path / out_name)

    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["new", "new/deep/er", "empty", "in-2", "hidden"])
def test_a_new_or_empty_place_is_taken(tmp_path, root, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / ".DS_Store").touch()

    assert request(root, tmp_path / name).out == str(tmp_path / name)


def test_the_same_work_goes_on(root, taken):
    request(root, taken)
    request(root, taken, spec=Spec(fps=5.0, item_timeout_s=3.0))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"spec": Spec(fps=6.0)}, "--fps 5 there, 6 here", id="a number"),
        pytest.param(
            {"spec": Spec(fps=5.0, exclude=("*.gif",))},
            "--exclude unset there, *.gif here",
            id="a list",
        ),
        pytest.param({"goal": "probe"}, "extract there, probe here", id="the goal"),
        pytest.param({"root": "other"}, "input ", id="the input"),
    ],
)
def test_other_work_is_refused_with_the_difference_named(tmp_path, root, taken, changes, told):
    (tmp_path / "other").mkdir()
    place = tmp_path / changes.pop("root", "in")

    with pytest.raises(OutputConflict, match=re.escape(told)) as caught:
        request(place, taken, **changes)

    assert "--overwrite" in str(caught.value)
    assert request(place, taken, overwrite=True, **changes)


def test_every_difference_is_named(root, taken):
    with pytest.raises(OutputConflict) as caught:
        request(root, taken, spec=Spec(size="8x8"), goal="probe")

    for told in ("extract there, probe here", "--fps 5 there, unset here", "--size unset there"):
        assert told in str(caught.value)


@pytest.mark.parametrize(
    ("folder", "begin"),
    [
        ("clips", "clips-"),
        ("my clips (2)", "my-clips-2-"),
        ("ünï", "n-"),
        ("%$&", "job-"),
        ("x" * 99, "x" * 40 + "-"),
        ("a\nb", "a-b-"),
    ],
)
def test_a_job_is_named_after_its_folder(tmp_path, folder, begin):
    (tmp_path / folder).mkdir()
    name = request(tmp_path / folder, tmp_path / "out").name

    assert re.fullmatch(re.escape(begin) + "[0-9a-f]{6,16}", name)
    assert request(tmp_path / folder, tmp_path / "out").name == name
    assert request(tmp_path / folder, tmp_path / "other").name != name


def test_the_order_of_several_directories_makes_no_other_job(tmp_path, root):
    (tmp_path / "more").mkdir()
    more, out = tmp_path / "more", tmp_path / "out"

    asked = request(root, out, more_roots=(str(more),))
    out.mkdir()
    Job(
        name=asked.name, root=asked.root, more_roots=asked.more_roots, out=str(out), spec=asked.spec
    ).write()

    assert request(more, out, more_roots=(str(root),)).name == asked.name
    with pytest.raises(OutputConflict, match=f"input {root}, {more} there, {more} here"):
        request(more, out)
