"""A batch becomes one shard, its index and its manifest part: all of it or nothing."""

import errno
import os
import struct
from pathlib import Path

import cv2
import google_crc32c
import numpy as np
import pytest
from msgspec.structs import replace

from made_clips import FORMATS
from shardmill.contract.errors import EnvironmentFault
from shardmill.contract.location.roots import Roots
from shardmill.contract.schema import Facts
from shardmill.dataset.index import open_index
from shardmill.storage import files
from shardmill_worker.engine import extract, shard
from shardmill_worker.engine.extract import extract_batch
from shardmill_worker.engine.shards import tfrecord

VIDEO = Facts(kind="video")


def options_of(shard_format: str) -> dict:
    """What a spec of this format needs."""
    npy = {"encoding": "raw", "fit": "200x150", "pad": True} if shard_format == "npy" else {}
    return {"format": shard_format} | npy


def files_below(path) -> set[str]:
    return {
        os.path.relpath(os.path.join(where, name), path)
        for where, _, names in os.walk(path)
        for name in names
    }


def test_a_batch_of_good_and_bad_items(folder, steps):
    """Each item has its outcome, in order, and only whole clips are in the shard."""
    folder.video("a.mkv", steps(3))
    folder.write("b.mkv", b"nothing of the sort" * 99)
    folder.video("c.mp4", steps(5), codec="mpeg4")

    done = folder.extract("a.mkv", "b.mkv", "c.mp4", facts=[VIDEO] * 3)

    assert [o.status for o in done.outcomes] == ["ok", "failed", "ok"]
    shared = {"write_s": None, "probe_s": None, "ledger_s": None}  # told when all are done
    assert [replace(row.outcome, **shared) for row in done.rows] == [
        replace(outcome, **shared) for outcome in done.outcomes
    ]
    assert [row.item.path for row in done.rows] == ["a.mkv", "b.mkv", "c.mp4"]
    assert done.outcomes[1].error_class == "unsupported"
    assert done.outcomes[1].error_stage == "extract"
    assert [clip["path"] for clip in done.clips] == ["a.mkv", "c.mp4"]
    assert [len(done.frames(k)) for k in (0, 1)] == [3, 5]
    assert all(o.worker == "worker" and o.seconds > 0 for o in done.outcomes)
    assert files_below(done.work.out) == {
        ".tmp/batch-attempt/rows.parquet",
        "shards/part-batch-attempt.tfrecord",
        "index/part-batch-attempt.arrow",
        "index/part-batch-attempt.idx",
    }


def test_what_the_outcome_says_is_in_the_shard(folder, steps):
    folder.video("a.mkv", steps(4))

    done = folder.extract("a.mkv", every=2)

    (outcome,), (clip,) = done.outcomes, done.clips
    frames = done.frames()
    assert (outcome.frames_decoded, outcome.frames_kept) == (4, 2)
    assert outcome.bytes_out == sum(map(len, frames)) == sum(clip["length"])
    assert outcome.clip_id == clip["clip_id"]
    assert outcome.shard == clip["shard"] == "part-batch-attempt.tfrecord"
    assert clip["crc32c"] == google_crc32c.value(b"".join(frames))
    assert clip["encoding"] == "jpeg"


def test_the_list_of_records_is_what_dali_would_make_of_the_shard(folder, steps):
    """By the loop of DALI's tfrecord2idx: a length, its checksum, so many bytes, their checksum."""
    folder.video("a.mkv", steps(3))
    folder.video("b.mkv", steps(5))
    done = folder.extract("a.mkv", "b.mkv")

    lines, data = "", Path(done.layout.shard(done.work.shard)).read_bytes()
    start = 0
    while start < len(data):
        (length,) = struct.unpack_from("<q", data, start)
        size = 8 + 4 + length + 4
        lines += f"{start} {size}\n"
        start += size

    assert Path(done.layout.record_index_of(done.work.shard)).read_text() == lines
    assert lines.count("\n") == 2


