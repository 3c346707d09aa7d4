"""Event patterns over an item, as EventBridge defines them: which items a view shows.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html is what a pattern says, and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html what its operators do. Where
they are silent, AWS's own matcher decides, which is called Ruler here: https://github.com/aws/event-ruler#readme

- A list or a set stands for its elements, at any depth: one that matches is enough, for `anything-but` too. An empty
  list and a map are no values: to `exists`, they are absent.
- What a pattern demands of the maps in a list, one map has to fulfil all by itself. So `exists: false` is about that
  map alone, if a path before it in the alphabet has settled which map it is; if not, none may have the value.
- A dot in a name is a step: `{"address.city": […]}` says what `{"address": {"city": […]}}` says, and either also means
  an attribute that has the dot in its name.
- Binary is its base64 text.

More than there: numbers of any size are exact, and `anything-but` takes true, false, null and lists of mixed types.
"""

import ipaddress
import itertools
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from handler.attributes import AttributeValue, Image, binary, number, unpack

MAXIMUM_COMBINATIONS = 1000
"""In how many ways a pattern may match, by its `$or`: as EventBridge has it."""

Scalar = str | Decimal | bool | None
Test = Callable[[Scalar], bool]
Place = tuple[str, ...]
"""Where something is within the pattern: the names that lead to it."""

Trail = tuple[str | int, ...]
"""Where a list is within an item: the names and positions that lead to it."""

Elements = Mapping[Trail, int]
"""Which element of each list what has matched so far is in."""

Found = tuple[Sequence[Scalar], Elements]
"""Values at a path, and the elements of lists that they are in."""


class Leaf(Struct, frozen=True):
    """What one attribute has to be like.

    Attributes:
        path: the steps that lead to it.
        tests: what its value may be: one of these has to hold.
        absent: whether it may have none.
    """

    path: Place
    tests: tuple[Test, ...]
    absent: bool


Group = tuple[Leaf, ...]
"""Leaves within one attribute of the item, in the alphabet's order, which is Ruler's."""


class Pattern:
    """What an item has to be like.

    Raises:
        ValueError: the JSON is no pattern, or it has an operator that is not known; the message says where.
    """

    __slots__ = ("_combinations",)

    def __init__(self, pattern: Any) -> None:
        self._combinations = tuple(_grouped(leaves.values()) for leaves in _combinations(pattern, ()))

    def matches(self, image: Image) -> bool:
        """Tell whether an item matches."""
        return any(all(_holds(group, image) for group in groups) for groups in self._combinations)


def _grouped(leaves: Iterable[Leaf]) -> tuple[Group, ...]:
    """Part leaves by the attribute that they are in: those of two attributes share no list, and are told one by one."""
    ordered = sorted(leaves, key=lambda leaf: ".".join(leaf.path))
    by_attribute: dict[str, list[Leaf]] = {}
    for leaf in ordered:
        by_attribute.setdefault(leaf.path[0], []).append(leaf)
    return tuple(map(tuple, by_attribute.values()))


def _holds(leaves: Group, image: Image) -> bool:
    """Tell whether all leaves match."""
    first = leaves[0]
    # What most patterns are: a single test of an attribute, which is no list. It needs no search.
    if len(leaves) == len(first.path) == 1:
        if first.path[0] not in image:
            return first.absent
        kind, content = unpack(image[first.path[0]])
        if kind in _READ:
            return _passes(_READ[kind](content), first.tests)
    return _hold(leaves, image, {})


def _passes(value: Scalar, tests: Iterable[Test]) -> bool:
    return any(test(value) for test in tests)


def _hold(leaves: Sequence[Leaf], image: Image, elements: Elements) -> bool:
    """Tell whether all leaves match, within the elements that were chosen and any choice of those that were not."""
    if not leaves:
        return True
    leaf, *others = leaves
    is_there = False
    for values, chosen in _values_in(image, leaf.path, elements, ()):
        is_there = True
        if any(_passes(value, leaf.tests) for value in values) and _hold(others, image, chosen):
            return True
    return leaf.absent and not is_there and _hold(others, image, elements)


