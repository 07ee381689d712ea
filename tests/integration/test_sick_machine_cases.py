"""Faults of sick machines, lying numbers and strangers, found in an audit, each with its oracle.

``make cases`` runs them and prints a table.  Programs of a case are used where they are quick;
what needs more than a command is shown by a test of the kind.
"""

import base64
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from awaiting import wait_for
from case_folder import FOLDER, MARKS, classes, script, told, with_shim
from cluster import assert_whole, gates, names_of, open_gates, reached
from command_line import Shell, poisoned
from made_media import picture, pictures, video
from private_redis import PrivateRedis, free_port
from shardmill.local.cluster import redis_server
from source_tree import ROOT

pytestmark = MARKS

SMALL = ("--size", "64x64")
Check = Callable[[Shell, Path, Path], None]
"""Asserts that a case, by its folder, comes out right in a directory of the test's own."""


def sound(folder: Path) -> Path:
    """Fill a folder with two clips and return it."""
    video(folder / "a.mp4")
    video(folder / "b.mkv", frames=7)
    return folder


def assert_sound(here: Shell, out: Path) -> None:
    """Check that everything is there, by the manifest and by the shards."""
    verified = here.run("verify", out)
    assert verified.code == 0, verified.out


def lost_reply_of_link(home: Shell, case: Path, place: Path) -> None:
    media, out = sound(place / "in"), place / "out"
    sick = with_shim(home, case / "shim", ONCE=str(place / "once"))
    assert sick.run("run", media, "--out", out, *SMALL).code == 0
    assert_sound(home, out)
    assert home.run("run", media, "--out", out, *SMALL).code == 0
    assert_whole(out, {"a.mp4": "ok", "b.mkv": "ok"})


def counter_beyond_int64(home: Shell, case: Path, place: Path) -> None:
    """The batch that was given is in flight, or its child is; never neither."""
    server = PrivateRedis(redis_server())
    try:
        done = script(home, case / "ledger_only.py", server.url)
    finally:
        server.close()
    assert done.out.splitlines()[-1] == "1 in flight", done


def duration_beyond_int64(home: Shell, case: Path, place: Path) -> None:
    media, out = sound(place / "in"), place / "out"
    make = FOLDER / "R02-counter-overflow" / "make.py"
    assert script(home, make, media, "1e10", 64, 0).code == 0
    assert home.run("probe", media, "--out", out).code == 0
    for verb in ("status", "report", "verify"):
        assert home.run(verb, out).code == 0, verb
    assert home.run("probe", media, "--out", out).code == 0


def numbers_beyond_int64(home: Shell, case: Path, place: Path) -> None:
    media, out = sound(place / "in"), place / "out"
    late_ns = 10_413_792_000 * 10**9  # 2300-01-01
    os.utime(video(media / "late.mp4"), ns=(late_ns, late_ns))
    assert script(home, case / "mkarch.py", media).code == 0
    assert script(home, case / "mkzip62.py", media / "z.zip", 3).code == 0
    done = home.run("run", "--archives", media, "--out", out, *SMALL)
    assert done.code == 3, done.err
    found = classes(home, out)
    assert (found.pop("a.mp4"), found.pop("b.mkv")) == (None, None)
    assert "late.mp4" in found
    archives = {path.split("/")[0] for path, error in found.items() if error}
    assert archives >= {"big.zip", "off.zip", "big.tar", "z.zip"}
    assert_sound(home, out)


def end_of_a_job(home: Shell, case: Path, place: Path) -> None:
    odd, out = sound(place / os.fsdecode(b"in\xff")), place / "out"
    assert home.run("run", odd, "--out", out, *SMALL).code == 0
    assert (out / "report.html").stat().st_size > 0
    media, out = sound(place / "in"), place / "out2"
    assert home.run("run", media, "--out", out, *SMALL).code == 0
    assert script(home, case / "break_index.py", out).code == 0
    picture(media / "c.png")
    done = home.run("run", media, "--out", out, *SMALL)
    (index,) = [path.name for path in out.glob("index/*.arrow") if path.name in done.out + done.err]
    assert (done.code, bool(index)) == (4, True), done
    assert "SIG" not in done.out + done.err


