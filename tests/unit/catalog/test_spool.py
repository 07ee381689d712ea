"""Inputs compared with rows: what stays, what is stale, what is to do."""

import dataclasses
import os
from collections import Counter
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from out_dir import OutDir, failed, skipped
from shardmill.annotations.annotation import Annotation, Place
from shardmill.catalog import annotation_fingerprint
from shardmill.catalog.split_assigner import Dealer
from shardmill.catalog.spool import Said, Spool
from shardmill.contract.location.roots import Roots
from shardmill.contract.options.labels import label_of
from shardmill.contract.options.split import parse_splits
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.contract.spec import Spec
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest import read_part
from shardmill.inputs.scan import Found
from shardmill.producer.resume import take_out_stale

ODD = os.fsdecode(b"a/\xff\n.mp4")


@pytest.fixture
def spool(tmp_path) -> Iterator[Spool]:
    spool = Spool(str(tmp_path / "spool"), seed=0)
    yield spool
    spool.close()


@pytest.fixture
def out(tmp_path) -> OutDir:
    return OutDir(str(tmp_path / "out"))


def inputs(*paths: str, size_bytes: int = 1000, mtime_ns: int = 1) -> list[Found]:
    return [Found(path, size_bytes, mtime_ns) for path in paths]


def ok(path: str) -> Row:
    outcome = Outcome(status="ok", shard="part-b1-a1.tfrecord")
    return Row(Item(path=path, size_bytes=1000, mtime_ns=1), Facts(), outcome)


def todo(spool: Spool) -> list[str]:
    paths = [each.found.path for each in spool.todo(shuffled=False)]
    assert spool.todo_count() == len(paths)
    return paths


def test_without_a_manifest_everything_is_to_do_sorted_by_path(spool, out):
    spool.add(inputs("b", ODD, "a"))
    assert spool.count() == 3
    spool.add_manifest(out.layout, Spec())
    spool.compare()

    assert todo(spool) == sorted(["b", ODD, "a"], key=os.fsencode)
    assert spool.changed_parts() == []
    assert spool.stale_rows() == {}


UNKNOWN = Found("a", 0, 0, is_unknown=True)


@pytest.mark.parametrize(
    ("rows", "is_to_do"),
    [
        (["a/1", "a/b/2", "a"], []),
        (["a/1", "a0", "a.mp4", "b/a/1"], ["a.mp4", "a0", "b/a/1"]),
        ([], ["a"]),
        (["b"], ["a", "b"]),
    ],
)
def test_rows_of_what_cannot_be_looked_at_and_below_it_stay(spool, out, rows, is_to_do):
    """All others are gone, or have changed."""
    if rows:
        out.part("b1", *(ok(path) for path in rows))
    spool.add([UNKNOWN, *inputs(*(path for path in rows if path in is_to_do), size_bytes=7)])
    spool.add_manifest(out.layout, Spec())

    kept = spool.compare()

    assert kept == len(rows) - len(is_to_do) + ("a" in is_to_do)
    assert todo(spool) == sorted(is_to_do)
    assert spool.gone_count() == 0
    assert spool.row_count() == len(rows)


def test_failed_rows_of_what_cannot_be_looked_at_are_tried_again(spool, out):
    out.part("b1", failed("a/1", "crash"), ok("a/2"))
    spool.add([UNKNOWN])
    spool.add_manifest(out.layout, Spec())
    spool.compare()

    assert todo(spool) == ["a/1"]


def test_rows_without_an_input_are_counted_as_gone(spool, out):
    out.part("b1", ok("a"), ok("b"), ok("c"))
    spool.add(inputs("a", size_bytes=7))
    spool.add_manifest(out.layout, Spec())
    spool.compare()

    assert (spool.gone_count(), spool.row_count()) == (2, 3)


def test_rows_of_broken_parts_are_left_out(spool, out):
    out.part("b1", ok("a"))
    out.part("b2", ok("b"))
    spool.add(inputs("a", "b"))
    spool.add_manifest(out.layout, Spec(), broken=[out.layout.part("b1")])
    spool.compare()

    assert todo(spool) == ["a"]


