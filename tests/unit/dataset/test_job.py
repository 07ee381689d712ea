"""A job is read back from where it lies now, and its status has one shape."""

import json
import os

import pytest
from msgspec.structs import replace

from shardmill.contract.errors import DatasetDamaged
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Job, Status
from shardmill.dataset.tally import Tally
from shardmill.storage.files import read_json, write_json


def job(out: str) -> Job:
    return Job(
        name="clips-1234",
        root=os.fsdecode(b"/data/\xff"),
        out=out,
        spec=Spec(fps=24.0, include=("*.mp4",)),
        inputs=7,
        started_s=1.5,
    )


def test_a_job_comes_back_as_it_was(tmp_path):
    written = job(str(tmp_path))
    written.write()

    assert Job.read(str(tmp_path)) == written


def test_a_job_that_was_moved_knows_where_it_lies(tmp_path):
    (tmp_path / "old").mkdir()
    job(str(tmp_path / "old")).write()
    (tmp_path / "old").rename(tmp_path / "new")

    moved = Job.read(str(tmp_path / "new"))

    assert moved is not None
    assert moved.out == str(tmp_path / "new")


def test_a_job_that_names_no_content_version_is_of_the_first(tmp_path):
    job(str(tmp_path)).write()
    path = tmp_path / "job.json"
    values = json.loads(path.read_text())
    del values["content_version"]
    path.write_text(json.dumps(values))

    assert Job.read(str(tmp_path)).content_version == 1


def test_the_command_that_goes_on_is_one_for_a_shell(tmp_path):
    told = replace(job("/my shards"), root="/data/$(x)").command("run")

    assert told == "shardmill run '/data/$(x)' --out '/my shards' --fps 24 --include '*.mp4'"
    probing = replace(job("/o"), root="/d", goal="probe", spec=Spec()).command("submit")
    assert probing == "shardmill probe /d --out /o"


def test_no_job_is_no_error(tmp_path):
    assert Job.read(str(tmp_path)) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"name": "a"}', "null", '{"spec": {"colour": 1}}']
)
def test_a_file_that_is_no_job_is_named(tmp_path, text):
    (tmp_path / "job.json").write_text(text)

    with pytest.raises(DatasetDamaged, match=r"job\.json is n"):
        Job.read(str(tmp_path))


WRONG = [
    *({"name": name} for name in (1, "", "../../x", "a\x1b[31mb\u202e", "a\n", "x" * 101)),
    *({"root": root} for root in (5, "", "rel", None)),
    *({"more_roots": roots} for roots in ("/abc", [1], ["rel"])),
    *({"list_file": file} for file in (5, "rel")),
    *({"goal": goal} for goal in ("x", None, [])),
    *({"content_version": version} for version in ("a", 0, 2**70)),
    *({"inputs": inputs} for inputs in ("9", -1, 1.5, 2**70, True)),
    *({"started_s": seconds} for seconds in ("x", 1e30, float("nan"), -1.0, None)),
    *({"spec": spec} for spec in ([], 5, {"labels": 5}, {"fps": "x"}, {"include": 5})),
    *({"spec": spec} for spec in ({"include": [1]}, {"every": True}, {"all": 1}, {"fps": -1})),
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_value_of_another_type_is_one_sentence(tmp_path, wrong):
    job(str(tmp_path)).write()
    path = tmp_path / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | wrong))

    with pytest.raises(DatasetDamaged, match=r"job\.json is no job of this version: "):
        Job.read(str(tmp_path))


def test_a_status_has_the_keys_that_scripts_rely_on():
    status = Status(
        job="j",
        state="done",
        out="/out",
        inputs=3,
        tally=Tally(ok=1, failed=2, failures={"timeout": 1, "corrupt": 1}),
        seconds=1.23456,
    )

    assert json.loads(json.dumps(status.encode())) == {
        "job": "j",
        "state": "done",
        "out": "/out",
        "inputs": 3,
        "ok": 1,
        "failed": 2,
        "skipped": 0,
        "partial": 0,
        "clips": 0,
        "frames": 0,
        "bytes_in": 0,
        "bytes_out": 0,
        "seconds": 1.235,
        "failures": {"corrupt": 1, "timeout": 1},
    }


def test_a_paused_status_says_why():
    status = Status(job="j", state="paused", out="/out", inputs=None, reason="disk full")

    assert status.encode()["reason"] == "disk full"


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = str(tmp_path / "a.json")
    write_json(path, {"a": 1})

    with pytest.raises(TypeError):
        write_json(path, {"a": object()})

    assert read_json(path) == {"a": 1}
    assert os.listdir(tmp_path) == ["a.json"]
