"""Ratios, medians, aims and tables of the benchmarks, against numbers worked out by hand."""

import sys
from pathlib import Path

import pytest

from source_tree import ROOT

sys.path.append(str(ROOT / "benchmarks"))

from page import aim_line, number, page, table
from record import Aim, Record, Table, ceiling, load, save
from side_by_side import Contender, Unequal, best, named, race, results_of

TAKEN = {"ours": [2.0, 4.0, 1.0], "slow, usual": [6.0, 4.0, 5.0], "slow, best": [2.0, 8.0, 3.0]}


def record(**more) -> Record:
    found = Table("Work", results_of(TAKEN), "ms", pieces=100, per="file")
    slow, start = found.results[1], ceiling("2b", "start", 2, 3.0, unit="s")
    told = {"name": "probe_images", "title": "A title", "text": "A text.", "scale": "full"}
    aims = [Aim("10", "work", "slow", 2.5, slow.ratio), start]
    return Record(**told, tables=[found], aims=aims, **more)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios_not_the_ratio_of_medians():
    """Usual: 3, 1, 5, the median 3, though the medians 5 and 2 would give 2.5."""
    ours, usual, fastest = results_of(TAKEN)

    assert (ours.ratio, usual.ratio, fastest.ratio) == (1.0, 3.0, 2.0)
    assert (ours.median, usual.median, fastest.median) == (2.0, 5.0, 3.0)


def test_the_best_peer_is_the_one_with_the_smallest_ratio_and_never_ours():
    results = results_of(TAKEN)

    assert best(results).name == "slow, best"
    assert best(results, "slow, u").name == "slow, usual"
    assert named(results, "ours").name == "ours"


def test_contenders_take_turns_and_the_round_that_warms_up_does_not_count():
    turns: list[tuple[str, int]] = []
    contenders = [
        Contender(name, lambda piece, name=name: turns.append((name, piece))) for name in "ab"
    ]

    results = race(contenders, rounds=2, pieces=2)

    assert turns == [
        *(("a", 0), ("a", 1), ("b", 0), ("b", 1)),
        *(("a", 2), ("a", 3), ("b", 2), ("b", 3)),
        *(("a", 4), ("a", 5), ("b", 4), ("b", 5)),
    ]
    assert [len(result.seconds) for result in results] == [2, 2]


def test_one_that_does_a_part_of_the_work_is_charged_for_all_of_it(monkeypatch):
    clock = iter([0.0, 1.0, 10.0, 12.0])
    monkeypatch.setattr("side_by_side.time.perf_counter", lambda: next(clock))
    contenders = [Contender("ours", str), Contender("slow", str, share=0.02)]

    ours, slow = race(contenders, rounds=1, warm_up=False)

    assert (ours.seconds, slow.seconds, slow.ratio) == ((1.0,), (100.0,), 100.0)


@pytest.mark.parametrize(
    ("aim", "met"),
    [
        (Aim("1", "w", "a", 8, 8.0), True),
        (Aim("1", "w", "a", 8, 7.99), False),
        (ceiling("1", "w", 2, 2.0, unit="s"), True),
        (ceiling("1", "w", 2, 2.01, unit="s"), False),
    ],
)
def test_an_aim_is_met_at_its_limit(aim, met):
    assert aim.met is met
    assert aim_line(aim, full=True).endswith("| met |") is met
    assert aim_line(aim, full=False).endswith("| not judged |")


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (0.01234, "0.0123"), (123.4, "123"), (1.0, "1")]
)
def test_numbers_are_printed_with_three_digits(value, text):
    assert number(value) == text


def test_a_table_tells_median_spread_and_ratio_a_piece():
    """2 s for 100 files are 20 ms a file."""
    lines = table(Table("Work", results_of(TAKEN), "ms", pieces=100, per="file")).splitlines()

    assert lines[0] == "| Work | median ms a file | min - max | rounds | times ours |"
    assert lines[2] == "| ours | 20 | 10 - 40 | 3 | **1.00** |"
    assert lines[3] == "| slow, usual | 50 | 40 - 60 | 3 | **3.00** |"


def test_a_record_comes_back_as_it_was_written(tmp_path):
    save(record(), folder=tmp_path, packages=["pytest"])
    found = load(tmp_path / "probe_images.json")

    assert (found.tables, found.aims) == (record().tables, record().aims)
    assert found.versions["pytest"] == pytest.__version__
    assert "cores of" in found.machine
    assert found.commit != "unknown" or not (ROOT / ".git").exists()


def test_the_page_lists_aims_by_their_numbers_and_links_to_a_plot():
    text = page({"probe_images": record(machine="a machine", commit="abc")})
    aims = [line for line in text.splitlines() if line.startswith(("| 2b", "| 10"))]

    assert aims[:2] == [
        "| 2b | start | - | ≤ 2 s | 3 s | **not met** |",
        "| 10 | work | slow | ≥ 2.5x | 3x | met |",
    ]
    assert "![Work](plots/probe_images-0.svg)" in text
    assert "abc" in text
    assert "small scale" not in text


def test_work_that_was_not_done_ends_the_comparison(tmp_path):
    from program import command

    words = [sys.executable, "-c", "print('{\"files\": 3}')"]
    contender = command("lazy", words, out=tmp_path / "out", expect={"files": 4})

    with pytest.raises(Unequal, match=r"lazy: expected \{'files': 4\}, got \{'files': 3\}"):
        contender.do(0)


def test_pictures_that_differ_end_the_comparison():
    import numpy as np
    from likeness import difference

    black, grey = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 200, np.uint8)

    assert difference(black, grey) == 200.0
    assert difference(grey, black) == 200.0
    with pytest.raises(Unequal, match="cannot be the same"):
        difference(black, grey[:1])


def test_every_peer_is_a_program_with_its_use_in_its_first_lines():
    peers = sorted((ROOT / "benchmarks" / "peers").glob("*.py"))
    assert peers
    for path in peers:
        if path.stem != "clips":
            assert f"python benchmarks/peers/{path.name} DIR" in path.read_text()[:400], path.name


def test_no_program_of_the_benchmarks_is_longer_than_a_module_may_be():
    for path in Path(ROOT / "benchmarks").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path