@pytest.mark.parametrize(
    ("row", "found", "is_stale", "is_to_do"),
    [
        pytest.param(ok("a"), inputs("a"), False, False, id="unchanged"),
        pytest.param(ok(ODD), inputs(ODD), False, False, id="unchanged, no text"),
        pytest.param(ok("a"), inputs("a", size_bytes=7), True, True, id="another size"),
        pytest.param(ok("a"), inputs("a", mtime_ns=2), True, True, id="another time"),
        pytest.param(ok("a"), inputs("a", mtime_ns=0), True, True, id="an older time"),
        pytest.param(ok("a"), inputs("a", size_bytes=10**4), True, True, id="a larger size"),
        pytest.param(ok("a"), [], True, False, id="gone"),
        pytest.param(failed("a", "crash"), inputs("a", size_bytes=500), True, True, id="failed"),
        pytest.param(failed("a", "crash"), [], True, False, id="failed and gone"),
        pytest.param(skipped("a"), inputs("a", size_bytes=70), False, False, id="skipped"),
        pytest.param(skipped("a"), inputs("a"), True, True, id="skipped and changed"),
    ],
)
def test_a_row_counts_while_its_file_is_unchanged(spool, out, row, found, is_stale, is_to_do):
    out.part("b1", row)
    spool.add(found)
    spool.add_manifest(out.layout, Spec())
    spool.compare()

    stale = {out.layout.part("b1"): {(os.fsencode(row.item.path), 0)}} if is_stale else {}
    assert spool.stale_rows() == stale
    assert todo(spool) == ([row.item.path] if is_to_do else [])
    changed = is_stale and row.outcome.status == "ok"
    assert spool.changed_parts() == ([out.layout.part("b1")] if changed else [])


def test_a_forgotten_part_has_all_its_inputs_done_again(spool, out):
    out.part("b1", ok("a"), ok("b"))
    out.part("b2", ok("c"))
    spool.add(inputs("a", "b", "c"))
    spool.add_manifest(out.layout, Spec())
    spool.compare()
    spool.forget(out.layout.part("b1"))

    assert todo(spool) == ["a", "b"]


def test_the_order_is_the_seeds_alone(tmp_path):
    paths = [f"{number:02d}" for number in range(20)]

    def order(seed: int, given: list[str], place: str) -> list[str]:
        spool = Spool(str(tmp_path / place), seed=seed)
        spool.add(inputs(*given))
        found = [each.found.path for each in spool.todo(shuffled=True)]
        spool.close()
        return found

    first = order(1, paths, "1")
    assert order(1, paths[::-1], "2") == first
    assert sorted(first) == paths
    assert first != paths
    assert order(2, paths, "3") != first
    fewer = order(1, paths[:10], "4")
    assert fewer == [path for path in first if path in fewer], "a new file moves no other"


def test_labels_are_the_first_folders(spool):
    spool.add(inputs("b/1", "a/2", "a/deep/3", "4"))

    assert spool.labels(label_of, by_source=True) == ["a", "b"]


def test_an_empty_output_directory_is_no_error(spool, tmp_path):
    spool.add_manifest(Layout(str(tmp_path / "nothing")), Spec())
    spool.compare()

    assert spool.todo_count() == 0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_stretch_of_the_order_is_a_fair_sample_of_the_classes(tmp_path, seed):
    """Whatever batches and shards are cut of it.

    So many draws without putting back, of a class with share p, scatter with the standard
    deviation of the hypergeometric distribution; none of a few hundred is five of them away.
    """
    classes = {"a": 2000, "b": 1000, "c": 200}
    spool = Spool(str(tmp_path / "spool"), seed=seed)
    spool.add(Found(f"{c}/{k:05d}.mp4", 1, 1) for c, n in classes.items() for k in range(n))
    order = [each.found.path[0] for each in spool.todo(shuffled=True)]
    spool.close()

    total = sum(classes.values())
    assert len(order) == total
    for draws in (50, 200, 800):
        for start in range(0, total, draws):
            drawn = Counter(order[start : start + draws])
            for name, count in classes.items():
                share = count / total
                expected = draws * share
                deviation = (expected * (1 - share) * (total - draws) / (total - 1)) ** 0.5
                assert abs(drawn[name] - expected) < 5 * deviation


