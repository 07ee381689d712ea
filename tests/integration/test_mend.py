"""What verify finds damaged, ``retry --damaged`` makes again, byte for byte, and nothing else."""

from pathlib import Path

import pytest

from command_line import shards, shell
from made_media import pictures
from shardmill.dataset.layout import Layout

SPEC = ("--size", "16x12", "--clips-per-shard", "4")


@pytest.fixture
def here():
    with shell() as here:
        yield here


@pytest.fixture
def out(here, tmp_path) -> Path:
    out = tmp_path / "out"
    assert here.run("run", pictures(tmp_path / "in", 20), "--out", out, *SPEC).code == 0
    return out


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


DAMAGES = {
    "a flipped bit in a shard": ("shard", flip),
    "a shard cut off": ("shard", cut),
    "a shard gone": ("shard", Path.unlink),
    "a flipped bit in an index": ("index_of", flip),
    "an index gone": ("index_of", Path.unlink),
    "a list of records gone": ("record_index_of", Path.unlink),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_made_again(here, out, damage):
    layout = Layout(str(out))
    victim, *others = layout.shard_names()
    kind, harm = DAMAGES[damage]
    harm(Path(getattr(layout, kind)(victim)))
    before = shards(out)

    found = here.run("verify", out)
    mended = here.run("retry", out, "--damaged", "--json")

    assert found.code == 1
    assert victim.removesuffix(".tfrecord") in found.out
    assert found.out.splitlines()[-1].split() == f"next shardmill retry {out} --damaged".split()
    assert (mended.code, mended.json["ok"], mended.json["clips"]) == (0, 20, 20)
    assert here.run("verify", out).code == 0
    after = shards(out)
    assert {name: after[name] for name in others} == {name: before[name] for name in others}


def test_a_damaged_part_of_the_manifest_is_made_again(here, out):
    flip(Path(Layout(str(out)).parts()[0]))
    assert here.run("verify", out).code == 1

    assert here.run("retry", out, "--damaged").code == 0

    assert here.run("verify", out).code == 0


def test_damage_is_mended_alone(here, out):
    mixed = here.run("retry", out, "--damaged", "--class", "corrupt")

    assert mixed.code == 2
    assert "--damaged" in mixed.only_sentence
    sound = here.run("retry", out, "--damaged", "--json")
    assert (sound.code, sound.json["ok"]) == (0, 20)
