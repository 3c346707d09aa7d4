"""Patterns: AWS's own examples, each with its page, then what a DynamoDB item has that an event has not."""

import time
from decimal import Decimal
from typing import Any

import pytest

from handler.attributes import AttributeValueError
from handler.patterns import MAXIMUM_COMBINATIONS, MAXIMUM_STEPS, Pattern
from tests.stream import Item, image

ITEM: dict[str, Any] = {
    "type": {"S": "order"},
    "count": {"N": "10.0"},
    "open": {"BOOL": True},
    "gone": {"NULL": True},
    "raw": {"B": "AAE="},
    "note": {"S": ""},
    "tags": {"SS": ["new", "hot"]},
    "sizes": {"NS": ["1", "2"]},
    "keys": {"BS": ["AAE=", "AAI="]},
    "none": {"L": []},
    "mixed": {"L": [{"S": "a"}, {"N": "1"}, {"L": [{"BOOL": False}, {"SS": ["deep"]}]}, {"NULL": True}]},
    "lines": {"L": [{"M": {"sku": {"S": "A-1"}}}, {"M": {"sku": {"S": "B-2"}}}]},
    "address": {"M": {"city": {"S": "Graz"}, "lines": {"L": []}}},
}


def matches(pattern: Any, item: Item) -> bool:
    return Pattern(pattern).matches(image(item))


@pytest.mark.parametrize(
    ("pattern", "is_met"),
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
        ({"count": [True]}, False),
        ({"gone": [None]}, True),
        ({"absent": [None]}, False),
        ({"raw": ["AAE="]}, True),
        ({"note": [""]}, True),
        ({"type": [""]}, False),
        ({"tags": ["hot"]}, True),
        ({"tags": ["cold"]}, False),
        ({"sizes": [2]}, True),
        ({"sizes": ["2"]}, False),
        ({"keys": ["AAI="]}, True),
        ({"tags": {"hot": ["hot"]}}, False),
        ({"tags": ["hot"], "tags.hot": ["hot"]}, False),
        ({"mixed": ["a"]}, True),
        ({"mixed": [1]}, True),
        ({"mixed": [False]}, True),
        ({"mixed": ["deep"]}, True),
        ({"mixed": [None]}, True),
        ({"mixed": [True]}, False),
        ({"lines": {"sku": ["B-2"]}}, True),
        ({"lines": ["B-2"]}, False),
        ({"address": {"city": ["Graz"]}}, True),
        ({"address": {"city": ["Wien"]}}, False),
        ({"address": ["Graz"]}, False),
        ({"type": {"city": ["order"]}}, False),
        ({"type": {"city": ["order"], "name": ["order"]}}, False),
        ({"type": ["order"], "type.city": ["order"]}, False),
        ({"type": {"city": [{"exists": False}]}}, True),
        ({"type": ["order"], "open": [False]}, False),
        ({"type": [{"prefix": "ord"}]}, True),
        ({"type": [{"prefix": ""}]}, True),
        ({"type": [{"prefix": "rd"}]}, False),
        ({"count": [{"prefix": "1"}]}, False),
        ({"tags": [{"prefix": "ne"}]}, True),
        ({"type": [{"prefix": {"equals-ignore-case": "ORD"}}]}, True),
        ({"type": [{"prefix": {"equals-ignore-case": "RD"}}]}, False),
        ({"type": [{"suffix": "der"}]}, True),
        ({"type": [{"suffix": "ord"}]}, False),
        ({"type": [{"suffix": {"equals-ignore-case": "DER"}}]}, True),
        ({"type": [{"suffix": {"equals-ignore-case": "ORD"}}]}, False),
        ({"type": [{"suffix": {"equals-ignore-case": ""}}]}, True),
        ({"type": [{"equals-ignore-case": "ORDER"}]}, True),
        ({"type": [{"equals-ignore-case": "ORDE"}]}, False),
        ({"count": [{"equals-ignore-case": "10.0"}]}, False),
        ({"type": [{"exists": True}]}, True),
        ({"type": [{"exists": False}]}, False),
        ({"gone": [{"exists": True}]}, True),
        ({"note": [{"exists": True}]}, True),
        ({"tags": [{"exists": True}]}, True),
        ({"none": [{"exists": True}]}, False),
        ({"none": [{"exists": False}]}, True),
        ({"absent": [{"exists": False}]}, True),
        ({"absent": {"deep": [{"exists": False}]}}, True),
        ({"address": [{"exists": True}]}, False),
        ({"address": [{"exists": False}]}, True),
        ({"address": {"lines": [{"exists": False}]}}, True),
        ({"type": [{"exists": False}, "order"]}, True),
        ({"absent": [{"exists": False}, "order"]}, True),
        ({"type": [{"anything-but": "order"}]}, False),
        ({"type": [{"anything-but": ["refund", "void"]}]}, True),
        ({"type": [{"anything-but": ["refund", "order"]}]}, False),
        ({"type": [{"anything-but": 10}]}, True),
        ({"count": [{"anything-but": 10}]}, False),
        ({"count": [{"anything-but": ["10"]}]}, True),
        ({"gone": [{"anything-but": "order"}]}, True),
        ({"gone": [{"anything-but": None}]}, False),
        ({"open": [{"anything-but": [True, "order"]}]}, False),
        ({"tags": [{"anything-but": "hot"}]}, True),
        ({"tags": [{"anything-but": ["hot", "new"]}]}, False),
        ({"none": [{"anything-but": ["order"]}]}, False),
        ({"absent": [{"anything-but": ["order"]}]}, False),
        ({"type": [{"anything-but": {"prefix": "ord"}}]}, False),
        ({"type": [{"anything-but": {"prefix": "ref"}}]}, True),
        ({"type": [{"anything-but": {"prefix": ["ref", "ord"]}}]}, False),
        ({"type": [{"anything-but": {"suffix": ["der", "und"]}}]}, False),
        ({"type": [{"anything-but": {"equals-ignore-case": ["ORDER", "VOID"]}}]}, False),
        ({"type": [{"anything-but": {"wildcard": ["*x*", "o*r"]}}]}, False),
        ({"type": [{"anything-but": {"wildcard": ["*x*", "o*e"]}}]}, True),
        ({"count": [{"anything-but": {"prefix": "1"}}]}, True),
        ({"note": [{"anything-but": {"equals-ignore-case": ""}}]}, False),
        ({"type": [{"anything-but": {"equals-ignore-case": ""}}]}, True),
        ({"type": ["refund", {"prefix": "o"}]}, True),
        ({"count": [{"numeric": ["=", 10]}]}, True),
        ({"count": [{"numeric": ["<", 10]}]}, False),
        ({"count": [{"numeric": ["<=", 10]}]}, True),
        ({"count": [{"numeric": [">", 10]}]}, False),
        ({"count": [{"numeric": [">=", 10]}]}, True),
        ({"count": [{"numeric": [">", 9.5, "<", 10.5]}]}, True),
        ({"count": [{"numeric": [">=", 9, "<", 10]}]}, False),
        ({"count": [{"numeric": [">=", 10, "<=", 10.5]}]}, True),
        ({"type": [{"numeric": [">", 0]}]}, False),
        ({"open": [{"numeric": [">", 0]}]}, False),
        ({"sizes": [{"numeric": [">", 1]}]}, True),
        ({"sizes": [{"numeric": [">", 2]}]}, False),
    ],
)
def test_an_item_matches_as_eventbridge_defines_it(pattern: Any, is_met: bool) -> None:
    assert Pattern(pattern).matches(ITEM) is is_met


# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
INSTANCE = {
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"],
    "detail": {"instance-id": "i-1234567890abcdef0", "state": "terminated"},
}

# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns-null-values.html
LAUNCH = {"version": "3", "eventVersion": "", "responseElements": None}


@pytest.mark.parametrize(
    ("pattern", "item"),
    [
        (
            {
                "source": ["aws.ec2"],
                "detail-type": ["EC2 Instance State-change Notification"],
                "detail": {"state": ["terminated"]},
            },
            INSTANCE,
        ),
        ({"eventVersion": [""]}, LAUNCH),
        ({"responseElements": [None]}, LAUNCH),
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns-arrays.html
        (
            {"resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-b188560f", "arn:b"]},
            {"resources": ["arn:a", "arn:b"]},
        ),
    ],
)
def test_aws_examples_of_patterns_match(pattern: Any, item: Item) -> None:
    assert matches(pattern, item)


@pytest.mark.parametrize(
    ("pattern", "item"),
    [
        ({"eventVersion": [None]}, LAUNCH),
        ({"responseElements": [""]}, LAUNCH),
        ({"missing": [None]}, LAUNCH),
        ({"resources": ["arn:c"]}, {"resources": ["arn:a", "arn:b"]}),
        ({"detail": {"state": ["running"]}}, INSTANCE),
    ],
)
def test_what_differs_from_aws_examples_does_not(pattern: Any, item: Item) -> None:
    assert not matches(pattern, item)


# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html, from its top to its end.
@pytest.mark.parametrize(
    ("matcher", "meets", "misses"),
    [
        (["New York"], ["New York"], ["new york", "New", 1]),
        ([{"anything-but": "initializing"}], ["running", 5], ["initializing"]),
        ([{"anything-but": {"prefix": "us-"}}], ["eu-west-1"], ["us-east-1"]),
        ([{"anything-but": {"suffix": ".png"}}], ["a.jpg", ".png.txt"], ["a.png"]),
        ([{"anything-but": {"equals-ignore-case": "initializing"}}], ["running"], ["initializing", "INITIALIZING"]),
        ([{"anything-but": {"wildcard": "*/lib/*"}}], ["/bin/a", "lib"], ["/usr/lib/a"]),
        ([{"prefix": "us-"}], ["us-east-1"], ["eu-us-1"]),
        ([{"prefix": {"equals-ignore-case": "eventb"}}], ["EventBridge", "eventb"], ["Event"]),
        ([""], [""], [" ", None]),
        ([{"equals-ignore-case": "alice"}], ["Alice", "ALICE", "alice"], ["Alic"]),
        ([{"suffix": ".png"}], ["dir.png"], ["png", "a.PNG"]),
        ([{"suffix": {"equals-ignore-case": "tBridge"}}], ["EventBridge", "EVENTBRIDGE"], ["bridge"]),
        ([{"exists": True}], ["any", 1, None, False, ""], [[], {"a": 1}]),
        ([{"exists": False}], [[], {"a": 1}], ["any", 1, None]),
        ([{"anything-but": ["Raining"]}], ["Sunny"], ["Raining"]),
        ([None], [None], ["", 0, False]),
        ([{"numeric": ["=", 100]}], [100, Decimal("100.0")], [101, "100"]),
        ([{"numeric": [">", 10, "<=", 20]}], [Decimal("10.1"), 20], [10, Decimal("20.1")]),
        (["Credit", "Debit"], ["Credit", "Debit"], ["Cash"]),
        ([{"wildcard": "dir/*.png"}], ["dir/a.png", "dir/.png", "dir/a/b.png"], ["dir/a.jpg", "/dir/a.png", "dir/png"]),
        ([{"prefix": "2017-10-02"}], ["2017-10-02T18:43:48Z"], ["2017-10-03T18:43:48Z"]),
        ([{"prefix": {"equals-ignore-case": "eventB"}}], ["EventBridge", "eventb\n"], ["Bridge"]),
        ([{"anything-but": 123}], [124, "123"], [123]),
        ([{"anything-but": ["stopped", "overloaded"]}], ["running"], ["stopped", "overloaded"]),
        ([{"anything-but": [100, 200, 300]}], [101], [100, 200, 300]),
        ([{"anything-but": {"equals-ignore-case": ["initializing", "stopped"]}}], ["x"], ["INITIALIZING", "Stopped"]),
        ([{"anything-but": {"prefix": "init"}}], ["x"], ["init", "initializing"]),
        ([{"anything-but": {"prefix": ["init", "stop"]}}], ["x"], ["initializing", "stopped"]),
        ([{"anything-but": {"suffix": ".txt"}}], [".txt.rtf"], ["a.txt"]),
        ([{"anything-but": {"suffix": [".txt", ".rtf"]}}], ["a.doc"], ["a.txt", "a.rtf"]),
        ([{"anything-but": {"wildcard": ["*/lib/*", "*/bin/*"]}}], ["/usr/a"], ["/usr/lib/a", "/usr/bin/a"]),
        ([{"numeric": [">", 0, "<=", 5]}], [5, Decimal("0.1")], [0, 6]),
        ([{"numeric": ["<", 10]}], [9, -1], [10]),
        ([{"numeric": ["=", 3.018e2]}], [Decimal("301.8")], [301]),
        ([{"cidr": "10.0.0.0/24"}], ["10.0.0.0", "10.0.0.255"], ["10.0.1.0", "9.255.255.255", "10.0.0", "a", 10]),
        ([{"equals-ignore-case": "volume"}], ["Volume"], ["volumes"]),
    ],
)
def test_aws_examples_of_operators(matcher: Any, meets: list[Any], misses: list[Any]) -> None:
    for value in meets:
        assert matches({"attribute": matcher}, {"attribute": value}), value
    for value in misses:
        assert not matches({"attribute": matcher}, {"attribute": value}), value


# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html#eb-filtering-complex-example
def test_the_complex_example_demands_all_that_it_names() -> None:
    pattern = {
        "time": [{"prefix": "2017-10-02"}],
        "detail": {
            "state": [{"anything-but": "initializing"}],
            "c-count": [{"numeric": [">", 0, "<=", 5]}],
            "d-count": [{"numeric": ["<", 10]}],
            "x-limit": [{"anything-but": [100, 200, 300]}],
        },
    }
    detail = {"state": "running", "c-count": 5, "d-count": 9, "x-limit": Decimal("301.8")}
    assert matches(pattern, {"time": "2017-10-02T18:43:48Z", "detail": detail})
    for wrong in ({"state": "initializing"}, {"c-count": 0}, {"d-count": 10}, {"x-limit": 200}):
        assert not matches(pattern, {"time": "2017-10-02T18:43:48Z", "detail": detail | wrong})


# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html#eb-filtering-complex-example-or
@pytest.mark.parametrize(
    ("item", "is_met"),
    [
        ({"Location": "New York"}, True),
        ({"Day": "Monday"}, True),
        ({"Location": "Berlin", "Day": "Tuesday"}, False),
    ],
)
def test_or_takes_either(item: Item, is_met: bool) -> None:
    assert matches({"$or": [{"Location": ["New York"]}, {"Day": ["Monday"]}]}, item) is is_met


# https://github.com/aws/event-ruler#the-or-primitive
NESTED = {
    "source": ["aws.cloudwatch"],
    "$or": [
        {"metricName": ["CPUUtilization", "ReadLatency"]},
        {
            "metricType": ["MetricType"],
            "namespace": ["AWS/EC2", "AWS/ES"],
            "$or": [{"metricId": [1234]}, {"spaceId": [1000]}],
        },
        {"scope": ["Service"]},
    ],
}
PARALLEL = {
    "$or": [{"metricName": ["CPUUtilization", "ReadLatency"]}, {"namespace": ["AWS/EC2", "AWS/ES"]}],
    "detail": {"$or": [{"source": ["aws.cloudwatch"]}, {"detail-type": ["CloudWatch Alarm State Change"]}]},
}


@pytest.mark.parametrize(
    ("pattern", "item", "is_met"),
    [
        (NESTED, {"source": "aws.cloudwatch", "scope": "Service"}, True),
        (NESTED, {"source": "aws.ec2", "scope": "Service"}, False),
        (NESTED, {"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/EC2"}, False),
        (
            NESTED,
            {"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/ES", "spaceId": 1000},
            True,
        ),
        (NESTED, {"source": "aws.cloudwatch", "metricName": "ReadLatency"}, True),
        (PARALLEL, {"namespace": "AWS/ES", "detail": {"source": "aws.cloudwatch"}}, True),
        (PARALLEL, {"namespace": "AWS/ES", "detail": {"source": "aws.ec2"}}, False),
        (PARALLEL, {"metricName": "x", "detail": {"detail-type": "CloudWatch Alarm State Change"}}, False),
    ],
)
def test_or_stands_at_any_level_beside_other_attributes(pattern: Any, item: Item, is_met: bool) -> None:
    assert matches(pattern, item) is is_met


# https://github.com/aws/event-ruler#json-array-matching
EMPLOYEES = [
    {"firstName": "John", "lastName": "Doe"},
    {"firstName": "Anna", "lastName": "Smith"},
    {"firstName": "Peter", "lastName": "Jones"},
]


@pytest.mark.parametrize("employees", [EMPLOYEES, [EMPLOYEES[:2], EMPLOYEES[2:]]])
def test_all_that_is_demanded_of_maps_in_a_list_one_map_has_to_fulfil(employees: list[Any]) -> None:
    item = {"employees": employees, "firstName": "Anna"}
    assert matches({"employees": {"firstName": ["Anna"]}}, item)
    assert matches({"employees": {"firstName": ["Anna"], "lastName": ["Smith"]}}, item)
    assert not matches({"employees": {"firstName": ["Anna"], "lastName": ["Jones"]}}, item)
    assert matches({"employees": {"lastName": ["Jones"]}, "firstName": ["Anna"]}, item)


@pytest.mark.parametrize(
    ("pattern", "is_met"),
    [
        ({"lines": {"parts": {"id": [1]}, "sku": ["A"]}}, True),
        ({"lines": {"parts": {"id": [2]}, "sku": ["A"]}}, True),
        ({"lines": {"parts": {"id": [3]}, "sku": ["A"]}}, False),
        ({"lines": {"parts": {"id": [1], "size": ["S"]}, "sku": ["A"]}}, True),
        ({"lines": {"parts": {"id": [2], "size": ["S"]}, "sku": ["A"]}}, False),
        ({"lines": {"sku": ["B"], "tags": ["hot"]}}, True),
        ({"lines": {"sku": ["A"], "tags": ["hot"]}}, False),
        # Here and there a value stands beside the maps: it tells of none of them.
        ({"lines": ["loose"], "lines.sku": ["A"]}, True),
        ({"lines": {"parts": ["loose"], "sku": ["A"]}}, False),
        ({"lines": {"parts": ["loose"], "sku": ["B"]}}, True),
    ],
)
def test_so_it_is_for_lists_within_lists(pattern: Any, is_met: bool) -> None:
    lines = [
        {"sku": "A", "parts": [{"id": 1, "size": "S"}, {"id": 2, "size": "L"}], "tags": {"new"}},
        "loose",
        {"sku": "B", "parts": [{"id": 3}, "loose"], "tags": {"hot"}},
    ]
    assert matches(pattern, {"lines": lines}) is is_met


