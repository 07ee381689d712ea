"""A clip gives the very frames that were stored, and reads no byte beyond them."""

import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from msgspec.structs import replace

from out_dir import FRAME_NS, HEIGHT, WIDTH, OutDir, Video, failed, grey
from shardmill.contract.errors import DatasetDamaged, UsageError
from shardmill.read import clip as clip_module
from shardmill.read import open_shards


@pytest.fixture
def out(tmp_path):
    return OutDir(str(tmp_path / "it's [out]*"))


def greys(frames):
    """The grey of each frame; every pixel must have it, to within what JPEG loses."""
    values = frames.reshape(len(frames), -1).mean(axis=1).round().astype(int)
    assert np.abs(frames.astype(int) - values[:, None, None, None]).max() <= 1
    return values.tolist()


def test_clips_come_in_the_order_of_shards_and_of_clips_in_them(out):
    out.shard("b1", Video("c.mp4", frames=4))
    out.shard("b0", Video("b.mp4", label="dog", label_id=3), Video("a.mp4", frames=1))

    clips = open_shards(out.out)

    assert [clip.path for clip in clips] == ["b.mp4", "a.mp4", "c.mp4"]
    assert [len(clip) for clip in clips] == [3, 1, 4]
    assert clips.lengths().tolist() == [3, 1, 4]
    assert (clips[0].label, clips[0].label_id, clips[1].label) == ("dog", 3, None)
    assert clips[0].clip_id == Video("b.mp4").clip_id
    assert clips[0].pts_ns.tolist() == [0, FRAME_NS, 2 * FRAME_NS]
    assert clips[-1].path == "c.mp4"
    assert [clip.path for clip in clips[1:]] == ["a.mp4", "c.mp4"]
    with pytest.raises(IndexError):
        clips[3]


