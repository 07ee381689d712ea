"""Failed files are tried again on their own; everything else stays as it is."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster import assert_whole
from command_line import rows, shards
from made_media import picture, video
from shardmill.dataset.layout import Layout

pytestmark = pytest.mark.needs_redis
SIZE = ("--size", "16x12")
LIMITS = ("--item-timeout", "2")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A sound file, one cut off, one that hangs its decoder, one that our own code trips over."""
    media = tmp_path / "in"
    picture(media / "a" / "sound.png")
    (media / "a" / "broken.mp4").write_bytes(b"\0" * 5000)
    picture(media / "b" / "hang@extract.png", seed=1)
    picture(media / "b" / "fail@extract.png", seed=2)
    return media


FIRST = {
    "a/sound.png": "ok",
    "a/broken.mp4": "corrupt",
    "b/hang@extract.png": "timeout",
    "b/fail@extract.png": "internal",
}


def whole_rows(out: Path) -> dict[str, dict]:
    parts = Layout(str(out)).parts()
    return {row["path"]: row for part in parts for row in pq.read_table(part).to_pylist()}


def test_only_the_failed_of_one_class_are_tried_again(there, media, out):
    first = there.submit(media, "--out", out, *SIZE, *LIMITS, "--json")
    assert rows(out) == FIRST, first.err
    before, shards_before = whole_rows(out), shards(out)
    video(media / "a" / "broken.mp4")
    picture(media / "c" / "added.png", seed=3)
    (media / "a" / "sound.png").unlink()

    done = there.run("retry", out, "--class", "corrupt", "--json")

    assert done.code == 3
    assert rows(out) == FIRST | {"a/broken.mp4": "ok"}
    after = whole_rows(out)
    assert {path: after[path] for path in before if path != "a/broken.mp4"} == {
        path: row for path, row in before.items() if path != "a/broken.mp4"
    }
    kept = {name: shards(out)[name] for name in shards_before}
    assert kept == shards_before
    told = {name: done.json[name] for name in ("state", "inputs", "ok", "failed", "failures")}
    failures = {"internal": 1, "timeout": 1}
    assert told == {"state": "done", "inputs": 4, "ok": 2, "failed": 2, "failures": failures}
    assert pq.read_table(out / "files.parquet").num_rows == 4
    assert_whole(out, FIRST | {"a/broken.mp4": "ok"})


def test_all_failed_are_tried_again_with_other_limits_and_a_lost_file_says_so(there, media, out):
    there.submit(media, "--out", out, *SIZE, *LIMITS)
    (media / "b" / "hang@extract.png").unlink()
    (media / "b" / "fail@extract.png").rename(media / "b" / "now.png")

    done = there.run("retry", out, "--item-timeout", "50", "--json", "--allow-failures")

    assert done.code == 0
    lost = {"b/hang@extract.png": "unreadable", "b/fail@extract.png": "unreadable"}
    assert_whole(out, FIRST | lost)
    again = there.submit(media, "--out", out, *SIZE, "--json")
    sound = {"a/sound.png": "ok", "a/broken.mp4": "corrupt", "b/now.png": "ok"}
    assert (again.code, again.json["inputs"]) == (3, 3)
    assert_whole(out, sound)


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--class", "sloth"), 2, "--class must be one of unreadable"),
        (("--class", "memory"), 1, "nothing failed with memory"),
        (("--item-memory", "1kB"), 2, "--item-memory must be"),
    ],
)
def test_what_cannot_be_retried_is_refused(there, media, out, options, code, sentence):
    there.submit(media, "--out", out, *SIZE, *LIMITS)
    before = whole_rows(out)

    done = there.run("retry", out, *options)

    assert done.code == code
    assert sentence in done.err
    assert whole_rows(out) == before
    assert (out / "summary.json").exists()


def test_a_cluster_retries_too_and_an_unfinished_job_is_sent_back(here, start_worker, media, out):
    del here.environment["SHARDMILL_LEASE_S"]
    assert here.run("submit", media, "--out", out, *SIZE, *LIMITS).code == 0
    early = here.run("retry", out)
    assert early.code == 1
    assert f"`shardmill submit {media} --out {out} --size 16x12 --item-timeout 2`" in early.err
    start_worker("one")
    assert here.run("watch", out).code == 3
    picture(media / "b" / "fail@extract.png", seed=2).rename(media / "b" / "x.png")
    video(media / "a" / "broken.mp4")

    done = here.run("retry", out, "--class", "corrupt", "--json")

    assert (done.code, done.json["failures"]) == (3, {"internal": 1, "timeout": 1})
    assert_whole(out, FIRST | {"a/broken.mp4": "ok"})
