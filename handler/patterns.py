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
import math
import operator
import re
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from handler.attributes import AttributeValue, AttributeValueError, Image, binary, number, unpack

MAXIMUM_COMBINATIONS = 1000
"""In how many ways a pattern may match, by its `$or`, as EventBridge has it; and an item, by its names with dots."""

MAXIMUM_STEPS = 1_000_000
"""How many steps a match may take: names looked up in maps, elements of lists, and tests of these.

A match is linear in the item, times the ways of its pattern to match. Only names with dots can make it more: where an
item has both `a` and `a.b`, each test within `a.b` may hold in either. This bounds the work, and not the time: a step
takes longer in a slower processor, and where a text is searched for a wildcard's parts.
"""

STEPS_AT_ONCE = 1000
"""After how many steps of a match the time is looked at. The elements of one list are counted at once, and so are a
value's tests, as far as they do not count what they take themselves."""

CHARACTERS_IN_A_STEP = 100
"""How much of a text one step searches, or reads, where that takes longer the longer the text is."""

Scalar = str | Decimal | bool | None
Count = Callable[[int], None]
"""Is told how many steps are about to be taken."""
Test = Callable[[Scalar, Count], bool]
"""Tells whether a value passes. Taking it is one step. Those that it takes beside that, it counts."""
Place = tuple[str, ...]
"""Where something is within the pattern: the names that lead to it."""


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

    __slots__ = ("_combinations", "_groups")

    def __init__(self, pattern: Any) -> None:
        combinations = [_grouped(leaves.values()) for leaves in _combinations(pattern, ())]
        # The ways to match share most of their groups. Each is looked at once.
        positions = {group: position for position, group in enumerate(dict.fromkeys(itertools.chain(*combinations)))}
        self._groups = tuple(map(_Group, positions))
        self._combinations = tuple(tuple(map(positions.__getitem__, groups)) for groups in combinations)

    def matches(self, image: Image, check: Callable[[], None] = lambda: None) -> bool:
        """Return whether an item matches.

        Args:
            image: the item.
            check: is called every so many steps, and raises what ends the match if there is no more time for it.

        Raises:
            AttributeValueError: the item holds a value that DynamoDB does not write, or the match takes too many steps.
        """
        search = _Search(check)
        found: dict[int, bool] = {}
        for positions in self._combinations:
            for position in positions:
                holds = found.get(position)
                if holds is None:
                    holds = found[position] = self._groups[position].holds(image, search)
                if not holds:
                    break
            else:
                return True
        return False


def _grouped(leaves: Iterable[Leaf]) -> tuple[Group, ...]:
    """Split leaves by the attribute that they are in. Those of two attributes share no list, so each stands alone."""
    ordered = sorted(leaves, key=lambda leaf: ".".join(leaf.path))
    by_attribute: dict[str, list[Leaf]] = {}
    for leaf in ordered:
        by_attribute.setdefault(leaf.path[0], []).append(leaf)
    return tuple(map(tuple, by_attribute.values()))


class _Node:
    """A place within a group's paths.

    Attributes:
        tests: those of the leaf whose path ends here; empty where there is none.
        position: the leaf's place in the group's order.
        own: its bit, which stands for it in a set of leaves; 0: there is none.
        within: the bits of all leaves here and below.
        names: what a map may call a place below, dots included, and that place.
    """

    __slots__ = ("names", "own", "position", "tests", "within")

    def __init__(self, leaves: Sequence[tuple[int, Leaf]], depth: int) -> None:
        self.tests: tuple[Test, ...] = ()
        self.position, self.own, self.within = _NOWHERE, 0, 0
        below: dict[str, list[tuple[int, Leaf]]] = {}
        for position, leaf in leaves:
            self.within |= 1 << position
            if len(leaf.path) == depth:
                self.tests, self.position, self.own = leaf.tests, position, 1 << position
            else:
                below.setdefault(leaf.path[depth], []).append((position, leaf))
        self.names: list[tuple[str, _Node]] = []
        for step, inner in below.items():
            node = _Node(inner, depth + 1)
            self.names.append((step, node))
            self.names += [(f"{step}.{name}", deeper) for name, deeper in node.names]


