"""Run the unit tests on each mutant of a file, in forked processes that have all libraries loaded."""

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import coverage
import pytest

ROOT = Path(__file__).parents[2]
MAKER = ROOT / ".build/mutants/bin/python"

AREAS: Mapping[str, Sequence[str]] = {
    "attributes": ("attributes", "views", "values", "records", "lists"),
    "aws": ("aws",),
    "cache": ("cache", "pipeline", "values", "lasting"),
    "changes": ("views", "cache", "pipeline"),
    "function": ("end_to_end/test_function",),
    "libraries": ("end_to_end/test_function",),
    "lists": ("lists", "binary_order", "cache", "values"),
    "momento_cache": ("momento_cache", "aws"),
    "outcome": ("outcome", "pipeline"),
    "patterns": ("patterns", "settings"),
    "pipeline": ("pipeline", "lasting", "poison"),
    "records": ("records", "poison", "pipeline", "outcome"),
    "settings": ("settings", "index_keys", "views", "patterns", "pipeline", "lists", "binary_order"),
    "views": ("views", "cache", "values", "pipeline", "poison", "binary_order"),
}
"""By module of the handler, the unit tests that a mutant of it is given to, or the path of other tests."""

STARTED = ("function", "libraries")
"""The modules that their tests start in processes of their own: HANDLER_TREE names a copy of the handler to them."""

SLOW = (
    "test_eight_lists_of_nearly_five_megabytes",
    "test_whatever_stands_in_place_of_an_attribute_value",
    "test_no_batch_is_kept",
)
"""Tests left out: what only they would find is not worth their time."""

LEAST_SECONDS, TIMES = 3.0, 5.0
"""A test that takes longer than this, and than so many times its longest neighbour's usual time, never ends."""

OURS = ("handler", "tests", "local")


class Mutant(NamedTuple):
    """A changed file.

    Attributes:
        place: the function or class that is changed.
        first: the first line of what is changed.
        before: the lines that are changed.
        after: what they have become.
        source: the whole file.
    """

    place: str
    first: int
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        """What the list of equivalent mutants calls it."""
        return f"{self.place}: {self.before} -> {self.after}"


class Ran(NamedTuple):
    """What a test does without a mutant: how long it takes, and which lines of the file it runs."""

    seconds: float
    lines: frozenset[int]


class Selected:
    """A pytest plugin that runs some tests alone, in their order here."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._place = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._place), key=lambda item: self._place[item.nodeid]
        )


class Watched:
    """A pytest plugin that notes what each test runs of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._coverage = coverage.Coverage(data_file=None, include=[str(path)], config_file=False)
        self._coverage.start()
        self.seconds: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if not any(slow in item.nodeid for slow in SLOW)]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def ran(self) -> dict[str, Ran]:
        """Return each test with what it ran."""
        self._coverage.stop()
        lines: dict[str, set[int]] = {test: set() for test in self.seconds}
        for line, tests in self._coverage.get_data().contexts_by_lineno(str(self._path)).items():
            for test in filter(None, tests):
                lines[test].add(line)
        return {test: Ran(seconds, frozenset(lines[test])) for test, seconds in self.seconds.items()}


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a mutant."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self._module, self._path, self._source = module, path, source

    def find_spec(self, fullname: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, str(self._path), "exec"), vars(module))  # noqa: S102


def mutants(path: Path) -> list[Mutant]:
    """Return the mutants of a file. Those that read alike are numbered."""
    made = subprocess.run(
        [MAKER, Path(__file__).with_name("make.py"), path], check=True, capture_output=True, text=True, cwd=ROOT
    )
    found = [Mutant(**each) for each in json.loads(made.stdout)]
    times: dict[str, int] = {}
    for position, each in enumerate(found):
        times[each.name] = times.get(each.name, 0) + 1
        if times[each.name] > 1:
            found[position] = each._replace(after=f"{each.after} #{times[each.name]}")
    return found