def damage(folder, name: str, *, packet: int) -> None:
    """Make an AVI of six frames, one packet of which is nothing but zeros.

    FFmpeg joins it with the next: another must follow, or it counts as a recording's cut end.
    """
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    folder.video(name, [noise] * 6, codec="png", pix_fmt="rgb24")
    data = bytearray((folder.root / name).read_bytes())
    movie = data.index(b"movi")
    head = [k for k in range(movie, len(data)) if data[k : k + 4] == b"00dc"][packet]
    size = int.from_bytes(data[head + 4 : head + 8], "little")
    data[head + 8 : head + 8 + size] = bytes(size)
    folder.write(name, bytes(data))


def test_a_clip_that_breaks_in_the_middle_leaves_no_frame(folder, steps):
    """The third packet is damaged: FFmpeg would go on, but the clip is damaged."""
    folder.video("good.mkv", steps(2))
    damage(folder, "damaged.avi", packet=2)

    done = folder.extract("damaged.avi", "good.mkv", facts=[VIDEO] * 2)

    assert [o.error_class for o in done.outcomes] == ["corrupt", None]
    assert [clip["path"] for clip in done.clips] == ["good.mkv"]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [0, 1, 2]),
        ({"every": 2}, [0, 2]),
        ({"max_frames": 5}, [0, 1, 2]),
        ({"fps": 5.0}, [0, 2]),
        ({"at": "0,0.1,0.4"}, [0, 1]),
        ({"start_s": 0.1, "end_s": 9.0}, [1, 2]),
    ],
    ids=str,
)
def test_frames_before_the_damage_are_kept_if_the_spec_asks(folder, options, kept):
    """The fourth packet is damaged; what comes after it is lost too."""
    damage(folder, "damaged.avi", packet=3)

    done = folder.extract("damaged.avi", facts=[VIDEO], keep_partial=True, **options)

    (outcome,) = done.outcomes
    assert (outcome.status, outcome.error_class) == ("ok", "corrupt")
    assert (outcome.error_stage, outcome.attempts) == ("extract", 1)
    assert "cannot be decoded" in outcome.error_message
    assert done.clips[0]["source_index"] == kept
    assert outcome.frames_kept == len(kept)


def test_a_clip_cut_before_its_damage_is_whole(folder):
    damage(folder, "damaged.avi", packet=3)

    for keep_partial in (False, True):
        done = folder.extract("damaged.avi", facts=[VIDEO], max_frames=2, keep_partial=keep_partial)
        assert (done.outcomes[0].status, done.outcomes[0].error_class) == ("ok", None)
        assert done.clips[0]["source_index"] == [0, 1]