@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
def test_frames_are_those_that_were_stored(out, encoding):
    out.shard("b0", Video("x", value=250), Video("y", frames=5, value=10, encoding=encoding))
    clip = open_shards(out.out)[1]

    frames = clip.frames(1, 4)

    assert frames.shape == (3, HEIGHT, WIDTH, 3)
    assert frames.dtype == np.uint8
    assert greys(frames) == [11, 12, 13]
    assert greys(clip.frames()) == [10, 11, 12, 13, 14]
    assert clip.frames(2, 2).shape == (0, HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("threads", [2, 3, 64])
def test_any_number_of_threads_gives_the_same_frames(out, threads):
    out.shard("b0", Video("x", frames=9, value=10), Video("short", frames=1, value=7))
    clips = pickle.loads(pickle.dumps(open_shards(out.out, threads=threads)))

    assert greys(clips[0].frames()) == list(range(10, 19))
    assert greys(clips[0].frames(2, 5)) == [12, 13, 14]
    assert greys(clips[1].frames()) == [7]


def test_several_threads_do_decode(out, monkeypatch):
    out.shard("b0", Video("x", frames=9))
    used = set()

    def spy(*asked, **options):
        used.add(threading.get_ident())
        together.wait(timeout=60)
        return decode(*asked, **options)

    together, decode = threading.Barrier(3), clip_module.decode_into
    monkeypatch.setattr(clip_module, "decode_into", spy)

    assert greys(open_shards(out.out, threads=3)[0].frames()) == list(range(9))
    assert len(used) == 3


def test_damage_is_told_whichever_thread_meets_it(out):
    video = Video("x", frames=4)
    whole = video.encoded()
    video.encoded = lambda: [*whole[:3], b"no picture"]
    out.shard("b0", video)

    with pytest.raises(DatasetDamaged, match="frame 3 does not decode"):
        open_shards(out.out, threads=2)[0].frames()


def test_no_thread_is_refused(out):
    out.shard("b0", Video("x"))

    with pytest.raises(UsageError, match="threads must be at least 1, got 0"):
        open_shards(out.out, threads=0)


def test_colours_are_rgb(out):
    red = Video("x", frames=1, encoding="raw")
    red.encoded = lambda: [np.tile(np.uint8([200, 10, 0]), (HEIGHT, WIDTH, 1)).tobytes()]
    out.shard("b0", red)

    assert open_shards(out.out)[0].frames()[0, 0, 0].tolist() == [200, 10, 0]


@pytest.mark.parametrize("span", [(-1, 2), (0, 6), (3, 2)])
def test_a_range_beyond_the_clip_is_refused(out, span):
    out.shard("b0", Video("x", frames=5))

    with pytest.raises(IndexError, match=r"range in \[0, 5\)"):
        open_shards(out.out)[0].frames(*span)


def test_only_the_bytes_of_the_window_are_read(out, monkeypatch):
    shard = out.shard("b0", Video("x", frames=9), Video("y", frames=9))
    frames = out.clips[shard][1].frames
    reads = []
    pread = os.pread

    def spy(fd, size, start):
        reads.append((start, size))
        return pread(fd, size, start)

    clip = open_shards(out.out)[1]
    monkeypatch.setattr(os, "pread", spy)
    clip.frames(3, 7)

    assert reads == [(frames.offset[3], frames.offset[6] + frames.length[6] - frames.offset[3])]


def test_frames_far_apart_are_read_one_by_one(out, monkeypatch):
    """One page may lie between two that are read together: a wide stride reads no more."""
    shard = out.shard("b0", Video("x", frames=9, encoding="raw"))
    reads = []
    preadv = os.preadv

    def spy(fd, buffers, start):
        reads.append((start, sum(buffer.nbytes for buffer in buffers)))
        return preadv(fd, buffers, start)

    monkeypatch.setattr(os, "preadv", spy)
    clip = open_shards(out.out)[0]
    pixels = clip.canvas(3)
    clip.decode(np.array([0, 4, 8]), pixels)

    frames = out.clips[shard][0].frames
    assert reads == [(frames.offset[k], HEIGHT * WIDTH * 3) for k in (0, 4, 8)]
    assert greys(pixels) == [0, 4, 8]


@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
def test_frames_come_in_the_order_that_is_asked_for(out, encoding):
    out.shard("b0", Video("x", frames=9, value=10, encoding=encoding))
    clip = open_shards(out.out)[0]
    pixels = clip.canvas(5)

    clip.decode(np.array([8, 2, 3, 3, 0]), pixels)

    assert greys(pixels) == [18, 12, 13, 13, 10]


def open_files(out) -> list[str]:
    """What this process has open below the output directory."""
    with os.scandir("/proc/self/fd") as entries:
        links = [entry.path for entry in entries]
    targets = [os.readlink(link) for link in links if os.path.lexists(link)]
    return [target for target in targets if target.startswith(out.out)]


def test_no_file_stays_open(out):
    for batch in range(20):
        out.shard(f"b{batch}", Video(f"{batch}.mp4", frames=9))
    clips = open_shards(out.out)

    assert sum(len(clip.frames()) for clip in clips) == 20 * 9

    assert open_files(out) == []
    with open(out.layout.shard(next(iter(out.clips)))) as file:
        assert open_files(out) == [file.name], "this test would see it"


def test_no_index_is_mapped_into_memory(out):
    for batch in range(20):
        out.shard(f"b{batch:02}", Video(f"{batch}.mp4", frames=1))

    clips = open_shards(out.out)

    assert [clip.path for clip in clips] == [f"{batch}.mp4" for batch in range(20)]
    with open("/proc/self/maps") as maps:
        assert out.layout.index not in maps.read()


def test_orphans_do_not_show(out):
    out.shard("b0", Video("x"))
    out.shard("b1", Video("orphan"), commit=False)

    assert [clip.path for clip in open_shards(out.out)] == ["x"]


def test_a_pickled_set_shows_the_same_clips_when_more_are_there(out):
    out.shard("b1", Video("x"))
    sent = pickle.dumps(open_shards(out.out))
    out.shard("b0", Video("later"))

    assert [clip.path for clip in pickle.loads(sent)] == ["x"]
    assert len(sent) < 1500


def test_what_is_known_of_clips_can_be_told_by_record(out):
    """For readers of whole shards: one value a record, also where a clip is not wanted."""
    out.shard("b0", Video("a"), Video("b", label="dog", label_id=0), Video("c"))
    out.shard("b1", Video("d", label="dog", label_id=0))
    Path(out.layout.classes).write_text('{"dog": 0}')
    clips = open_shards(out.out, labels=["dog"])

    records = clips.by_record(np.array([7, 8]), other=-1)

    assert [values.tolist() for values in records] == [[-1, 7, -1], [8]]
    assert clips.ids() == [[Video(name).clip_id for name in names] for names in ("abc", "d")]
    assert clips.files() == [out.layout.shard(name) for name in sorted(out.clips)]


def test_a_job_without_clips_has_none(out):
    out.part("b0", failed("x", "corrupt"))

    clips = open_shards(out.out)

    assert (len(clips), clips.lengths().tolist()) == (0, [])


def test_a_directory_of_something_else_is_refused(tmp_path):
    with pytest.raises(UsageError, match="manifest"):
        open_shards(str(tmp_path))


def test_a_broken_manifest_part_is_damage(out):
    out.shard("b0", Video("x"))
    Path(out.layout.part("b1")).write_bytes(b"garbage")

    with pytest.raises(DatasetDamaged, match=r"part-b1\.parquet"):
        open_shards(out.out)


def test_lists_of_other_lengths_are_damage(out):
    shard = out.shard("b0", Video("x", frames=3))
    frames = out.clips[shard][0].frames
    out.edit_clip(shard, 0, frames=replace(frames, offset=frames.offset[:2]))

    with pytest.raises(DatasetDamaged, match=r"different lengths.*shardmill verify"):
        open_shards(out.out)


@pytest.mark.parametrize("place", [-1, 2**63 - 1])
def test_a_frame_outside_of_its_shard_is_damage(out, place):
    shard = out.shard("b0", Video("x", frames=3))
    frames = out.clips[shard][0].frames
    moved = np.array([*frames.offset[:2], place])
    out.edit_clip(shard, 0, frames=replace(frames, offset=moved))

    with pytest.raises(DatasetDamaged, match=r"bytes \[.*\) are not in a shard of"):
        open_shards(out.out)


@pytest.mark.parametrize("name", ["../../secret", "part-/../../secret"])
def test_a_shard_name_that_leads_away_is_refused(out, name):
    row = failed("x", "corrupt")
    out.part("b0", replace(row, outcome=replace(row.outcome, shard=name)))

    with pytest.raises(DatasetDamaged, match="expected a shard's file name"):
        open_shards(out.out)


NOISE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def _frame(out, data, encoding="jpeg"):
    """A clip whose one frame is ``data``."""
    video = Video("x", frames=1, encoding=encoding)
    video.encoded = lambda: [data]
    out.shard("b0", video)
    return open_shards(out.out)[0]


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        pytest.param(b"no picture", "jpeg", id="no JPEG"),
        pytest.param(simplejpeg.encode_jpeg(NOISE)[:-500], "jpeg", id="half a JPEG"),
        pytest.param(grey(1).tobytes()[:-1], "raw", id="short raw frame"),
        pytest.param(b"BM", "bmp", id="unknown encoding"),
    ],
)
def test_a_frame_that_does_not_decode_is_damage(out, data, encoding):
    with pytest.raises(DatasetDamaged, match=r"frame 0 does not decode.*shardmill verify"):
        _frame(out, data, encoding).frames()


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH + 8), (WIDTH, HEIGHT), (8, 8)])
def test_a_jpeg_of_another_size_is_damage(out, size):
    data = simplejpeg.encode_jpeg(np.zeros((*size, 3), np.uint8))

    with pytest.raises(DatasetDamaged, match="does not decode"):
        _frame(out, data).frames()


