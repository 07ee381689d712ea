"""Who may import what: ``PARTS`` in ``source_tree`` and the table here are the architecture."""

import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from source_tree import PARTS, ROOT, Module, imports, modules, part_of, plant, short

PACKAGES = {
    "IPython": {"monitor/notebook.py"},  # where it runs already
    "PIL": {"read/frames.py"},
    "av": {"engine", "sample.py"},
    "celery": {"ledger/application.py", "worker"},
    "click": {"cli"},
    "cv2": {"engine", "sample.py"},
    "duckdb": {"annotations", "catalog", "report"},
    "google": {"engine"},  # protobuf
    "h5py": {"engine/shards/hdf5.py"},
    "google_crc32c": {"dataset", "engine", "read", "report"},
    "jinja2": {"report"},
    "kombu": {"ledger", "worker"},
    "msgspec": {name.rpartition(".")[2] for name in PARTS} | {"worker"},
    "markupsafe": {"report"},  # Jinja's own
    "numpy": {
        *("catalog", "contract", "dataset", "engine", "execution", "read", "report", "sample.py"),
    },
    "pyarrow": {
        *("annotations", "catalog", "dataset", "engine", "execution", "read", "report"),
        *("ledger/telemetry.py", "storage/part_files.py"),
    },
    "prometheus_client": {"metrics.py"},
    "redis": {"ledger", "local/cluster.py", "worker"},
    "rich": {"cli"},
    "simplejpeg": {"engine", "read", "report"},
    "tensorflow": {"read/tf_dataset.py"},
    "torch": {"read/torch_dataset"},
    "grain": {"read/grain_dataset.py"},
}
"""Foreign package to the parts, or the files and folders, that may import it."""


def fault(module: Module, name: str) -> str | None:
    """Return why ``module`` may not import ``name``, None if it may."""
    part = part_of(module.name)
    assert part, f"{module.place} belongs to no part: add it to PARTS"
    other = part_of(name)
    if name.startswith("."):
        return "use absolute imports"
    if other:
        allowed = other == part or short(other) in PARTS[part]
        return None if allowed else f"{short(part)} may not import {short(other)}"
    package = name.partition(".")[0]
    if package in sys.stdlib_module_names:
        return None
    if package not in PACKAGES:
        return f"{package} is in no table: say in PACKAGES who may import it"
    places = PACKAGES[package]
    if short(part) in places or any(f"/{place}/" in f"{module.place}/" for place in places):
        return None
    return f"{package} belongs to {', '.join(sorted(places))}"


def faults(root: Path) -> set[str]:
    """Return ``place: reason`` for every import that the tables forbid."""
    found = modules(root)
    known = {module.name for module in found}
    return {
        f"{module.place}: {reason}"
        for module in found
        for name in imports(module, known)
        if (reason := fault(module, name))
    }


def cycle(root: Path) -> list[str]:
    """Return the names along a circle of imports, empty if there is none."""
    found = modules(root)
    known = {module.name for module in found}
    graph = {module.name: (imports(module, known) & known) - {module.name} for module in found}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_import_is_allowed():
    assert faults(ROOT) == set()


def test_every_part_has_modules():
    """A part that was renamed or emptied would be checked no more."""
    found = {part_of(module.name) for module in modules(ROOT)}

    assert found == set(PARTS)


def test_no_import_goes_in_a_circle():
    assert cycle(ROOT) == []


@pytest.mark.parametrize(
    ("program", "later"),
    [
        ("shardmill.cli.jobs", {"celery", "kombu", "importlib.metadata", "numpy", "redis", "rich"}),
        (
            "shardmill.producer.job_handle",
            {"celery.worker", "duckdb", "jinja2", "numpy", "pyarrow"},
        ),
        ("shardmill_worker.engine.decoder", {"h5py", "tarfile"}),
        ("shardmill_worker.service.tasks", {"av", "cv2", "duckdb", "jinja2", "numpy", "pyarrow"}),
    ],
)
def test_what_a_program_needs_later_does_not_keep_it_from_starting(program, later):
    """A command starts Redis and the worker first; a worker writes its report at the end."""
    code = f"import sys, {program}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert program in done.stdout.split()
    assert later & set(done.stdout.split()) == set()