def survivors(path: Path, chosen: Sequence[Mutant]) -> Iterator[tuple[Mutant, bool]]:
    """Yield each mutant, and whether all tests pass with it."""
    tests = [f"tests/{area if '/' in area else f'unit/test_{area}'}.py" for area in AREAS[path.stem]]
    ran = _baseline(path, tests)
    # Which lines run in another process is not known.
    functions = [] if path.stem in STARTED else _functions(path.read_text())
    for mutant in chosen:
        span = min((span for span in functions if mutant.first in span), key=len, default=None)
        runs = {test: each for test, each in ran.items() if span is None or not each.lines.isdisjoint(span[1:] or span)}
        ordered = sorted(runs, key=lambda test: ran[test].seconds)
        seconds = [each.seconds for each in runs.values()]
        longest = max(LEAST_SECONDS, TIMES * max(seconds, default=0.0))
        yield mutant, _passes(path, mutant.source, tests, ordered, longest, longest + TIMES * sum(seconds))


def _functions(source: str) -> list[range]:
    """Return the lines of each function whose lines each test runs that calls it.

    A function that remembers its answers is left out: its lines are run by the first test alone.
    """
    return [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not any("cache" in ast.unparse(decorator) for decorator in node.decorator_list)
    ]


def load(tests: Sequence[str]) -> None:
    """Import what the tests import, and forget what is ours: each process imports that again."""
    importlib.import_module("hypothesis")
    for test in tests:
        importlib.import_module(test.removesuffix(".py").replace("/", "."))
    for name in [name for name in sys.modules if name.split(".")[0] in OURS and not name.startswith("tests.mutants")]:
        if name != "tests":
            del sys.modules[name]
            # `from tests import pizza` takes what the package still has, without an import.
            vars(sys.modules["tests"]).pop(name.removeprefix("tests."), None)


def _baseline(path: Path, tests: Sequence[str]) -> dict[str, Ran]:
    load(tests)
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "ran.json"

        def run() -> int:
            watched = Watched(path)
            code = int(pytest.main([*_arguments(tests)], plugins=[watched]))
            ran = {test: (each.seconds, sorted(each.lines)) for test, each in watched.ran().items()}
            answer.write_text(json.dumps(ran))
            return code

        if _forked(run, 600, Path(folder) / "output") != 0:
            raise RuntimeError(f"the tests fail without a mutant: {(Path(folder) / 'output').read_text()[-3000:]}")
        ran = json.loads(answer.read_text())
    return {test: Ran(seconds, frozenset(lines)) for test, (seconds, lines) in ran.items()}


def _passes(path: Path, source: str, tests: Sequence[str], ordered: Sequence[str], longest: float, most: float) -> bool:
    if not ordered:
        return True

    def run() -> int:
        if path.stem in STARTED:
            os.environ["HANDLER_TREE"] = tree
        else:
            sys.meta_path.insert(0, _Mutated(f"handler.{path.stem}", path, source))
        files = [test for test in tests if any(each.startswith(test) for each in ordered)]
        return int(pytest.main([*_arguments(files), f"--timeout={longest}"], plugins=[Selected(ordered)]))

    with tempfile.TemporaryDirectory() as tree:
        if path.stem in STARTED:
            copied = shutil.copytree(path.parent, Path(tree) / "handler", ignore=shutil.ignore_patterns("__pycache__"))
            (copied / path.name).write_text(source)
        # A loop that never gives way to a signal's handler is ended from outside.
        return _forked(run, most, Path(os.devnull)) == 0


def _arguments(tests: Sequence[str]) -> list[str]:
    return [*tests, "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--assert=plain"]


def _forked(run: Any, seconds: float, output: Path) -> int | None:
    """Return what a function returns that is run in a process of its own, None where that takes too long."""

    def inside() -> None:
        os.setsid()
        with output.open("wb") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        code = 3
        try:
            code = run()
        finally:
            os._exit(code)

    process = multiprocessing.get_context("fork").Process(target=inside)
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        os.killpg(process.pid or 0, 9)
        process.join()
        return None
    return process.exitcode
