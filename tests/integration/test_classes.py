"""A class keeps its number for good, though ``classes.json`` is lost, and verify sees if not."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from command_line import shell
from made_media import picture
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest import read_part, write_part

SPEC = ("--size", "16x12", "--clips-per-shard", "1")


@pytest.fixture
def here():
    with shell() as here:
        yield here


@pytest.fixture
def media(tmp_path) -> Path:
    media = tmp_path / "in"
    picture(media / "bouncing" / "1.png", seed=1)
    picture(media / "sliding" / "2.png", seed=2)
    return media


def numbers(out: Path) -> dict[str, int]:
    table = pq.read_table(out / "files.parquet", columns=["label", "label_id"])
    return dict(zip(*table.to_pydict().values(), strict=True))


def test_a_lost_list_of_classes_costs_no_class_its_number(here, media, tmp_path):
    out = tmp_path / "out"
    assert here.run("run", media, "--out", out, *SPEC).code == 0
    (out / "classes.json").unlink()
    picture(media / "aaa" / "3.png", seed=3)

    told = here.run("run", media, "--out", out, *SPEC)

    assert told.code == 0
    assert "classes.json is lost or does not fit the rows" in told.err
    assert numbers(out) == {"bouncing": 0, "sliding": 1, "aaa": 2}
    assert json.loads((out / "classes.json").read_text()) == numbers(out)
    assert here.run("verify", out).code == 0


def test_rows_that_give_two_classes_one_number_are_made_again(here, media, tmp_path):
    out = tmp_path / "out"
    assert here.run("run", media, "--out", out, *SPEC).code == 0
    for part in Layout(str(out)).parts():
        write_part(
            part,
            [
                replace(row, item=replace(row.item, label_id=0, label_ids=(0,)))
                for row in read_part(part)
            ],
        )

    refused = here.run("run", media, "--out", out, *SPEC)
    assert "found number 0 for 'bouncing' and 'sliding'" in refused.only_sentence
    assert f"shardmill retry {out} --damaged" in refused.only_sentence
    assert here.run("verify", out).code == 1
    assert here.run("retry", out, "--damaged").code == 0

    assert numbers(out) == {"bouncing": 0, "sliding": 1}
    assert here.run("verify", out).code == 0
