"""Inputs compared with rows: what stays, what is stale, what is to do."""

import os
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pytest
from msgspec.structs import replace

from catalog_work import paths_to_do, work_of
from out_dir import OutDir, failed, skipped
from shardmill.catalog import catalog as catalog_module
from shardmill.catalog.catalog import Catalog, sql
from shardmill.catalog.split_assigner import assign_splits
from shardmill.contract.location.archive import Member
from shardmill.contract.location.roots import Roots
from shardmill.contract.options.labels import label_of
from shardmill.contract.options.split import group_pattern, parse_splits
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.contract.spec import Spec
from shardmill.dataset.layout import Layout
from shardmill.inputs.scan import Files, Found

ODD = os.fsdecode(b"a/\xff\n.mp4")


@pytest.fixture
def catalog(tmp_path) -> Iterator[Catalog]:
    catalog = Catalog(str(tmp_path), label_of)
    yield catalog
    catalog.close()


@pytest.fixture
def out(tmp_path) -> OutDir:
    return OutDir(str(tmp_path / "out"))


def inputs(*paths: str, size_bytes: int = 1000, mtime_ns: int = 1) -> list[Found]:
    return [Found(path, size_bytes, mtime_ns) for path in paths]


def ok(path: str) -> Row:
    outcome = Outcome(status="ok", shard="part-b1-a1.tfrecord")
    return Row(Item(path=path, size_bytes=1000, mtime_ns=1), Facts(), outcome)


def test_without_a_manifest_everything_is_to_do_sorted_by_path(catalog, out):
    catalog.add(inputs("b", ODD, "a"))
    assert catalog.count() == 3
    catalog.add_manifest(out.layout, Spec())
    catalog.compare()

    assert paths_to_do(catalog) == sorted(["b", ODD, "a"], key=os.fsencode)
    assert catalog.changed_parts() == []
    assert catalog.stale_rows() == {}


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
def test_rows_of_what_cannot_be_looked_at_and_below_it_stay(catalog, out, rows, is_to_do):
    """All others are gone, or have changed."""
    if rows:
        out.part("b1", *(ok(path) for path in rows))
    catalog.add([UNKNOWN, *inputs(*(path for path in rows if path in is_to_do), size_bytes=7)])
    catalog.add_manifest(out.layout, Spec())

    kept = catalog.compare()

    assert kept == len(rows) - len(is_to_do) + ("a" in is_to_do)
    assert paths_to_do(catalog) == sorted(is_to_do)
    assert catalog.gone_count() == 0
    assert catalog.earlier_count() == len(rows)


def test_failed_rows_of_what_cannot_be_looked_at_are_tried_again(catalog, out):
    out.part("b1", failed("a/1", "crash"), ok("a/2"))
    catalog.add([UNKNOWN])
    catalog.add_manifest(out.layout, Spec())
    catalog.compare()

    assert paths_to_do(catalog) == ["a/1"]


def test_rows_without_an_input_are_counted_as_gone(catalog, out):
    out.part("b1", ok("a"), ok("b"), ok("c"))
    catalog.add(inputs("a", size_bytes=7))
    catalog.add_manifest(out.layout, Spec())
    catalog.compare()

    assert (catalog.gone_count(), catalog.earlier_count()) == (2, 3)


def test_rows_of_broken_parts_are_left_out(catalog, out):
    out.part("b1", ok("a"))
    out.part("b2", ok("b"))
    catalog.add(inputs("a", "b"))
    catalog.add_manifest(out.layout, Spec(), broken=[out.layout.part("b1")])
    catalog.compare()

    assert paths_to_do(catalog) == ["a"]


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
def test_a_row_counts_while_its_file_is_unchanged(catalog, out, row, found, is_stale, is_to_do):
    out.part("b1", row)
    catalog.add(found)
    catalog.add_manifest(out.layout, Spec())
    catalog.compare()

    stale = {out.layout.part("b1"): {(os.fsencode(row.item.path), 0)}} if is_stale else {}
    assert catalog.stale_rows() == stale
    assert paths_to_do(catalog) == ([row.item.path] if is_to_do else [])
    changed = is_stale and row.outcome.status == "ok"
    assert catalog.changed_parts() == ([out.layout.part("b1")] if changed else [])


def test_a_forgotten_part_has_all_its_inputs_done_again(catalog, out):
    out.part("b1", ok("a"), ok("b"))
    out.part("b2", ok("c"))
    catalog.add(inputs("a", "b", "c"))
    catalog.add_manifest(out.layout, Spec())
    catalog.compare()
    catalog.forget(out.layout.part("b1"))

    assert paths_to_do(catalog) == ["a", "b"]