def _values_in(content: Image, path: Place, elements: Elements, trail: Trail) -> Iterator[Found]:
    """Find what is at a path within a map. A name with dots in it takes several steps at once."""
    for steps in range(1, len(path) + 1):
        name = ".".join(path[:steps])
        if name in content:
            yield from _values(content[name], path[steps:], elements, (*trail, name))


def _values(value: AttributeValue, path: Place, elements: Elements, trail: Trail) -> Iterator[Found]:
    kind, content = unpack(value)
    if kind in _READ:
        if not path:
            yield (_READ[kind](content),), elements
    elif kind == "M":
        yield from _values_in(content, path, elements, trail)
    elif kind == "L":
        yield from _values_among(content, path, elements, trail)
    elif not path:
        yield tuple(map(_READ[kind[0]], content)), elements


def _values_among(content: Sequence[AttributeValue], path: Place, elements: Elements, trail: Trail) -> Iterator[Found]:
    """Find what is at a path within a list. Only what is within one of its elements settles which one it is."""
    settled = elements.get(trail)
    for position in range(len(content)) if settled is None else (settled,):
        if unpack(content[position])[0] not in _READ:
            yield from _values(content[position], path, {**elements, trail: position}, (*trail, position))
    if not path:
        plain = tuple(_READ[kind](value) for kind, value in map(unpack, content) if kind in _READ)
        if plain:
            yield plain, elements


_READ: Mapping[str, Callable[[Any], Scalar]] = {
    "S": str,
    "N": lambda content: Decimal(number(content)),
    "B": binary,
    "BOOL": bool,
    "NULL": lambda _: None,
}


def _combinations(pattern: Any, place: Place) -> list[dict[str, Leaf]]:
    """The ways for a pattern to match: each is a leaf for each of some dotted paths, and all of these have to hold."""
    if not isinstance(pattern, dict) or not pattern:
        raise ValueError(f"{_at(place)} must be an object with at least one attribute")
    combinations: list[dict[str, Leaf]] = [{}]
    for name, value in pattern.items():
        here = (*place, name)
        if name == "$or":
            added = _alternatives(value, place)
        elif isinstance(value, dict):
            added = _combinations(value, here)
        else:
            added = [_leaf(value, here)]
        if len(combinations) * len(added) > MAXIMUM_COMBINATIONS:
            raise ValueError(f'{_at(place)} has more than {MAXIMUM_COMBINATIONS} ways to match, by its "$or": say less')
        combinations = [_joined(before, more) for before in combinations for more in added]
    return combinations


def _alternatives(patterns: Any, place: Place) -> list[dict[str, Leaf]]:
    if not isinstance(patterns, list) or len(patterns) < 2:
        raise ValueError(f'{_at(place)} has a "$or" that is not a list of at least two patterns')
    for pattern in patterns:
        for name in pattern if isinstance(pattern, dict) else ():
            if name in _OPERATORS:
                raise ValueError(f'{_at((*place, "$or"))} must hold patterns, not the operator "{name}"')
    return [combination for pattern in patterns for combination in _combinations(pattern, place)]


def _joined(before: dict[str, Leaf], more: dict[str, Leaf]) -> dict[str, Leaf]:
    for path in before.keys() & more.keys():
        raise ValueError(f'"{path}" is tested twice, so that one test would hide the other: put both into one list')
    return before | more


def _leaf(matchers: Any, place: Place) -> dict[str, Leaf]:
    if not isinstance(matchers, list) or not matchers:
        raise ValueError(f'{_at(place)} must be a list of what is allowed, such as ["order"]')
    path = ".".join(place)
    exact = [_scalar(matcher, place) for matcher in matchers if not isinstance(matcher, dict)]
    tests = [_operation(matcher, place) for matcher in matchers if isinstance(matcher, dict)]
    if exact:
        tests.insert(0, _one_of(exact))
    return {path: Leaf(tuple(path.split(".")), tuple(tests), _absent in tests)}