@pytest.mark.parametrize(
    ("place", "text", "reason"),
    [
        ("producer/shardmill/contract/a.py", "import redis", "redis belongs to"),
        ("producer/shardmill/contract/a.py", "import shardmill.ledger.b", "contract may not"),
        ("producer/shardmill/contract/a.py", "from shardmill import cli", "contract may not"),
        ("producer/shardmill/contract/a.py", "from . import spec", "use absolute imports"),
        ("producer/shardmill/ledger/a.py", "from shardmill.producer import b", "ledger may not"),
        ("producer/shardmill/ledger/a.py", "from celery import Celery", "celery belongs to"),
        (
            "producer/shardmill/producer/a.py",
            "import shardmill.read",
            "producer may not import read",
        ),
        ("producer/shardmill/producer/a.py", "import duckdb", "duckdb belongs to"),
        ("producer/shardmill/producer/a.py", "import redis", "redis belongs to"),
        ("producer/shardmill/producer/a.py", "import shardmill_worker.app", "producer may not"),
        ("producer/shardmill/read/a.py", "def f():\n    import av", "av belongs to engine"),
        ("producer/shardmill/read/a.py", "import torch", "torch belongs to"),
        ("producer/shardmill/read/a.py", "import shardmill.ledger", "read may not import ledger"),
        ("producer/shardmill/report/a.py", "import celery", "celery belongs to"),
        ("producer/shardmill/cli/a.py", "import cv2", "cv2 belongs to engine"),
        ("producer/shardmill/cli/a.py", "import requests", "requests is in no table"),
        (
            "worker/shardmill_worker/a.py",
            "import shardmill.producer",
            "worker may not import producer",
        ),
        ("worker/shardmill_worker/a.py", "from shardmill.read import b", "worker may not"),
        ("worker/shardmill_worker/a.py", "import av", "av belongs to engine"),
        ("worker/shardmill_worker/engine/a.py", "import celery.app", "celery belongs to"),
        ("worker/shardmill_worker/engine/a.py", "import redis", "redis belongs to"),
        ("worker/shardmill_worker/engine/a.py", "import shardmill.ledger", "engine may not"),
        ("worker/shardmill_worker/engine/a.py", "from shardmill_worker import app", "engine may"),
    ],
    ids=lambda value: value.removesuffix("/a.py") if isinstance(value, str) else None,
)
def test_a_planted_import_is_caught(tmp_path, place, text, reason):
    plant(
        tmp_path,
        {
            place: text,
            "producer/shardmill/producer/b.py": "",
            "producer/shardmill/cli/__init__.py": "",
            "worker/shardmill_worker/app.py": "",
        },
    )

    caught = faults(tmp_path)

    assert len(caught) == 1
    assert reason in caught.pop()


def test_allowed_imports_are_let_through(tmp_path):
    plant(
        tmp_path,
        {
            "producer/shardmill/local/cluster.py": "import redis, os\nimport shardmill.ledger",
            "producer/shardmill/read/torch_dataset/a.py": "import torch",
            "worker/shardmill_worker/app.py": "from shardmill_worker.engine import work",
            "worker/shardmill_worker/engine/work.py": "import av\nimport shardmill.contract.spec",
        },
    )

    assert faults(tmp_path) == set()


def test_a_planted_circle_is_caught(tmp_path):
    package = "producer/shardmill/contract"
    plant(
        tmp_path,
        {
            f"{package}/__init__.py": "",
            f"{package}/a.py": "from shardmill.contract import b",
            f"{package}/b.py": "import shardmill.contract.c",
            f"{package}/c.py": "def f():\n    from shardmill.contract.a import x",
        },
    )

    assert {name[-1] for name in cycle(tmp_path)} == {"a", "b", "c"}


def test_an_empty_tree_proves_nothing(tmp_path):
    with pytest.raises(AssertionError, match="would prove nothing"):
        faults(tmp_path)


@pytest.mark.parametrize(
    ("start", "absent"),
    [
        ("shardmill.read", {"celery", "kombu", "redis", "duckdb", "av", "cv2"}),
        ("shardmill", {"av", "cv2", "shardmill_worker"}),
        ("shardmill.__main__", {"av", "cv2", "shardmill_worker"}),
        ("shardmill_worker.engine.decoder", {"celery", "kombu", "redis", "duckdb"}),
    ],
)
def test_importing_one_side_loads_nothing_of_the_other(start, absent):
    """The tables speak of files; this is what a process really loads."""
    code = f"import sys, {start}; print(sorted({absent!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")
