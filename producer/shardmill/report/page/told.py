"""What the page says in words: the job in one sentence, and how to do it again."""

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from shardmill.contract.options.sampling import NS_PER_S
from shardmill.contract.quantity import format_bytes, format_count, format_duration, printable
from shardmill.dataset.job import Job, Status

PACKAGES: Final = (
    *("shardmill", "av", "opencv-python-headless", "simplejpeg", "numpy", "h5py", "protobuf"),
    *("pyarrow", "duckdb", "celery", "kombu", "redis"),
)
"""What decides bytes, or how work is handed out."""
_FORMATS: Final = {"tfrecord": "TFRecord", "hdf5": "HDF5", "webdataset": "tar", "npy": "npy"}


def sentence(job: Job, status: Status, *, shards: int) -> str:
    """Return what was done, in one sentence."""
    tally = status.tally
    day = datetime.fromtimestamp(job.started_s, UTC).strftime("%d %B %Y").lstrip("0")
    inputs = format_count(tally.files, "input")
    if status.state != "done" and status.inputs is not None:
        inputs = f"{tally.files:,} of {format_count(status.inputs, 'input')}"
    source = f"{inputs} ({format_bytes(tally.bytes_in)}) of {printable(', '.join(job.roots.paths))}"
    if job.goal == "probe":
        done = f"{source} were looked at"
    else:
        frames = format_count(tally.frames, f"{job.spec.encoding.upper()} frame")
        where = format_count(shards, f"{_FORMATS[job.spec.format]} shard")
        clips = format_count(tally.clips, "clip")
        done = f"{source} became {clips} with {frames} in {where}"
    state = {"done": "", "running": " so far", "paused": " before it paused"}
    end = state.get(status.state, f" before it was {status.state}")
    failed = f"; {format_count(tally.failed, 'input')} failed" if tally.failed else ""
    return f"On {day} {done}, in {format_duration(status.seconds)}{end}{failed}."


def tiles(job: Job, status: Status, *, shards: int) -> list[tuple[str, str]]:
    """Return the key figures: name and value."""
    tally = status.tally
    found = [
        ("inputs", "counting" if status.inputs is None else f"{status.inputs:,}"),
        ("ok", f"{tally.ok:,}"),
        ("failed", f"{tally.failed:,}"),
        ("skipped", f"{tally.skipped:,}"),
        ("of video", format_duration(tally.video_ns / NS_PER_S)),
    ]
    if job.goal == "extract":
        found += [
            ("clips", f"{tally.clips:,}"),
            ("frames", f"{tally.frames:,}"),
            ("shards", f"{shards:,}"),
            ("of frames", format_bytes(tally.bytes_out)),
        ]
    found += [
        ("read", format_bytes(tally.bytes_in)),
        ("time", format_duration(status.seconds)),
    ]
    if job.goal == "extract":
        rate_hz = tally.frames / status.seconds if status.seconds else 0.0
        found.append(("frames a second", f"{rate_hz:,.0f}"))
    return found


def versions() -> dict[str, str]:
    """Return the versions of what is installed here."""
    found = {"Python": platform.python_version(), "system": platform.platform(terse=True)}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # the light side has no media library
    return found