def test_a_shard_that_was_cut_short_is_damage(out):
    shard = out.shard("b0", Video("x"), Video("y"))
    os.truncate(out.layout.shard(shard), 100)

    with pytest.raises(DatasetDamaged, match=r"expected a file of \d+ bytes, found 100"):
        open_shards(out.out)[1].frames()


def test_a_missing_shard_is_no_damage_but_an_os_error(out):
    shard = out.shard("b0", Video("x"))
    os.unlink(out.layout.shard(shard))

    with pytest.raises(FileNotFoundError):
        open_shards(out.out)[0].frames()


def test_clips_are_told_apart_by_what_names_them(out):
    out.shard("b0", Video("x", frames=4), Video("y", frames=4, value=90))
    clips = open_shards(out.out)
    again = open_shards(out.out)

    assert clips[1] in again
    assert again.index(clips[1]) == 1
    assert {clips[0]: 1}[again[0]] == 1
    assert clips[0] != clips[1]
    assert clips[0] != "x"


def test_a_slice_is_shards_again(out):
    out.shard("b0", Video("a", frames=1, label="dog", label_id=7), Video("b", frames=2, width=64))
    out.shard("b1", Video("c", frames=3), Video("d", frames=4, label="cat", label_id=300))
    clips = open_shards(out.out)

    for part in (slice(1, 3), slice(None, None, -1), slice(2, None), slice(4, 9), np.s_[::2]):
        some = pickle.loads(pickle.dumps(clips[part]))
        assert [clip.path for clip in some] == list("abcd")[part]
        assert some.lengths().tolist() == [1, 2, 3, 4][part]
        assert some.sizes().tolist() == [[32, 24], [64, 24], [32, 24], [32, 24]][part]
        assert some.label_ids().tolist() == [7, -1, -1, 300][part]
        assert some.most_labels == 1
    assert clips[3:0:-1][0:2][1].path == "c"
    assert clips[1:3].chosen_by == "slice(1, 3, None) of 4 clips has 2"
    assert clips[np.int64(2)].path == clips[np.uint8(2)].path == "c"


