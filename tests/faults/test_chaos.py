"""A job whose machines and drive fail at random comes out as in calm: ``make chaos`` in short."""

import subprocess
import sys

import pytest

from command_line import shell
from source_tree import ROOT


@pytest.mark.needs_redis
@pytest.mark.parametrize("seed", [0, 1], ids=["Redis goes back", "workers freeze and die"])
def test_a_seed_comes_out_as_in_calm(seed):
    with shell() as here:
        done = subprocess.run(
            [sys.executable, "-m", "chaos", "--seeds", str(seed), "--seconds", "5"],
            env=here.whole_environment() | {"PYTHONPATH": str(ROOT / "tests")},
            capture_output=True,
            text=True,
        )

    assert done.returncode == 0, done.stdout + done.stderr
