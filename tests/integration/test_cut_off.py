"""Files of every container that end too early: wherever the format lets it be known, it shows.

What is cut off is known from how the file was made; what its frames are, from the whole file.
"""

import io
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import engine_work
from correctness.ways import item_of
from made_containers import (
    DECLARED,
    IN_PARTS,
    OPEN,
    STREAMED,
    container,
    cuts,
    cuts_within_packets,
    streamed,
)
from made_streams import made
from shardmill.contract.errors import Corrupt, ItemError
from shardmill.contract.location.roots import Roots
from shardmill.contract.spec import Spec
from shardmill.inputs.archives.entering import entered
from shardmill.inputs.scan import Filter, one_by_one, scan
from shardmill_worker.engine.decode import source_frames
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.pixels import PixelReader

pytestmark = [pytest.mark.needs_ffmpeg, pytest.mark.timeout(300)]


def frames_of(path: Path) -> tuple[list[bytes], ItemError | None]:
    """Return the brightness of each frame up to the damage, and the damage."""
    frames, reader = [], PixelReader()
    try:
        with open_media(str(path.parent), item_of(str(path.parent), path.name)) as media:
            for frame in source_frames(media, lambda: None):
                frames.append(reader.read(frame.picture).planes[0].tobytes())  # noqa: PERF401
    except ItemError as error:
        return frames, error
    return frames, None


def probed(path: Path, *, keep_partial: bool = False) -> str | None:
    """Return the class of the error with which probing ends, None if the file will do."""
    root = str(path.parent)
    (row,) = engine_work.probed(
        root, [item_of(root, path.name)], Spec(keep_partial=keep_partial)
    ).rows
    return row.outcome.error_class


def cut(path: Path, data: bytes, size: int) -> Path:
    shorter = path.with_name(f"cut {path.name}")
    shorter.write_bytes(data[:size])
    return shorter


@pytest.mark.parametrize("name", DECLARED)
def test_every_cut_shows_where_a_container_declares_its_end(ffmpeg, tmp_path, name):
    path = tmp_path / name
    data = container(ffmpeg, path, DECLARED[name])
    truth, damage = frames_of(path)
    assert (damage, probed(path)) == (None, None)

    for size in cuts(path):
        shorter = cut(path, data, size)
        kept, damage = frames_of(shorter)

        assert isinstance(damage, Corrupt), size
        assert probed(shorter) == "corrupt", size
        assert set(kept) <= set(truth), f"{size}: a frame that the whole file has not"
        if len(kept) > 1:  # of one picture it may be open whether it moves
            assert probed(shorter, keep_partial=True) is None, size


@pytest.mark.parametrize("name", IN_PARTS)
def test_a_cut_within_a_part_shows(ffmpeg, tmp_path, name):
    path = tmp_path / name
    data = container(ffmpeg, path, IN_PARTS[name])
    truth, damage = frames_of(path)
    assert (damage, probed(path)) == (None, None)

    for size in cuts_within_packets(path):
        shorter = cut(path, data, size)
        kept, damage = frames_of(shorter)

        assert isinstance(damage, Corrupt), size
        assert set(kept) <= set(truth), f"{size}: a frame that the whole file has not"


@pytest.mark.parametrize("name", STREAMED)
def test_what_a_streaming_writer_leaves_open_is_no_damage(ffmpeg, tmp_path, name):
    path = tmp_path / name
    streamed(ffmpeg, path, STREAMED[name])

    frames, damage = frames_of(path)

    assert damage is None
    assert len(frames) >= 20
    assert probed(path) is None


@pytest.mark.parametrize("name", OPEN)
def test_a_bare_stream_is_whole_wherever_a_picture_ends(ffmpeg, tmp_path, name):
    path = tmp_path / name
    container(ffmpeg, path, OPEN[name])

    frames, damage = frames_of(path)

    assert (len(frames), damage, probed(path)) == (25, None, None)


@pytest.mark.parametrize("name", ["h264.mkv", "mpeg4.avi", "index first.mp4", "a.gif", "a.ogv"])
def test_what_follows_the_declared_end_is_no_damage(ffmpeg, tmp_path, name):
    path = tmp_path / name
    data = container(ffmpeg, path, DECLARED[name])
    path.write_bytes(data + b"written behind by another program" * 99)

    _, damage = frames_of(path)

    assert damage is None


def test_a_cut_that_libav_meets_while_it_opens_the_file_shows(ffmpeg, tmp_path):
    """To open a stream it reads ahead, here to the cut, and complains of it only then."""
    path = tmp_path / "a.mkv"
    data = container(ffmpeg, path, IN_PARTS["live.mkv"])

    for percent in (10, 15, 20, 30):
        _, damage = frames_of(cut(path, data, len(data) * percent // 100))
        assert isinstance(damage, Corrupt), percent


def test_a_gxf_file_is_whole(ffmpeg, tmp_path):
    """Behind its end libav's demuxer gives an error, of a file of this length."""
    made(ffmpeg, tmp_path / "a.gxf", "-c:v mpeg2video", "testsrc2=s=720x576:r=25:d=2")

    frames, damage = frames_of(tmp_path / "a.gxf")

    assert (len(frames), damage) == (50, None)


@pytest.mark.parametrize("wanted", ["whole.mkv", "cut.mkv"])
def test_a_member_of_an_archive_ends_where_it_ends(ffmpeg, tmp_path, wanted):
    """What follows in the archive is not the rest of a file that is cut off."""
    data = container(ffmpeg, tmp_path / "a.mkv", DECLARED["h264.mkv"])
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in (("cut.mkv", data[: len(data) // 2]), ("whole.mkv", data)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    roots, chosen = Roots.of(str(tmp_path)), Filter((), (), archives=True)
    found = one_by_one(entered(scan(str(tmp_path), chosen, pytest.fail), roots, chosen))
    members = [each.item() for each in one_by_one(found) if each.path == f"a.tar/{wanted}"]

    (row,) = engine_work.probed(tmp_path, members).rows

    assert row.outcome.status == ("failed" if wanted == "cut.mkv" else "ok")
    if row.outcome.status == "failed":
        expected = f"expected at least {len(data):,} bytes, found {len(data) // 2:,}."
        assert row.outcome.error_message == f"The file is cut off: {expected}"


@pytest.mark.needs_redis
def test_a_job_fails_what_is_cut_off_or_keeps_its_frames(ffmpeg, there, tmp_path):
    """As probing and planning say; of a file that fails nothing is decoded."""
    media = tmp_path / "media"
    media.mkdir()
    data = container(ffmpeg, media / "a.mkv", DECLARED["h264.mkv"])
    (media / "a.mkv").write_bytes(data[: len(data) // 2])

    lost = there.submit(media, "--out", tmp_path / "lost", "--json")
    kept = there.submit(media, "--out", tmp_path / "kept", "--keep-partial", "--json")

    assert (lost.code, lost.json["failures"]) == (3, {"corrupt": 1})
    row = one_row(tmp_path / "lost")
    assert (row["status"], row["error_stage"], row["frames_kept"]) == ("failed", "probe", None)
    row = one_row(tmp_path / "kept")
    assert (kept.json["partial"], row["status"], row["error_class"]) == (1, "ok", "corrupt")
    assert row["error_message"].startswith("The file is cut off: expected at least ")
    assert 0 < row["frames_kept"] < 25


def one_row(out: Path) -> dict:
    (row,) = pq.read_table(out / "files.parquet").to_pylist()
    return row
