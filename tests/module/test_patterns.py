"""Of a pattern, Terraform accepts what the function accepts, and what it refuses is refused there too."""

import json
import random
import re
from collections.abc import Sequence
from typing import Any

import pytest

from handler.patterns import Pattern
from local.terraform import Terraform, TerraformError

AFFIXES = ("prefix", "suffix")
TEXTS = (
    "x",
    "[x]",
    "{",
    "},{",
    "(",
    ")",
    ":",
    ",",
    '"',
    "\\",
    "<=",
    "$or",
    "prefix",
    "é",
    '{"prefix":5}',
    '"wildcard":"**"',
)

ACCEPTED: Sequence[Any] = [
    {"a": ["x", 1, -1.5, None, True, ""]},
    {"a": list(TEXTS), "$": ["$or"], "é": ["é"], "a.b": ["x"]},
    {"a": [{name: text} for name in (*AFFIXES, "equals-ignore-case") for text in TEXTS]},
    {"a": [{name: {"equals-ignore-case": "x"}} for name in AFFIXES]},
    {"a": [{"wildcard": "a*\\*b\\\\"}, {"wildcard": ""}, {"exists": True}, {"exists": False}]},
    {"a": [{"cidr": "10.0.0.0/8"}, {"cidr": "2001:db8::/32"}, {"cidr": "10.0.0.5/32"}]},
    {"a": [{"anything-but": each} for each in ("x", 5, None, False, ["x", 5, None, True], list(TEXTS))]},
    {"a": [{"anything-but": {name: each}} for name in (*AFFIXES, "wildcard") for each in ("x", ["x"], ["x", "]}"])]},
    {"a": [{"numeric": [sign, -5.5]} for sign in ("=", "<", "<=", ">", ">=")]},
    {
        "a": [
            {"numeric": [low, 0, high, 12345678901234567890123456789012345678]}
            for low in (">", ">=")
            for high in ("<", "<=")
        ]
    },
    {"a": {"b": {"c": ["x"]}, "d": [1]}, "e": ["x"]},
    {"$or": [{"a": ["x"]}, {"b": [1]}]},
    {"a": ["x"], "$or": [{"b": [{"anything-but": ["x"]}]}, {"c": {"d": [1]}, "$or": [{"e": [1]}, {"f": [2]}]}]},
    {"a": {"$or": [{"b": [1]}, {"c": [{"prefix": "x"}]}, {"d": {"e": [1], "$or": [{"f": [1]}, {"g": [1]}]}}]}},
    # Attributes that are called like operators.
    {"prefix": ["x"], "exists": {"anything-but": ["x"], "wildcard": ["**"]}, "numeric": [{"prefix": "x"}]},
]

NO_LISTS: Sequence[Any] = ("x", 5, True, None, [], {}, [["x"]], {"b": "x"}, {"b": {}}, {"b": [[]]}, [[], "x"])

REFUSED: Sequence[Any] = [
    *({"a": wrong} for wrong in NO_LISTS),
    *(
        {"a": [wrong]}
        for wrong in ({}, {"sufix": "x"}, {"prefix": "x", "exists": True}, {"b": ["y"]}, {"b": {"c": ["x"]}})
    ),
    *({"a": ["x", {name: wrong}]} for name in AFFIXES for wrong in (5, None, ["x"], {}, {"wildcard": "x"}, True)),
    *({"a": [{"equals-ignore-case": wrong}]} for wrong in (5, ["x"], {"prefix": "x"})),
    *({"a": [{"wildcard": wrong}]} for wrong in (5, ["x"], "a**b", "a\\b", "a\\", "\\\\\\")),
    *({"a": [{"exists": wrong}]} for wrong in ("true", 1, None, [True])),
    *({"a": [{"cidr": wrong}]} for wrong in (5, "10.0.0.0", "10.0.0.0/33", "x", ["10.0.0.0/8"])),
    *({"a": [{"numeric": wrong}]} for wrong in (5, [], ["="], ["!=", 5], ["<", 5, ">", 1], ["=", 5, "<", 6], {"=": 5})),
    *({"a": [{"numeric": wrong}]} for wrong in ([">", "5"], [">", True], [">", None], [">", 1, "<", 5, "<", 6], ["x"])),
    *(
        {"a": [{"anything-but": wrong}]}
        for wrong in ([], {}, [["x"]], [{"prefix": "x"}], {"exists": True}, {"b": ["x"]})
    ),
    *({"a": [{"anything-but": {"prefix": wrong}}]} for wrong in (5, [], [5], {"equals-ignore-case": "x"}, [["x"]])),
    {"a": [{"anything-but": {"prefix": "x", "suffix": "x"}}]},
    *({"$or": wrong} for wrong in ([], {"a": [1]}, "x", 5, None, ["x", "y"], [{"a": [1]}], [{"a": {"b": [1]}}])),
    *({"a": {"$or": [{"b": [1]}, wrong]}} for wrong in ("x", 5, ["x"], {}, {"c": 1}, {"c": [{"sufix": "x"}]}, None)),
    {"a": {"b": [1], "$or": [{"c": [1]}]}},
    {"a": [{"$or": [{"b": [1]}, {"c": [1]}]}]},
    {"$or": [{"a": ["x"]}, {"b": [{"prefix": 5}]}]},
]


