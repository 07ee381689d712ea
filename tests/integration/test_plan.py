"""A plan says beforehand what a run then comes to, and writes nothing."""

import json

import pytest

from command_line import poisoned, shell
from made_media import jumping_video, pictures, video

SPEC = ("--size", "32x24", "--fps", "5")


@pytest.fixture
def here():
    with shell() as here:
        yield here


@pytest.fixture
def media(tmp_path):
    """Sixty pictures, videos of 5 to 50 frames at 10 Hz, two files that are none, and sound."""
    media = pictures(tmp_path / "in", 60)
    for number in range(1, 11):
        video(media / f"{number}.mp4", frames=5 * number)
    (media / "broken.mp4").write_bytes(b"\0" * 5000)
    (media / "empty.png").touch()
    return media


def test_a_run_comes_to_what_the_plan_told(here, media, tmp_path):
    out = tmp_path / "out"

    planned = here.run("plan", media, "--out", out, *SPEC, "--json")

    assert planned.code == 3
    assert not out.exists()
    plan, done = planned.json, here.run("run", media, "--out", out, *SPEC, "--json").json
    assert (plan["inputs"], plan["clips"]) == (done["inputs"], done["clips"]) == (72, 70)
    assert plan["failures"] == done["failures"]
    assert sum(plan["failures"].values()) == 2
    for told, came in (("frames", done["frames"]), ("bytes_out", done["bytes_out"])):
        value, error = plan[told]["value"], plan[told]["error"]
        assert abs(value - came) <= 2 * error + 0.02 * came, told
    assert 0 < plan["sampled"] <= 48


@pytest.mark.parametrize("command", [("plan", "--out", "out", *SPEC), ("probe",)], ids=" ".join)
def test_with_roots_a_link_out_of_them_is_no_input_and_all_else_is(here, tmp_path, command):
    """What is put aside meanwhile lies below no root."""
    media, verb, *options = pictures(tmp_path / "in", 3), *command
    outside = pictures(tmp_path / "outside", 1)
    (media / "link.png").symlink_to(outside / "000.png")
    here.environment["SHARDMILL_ROOTS"] = str(media)

    told = here.run(verb, media, *options, "--json")

    assert told.code == 3, told.err
    assert told.json["failures"] == {"forbidden": 1}
    assert told.json["inputs"] == 4


def test_the_memory_to_hold_it_all_is_told(here, media, tmp_path):
    """By hand: 60 pictures, and 3, 5, 8 ... 25 frames at 5 of the 10 Hz; 32 x 24 x 3 bytes each."""
    out = tmp_path / "out"
    plan = here.run("plan", media, "--out", out, *SPEC, "--json").json

    lengths = [1] * 60 + [-(-5 * n // 2) for n in range(1, 11)]
    assert [row["frames"] for row in plan["truncations"]] == [8, 16, 25]
    for row in plan["truncations"]:
        kept = [min(length, row["frames"]) for length in lengths]
        assert row["frames_kept"] == sum(kept)
        assert row["clips_cut"] == sum(length > row["frames"] for length in lengths)
        assert row["bytes_ragged"] == sum(kept) * 32 * 24 * 3
        assert row["bytes_padded"] == len(lengths) * row["frames"] * 32 * 24 * 3


def test_a_person_is_told_in_a_few_lines(here, media, tmp_path):
    planned = here.run("plan", media, "--out", tmp_path / "my out", *SPEC)

    assert planned.code == 3
    lines = planned.out.splitlines()
    assert lines[0] == "72 files: 70 can be used"
    assert [line.split()[0] for line in lines[1:6:2]] == ["unfit", "unfit", "frames"]
    assert "broken.mp4" in planned.out
    assert lines[-2].startswith(f"  next     shardmill run {media} --out '{tmp_path / 'my out'}'")
    assert here.run("plan", media, "--out", tmp_path / "o", *SPEC, "--allow-failures").code == 0


def test_where_nothing_can_be_used_there_is_nothing_to_foresee(here, tmp_path):
    media = tmp_path / "in"
    media.mkdir()
    (media / "broken.mp4").write_bytes(b"\0" * 5000)

    planned = here.run("plan", media, "--out", tmp_path / "out", "--json")

    assert planned.code == 3
    assert planned.json["clips"] == planned.json["sampled"] == 0
    assert planned.json["frames"] == {"value": 0.0, "error": 0.0}
    assert here.run("plan", media, "--out", tmp_path / "out").out.startswith("1 file: 0 can be")


def test_a_sample_of_one_does_not_pretend_to_know_its_error(here, tmp_path):
    media = pictures(tmp_path / "in", 1)

    planned = here.run("plan", media, "--out", tmp_path / "out", "--json")

    assert planned.code == 0
    assert json.loads(planned.out)["bytes_out"]["error"] is None


JUMPING = ("forward.ts", "backward.ts", "wrap.ts", "gap.mkv", "gap.mp4", "gap.flv", "even.mp4")


@pytest.mark.parametrize("options", [(), ("--fps", "4"), ("--clip-seconds", "1.5")], ids=str)
def test_clocks_that_jump_do_not_mislead_a_plan(here, there, tmp_path, options):
    for name in JUMPING:
        jumping_video(tmp_path / "in" / name)
    what = (tmp_path / "in", "--out", tmp_path / "out", "--size", "32x24", *options, "--json")

    plan, done = here.run("plan", *what).json, there.submit(*what).json

    assert (plan["clips"], plan["failures"]) == (done["clips"], {})
    assert plan["frames"] == {"value": pytest.approx(done["frames"]), "error": 0.0}
    assert plan["bytes_out"]["value"] == pytest.approx(done["bytes_out"], rel=0.02)
    told = there.run("query", tmp_path / "out", "select max(frames) m from clips", "--json")
    assert plan["truncations"][-1]["frames"] == json.loads(told.out)["m"]


def test_a_plan_of_half_of_the_files_is_no_plan(here, media, tmp_path):
    poisoned(here).environment["TEST_DECODER_DIE"] = "before shardmill.report.summary:write_json"

    planned = here.run("plan", media, "--out", tmp_path / "out", "--json")

    assert (planned.code, planned.out) == (1, "")
    assert "shardmill: the plan was paused before its end: " in planned.err


def test_what_run_would_refuse_is_refused(here, media):
    planned = here.run("plan", media, "--out", media / "out")

    assert planned.code == 2
    assert "lies in the input directory" in planned.only_sentence