@pytest.mark.parametrize(
    ("pattern", "is_met"),
    [
        # "id" comes before "tag" and settles the map; "zip" comes after it, so that "tag" looks at all maps.
        ({"lines": {"id": [1], "tag": [{"exists": False}]}}, True),
        ({"lines": {"id": [2], "tag": [{"exists": False}]}}, False),
        ({"lines": {"tag": [{"exists": False}], "zip": [1]}}, False),
        ({"lines": {"zip": [1], "tag": [{"exists": False}]}}, False),
        ({"lines": {"tag": [{"exists": False}], "id": [1]}}, True),
        ({"lines": {"tag": [{"exists": False}]}}, False),
        ({"lines": {"gone": [{"exists": False}], "zip": [1]}}, True),
        ({"lines": {"id": [1, 2], "tag": [{"exists": False}, "x"]}}, True),
        ({"lines": {"tag": [{"anything-but": "x"}]}}, True),
        ({"lines": {"id": [2], "tag": [{"anything-but": "x"}]}}, False),
    ],
)
def test_absence_is_that_of_the_map_which_a_path_before_it_settled(pattern: Any, is_met: bool) -> None:
    lines = [{"id": 1, "zip": 1}, {"id": 2, "zip": 2, "tag": "x"}, {"id": 3, "tag": "y"}]
    assert matches(pattern, {"lines": lines}) is is_met


def test_a_path_comes_before_one_whose_name_goes_on_where_it_has_a_step() -> None:
    # "lines.b.x" comes before "lines.b1", and settles the map.
    pattern = {"lines": {"b1": [{"exists": False}], "b": {"x": [1]}}}
    assert matches(pattern, {"lines": [{"b": {"x": 1}}, {"b1": 2}]})


# https://github.com/aws/event-ruler#caveat-compiled-rules-and-json-keys-with-dots
@pytest.mark.parametrize(
    "pattern", [{"detail": {"state": {"status": ["running"]}}}, {"detail": {"state.status": ["running"]}}]
)
@pytest.mark.parametrize(
    "item", [{"detail": {"state": {"status": "running"}}}, {"detail": {"state.status": "running"}}]
)
def test_a_dot_in_a_name_is_a_step(pattern: Any, item: Item) -> None:
    assert matches(pattern, item)
    assert not matches(pattern, {"detail": {"state": "running"}})


def test_a_name_with_a_dot_may_have_its_value_in_either_place() -> None:
    both = {"address": {"city": "Graz"}, "address.city": "Wien"}
    assert matches({"address.city": ["Graz"]}, both)
    assert matches({"address": {"city": ["Wien"]}}, both)
    assert not matches({"address.city": [{"exists": False}]}, both)


# https://github.com/aws/event-ruler#wildcard-matching
@pytest.mark.parametrize(
    ("wildcard", "meets", "misses"),
    [
        ("Simple*Service", ["SimpleService", "SimpleQueueService"], ["SimpleServic", "ASimpleService"]),
        ("*", ["", "a", "a\nb"], []),
        ("a", ["a"], ["", "ab"]),
        ("", [""], ["a"]),
        ("a*a", ["aa", "aba"], ["a"]),
        ("*b*b*", ["bb", "abcba"], ["b"]),
        (r"a\*b", ["a*b"], ["axb"]),
        (r"a\\*", ["a\\", "a\\b"], ["ab"]),
        ("a*bc*c", ["abcc", "axbcxc"], ["abc"]),
        ("XX*", ["XX", "XXL"], ["X", "*"]),
    ],
)
def test_a_wildcard_stands_for_any_text(wildcard: str, meets: list[str], misses: list[str]) -> None:
    pattern = Pattern({"a": [{"wildcard": wildcard}]})
    assert [text for text in meets if not pattern.matches(image({"a": text}))] == []
    assert [text for text in misses if pattern.matches(image({"a": text}))] == []


def test_many_wildcards_take_no_longer_than_one() -> None:
    pattern = Pattern({"a": [{"wildcard": "*a" * 30 + "*b"}]})
    started = time.process_time()
    assert not pattern.matches({"a": {"S": "a" * 10_000}})
    assert time.process_time() - started < 1


def test_a_long_list_takes_no_longer_for_two_demands_than_for_one() -> None:
    lines = [{"M": {"id": {"N": "1"}, "size": {"N": str(size)}}} for size in range(5_000)]
    started = time.process_time()
    assert not Pattern({"lines": {"id": [1], "size": [-1]}}).matches({"lines": {"L": lines}})
    assert time.process_time() - started < 2


def lists_in_one_attribute(length: int) -> Item:
    """Three lists of maps, of which the last holds no map that the pattern wants."""
    return {"doc": {name: [{"k": value}] * length for name, value in (("a", "x"), ("b", "x"), ("c", "y"))}}


def test_lists_that_are_independent_of_each_other_are_searched_one_by_one() -> None:
    pattern = Pattern({"doc": {name: {"k": ["x"]} for name in "abc"}})
    item = image(lists_in_one_attribute(100))
    started = time.process_time()
    assert not pattern.matches(item)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("matcher", "text"),
    [
        # Each letter of the operand that has no case was tried twice: 2 ** 27 ways to read these digits.
        ({"equals-ignore-case": "1" * 27 + "x"}, "1" * 27 + "y"),
        ({"prefix": {"equals-ignore-case": "1" * 27 + "x"}}, "1" * 27 + "y"),
        ({"suffix": {"equals-ignore-case": "a" * 20_000 + "b"}}, "a" * 400_000),
        ({"cidr": "10.0.0.0/8"}, ":" * 40_000 + "z"),
    ],
)
def test_no_text_takes_long_to_be_tested(matcher: Any, text: str) -> None:
    pattern = Pattern({"a": [matcher]})
    started = time.process_time()
    assert not pattern.matches({"a": {"S": text}})
    assert time.process_time() - started < 4


NAMES = [f"k{number}" for number in range(100)]

