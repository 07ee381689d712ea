"""The product's source: its parts, and its modules, parsed, for the tests of its architecture."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("producer", "worker")

PARTS = {
    "shardmill.contract": set(),
    "shardmill.storage": {"contract"},
    "shardmill.dataset": {"contract", "storage"},
    "shardmill.ledger": {"contract", "dataset"},
    "shardmill.inputs": {"contract"},
    "shardmill.annotations": {"contract", "inputs"},
    "shardmill.catalog": {"contract", "storage", "dataset", "inputs", "annotations"},
    "shardmill.monitor": {"contract", "storage", "dataset", "ledger", "local"},
    "shardmill.local": {"contract", "storage", "ledger"},
    "shardmill.producer": {
        *("contract", "storage", "dataset", "ledger", "inputs", "annotations", "catalog"),
        *("local", "monitor"),
    },
    "shardmill.report": {"contract", "storage", "dataset"},
    "shardmill.read": {"contract", "storage", "dataset", "report"},  # report: SQL, when it is asked
    "shardmill.api": {
        *("contract", "storage", "dataset", "ledger", "annotations", "producer", "local"),
        *("monitor", "report"),
    },
    "shardmill.cli": {
        *("contract", "storage", "dataset", "ledger", "producer", "local", "monitor", "report"),
        *("read", "api"),
    },
    "shardmill": {"contract", "dataset", "producer", "monitor", "local", "api", "cli"},
    "shardmill_worker.engine": {"contract", "storage", "dataset"},
    "shardmill_worker.execution": {"contract", "storage", "dataset", "ledger", "report", "engine"},
    "shardmill_worker": {
        *("contract", "storage", "dataset", "ledger", "report", "engine", "execution"),
    },
}
"""Part to the other parts it may import.  The longest name that fits a module is its part."""


def part_of(name: str) -> str | None:
    """Return the part that a module of this name belongs to, None for a foreign one."""
    fits = [part for part in PARTS if name == part or name.startswith(f"{part}.")]
    return max(fits, key=len, default=None)


def short(part: str) -> str:
    return part.removeprefix("shardmill_").rpartition(".")[2]


@dataclass(frozen=True)
class Module:
    """One Python file."""

    place: str
    """Path below the root, with ``/``."""
    name: str
    """Dotted name; a package has the name of its folder."""
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def package(self) -> str:
        """Name of the package that it is, or lies in."""
        return self.name if self.place.endswith("/__init__.py") else self.name.rpartition(".")[0]

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def modules(root: Path = ROOT) -> list[Module]:
    """Return every module below ``root``; at least one, or a test would prove nothing."""
    found = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root / folder).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            place = path.relative_to(root).as_posix()
            found.append(Module(place, name, text, ast.parse(text, place)))
    assert found, f"no module below {root}: this test would prove nothing"
    return found


def imports(module: Module, known: set[str]) -> set[str]:
    """Return the names of the modules that ``module`` imports, wherever in its text.

    ``from package import name`` is an import of ``package.name`` if that is one of the ``known``
    modules, else of ``package``.  A relative import is given with its dots.
    """
    names = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            inner = {f"{base}.{alias.name}" for alias in node.names}
            names |= {name if name in known else base for name in inner}
    return names


def plant(root: Path, files: dict[str, str]) -> Path:
    """Write ``files`` (path to text) below ``root`` and return it."""
    for place, text in files.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
