"""Write ``docs/correctness.md``: ``PYTHONPATH=tests python -m correctness [CORPUS]``."""

import os
import sys
from pathlib import Path

from correctness.page import MEASURES, PAGE, written


def _corpus() -> Path:
    beside = PAGE.parents[2] / "shared" / "corpus"
    return Path(sys.argv[1] if sys.argv[1:] else os.environ.get("SHARDMILL_CORPUS") or beside)


def _main() -> None:
    corpus = _corpus()
    PAGE.write_text(written(corpus, (measure(corpus) for measure in MEASURES)), encoding="utf-8")
    print(f"Wrote {PAGE}")


if __name__ == "__main__":
    _main()
