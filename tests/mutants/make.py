"""Print the mutants of one file as JSON. Run by the Python of .build/mutants, which alone has mutmut.

mutmut's own runner leaves out module level, properties and other decorated functions, where most of the handler's
bounds and error kinds are. So its operators are used, and what is here adds three more.
"""

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libcst as cst
import libcst.matchers
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_string

UNCHANGED_CALLS = {"TypeVar", "cast", "isinstance", "len"}
"""Calls whose arguments mean nothing at run time, or that only fail without one."""


def own_operators(node: Any) -> Iterator[Any]:
    """Yield what mutmut does not: a statement or an element left out, a condition turned around."""
    match node:
        case cst.Expr(value=cst.Call() | cst.Await()):
            yield cst.Pass()
        case (
            cst.Tuple(elements=elements)
            | cst.List(elements=elements)
            | cst.Set(elements=elements)
            | cst.Dict(elements=elements)
        ) if len(elements) > 1:
            for position in range(len(elements)):
                left = [*elements[:position], *elements[position + 1 :]]
                if isinstance(node, cst.Tuple) and len(left) == 1:
                    left = [left[0].with_changes(comma=cst.Comma())]
                yield node.with_changes(elements=left)


def negations(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the condition that a node has, and its opposite."""
    match node:
        case cst.If(test=test) | cst.While(test=test) | cst.CompIf(test=test) | cst.MatchCase(guard=test):
            if test is not None and not cst.matchers.matches(test, cst.matchers.Name("True")):
                inside = test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
                yield test, cst.UnaryOperation(cst.Not(), inside)


def changes(node: Any) -> Iterator[Any]:
    """Yield what a node is replaced by."""
    for kind, operator in mutation_operators:
        if not isinstance(node, kind):
            continue
        if operator is not operator_string:
            yield from operator(node)
        # Text with spaces is for people. Of the rest, one change is enough.
        elif isinstance(node, cst.SimpleString) and " " not in node.value:
            yield from [*operator(node)][:1]
    yield from own_operators(node)


def walk(node: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[Any, str]]:
    """Yield every node that is to be changed, and the function or class that it is in."""
    match node:
        case cst.Annotation() | cst.Import() | cst.ImportFrom() | cst.AssignTarget() | cst.Decorator():
            return
        case cst.Call(func=cst.Name(value=name)) if name in UNCHANGED_CALLS:
            return
        case cst.Assign(value=cst.Call(func=cst.Name(value="TypeVar"))):
            return
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value="__slots__"))]):
            return
        case cst.ClassDef(bases=[cst.Arg(value=cst.Name(value="Protocol"))]):
            return
        case cst.FunctionDef(name=name) | cst.ClassDef(name=name):
            place = (*place, name.value)
    yield node, ".".join(place) or "module"
    for child in node.children:
        yield from walk(child, place)


def mutants(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the mutants of a file: place, first changed line, what was there, what is there, whole source."""
    source = path.read_text()
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    module = wrapper.module
    positions = wrapper.resolve(PositionProvider)
    starts = [0, *itertools.accumulate(map(len, source.splitlines(keepends=True)))]
    seen: set[str] = {source}
    where = positions[module]
    for parent, place in walk(module):
        for node, change in itertools.chain(((parent, change) for change in changes(parent)), negations(parent)):
            where = positions.get(node, where)
            near = starts[where.start.line - 1] + where.start.column
            mutated = _replaced(source, module, node, change, near)
            if mutated in seen or not _compiles(mutated):
                continue
            seen.add(mutated)
            before, after = _difference(source, mutated)
            yield {
                "place": place,
                "first": where.start.line,
                "before": before,
                "after": after,
                "source": mutated,
            }


def _replaced(source: str, module: cst.Module, node: Any, change: Any, near: int) -> str:
    """Return the source with a node replaced. Text is spliced, because deep_replace() walks the whole module."""
    old = module.code_for_node(node)
    at = source.find(old, max(0, near - len(old) + len(old.lstrip())))
    # A node that has an indentation of its own, or whose place is not known.
    if isinstance(node, cst.Match) or not 0 <= near - at <= len(old):
        return str(module.deep_replace(node, change).code)
    return f"{source[:at]}{module.code_for_node(change)}{source[at + len(old) :]}"


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def _difference(source: str, mutated: str) -> tuple[str, str]:
    """Return the lines that differ, each side on one line."""
    old, new = source.splitlines(), mutated.splitlines()
    first = next(n for n, (one, other) in enumerate(itertools.zip_longest(old, new)) if one != other)
    last = next(n for n, (one, other) in enumerate(zip(reversed(old), reversed(new), strict=False)) if one != other)
    last = min(last, len(old) - first - 1, len(new) - first - 1)
    return _one_line(old[first : len(old) - last]), _one_line(new[first : len(new) - last])


def _one_line(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


if __name__ == "__main__":
    json.dump([*mutants(Path(sys.argv[1]))], sys.stdout)
