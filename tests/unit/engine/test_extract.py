"""A batch becomes one shard, its index and its manifest part: all of it or nothing."""

import dataclasses
import errno
import os
from pathlib import Path

import cv2
import google_crc32c
import numpy as np
import pytest

from shardmill.contract.errors import EnvironmentFault
from shardmill.contract.manifest import Facts, Outcome
from shardmill_worker.engine import extract
from shardmill_worker.engine.extract import extract_batch

VIDEO = Facts(kind="video")


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
    assert [row.outcome for row in done.rows] == done.outcomes
    assert [row.item.path for row in done.rows] == ["a.mkv", "b.mkv", "c.mp4"]
    assert done.outcomes[1].error_class == "unsupported"
    assert done.outcomes[1].error_stage == "extract"
    assert [clip["path"] for clip in done.clips] == ["a.mkv", "c.mp4"]
    assert [len(done.frames(k)) for k in (0, 1)] == [3, 5]
    assert all(o.worker == "worker" and o.seconds > 0 for o in done.outcomes)
    assert files_below(done.work.out) == {
        ".tmp/batch-attempt.parquet",
        "shards/part-batch-attempt.tfrecord",
        "index/part-batch-attempt.arrow",
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


def test_a_clip_without_a_sound_first_frame_is_lost_in_any_case(folder):
    folder.write("damaged.mkv", b"\x1a\x45\xdf\xa3 and nothing more")

    done = folder.extract("damaged.mkv", facts=[VIDEO], keep_partial=True)

    assert done.outcomes[0].status == "failed"


def test_no_good_item_means_no_shard(folder):
    folder.write("b.mkv", b"nothing of the sort" * 99)

    done = folder.extract("b.mkv", facts=[VIDEO])

    assert files_below(done.work.out) == {".tmp/batch-attempt.parquet"}
    assert [row.outcome.error_class for row in done.rows] == ["unsupported"]


def test_judged_items_are_not_touched(folder, steps):
    """The file is not even there, and its verdict stands."""
    folder.video("a.mkv", steps(2))
    good = folder.extract("a.mkv").work
    verdict = Outcome(status="failed", error_class="crash", error_stage="extract", attempts=2)
    missing = dataclasses.replace(good.items[0], path="missing.mkv")
    work = dataclasses.replace(
        good, items=(missing, *good.items), facts=(VIDEO, VIDEO), judged={0: verdict}
    )

    done = folder.run(work)

    assert done.outcomes[0] == verdict
    assert done.outcomes[1].status == "ok"


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
@pytest.mark.parametrize("place", ["write_index", "write_part", "_sync_directory"])
def test_a_full_disk_is_no_item_s_fault(folder, steps, monkeypatch, place, code):
    folder.video("a.mkv", steps(3))
    work = folder.extract("a.mkv").work
    os.unlink(work.part_tmp)

    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(extract, place, fail)
    with pytest.raises(EnvironmentFault, match=os.strerror(code)):
        folder.run(work)

    assert not [path for path in files_below(work.out) if path.startswith(".tmp")]


def test_a_shard_that_cannot_be_written_is_no_item_s_fault(folder, steps):
    """A device that is always full stands for the disk."""
    folder.video("a.mkv", steps(3))
    work = folder.extract("a.mkv").work
    os.unlink(work.part_tmp)
    tmp = os.path.join(work.out, ".tmp", work.shard)
    os.symlink("/dev/full", tmp)

    with pytest.raises(EnvironmentFault, match="No space left"):
        folder.run(work)


def test_an_output_directory_that_cannot_be_made_is_no_item_s_fault(folder, steps):
    folder.video("a.mkv", steps(3))
    folder.out.write_text("a file where the directory should be")

    with pytest.raises(EnvironmentFault, match="cannot write to"):
        folder.extract("a.mkv", facts=[VIDEO])


def test_a_missing_input_directory_is_no_item_s_fault(folder, steps):
    folder.video("a.mkv", steps(3))
    work = dataclasses.replace(folder.extract("a.mkv").work, root="/nowhere/at/all")

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