STEPS = 100_000


@pytest.mark.parametrize(
    ("kind", "value", "matchers", "tests"),
    [
        # Each test is another one, and none is passed.
        ("SS", "Order-1", [f"order{name}" for name in NAMES], 1),
        ("SS", "Order-1", [{"prefix": name} for name in NAMES], 100),
        ("SS", "Order-1", [{"prefix": {"equals-ignore-case": name}} for name in NAMES], 100),
        ("SS", "Order-1", [{"suffix": name} for name in NAMES], 100),
        ("SS", "Order-1", [{"suffix": {"equals-ignore-case": name}} for name in NAMES], 100),
        ("SS", "Order-1", [{"equals-ignore-case": name} for name in NAMES], 100),
        ("SS", "Order-1", [{"wildcard": f"{name}*"} for name in NAMES], 100),
        # A text is searched for each of a wildcard's parts.
        ("SS", "Order-1", [{"wildcard": f"O*d*e*r*{name}"} for name in NAMES], 400),
        ("NS", "1", [{"numeric": ["<", -number]} for number in range(100)], 100),
        ("NS", "1", [{"numeric": [">", number, "<", number + 1]} for number in range(100)], 100),
        ("SS", "2001:db8::1", [{"cidr": f"fe80:{number}::/32"} for number in range(100)], 100),
        ("SS", "2001:db8::1", [{"cidr": f"10.{number}.0.0/16"} for number in range(100)], 100),
        ("SS", "Order-1", [{"exists": False}], 1),
        ("SS", "x", [{"anything-but": [*NAMES, "x"]}], 1),
        ("SS", "Order-1", [{"anything-but": {"prefix": [*NAMES, "Order"]}}], 101),
        ("SS", "x", [{"anything-but": {"suffix": [*NAMES, "x"]}}], 101),
        ("SS", "x", [{"anything-but": {"equals-ignore-case": [*NAMES, "X"]}}], 101),
        ("SS", "Order-1", [{"anything-but": {"wildcard": [*(f"*x*{name}" for name in NAMES), "*O*"]}}], 202),
    ],
)
@pytest.mark.parametrize("is_one_way", [True, False])
def test_each_test_of_each_value_is_a_step(
    kind: str, value: str, matchers: list[Any], tests: int, is_one_way: bool
) -> None:
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1

    pattern = Pattern({"a": matchers} if is_one_way else {"$or": [{"a": [each]} for each in (*matchers, "none")]})
    values = [value] * (STEPS // (tests if is_one_way else max(tests, len(matchers))))
    assert not pattern.matches({"a": {kind: values}}, check)
    # The time is looked at after 1,000 steps and what one value takes, a few hundred at the most.
    assert looks >= STEPS / 1_500


LONG = "a" * 400_000
WILDCARDS = [f"*b{name}*" for name in NAMES]


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ({"a": [{"wildcard": wildcard} for wildcard in WILDCARDS]}, {"S": LONG}),
        ({"a": [{"anything-but": {"wildcard": [*WILDCARDS, "*a*"]}}]}, {"S": LONG}),
        ({"$or": [{"a": [{"wildcard": wildcard}]} for wildcard in WILDCARDS]}, {"S": LONG}),
        ({"$or": [{"a": [name]} for name in NAMES]}, {"B": LONG}),
        ({"$or": [{"a": [name]} for name in NAMES]}, {"BS": [LONG]}),
        ({"a": [{"prefix": name} for name in NAMES]}, {"SS": ["x"] * 1_000}),
        ({"a": {name: [1] for name in NAMES}}, {"L": [{"M": {"k99": {"N": "1"}}}] * 1_000}),
    ],
)
def test_the_time_is_looked_at_throughout_a_match(pattern: Any, value: Any) -> None:
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if end and looks == end:
            raise TimeoutError

    end = 0
    assert not Pattern(pattern).matches({"a": value}, check)
    assert 90 <= looks <= 500
    looks, end = 0, 60
    with pytest.raises(TimeoutError):
        Pattern(pattern).matches({"a": value}, check)
    assert looks == 60


def test_what_takes_few_steps_needs_no_look_at_the_time() -> None:
    def check() -> None:
        raise AssertionError

    assert Pattern({"a": {"b": [1]}, "c": ["x"]}).matches(image({"a": [{"b": 1}] * 100, "c": "x"}), check)


@pytest.mark.parametrize(
    ("suffix", "meets", "misses"),
    [
        ("aß", ["xaß", "ASS", "xASS"], ["ass", "SS", "ßa", "AS"]),
        ("ab", ["ab", "xAb", "x\naB"], ["ba", "abx", "b", "ab\n"]),
        ("ǰ.", ["xJ\N{COMBINING CARON}.", "ǰ."], ["\N{COMBINING CARON}J.", "ǰx"]),
    ],
)
def test_a_suffix_in_any_case_is_read_from_its_end(suffix: str, meets: list[str], misses: list[str]) -> None:
    pattern = Pattern({"a": [{"suffix": {"equals-ignore-case": suffix}}]})
    assert [text for text in meets if not pattern.matches({"a": {"S": text}})] == []
    assert [text for text in misses if pattern.matches({"a": {"S": text}})] == []


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        # The elements of a list; of the same list, looked at in two ways; the maps in one; the tests of a value.
        ({"a": {"b": [1]}}, {"L": [{"S": "secret"}] * 1_000_000}),
        ({"$or": [{"a": {"b": [1]}}, {"a": {"b": [2]}}]}, {"L": [{"S": "secret"}] * 500_000}),
        ({"a": {"b": {name: [1] for name in NAMES}}}, {"M": {"b": {"L": [{"M": {}}] * 10_000}}}),
        ({"a": [{"prefix": name * 2} for name in NAMES]}, {"SS": ["secret"] * 10_001}),
        # The choices between "b" and "b.c" for each of nine tests.
        (
            {"a": {"b": {"c": {name: [1] for name in NAMES[:9]}}, **{name: [1] for name in NAMES}}},
            {"L": [{"M": image({"b": "secret", "b.c": "secret", **dict.fromkeys(NAMES, 1)})}] * 3},
        ),
    ],
)
def test_a_match_that_takes_too_many_steps_is_refused_without_showing_the_item(pattern: Any, value: Any) -> None:
    with pytest.raises(
        AttributeValueError,
        match=r"^the item takes more than 1,000,000 steps to be matched with the view's `where`: make its lists shorter"
        ", or test less of them$",
    ):
        Pattern(pattern).matches({"a": value})
    assert MAXIMUM_STEPS == 1_000_000