def _operation(matcher: dict[str, Any], place: Place) -> Test:
    if len(matcher) != 1:
        raise ValueError(f"{_at(place)} has an operator object with {len(matcher)} operators: write each in its own")
    ((name, operand),) = matcher.items()
    if name not in _OPERATORS:
        raise ValueError(f'{_at(place)} has the operator "{name}": known are {", ".join(_OPERATORS)}')
    return _OPERATORS[name](operand, place)


def _one_of(values: Iterable[Scalar]) -> Test:
    # With its type: true, 1 and 1.0 are equal in Python.
    wanted = frozenset((type(value), value) for value in values)
    return lambda value: (type(value), value) in wanted


def _is(expression: str) -> Test:
    match = re.compile(expression, re.DOTALL).fullmatch
    return lambda value: isinstance(value, str) and match(value) is not None


def _prefix(operand: Any, place: Place) -> Test:
    if isinstance(operand, dict):
        return _is(f"{_folded(operand, 'prefix', place)}.*")
    prefix = _text(operand, "prefix", place)
    return lambda value: isinstance(value, str) and value.startswith(prefix)


def _suffix(operand: Any, place: Place) -> Test:
    if isinstance(operand, dict):
        return _is(f".*{_folded(operand, 'suffix', place)}")
    suffix = _text(operand, "suffix", place)
    return lambda value: isinstance(value, str) and value.endswith(suffix)


def _equals_ignore_case(operand: Any, place: Place) -> Test:
    return _is(_any_case(_text(operand, "equals-ignore-case", place)))


def _folded(operand: dict[str, Any], name: str, place: Place) -> str:
    if set(operand) != {"equals-ignore-case"}:
        raise ValueError(f'{_at(place)} has a "{name}" over {", ".join(operand)}: known is equals-ignore-case')
    return _any_case(_text(operand["equals-ignore-case"], "equals-ignore-case", place))


def _any_case(text: str) -> str:
    """A regular expression for a text in any case, letter by letter as in Ruler: of "k", the Kelvin sign is no case."""
    return "".join(f"(?:{re.escape(letter.lower())}|{re.escape(letter.upper())})" for letter in text)


def _wildcard(operand: Any, place: Place) -> Test:
    literals = [""]
    for part in re.findall(r"\\.?|\*+|[^\\*]+", _text(operand, "wildcard", place), re.DOTALL):
        if part == "*":
            literals.append("")
        elif part in {r"\*", r"\\"}:
            literals[-1] += part[1]
        elif part[0] in "*\\":
            raise ValueError(
                f'{_at(place)} has a "wildcard" with {part}: write one *, and \\* or \\\\ for a plain * or \\'
            )
        else:
            literals[-1] += part
    first, *middle = literals
    if not middle:
        return lambda value: value == first
    last = middle.pop()

    # Not a regular expression, which takes long to find out that several wildcards do not match.
    def matches(value: Scalar) -> bool:
        if not isinstance(value, str) or not value.startswith(first):
            return False
        position, end = len(first), len(value) - len(last)
        for literal in middle:
            found = value.find(literal, position, end)
            if found < 0:
                return False
            position = found + len(literal)
        return position <= end and value.endswith(last)

    return matches


def _numeric(operand: Any, place: Place) -> Test:
    signs, bounds = (operand[::2], operand[1::2]) if isinstance(operand, list) else ([], [])
    if signs not in _RANGES or len(bounds) != len(signs):
        raise ValueError(
            f'{_at(place)} has a "numeric" that is neither like ["=", 5] or ["<", 5] nor like [">", 0, "<=", 5]'
        )
    limits = [_number(bound, place) for bound in bounds]
    if len(limits) == 2 and limits[0] >= limits[1]:
        raise ValueError(f'{_at(place)} has a "numeric" whose lower bound is not below the upper')
    comparisons = tuple((_COMPARISONS[sign], limit) for sign, limit in zip(signs, limits, strict=True))
    return lambda value: isinstance(value, Decimal) and all(compare(value, limit) for compare, limit in comparisons)


