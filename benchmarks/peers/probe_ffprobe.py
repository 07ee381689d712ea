"""What every file of a folder is, by the program ffprobe in a pool.

python benchmarks/peers/probe_ffprobe.py DIR [--most N] [--answers FILE]
"""

import argparse
import json
import os
import subprocess
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any


def facts(path: Path) -> dict[str, Any]:
    words = ["ffprobe", "-v", "error", "-select_streams", "v:0"]
    words += ["-show_entries", "stream=codec_name,width,height", "-of", "json", str(path)]
    done = subprocess.run(words, capture_output=True, check=True)
    return {"path": str(path)} | json.loads(done.stdout)["streams"][0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--most", type=int, help="only so many files")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--answers", type=Path)
    given = parser.parse_args()
    paths = sorted(given.root.rglob("*.jpg"))[: given.most]

    with ProcessPoolExecutor(given.workers) as pool:
        found = list(pool.map(facts, paths))
    if given.answers:
        given.answers.write_text("\n".join(json.dumps(row) for row in found) + "\n")
    print(json.dumps({"files": len(found)}))


if __name__ == "__main__":
    main()