def test_what_the_ways_of_a_pattern_have_in_common_is_searched_once() -> None:
    pattern = Pattern({"a": {"b": [1]}, "$or": [{"c": [1]}, {"c": [2]}]})
    assert not pattern.matches({"a": {"L": [{"S": "x"}] * 600_000}})


def test_the_ways_to_match_one_attribute_do_not_multiply_those_to_match_another() -> None:
    # Each test may hold in either of two attributes: in 2 ** 6 ways, twice.
    names = [f"k{number}" for number in range(6)]
    right, wrong, tests = dict.fromkeys(names, 1), dict.fromkeys(names, 2), {name: [1] for name in names}
    item = {"a": {"b": right}, "a.b": wrong, "c": {"d": wrong}, "c.d": right}
    assert matches({"a": {"b": tests}, "c": {"d": tests}}, item)


@pytest.mark.parametrize("tests", [9, 10, 60])
def test_an_item_that_may_match_in_too_many_ways_by_its_names_is_refused(tests: int) -> None:
    # Each test may hold in either attribute: 2 ** 9 ways are tried, 2 ** 10 are not.
    names = [f"k{number}" for number in range(tests)]
    pattern = {"a": {"b": {name: [1] for name in names}}}
    item = {"a": {"b": dict.fromkeys(names, 1)}, "a.b": dict.fromkeys(names, 2)}
    if tests == 9:
        assert matches(pattern, item)
    else:
        with pytest.raises(AttributeValueError, match=r"^the item has more than 1000 ways to match the view's `where`"):
            matches(pattern, item)


def test_an_item_of_400_kb_takes_far_fewer_steps_than_a_match_may() -> None:
    lines = [{"M": {"sku": {"S": f"A-{number}"}, "id": {"N": "1"}}} for number in range(20_000)]
    assert not Pattern({"lines": {"id": [1], "sku": ["B"]}}).matches({"lines": {"L": lines}})


@pytest.mark.parametrize(
    ("tags", "is_met"),
    [
        # Of the plain "x", any element may count; the list in the list settles which one.
        (["x", ["x"], {"b": 1}], True),
        (["x", ["y"], {"b": 1}], False),
        ([["x"], {"b": 1}], True),
        ([{"b": 1}, ["x"]], True),
        (["x"], True),
        (["x", {"b": 1}], False),
    ],
)
def test_a_plain_value_settles_no_element_and_one_in_a_list_within_the_list_does(tags: Any, is_met: bool) -> None:
    assert matches({"tags": ["x"], "tags.b": [{"exists": False}]}, {"tags": tags}) is is_met


@pytest.mark.parametrize(
    ("pattern", "item"),
    [
        # The plain "y" is there whichever element counts, so "tags" has a value.
        ({"tags": [{"exists": False}], "tags.b": [1]}, {"tags": ["y", {"b": 1}]}),
        ({"tags": [{"exists": False}], "tags.b": [1]}, {"tags": [["y"], {"b": 1}]}),
        # The same in both places that a name with a dot may have.
        ({"a.b": [{"exists": False}]}, {"a": {"b": ["y"]}, "a.b": ["y"]}),
        ({"a.b": [{"exists": False}]}, {"a": {"b": [1]}, "a.b": {"c": 1}}),
        # And another attribute, which has no value, must have one.
        ({"a": {"b": {"c": [{"exists": False}, 1]}, "d": [1]}}, {"a": {"b": {"c": 1}, "b.c": 1}}),
    ],
)
def test_what_has_a_value_is_not_absent(pattern: Any, item: Item) -> None:
    assert not matches(pattern, item)


@pytest.mark.parametrize("lines", [[{"zip": 1}, {"tag": "y"}], [{"tag": "y"}, {"zip": 1}]])
def test_a_map_that_lacks_what_is_demanded_still_hides_that_its_value_is_absent_from_another(lines: Any) -> None:
    assert not matches({"lines": {"tag": [{"exists": False}], "zip": [1]}}, {"lines": lines})


def test_all_maps_are_searched_for_a_value_that_must_be_absent() -> None:
    pattern = {"lines": {"a": [{"exists": False}], "b": [{"exists": False}], "c": [1]}}
    assert not matches(pattern, {"lines": [{"c": 1}, {"a": 1}]})


@pytest.mark.parametrize("tags", [["x"], ["x", {"c": 1}], ["x", {"b": 2}]])
def test_a_plain_value_in_a_list_does_not_stand_for_one_that_is_demanded_of_its_maps(tags: Any) -> None:
    assert not matches({"tags": ["x"], "tags.b": [1]}, {"tags": tags})


def test_a_value_is_absent_where_none_of_its_places_has_it() -> None:
    assert matches({"a.b.c": [{"exists": False}]}, {"a": {"b": {"d": 1}}, "a.b": {"d": 1}})


def test_one_of_three_places_is_enough() -> None:
    for right in range(3):
        one, two, three = (1 if place == right else 2 for place in range(3))
        assert matches({"a.b.c": [1]}, {"a": {"b": {"c": one}}, "a.b": {"c": two}, "a.b.c": three})


def test_what_may_be_absent_adds_no_way_to_match_where_it_is_in_one_place() -> None:
    tests = {f"k{number}": [{"exists": False}, 1] for number in range(10)}
    item = dict.fromkeys(tests, 1)
    assert matches({"a": tests}, {"a": item})
    assert matches({"a": tests | {"z": {"z": [1]}}}, {"a": item | {"z": {"z": 1}, "z.z": 1}})


def test_an_item_may_match_in_a_thousand_ways() -> None:
    # Each "x" is in one of four places or in none, each "y" in one of two: 5 ** 3 * 2 ** 3.
    deep = {f"x{number}": {"p": {"q": {"r": [{"exists": False}, 1]}}} for number in range(3)}
    flat = {f"y{number}": {"p": [1]} for number in range(3)}
    item: Item = {}
    for name in deep:
        item |= {name: {}, f"{name}.p": {}, f"{name}.p.q": {}, f"{name}.p.q.r": 1}
    for name in flat:
        item |= {name: {}, f"{name}.p": 1}
    assert matches({"a": deep | flat}, {"a": item})


