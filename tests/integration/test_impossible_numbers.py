"""Numbers that a header claims and that cannot be: the row is there without them, the job ends."""

import json
import math
import struct
import subprocess
from pathlib import Path

import pytest

from shardmill.contract.row import Facts

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
