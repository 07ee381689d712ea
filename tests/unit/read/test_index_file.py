"""An index is checked when it is opened, and read by position ever after."""

import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import fields, replace

from out_dir import OutDir, Video
from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.checksum import OPEN, SEAL, Framing, sealed
from shardmill.dataset.index import SCHEMA, ClipEntry, entry_at, open_index
from shardmill.read import index_file, open_shards
from shardmill.read.index_file import IndexRows, open_index_files, read_index_file


@pytest.fixture
def out(tmp_path):
    out = OutDir(str(tmp_path / "out"))
    out.shard("b0", Video("é.mp4", frames=9, label="cat", label_id=3), Video("b.mp4", value=90))
    out.shard("b1", Video("c.mp4", frames=1, value=50, label="dog", label_id=1))
    return out


def index_path(out, number=0) -> Path:
    return Path(out.layout.index_of(sorted(out.clips)[number]))


def plain(clip: ClipEntry) -> dict:
    """A clip as lists with the types of its arrays, which can be compared."""
    values = {f.name: getattr(clip, f.name) for f in fields(clip)}
    frames = values.pop("frames")
    arrays = {f.name: getattr(frames, f.name) for f in fields(frames)}
    return values | {name: (a.dtype, a.tolist()) for name, a in arrays.items()}


def write_table(path, columns, *, shard_bytes=10**6, rows=100):
    """Write a sealed index with some columns changed, in record batches of some rows."""
    table = pa.Table.from_pydict(columns, schema=SCHEMA)
    schema = SCHEMA.with_metadata({"shard_bytes": str(shard_bytes), "framing_crc32c": "0"})
    data = pa.BufferOutputStream()
    with pa.ipc.new_file(data, schema, metadata={SEAL: OPEN}) as writer:
        writer.write_table(table.replace_schema_metadata(schema.metadata), max_chunksize=rows)
    Path(path).write_bytes(sealed(data.getvalue().to_pybytes()))


def test_rows_are_those_that_arrow_reads(out):
    shard = min(out.clips)
    clips = [
        replace(out.clips[shard][0], labels=("cat", "", "ü"), label_ids=(3, 0, 2**40), extra="{}"),
        *out.clips[shard][1:],
        replace(out.clips[shard][0], clip_id="", label=None, label_id=None, path="x" * 300),
    ]
    out.index(shard, clips)
    path = str(index_path(out))
    table = open_index(path)

    _, _, (places,) = open_index_files([read_index_file(path, shard)])
    with IndexRows(path, places) as index:
        found = [plain(index.entry(row, count)) for row, count in enumerate((9, 3, 9))]
        ids = index.column("clip_id", 3)

    assert found == [plain(entry_at(table, row)) for row in range(3)]
    assert ids == table["clip_id"].to_pylist()


@pytest.mark.parametrize(
    "numbers",
    [[], [0], [8], [2, 3, 4], [0, 4, 8], [8, 2, 3, 3, 0], list(range(9)) * 2],
    ids=str,
)
def test_an_excerpt_has_the_frames_that_are_asked_for(out, numbers):
    numbers = np.array(numbers, np.int64)
    clips = open_shards(out.out)
    frames = clips[0].entry.frames

    excerpt = clips.excerpt(0, numbers)

    for name in ("offset", "length", "pts_ns"):
        expected = getattr(frames, name)[numbers]
        assert getattr(excerpt, name).tolist() == expected.tolist()
        assert getattr(excerpt, name).dtype == expected.dtype
    assert (excerpt.clip_id, excerpt.path) == (Video("é.mp4").clip_id, "é.mp4")
    assert (excerpt.label_id, excerpt.label_ids) == (3, (3,))
    assert (excerpt.encoding, excerpt.width, excerpt.height) == ("jpeg", 32, 24)
    pixels = excerpt.canvas(numbers.size)
    excerpt.decode(pixels)
    assert np.array_equal(pixels, clips[0].frames()[numbers])


