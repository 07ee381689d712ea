"""Name the tests of the packages that differ from main: ``python tests/changed.py``.

For the inner loop: unit tests of each part that has a changed file, test modules that have changed
or whose helpers have, and the architecture.  Nothing else, so a change may still break the rest.
"""

import ast
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from source_tree import FOLDERS, ROOT, part_of, short

ALWAYS = ("tests/contract/test_imports.py", "tests/contract/test_budgets.py")
UNIT_TESTS = {"shardmill": "test_python_interface.py", "api": "test_python_interface.py"}
"""Part to its tests below ``tests/unit``, where they are no folder of its name."""


def git(*arguments: str, root: Path = ROOT) -> list[str]:
    """Run git and return the lines that it prints."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []


def differing(root: Path = ROOT) -> list[str]:
    """Return the files that differ from main (the published one, if any), untracked ones too."""
    bases = (git("merge-base", "HEAD", main, root=root) for main in ("origin/main", "main"))
    base = next((found[0] for found in bases if found), "HEAD")
    untracked = git("ls-files", "--others", "--exclude-standard", root=root)
    return [*git("diff", "--name-only", base, root=root), *untracked]


def of_part(place: str) -> str:
    """Return where the unit tests of a product's file are."""
    part = part_of(place.split("/", 1)[1].removesuffix(".py").replace("/", "."))
    name = short(part) if part else ""
    return f"tests/unit/{UNIT_TESTS.get(name, name)}"


def imported_by(test: Path) -> set[str]:
    """Return the top names of what a test module imports."""
    tree = ast.parse(test.read_text(encoding="utf-8"))
    plain = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    return plain | {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}


def called_for(files: Iterable[str], root: Path = ROOT) -> Iterator[str]:
    """Return the tests that some files call for, as far as they exist."""
    yield from ALWAYS
    helpers = set()
    for place in files:
        path = Path(place)
        if place.startswith(FOLDERS):
            yield of_part(place)
        elif place.startswith("benchmarks/"):
            yield "tests/unit/benchmarks"
        elif path.match("tests/**/test_*.py"):
            yield place
        elif path.match("tests/*.py"):
            helpers.add(path.stem)
    for folder in ("unit", "contract"):
        for test in sorted((root / "tests" / folder).rglob("test_*.py")):
            if helpers & imported_by(test):
                yield test.relative_to(root).as_posix()


if __name__ == "__main__":
    print(*sorted({place for place in called_for(differing()) if (ROOT / place).exists()}))