@pytest.mark.parametrize("options", [{}, {"every": 2}, {"fps": 5.0}], ids=str)
def test_a_file_that_is_cut_off_is_damaged_at_its_end(folder, options):
    """The first four of six pictures are whole; half of the fifth is there."""
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    folder.video("cut.mkv", [noise] * 6)
    data = (folder.root / "cut.mkv").read_bytes()
    folder.write("cut.mkv", data[: len(data) * 3 // 4])

    lost = folder.extract("cut.mkv", facts=[VIDEO], **options)
    kept = folder.extract("cut.mkv", facts=[VIDEO], keep_partial=True, **options)

    assert [o.status for o in (*lost.outcomes, *kept.outcomes)] == ["failed", "ok"]
    assert lost.outcomes[0].error_message == kept.outcomes[0].error_message
    expected = f"expected at least {len(data):,} bytes, found {len(data) * 3 // 4:,}."
    assert lost.outcomes[0].error_message == f"The file is cut off: {expected}"
    assert kept.clips[0]["source_index"] == [0, 1, 2, 3][:: 2 if options else 1]


def test_a_clip_without_a_sound_first_frame_is_lost_in_any_case(folder):
    folder.write("damaged.mkv", b"\x1a\x45\xdf\xa3 and nothing more")

    done = folder.extract("damaged.mkv", facts=[VIDEO], keep_partial=True)

    assert done.outcomes[0].status == "failed"


def test_no_good_item_means_no_shard(folder):
    folder.write("b.mkv", b"nothing of the sort" * 99)

    done = folder.extract("b.mkv", facts=[VIDEO])

    assert files_below(done.work.out) == {".tmp/batch-attempt/rows.parquet"}
    assert [row.outcome.error_class for row in done.rows] == ["unsupported"]


def test_equal_work_writes_equal_bytes(folder, steps):
    folder.video("a.mkv", steps(3))
    folder.video("b.mp4", steps(4), codec="mpeg4")

    first = folder.extract("a.mkv", "b.mp4")
    files = [Path(path(first.work.shard)) for path in (first.layout.shard, first.layout.index_of)]
    written = [file.read_bytes() for file in files]
    folder.run(first.work)

    assert [file.read_bytes() for file in files] == written


def test_a_batch_that_is_given_up_leaves_nothing(folder, steps):
    folder.video("a.mkv", steps(3))
    work = folder.extract("a.mkv").work
    for path in files_below(work.out):
        os.unlink(os.path.join(work.out, path))

    outcomes = extract_batch(work, lambda: None)
    next(outcomes)
    outcomes.close()

    assert files_below(work.out) == set()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize(
    ("module", "place"),
    [(shard, "write_index"), (extract, "write_part"), (files, "sync_directory")],
    ids=["index", "manifest part", "directory"],
)
def test_a_full_disk_is_no_item_s_fault(folder, steps, monkeypatch, module, place, code):
    folder.video("a.mkv", steps(3))
    work = folder.extract("a.mkv").work
    os.unlink(work.part_tmp)

    def fail(path, *_):
        if path != work.out:  # which the test makes
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module, place, fail)
    with pytest.raises(EnvironmentFault, match=os.strerror(code)):
        folder.run(work)

    assert not [path for path in files_below(work.out) if path.startswith(".tmp")]


@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_shard_that_cannot_be_written_is_no_item_s_fault(
    folder, steps, monkeypatch, shard_format
):
    """A device that is always full stands for the disk."""
    folder.video("a.mkv", steps(3))
    work = folder.extract("a.mkv", **options_of(shard_format)).work
    os.unlink(work.part_tmp)
    monkeypatch.setattr(files, "create", lambda path: os.open("/dev/full", os.O_RDWR))

    with pytest.raises(EnvironmentFault, match="No space left"):
        folder.run(work)


@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_batch_far_larger_than_foreseen_becomes_several_shards(folder, steps, shard_format):
    """Each clip is 1.08 MB, the aim 1 MB: a second clip would go beyond twice the aim."""
    options = options_of(shard_format) | {"encoding": "raw", "shard_size_bytes": 1_000_000}
    for name in "abc":
        folder.video(f"{name}.mkv", steps(12, 200, 150))
    folder.write("x.mkv", b"nothing of the sort" * 99)

    facts = [VIDEO] * 4
    done = folder.extract("a.mkv", "b.mkv", "x.mkv", "c.mkv", facts=facts, **options)

    names = [outcome.shard for outcome in done.outcomes]
    stem, suffix = os.path.splitext(done.work.shard)
    assert names == [f"{stem}{suffix}", f"{stem}.1{suffix}", None, f"{stem}.2{suffix}"]
    assert set(os.listdir(done.layout.shards)) == set(names) - {None}
    for name, path in zip(names, ("a.mkv", "b.mkv", None, "c.mkv"), strict=True):
        if name:
            (clip,) = open_index(done.layout.index_of(name)).to_pylist()
            assert (clip["shard"], clip["path"], len(clip["offset"])) == (name, path, 12)
    assert os.listdir(done.work.tmp) == ["rows.parquet"]


def test_clips_share_a_shard_up_to_twice_its_aim(folder, steps):
    """0.54 MB each: three are 1.62 MB, a fourth would be too much."""
    for name in "abcd":
        folder.video(f"{name}.mkv", steps(6, 200, 150))

    options = {"encoding": "raw", "shard_size_bytes": 1_000_000}
    done = folder.extract("a.mkv", "b.mkv", "c.mkv", "d.mkv", **options)

    numbers = [outcome.shard.count(".1.") for outcome in done.outcomes]
    assert numbers == [0, 0, 0, 1]


def test_a_shard_that_was_begun_for_a_clip_too_large_for_it_is_no_shard(folder, steps, monkeypatch):
    """The first shard is finished by the time the second clip, alone in the second shard, fails."""
    monkeypatch.setattr(tfrecord, "MAX_RECORD_BYTES", 1_500_000)
    folder.video("a.mkv", steps(12, 200, 150))
    folder.video("b.mkv", steps(20, 200, 150))

    options = {"encoding": "raw", "shard_size_bytes": 1_000_000}
    done = folder.extract("a.mkv", "b.mkv", **options)

    assert [outcome.error_class for outcome in done.outcomes] == [None, "too_large"]
    assert os.listdir(done.layout.shards) == [done.work.shard]
    assert os.listdir(done.work.tmp) == ["rows.parquet"]


@pytest.mark.parametrize("when", ["before it begins", "while it works"])
def test_an_attempt_whose_directory_was_taken_away_leaves_nothing(folder, steps, when):
    folder.video("a.mkv", steps(3))
    work = folder.extract("a.mkv").work
    for path in files_below(work.out):
        os.unlink(os.path.join(work.out, path))
    if when == "before it begins":
        os.rmdir(work.tmp)
    outcomes = extract_batch(work, lambda: None)

    with pytest.raises(EnvironmentFault, match="cannot write to"):  # noqa: PT012
        next(outcomes)
        os.rename(work.tmp, folder.root / "taken")
        next(outcomes)

    assert files_below(work.out) == set()
    assert not os.path.exists(work.tmp)


@pytest.mark.parametrize("split", [None, "train"])
def test_an_output_directory_that_goes_just_before_the_end_is_not_made_anew(
    folder, steps, monkeypatch, split
):
    folder.video("a.mkv", steps(3))
    finish = shard.ShardInMaking.finish

    def finish_and_go(growing):
        finish(growing)
        os.rename(folder.out, folder.root / "taken")

    monkeypatch.setattr(shard.ShardInMaking, "finish", finish_and_go)

    with pytest.raises(EnvironmentFault, match="cannot write to"):
        folder.extract(replace(folder.item("a.mkv"), split=split))

    assert not os.path.exists(folder.out)


def test_a_missing_input_directory_is_no_item_s_fault(folder, steps):
    folder.video("a.mkv", steps(3))
    work = replace(folder.extract("a.mkv").work, roots=Roots.of("/nowhere/at/all"))

    with pytest.raises(EnvironmentFault, match="expected the input directory"):
        folder.run(work)


def test_a_file_that_changes_while_it_is_read_is_told(folder, steps):
    """It grows after the first decoded frame."""
    folder.video("a.mkv", steps(5))
    work = folder.extract("a.mkv").work

    def grow() -> None:
        with open(folder.root / "a.mkv", "ab") as file:
            file.write(b"more")

    (outcome,) = extract_batch(work, grow)

    assert outcome.error_class == "changed"


def test_images_pass_through_the_same_batch(folder, steps):
    _, data = cv2.imencode(".png", steps(1)[0])
    folder.write("still.png", data.tobytes())

    done = folder.extract("still.png", fps=1, start_s=5)

    assert done.outcomes[0].status == "ok"
    assert done.clips[0]["pts_ns"] == [0]
    assert done.greys() == [0]