def test_an_attribute_that_may_be_absent_may_have_a_wrong_value_beside_a_right_one() -> None:
    assert matches({"a.b": [{"exists": False}, "x"]}, {"a": {"b": "x"}, "a.b": "y"})
    assert matches({"a.b": [{"exists": False}, "x"]}, {"a": {"b": "y"}, "a.b": "x"})


def test_tests_within_a_name_with_a_dot_may_each_hold_in_another_place() -> None:
    pattern = {"a": {"b": {"c": [1], "d": [2]}}}
    assert matches(pattern, {"a": {"b": {"c": 1}}, "a.b": {"d": 2}})
    assert matches(pattern, {"a": {"b": {"c": 3, "d": 2}}, "a.b": [{"c": 1, "d": 4}]})
    assert not matches(pattern, {"a": {"b": {"c": 1}}, "a.b": {"d": 3}})
    assert not matches({"a": {"b": {"c": [1], "d": [{"exists": False}]}}}, {"a": {"b": {"c": 1}}, "a.b": {"d": 2}})


@pytest.mark.parametrize(
    ("text", "case", "is_met"),
    [
        ("straße", "STRASSE", True),
        ("strasse", "straße", False),
        ("ⱥ", "Ⱥ", True),
        ("a.b", "A.B", True),
        ("a.b", "AxB", False),
        ("k", "\N{KELVIN SIGN}", False),
        ("\N{KELVIN SIGN}", "k", True),
    ],
)
def test_case_is_that_of_the_operands_letters(text: str, case: str, is_met: bool) -> None:
    assert Pattern({"a": [{"equals-ignore-case": text}]}).matches({"a": {"S": case}}) is is_met


@pytest.mark.parametrize(
    ("cidr", "meets", "misses"),
    [
        ("10.0.0.128/25", ["10.0.0.128", "10.0.0.255"], ["10.0.0.127"]),
        # As in Ruler, the range begins with the address that is given.
        ("10.0.0.5/24", ["10.0.0.5", "10.0.0.255"], ["10.0.0.4"]),
        ("10.0.0.5/32", ["10.0.0.5"], ["10.0.0.6", "::a00:5"]),
        (
            "2001:db8::/32",
            ["2001:db8::1", "2001:0DB8:0000:0000:0000:0000:0000:0001"],
            ["2001:db9::", "10.0.0.1", ":::", "1:2", "2001:db8::1.2.3.4", "2001:db8::00001", "2001:db8:1:1:1:1:1::1:1"],
        ),
        ("::/0", ["::", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "FFFF::"], ["0.0.0.0", "1::2::3", ":1", "1:", "g::"]),
        (
            "0.0.0.0/0",
            ["255.255.255.255"],
            ["01.2.3.4", "0001.2.3.4", "1.2.3", "256.0.0.1", "::1", "", "10.0.0.0/24", "1.2.3.4.5", "fe80::1%eth0"],
        ),
    ],
)
def test_a_cidr_holds_the_addresses_of_its_kind(cidr: str, meets: list[str], misses: list[str]) -> None:
    pattern = Pattern({"ip": [{"cidr": cidr}]})
    assert [text for text in meets if not pattern.matches({"ip": {"S": text}})] == []
    assert [text for text in misses if pattern.matches({"ip": {"S": text}})] == []


def test_numbers_are_told_apart_in_the_last_of_their_38_digits() -> None:
    big = Decimal("9999999999999999999999999999999999999.9")
    item = {"n": {"N": str(big)}}
    assert Pattern({"n": [{"numeric": ["<", Decimal(10**37)]}]}).matches(item)
    assert Pattern({"n": [big]}).matches(item)
    assert not Pattern({"n": [Decimal("9999999999999999999999999999999999999.8")]}).matches(item)
    assert not Pattern({"n": [{"numeric": [">", big]}]}).matches(item)
    assert Pattern({"n": [{"numeric": ["<", Decimal("1e-129")]}]}).matches({"n": {"N": "1E-130"}})


@pytest.mark.parametrize(
    "value", [{"X": "secret"}, {"N": "secret"}, {}, {"S": "a", "N": "1"}, {"L": [{"X": "secret"}]}]
)
def test_a_value_that_dynamodb_does_not_write_is_refused_without_showing_it(value: Any) -> None:
    with pytest.raises(AttributeValueError) as caught:
        Pattern({"type": ["order"]}).matches({"type": value})
    assert "secret" not in str(caught.value)