def folder_that_cannot_be_listed(home: Shell, case: Path, place: Path) -> None:
    media, out = place / "in", place / "out"
    for folder in ("a", "b"):
        pictures(media / folder, 12)
    assert home.run("run", media, "--out", out, *SMALL).code == 0
    shards = sorted((out / "shards").iterdir())

    with_shim(home, case / "shim").run("run", media, "--out", out, *SMALL)
    assert classes(home, out) == dict.fromkeys(
        f"{folder}/{number:03d}.png" for folder in "ab" for number in range(12)
    )
    assert sorted((out / "shards").iterdir()) == shards
    assert_sound(home, out)

    (media / "b").rename(place / "away")
    (media / "b").mkdir()
    refused = home.run("run", media, "--out", out, *SMALL)
    assert refused.code not in (0, 3)
    assert "--prune" in refused.err
    assert sorted((out / "shards").iterdir()) == shards
    assert home.run("run", media, "--out", out, *SMALL, "--prune").code == 0
    assert len(classes(home, out)) == 12


def lost_classes(home: Shell, case: Path, place: Path) -> None:
    media, out = place / "in", place / "out"
    for seed, label in enumerate(("bouncing", "sliding")):
        picture(media / label / "x.png", seed=seed)
    assert home.run("run", media, "--out", out, *SMALL).code == 0
    (out / "classes.json").unlink()
    assert home.run("verify", out).code == 1
    picture(media / "aaa" / "x.png", seed=9)
    assert home.run("run", media, "--out", out, *SMALL).code == 0
    rows = told(home, out, "select distinct label, label_id from files order by label_id")
    assert rows == [
        {"label": "bouncing", "label_id": 0},
        {"label": "sliding", "label_id": 1},
        {"label": "aaa", "label_id": 2},
    ]
    assert json.loads((out / "classes.json").read_text()) == {
        "bouncing": 0,
        "sliding": 1,
        "aaa": 2,
    }
    assert_sound(home, out)


def redis_went_back(home: Shell, case: Path, place: Path) -> None:
    """The power goes between a claim and its way to the disk of Redis."""
    media, out = gates(place / "in", 1, stage="probe"), place / "out"
    server = PrivateRedis(redis_server())
    poisoned(home).environment |= {"SHARDMILL_REDIS_URL": server.url, "SHARDMILL_LEASE_S": "2"}
    try:
        assert home.run("submit", media, "--out", out, *SMALL).code == 0
        before = server.snapshot()
        worker = home.start("worker", "--slots", 1)
        wait_for(lambda: reached(media), "the attempt")
        assert os.listdir(out / ".tmp") != []
        worker.kill()
        server.set_back(before)
        open_gates(media)
        home.start("worker", "--slots", 1)
        done = home.run("watch", out)
        assert done.code == 0, done
        assert_whole(out, dict.fromkeys(names_of(media), "ok"))
    finally:
        server.close()


def on_a_poor_file_system(home: Shell, case: Path, place: Path) -> None:
    """What lacks links, the fsync of directories or flock is used, if it can be in safety."""
    media = sound(place / "in")
    for shim in ("shim", "shim-dirsync", "shim-flock"):
        out = place / shim
        done = with_shim(home, case / shim).run("run", media, "--out", out, *SMALL)
        assert done.code == 0, done.err
        assert_sound(home, out)


def sick_machine(home: Shell, case: Path, place: Path) -> None:
    """No file is charged with what the machine lacks; the job says what that is."""
    media = sound(place / "in")
    for name in ("EMFILE", "EIO"):
        out = place / name
        sick = with_shim(home, case / "shim", INPUT_ERRNO=name)
        done = sick.run("run", media, "--out", out, *SMALL, "--json")
        assert (done.code, done.json["failed"]) == (4, 0), done
        assert os.strerror(getattr(errno, name)) in done.json["reason"]
        assert home.run("run", media, "--out", out, *SMALL).code == 0
        assert_whole(out, {"a.mp4": "ok", "b.mkv": "ok"})


