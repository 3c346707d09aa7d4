"""DynamoDB attribute values: found by path, rendered as text for keys, encoded as exact JSON."""

import base64
import binascii
import copy
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import Raw

AttributeValue = Mapping[str, Any]
"""One value as DynamoDB writes it: a single type descriptor over its value, such as `{"N": "12.50"}`."""

Image = Mapping[str, AttributeValue]
"""An item as it was at one moment: attribute name to attribute value."""


MAXIMUM_DEPTH = 64
"""How deep lists and maps may nest: twice what DynamoDB allows, so that no way of counting its 32 levels matters.

It keeps what walks a value well within Python's recursion limit.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

MAGNITUDES = range(-130, 126)
"""The powers of ten that a number's first digit may stand for.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""


MAXIMUM_DIGITS = 38
"""How many digits a number has, leading and trailing zeros aside.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""


class AttributeValueError(ValueError):
    """An item cannot be read: a value is not one that DynamoDB writes, or it takes too long. Shows no content."""


_ENCODER = msgspec.json.Encoder()
_STEP = re.compile(r"(?:^|(?<=.)\.)([^.\[\]{}]+)|\[([0-9]+)\]")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?([eE][+-]?[0-9]+)?")


class Path:
    """Where a value is within an item, such as `status`, `address.city` or `tags[0]`.

    A name may hold dots and brackets itself: `user.id` is also the attribute of that name. Of all names that a map may
    have there, the longest comes first, then the next where that leads to nothing.

    Attributes:
        text: the path as it is written, which is the attribute's name where the item has one of that name.
        steps: names in maps and positions in lists, from the attribute on.
        attribute: the name of the attribute that the path is; None: it may lead into one.

    Raises:
        ValueError: the text is not a path.
    """

    __slots__ = ("_names", "attribute", "steps", "text")

    def __init__(self, text: str) -> None:
        steps: list[str | int] = []
        begins: list[int] = []
        ends: list[int] = []
        position = 0
        while match := _STEP.match(text, position):
            name, index = match.groups()
            steps.append(name if index is None else int(index))
            position = match.end()
            begins.append(match.start(1))
            ends.append(position)
        if not steps or position != len(text) or isinstance(steps[0], int):
            raise ValueError(f'"{text}" is not an attribute path: write it like "status", "address.city" or "tags[0]"')
        self.text = text
        self.steps = tuple(steps)
        self.attribute = text if len(steps) == 1 else None
        # For each step, the names that may begin there, longest first, each with the step that follows it.
        self._names = [
            [(text[begin : ends[last]], last + 1) for last in reversed(range(first, len(ends)))]
            for first, begin in enumerate(begins)
        ]

    def lookup(self, image: Image) -> AttributeValue | None:
        """Find the value, None where the item has none.

        Raises:
            AttributeValueError: a value on the way is not one that DynamoDB writes.
        """
        if self.attribute is not None:
            return image.get(self.attribute)
        return self._find_in_map(image, 0)

    def _find_in_map(self, content: Image, step: int) -> AttributeValue | None:
        for name, following in self._names[step]:
            if name in content:
                found = self._find(content[name], following)
                if found is not None:
                    return found
        return None

    def _find(self, value: AttributeValue, step: int) -> AttributeValue | None:
        # Also where the path ends: a null here is no attribute value, and must not be taken for an absent one.
        kind, content = unpack(value)
        if step == len(self.steps):
            return value
        at = self.steps[step]
        if isinstance(at, str):
            return self._find_in_map(content, step) if kind == "M" else None
        return self._find(content[at], step + 1) if kind == "L" and at < len(content) else None


class Template:
    """Text with placeholders, such as `ADMIN-{pk}`.

    Attributes:
        literals: the fixed parts, one more than there are placeholders.
        names: what stands within the braces, in order.
        paths: where the value of each is within an item.

    Raises:
        ValueError: a brace has no partner, or nothing parts two placeholders.
    """

    __slots__ = ("literals", "names", "paths")

    def __init__(self, text: str) -> None:
        parts = re.split(r"\{([^{}]+)\}", text)
        self.literals, self.names = tuple(parts[::2]), tuple(parts[1::2])
        self.paths = tuple(map(Path, self.names))
        if any("{" in literal or "}" in literal for literal in self.literals):
            raise ValueError(f'"{text}" has a brace without its partner: write placeholders like "{{pk}}"')
        if "" in self.literals[1:-1]:
            raise ValueError(f'"{text}" has two placeholders with nothing between them: put a separator there')

    def prefixed(self, prefix: str) -> "Template":
        """The same template behind a fixed text."""
        template = copy.copy(self)
        template.literals = (prefix + self.literals[0], *self.literals[1:])
        return template

    def found_by(self, path_of: Callable[[str], Path]) -> "Template":
        """The same template with another path for each name to find its value in an item."""
        template = copy.copy(self)
        template.paths = tuple(map(path_of, self.names))
        return template

    def of(self, image: Image) -> str | None:
        """Fill the placeholders from an item, each by its path; None where one has no text."""
        filled = self.literals[0]
        for path, literal in zip(self.paths, self.literals[1:], strict=True):
            # Most paths are an attribute's name. A call for each, here and in _shown(), takes a tenth of plan()'s time.
            found = path.lookup(image) if path.attribute is None else image.get(path.attribute)
            value = None if found is None else text(found)
            if value is None:
                return None
            filled += value + literal
        return filled

    def value_of(self, image: Image) -> AttributeValue | None:
        """What an attribute must equal: where the template is just `{name}`, that attribute itself, else a string."""
        if self.literals == ("", ""):
            return self.paths[0].lookup(image)
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


def text(value: AttributeValue) -> str | None:
    """Render a value as a part of a key.

    None stands for a value that no key can hold: NULL, empty, or neither string, number, binary nor boolean.
    An item with such a value has no entry, as in a sparse index.

    Raises:
        AttributeValueError: the value is not one that DynamoDB writes.
    """
    # Nearly all of it is ASCII, and knows it: no more has to be checked.
    if type(value) is dict and len(value) == 1 and type(content := value.get("S")) is str and content.isascii():
        return content or None
    kind, content = unpack(value)
    match kind:
        case "S":
            _check_unicode(content)
            return str(content)
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

    Args:
        value: of an image that check() has let pass, or that DynamoDB has just answered with.

    Raises:
        AttributeValueError: the value is not one that DynamoDB writes.
    """
    try:
        return Raw(_ENCODER.encode(_plain(value)))
    except UnicodeEncodeError:
        raise AttributeValueError(_NOT_UNICODE) from None


