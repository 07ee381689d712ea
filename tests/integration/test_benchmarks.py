"""Two benchmarks as programs, from start to JSON, at the smallest size."""

import json
import subprocess
import sys

import pytest

from source_tree import ROOT


@pytest.mark.needs_ffmpeg
@pytest.mark.needs_redis
@pytest.mark.parametrize(
    ("words", "lines", "aims"),
    [
        (["opening.py", "--clips", "2000"], ["ClipDataset(OUT, window=16)"], {"9e", "9f"}),
        (["scale.py", "--files", "20"], ["20 files"], {"12", "12b", "12c"}),
    ],
)
def test_a_benchmark_ends_with_its_numbers(tmp_path, words, lines, aims):
    program, *more = words
    options = ["--scale", "small", "--rounds", "1", *more]
    folders = ["--cache", str(tmp_path / "cache"), "--results", str(tmp_path / "results")]
    line = [sys.executable, str(ROOT / "benchmarks" / program), *options, *folders]
    done = subprocess.run(line, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "results").iterdir()
    found = json.loads(path.read_text())
    told = {one["name"]: one for one in found["tables"][-1]["results"]}
    assert told.keys() >= set(lines)
    for name in lines:
        assert 0 < told[name]["min"] <= told[name]["median"] <= told[name]["max"]
        assert told[name]["rounds"] == 1
    assert {aim["row"] for aim in found["aims"]} == aims
    assert found["scale"] == "small"
    assert found["machine"]
    assert found["versions"]["Python"]
    for name in lines:
        assert f"| {name} |" in done.stdout