def symbolic_links(home: Shell, case: Path, place: Path) -> None:
    media, out = sound(place / "in"), place / "out"
    private = picture(place / "outside" / "private.png")
    (media / "x.png").symlink_to(private)
    confined = Shell(home.scratch, {"SHARDMILL_ROOTS": f"{media}:{place / 'out'}"})
    assert confined.run("run", media, "--out", out, *SMALL).code == 3
    assert classes(home, out) == {"a.mp4": None, "b.mkv": None, "x.png": "forbidden"}

    victim, planted = place / "victim", place / "planted"
    victim.write_text("unharmed")
    assert script(home, case / "plant.py", planted, victim).code == 0
    home.run("run", media, "--out", planted, *SMALL)
    assert victim.read_text() == "unharmed"

    secret, read = place / "secret", place / "read"
    secret.write_bytes(b"TOP SECRET " * 30)
    assert home.run("run", media, "--out", read, *SMALL, "--encoding", "png").code == 0
    assert script(home, case / "exfiltrate.py", read, secret).code == 0
    home.run("report", read)
    report = (read / "report.html").read_bytes()
    assert base64.b64encode(secret.read_bytes()) not in report
    assert b"TOP SECRET" not in report


def password_in_a_url(home: Shell, case: Path, place: Path) -> None:
    media, out = sound(place / "in"), place / "out"
    server = PrivateRedis(redis_server(), tcp=True)
    try:
        with server.client() as client:
            client.config_set("requirepass", "S3CRET")
        told_ = home.run("submit", media, "--out", out, "--redis", f"{server.url}?password=S3CRET")
    finally:
        server.close()
    assert told_.code == 0, told_.err
    assert "S3CRET" not in told_.out + told_.err + (out / ".lock").read_text()
    nobody = f"redis://127.0.0.1:{free_port()}/0?password=S3CRET"
    for url in (nobody, "redis://u:S3C/RET@127.0.0.1/0"):
        told_ = home.run("submit", media, "--out", place / "other", "--redis", url)
        assert told_.code in (1, 2)
        assert "S3C" not in told_.err
        assert "RET" not in told_.err


NO_DAMAGE = (
    *("reseal item {'size_bytes'", "reseal item {'mtime_ns'", "reseal facts"),
    *("reseal outcome {'frames_decoded'", "reseal failed -> skipped", "stray file in manifest"),
)
"""Forgeries whose checksum was made anew, which nobody can know without the inputs, and a file of
somebody else's."""


def damage_that_verify_sees(home: Shell, case: Path, place: Path) -> None:
    media, out = place / "in", place / "out"
    for frames, label in enumerate(("bouncing", "sliding"), start=4):
        video(media / label / "a.mp4", frames=frames)
        video(media / label / "b.mkv", frames=frames * 3)
    (media / "sliding" / "broken.png").write_bytes(bytes(500))
    assert home.run("run", media, "--out", out, *SMALL, "--clips-per-shard", "2").code == 3
    mutated = script(home, case / "mutate.py", out)
    assert mutated.code == 0, mutated.err
    missed = [line for line in mutated.out.splitlines() if not line.startswith(("found", "SKIP"))]
    assert [line for line in missed if not line.removeprefix("MISSED ").startswith(NO_DAMAGE)] == []


def escape_sequences(home: Shell, case: Path, place: Path) -> None:
    media, out = sound(place / "in"), place / "out"
    labels = place / "labels.jsonl"
    labels.write_text(json.dumps({"path": "a.mp4", "caption": "\x1b]0;pwned"}) + "\n")
    home.run("run", media, "--out", out, *SMALL, "--labels", labels)
    shown = home.run("query", out, "select extra->>'caption' from files")
    assert "pwned" in shown.out
    assert "\x1b" not in shown.out
    whole = json.loads((out / "job.json").read_text())
    for key, value in (
        ("name", "a\x1b[31mb"),
        ("spec", []),
        ("more_roots", [1]),
        ("started_s", "x"),
    ):
        (out / "job.json").write_text(json.dumps(whole | {key: value}))
        said = home.run("status", out)
        assert "Traceback" not in said.err
        assert "\x1b" not in said.out + said.err


