"""Filter criteria: which records Lambda delivers at all.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Matches = Callable[[Any], bool]

_ABSENT: Any = object()

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compiled(filter_patterns: Sequence[str]) -> Matches:
    """Turn a mapping's filters into one question about a record.

    Raises:
        ValueError: a pattern that Lambda would refuse, or an operator that is not known here.
    """
    if not filter_patterns:
        return lambda _record: True
    filters = [_object(_parsed(each)) for each in filter_patterns]
    return lambda record: any(matches(record) for matches in filters)


def _parsed(pattern: str) -> dict[str, Any]:
    try:
        parsed = json.loads(pattern)
    except json.JSONDecodeError as error:
        raise ValueError(f"a filter pattern must be JSON: {pattern}") from error
    if not isinstance(parsed, dict):
        raise ValueError(f"a filter pattern must be a JSON object: {pattern}")
    return parsed


def _object(pattern: Mapping[str, Any]) -> Matches:
    fields = [_field(name, inner) for name, inner in pattern.items()]
    return lambda event: all(matches(event) for matches in fields)


def _field(name: str, pattern: Any) -> Matches:
    if name == "$or" and isinstance(pattern, list):
        either = [_object(each) for each in pattern]
        return lambda event: any(matches(event) for matches in either)
    if isinstance(pattern, dict):
        inside = _object(pattern)
        return lambda event: any(inside(each) for each in _inner(_get(event, name)))
    if isinstance(pattern, list) and pattern:
        rules = [_rule(each) for each in pattern]
        return lambda event: any(matches(_get(event, name)) for matches in rules)
    raise ValueError(f"{name} in a filter pattern must be an object or a list of rules: {pattern}")


def _get(event: Any, name: str) -> Any:
    return event.get(name, _ABSENT) if isinstance(event, Mapping) else _ABSENT


def _inner(value: Any) -> Sequence[Any]:
    """The objects to look into. What is absent is looked into as well: `exists: false` may stand there."""
    return value if isinstance(value, list) else [value]


def _leaves(value: Any) -> Sequence[Any]:
    """The values to compare with: an array matches with any of its elements, an object is no leaf."""
    if value is _ABSENT or isinstance(value, Mapping):
        return ()
    return [each for each in value if not isinstance(each, Mapping)] if isinstance(value, list) else (value,)


def _rule(rule: Any) -> Matches:
    if not isinstance(rule, dict):
        return _any_leaf(lambda value: _same(value, rule))
    if len(rule) != 1:
        raise ValueError(f"a rule in a filter pattern has one operator: {rule}")
    [(name, operand)] = rule.items()
    match name, operand:
        case "exists", bool(expected):
            return lambda value: bool(_leaves(value)) is expected
        case "prefix" | "suffix" | "equals-ignore-case", str(text):
            return _any_leaf(_of_text(name, text))
        case "anything-but", {"prefix": str(text)}:
            return _any_leaf(lambda value: not _of_text("prefix", text)(value))
        case "anything-but", str() | int() | float() | [*_]:
            others = operand if isinstance(operand, list) else [operand]
            return _any_leaf(lambda value: not any(_same(value, other) for other in others))
        case "numeric", [*comparisons] if comparisons and len(comparisons) % 2 == 0:
            return _any_leaf(_numeric(comparisons))
        case _:
            raise ValueError(f"unknown rule in a filter pattern: {rule}")


def _any_leaf(matches: Matches) -> Matches:
    return lambda value: any(matches(each) for each in _leaves(value))


def _same(value: Any, other: Any) -> bool:
    """Whether two scalars are equal as JSON writes them: 300 is not 300.0, and true is not 1."""
    return type(value) is type(other) and bool(value == other)


def _of_text(name: str, text: str) -> Matches:
    # EventBridge takes each letter of the rule in lower and in upper case, and folds nothing else: "straße" matches
    # "STRASSE", but "strasse" does not match "straße".
    # https://github.com/aws/event-ruler/blob/main/src/main/software/amazon/event/ruler/input/EqualsIgnoreCaseParser.java
    either_case = "".join(f"(?:{re.escape(each.lower())}|{re.escape(each.upper())})" for each in text)
    tests: Mapping[str, Callable[[str], bool]] = {
        "prefix": lambda value: value.startswith(text),
        "suffix": lambda value: value.endswith(text),
        "equals-ignore-case": lambda value: re.fullmatch(either_case, value) is not None,
    }
    return lambda value: isinstance(value, str) and tests[name](value)


def _numeric(comparisons: Sequence[Any]) -> Matches:
    pairs = list(zip(comparisons[::2], comparisons[1::2], strict=True))
    for sign, number in pairs:
        if sign not in _COMPARISONS or isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"numeric in a filter pattern takes pairs of a sign and a number: {comparisons}")
    return lambda value: (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and all(_COMPARISONS[sign](value, number) for sign, number in pairs)
    )
