"""Of inputs with the same bytes one is kept, the others are told of, run after run."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster import assert_whole
from command_line import Done, shards
from made_media import picture, video

pytestmark = pytest.mark.needs_redis
SIZE = ("--size", "16x12", "--clips-per-shard", "1")


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(source.read_bytes())


@pytest.fixture
def twins(tmp_path: Path) -> Path:
    """Two classes: two files under three names each, and one of the same size but other bytes."""
    media = tmp_path / "twins"
    first = picture(media / "a" / "1.bmp", seed=1)
    copy(first, media / "a" / "2.bmp")
    copy(first, media / "b" / "3.bmp")
    other = picture(media / "b" / "4.bmp", seed=4)
    copy(other, media / "b" / "5.bmp")
    (media / "b" / "6.bmp").symlink_to(other)
    picture(media / "b" / "7.bmp", seed=7)
    assert len({path.stat().st_size for path in media.rglob("*.bmp")}) == 1
    return media


def reasons(out: Path) -> dict[str, str]:
    rows = pq.read_table(out / "files.parquet").to_pylist()
    return {row["path"]: row["error_message"] for row in rows if row["status"] == "skipped"}


def ends(*, ok: str, left_out: str) -> dict[str, str]:
    return dict.fromkeys(ok.split(), "ok") | dict.fromkeys(left_out.split(), "skipped")


def run(there, media: Path, out: Path, *options: str) -> Done:
    done = there.submit(media, "--out", out, *SIZE, "--dedup", "exact", "--json", *options)
    assert done.code == 0, done.err
    return done


def test_one_is_kept_and_the_others_name_it(there, twins, out):
    done = run(there, twins, out)

    assert_whole(
        out, ends(ok="a/1.bmp b/4.bmp b/7.bmp", left_out="a/2.bmp b/3.bmp b/5.bmp b/6.bmp")
    )
    assert reasons(out) == {
        "a/2.bmp": "duplicate of a/1.bmp",
        "b/3.bmp": "duplicate of a/1.bmp",
        "b/5.bmp": "duplicate of b/4.bmp",
        "b/6.bmp": "duplicate of b/4.bmp",
    }
    numbers = ("inputs", "ok", "failed", "skipped", "clips")
    assert [done.json[name] for name in numbers] == [7, 3, 0, 4, 3]
    assert json.loads((out / "classes.json").read_text()) == {"a": 0, "b": 1}
    assert "4 inputs are duplicates of others and left out" in done.err
    assert "1 of them have another label than the file that is kept: b/3.bmp is b" in done.err


def test_a_cluster_counts_them_from_the_start(here, start_worker, server, twins, out):
    start_worker("one")

    done = here.run("submit", twins, "--out", out, *SIZE, "--dedup", "exact", "--wait", "--json")

    assert [done.json[name] for name in ("inputs", "ok", "skipped")] == [7, 3, 4]
    expected = ends(ok="a/1.bmp b/4.bmp b/7.bmp", left_out="a/2.bmp b/3.bmp b/5.bmp b/6.bmp")
    assert_whole(out, expected, server=server)


def test_the_same_command_again_keeps_what_it_kept_whatever_came_before_it(there, twins, out):
    run(there, twins, out)
    before = shards(out)
    copy(twins / "a" / "1.bmp", twins / "a" / "0.bmp")

    again = run(there, twins, out)

    assert shards(out) == before
    assert reasons(out)["a/0.bmp"] == "duplicate of a/1.bmp"
    assert again.json["inputs"] == 8
    assert "3 of 8 inputs are done already" in again.err


def test_when_the_kept_one_is_gone_or_changed_another_takes_its_place(there, twins, out):
    run(there, twins, out)
    (twins / "a" / "1.bmp").unlink()
    picture(twins / "b" / "4.bmp", seed=44)
    (twins / "b" / "6.bmp").unlink()

    run(there, twins, out)

    assert_whole(out, ends(ok="a/2.bmp b/4.bmp b/5.bmp b/7.bmp", left_out="b/3.bmp"))
    assert reasons(out) == {"b/3.bmp": "duplicate of a/2.bmp"}


def test_retry_clean_and_overwrite_know_them(there, twins, out):
    (twins / "a" / "broken.png").write_bytes(b"no picture")
    there.submit(twins, "--out", out, *SIZE, "--dedup", "exact")
    before = reasons(out)

    retried = there.run("retry", out, "--json")

    assert [retried.json[name] for name in ("inputs", "ok", "failed", "skipped")] == [8, 3, 1, 4]
    assert reasons(out) == before
    assert there.run("clean", out, "--yes").out == "nothing to clean\n"
    assert reasons(out) == before
    (twins / "a" / "broken.png").unlink()
    assert there.submit(twins, "--out", out, *SIZE, "--overwrite").code == 0
    files = [path.relative_to(twins).as_posix() for path in twins.rglob("*.bmp")]
    assert_whole(out, dict.fromkeys(files, "ok"))


def test_of_annotated_twins_the_clips_of_one_are_kept(there, tmp_path, out):
    media = tmp_path / "in"
    first = video(media / "1.mp4", frames=30)
    for name in ("2.mp4", "bare.mp4"):
        copy(first, media / name)
    annotations = tmp_path / "clips.csv"
    annotations.write_text("path,label,start,end\n1.mp4,pour,0,1\n1.mp4,stir,1,2\n2.mp4,pour,0,1\n")

    done = run(there, media, out, "--labels", annotations)
    again = run(there, media, out, "--labels", annotations)

    assert reasons(out) == {"2.mp4": "duplicate of 1.mp4", "bare.mp4": "no annotation"}
    rows = [row for part in (out / "manifest").iterdir() for row in pq.read_table(part).to_pylist()]
    clips = sorted((row["path"], row["label"]) for row in rows if row["status"] == "ok")
    assert clips == [("1.mp4", "pour"), ("1.mp4", "stir")]
    counted = [again.json[name] for name in ("inputs", "ok", "failed", "skipped", "clips")]
    assert counted == [done.json[name] for name in ("inputs", "ok", "failed", "skipped", "clips")]
    assert there.run("verify", out).code == 0