@pytest.mark.parametrize(
    ("again", "wanted"),
    [
        pytest.param(None, ["lost", "slow", "unnamed"], id="all"),
        pytest.param(["timeout"], ["slow"], id="one class"),
        pytest.param(["timeout", "internal"], ["slow", "unnamed"], id="a row without one is ours"),
        pytest.param(["memory"], [], id="none that there is"),
    ],
)
def test_only_failures_of_the_classes_asked_for_are_tried_again(
    spool, out, tmp_path, again, wanted
):
    """As their files are now: one grew, one is gone, one is a link into nothing."""
    out.part("b1", ok("fine"), failed("slow", "timeout"), failed("lost", "crash"))
    out.part("b2", skipped("song"), failed("unnamed", None))
    (tmp_path / "slow").write_bytes(b"x" * 7)
    (tmp_path / "unnamed").symlink_to("nowhere")

    spool.add_manifest(out.layout, Spec(), again=again)
    spool.add_rows_as_inputs(Roots.of(str(tmp_path)))
    spool.compare()

    assert spool.count() == 5
    assert todo(spool) == wanted
    sizes = {"slow": 7, "lost": 0, "unnamed": 0}
    found = {each.found.path: each.found.size_bytes for each in spool.todo(shuffled=True)}
    assert found == {path: sizes[path] for path in wanted}
    assert spool.changed_parts() == []
    assert set().union(*spool.stale_rows().values()) == {(path.encode(), 0) for path in wanted}


def parts(path: str, *segments: int, of: int) -> list[Row]:
    whole = ok(path)
    return [
        replace(whole, item=replace(whole.item, segment=segment, segments=of))
        for segment in segments
    ]


def test_the_parts_of_one_file_stand_and_fall_together(spool, out):
    """Half of a long video in one shard, half in another: the sound half is made again too."""
    out.part("b1", *parts("long", 0, of=3), ok("a"))
    out.part("b2", *parts("long", 1, of=3), ok("b"))
    out.part("b3", failed("long", "crash", segment=2, segments=3), ok("c"))
    spool.add(inputs("long", "a", "b", "c"))
    spool.add_manifest(out.layout, Spec())
    spool.compare()

    assert spool.changed_parts() == [out.layout.part("b1"), out.layout.part("b2")]
    spool.forget(out.layout.part("b1"))
    spool.forget(out.layout.part("b2"))
    assert spool.stale_rows() == {out.layout.part("b3"): {(b"long", 2)}}
    assert todo(spool) == ["a", "b", "long"]


def test_a_file_of_which_a_part_is_missing_is_to_do(spool, out):
    """The job ended between two batches of a long video; another one is whole."""
    out.part("b1", *parts("long", 0, 2, of=3), ok("a"))
    out.part("b2", *parts("whole", 1, 0, of=2))
    spool.add(inputs("long", "whole", "a"))
    spool.add_manifest(out.layout, Spec())
    spool.compare()

    assert spool.changed_parts() == [out.layout.part("b1")]
    assert todo(spool) == ["long"]


HALVES = parse_splits("train=.5,val=.5")


def by_folder(path: str, source: str) -> tuple[bytes, str | None]:
    """A source alone in its group, of the class that its folder names."""
    return path.encode(), path.split("/", maxsplit=1)[0]


def dealt(spool: Spool, members=by_folder) -> dict[str, str | None]:
    spool.deal(Dealer(HALVES), members)
    return {each.found.path: each.split for each in spool.todo(shuffled=True)}


def test_without_splits_nothing_has_one(spool):
    spool.add(inputs("a/1"))

    assert [each.split for each in spool.todo(shuffled=True)] == [None]


def test_every_class_is_shared_out_and_a_split_comes_in_one_piece(spool):
    spool.add(inputs(*(f"{label}/{n}" for label in "ab" for n in range(50))))

    found = dealt(spool)

    assert len(found) == 100
    assert Counter((path[0], split) for path, split in found.items()) == {
        (label, split): 25 for label in "ab" for split in ("train", "val")
    }
    assert list(found.values()) == ["train"] * 50 + ["val"] * 50


def test_a_group_stays_together_whatever_classes_it_is_of(spool):
    spool.add(inputs(*(f"{label}/g{n % 10}" for label in "abc" for n in range(10))))

    found = dealt(spool, lambda path, _: (path[2:].encode(), path[0]))

    for group in range(10):
        assert len({found[f"{label}/g{group}"] for label in "abc"}) == 1
    assert Counter(found.values()) == {"train": 15, "val": 15}


def test_what_has_its_split_keeps_it_and_so_does_its_group(spool, out):
    """A file that was added later goes where its group is; changed and failed ones stay."""
    rows = [
        replace(row, item=replace(row.item, split="val"))
        for row in (ok("a/1"), ok("a/2"), failed("a/3", "crash"))
    ]
    out.part("b0", *rows)
    spool.add([*inputs("a/1", "a/3", "a/4"), Found("a/2", 7, 7)])
    spool.add_manifest(out.layout, Spec())
    spool.compare()

    assert dealt(spool, lambda *_: (b"one", "a")) == dict.fromkeys(["a/2", "a/3", "a/4"], "val")