@pytest.mark.parametrize(
    ("label_ids", "kept_bytes"),
    [
        pytest.param([None] * 9, 1, id="none"),
        pytest.param([5] * 9, 1, id="one class"),
        pytest.param([*range(8), None], 9, id="a byte each"),
        pytest.param([127, *range(8)], 9, id="the most of a byte"),
        pytest.param([128, *range(8)], 18, id="two bytes each"),
        pytest.param([2**40, *range(8)], 72, id="eight bytes each"),
    ],
)
def test_first_classes_are_kept_in_few_bytes(out, label_ids, kept_bytes):
    labels = [None if number is None else str(number) for number in label_ids]
    out.shard("b0", *(Video(str(i), label=labels[i], label_id=label_ids[i]) for i in range(9)))

    clips = open_shards(out.out)

    assert clips.label_ids().tolist() == [-1 if number is None else number for number in label_ids]
    assert clips.label_ids().dtype == np.int64
    assert clips._clips.label_id.nbytes == kept_bytes


def test_the_output_directory_may_be_relative_to_a_folder_that_is_left(out, monkeypatch, tmp_path):
    out.shard("b0", Video("x", frames=2))
    monkeypatch.chdir(tmp_path)
    clips = open_shards(os.path.relpath(out.out))
    monkeypatch.chdir("/")

    assert greys(clips[0].frames()) == [0, 1]


def attempt_of(out, shard, attempt):
    """Rename a shard as another attempt at its batch would have named it."""
    name = shard.replace("-a1.", f"-{attempt}.")
    for old, new in zip(out.layout.files_of(shard), out.layout.files_of(name), strict=True):
        os.rename(old, new)
    out.framing[name] = out.framing[shard]
    (batch,) = (b for b, rows in out.rows.items() if rows[0].outcome.shard == shard)
    rows = [replace(row, outcome=replace(row.outcome, shard=name)) for row in out.rows[batch]]
    os.unlink(out.layout.part(batch))
    out.part(batch, *rows)
    out.index(name, [replace(clip, shard=name) for clip in out.clips.pop(shard)])


def test_a_fingerprint_says_which_clips_these_are(out):
    out.shard("b1", Video("x"), Video("y", frames=5))
    shard = out.shard("b2", Video("z"))
    clips = open_shards(out.out)
    known = clips.fingerprint()

    assert len(known) == 16
    assert pickle.loads(pickle.dumps(open_shards(out.out))).fingerprint() == known
    assert clips[1:].fingerprint() == open_shards(out.out, where="path <> 'x'").fingerprint()
    others = [clips[:2], clips[1:], clips[::-1], open_shards(out.out, where="path <> 'y'")]
    assert len({known, *(part.fingerprint() for part in others)}) == 5
    assert clips[0:3].fingerprint() == known
    attempt_of(out, shard, "ffff")
    assert open_shards(out.out).fingerprint() == known
    out.shard("b0", Video("earlier"))
    some = open_shards(out.out, where="path <> 'earlier'")
    assert some.fingerprint() == known, "shards without a clip do not count"
    assert open_shards(out.out).fingerprint() != known


def test_another_number_of_frames_is_another_fingerprint(out):
    out.shard("b0", Video("x", frames=3))
    known = open_shards(out.out).fingerprint()
    out.shard("b0", Video("x", frames=4))

    assert open_shards(out.out).fingerprint() != known


@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
def test_a_clip_can_be_checked_before_it_is_used(out, encoding):
    """One bit of the last frame, which no window of the first asks for."""
    shard = out.shard("b0", Video("x", frames=9, encoding=encoding), Video("y"))
    place = out.clips[shard][0].frames.offset[8] + 200
    with open(out.layout.shard(shard), "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))
    clips = open_shards(out.out, check=True)

    for ask in (lambda: clips[0], lambda: clips.excerpt(0, np.array([0])), lambda: clips[:1][0]):
        with pytest.raises(DatasetDamaged, match=r"clip .*do not match their checksum.*verify"):
            ask()
    assert clips[1].path == "y"
    assert open_shards(out.out)[0].frames(0, 1).shape[0] == 1


def test_each_clip_is_checked_once_a_process(out, monkeypatch):
    out.shard("b0", Video("x", frames=9), Video("y"))
    clips = open_shards(out.out, check=True)
    checked = []
    check = clip_module.Clip.check
    monkeypatch.setattr(
        clip_module.Clip, "check", lambda clip: checked.append(clip.path) or check(clip)
    )

    for _ in range(2):
        clips.excerpt(1, np.array([0]))
        clips.excerpt(0, np.array([0]))
        clips[0].frames()
    assert checked == ["y", "x"]
    pickle.loads(pickle.dumps(clips)).excerpt(0, np.array([0]))
    assert checked == ["y", "x", "x"]
    open_shards(out.out)[0]
    assert len(checked) == 3
