"""Every benchmark, one after the other, then the pages: python benchmarks [--scale small]."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = (
    *(
        "start",
        "ledger",
        "probe_images",
        "probe_kinds",
        "probe_cold",
        "probe_videos",
        "extract",
        "sparse",
        "windows",
    ),
    *("opening", "slots", "scan", "scale"),
)
PAGES = ("page", "scaling")


def main() -> int:
    """Run them; return how many failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=("small", "full"), default="full")
    parser.add_argument("--only", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    given = parser.parse_args()
    calls = [(name, ["--scale", given.scale]) for name in given.only] + [
        (name, []) for name in PAGES
    ]
    failed = []
    for name, options in calls:
        began = time.monotonic()
        if subprocess.run([sys.executable, str(HERE / f"{name}.py"), *options]).returncode:
            failed.append(name)
        print(f"{name} took {time.monotonic() - began:.0f} s", file=sys.stderr)
    if failed:
        print(f"failed, so that what was measured before stands: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
