"""What the README shows is what happens: its console blocks are run in a fresh copy.

They are run in order, in one directory that is a fresh copy of the tree; ``tests/pages.py`` says
how a page is read.
"""

import shutil
from pathlib import Path

import pytest

from pages import follow, matches, steps, user_environment
from source_tree import ROOT


@pytest.fixture
def fresh_copy(tmp_path: Path) -> Path:
    """The tree as it would be cloned."""
    here = (".git", ".venv*", "*.egg-info", "__pycache__", ".*_cache", "out", "sample", "build")
    return Path(shutil.copytree(ROOT, tmp_path / "shardmill", ignore=shutil.ignore_patterns(*here)))


@pytest.mark.needs_index
@pytest.mark.timeout(600)
def test_the_readme_tells_the_truth(fresh_copy):
    follow((ROOT / "README.md").read_text("utf-8"), fresh_copy, user_environment())


README = """
# A project

```console
$ make run \\
>   DATA=clips
3 inputs, 2 ok, 1 failed in 3.2 s
...
$ ls out
shards/part-0123456789abcdef-1.tfrecord
```

<!-- not run: it needs a cluster -->

```console
$ rm -rf /
```

```python
import shardmill
```

<!-- file: train.py -->
```python
print("trained")
```

```console
$ python train.py
trained
```
"""


def test_commands_and_files_are_found_in_their_order():
    make, ls, file, train = steps(README)

    assert make.line == "make run \\\n  DATA=clips"
    assert make.output == ["3 inputs, 2 ok, 1 failed in 3.2 s", "..."]
    assert (ls.line, len(ls.output)) == ("ls out", 1)
    assert (file.name, file.text) == ("train.py", 'print("trained")\n')
    assert (train.line, train.output) == ("python train.py", ["trained"])


@pytest.mark.parametrize(
    "printed",
    [
        ["3 inputs, 2 ok, 1 failed in 3.2 s"],
        ["3 inputs, 2 ok, 1 failed in 14.9 s", "more", "and more"],
        ["", "3 inputs,  2 ok, 1 failed in \x1b[1m59 s\x1b[0m  ", ""],
    ],
)
def test_what_differs_from_run_to_run_is_alike(printed):
    assert matches(steps(README)[0].output, printed)


@pytest.mark.parametrize(
    "printed",
    [
        [],
        ["more"],
        ["3 inputs, 3 ok, 0 failed in 3.2 s"],
        ["3 inputs, 2 ok, 1 failed in 3.2 min"],
        ["before", "3 inputs, 2 ok, 1 failed in 3.2 s"],
    ],
)
def test_what_is_another_statement_is_not(printed):
    assert not matches(steps(README)[0].output, printed)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.2 MB at 3.4 MB/s", "999 MB at 0.1 MB/s", True),
        ("1.2 MB", "1.2 GB", False),
        ("350 frames/s", "1,204.5 frames/s", True),
        ("350 frames", "351 frames", False),
        ("ETA 0:00:03", "ETA 1:10:03", True),
        ("4 min 05 s", "5 min 59 s", True),
        ("part-0123456789abcdef-1", "part-ffffffffffffffff-1", True),
        ("job clips-<hash> done", "job clips-408d96 done", True),
        ("failed: ... (mp4)", "failed: no index found (mp4)", True),
        ("failed: ... (mp4)", "failed: no index found (webm)", False),
        ("160x120", "160x121", False),
        ("shardmill 0.1.0", "shardmill 0.2.0", False),
        ("h264 2 clips", "h265 2 clips", False),
    ],
)
def test_numbers_with_a_unit_vary_and_counts_do_not(one, other, same):
    assert matches([one], [other]) == same
