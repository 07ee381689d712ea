"""Write the pictures of the documentation: ``PYTHONPATH=tests python -m pictures``."""

import sys
import tempfile
from pathlib import Path

from browser import browser
from conftest import NEEDS
from pictures import media, shots
from source_tree import ROOT

PROGRAMS = ("chromium", "ffmpeg", "redis", "tmux")


def _main() -> None:
    found = {name: NEEDS[name].find() for name in PROGRAMS}
    if missing := [f"{name}: {NEEDS[name].remedy}" for name in PROGRAMS if not found[name]]:
        sys.exit("\n".join(missing))
    with tempfile.TemporaryDirectory(prefix="data-") as scratch:
        place = Path(scratch)
        media.make(place / "clips", found["ffmpeg"])
        with browser(found["chromium"], place / "profile") as page:
            _write("terminal", shots.of_terminal(page, place))
            _write("report", shots.of_report(page, place / "shards" / "report.html"))
            _write("flower", shots.of_flower(page, place, found["redis"]))


def _write(name: str, png: bytes) -> None:
    path = ROOT / "docs" / f"{name}.png"
    path.write_bytes(png)
    print(f"Wrote {path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    _main()