def test_the_order_is_the_seeds_alone(tmp_path):
    paths = [f"{number:02d}" for number in range(20)]

    def order(seed: int, given: list[str], place: str) -> list[str]:
        (tmp_path / place).mkdir()
        catalog = Catalog(str(tmp_path / place), label_of)
        catalog.add(inputs(*given))
        catalog.compare()
        found = paths_to_do(catalog, seed=seed)
        catalog.close()
        return found

    first = order(1, paths, "1")
    assert order(1, paths[::-1], "2") == first
    assert sorted(first) == paths
    assert first != paths
    assert order(2, paths, "3") != first
    fewer = order(1, paths[:10], "4")
    assert fewer == [path for path in first if path in fewer], "a new file moves no other"


def test_labels_are_the_first_folders(catalog):
    catalog.add(inputs("b/1", "a/2", "a/deep/3", "4"))

    assert sorted(catalog.labels()) == ["a", "b"]


def test_an_empty_output_directory_is_no_error(catalog, tmp_path):
    catalog.add_manifest(Layout(str(tmp_path / "nothing")), Spec())
    catalog.compare()

    assert catalog.todo_count() == 0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_stretch_of_the_order_is_a_fair_sample_of_the_classes(catalog, seed):
    """Whatever batches and shards are cut of it.

    So many draws without putting back, of a class with share p, scatter with the standard
    deviation of the hypergeometric distribution; none of a few hundred is five of them away.
    """
    classes = {"a": 2000, "b": 1000, "c": 200}
    catalog.add(Found(f"{c}/{k:05d}.mp4", 1, 1) for c, n in classes.items() for k in range(n))
    catalog.compare()
    order = [path[0] for path in paths_to_do(catalog, seed=seed)]

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
    catalog, out, tmp_path, again, wanted
):
    """As their files are now: one grew, one is gone, one is a link into nothing."""
    out.part("b1", ok("fine"), failed("slow", "timeout"), failed("lost", "crash"))
    out.part("b2", skipped("song"), failed("unnamed", None))
    (tmp_path / "slow").write_bytes(b"x" * 7)
    (tmp_path / "unnamed").symlink_to("nowhere")

    catalog.add_manifest(out.layout, Spec(), again=again)
    catalog.add_rows_as_inputs(Roots.of(str(tmp_path)))
    catalog.compare()

    assert catalog.count() == 5
    assert paths_to_do(catalog) == wanted
    sizes = {"slow": 7, "lost": 0, "unnamed": 0}
    found = {row["path"]: row["size_bytes"] for row in work_of(catalog)}
    assert found == {path: sizes[path] for path in wanted}
    assert catalog.changed_parts() == []
    assert set().union(*catalog.stale_rows().values()) == {(path.encode(), 0) for path in wanted}


def parts(path: str, *segments: int, of: int) -> list[Row]:
    whole = ok(path)
    return [
        replace(whole, item=replace(whole.item, segment=segment, segments=of))
        for segment in segments
    ]


def test_the_parts_of_one_file_stand_and_fall_together(catalog, out):
    """Half of a long video in one shard, half in another: the sound half is made again too."""
    out.part("b1", *parts("long", 0, of=3), ok("a"))
    out.part("b2", *parts("long", 1, of=3), ok("b"))
    out.part("b3", failed("long", "crash", segment=2, segments=3), ok("c"))
    catalog.add(inputs("long", "a", "b", "c"))
    catalog.add_manifest(out.layout, Spec())
    catalog.compare()

    assert catalog.changed_parts() == [out.layout.part("b1"), out.layout.part("b2")]
    catalog.forget(out.layout.part("b1"))
    catalog.forget(out.layout.part("b2"))
    assert catalog.stale_rows() == {out.layout.part("b3"): {(b"long", 2)}}
    assert paths_to_do(catalog) == ["a", "b", "long"]


def test_a_file_of_which_a_part_is_missing_is_to_do(catalog, out):
    """The job ended between two batches of a long video; another one is whole."""
    out.part("b1", *parts("long", 0, 2, of=3), ok("a"))
    out.part("b2", *parts("whole", 1, 0, of=2))
    catalog.add(inputs("long", "whole", "a"))
    catalog.add_manifest(out.layout, Spec())
    catalog.compare()

    assert catalog.changed_parts() == [out.layout.part("b1")]
    assert paths_to_do(catalog) == ["long"]


HALVES = parse_splits("train=.5,val=.5")


def assigned(catalog: Catalog, pattern: str | None = None) -> dict[str, str | None]:
    """Compare, and return the split of each input that is to do."""
    catalog.compare()
    assign_splits(catalog, HALVES, group_pattern(pattern))
    return {row["path"]: row["split"] for row in work_of(catalog, seed=0)}


def test_without_splits_nothing_has_one(catalog):
    catalog.add(inputs("a/1"))
    catalog.compare()

    assert [row["split"] for row in work_of(catalog)] == [None]