class _Group:
    """A group of leaves, ready to be searched for."""

    __slots__ = ("_absent", "_all", "_root", "_single")

    def __init__(self, leaves: Group) -> None:
        self._root = _Node(list(enumerate(leaves)), 0)
        self._all = self._root.within
        self._absent = sum(1 << position for position, leaf in enumerate(leaves) if leaf.absent)
        self._single = leaves[0] if len(leaves) == len(leaves[0].path) == 1 else None

    def holds(self, image: Image, search: "_Search") -> bool:
        """Return whether all leaves match."""
        leaf = self._single
        # What most patterns are: a single test of an attribute that is no list. It needs no search.
        if leaf is not None:
            if leaf.path[0] not in image:
                return leaf.absent
            kind, content = unpack(image[leaf.path[0]])
            read = _READ_AT_ONCE.get(kind)
            if read is not None:
                return _passes(read(content), leaf.tests, search.count)
        return search.map(image, self._root, self._all, self._absent)[1]


def _passes(value: Scalar, tests: Iterable[Test], count: Count) -> bool:
    # any() of a generator would take twice as long.
    for test in tests:  # noqa: SIM110
        if test(value, count):
            return True
    return False


_NOWHERE = sys.maxsize
"""Stands for a leaf's place in the order where no leaf has a value."""

Found = tuple[int, bool]
"""What a search found within a value: the first leaf that has a value there, and whether all leaves match."""


