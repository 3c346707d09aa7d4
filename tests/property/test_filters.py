"""Whatever a write does, a record that changes what a view shows gets through the mapping's filters.

The filters are those that Terraform derives, and are judged by the event source poller's own matcher.
"""

import json
import random
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from handler.patterns import Pattern
from local.event_source.filters import Matches, compiled
from local.terraform import Terraform

MAPPINGS = 150
NAMES = ("a", "b", "c", "c.d", "S")
TEXTS = ("", "a", "ab", "B", "b", "ä", "Ä", "k", "\N{KELVIN SIGN}", "x<y&z", "10.0.0.1", 'q"\\')
VALUES = (*TEXTS, 0, 1, 2.5, True, False, None)
HASH_KEYS: Mapping[str, st.SearchStrategy[Any]] = {
    "S": st.sampled_from(("a", "ab", "B", "10.0.0.1")),
    "N": st.sampled_from(("0", "1", "2.5")),
    "B": st.sampled_from(("YQ==", "YWI=")),
}


class Mapped(Struct, frozen=True):
    """A mapping: its table's hash key, what its views show, what its caller lets through, and what its filters do."""

    hash_key_type: str
    patterns: tuple[Pattern, ...]
    callers: Matches
    filters: Matches
    is_filtered: bool


def matchers(choose: random.Random) -> list[Any]:
    """A list of what is allowed, of any operator."""
    text = choose.choice
    operators: list[Callable[[], Any]] = [
        lambda: text(VALUES),
        lambda: text(VALUES),
        lambda: {"prefix": text(TEXTS)},
        lambda: {"prefix": {"equals-ignore-case": text(TEXTS)}},
        lambda: {"suffix": text(TEXTS)},
        lambda: {"suffix": {"equals-ignore-case": text(TEXTS)}},
        lambda: {"equals-ignore-case": text(TEXTS)},
        lambda: {"wildcard": text(("*", "a*", "*b", "a*b"))},
        lambda: {"anything-but": text(VALUES)},
        lambda: {"anything-but": choose.sample(VALUES, k=choose.randint(1, 4))},
        lambda: {"anything-but": {text(("prefix", "suffix", "equals-ignore-case")): text(TEXTS[1:])}},
        lambda: {"numeric": text((["=", 1], ["<", 2], [">", 0, "<=", 2.5]))},
        lambda: {"exists": text((True, False))},
        lambda: {"cidr": "10.0.0.0/8"},
    ]
    return [choose.choice(operators)() for _ in range(choose.choice((1, 1, 1, 2, 3)))]


def where(choose: random.Random, names: tuple[str, ...] = ("pk", *NAMES[:3], "S")) -> dict[str, Any]:
    """A pattern. That of one attribute may be nested, or an alternative of two."""
    pattern: dict[str, Any] = {}
    for name in choose.sample(names, k=choose.randint(1, 3)):
        kind = choose.random()
        if kind < 0.75:
            pattern[name] = matchers(choose)
        elif name == "c":
            pattern[choose.choice(("c.d", "c"))] = {"d": matchers(choose)} if kind < 0.9 else matchers(choose)
        elif "$or" not in pattern and kind < 0.85:
            pattern["$or"] = [{name: matchers(choose)}, {f"{name}2": matchers(choose)}]
        else:
            pattern[name] = {"d": matchers(choose)}
    return pattern


@pytest.fixture(scope="module")
def mappings() -> list[Mapped]:
    """What Terraform makes of many sets of views."""
    choose = random.Random(20_260_101)  # noqa: S311 - the same mappings each time
    asked: dict[str, Any] = {}
    for number in range(MAPPINGS):
        key_type = choose.choice(("S", "S", "S", "N", "B"))
        keys = [{"dynamodb": {"Keys": {"pk": {"S": [{"prefix": "a"}, "B"]}}}}]
        asked[str(number)] = {
            "hash_key": {"name": "pk", "type": key_type},
            "wheres": [json.dumps(where(choose)) for _ in range(choose.choice((1, 1, 2)))],
            "filter_patterns": [json.dumps(each) for each in keys if key_type == "S" and choose.random() < 0.3],
        }
    with Terraform("tests/module/patterns", variables={"wheres": "{}", "mappings": json.dumps(asked)}) as terraform:
        terraform.apply()
        derived = terraform.outputs()["filter_patterns"]
    return [
        Mapped(
            hash_key_type=mapping["hash_key"]["type"],
            patterns=tuple(Pattern(_composed(each)) for each in mapping["wheres"]),
            callers=compiled(mapping["filter_patterns"]),
            filters=compiled(derived[name]),
            is_filtered=len(derived[name]) > len(mapping["filter_patterns"]),
        )
        for name, mapping in asked.items()
    ]


def _composed(where: str) -> dict[str, Any]:
    """A pattern as Terraform hands it to the handler: it normalizes text to form C (hashicorp/terraform#36207)."""
    composed: dict[str, Any] = json.loads(
        unicodedata.normalize("NFC", json.dumps(json.loads(where), ensure_ascii=False))
    )
    return composed


plain = st.one_of(
    st.sampled_from(TEXTS).map(lambda text: {"S": text}),
    st.sampled_from(("0", "1", "2.5")).map(lambda number: {"N": number}),
    st.booleans().map(lambda boolean: {"BOOL": boolean}),
    st.just({"NULL": True}),
    st.just({"B": "YQ=="}),
)
sets = st.one_of(
    st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3, unique=True).map(lambda texts: {"SS": texts}),
    st.just({"NS": ["0", "1"]}),
    st.just({"BS": ["YQ==", "YWI="]}),
)
nested = st.recursive(
    plain | sets,
    lambda values: (
        st.lists(values, max_size=3).map(lambda each: {"L": each})
        | st.dictionaries(st.sampled_from(("d", "S", "a.b")), values, max_size=2).map(lambda each: {"M": each})
    ),
    max_leaves=4,
)
attributes = st.dictionaries(st.sampled_from((*NAMES, "a2", "b2")), plain | nested, max_size=4)


@settings(max_examples=400, deadline=None)
@given(
    before=st.none() | attributes,
    after=st.none() | attributes,
    keys=st.fixed_dictionaries(dict(HASH_KEYS)),
)
def test_a_record_that_a_view_may_show_gets_through(
    mappings: list[Mapped], before: Any, after: Any, keys: dict[str, str]
) -> None:
    for mapping in mappings:
        key = {"pk": {mapping.hash_key_type: keys[mapping.hash_key_type]}}
        images = {kind: image | key for kind, image in (("OldImage", before), ("NewImage", after)) if image is not None}
        record = {"dynamodb": {"Keys": key, **images}}
        is_shown = any(pattern.matches(image) for pattern in mapping.patterns for image in images.values())
        if is_shown and mapping.callers(record):
            assert mapping.filters(record)


def test_many_of_these_mappings_have_filters_of_their_views(mappings: list[Mapped]) -> None:
    assert sum(mapping.is_filtered for mapping in mappings) > MAPPINGS / 3
