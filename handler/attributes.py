"""DynamoDB attribute values: found by path, rendered as text for keys, encoded as exact JSON."""

import base64
import copy
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import Raw

AttributeValue = Mapping[str, Any]
"""One value as DynamoDB writes it: a single type descriptor over its value, such as `{"N": "12.50"}`."""

Image = Mapping[str, AttributeValue]
"""An item as it was at one moment: attribute name to attribute value."""


class AttributeValueError(ValueError):
    """An attribute value is not one that DynamoDB writes. Names its type, never its content."""


_STEP = re.compile(r"(?:^|(?<=.)\.)([^.\[\]{}]+)|\[(\d+)\]")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


class Path:
    """Where a value is within an item, such as `status`, `address.city` or `tags[0]`.

    Raises:
        ValueError: the text is not a path.
    """

    __slots__ = ("steps",)

    def __init__(self, text: str) -> None:
        steps: list[str | int] = []
        position = 0
        while match := _STEP.match(text, position):
            name, index = match.groups()
            steps.append(name if index is None else int(index))
            position = match.end()
        if not steps or position != len(text) or isinstance(steps[0], int):
            raise ValueError(f'"{text}" is not an attribute path: write it like "status", "address.city" or "tags[0]"')
        self.steps = tuple(steps)

    def lookup(self, image: Image) -> AttributeValue | None:
        """Find the value, None where the item has none."""
        found: AttributeValue | None = {"M": image}
        for step in self.steps:
            if found is None:
                return None
            if isinstance(step, str):
                found = found.get("M", {}).get(step)
            else:
                elements = found.get("L", ())
                found = elements[step] if step < len(elements) else None
        return found


class Template:
    """Text with placeholders, such as `ADMIN-{pk}`.

    Attributes:
        literals: the fixed parts, one more than there are placeholders.
        names: what stands within the braces, in order.

    Raises:
        ValueError: a brace has no partner, or nothing parts two placeholders.
    """

    __slots__ = ("_paths", "literals", "names")

    def __init__(self, text: str) -> None:
        parts = re.split(r"\{([^{}]+)\}", text)
        self.literals, self.names = tuple(parts[::2]), tuple(parts[1::2])
        self._paths = tuple(map(Path, self.names))
        if any("{" in literal or "}" in literal for literal in self.literals):
            raise ValueError(f'"{text}" has a brace without its partner: write placeholders like "{{pk}}"')
        if "" in self.literals[1:-1]:
            raise ValueError(f'"{text}" has two placeholders with nothing between them: put a separator there')

    def prefixed(self, prefix: str) -> "Template":
        """The same template behind a fixed text."""
        template = copy.copy(self)
        template.literals = (prefix + self.literals[0], *self.literals[1:])
        return template

    def of(self, image: Image) -> str | None:
        """Fill the placeholders from an item, each by its path; None where one has no text."""
        return self.fill(text(path.lookup(image)) for path in self._paths)

    def value_of(self, image: Image) -> AttributeValue | None:
        """What an attribute must equal: where the template is just `{name}`, that attribute itself, else a string."""
        if self.literals == ("", ""):
            return self._paths[0].lookup(image)
        filled = self.of(image)
        return None if filled is None else {"S": filled}

    def fill(self, values: Iterable[str | None]) -> str | None:
        """Put a text in place of each placeholder, None where one is missing."""
        parts = [self.literals[0]]
        for value, literal in zip(values, self.literals[1:], strict=True):
            if value is None:
                return None
            parts += (value, literal)
        return "".join(parts)


def text(value: AttributeValue | None) -> str | None:
    """Render a value as a part of a key.

    None stands for a value that no key can hold: absent, NULL, empty, or neither string, number, binary nor boolean.
    An item with such a value has no entry, as in a sparse index.
    """
    if value is None:
        return None
    kind, content = unpack(value)
    match kind:
        case "S":
            return content or None
        case "N":
            return number(content)
        case "B":
            return binary(content) or None
        case "BOOL":
            return "true" if content else "false"
        case _:
            return None


def encode(value: AttributeValue) -> Raw:
    """Encode a value as JSON that holds each digit of its numbers.

    Binary becomes base64 text and a set a sorted array: strings and binary by code point, numbers by value.

    Raises:
        AttributeValueError: the value is not one that DynamoDB writes.
    """
    try:
        return Raw(msgspec.json.encode(_plain(value)))
    except UnicodeEncodeError:
        raise AttributeValueError("an attribute value of type S is not Unicode text") from None


def _plain(value: AttributeValue) -> Any:
    kind, content = unpack(value)
    return _PLAIN[kind](content)


def unpack(value: AttributeValue) -> tuple[str, Any]:
    """Part a value into its type descriptor and its content.

    Raises:
        AttributeValueError: it has none, several, or one that DynamoDB does not have.
    """
    if len(value) != 1:
        raise AttributeValueError(f"an attribute value has {len(value)} types instead of one")
    ((kind, content),) = value.items()
    if kind not in _PLAIN:
        raise AttributeValueError(f"an attribute value has the type {kind!r}, which DynamoDB does not have")
    return kind, content


def number(digits: str) -> str:
    """Write a number's digits as JSON has them, all of them.

    Raises:
        AttributeValueError: it is not a number.
    """
    if _JSON_NUMBER.fullmatch(digits):
        return digits
    try:
        value = Decimal(digits)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise AttributeValueError("an attribute value of type N is not a number")
    return str(value)


def binary(content: str | bytes) -> str:
    """Write binary as base64 text, which a Lambda event holds already, and boto3 does not."""
    return content if isinstance(content, str) else base64.b64encode(content).decode()


_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "S": lambda content: content,
    "N": lambda content: Raw(number(content).encode()),
    "B": binary,
    "BOOL": lambda content: content,
    "NULL": lambda _: None,
    "M": lambda content: {name: _plain(value) for name, value in content.items()},
    "L": lambda content: [_plain(value) for value in content],
    "SS": sorted,
    "NS": lambda content: [Raw(each.encode()) for each in sorted(map(number, content), key=Decimal)],
    "BS": lambda content: sorted(map(binary, content)),
}