def check(image: Image) -> None:
    """Check of an image what has to hold before anything reads it: its names are text, and its depth is bounded.

    Its values are checked where they are read: what no view shows of an item keeps none from showing it.

    Raises:
        AttributeValueError: it is not one that DynamoDB writes.
    """
    _check_unicode("".join(image))
    values: Collection[Any] = image.values()
    for _ in range(MAXIMUM_DEPTH + 1):
        values = _elements(values)
        if not values:
            return
    raise AttributeValueError("an attribute value nests deeper than DynamoDB's 32 levels")


def _elements(values: Iterable[Any]) -> list[Any]:
    """What is within the lists and maps among some values."""
    elements: list[Any] = []
    for value in values:
        if type(value) is dict and ("L" in value or "M" in value):
            for content in value.values():
                if type(content) is list:
                    elements += content
                elif type(content) is dict:
                    elements += content.values()
    return elements


_NOT_UNICODE = "a string or a name in an attribute value is not Unicode text"


def _check_unicode(text: str) -> None:
    """Refuse half a surrogate pair: JSON can write one, and neither DynamoDB nor UTF-8 can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        # Not the cause: it quotes the text.
        raise AttributeValueError(_NOT_UNICODE) from None


def _plain(value: AttributeValue) -> Any:
    """A value as msgspec encodes it. What is neither text, number, map nor list, or is wrong, is left to unpack()."""
    if type(value) is dict and len(value) == 1:
        if "S" in value and type(content := value["S"]) is str:
            return content
        if "M" in value and type(content := value["M"]) is dict:
            return _plain_map(content)
        if "L" in value and type(content := value["L"]) is list:
            return _plain_list(content)
        if "N" in value and type(content := value["N"]) is str:
            return Raw(number(content).encode())
    kind, content = unpack(value)
    return _PLAIN[kind](content)


def _plain_map(values: Mapping[str, AttributeValue]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in values.items():
        # What nearly all values are is told without a call, here as in lists: most of the time would go into calls.
        if type(value) is dict and len(value) == 1:
            if "S" in value:
                content = value["S"]
                if type(content) is str:
                    plain[name] = content
                    continue
            elif "L" in value:
                content = value["L"]
                if type(content) is list:
                    plain[name] = _plain_list(content)
                    continue
        plain[name] = _plain(value)
    return plain


def _plain_list(values: Iterable[AttributeValue]) -> list[Any]:
    plain: list[Any] = []
    for value in values:
        if type(value) is dict and len(value) == 1:
            if "S" in value:
                content = value["S"]
                if type(content) is str:
                    plain.append(content)
                    continue
            elif "M" in value:
                content = value["M"]
                if type(content) is dict:
                    plain.append(_plain_map(content))
                    continue
        plain.append(_plain(value))
    return plain


def unpack(value: AttributeValue) -> tuple[str, Any]:
    """Part a value into its type descriptor and its content, which is what that type holds.

    Raises:
        AttributeValueError: it has no type, several, one that DynamoDB does not have, or another type's content.
            An unknown type is not named: where a record is not in DynamoDB's notation, it is a name in the item.
    """
    if type(value) is not dict:
        raise AttributeValueError("an attribute value is not an object that names its type")
    if len(value) != 1:
        raise AttributeValueError(f"an attribute value has {len(value)} types instead of one")
    ((kind, content),) = value.items()
    holds = _HOLDS.get(kind)
    if holds is None:
        raise AttributeValueError("an attribute value has a type that DynamoDB does not have")
    if type(content) not in holds or (kind in _PARTLY and not _PARTLY[kind](content)):
        raise AttributeValueError(f"an attribute value of type {kind} holds what that type can not")
    return kind, content


def number(digits: str) -> str:
    """Return a number's digits, which are JSON as they are.

    DynamoDB writes numbers in ASCII digits without a plus sign, leading zeros or blanks, 1E+50 as 1 and 50 zeros
    (boto/boto3#4636). An exponent is accepted too, because the documentation writes numbers with one. Other notations
    are not read, although Decimal would read them: no one knows what whoever wrote `1_000` or a fullwidth 5 meant.

    Raises:
        AttributeValueError: it is not a number, or not in DynamoDB's range.
    """
    written = _NUMBER.fullmatch(digits)
    if written:
        # Without an exponent, so few characters cannot leave the range.
        if written[1] is None and len(digits) <= MAXIMUM_DIGITS:
            return digits
        if _is_in_range(digits):
            return digits
    raise AttributeValueError("an attribute value of type N is not a number that DynamoDB holds")


def _is_in_range(digits: str) -> bool:
    mantissa = re.split("[eE]", digits)[0]
    if len(mantissa.lstrip("-").replace(".", "").strip("0")) > MAXIMUM_DIGITS:
        return False
    try:
        value = Decimal(digits)
    except InvalidOperation:
        return False
    # Beyond the range, a few characters could mean more digits than any reader holds.
    return not value or value.adjusted() in MAGNITUDES


def binary(content: str | bytes) -> str:
    """Write binary as base64 text, which a Lambda event holds already, and boto3 does not.

    Raises:
        AttributeValueError: it is text, and not base64.
    """
    if isinstance(content, bytes):
        return base64.b64encode(content).decode()
    try:
        binascii.a2b_base64(content, strict_mode=True)
    except ValueError:
        raise AttributeValueError("an attribute value of type B is not base64") from None
    return content


_HOLDS: Mapping[str, tuple[type, ...]] = {
    "S": (str,),
    "N": (str,),
    "B": (str, bytes),
    "BOOL": (bool,),
    "NULL": (bool,),
    "M": (dict,),
    "L": (list,),
    "SS": (list,),
    "NS": (list,),
    "BS": (list,),
}
"""Each type that DynamoDB has, and what holds its content in JSON that was read, or in what boto3 answers.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_AttributeValue.html
"""

_PARTLY: Mapping[str, Callable[[Any], bool]] = {
    "NULL": lambda content: content is True,
    "SS": lambda content: all(isinstance(element, str) for element in content),
    "NS": lambda content: all(isinstance(element, str) for element in content),
    "BS": lambda content: all(isinstance(element, str | bytes) for element in content),
}
"""The types that hold not all of that, and what they do."""

_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "B": binary,
    "BOOL": lambda content: content,
    "NULL": lambda _: None,
    "SS": sorted,
    "NS": lambda content: [Raw(each.encode()) for each in sorted(map(number, content), key=_by_value)],
    "BS": lambda content: sorted(map(binary, content)),
}
"""What _plain() makes of the types that it does not encode itself."""


def _by_value(digits: str) -> tuple[Decimal, str]:
    return Decimal(digits), digits
