"""Where the time goes is told step by step, and the steps are all of it."""

import time

import pytest

from shardmill_worker.engine import decode, encode, picture, reader, stopwatch
from shardmill_worker.engine.shard import ShardInMaking

STEPS = ("open", "demux", "decode", "scale", "colour", "encode", "write")
NAP_S = 0.02


def test_time_counts_for_the_step_that_was_done_before_the_look(monkeypatch):
    clock = iter([0.0, 1.0, 3.0, 10.0, 14.0, 22.0, 22.5])
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: next(clock))
    watch = stopwatch.Stopwatch()

    watch.was("open")
    watch.was("decode")
    watch.begin()
    watch.was("decode")

    assert watch.columns() == {"open_s": 1.0, "decode_s": 2.0 + 4.0}
    watch.was("write")
    assert watch.columns() == {"write_s": 8.0}
    assert watch.columns() == {}


def spent(row) -> dict[str, float]:
    return {step: getattr(row.outcome, f"{step}_s") or 0.0 for step in STEPS}


def test_the_steps_of_an_item_add_up_to_its_seconds(folder, steps):
    names = [folder.video(f"{n}.mp4", steps(12)) for n in range(2)]

    done = folder.extract(*names)

    for row in done.rows:
        assert all(spent(row).values())
    told = [outcome.seconds for outcome in done.outcomes]
    assert [row.outcome.seconds for row in done.rows] == told
    shares = [sum(spent(row).values()) - row.outcome.seconds for row in done.rows]
    assert shares[0] == pytest.approx(shares[1])
    assert shares[0] > 0  # of putting the shard in place


def napping(monkeypatch, owner: object, name: str) -> list[int]:
    """Make a function slower; return what counts its calls."""
    original, calls = getattr(owner, name), []

    def slow(*arguments, **options):
        calls.append(1)
        time.sleep(NAP_S)
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, slow)
    return calls


@pytest.mark.parametrize(
    ("step", "owner", "name"),
    [
        ("open", reader, "open_media"),
        ("scale", picture, "resize"),
        ("colour", picture, "to_jfif"),
        ("encode", encode, "jpeg_from_planes"),
        ("write", ShardInMaking, "add"),
        ("write", ShardInMaking, "finish"),
    ],
)
def test_a_slower_step_is_the_one_that_takes_longer(folder, steps, monkeypatch, step, owner, name):
    clip = folder.video("clip.mp4", steps(12))
    calls = napping(monkeypatch, owner, name)

    (row,) = folder.extract(clip, size="32x24").rows

    assert calls
    assert spent(row)[step] >= NAP_S * len(calls)
    others = row.outcome.seconds - spent(row)[step]
    assert step == "write" or others < sum(spent(row).values()) - NAP_S * len(calls)


@pytest.mark.parametrize("options", [{}, {"count": 3}, {"fps": 5}], ids=str)
def test_reading_and_decoding_are_told_apart(folder, steps, monkeypatch, options):
    clip = folder.video("clip.mp4", steps(20), codec="libx264")
    packets = decode.Media.packets

    def slow(media):
        for packet in packets(media):
            media.stopwatch.begin()
            time.sleep(NAP_S)
            media.stopwatch.was("demux")
            yield packet

    monkeypatch.setattr(decode.Media, "packets", slow)
    (row,) = folder.extract(clip, **options).rows

    assert spent(row)["demux"] >= 20 * NAP_S
    assert 0 < spent(row)["decode"] < row.outcome.seconds - 20 * NAP_S


def test_what_an_item_costs_that_fails_is_told(folder, steps):
    clip = folder.video("clip.mp4", steps(12), codec="libx264")
    data = (folder.root / clip).read_bytes()
    facts = folder.probe(clip)
    folder.write(clip, data[: len(data) // 3])

    (row,) = folder.extract(clip, facts=[facts]).rows

    assert row.outcome.status == "failed"
    assert row.outcome.decode_s > 0
    assert row.outcome.seconds == pytest.approx(
        sum(value for step, value in spent(row).items() if step != "write")
    )