def test_what_a_pattern_does_not_name_is_not_read() -> None:
    assert Pattern({"type": ["order"], "a": {"b": [1]}}).matches(
        {"type": {"S": "order"}, "other": {"X": 1}, "a": {"M": {"b": {"N": "1"}, "c": {"X": 1}}}}
    )


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
        ({"a": [{}]}, '"a" has an operator object with 0 operators'),
        (
            {"a": [{"sufix": "x"}]},
            'the operator "sufix": known are prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric',
        ),
        ({"a": [{"prefix": "x", "exists": True}]}, "with 2 operators"),
        ({"a": [{"prefix": 1}]}, '"prefix" that is not a string'),
        ({"a": [{"prefix": {"wildcard": "x"}}]}, '"prefix" over wildcard: known is equals-ignore-case'),
        ({"a": [{"prefix": {"equals-ignore-case": 1}}]}, '"equals-ignore-case" that is not a string'),
        ({"a": [{"suffix": ["x"]}]}, '"suffix" that is not a string'),
        ({"a": [{"suffix": {}}]}, '"suffix" over : known is'),
        ({"a": [{"equals-ignore-case": ["x"]}]}, '"equals-ignore-case" that is not a string'),
        ({"a": [{"wildcard": 1}]}, '"wildcard" that is not a string'),
        ({"a": [{"wildcard": "a**b"}]}, r'"wildcard" with \*\*'),
        ({"a": [{"wildcard": "a\\b"}]}, r'"wildcard" with \\b'),
        ({"a": [{"wildcard": "a\\"}]}, r'"wildcard" with \\:'),
        ({"a": [{"exists": "yes"}]}, '"exists" that is neither'),
        ({"a": [{"exists": 1}]}, '"exists" that is neither'),
        ({"a": [{"numeric": 5}]}, '"numeric" that is neither like'),
        ({"a": [{"numeric": []}]}, '"numeric" that is neither like'),
        ({"a": [{"numeric": ["="]}]}, '"numeric" that is neither like'),
        ({"a": [{"numeric": ["!=", 5]}]}, '"numeric" that is neither like'),
        ({"a": [{"numeric": [["="], 5]}]}, '"numeric" that is neither like'),
        ({"a": [{"numeric": ["<", 5, ">", 1]}]}, '"numeric" that is neither like'),
        ({"a": [{"numeric": ["=", 5, "<", 6]}]}, '"numeric" that is neither like'),
        ({"a": [{"numeric": [">", 1, "<", 5, "<", 6]}]}, '"numeric" that is neither like'),
        ({"a": [{"numeric": [">", "5"]}]}, "compares with something else than a number"),
        ({"a": [{"numeric": [">", True]}]}, "compares with something else than a number"),
        ({"a": [{"numeric": [">", [5]]}]}, "holds a list or an object"),
        ({"a": [{"numeric": [">", 5, "<", 5]}]}, "lower bound is not below the upper"),
        ({"a": [{"cidr": 10}]}, '"cidr" that is not a string'),
        *(
            ({"a": [{"cidr": wrong}]}, '"cidr" that is not like')
            for wrong in (
                "10.0.0.0",
                "10.0.0.0/33",
                "10.0.0.0/255.0.0.0",
                "10.0.0/8",
                "fe80::1%eth0/64",
                "a/8",
                "/8",
                "",
            )
        ),
        ({"a": [{"anything-but": []}]}, '"anything-but" over nothing'),
        ({"a": [{"anything-but": {}}]}, '"anything-but" over nothing: known is one of prefix, suffix'),
        ({"a": [{"anything-but": {"exists": True}}]}, '"anything-but" over exists: known is one of'),
        ({"a": [{"anything-but": {"prefix": "x", "suffix": "x"}}]}, '"anything-but" over prefix, suffix: known'),
        ({"a": [{"anything-but": {"prefix": 3}}]}, '"prefix" that is not a string'),
        ({"a": [{"anything-but": {"prefix": {"equals-ignore-case": "x"}}}]}, '"prefix" that is not a string'),
        ({"a": [{"anything-but": {"prefix": []}}]}, '"anything-but" over nothing'),
        ({"a": [{"anything-but": {"suffix": ["a", ""]}}]}, "over an empty suffix"),
        ({"a": [{"anything-but": {"prefix": ""}}]}, "over an empty prefix"),
        ({"a": [{"anything-but": {"wildcard": ["**"]}}]}, r'"wildcard" with \*\*'),
        ({"a": [{"anything-but": [["x"]]}]}, "holds a list or an object"),
        ({"a": [{"anything-but": [{"prefix": "x"}]}]}, "holds a list or an object"),
        ({"$or": [{"a": [1]}]}, 'the pattern has a "\\$or" that is not a list of at least two'),
        ({"a": {"$or": {"b": [1]}}}, '"a" has a "\\$or" that is not a list of at least two'),
        ({"$or": [{"a": [1]}, {}]}, "must be an object with at least one attribute"),
        ({"$or": [{"a": [1]}, "b"]}, "must be an object with at least one attribute"),
        ({"$or": [{"a": [1]}, 5]}, "must be an object with at least one attribute"),
        ({"$or": [{"a": [1]}, {"prefix": ["b"]}]}, '^"\\$or" must hold patterns, not the operator "prefix"'),
        ({"a": {"$or": [{"a": [1]}, {"prefix": ["b"]}]}}, '^"a.\\$or" must hold patterns, not the operator "prefix"'),
        ({"$or": [{"a": [1]}, {"b": 1}]}, '"b" must be a list'),
        ({"a": [1], "$or": [{"a": [2]}, {"b": [1]}]}, '"a" is tested twice'),
        ({"a": {"b": [1]}, "a.b": [2]}, '"a.b" is tested twice'),
    ],
)
def test_a_wrong_pattern_is_refused_and_the_place_named(pattern: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pattern(pattern)


@pytest.mark.parametrize(
    "matcher",
    [
        ["x"],
        {},
        {"sufix": "x"},
        {"prefix": 1},
        {"prefix": {"wildcard": "x"}},
        {"prefix": {"equals-ignore-case": 1}},
        {"suffix": 1},
        {"suffix": {"wildcard": "x"}},
        {"suffix": {"equals-ignore-case": 1}},
        {"equals-ignore-case": 1},
        {"wildcard": 1},
        {"wildcard": "**"},
        {"exists": 1},
        {"numeric": 5},
        {"numeric": [">", "5"]},
        {"numeric": [">", [5]]},
        {"numeric": [">", 5, "<", 5]},
        {"cidr": 1},
        {"cidr": "x"},
        {"anything-but": []},
        {"anything-but": [["x"]]},
        {"anything-but": {}},
        {"anything-but": {"prefix": []}},
        {"anything-but": {"prefix": 1}},
        {"anything-but": {"prefix": ""}},
        {"anything-but": {"wildcard": "**"}},
    ],
)
def test_a_wrong_test_is_refused_with_the_place_of_its_attribute(matcher: Any) -> None:
    with pytest.raises(ValueError, match=r'^"a\.b" h'):
        Pattern({"a": {"b": [matcher]}})


def test_a_pattern_has_so_many_ways_to_match_and_no_more() -> None:
    def ways(count: int) -> dict[str, Any]:
        return {"$or": [{"a": {str(number): [1]}} for number in range(count)]}

    assert Pattern(ways(MAXIMUM_COMBINATIONS)).matches(image({"a": {str(MAXIMUM_COMBINATIONS - 1): 1}}))
    with pytest.raises(ValueError, match='has more than 1000 ways to match, by its "\\$or"'):
        Pattern({"b": [1]} | ways(MAXIMUM_COMBINATIONS + 1))
    with pytest.raises(ValueError, match='^"b" has more than 1000 ways to match'):
        Pattern({"b": {"c": ways(32), "d": ways(32)}})
