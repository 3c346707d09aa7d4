"""Event patterns over an item, as EventBridge defines them: which items a view shows.

Unlike there, each attribute is tested by itself: within a list of maps, two may be matched by two different elements.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

from handler.attributes import AttributeValue, Image, binary, number, unpack

Scalar = str | Decimal | bool | None
Test = Callable[[list[Scalar]], bool]


class Leaf(Struct, frozen=True):
    """The tests for the value at one path, of which one has to hold."""

    path: tuple[str, ...]
    tests: tuple[Test, ...]


class Pattern:
    """What an item has to be like: every leaf has to match.

    Raises:
        ValueError: the JSON is no pattern, or it has an operator that is not known; the message says where.
    """

    __slots__ = ("leaves",)

    def __init__(self, pattern: Any) -> None:
        self.leaves = tuple(_leaves(pattern, ()))

    def matches(self, image: Image) -> bool:
        """Tell whether an item matches."""
        item: AttributeValue = {"M": image}
        for leaf in self.leaves:
            values = list(_values(item, leaf.path))
            if not any(test(values) for test in leaf.tests):
                return False
        return True


def _leaves(pattern: Any, path: tuple[str, ...]) -> Iterator[Leaf]:
    if not isinstance(pattern, dict) or not pattern:
        raise ValueError(f"{_at(path)} must be an object with at least one attribute")
    for name, value in pattern.items():
        here = (*path, name)
        if isinstance(value, list) and value:
            yield Leaf(here, tuple(_test(matcher, here) for matcher in value))
        elif isinstance(value, dict):
            yield from _leaves(value, here)
        else:
            raise ValueError(f'{_at(here)} must be a list of what is allowed, such as ["order"]')


def _test(matcher: Any, path: tuple[str, ...]) -> Test:
    if not isinstance(matcher, dict):
        wanted = _scalar(matcher, path)
        return lambda values: any(_same(value, wanted) for value in values)
    if len(matcher) != 1:
        raise ValueError(f"{_at(path)} has an operator object with {len(matcher)} operators: write each in its own")
    ((operator, operand),) = matcher.items()
    build = _OPERATORS.get(operator)
    if build is None:
        raise ValueError(f'{_at(path)} has the operator "{operator}": known are {", ".join(_OPERATORS)}')
    return build(operand, path)


def _prefix(operand: Any, path: tuple[str, ...]) -> Test:
    if not isinstance(operand, str):
        raise ValueError(f'{_at(path)} has a "prefix" that is not a string')
    return lambda values: any(isinstance(value, str) and value.startswith(operand) for value in values)


def _exists(operand: Any, path: tuple[str, ...]) -> Test:
    if not isinstance(operand, bool):
        raise ValueError(f'{_at(path)} has an "exists" that is neither true nor false')
    return lambda values: bool(values) is operand


def _anything_but(operand: Any, path: tuple[str, ...]) -> Test:
    if isinstance(operand, dict):
        if set(operand) != {"prefix"}:
            raise ValueError(f'{_at(path)} has an "anything-but" over {", ".join(operand)}: known is prefix')
        refused = _prefix(operand["prefix"], path)
        return lambda values: any(not refused([value]) for value in values)
    unwanted = [_scalar(value, path) for value in (operand if isinstance(operand, list) else [operand])]
    if not unwanted:
        raise ValueError(f'{_at(path)} has an "anything-but" over nothing')
    return lambda values: any(not any(_same(value, other) for other in unwanted) for value in values)


_OPERATORS: Mapping[str, Callable[[Any, tuple[str, ...]], Test]] = {
    "prefix": _prefix,
    "exists": _exists,
    "anything-but": _anything_but,
}


def _values(value: AttributeValue, path: tuple[str, ...]) -> Iterator[Scalar]:
    """The scalars at a path. A list or set stands for its elements, whatever its depth."""
    kind, content = unpack(value)
    if kind == "M":
        if path and path[0] in content:
            yield from _values(content[path[0]], path[1:])
    elif kind == "L":
        for element in content:
            yield from _values(element, path)
    elif kind in {"SS", "NS", "BS"}:
        for element in content:
            yield from _values({kind[0]: element}, path)
    elif not path:
        yield _READ[kind](content)


_READ: Mapping[str, Callable[[Any], Scalar]] = {
    "S": str,
    "N": lambda content: Decimal(number(content)),
    "B": binary,
    "BOOL": bool,
    "NULL": lambda _: None,
}


def _scalar(value: Any, path: tuple[str, ...]) -> Scalar:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    if value is None or isinstance(value, str | bool | Decimal):
        return value
    raise ValueError(f"{_at(path)} holds a list or an object where one value is meant")


def _same(value: Scalar, wanted: Scalar) -> bool:
    return type(value) is type(wanted) and value == wanted


def _at(path: tuple[str, ...]) -> str:
    return f'"{".".join(path)}"' if path else "the pattern"
