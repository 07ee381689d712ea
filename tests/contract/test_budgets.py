"""Sizes and habits of the source, each tried against a planted offence."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

from source_tree import FOLDERS, ROOT, Module, imports, modules, plant

MODULE_LINES = 400
PACKAGE_MODULES = 12
PACKAGE_FLOORS = 5
CROWDED = {"shardmill.cli", "shardmill.read", "shardmill_worker.engine"}
"""Packages that are still to be divided."""
FUNCTION_LINES = 60
PARAMETERS = 6
MORE_PARAMETERS = {
    "producer/shardmill/read/dataset.py: __init__": 13,
    "producer/shardmill/read/torch_dataset/loader.py: __init__": 8,
}
"""What frameworks' users expect as keywords, each with a default."""
DRAWERS = {"util", "utils", "common", "helper", "helpers", "misc"}
TASK_BOUNDARY = "worker/shardmill_worker/engine/decoder.py"
"""The one place that turns any error into a failed record."""
EMBEDDED_LINES = 3
FOREIGN = re.compile(
    r"redis\.call|\bKEYS\[|\b(select|insert|update|delete|with)\b[^.]*\bfrom\b", re.IGNORECASE
)


def long_modules(root: Path) -> Iterator[str]:
    for module in modules(root):
        if module.lines > MODULE_LINES:
            yield f"{module.place} has {module.lines} lines"


def _packages(root: Path) -> dict[str, list[Module]]:
    """Return the modules of each package, itself and its subpackages left out."""
    found: dict[str, list[Module]] = {}
    for module in modules(root):
        if module.name != module.package and module.package not in CROWDED:
            found.setdefault(module.package, []).append(module)
    return found


def crowded_packages(root: Path) -> Iterator[str]:
    for package, inside in _packages(root).items():
        if len(inside) > PACKAGE_MODULES:
            yield f"{package} has {len(inside)} modules"


def tall_packages(root: Path) -> Iterator[str]:
    """A module stands one floor above the highest of its package that it imports."""
    for package, inside in _packages(root).items():
        names = {module.name for module in inside}
        below = {module.name: imports(module, names) & names - {module.name} for module in inside}
        floors: dict[str, int] = {}
        for name in TopologicalSorter(below).static_order():
            floors[name] = 1 + max((floors[other] for other in below[name]), default=0)
        if max(floors.values()) > PACKAGE_FLOORS:
            yield f"{package} has {max(floors.values())} floors of imports"


def long_functions(root: Path) -> Iterator[str]:
    for module in modules(root):
        for function in module.functions():
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{module.place}: {function.name} has {lines} lines"


def many_parameters(root: Path) -> Iterator[str]:
    for module in modules(root):
        for function in module.functions():
            a = function.args
            every = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
            names = [arg.arg for arg in every if arg.arg not in ("self", "cls")]
            allowed = MORE_PARAMETERS.get(f"{module.place}: {function.name}", PARAMETERS)
            if len(names) > allowed:
                yield f"{module.place}: {function.name} has {len(names)} parameters"


def _swallows_all(node: ast.AST) -> bool:
    """Say if ``node`` is ``except:``, ``except Exception`` or ``suppress(Exception)``.

    A handler that tidies up and ends with ``raise`` swallows nothing.
    """
    caught: list[ast.expr] = []
    if isinstance(node, ast.ExceptHandler):
        end = node.body[-1]
        if isinstance(end, ast.Raise) and end.exc is None:
            return False
        if node.type is None:
            return True
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
        caught = node.args
    return any(ast.unparse(kind) in ("Exception", "BaseException") for kind in caught)


def broad_excepts(root: Path) -> Iterator[str]:
    places = [m.place for m in modules(root) for node in ast.walk(m.tree) if _swallows_all(node)]
    if places != [TASK_BOUNDARY]:
        yield f"only {TASK_BOUNDARY} may catch everything, and once; found it in {places}"


def drawers(root: Path) -> Iterator[str]:
    for module in modules(root):
        if DRAWERS & set(module.name.split(".")):
            yield f"{module.place} is a drawer without a subject"


def _standard(module: Module, known: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in imports(module, known)} & sys.stdlib_module_names


def shadows(root: Path) -> Iterator[str]:
    """A top-level name shadows; in a package, one that its neighbours import confuses."""
    found = modules(root)
    known = {module.name for module in found}
    for module in found:
        package, _, name = module.name.rpartition(".")
        if name not in sys.stdlib_module_names:
            continue
        users = [m.place for m in found if m.package == package and name in _standard(m, known)]
        if not package or users:
            yield f"{module.place} has the name of a standard module that {users} import"


def undocumented_modules(root: Path) -> Iterator[str]:
    for module in modules(root):
        if not ast.get_docstring(module.tree):
            yield f"{module.place} does not say what it is for"


def unfinished(root: Path) -> Iterator[str]:
    for module in modules(root):
        for number, line in enumerate(module.text.splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError", line):
                yield f"{module.place}:{number}: {line.strip()}"


def embedded_scripts(root: Path) -> Iterator[str]:
    for module in modules(root):
        for node in ast.walk(module.tree):
            for text in _text(node):
                lines = [line for line in text.splitlines() if line.strip()]
                if len(lines) > EMBEDDED_LINES and FOREIGN.search(text):
                    yield f"{module.place}:{node.lineno}: Lua or SQL belongs in a file of its own"


def _text(node: ast.AST) -> Iterator[str]:
    """Yield a string that is a value: in an expression statement it would be a docstring."""
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.Expr | ast.JoinedStr):
            continue
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        elif isinstance(child, ast.JoinedStr):
            yield ast.unparse(child).replace("\\n", "\n")