class _Search:
    """A search for a choice of values, one for each leaf, that Ruler would accept.

    Ruler takes the leaves in order. Each takes a value at its path that passes its tests, and so settles which element
    of each list around that value counts: a later leaf may take, or miss, only what is within the same elements. Tried
    out choice by choice, that takes n ** k steps for k lists of n elements. But within a value,

    - a map leaves its attributes independent of each other;
    - a list needs one element in which all leaves match. The first leaf in order that has a value in any element is the
      one that settles the element, because until then nothing hides that value. So the element has to be one in which
      that leaf has a value, and no later leaf sees any other.

    Hence each value is looked at once, and it is enough to know of it what `Found` says. Two places remain where a leaf
    has a choice: a plain value in a list, which settles no element; and a name with dots, which can be in two places.

    All methods take the leaves that may have a value there, and those that may lack one, as sets of bits. A leaf that
    is in both may do either.
    """

    __slots__ = ("_check", "_checked", "_steps")

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._steps = self._checked = 0

    def map(self, content: Image, node: _Node, taking: int, lacking: int) -> Found:
        """Search a map."""
        self.count(1 + len(node.names))
        asked = taking | lacking
        inner = [(content[name], deeper) for name, deeper in node.names if name in content and deeper.within & asked]
        seen = twice = 0
        for _, deeper in inner:
            twice |= seen & deeper.within
            seen |= deeper.within
        matches = not taking & ~lacking & ~seen
        if not matches and not lacking:
            return _NOWHERE, False
        if twice := twice & asked:
            first, chosen = self._either(inner, taking, lacking, twice)
            return first, chosen and matches
        first = _NOWHERE
        for value, deeper in inner:
            position, holds = self._value(value, deeper, taking, lacking)
            matches = matches and holds
            if not matches and not lacking:
                return _NOWHERE, False
            first = min(first, position)
        return first, matches

    def _either(self, inner: Sequence[tuple[AttributeValue, _Node]], taking: int, lacking: int, twice: int) -> Found:
        """Search a map in which some leaves may be in several places: each takes a value in one, or lacks it in all."""
        leaves = [1 << position for position in range(twice.bit_length()) if twice >> position & 1]
        places = [
            [index for index, (_, deeper) in enumerate(inner) if deeper.within & taking & leaf]
            + [None] * bool(lacking & leaf)
            for leaf in leaves
        ]
        # Before any is tried: a batch may hold thousands of such items.
        if math.prod(map(len, places)) > MAXIMUM_COMBINATIONS:
            raise AttributeValueError(
                f"the item has more than {MAXIMUM_COMBINATIONS} ways to match the view's `where`, because both maps "
                "and attributes with dots in their names hold what it tests: keep these in one place"
            )
        first, matches = _NOWHERE, False
        for choice in itertools.product(*places):
            self.count(len(leaves) * len(inner))
            all_match = True
            lacked = sum(leaf for leaf, place in zip(leaves, choice, strict=True) if place is None)
            for index, (value, deeper) in enumerate(inner):
                taken = sum(leaf for leaf, place in zip(leaves, choice, strict=True) if place == index)
                position, holds = self._value(value, deeper, taking & ~twice | taken, lacking & ~twice | lacked)
                first = min(first, position)
                all_match = all_match and holds
            matches = matches or all_match
        return first, matches

    def _value(self, value: AttributeValue, node: _Node, taking: int, lacking: int) -> Found:
        taking &= node.within
        lacking &= node.within
        kind, content = unpack(value)
        if kind == "M":
            return self.map(content, node, taking, lacking)
        if kind == "L":
            return self._list(content, node, taking, lacking)
        matches = not taking & ~lacking & ~node.own
        if not node.own & (taking | lacking):
            return _NOWHERE, matches
        if matches:
            values = [(kind, content)] if kind in _READ else [(kind[0], element) for element in content]
            matches = bool(node.own & taking) and self._passes(values, node)
        return node.position, matches

    def _list(self, content: Sequence[AttributeValue], node: _Node, taking: int, lacking: int) -> Found:
        self.count(1 + len(content))
        inner: list[AttributeValue] = []
        plain: list[tuple[str, Any]] = []
        for element in content:
            kind, value = unpack(element)
            if kind in _READ:
                plain.append((kind, value))
            else:
                inner.append(element)
        own = node.own & (taking | lacking)
        if not own or not plain:
            return self._elements(inner, node, taking, lacking)
        # A leaf comes before those within it, so that its position is the first.
        if own & taking and self._passes(plain, node):
            _, matches = self._elements(inner, node, taking & ~own, lacking & ~own)
            if matches:
                return node.position, True
        # The plain values are there whichever element counts, so the leaf does not lack a value.
        _, matches = self._elements(inner, node, taking, lacking & ~own)
        return node.position, matches and bool(own & taking)

    def _elements(self, elements: Sequence[AttributeValue], node: _Node, taking: int, lacking: int) -> Found:
        """Search the elements of a list that have something within them, for one in which all leaves match."""
        asked = (taking | lacking) & node.within
        first, matches = _NOWHERE, not taking & ~lacking & node.within
        if not asked:
            return first, matches
        earliest = (asked & -asked).bit_length() - 1
        for element in elements:
            position, holds = self._value(element, node, taking, lacking)
            if position < first:
                first, matches = position, holds
            elif position == first:
                matches = matches or holds
            # No other element can change this: there is no earlier leaf to settle another.
            if matches and first == earliest:
                break
        return first, matches

    def _passes(self, values: Sequence[tuple[str, Any]], node: _Node) -> bool:
        """Return whether one of some values, each with its type, passes a leaf's tests."""
        count, steps = self.count, len(node.tests)
        for kind, content in values:
            count(steps if kind != "B" else steps + len(content) // CHARACTERS_IN_A_STEP)
            value = _READ[kind](content)
            for test in node.tests:
                if test(value, count):
                    return True
        return False

    def count(self, steps: int) -> None:
        """Count steps that are about to be taken, and look at the time every so many.

        Raises:
            AttributeValueError: they are too many.
        """
        self._steps += steps
        if self._steps > MAXIMUM_STEPS:
            raise AttributeValueError(
                f"the item takes more than {MAXIMUM_STEPS:,} steps to be matched with the view's `where`: "
                "make its lists shorter, or test less of them"
            )
        if self._steps - self._checked >= STEPS_AT_ONCE:
            self._check()
            self._checked = self._steps


_READ_AT_ONCE: Mapping[str, Callable[[Any], Scalar]] = {
    "S": str,
    "N": lambda content: Decimal(number(content)),
    "BOOL": bool,
    "NULL": lambda _: None,
}
"""What takes no longer to read where it is long."""

_READ: Mapping[str, Callable[[Any], Scalar]] = {"B": binary, **_READ_AT_ONCE}


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
    tests = [_one_of(exact)] if exact else []
    tests += [_operation(matcher, place) for matcher in matchers if isinstance(matcher, dict)]
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
    return lambda value, _: (type(value), value) in wanted


def _is(expression: str) -> Test:
    match = re.compile(expression, re.DOTALL).fullmatch
    return lambda value, _: isinstance(value, str) and match(value) is not None


def _prefix(operand: Any, place: Place) -> Test:
    if isinstance(operand, dict):
        return _is(f"{_any_case(_folded(operand, 'prefix', place))}.*")
    prefix = _text(operand, "prefix", place)
    return lambda value, _: isinstance(value, str) and value.startswith(prefix)


def _suffix(operand: Any, place: Place) -> Test:
    if isinstance(operand, dict):
        letters = _any_case(_folded(operand, "suffix", place), -1)
        starts = _is(f"{letters}.*")
        # Backwards, or it would be tried from each character. The expression is longer than what it matches.
        return lambda value, count: isinstance(value, str) and starts(value[: -len(letters) - 1 : -1], count)
    suffix = _text(operand, "suffix", place)
    return lambda value, _: isinstance(value, str) and value.endswith(suffix)


def _equals_ignore_case(operand: Any, place: Place) -> Test:
    return _is(_any_case(_text(operand, "equals-ignore-case", place)))


def _folded(operand: dict[str, Any], name: str, place: Place) -> str:
    if set(operand) != {"equals-ignore-case"}:
        raise ValueError(f'{_at(place)} has a "{name}" over {", ".join(operand)}: known is equals-ignore-case')
    return _text(operand["equals-ignore-case"], "equals-ignore-case", place)


def _any_case(text: str, step: int = 1) -> str:
    """Return a regular expression for a text in any case: with a step of -1, for the text backwards.

    Letter by letter as in Ruler: of "k", the Kelvin sign is no case. Two equal alternatives, as of a digit, would be
    tried one after the other wherever the rest does not match: 2 ** n times for n digits.
    """
    cases = [dict.fromkeys(re.escape(case[::step]) for case in (each.lower(), each.upper())) for each in text[::step]]
    return "".join(f"(?:{'|'.join(case)})" for case in cases)


def _wildcard(operand: Any, place: Place) -> Test:
    literals = [""]
    for part in re.findall(r"\\.?|\*+|[^\\*]+", _text(operand, "wildcard", place)):
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
        return lambda value, _: value == first
    last = middle.pop()

    # Not a regular expression, which takes long to find out that several wildcards do not match.
    def matches(value: Scalar, count: Count) -> bool:
        if not isinstance(value, str) or not value.startswith(first):
            return False
        count(len(middle) + len(value) // CHARACTERS_IN_A_STEP)
        position = len(first)
        for literal in middle:
            found = value.find(literal, position)
            if found < 0:
                return False
            position = found + len(literal)
        return position <= len(value) - len(last) and value.endswith(last)

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
    return lambda value, _: isinstance(value, Decimal) and all(compare(value, limit) for compare, limit in comparisons)


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
    lowest, highest = network.ip.packed, network.network.broadcast_address.packed
    family, sign = (socket.AF_INET, ".") if network.version == 4 else (socket.AF_INET6, ":")

    # Not by ipaddress, which takes several times as long as any other test.
    def matches(value: Scalar, _: Count) -> bool:
        if not isinstance(value, str) or len(value) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(value):
            return False
        try:
            return sign in value and lowest <= socket.inet_pton(family, value) <= highest
        except OSError:
            return False

    return matches


_LONGEST_ADDRESS = len("0000:0000:0000:0000:0000:0000:0000:0000")
"""So that a long text of colons, which the expression would split at each of them, is not looked at."""

_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}|[0-9a-fA-F:]*:[0-9a-fA-F:]*")


def _exists(operand: Any, place: Place) -> Test:
    if not isinstance(operand, bool):
        raise ValueError(f'{_at(place)} has an "exists" that is neither true nor false')
    return _present if operand else _absent


def _present(_: Scalar, __: Count) -> bool:
    return True


def _absent(_: Scalar, __: Count) -> bool:
    """Stands for `{"exists": false}`, which no value fulfils."""
    return False


def _anything_but(operand: Any, place: Place) -> Test:
    if isinstance(operand, dict):
        return _anything_but_over(operand, place)
    unwanted = _one_of(_scalar(value, place) for value in _listed(operand, place))
    return lambda value, count: not unwanted(value, count)


def _anything_but_over(operand: dict[str, Any], place: Place) -> Test:
    if len(operand) != 1 or next(iter(operand)) not in _UNDER_ANYTHING_BUT:
        known = ", ".join(_UNDER_ANYTHING_BUT)
        raise ValueError(
            f'{_at(place)} has an "anything-but" over {", ".join(operand) or "nothing"}: known is one of {known}'
        )
    ((name, unwanted),) = operand.items()
    texts = [_text(text, name, place) for text in _listed(unwanted, place)]
    if "" in texts and name in {"prefix", "suffix"}:
        raise ValueError(f'{_at(place)} has an "anything-but" over an empty {name}, which all strings have')
    tests = tuple(_OPERATORS[name](text, place) for text in texts)

    def matches(value: Scalar, count: Count) -> bool:
        count(len(tests))
        return not _passes(value, tests, count)

    return matches


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
