"""Whoever may write in an output directory cannot have other files read by a link in it."""

import base64
import os
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from out_dir import OutDir, Video
from shardmill import read
from shardmill.contract.errors import DatasetDamaged
from shardmill.contract.spec import Spec
from shardmill.dataset.index import FrameTable
from shardmill.read.opening import ALL_SPLITS
from shardmill.report import store
from shardmill.report.page.document import write
from shardmill.report.summary import status_of
from shardmill.report.verify import verify

SECRET = b"-----BEGIN PRIVATE KEY----- 0123456789"
SHARD = "part-b0-a1.tfrecord"


@pytest.fixture
def secret(tmp_path) -> Path:
    (tmp_path / "secret").write_bytes(SECRET)
    return tmp_path / "secret"


@pytest.fixture(params=[None, "train"], ids=["no split", "split"])
def out(tmp_path, request) -> OutDir:
    out = OutDir(str(tmp_path / "out"))
    out.shard("b0", Video("a.mp4"), split=request.param)
    out.job(spec=Spec(split="train=.5,val=.5" if request.param else None))
    return out


def shard_name(out: OutDir) -> str:
    (name,) = out.clips
    return name


def lead_away(path: str, to: Path) -> None:
    """Put a link in the place of a file or folder."""
    os.rename(path, f"{path}.moved")
    os.symlink(to, path)


def exfiltrate(out: OutDir, secret: Path) -> None:
    """The shard leads to the secret, and its index calls all of that one frame of a PNG."""
    name = shard_name(out)
    frames = FrameTable(
        offset=np.array([0]),
        length=np.array([len(SECRET)], np.int32),
        pts_ns=np.array([0]),
        source_index=np.array([0], np.int32),
        keyframe=np.array([True]),
    )
    (clip,) = out.clips[name]
    out.index(name, [replace(clip, frames=frames, encoding="png")])
    lead_away(out.layout.shard(name), secret)


def test_a_report_holds_no_byte_of_a_file_that_a_shard_leads_to(out, secret):
    exfiltrate(out, secret)

    page = Path(write(out.out, status_of(out.out))).read_text()

    found = [base64.b64encode(SECRET[i:]).decode().rstrip("=")[:20] for i in range(3)]
    assert not any(text in page for text in [*found, SECRET[:20].decode()])


def test_a_reader_gives_no_byte_of_a_file_that_a_shard_leads_to(out, secret):
    exfiltrate(out, secret)
    clip = read.open_shards(out.out, split=ALL_SPLITS)[0]

    with pytest.raises(DatasetDamaged, match="is a symbolic link"):
        clip.frames()


def kinds(out: OutDir) -> dict[str, str]:
    layout, name = out.layout, shard_name(out)
    places = {
        "shard": layout.shard(name),
        "index": layout.index_of(name),
        "list of records": layout.record_index_of(name),
        "manifest part": layout.parts()[0],
        "folder of shards": layout.shards,
        "folder of indexes": layout.index,
        "folder of the manifest": layout.manifest,
    }
    if "/" in name:
        places["folder of a split"] = os.path.dirname(layout.shard(name))
        places["folder of a split's indexes"] = os.path.dirname(layout.index_of(name))
    return places


READ = (
    *((None, kind) for kind in ("shard", "index", "manifest part", "folder of shards")),
    *((None, kind) for kind in ("folder of indexes", "folder of the manifest")),
    *(("train", kind) for kind in ("folder of a split", "folder of a split's indexes", "shard")),
)
of_each_kind = pytest.mark.parametrize(("out", "kind"), READ, indirect=["out"])


@pytest.mark.parametrize(("out", "kind"), [*READ, ("train", "list of records")], indirect=["out"])
def test_a_link_is_named_though_it_leads_to_the_very_bytes(out, kind):
    path = kinds(out)[kind]
    lead_away(path, Path(f"{path}.moved"))

    try:
        told = [f"{problem.file} {problem.wrong}" for problem in verify(out.out).problems]
    except DatasetDamaged as damage:
        told = [str(damage)]

    assert any(os.path.basename(path) in text and "symbolic link" in text for text in told), told


@pytest.mark.parametrize("kind", ["index", "manifest part", "folder of the manifest"])
def test_a_query_reads_behind_no_link(out, kind):
    path = kinds(out)[kind]
    lead_away(path, Path(f"{path}.moved"))

    with (
        pytest.raises(DatasetDamaged, match="is a symbolic link"),
        store.query(out.out, "select * from frames, files") as answer,
    ):
        list(answer.rows)


@of_each_kind
def test_a_reader_reads_behind_no_link(out, kind):
    path = kinds(out)[kind]
    lead_away(path, Path(f"{path}.moved"))

    with pytest.raises(DatasetDamaged, match="is a symbolic link"):
        read.open_shards(out.out, split=ALL_SPLITS)[0].frames()


def test_an_output_directory_may_itself_lie_behind_a_link(out, tmp_path):
    os.symlink(out.out, tmp_path / "link")

    assert verify(str(tmp_path / "link")).problems == ()
    shards = read.open_shards(tmp_path / "link", split=ALL_SPLITS)
    assert len(shards[0].frames()) == 3
