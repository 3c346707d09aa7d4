from decimal import Decimal
from typing import Any

import pytest

from handler.attributes import AttributeValueError
from handler.patterns import Pattern

ITEM: dict[str, Any] = {
    "type": {"S": "order"},
    "count": {"N": "10.0"},
    "open": {"BOOL": True},
    "gone": {"NULL": True},
    "raw": {"B": "AAE="},
    "tags": {"SS": ["new", "hot"]},
    "sizes": {"NS": ["1", "2"]},
    "lines": {"L": [{"M": {"sku": {"S": "A-1"}}}, {"M": {"sku": {"S": "B-2"}}}]},
    "address": {"M": {"city": {"S": "Graz"}}},
}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ({"type": ["order"]}, True),
        ({"type": ["refund", "order"]}, True),
        ({"type": ["Order"]}, False),
        ({"absent": ["order"]}, False),
        ({"count": [10]}, True),
        ({"count": [Decimal("10.00")]}, True),
        ({"count": ["10"]}, False),
        ({"open": [True]}, True),
        ({"open": [1]}, False),
        ({"gone": [None]}, True),
        ({"absent": [None]}, False),
        ({"raw": ["AAE="]}, True),
        ({"tags": ["hot"]}, True),
        ({"tags": ["cold"]}, False),
        ({"sizes": [2]}, True),
        ({"lines": {"sku": ["B-2"]}}, True),
        ({"address": {"city": ["Graz"]}}, True),
        ({"address": {"city": ["Wien"]}}, False),
        ({"address": ["Graz"]}, False),
        ({"type": {"city": ["order"]}}, False),
        ({"type": ["order"], "open": [False]}, False),
        ({"type": [{"prefix": "ord"}]}, True),
        ({"type": [{"prefix": "rd"}]}, False),
        ({"count": [{"prefix": "1"}]}, False),
        ({"type": [{"exists": True}]}, True),
        ({"type": [{"exists": False}]}, False),
        ({"absent": [{"exists": False}]}, True),
        ({"absent": {"deep": [{"exists": False}]}}, True),
        ({"address": [{"exists": True}]}, False),
        ({"type": [{"anything-but": "order"}]}, False),
        ({"type": [{"anything-but": ["refund", "void"]}]}, True),
        ({"type": [{"anything-but": ["refund", "order"]}]}, False),
        ({"count": [{"anything-but": 10}]}, False),
        ({"type": [{"anything-but": {"prefix": "ord"}}]}, False),
        ({"type": [{"anything-but": {"prefix": "ref"}}]}, True),
        ({"absent": [{"anything-but": ["order"]}]}, False),
        ({"type": ["refund", {"prefix": "o"}]}, True),
    ],
)
def test_an_item_matches_as_eventbridge_defines_it(pattern: Any, matches: bool) -> None:
    assert Pattern(pattern).matches(ITEM) is matches


@pytest.mark.parametrize("value", [{"X": "secret"}, {"N": "secret"}, {}, {"S": "a", "N": "1"}])
def test_a_value_that_dynamodb_does_not_write_is_refused_without_showing_it(value: Any) -> None:
    with pytest.raises(AttributeValueError) as caught:
        Pattern({"type": ["order"]}).matches({"type": value})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ({}, "the pattern must be an object"),
        ([], "the pattern must be an object"),
        ({"a": {}}, '"a" must be an object'),
        ({"a": []}, '"a" must be a list'),
        ({"a": "order"}, '"a" must be a list'),
        ({"a": {"b": "order"}}, '"a.b" must be a list'),
        ({"a": [["order"]]}, '"a" holds a list or an object'),
        ({"a": [{"sufix": "x"}]}, 'the operator "sufix": known are prefix, exists, anything-but'),
        ({"a": [{"prefix": 1}]}, '"prefix" that is not a string'),
        ({"a": [{"exists": "yes"}]}, '"exists" that is neither'),
        ({"a": [{"prefix": "x", "exists": True}]}, "with 2 operators"),
        ({"a": [{"anything-but": []}]}, '"anything-but" over nothing'),
        ({"a": [{"anything-but": {"suffix": "x"}}]}, '"anything-but" over suffix'),
        ({"a": [{"anything-but": {"prefix": 3}}]}, '"prefix" that is not a string'),
    ],
)
def test_a_wrong_pattern_is_refused_and_the_place_named(pattern: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pattern(pattern)