def test_new_sources_make_up_for_what_is_there(spool, out):
    out.part(
        "b0", *(replace(ok(f"a/{n}"), item=replace(ok(f"a/{n}").item, split="val")) for n in "123")
    )
    spool.add(inputs(*(f"a/{n}" for n in range(1, 7))))
    spool.add_manifest(out.layout, Spec())
    spool.compare()

    assert dealt(spool) == dict.fromkeys(["a/4", "a/5", "a/6"], "train")


def test_what_is_left_out_is_not_to_do_and_what_was_made_of_it_is_stale(spool, out):
    out.part("b1", ok("a"), ok("b"))
    spool.add(inputs("a", "b", ODD))
    spool.add_manifest(out.layout, Spec())
    spool.compare()
    missing = Item(path="missing", size_bytes=0, mtime_ns=0, label="x", segment=2, segments=3)
    odd = Item(path=ODD, size_bytes=1000, mtime_ns=1)

    spool.leave_out([(odd, "odd"), (missing, "is not there")])
    assert spool.changed_parts() == []
    spool.leave_out([(Item(path="a", size_bytes=1000, mtime_ns=1), "unwanted")])
    assert spool.changed_parts() == [out.layout.part("b1")]
    spool.forget(out.layout.part("b1"))

    assert todo(spool) == ["b"]
    assert (spool.count(), spool.left_out_count()) == (4, 3)
    assert [(item.path, reason) for item, reason in spool.left_out()] == [
        *(("a", "unwanted"), (ODD, "odd"), ("missing", "is not there")),
    ]
    assert [item for item, _ in spool.left_out()][1:] == [odd, missing]


def test_of_equal_contents_the_first_with_a_good_row_is_kept_else_the_first(spool, out):
    out.part("b1", ok("m"), failed("c", "crash"))
    spool.add(inputs("a", "c", "m", "z"))
    spool.add(inputs("e", "f", "g", size_bytes=9))
    spool.add(inputs("alone", size_bytes=10))
    spool.add(inputs("empty 1", "empty 2", size_bytes=0))
    spool.add_manifest(out.layout, Spec())
    spool.compare()

    assert [found.path for found in spool.of_equal_size()] == ["a", "c", "e", "f", "g", "m", "z"]
    assert spool.count_of_equal_size() == 7
    spool.add_digests((path, b"1") for path in "acmzef")  # g could not be read

    assert [(found.path, kept) for found, kept in spool.duplicates()] == [
        *(("a", "m"), ("c", "m"), ("f", "e"), ("z", "m")),
    ]


ANNOTATED = Spec(labels="a.csv")


def said_of(path: str, *labels: str, split: str | None = None) -> list[Said]:
    """What annotations of a file say: a label each, and the second second of it."""
    place = Place("a.csv", "line", 1)
    each = [
        Annotation(source=path, labels=(label,), end_ns=9, split=split, place=place)
        for label in labels
    ]
    return [
        Said(path, n, split, annotation_fingerprint.of_annotation(a, segments=len(each)))
        for n, a in enumerate(each)
    ]


def rows_of(annotations: list[Said], **changes) -> list[Row]:
    """Good rows of them."""
    outcome = Outcome(status="ok", shard="part-b1-a1.tfrecord")
    return [
        Row(
            replace(
                annotation_fingerprint.item_of(
                    Found(s.path, 1000, 1), s.segment, s.text, {"x": 0, "y": 1, "z": 2}
                ),
                **changes,
            ),
            Facts(),
            outcome,
        )
        for s in annotations
    ]