def refused(patterns: Sequence[Any]) -> list[Any]:
    """Those that Terraform refuses, all in one plan."""
    wheres = {f"number{index}": json.dumps(pattern) for index, pattern in enumerate(patterns)}
    variables = {"wheres": json.dumps(wheres), "mappings": "{}"}
    with Terraform("tests/module/patterns", variables=variables) as terraform:
        try:
            terraform.plan()
        except TerraformError as error:
            says = " ".join(str(error).replace("│", "").split())
            found = set(map(int, re.findall(r"views\.number(\d+)\.where ", says)))
            assert found, says
            return [pattern for index, pattern in enumerate(patterns) if index in found]
    return []


def is_pattern(pattern: Any) -> bool:
    try:
        Pattern(pattern)
    except ValueError:
        return False
    return True


def test_an_accepted_pattern_reaches_the_function_as_it_is() -> None:
    wheres = {f"number{index}": json.dumps(pattern) for index, pattern in enumerate(ACCEPTED)}
    with Terraform("tests/module/patterns", variables={"wheres": json.dumps(wheres), "mappings": "{}"}) as terraform:
        terraform.apply()
        made = terraform.outputs()["wheres"]
    assert [made[name] for name in wheres] == ACCEPTED
    assert [pattern for pattern in ACCEPTED if not is_pattern(pattern)] == []


def test_a_refused_pattern_is_refused_by_the_function_too() -> None:
    assert [pattern for pattern in REFUSED if is_pattern(pattern)] == []
    assert refused(REFUSED) == REFUSED


def test_what_is_no_object_with_an_attribute_is_refused_by_both() -> None:
    wrong: list[Any] = [[], {}, "x", 5, None, ["x"]]
    assert [pattern for pattern in wrong if is_pattern(pattern)] == []
    assert refused(wrong) == wrong


def test_no_pattern_that_the_function_accepts_is_refused() -> None:
    choose = random.Random(1)  # noqa: S311 - the same patterns each time
    patterns = [noisy(choose, 3) for _ in range(150)]
    accepted = [pattern for pattern in patterns if is_pattern(pattern)]
    assert 40 < len(accepted) < 110
    assert [pattern for pattern in refused(patterns) if is_pattern(pattern)] == []


def noisy(choose: random.Random, depth: int) -> Any:
    """What may be a pattern, or nearly."""
    names = ("a", "b", "c", "prefix", "anything-but", "exists", "numeric", "wildcard")
    pattern: dict[str, Any] = {}
    for name in choose.sample(names, k=choose.choice((1, 1, 2))):
        kind = choose.random()
        if depth and kind < 0.15:
            pattern["$or"] = [noisy(choose, depth - 1) for _ in range(choose.choice((1, 2, 2, 3)))]
        elif depth and kind < 0.35:
            pattern[name] = noisy(choose, depth - 1)
        elif kind < 0.4:
            pattern[name] = choose.choice(("x", 5, None, [], {}, [["x"]]))
        else:
            pattern[name] = [noisy_matcher(choose) for _ in range(choose.choice((1, 2)))]
    return pattern


def noisy_matcher(choose: random.Random) -> Any:
    if choose.random() < 0.4:
        return choose.choice((*TEXTS, 5, -1.5, None, True, {}))
    names = ("prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "exists", "cidr", "sufix")
    name = choose.choice(names)
    fitting: dict[str, Any] = {
        "anything-but": ["x", 5],
        "numeric": [">", 0, "<", 5],
        "exists": False,
        "cidr": "10.0.0.0/8",
    }
    operands: tuple[Any, ...] = ("x", "a*", "**", 5, True, [], ["x"], {"equals-ignore-case": "x"}, ["=", 5], {})
    operand = fitting.get(name, "x") if choose.random() < 0.8 else choose.choice(operands)
    return {name: operand} if choose.random() < 0.97 else {name: operand, "exists": True}


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        (
            {"a": [{"sufix": "x"}]},
            "may use the operators anything-but, cidr, equals-ignore-case, exists, numeric, prefix",
        ),
        ({"a": [{"exists": 1}, {"prefix": 5}]}, "exists takes true or false; prefix takes a string, or"),
        ({"a": [{"wildcard": "**"}]}, "wildcard takes a string with * for any text, never two in a row"),
        ({"$or": [{"a": [1]}]}, 'must say "$or" with a list of at least two patterns'),
    ],
)
def test_what_terraform_says_of_a_wrong_pattern_is_its_fix(pattern: Any, says: str) -> None:
    variables = {"wheres": json.dumps({"open": json.dumps(pattern)}), "mappings": "{}"}
    with (
        Terraform("tests/module/patterns", variables=variables) as terraform,
        pytest.raises(TerraformError) as caught,
    ):
        terraform.plan()
    lines = " ".join(str(caught.value).replace("│", "").split())
    assert "views.open.where " in lines
    assert says in lines
