"""What holds for a shard of any format."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from made_clips import FORMATS, several
from shardmill_worker.engine.shards import open_shard

WRITE = """
import sys
from made_clips import several
from shardmill_worker.engine.shards import open_shard
writer = open_shard(sys.argv[1], sys.argv[2])
for clip in several(sys.argv[1]):
    writer.add(clip)
writer.finish()
"""


def in_another_process(code: str, *arguments: object, **environment: str):
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("shard_format", FORMATS)
def test_every_frame_lies_where_the_writer_says(tmp_path, shard_format):
    path = tmp_path / "shard"
    writer = open_shard(shard_format, str(path))
    clips = several(shard_format)
    placed = [writer.add(clip) for clip in clips]
    writer.finish()

    data, end = path.read_bytes(), 0
    for clip, place in zip(clips, placed, strict=True):
        assert place.record_offset >= end
        end = place.record_offset
        for frame, offset in zip(clip.frames, place.frame_offset.tolist(), strict=True):
            assert data[offset : offset + len(frame.data)] == frame.data
            assert offset >= end
            end = offset + len(frame.data)
        assert end <= place.record_offset + place.record_length <= len(data)
        end = place.record_offset + place.record_length
        assert (place.frame_offset.dtype, place.frame_offset.shape) == (
            np.int64,
            (len(clip.frames),),
        )


@pytest.mark.parametrize("shard_format", FORMATS)
def test_equal_clips_give_equal_bytes_in_any_process(tmp_path, shard_format):
    """Two processes with other hash seeds, time zones and working directories."""
    paths = [tmp_path / name for name in ("one", "two")]
    for path, seed, zone in zip(paths, ("1", "2"), ("UTC", "Asia/Tokyo"), strict=True):
        done = in_another_process(WRITE, shard_format, path, PYTHONHASHSEED=seed, TZ=zone)
        assert done.returncode == 0, done.stderr

    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].stat().st_size > 0


@pytest.mark.parametrize("clips", [0, 2])
@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_shard_that_is_given_up_holds_no_file_open(tmp_path, shard_format, clips):
    before = os.listdir("/proc/self/fd")
    writer = open_shard(shard_format, str(tmp_path / "shard"))
    for clip in several(shard_format)[:clips]:
        writer.add(clip)
    writer.abandon()
    writer.abandon()

    assert os.listdir("/proc/self/fd") == before


WRITE_TOO_MUCH = """
import resource, sys
from msgspec.structs import replace
from made_clips import several
from shardmill_worker.engine.shards import open_shard
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
writer = open_shard(sys.argv[1], sys.argv[2])
try:
    for number, clip in enumerate(several(sys.argv[1]) * 30):
        writer.add(replace(clip, clip_id=f"{number:016x}"))
    writer.finish()
except OSError as error:
    print(error.errno)
writer.abandon()
"""


@pytest.mark.parametrize("most_bytes", [0, 1000, 100_000])
@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_full_disk_is_told_and_takes_no_process_down(tmp_path, shard_format, most_bytes):
    """HDF5's library, met by a failed write, ends its process with a fault of memory."""
    done = in_another_process(WRITE_TOO_MUCH, shard_format, tmp_path / "shard", most_bytes)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{errno.EFBIG}\n", "")


@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_place_that_is_none_is_told(tmp_path, shard_format):
    with pytest.raises(FileNotFoundError):
        open_shard(shard_format, str(tmp_path / "nowhere" / "shard"))