def storm(home: Shell, case: Path, place: Path) -> None:
    """One seed of ``make chaos``."""
    environment = home.whole_environment() | {"PYTHONPATH": str(ROOT / "tests")}
    command = [sys.executable, "-m", "chaos", "--seeds", "1", "--seconds", "3"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def scratch_of_a_living_run(home: Shell, case: Path, place: Path) -> None:
    """The other run sees no process of this one, whose directory must stay all the same."""
    media, small = gates(place / "in", 1), sound(place / "small")
    living = poisoned(home).start("run", media, "--out", place / "o1", *SMALL)
    wait_for(lambda: reached(media), "a file in work")
    before = {path.name for path in home.scratch.glob("shardmill-*")}
    apart = Shell(home.scratch, prefix=("unshare", "-pf", "--mount-proc"))
    assert apart.run("run", small, "--out", place / "o2", *SMALL).code == 0
    assert before <= {path.name for path in home.scratch.glob("shardmill-*")}
    open_gates(media)
    assert home.end(living).code == 0


REACHING = (
    *("/", "read_", "scan", "getenv", "secret s", "copy", "attach", "install", "load "),
    *("export", "import", "set ", "pragma ", "call "),
)
"""Words of the queries that would reach a file, the environment, a network or the settings."""


def sql_that_reaches_files(home: Shell, case: Path, place: Path) -> None:
    media, out = sound(place / "in"), place / "out"
    assert home.run("run", media, "--out", out, *SMALL).code == 0
    before = sorted(home.scratch.rglob("*"))
    asked = script(home, case / "sql.py", out)
    assert asked.code == 0, asked.err
    answered = [line for line in asked.out.splitlines() if not line.startswith("refused")]
    assert all(line.startswith("ANSWER") for line in answered), answered
    queries = [line.split(" -> ")[0] for line in answered]
    assert [query for query in queries if any(word in query for word in REACHING)] == []
    assert sorted(home.scratch.rglob("*")) == before
    cell = home.run("query", out, "select '=1+1' as f, -2 as n", "--csv")
    assert cell.out.splitlines()[1].lstrip('"')[0] not in "=+-@"
    assert cell.out.rstrip().endswith("-2")


CHECKS: dict[str, Check] = {
    "R01-nfs-link": lost_reply_of_link,
    "R02-counter-overflow": counter_beyond_int64,
    "R03-duration": duration_beyond_int64,
    "R04-unstorable-numbers": numbers_beyond_int64,
    "R05-finish-never-gives-up": end_of_a_job,
    "R06-unreadable-folder": folder_that_cannot_be_listed,
    "R07-classes-lost": lost_classes,
    "R08-redis-went-back": redis_went_back,
    "R09-no-hard-links": on_a_poor_file_system,
    "R10-machine-blamed-on-files": sick_machine,
    "R11-symlinks": symbolic_links,
    "R12-secrets": password_in_a_url,
    "R13-verify": damage_that_verify_sees,
    "R15-terminal": escape_sequences,
    "R16-stress": storm,
    "R18-scratch": scratch_of_a_living_run,
    "R20-sql-held": sql_that_reaches_files,
}
SHOWN_ELSEWHERE = {
    "R14-redis-lua": "integration/test_secure_redis.py",
    "R17-slow-redis": "integration/test_reconciler.py",
    "R19-report-fsync": "faults/test_file_systems.py",
}
"""Folders that need an administrator, a measurement or a power cut."""


@pytest.mark.parametrize("name", CHECKS)
def test_a_case_comes_out_right(home, name, tmp_path):
    CHECKS[name](home, FOLDER / name, tmp_path)


def test_every_case_is_checked_or_shown():
    found = {path.name for path in FOLDER.iterdir() if path.name.startswith("R") and path.is_dir()}

    assert found == CHECKS.keys() | SHOWN_ELSEWHERE.keys()
    assert all((ROOT / "tests" / place).exists() for place in SHOWN_ELSEWHERE.values())
