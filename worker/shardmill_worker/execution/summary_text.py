"""What a batch came to, in a few words: for the worker's log and for Flower."""

from collections.abc import Mapping


def summary_text(counters: Mapping[str, int], *, followers: int) -> str:
    """Return what a batch came to, from what it adds to its job's counters.

    Args:
        counters: See ``dataset.tally`` and the planner.
        followers: Batches that follow from it.
    """
    failures = {
        name.removeprefix("failed:"): count
        for name, count in sorted(counters.items())
        if name.startswith("failed:") and count
    }
    classes = ", ".join(f"{count} {name}" for name, count in failures.items())
    told = {
        "probed": f"{counters.get('probed', 0)} probed",
        "ok": f"{counters.get('ok', 0)} ok",
        "frames": f"{counters.get('frames', 0):,} frames",
        "skipped": f"{counters.get('skipped', 0)} skipped",
        "failed": f"{counters.get('failed', 0)} failed: {classes}",
    }
    parts = [text for name, text in told.items() if counters.get(name)]
    if followers:
        parts.append(f"{followers} to follow")
    return ", ".join(parts) or "done"
