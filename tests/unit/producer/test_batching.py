"""Inputs are grouped by what is known before any file is opened, however many workers there are."""

import pytest

from shardmill.contract.schema import Item
from shardmill.producer.batching import probe_batches


def items(count: int, suffix: str = "mp4", size_bytes: int = 1, **more) -> list[Item]:
    return [
        Item(path=f"{number}.{suffix}", size_bytes=size_bytes, mtime_ns=1, **more)
        for number in range(count)
    ]


def sizes(
    wanted: list[Item],
    *,
    count: int | None = None,
    extracting: bool = True,
    full_bytes: int = 10**9,
) -> list[int]:
    found = list(
        probe_batches(
            wanted,
            count=len(wanted) if count is None else count,
            extracting=extracting,
            full_bytes=full_bytes,
        )
    )
    assert [item for batch in found for item in batch.items] == wanted
    assert {batch.stage for batch in found} <= {"probe"}
    return [len(batch.items) for batch in found]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(items(0), [], id="nothing"),
        pytest.param(items(1), [1], id="one file"),
        pytest.param(items(4), [4], id="a few files are one batch"),
        pytest.param(items(5), [3, 2], id="no batch of one"),
        pytest.param(items(64), [4] * 16, id="sixteen batches"),
        pytest.param(items(160), [10] * 16, id="sixteen larger ones"),
        pytest.param(items(256 * 16), [256] * 16, id="the most videos"),
        pytest.param(items(256 * 17), [256] * 17, id="more batches than sixteen"),
        pytest.param(items(4096 * 17, "jpg"), [4096] * 17, id="the most pictures"),
        pytest.param(items(4096 * 17, "JPG"), [4096] * 17, id="suffixes in capitals"),
        pytest.param(items(256 * 17, "jpg", pictures=9), [256] * 17, id="as many sequences"),
    ],
)
def test_a_job_is_cut_into_batches(wanted, expected):
    assert sizes(wanted) == expected


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        pytest.param(100, [1] * 8, id="each fills one"),
        pytest.param(50, [2] * 4, id="two fill one"),
        pytest.param(49, [3, 3, 2], id="three go over"),
        pytest.param(1, [4, 4], id="small ones"),
        pytest.param(10**12, [1] * 8, id="giants"),
    ],
)
def test_a_batch_is_full_when_its_input_fills_a_shard(size_bytes, expected):
    assert sizes(items(8, size_bytes=size_bytes), full_bytes=100) == expected


def test_size_does_not_matter_when_nothing_is_extracted():
    assert sizes(items(64, size_bytes=10**12), extracting=False, full_bytes=1) == [4] * 16


def test_batches_that_are_only_probed_stay_small():
    assert sizes(items(4096 * 16, "jpg"), extracting=False) == [1024] * 64


def test_videos_among_pictures_fill_a_batch_sooner():
    """128 videos are half of one, so 2048 pictures are the other half."""
    mixed = items(128) + items(4096 * 17, "jpg")

    assert sizes(mixed)[0] == 128 + 2048
