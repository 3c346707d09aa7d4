"""A pattern matches where AWS's own matcher does, which flattens an item into fields and joins them by their arrays.

https://github.com/aws/event-ruler: Event.java flattens, ACFinder.java and ArrayMembership.java join.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from handler.patterns import Pattern

Field = tuple[str, Any, dict[int, int]]
"""A dotted name, a value, and at which position of which array it is."""

NAMES = ("a", "b", "c", "a.b", "b.c")

plain = st.sampled_from(({"S": "x"}, {"S": "y"}, {"BOOL": True}, {"NULL": True}))
values = st.recursive(
    plain | st.sampled_from(({"SS": ["x"]}, {"SS": ["x", "y"]})),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: {"L": each})
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3).map(lambda each: {"M": each})
    ),
    max_leaves=6,
)
maps = st.dictionaries(st.sampled_from(NAMES[:3]), plain | values, min_size=1, max_size=3).map(lambda each: {"M": each})
lists = st.lists(maps | st.lists(maps, max_size=2).map(lambda each: {"L": each}) | plain, max_size=4)
items = st.fixed_dictionaries(
    {"a": lists.map(lambda each: {"L": each})},
    optional=dict.fromkeys(NAMES[1:], values),
)
matchers = st.lists(
    st.sampled_from(("x", "y", True, None, {"exists": True}, {"exists": False}, {"anything-but": ["x"]})),
    min_size=1,
    max_size=2,
)
paths = st.sampled_from(("a", "a.a", "a.b", "a.c", "a.b.c", "a.c.b", "b", "b.c", "c.a.b"))
leaves = st.dictionaries(paths, matchers, min_size=1, max_size=4)


def fields(value: Any, name: str, membership: dict[int, int], arrays: Iterator[int]) -> Iterator[Field]:
    ((kind, content),) = value.items()
    if kind == "M":
        for inner, each in content.items():
            yield from fields(each, f"{name}.{inner}" if name else inner, membership, arrays)
    elif kind in {"L", "SS"}:
        array = next(arrays)
        for position, each in enumerate(content):
            element = {"S": each} if kind == "SS" else each
            inside = membership | {array: position} if element.keys() & {"M", "L", "SS"} else membership
            yield from fields(element, name, inside, arrays)
    else:
        yield name, None if kind == "NULL" else content, membership


def meets(value: Any, matcher: Any) -> bool:
    match matcher:
        case {"exists": expected}:
            return bool(expected)
        case {"anything-but": unwanted}:
            return value not in unwanted
        case _:
            return type(value) is type(matcher) and bool(value == matcher)


def joins(names: list[str], wanted: Mapping[str, Any], found: list[Field], so_far: dict[int, int]) -> bool:
    if not names:
        return True
    is_there = False
    for name, value, membership in found:
        if name == names[0] and all(so_far.get(array, position) == position for array, position in membership.items()):
            is_there = True
            if any(meets(value, each) for each in wanted[name]) and joins(
                names[1:], wanted, found, so_far | membership
            ):
                return True
    return not is_there and {"exists": False} in wanted[names[0]] and joins(names[1:], wanted, found, so_far)


@settings(max_examples=1_000, deadline=None)
@given(item=items, wanted=leaves)
def test_a_pattern_matches_as_aws_own_matcher_does(item: Any, wanted: dict[str, Any]) -> None:
    found = list(fields({"M": item}, "", {}, itertools.count()))
    assert Pattern(wanted).matches(item) is joins(sorted(wanted), wanted, found, {})


@settings(max_examples=300, deadline=None)
@given(item=items, one=leaves, either=st.tuples(leaves, leaves))
def test_an_or_is_either_of_its_patterns_with_the_rest(item: Any, one: dict[str, Any], either: Any) -> None:
    rest = {path: each for path, each in one.items() if not any(path in pattern for pattern in either)}
    expected = any(Pattern(rest | pattern).matches(item) for pattern in either)
    assert Pattern(rest | {"$or": list(either)}).matches(item) is expected
