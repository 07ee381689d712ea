"""A test that lacks something skips on a laptop and fails in CI, and so does any other skip."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest

def test_has_what_it_needs():
    pass

@pytest.mark.needs_corpus
def test_marked_for_something_absent():
    pass

def test_uses_something_absent(corpus):
    pass

@pytest.mark.skip(reason="because")
def test_marked_to_skip():
    pass

def test_skips_itself():
    pytest.skip("because")

def test_imports_or_skips():
    pytest.importorskip("no_such_module")

@pytest.mark.parametrize("nothing", [])
def test_of_no_parameters(nothing):
    pass

@pytest.mark.xfail(strict=True)
def test_expected_to_fail():
    assert False
"""
SKIPPING = {
    "test_marked_for_something_absent",
    "test_uses_something_absent",
    "test_marked_to_skip",
    "test_skips_itself",
    "test_imports_or_skips",
    "test_of_no_parameters[NOTSET]",
    "test_skips_whole",
}


def outcomes(folder: Path, **environment: str) -> tuple[int, dict[str, str], str]:
    """Run the tests above under this project's conftest: exit code, test to outcome, output."""
    unit = folder / "tests" / "unit"
    unit.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", folder / "tests")
    shutil.copy(ROOT / "pyproject.toml", folder)
    (unit / "test_some.py").write_text(TESTS)
    (unit / "test_skips_whole.py").write_text(
        "import pytest\npytest.skip('because', allow_module_level=True)\n"
    )
    env = {k: v for k, v in os.environ.items() if k not in ("CI", "SHARDMILL_CORPUS")}
    plugins = filter(None, [str(ROOT / "tests"), env.get("PYTHONPATH")])
    env["PYTHONPATH"] = os.pathsep.join(plugins)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--junitxml=out.xml", "--continue-on-collection-errors"],
        cwd=folder,
        env=env | environment,
        capture_output=True,
        text=True,
    )
    cases = {}
    for case in ET.parse(folder / "out.xml").iter("testcase"):
        name = case.get("name", "").removeprefix("tests.unit.")
        ends = [child.tag for child in case if child.tag != "properties"]
        cases[name] = ends[0] if ends else "passed"
    return done.returncode, cases, done.stdout


def test_on_a_laptop_they_skip_with_the_reason(tmp_path):
    code, cases, output = outcomes(tmp_path)

    assert code == 0
    assert cases.pop("test_has_what_it_needs") == "passed"
    assert cases.pop("test_expected_to_fail") == "skipped"
    assert cases == dict.fromkeys(SKIPPING, "skipped")
    assert "no corpus here: put the corpus beside the clone" in output


def test_in_ci_they_fail_with_the_reason(tmp_path):
    code, cases, output = outcomes(tmp_path, CI="true")

    assert code == 1
    assert cases.pop("test_has_what_it_needs") == "passed"
    assert cases.pop("test_expected_to_fail") == "skipped"
    assert {name for name, outcome in cases.items() if outcome in ("failure", "error")} == SKIPPING
    assert "CI lets no test skip: Skipped: no corpus here: put the corpus" in output


def test_a_corpus_named_in_the_environment_is_found(tmp_path):
    (tmp_path / "MANIFEST.tsv").touch()

    _, cases, _ = outcomes(tmp_path, CI="true", SHARDMILL_CORPUS=str(tmp_path))

    assert cases["test_uses_something_absent"] == "passed"


def test_every_need_has_a_fixture_or_marker_that_is_known(pytestconfig):
    markers = " ".join(pytestconfig.getini("markers"))

    media = ("corpus", "ffmpeg", "chromium")
    frameworks = ("tensorflow", "torch", "grain", "webdataset")
    for name in (*media, *frameworks, "index", "redis", "docker"):
        assert f"needs_{name}:" in markers


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_ci_switched_off_is_a_laptop(tmp_path, value):
    assert outcomes(tmp_path, CI=value)[0] == 0