@pytest.mark.parametrize(
    ("before", "now", "again"),
    [
        pytest.param(("x", "y"), ("x", "y"), [], id="the same"),
        pytest.param(("x", "y"), ("x", "z"), [("a", 1)], id="another label"),
        pytest.param(("x",), ("y",), [("a", 0)], id="another label of the only one"),
        pytest.param(("x",), ("x", "y"), [("a", 0), ("a", 1)], id="one more"),
        pytest.param(("x", "y"), ("x",), [("a", 0)], id="one fewer"),
        pytest.param(("x", "y"), (), [("a", 0)], id="none any more"),
    ],
)
def test_an_annotation_is_to_do_where_its_row_says_something_else(spool, out, before, now, again):
    out.part("b1", *rows_of(said_of("a", *before)))
    out.part("b2", *rows_of(said_of("b", "x")))
    spool.add(inputs("a", "b"))
    spool.add_said([*said_of("a", *now), *said_of("b", "x")])
    spool.add_manifest(out.layout, ANNOTATED)
    spool.compare()

    found = [(each.found.path, each.segment) for each in spool.todo(shuffled=True)]
    assert found == again
    assert spool.changed_parts() == ([out.layout.part("b1")] if again else [])
    take_out_stale(out.layout, spool)
    found = [(each.found.path, each.segment) for each in spool.todo(shuffled=True)]
    assert found == ([("a", n) for n in range(max(1, len(now)))] if again else [])
    assert spool.todo_count() == len(found)


def test_an_annotation_that_failed_is_done_again_alone(spool, out):
    first, second, third = rows_of(said_of("a", "x", "y", "z"))
    bad = replace(second, outcome=Outcome(status="failed", error_class="empty"))
    out.part("b1", first)
    out.part("b2", bad, replace(third, outcome=Outcome(status="skipped")))
    spool.add(inputs("a"))
    spool.add_said(said_of("a", "x", "y", "z"))
    spool.add_manifest(out.layout, ANNOTATED)
    spool.compare()
    take_out_stale(out.layout, spool)

    assert [each.segment for each in spool.todo(shuffled=False)] == [1]
    assert [row.item.segment for row in read_part(out.layout.part("b2"))] == [2]
    assert spool.done_count() == 0


def test_a_whole_file_that_was_cut_is_one_annotation(spool, out):
    (row,) = rows_of(said_of("a", "x"))
    cut = [
        replace(row, item=replace(row.item, segment=n, segments=2, start_ns=n, end_ns=n + 1))
        for n in range(2)
    ]
    out.part("b1", cut[0])
    out.part("b2", cut[1])
    spool.add(inputs("a"))
    spool.add_said(said_of("a", "x"))
    spool.add_manifest(out.layout, ANNOTATED)
    spool.compare()

    assert todo(spool) == []


def test_clips_of_a_length_are_one_annotation(spool, out):
    whole = Said("a", 0, None, said_of("a", "x")[0].text.replace('"clip_end_ns":9,', ""))
    (row,) = rows_of([whole])
    clips = [
        replace(row, item=replace(row.item, segment=n, segments=2, clip_start_ns=n))
        for n in range(2)
    ]
    out.part("b1", *clips)
    spool.add(inputs("a"))
    spool.add_said([whole])
    spool.add_manifest(out.layout, dataclasses.replace(ANNOTATED, clip_s=1.0))
    spool.compare()

    assert todo(spool) == []


@pytest.mark.parametrize(("split", "is_done"), [("train", True), ("val", False), (None, False)])
def test_a_split_that_annotations_name_is_kept_only_while_they_do(spool, out, split, is_done):
    out.part("b1", *rows_of(said_of("a", "x", split="train")))
    spool.add(inputs("a"))
    spool.add_said(said_of("a", "x", split=split))
    spool.add_manifest(out.layout, ANNOTATED)
    spool.compare()

    assert [each.split for each in spool.todo(shuffled=True)] == ([] if is_done else [split])


def test_a_split_that_was_dealt_is_none_of_an_annotation(spool, out):
    out.part("b1", *rows_of(said_of("a", "x"), split="train"))
    spool.add(inputs("a"))
    spool.add_said(said_of("a", "x"))
    spool.add_manifest(out.layout, dataclasses.replace(ANNOTATED, split="train=1"))
    spool.compare()

    assert todo(spool) == []


def test_a_retry_finds_in_the_rows_what_annotations_said(spool, out, tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1000)
    os.utime(tmp_path / "a", ns=(1, 1))
    sound, other = rows_of(said_of("a", "x", "y"))
    bad = replace(other, outcome=Outcome(status="failed", error_class="crash"))
    out.part("b1", sound, *rows_of(said_of("b", "z")))
    out.part("b2", bad)
    spool.add_manifest(out.layout, ANNOTATED, again=["crash"])
    spool.add_rows_as_inputs(Roots.of(str(tmp_path)))
    spool.compare()

    (again,) = spool.todo(shuffled=False)
    assert (again.found.path, again.segment, again.said) == ("a", 1, said_of("a", "x", "y")[1].text)