def test_an_excerpt_of_a_clip_without_a_label_has_none(out):
    excerpt = open_shards(out.out).excerpt(1, np.array([0]))

    assert (excerpt.label_id, excerpt.label_ids) == (None, ())


@pytest.mark.parametrize(("clip", "numbers"), [(3, [0]), (0, [9]), (0, [-1, 0])])
def test_an_excerpt_beyond_the_clips_is_refused(out, clip, numbers):
    with pytest.raises(IndexError):
        open_shards(out.out).excerpt(clip, np.array(numbers))


def test_the_bytes_that_an_excerpt_reads_do_not_grow_with_the_clip(tmp_path, monkeypatch):
    """A thousand times the frames: as many reads, of as many bytes but for the length of texts."""
    reads = {}
    pread = os.pread
    for count in (200, 200_000):
        out = OutDir(str(tmp_path / str(count)))
        shard = out.shard("b0", Video("a.mp4", frames=1))
        lists = {
            f.name: np.zeros(count, getattr(out.clips[shard][0].frames, f.name).dtype)
            for f in fields(out.clips[shard][0].frames)
        }
        out.edit_clip(shard, 0, frames=replace(out.clips[shard][0].frames, **lists))
        clips = open_shards(out.out)
        sizes = []

        def spy(fd, size, start, sizes=sizes):
            sizes.append(size)
            return pread(fd, size, start)

        with monkeypatch.context() as patched:
            patched.setattr(os, "pread", spy)
            clips.excerpt(0, np.arange(count - 64, count))
        reads[count] = sizes

    assert reads[200] == reads[200_000]
    assert sum(reads[200]) < 64 * (8 + 4 + 8) + 200


def test_no_flipped_bit_of_an_index_goes_unnoticed(out):
    """The checksum finds every single bit."""
    path = index_path(out)
    sound = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(8 * len(sound), size=300).tolist():
        damaged = bytearray(sound)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)

        with pytest.raises(DatasetDamaged, match=rf"{path.name}.*shardmill verify"):
            open_shards(out.out)


def test_a_flipped_bit_under_a_right_checksum_is_damage_or_harmless(out):
    """Nothing but DatasetDamaged may come of it, whoever made the checksum."""
    path = index_path(out)
    sound = path.read_bytes()
    place = sound.rfind(b"crc32c:") + 7
    rng = np.random.default_rng(1)
    outcomes = set()
    for position in rng.integers(8 * (place - 7), size=400).tolist():
        damaged = bytearray(sound)
        damaged[position // 8] ^= 1 << position % 8
        damaged[place : place + 8] = b"00000000"
        path.write_bytes(sealed(bytes(damaged)))
        try:
            clips = open_shards(out.out)
            for number in range(len(clips)):
                clips.excerpt(number, np.arange(clips.lengths()[number]))
                clips[number]
            outcomes.add("harmless")
        except DatasetDamaged:
            outcomes.add("damage")

    assert outcomes == {"harmless", "damage"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shard": ["part-other-a1.tfrecord"] * 2}, "clips of another shard"),
        ({"width": [32, 0]}, "frames have no pixels"),
        ({"pts_ns": [[0, None, 2], [0, 1, 2]]}, "lists with empty elements"),
        ({"label_ids": [[None], []]}, "lists with empty elements"),
        ({"pts_ns": [[0, 1], [0, 1, 2]]}, "lists have different lengths"),
        ({"length": [[10, 10, -1], [10, 10, 10]]}, "are not in a shard of"),
        ({"offset": [[0, 1, 10**6 - 9], [0, 1, 2]]}, r"\[999991, 1000001\) are not in a shard of"),
    ],
)
def test_an_index_by_which_frames_cannot_be_read_is_damage(out, changes, message):
    shard = min(out.clips)
    columns = {
        **{name: ["x"] * 2 for name in ("clip_id", "path", "encoding")},
        **{name: [None] * 2 for name in ("label", "label_id", "extra")},
        **{name: [[], []] for name in ("labels", "label_ids")},
        **{name: [9] * 2 for name in ("width", "height", "crc32c", "record_offset")},
        **{name: [[0, 1, 2]] * 2 for name in ("offset", "pts_ns", "source_index")},
        "clip_part": [0] * 2,
        "clip_parts": [1] * 2,
        "record_length": [9] * 2,
        "length": [[10] * 3] * 2,
        "keyframe": [[True] * 3] * 2,
        "shard": [shard] * 2,
    }
    write_table(index_path(out), columns)
    assert len(open_shards(out.out)) == 3, "it is sound without the changes"
    write_table(index_path(out), columns, rows=1)
    with pytest.raises(DatasetDamaged, match="several record batches"):
        open_shards(out.out)

    write_table(index_path(out), columns | changes)

    with pytest.raises(DatasetDamaged, match=message):
        open_shards(out.out)