_COMPARISONS: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_RANGES = [[sign] for sign in _COMPARISONS] + [list(both) for both in itertools.product((">", ">="), ("<", "<="))]


def _cidr(operand: Any, place: Place) -> Test:
    text = _text(operand, "cidr", place)
    try:
        # The mask may be no netmask, and an address have no zone, both of which Python would take.
        network = ipaddress.ip_interface(text) if re.fullmatch(f"(?:{_ADDRESS.pattern})/[0-9]+", text) else None
    except ValueError:
        network = None
    if network is None:
        raise ValueError(f'{_at(place)} has a "cidr" that is not like "10.0.0.0/24" or "2001:db8::/32"')
    lowest, highest = int(network.ip), int(network.network.broadcast_address)

    def matches(value: Scalar) -> bool:
        if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
            return False
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return False
        return address.version == network.version and lowest <= int(address) <= highest

    return matches


_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}|[0-9a-fA-F:]*:[0-9a-fA-F:]*")


def _exists(operand: Any, place: Place) -> Test:
    if not isinstance(operand, bool):
        raise ValueError(f'{_at(place)} has an "exists" that is neither true nor false')
    return _present if operand else _absent


def _present(_: Scalar) -> bool:
    return True


def _absent(_: Scalar) -> bool:
    """Stands for `{"exists": false}`, which no value fulfils."""
    return False


def _anything_but(operand: Any, place: Place) -> Test:
    if isinstance(operand, dict):
        return _anything_but_over(operand, place)
    unwanted = _one_of(_scalar(value, place) for value in _listed(operand, place))
    return lambda value: not unwanted(value)


def _anything_but_over(operand: dict[str, Any], place: Place) -> Test:
    (name, *others) = operand or [""]
    if name not in _UNDER_ANYTHING_BUT or others:
        known = ", ".join(_UNDER_ANYTHING_BUT)
        raise ValueError(
            f'{_at(place)} has an "anything-but" over {", ".join(operand) or "nothing"}: known is one of {known}'
        )
    texts = [_text(text, name, place) for text in _listed(operand[name], place)]
    if "" in texts and name in {"prefix", "suffix"}:
        raise ValueError(f'{_at(place)} has an "anything-but" over an empty {name}, which all strings have')
    unwanted = tuple(_OPERATORS[name](text, place) for text in texts)
    return lambda value: not any(test(value) for test in unwanted)


_UNDER_ANYTHING_BUT = ("prefix", "suffix", "equals-ignore-case", "wildcard")

_OPERATORS: Mapping[str, Callable[[Any, Place], Test]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "exists": _exists,
    "cidr": _cidr,
}


def _listed(operand: Any, place: Place) -> list[Any]:
    values = operand if isinstance(operand, list) else [operand]
    if not values:
        raise ValueError(f'{_at(place)} has an "anything-but" over nothing')
    return values


def _text(value: Any, name: str, place: Place) -> str:
    if not isinstance(value, str):
        raise ValueError(f'{_at(place)} has a "{name}" that is not a string')
    return value


def _number(value: Any, place: Place) -> Decimal:
    number = _scalar(value, place)
    if not isinstance(number, Decimal):
        raise ValueError(f'{_at(place)} has a "numeric" that compares with something else than a number')
    return number


def _scalar(value: Any, place: Place) -> Scalar:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    if value is None or isinstance(value, str | bool | Decimal):
        return value
    raise ValueError(f"{_at(place)} holds a list or an object where one value is meant")


def _at(place: Place) -> str:
    return f'"{".".join(place)}"' if place else "the pattern"
