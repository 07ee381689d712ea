"""``clean`` takes what no committed batch names, and leaves what others put there."""

from pathlib import Path

import pytest

from command_line import rows, shell
from made_media import picture
from shardmill.report.verify import verify

pytestmark = pytest.mark.needs_redis
FOREIGN = (
    *("notes.txt", "mine/part-0-1.tfrecord", "shards/notes.txt", "shards/part-of-a-book.tar"),
    *("shards/train/notes.txt", "shards/train/My folder/part-0-1.tfrecord", "index/labels.arrow"),
    *("manifest/part-1.csv", "manifest/notes.txt", ".hidden"),
)
ORPHANS = (
    *(".tmp/0123456789abcdef-1abcd/rows.parquet", "shards/train/part-0123456789abcdef-1abcd.tar"),
    *("shards/val/part-0123456789abcdef-1abcd.tfrecord", "summary.json.0123456789abcdef.tmp"),
    *("index/val/part-0123456789abcdef-1abcd.arrow", "shards/part-0123456789abcdef-1abcd.1.npy"),
)


def files(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def add(out: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"some bytes")


@pytest.mark.parametrize("options", [(), ("--split", "train=.5,val=.5"), ("probe",)], ids=str)
def test_nothing_is_left_of_a_job_that_is_done_and_other_peoples_files_stay(tmp_path, options):
    media, out = tmp_path / "in", tmp_path / "out"
    expected = {f"{number}.png": "ok" for number in range(8)}
    for number, name in enumerate(expected):
        picture(media / name, seed=number)
    verb, options = ("probe", ()) if options == ("probe",) else ("run", options)
    with shell() as here:
        assert here.run(verb, media, "--out", out, *options).code == 0
        assert here.run("clean", out).out == "nothing to clean\n"
        made = files(out)
        add(out, FOREIGN)
        add(out, ORPHANS)

        shown = here.run("clean", out)
        assert files(out) == made | set(FOREIGN) | set(ORPHANS)
        removed = here.run("clean", out, "--yes", "--json")

        assert all(name in shown.out for name in ORPHANS)
        gone = {each["path"] for each in removed.json["found"] if not each["is_folder"]}
        assert gone == set(ORPHANS)
        assert files(out) == made | set(FOREIGN)
        assert here.run("clean", out).out == "nothing to clean\n"
    assert rows(out) == expected
    assert verify(str(out)).problems == ()
