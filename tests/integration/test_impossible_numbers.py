"""Numbers that a header claims and that cannot be: the row is there without them, the job ends."""

import io
import json
import math
import os
import struct
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shardmill.contract.schema import Facts

pytestmark = [pytest.mark.needs_redis, pytest.mark.timeout(300)]

DURATION = b"\x44\x89\x88"
"""Matroska's element Duration of eight bytes (RFC 9559, 5.1.2.10)."""
CLAIMS = {
    "nan": math.nan,
    "infinite": math.inf,
    "huge": 1e300,
    "huge_negative": -1e300,
    "int64": 2.0**63 * 1e-3,
    "negative": -5.0,
    "zero": 0.0,
}
"""Milliseconds."""


def short_video(path: Path) -> bytes:
    source = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=1")
    command = ["ffmpeg", "-v", "error", *source, "-c:v", "mpeg4", path]
    subprocess.run(command, check=True)
    return path.read_bytes()


def claiming(data: bytes, duration_ms: float) -> bytes:
    at = data.index(DURATION) + len(DURATION)
    return data[:at] + struct.pack(">d", duration_ms) + data[at + 8 :]


def test_a_job_of_headers_that_claim_the_impossible_ends(there, tmp_path):
    media, out = tmp_path / "media", tmp_path / "out"
    media.mkdir()
    sound = short_video(media / "sound.mkv")
    for name, claim in CLAIMS.items():
        (media / f"{name}.mkv").write_bytes(claiming(sound, claim))

    done = there.submit(media, "--out", out)

    assert done.code == 0, done.err
    sql = "select path, frames_kept, duration_s from files order by path"
    rows = [json.loads(line) for line in there.run("query", out, sql, "--json").out.splitlines()]
    assert {row["path"] for row in rows} == {"sound.mkv", *(f"{name}.mkv" for name in CLAIMS)}
    assert {row["frames_kept"] for row in rows} == {10}
    assert all(0 <= (row["duration_s"] or 0) <= 1e9 for row in rows)
    for command in ("status", "failures", "verify", "report"):
        assert there.run(command, out).code == 0
    assert there.run("plan", media, "--out", tmp_path / "plan").code == 0
    assert there.run("probe", media).code == 0


@pytest.mark.parametrize("name", ["fps", "duration_s", "bit_rate", "frames_header"])
@pytest.mark.parametrize("claim", [math.nan, math.inf, -math.inf, 1e300, -1e300, -1, 2**63])
def test_no_fact_holds_what_cannot_be(name, claim):
    assert getattr(Facts(**{name: claim}), name) is None


@pytest.mark.parametrize(("name", "value"), [("fps", 29.97), ("duration_s", 86400.0), ("fps", 0)])
def test_facts_hold_what_can_be(name, value):
    assert getattr(Facts(**{name: value}), name) == value


NAME = b"a.mp4"
IN_EXTRA = 2**32 - 1
"""A number of a zip's entry that stands in its extra part (APPNOTE 4.5.3)."""


def zip_that_claims(*, size: int, packed: int, offset: int) -> bytes:
    """A zip of one stored file of ten bytes, whose directory says otherwise in its zip64 part."""
    extra = struct.pack("<2H3Q", 1, 24, size, packed, offset)
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 0, 0, 10, 10, len(NAME), 0)
    local += NAME + b"0123456789"
    numbers = (IN_EXTRA, IN_EXTRA, len(NAME), len(extra))
    entry = struct.pack(
        "<4s2B5H3I3H2H2I", b"PK\1\2", 45, 3, 45, 0, 0, 0, 0, 0, *numbers, 0, 0, 0, 0, IN_EXTRA
    )
    entry += NAME + extra
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local), 0)
    return local + entry + end


def tar_that_claims(size: int) -> bytes:
    """A tar of one file of ten bytes, whose header says otherwise in base 256 (GNU tar)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        member = tarfile.TarInfo("b.mp4")
        member.size = 10
        tar.addfile(member, io.BytesIO(b"x" * 10))
    data = bytearray(stream.getvalue())
    data[124:136] = b"\x80" + size.to_bytes(11, "big")
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


ARCHIVES = {
    "size.zip": zip_that_claims(size=2**64 - 1, packed=2**64 - 1, offset=0),
    "large.zip": zip_that_claims(size=2**62, packed=2**62, offset=0),
    "offset.zip": zip_that_claims(size=10, packed=10, offset=2**63),
    "behind.zip": zip_that_claims(size=10, packed=10, offset=2**63 - 1),
    "size.tar": tar_that_claims(2**70),
    "large.tar": tar_that_claims(2**62),
}


def test_archives_that_claim_the_impossible_cost_their_members_only(there, tmp_path):
    media, out = tmp_path / "media", tmp_path / "out"
    media.mkdir()
    short_video(media / "sound.mkv")
    for name, data in ARCHIVES.items():
        (media / name).write_bytes(data)

    done = there.submit(media, "--archives", "--out", out)

    assert done.code == 3, done.err
    sql = "select path, status, size_bytes from files"
    rows = [json.loads(line) for line in there.run("query", out, sql, "--json").out.splitlines()]
    status = {row["path"].partition("/")[0]: row["status"] for row in rows}
    assert status == {"sound.mkv": "ok"} | dict.fromkeys(ARCHIVES, "failed")
    assert all(0 <= row["size_bytes"] < 2**53 for row in rows)
    for command in ("status", "failures", "verify", "report"):
        assert there.run(command, out).code in {0, 3}
        assert "Traceback" not in there.run(command, out).err


def test_a_time_of_change_that_no_manifest_holds_costs_its_file_only(there, tmp_path):
    media, out = tmp_path / "media", tmp_path / "out"
    media.mkdir()
    short_video(media / "sound.mkv")
    odd = media / "odd.mkv"
    odd.write_bytes((media / "sound.mkv").read_bytes())
    os.utime(odd, (0, datetime(2300, 1, 1, tzinfo=UTC).timestamp()))

    assert there.submit(media, "--out", out).code == 3

    sql = "select path, error_class, error_message from files order by path"
    odd_row, sound = (
        json.loads(line) for line in there.run("query", out, sql, "--json").out.splitlines()
    )
    assert sound["error_class"] is None
    assert odd_row["error_class"] == "unsupported"
    assert "touch the file" in odd_row["error_message"]
    os.utime(odd)
    assert there.submit(media, "--out", out).code == 0