def test_the_index_of_another_shard_is_damage(out):
    first, second = index_path(out, 0), index_path(out, 1)
    first.write_bytes(second.read_bytes())

    with pytest.raises(DatasetDamaged, match=r"part-b0-a1.arrow holds clips of another shard"):
        open_shards(out.out)


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_an_index_that_is_cut_short_after_opening_is_damage(out, kept):
    clips = open_shards(out.out)
    os.truncate(index_path(out), kept if kept >= 0 else index_path(out).stat().st_size - 1)

    for ask in (lambda: clips[0], lambda: clips.excerpt(1, np.array([0])), clips.ids):
        with pytest.raises(
            DatasetDamaged, match="changed since it was opened, it has another size"
        ):
            ask()
    assert clips[2].path == "c.mp4", "the other shard is sound"


@pytest.mark.parametrize("byte", [b"\0", b"\x7f", b"\xff", b"A"])
def test_an_index_that_is_overwritten_after_opening_is_damage(out, byte):
    clips = open_shards(out.out)
    index_path(out).write_bytes(byte * index_path(out).stat().st_size)

    for ask in (lambda: clips[0], lambda: clips.excerpt(1, np.array([0]))):
        with pytest.raises(DatasetDamaged, match="changed since it was opened"):
            ask()


@pytest.fixture
def checks(monkeypatch):
    """The paths of the files that were checked, of files that are old enough to be remembered."""
    found = []
    check = index_file.check_bytes

    def spy(path, data):
        found.append(os.path.basename(path))
        return check(path, data)

    monkeypatch.setattr(index_file, "check_bytes", spy)
    monkeypatch.setattr(index_file, "_YOUNG_NS", 0)
    return found


def test_an_index_is_checked_once_a_process(out, checks):
    for _ in range(3):
        open_shards(out.out)

    assert sorted(checks) == ["part-b0-a1.arrow", "part-b1-a1.arrow"]


def test_an_index_that_changed_is_checked_again(out, checks):
    open_shards(out.out)
    path = index_path(out)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)

    with pytest.raises(DatasetDamaged, match="own checksum"):
        open_shards(out.out)


def test_an_index_that_was_written_just_now_is_checked_again(out, checks, monkeypatch):
    """It may change once more within a tick of the clock that stamps it."""
    monkeypatch.setattr(index_file, "_YOUNG_NS", 10**15)
    for _ in range(2):
        open_shards(out.out)

    assert len(checks) == 4


def test_only_so_many_verdicts_are_kept(out, checks, monkeypatch):
    monkeypatch.setattr(index_file, "_REMEMBERED", 1)
    for _ in range(3):
        open_shards(out.out)

    assert len(index_file._SOUND) == 1


def test_who_receives_a_pickle_checks_no_index(out, checks):
    clips = pickle.loads(pickle.dumps(open_shards(out.out)))
    checks.clear()

    assert clips.excerpt(0, np.array([1])).path == "é.mp4"
    assert [clip.path for clip in clips] == ["é.mp4", "b.mp4", "c.mp4"]
    assert checks == []


def test_an_index_without_clips_has_none(out):
    shard = out.shard("b2", Video("gone.mp4"))
    out.framing[shard] = Framing(shard_bytes=0, crc32c=0)
    out.index(shard, [])

    assert len(open_shards(out.out)) == 3
    assert open_shards(out.out).ids()[2] == []