def scripts_without_purpose(root: Path) -> Iterator[str]:
    for folder in FOLDERS:
        for suffix in ("*.lua", "*.sql"):
            for path in sorted((root / folder).rglob(suffix)):
                if not re.match(r"-- \w.{10}", path.read_text()):
                    yield f"{path.relative_to(root)} does not begin with a line of purpose"


LONG = "\n".join(["x = 1"] * 500)
BODY = "\n".join(["    x = 1"] * 61)
BROAD = "try:\n    x = 1\nexcept {}:\n    x = 2\n"
SQL = 'Q = """\nselect *\nfrom files\nwhere a\nand b\n"""'
HOME = "producer/shardmill/contract"
PLANTED = [
    (long_modules, {f"{HOME}/a.py": LONG}),
    (crowded_packages, {f"{HOME}/{name}.py": "" for name in "abcdefghijklm"}),
    (
        tall_packages,
        {f"{HOME}/a.py": ""}
        | {
            f"{HOME}/{name}.py": f"import shardmill.contract.{below}"
            for below, name in pairwise("abcdef")
        },
    ),
    (long_functions, {f"{HOME}/a.py": f"def f():\n{BODY}"}),
    (long_functions, {f"{HOME}/a.py": f"async def f():\n{BODY}"}),
    (many_parameters, {f"{HOME}/a.py": "def f(a, b, c, d, *, e, f, g): ..."}),
    (
        many_parameters,
        {f"{HOME}/a.py": "class A:\n    def f(self, a, b, c, d, /, e, *f, **g): ..."},
    ),
    (broad_excepts, {f"{HOME}/a.py": BROAD.format("Exception")}),
    (broad_excepts, {TASK_BOUNDARY: BROAD.format("Exception") * 2}),
    (broad_excepts, {TASK_BOUNDARY: BROAD.format("OSError")}),
    (broad_excepts, {f"{HOME}/a.py": BROAD.format("").replace("except ", "except")}),
    (broad_excepts, {f"{HOME}/a.py": BROAD.format("(OSError, BaseException) as error")}),
    (broad_excepts, {f"{HOME}/a.py": "with contextlib.suppress(Exception):\n    x = 1"}),
    (drawers, {f"{HOME}/utils.py": ""}),
    (drawers, {f"{HOME}/common/a.py": ""}),
    (shadows, {"worker/queue.py": ""}),
    (shadows, {f"{HOME}/queue.py": "", f"{HOME}/b.py": "import queue"}),
    (shadows, {f"{HOME}/queue.py": "import queue"}),
    (undocumented_modules, {f"{HOME}/a.py": "x = 1"}),
    (unfinished, {f"{HOME}/a.py": "# TODO: more"}),
    (unfinished, {f"{HOME}/a.py": "raise NotImplementedError"}),
    (embedded_scripts, {f"{HOME}/a.py": SQL}),
    (embedded_scripts, {f"{HOME}/a.py": SQL.replace('Q = """', 'run(f"""')[:-3] + '{x}""")'}),
    (embedded_scripts, {f"{HOME}/a.py": "run('local a\\n\\nb = redis.call(a)\\nc\\nreturn c')"}),
    (scripts_without_purpose, {f"{HOME}/a.lua": "return 1\n", f"{HOME}/a.py": ""}),
    (scripts_without_purpose, {"worker/a.sql": "--\nselect 1\n", f"{HOME}/a.py": ""}),
]
CLEAN = {
    f"{HOME}/__init__.py": '"""A package."""',
    f"{HOME}/a.py": '"""Select\n\n\n\nsome files from many."""\ndef f(a, b, c, d, e, f): ...\n',
    f"{HOME}/b.py": '"""Calls."""\nrun("select a\\nfrom b\\nwhere c")\n',
    f"{HOME}/queue.py": '"""A queue of ours, beside nobody who uses the other."""\n',
    f"{HOME}/a.lua": "-- Count one batch once.\nreturn 1\n",
    f"{HOME}/c.py": '"""Tidies."""\n' + BROAD.format("BaseException") + "    raise\n",
    TASK_BOUNDARY: '"""Decode."""\n' + BROAD.format("Exception"),
}
Rule = Callable[[Path], Iterator[str]]
RULES = sorted({rule for rule, _ in PLANTED}, key=lambda rule: rule.__name__)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_budget(rule: Rule):
    assert list(rule(ROOT)) == []


@pytest.mark.parametrize(
    ("rule", "files"), PLANTED, ids=[f"{rule.__name__} {i}" for i, (rule, _) in enumerate(PLANTED)]
)
def test_a_planted_offence_is_caught(tmp_path: Path, rule: Rule, files: dict[str, str]):
    assert len(list(rule(plant(tmp_path, files)))) == 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_good_source_passes(tmp_path: Path, rule: Rule):
    assert list(rule(plant(tmp_path, CLEAN))) == []