def test_every_class_is_shared_out_and_a_split_comes_in_one_piece(catalog):
    catalog.add(inputs(*(f"{label}/{n}" for label in "ab" for n in range(50))))

    found = assigned(catalog)

    assert len(found) == 100
    assert Counter((path[0], split) for path, split in found.items()) == {
        (label, split): 25 for label in "ab" for split in ("train", "val")
    }
    assert list(found.values()) == ["train"] * 50 + ["val"] * 50


def test_a_group_stays_together_whatever_classes_it_is_of(catalog):
    catalog.add(inputs(*(f"{label}/g{n % 10}_{n}" for label in "abc" for n in range(20))))

    found = assigned(catalog, r"g\d")

    for group in range(10):
        splits = {found[f"{label}/g{group}_{n}"] for label in "abc" for n in (group, group + 10)}
        assert len(splits) == 1
    assert Counter(found.values()) == {"train": 30, "val": 30}


def test_a_group_of_one_class_counts_for_that_class(catalog):
    """Two groups of class a, one of a and b: by hand, either split has one group of class a."""
    catalog.add(inputs("a/g1_1", "a/g2_1", "a/g3_1", "b/g3_2"))

    found = assigned(catalog, r"g\d")

    assert found["a/g3_1"] == found["b/g3_2"]
    assert {found["a/g1_1"], found["a/g2_1"]} == {"train", "val"}


def test_what_has_its_split_keeps_it_and_so_does_its_group(catalog, out):
    """A file that was added later goes where its group is; changed and failed ones stay."""
    rows = [
        replace(row, item=replace(row.item, split="val"))
        for row in (ok("a/1"), ok("a/2"), failed("a/3", "crash"))
    ]
    out.part("b0", *rows)
    catalog.add([*inputs("a/1", "a/3", "a/4"), Found("a/2", 7, 7)])
    catalog.add_manifest(out.layout, Spec())

    assert assigned(catalog, "^a") == dict.fromkeys(["a/2", "a/3", "a/4"], "val")


def test_new_sources_make_up_for_what_is_there(catalog, out):
    out.part(
        "b0", *(replace(ok(f"a/{n}"), item=replace(ok(f"a/{n}").item, split="val")) for n in "123")
    )
    catalog.add(inputs(*(f"a/{n}" for n in range(1, 7))))
    catalog.add_manifest(out.layout, Spec())

    assert assigned(catalog) == dict.fromkeys(["a/4", "a/5", "a/6"], "train")


def reasons(**of_paths: str) -> pa.Table:
    """Why inputs are left out."""
    paths = pa.array(map(os.fsencode, of_paths), pa.binary())
    return pa.table({"path": paths, "reason": list(of_paths.values())})


def test_what_is_left_out_is_not_to_do_and_what_was_made_of_it_is_stale(catalog, out):
    out.part("b1", ok("a"), ok("b"))
    catalog.add(inputs("a", "b", ODD))
    catalog.add_manifest(out.layout, Spec())
    catalog.compare()
    missing = pa.table(
        {
            "path": pa.array([b"missing"], pa.binary()),
            "segment": pa.array([2], pa.int32()),
            "labels": [["x"]],
            "extra": ["{}"],
            "split": ["val"],
            "reason": ["is not there"],
        }
    )

    catalog.skip(reasons(**{ODD: "odd"}))
    catalog.insert("skipped", missing)
    catalog.skip_by_annotations()
    assert catalog.changed_parts() == []
    catalog.skip(reasons(a="unwanted"))
    assert catalog.changed_parts() == [out.layout.part("b1")]
    catalog.forget(out.layout.part("b1"))

    assert paths_to_do(catalog) == ["b"]
    assert catalog.count() == 4
    found = catalog.skipped().read_all().to_pylist()
    told = ("path", "size_bytes", "mtime_ns", "labels", "segment", "split", "reason")
    assert [tuple(row[name] for name in told) for row in found] == [
        (b"a", 1000, 1, [], 0, None, "unwanted"),
        (os.fsencode(ODD), 1000, 1, ["a"], 0, None, "odd"),
        (b"missing", 0, 0, ["x"], 2, "val", "is not there"),
    ]


def test_of_equal_contents_the_first_with_a_good_row_is_kept_else_the_first(catalog, out):
    out.part("b1", ok("m"), failed("c", "crash"))
    catalog.add(inputs("a", "c", "m", "z"))
    catalog.add(inputs("e", "f", "g", size_bytes=9))
    catalog.add(inputs("alone", size_bytes=10))
    catalog.add(inputs("empty 1", "empty 2", size_bytes=0))
    catalog.add_manifest(out.layout, Spec())
    catalog.compare()

    assert [found.path for found in catalog.of_equal_size()] == ["a", "c", "e", "f", "g", "m", "z"]
    assert catalog.of_equal_size_count() == 7
    digests = {"path": [path.encode() for path in "acmzef"], "content": [b"1"] * 6}
    catalog.insert("digest", pa.table(digests))  # g could not be read

    query = sql("duplicates")
    assert [row[:2] for row in catalog.db.execute(query).fetchall()] == [
        *((b"a", b"m"), (b"c", b"m"), (b"f", b"e"), (b"z", b"m")),
    ]


def test_a_class_of_what_cannot_be_looked_at_stays(catalog, out):
    """Its failed rows are tried again under the label of their folder."""
    out.part("b1", failed("a/1.jpg", "crash"), ok("a/2"))
    catalog.add([UNKNOWN])
    catalog.add_manifest(out.layout, Spec())
    catalog.compare()

    (row,) = work_of(catalog)
    assert (row["path"], row["labels"], row["is_picture"]) == ("a/1.jpg", ["a"], True)
    assert catalog.labels() == ["a"]


def test_files_of_a_folder_are_taken_in_like_single_ones(catalog):
    names = ["1.mp4", "2.JPG", ODD.rpartition("/")[2]]
    catalog.add([Files("a/b/", names, [1, 2, 3], [4, 5, 6]), Found("a/b/4.png", 7, 8)])
    catalog.compare()

    columns = ("path", "size_bytes", "mtime_ns", "labels", "is_picture")
    found = {row["path"]: tuple(row[name] for name in columns[1:]) for row in work_of(catalog)}
    assert found == {
        "a/b/1.mp4": (1, 4, ["a"], False),
        "a/b/2.JPG": (2, 5, ["a"], True),
        f"a/b/{names[2]}": (3, 6, ["a"], False),
        "a/b/4.png": (7, 8, ["a"], True),
    }


def member(path: str, offset: int) -> Found:
    return Found(path, offset, 9, Member("a.tar", offset))


@pytest.mark.parametrize(
    ("named", "sizes"),
    [
        pytest.param([("a", 1), ("b", 2)], {"a": 1, "b": 2}, id="none twice"),
        pytest.param([("a", 1), ("b", 2), ("a", 3)], {"a": 1, "b": 2}, id="the first of files"),
        pytest.param([("a", 4096), ("a", 512)], {"a": 512}, id="the last of what is packed"),
        pytest.param([("a", 1), ("a", 512), ("a", 2)], {"a": 512}, id="what is packed first"),
        pytest.param([("a", 512), ("a", 1024), ("a", 1)], {"a": 1024}, id="whatever comes behind"),
    ],
)
def test_of_inputs_of_one_path_one_is_kept(catalog, named, sizes):
    """Those of 512 bytes and more lie in an archive."""
    catalog.add(member(p, size) if size >= 512 else Found(p, size, 1) for p, size in named)
    catalog.unite()
    catalog.compare()

    assert catalog.count() == len(sizes)
    found = work_of(catalog)
    assert {row["path"]: row["size_bytes"] for row in found} == sizes
    assert [row["archive_offset"] for row in found] == [
        size if size >= 512 else None for size in sizes.values()
    ]


def test_a_retry_takes_more_rows_than_are_held_at_a_time(catalog, out, tmp_path, monkeypatch):
    monkeypatch.setattr(catalog_module, "CHUNK_ROWS", 3)
    out.part("b1", *(ok(f"{n:02d}") for n in range(20)), failed("lost", "crash"))
    catalog.add_manifest(out.layout, Spec(), again=["crash"])
    catalog.add_rows_as_inputs(Roots.of(str(tmp_path)))
    catalog.compare()

    assert catalog.count() == 21
    assert catalog.done_count() == 20
    assert (catalog.gone_count(), paths_to_do(catalog)) == (0, ["lost"])


def test_a_retry_knows_a_member_of_an_archive_from_its_row(catalog, out, tmp_path):
    """It lies where it lay: the archive is not looked into again."""
    lies = {"archive": "x.zip", "archive_offset": 70, "packed_bytes": 5}
    item = Item(path="x.zip/\udcff.mp4", size_bytes=9, mtime_ns=3, **lies)
    out.part("b1", Row(item, Facts(), Outcome(status="failed", error_class="crash")))
    catalog.add_manifest(out.layout, Spec(), again=["crash"])
    catalog.add_rows_as_inputs(Roots.of(str(tmp_path)))
    catalog.compare()

    (row,) = work_of(catalog)
    names = ("path", "size_bytes", "mtime_ns", "archive", "archive_offset", "packed_bytes")
    assert tuple(row[name] for name in names) == (item.path, 9, 3, b"x.zip", 70, 5)
