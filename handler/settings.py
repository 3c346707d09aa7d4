"""The function's settings: what Terraform hands over, typed, parsed and checked once, when the function starts."""

import base64
import binascii
import gzip
import re
import zlib
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Literal, Self

import msgspec
from msgspec import Raw, Struct, structs

from handler.attributes import AttributeValue, AttributeValueError, Image, Path, Template, number, unpack
from handler.patterns import Pattern

REFRESH = "_cache_refresh"
"""The attribute that no view shows: a change of it writes the item's entries anew, changed or not."""

MAXIMUM_LIMIT = 10_000
"""The most rows that a list may be limited to: every change rewrites all of them."""

MINIMUM_TTL_SECONDS = 300
MAXIMUM_TTL_SECONDS = 31_536_000
"""A year: far more than Momento allows, and far less than what no clock can count."""

MAXIMUM_TIMEOUT_SECONDS = 900
"""The longest that Lambda lets a function run."""

MINIMUM_REQUEST_SECONDS = 0.5
MAXIMUM_REQUEST_SECONDS = 5
"""How long a request to Momento may be allowed to take: several have to fit into the least `timeout`, 20 s."""

MAXIMUM_HASH_KEY_BYTES = 2_048
MAXIMUM_RANGE_KEY_BYTES = 1_024
"""The longest values that a key holds.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

KeyType = Literal["S", "N", "B"]
"""A type that a key attribute can have: string, number or binary."""


class SettingsError(Exception):
    """A setting is wrong. The message names the module's input and says the fix."""


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """The table whose stream is read.

    Attributes:
        name: its name.
        key_attributes: its primary key, hash key first; None where only the stream is known.
        attribute_types: the type of each key attribute of the table and its indexes, as far as they are known.
    """

    name: str
    key_attributes: tuple[str, ...] | None = None
    attribute_types: dict[str, KeyType] = {}


class Momento(Struct, frozen=True, forbid_unknown_fields=True):
    """The cache, and how to reach it.

    Attributes:
        cache_name: the cache that holds the views.
        secret_arn: the Secrets Manager secret that holds the API key.
        secret_json_key: the field of the secret's JSON that is the API key; None: the whole secret is.
        endpoint: the hostname for a v2 API key, `host:port` of a local server, or None where the key names it.
        max_operations_per_second: what one execution environment may ask, in the operations that Momento's quota
            counts; None: as much as it can.
        max_item_bytes: the largest entry that Momento takes, its key included.
        request_timeout_seconds: the longest that one request takes; None: what Momento's SDK has for Lambda.
    """

    cache_name: str
    secret_arn: str
    secret_json_key: str | None = None
    endpoint: str | None = None
    max_operations_per_second: float | None = None
    max_item_bytes: int = 5_000_000
    request_timeout_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.max_operations_per_second is not None and not self.max_operations_per_second > 0:
            raise ValueError("`max_operations_per_second` must be greater than 0: leave it out for no limit")
        if self.max_item_bytes < 1:
            raise ValueError("`max_item_bytes` must be at least 1")
        seconds = self.request_timeout_seconds
        if seconds is not None and not MINIMUM_REQUEST_SECONDS <= seconds <= MAXIMUM_REQUEST_SECONDS:
            raise ValueError(
                f"`request_timeout_seconds` must be {MINIMUM_REQUEST_SECONDS} to {MAXIMUM_REQUEST_SECONDS}: "
                "leave it out for 1.1"
            )


class RebuildFrom(Struct, frozen=True, forbid_unknown_fields=True):
    """The query that fills a list which is not cached.

    Attributes:
        key_condition: key attribute to the value it must have, as a template over the item.
        index_name: the index to query; None: the table itself, read consistently.
        index_key_attributes: the index's own key, hash key first; None where there is an index with an unknown key.
        attribute_types: the table's; parse() sets it.
    """

    key_condition: dict[str, Template]
    index_name: str | None = None
    index_key_attributes: tuple[str, ...] | None = None
    attribute_types: dict[str, KeyType] = {}

    def __post_init__(self) -> None:
        if not self.key_condition:
            raise ValueError("`key_condition` is empty: name at least the hash key of what is queried")
        for attribute, template in self.key_condition.items():
            _check_condition(attribute, template, self.attribute_types.get(attribute))
        if self.index_name is None:
            # The table's own key, which no item changes.
            structs.force_setattr(self, "index_key_attributes", ())

    @property
    def is_typed(self) -> bool:
        """Whether the types of all keys that are asked for are known."""
        return self.key_condition.keys() <= self.attribute_types.keys()

    def condition(self, image: Image) -> dict[str, AttributeValue | None]:
        """Return the value that each attribute of the key condition must have; None: the item has no such value."""
        return {
            attribute: self._value(attribute, template, image) for attribute, template in self.key_condition.items()
        }

    def finds(self, image: Image) -> bool:
        """Return whether the query would find an item.

        An item that the query misses must not be added to the list, or it would vanish at the next rebuild.

        Raises:
            AttributeValueError: a key's value is not one that DynamoDB writes.
        """
        # Loops, because this is asked of each image for each list.
        longest = MAXIMUM_HASH_KEY_BYTES
        for name in self.key_condition if self.index_key_attributes is None else self.index_key_attributes:
            value = image.get(name)
            if value is None or not _is_key(value, self.attribute_types.get(name), longest):
                return False
            # Which attribute of the key condition is the hash key is not known. No key is longer.
            if self.index_key_attributes is not None:
                longest = MAXIMUM_RANGE_KEY_BYTES
        for attribute, template in self.key_condition.items():
            value, asked = image.get(attribute), self._value(attribute, template, image)
            if value != asked and not _are_equal_numbers(value, asked):
                return False
        return True

    def _value(self, attribute: str, template: Template, image: Image) -> AttributeValue | None:
        if not template.names and self.attribute_types.get(attribute) == "N":
            return {"N": template.literals[0]}
        return template.value_of(image)


def _is_key(value: AttributeValue, expected: KeyType | None, longest: int) -> bool:
    """Return whether a key of an index can have a value, as far as its type is known.

    An index may be added to a table whose items have its key with another type, NULL, empty or too long. DynamoDB
    leaves these out of the index, and refuses to query for such a value.
    """
    kind, content = unpack(value)
    if expected is not None and kind != expected:
        return False
    match kind:
        case "S":
            # Half a surrogate pair, which no bytes stand for, is rejected where it is shown.
            size = len(content if content.isascii() else content.encode(errors="surrogatepass"))
        case "N":
            return True
        case "B":
            # Base64 has four characters for three bytes, but boto3 gives the bytes.
            size = len(content) if isinstance(content, bytes) else len(content.rstrip("=")) * 3 // 4
        case _:
            return False
    return 0 < size <= longest


_NUMBER = re.compile(r"0|-?(?:[1-9][0-9]*(?:\.[0-9]*[1-9])?|0\.[0-9]*[1-9])")
"""A number as DynamoDB writes it."""

_MOST_DIGITS = 38
"""DynamoDB keeps so many significant digits of a number. More need not be written."""


def _check_condition(attribute: str, template: Template, kind: KeyType | None) -> None:
    """Check that the value of a key condition can be a key's, as far as its type is known.

    Raises:
        ValueError: it cannot: the list would be empty for good, and nothing would say so.
    """
    text = template.literals[0]
    where = f"`rebuild_from.key_condition.{attribute}`"
    if template.literals == ("",):
        raise ValueError(f"{where} is empty, which no key is: write the value that the key must have")
    # The attribute's own value, which has its type.
    if template.literals == ("", ""):
        return
    if kind == "B":
        raise ValueError(
            f'{where} is text, but that key\'s type is B (binary): write a placeholder alone, like "{{{attribute}}}"'
        )
    plain = not template.names and _NUMBER.fullmatch(text) and sum(map(str.isdigit, text)) <= _MOST_DIGITS
    if kind == "N" and not plain:
        raise ValueError(
            f"{where} is text, but that key's type is N (number): write a placeholder alone, like "
            f'"{{{attribute}}}", or a number as DynamoDB writes it, like "2026" or "-1.5", of at most {_MOST_DIGITS} '
            "digits, with no exponent, no plus sign and no needless zeros"
        )


def _are_equal_numbers(one: AttributeValue | None, other: AttributeValue | None) -> bool:
    """Return whether two values are the same number, though written with other digits: a query compares by value."""
    match one, other:
        case {"N": str(digits)}, {"N": str(others)}:
            return Decimal(number(digits)) == Decimal(number(others))
    return False


def _check_ttl(seconds: int | None) -> None:
    if seconds is not None and not MINIMUM_TTL_SECONDS <= seconds <= MAXIMUM_TTL_SECONDS:
        raise ValueError(f"`ttl_seconds` must be {MINIMUM_TTL_SECONDS} to {MAXIMUM_TTL_SECONDS}")


class _View(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """What both kinds of view have.

    Attributes:
        key: the cache key, a template over the item.
        fields: output name to attribute path; None: the whole image.
        where: which items the view shows; None: all.
        unique: the author vouches that no two matching items share an entry (or a list's row).
        ttl_seconds: how long an entry lives without a write; None: the module's.
    """

    key: Template
    fields: dict[str, Path] | None = None
    where: Pattern | None = None
    unique: bool = False
    ttl_seconds: int | None = None

    def __post_init__(self) -> None:
        if self.fields is not None and not self.fields:
            raise ValueError("`fields` is empty: name at least one, or leave it out for the whole item")
        for attribute, paths in (("key", map(Path, self.key.names)), ("fields", (self.fields or {}).values())):
            if any(path.steps[0] == REFRESH for path in paths):
                raise ValueError(f"`{attribute}` names {REFRESH}, which is reserved: no view shows it")
        _check_ttl(self.ttl_seconds)

    def identity(self) -> Collection[str]:
        """The attributes that tell the view's entries (or rows) apart."""
        return self.key.names

    def shown_keys(self, key_attributes: Collection[str]) -> dict[str, str]:
        """Return the attributes of the primary key that the view shows, by the field's name."""
        if self.fields is None:
            return {name: name for name in key_attributes}
        shown = {path.text: name for name, path in self.fields.items() if path.text in key_attributes}
        return {name: attribute for attribute, name in shown.items()}

    def shares_places(self, key_attributes: Collection[str]) -> bool:
        """Return whether an entry (or a list's row) may be one item's now and another's at the next moment.

        That is where its place does not hold the whole primary key. Such a view says `unique = true`.
        """
        return not set(key_attributes) <= {*self.key.names, *self.identity()}

    def check_identity(self, key_attributes: Collection[str]) -> None:
        """Check that two items can not share an entry (or a list's row).

        That a value does not contain the template's own separator is left to the author: "a#b" + "c" is "a" + "b#c".

        Raises:
            ValueError: they can, and the view does not say `unique = true`.
        """
        missing = [name for name in key_attributes if name not in self.identity()]
        if missing and not self.unique:
            raise ValueError(
                f"two items could share an entry, for the primary key's {', '.join(missing)} is not part of "
                f"`{'member' if isinstance(self, ListView) else 'key'}`: add it, "
                "or say `unique = true` if no two matching items do"
            )


class ItemView(_View, frozen=True, tag="item"):
    """A view with one cached entry an item."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.key.names:
            raise ValueError('`key` has no placeholder, so all items would share one entry: write it like "{pk}"')


class ListView(_View, frozen=True, tag="list", kw_only=True):
    """A view with one cached JSON array for many items.

    Attributes:
        member: names a row, a template over the row's own fields; of() finds these in the item.
        order_by: the field that rows are sorted by; None: by member alone.
        descending: whether the greatest comes first.
        limit: the most rows, the first in that order; None: all.
        rebuild_from: fills a list that is not cached; None: an absent list stays absent.
        stamp: names the definition: 16 characters of JSON's white space, which stand behind a list and which no reader
            sees; parse() sets it.
        order_is_binary: whether rows are sorted by a key attribute of type B; parse() sets it.
    """

    member: Template
    order_by: str | None = None
    descending: bool = True
    limit: int | None = None
    rebuild_from: RebuildFrom | None = None
    stamp: bytes = b""
    order_is_binary: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.key.literals == ("",):
            raise ValueError("`key` is empty: name the list's cache key")
        if not self.member.names:
            raise ValueError('`member` has no placeholder, so all rows would be one: write it like "{id}"')
        for name in self.member.names:
            if self.fields is not None and name not in self.fields:
                raise ValueError(f'`member` names "{name}", which is not one of the `fields`')
            self._check_plain("member", name)
        if self.order_by is not None and self.fields is not None and self.order_by not in self.fields:
            raise ValueError(f'`order_by` names "{self.order_by}", which is not one of the `fields`')
        if self.order_by is not None:
            self._check_plain("order_by", self.order_by)
        if self.limit is not None and not 1 <= self.limit <= MAXIMUM_LIMIT:
            raise ValueError(f"`limit` must be 1 to {MAXIMUM_LIMIT}: leave it out for all rows")
        self._check_key_condition()
        structs.force_setattr(self, "member", self.member.found_by(self.source))

    def over(self, attribute_types: Mapping[str, KeyType]) -> Self:
        """Return the view over a table whose key attributes have these types.

        Raises:
            ValueError: the key condition asks for a value that its key cannot have.
        """
        source = self.rebuild_from
        binary = {name for name, kind in attribute_types.items() if kind == "B"}
        return structs.replace(
            self,
            rebuild_from=None if source is None else structs.replace(source, attribute_types=dict(attribute_types)),
            order_is_binary=self.order_by is not None and self.source(self.order_by).text in binary,
        )

    def check_order(self, image: Image) -> None:
        """Check that an item's row can be put in order.

        A list holds binary as base64 text, which does not sort as the bytes do. A row that is read back does not say
        whether its text was binary. Only of a key attribute are all values of one type.

        Raises:
            AttributeValueError: the value to sort by is binary, or is not one that DynamoDB writes.
        """
        if self.order_by is None or self.order_is_binary:
            return
        value = image.get(self.order_by) if self.fields is None else self.fields[self.order_by].lookup(image)
        if value is not None and unpack(value)[0] == "B":
            raise AttributeValueError(
                "`order_by` shows a value of type B (binary), whose base64 text does not sort as its bytes do: sort by "
                "a string or number, or by a key attribute of the table or an index that has this type"
            )

    def _check_key_condition(self) -> None:
        for attribute, template in (self.rebuild_from.key_condition if self.rebuild_from else {}).items():
            for name in template.names:
                if name not in self.key.names:
                    raise ValueError(
                        f'`rebuild_from.key_condition.{attribute}` uses "{name}", which `key` does not hold: '
                        "one list would be filled from several partitions"
                    )

    def _check_plain(self, attribute: str, name: str) -> None:
        if self.fields is None and name == REFRESH:
            raise ValueError(f"`{attribute}` names {REFRESH}, which is reserved: no row has it")
        if self.fields is None and len(Path(name).steps) > 1:
            raise ValueError(
                f'`{attribute}` names "{name}", which is within a field, or has a dot or bracket in its name: '
                f'show it by `fields` of its own, such as {{"id": "{name}"}}, and name that'
            )

    def source(self, field: str) -> Path:
        """Where the value of a row's field is within the item."""
        return Path(field) if self.fields is None else self.fields[field]

    def identity(self) -> Collection[str]:
        """The attributes that tell the view's rows apart."""
        return [path.text for path in map(self.source, self.member.names)]


View = ItemView | ListView


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All that the function is told.

    Attributes:
        table: the table whose stream is read.
        momento: the cache.
        views: view name to view; at least one.
        key_prefix: stands before every cache key; parse() has put it into the views' keys.
        ttl_seconds: how long an entry lives without a write, where its view says nothing.
        skip_unchanged: whether an entry is left alone where the batch changed nothing that it shows.
        timeout_seconds: how long the function may run, which is the module's `timeout`.
    """

    table: Table
    momento: Momento
    views: dict[str, View]
    key_prefix: str = ""
    ttl_seconds: int = 86_400
    skip_unchanged: bool = True
    timeout_seconds: int = 60

    def check_identity(self, key_attributes: Collection[str]) -> None:
        """Check every view against the table's primary key.

        Raises:
            SettingsError: two items could share an entry of a view.
        """
        for name, view in self.views.items():
            try:
                view.check_identity(key_attributes)
            except ValueError as error:
                raise SettingsError(f"views.{name}: {error}") from error

    def __post_init__(self) -> None:
        if not self.views:
            raise ValueError("`views` is empty: add one")
        _check_ttl(self.ttl_seconds)
        if not 1 <= self.timeout_seconds <= MAXIMUM_TIMEOUT_SECONDS:
            raise ValueError(f"`timeout_seconds` must be 1 to {MAXIMUM_TIMEOUT_SECONDS}")


def load(environment: Mapping[str, str]) -> Settings:
    """Read the settings from the function's environment.

    Args:
        environment: its `SETTINGS` holds the base64 text of gzipped JSON, to fit Lambda's 4 KB.

    Raises:
        SettingsError: there are none, or they are wrong; the message names the input.
    """
    try:
        document = gzip.decompress(base64.b64decode(environment["SETTINGS"], validate=True))
    except KeyError:
        raise SettingsError("the environment variable SETTINGS is missing: deploy with the Terraform module") from None
    except (binascii.Error, OSError, EOFError, zlib.error) as error:
        raise SettingsError(f"the environment variable SETTINGS is not base64 of gzip: {error}") from error
    return parse(document)


def parse(document: bytes) -> Settings:
    """Read the settings from their JSON.

    Raises:
        SettingsError: they are wrong; the message names the input.
    """
    try:
        settings = _SETTINGS.decode(document)
    except msgspec.ValidationError as error:
        raise SettingsError(_named(error, document)) from error
    except msgspec.DecodeError as error:
        raise SettingsError(f"the settings are not JSON: {error}") from error
    if settings.table.key_attributes is not None:
        settings.check_identity(settings.table.key_attributes)
    views: dict[str, View] = {}
    for name, view in settings.views.items():
        try:
            typed = view.over(settings.table.attribute_types) if isinstance(view, ListView) else view
        except ValueError as error:
            raise SettingsError(f"views.{name}: {error}") from error
        views[name] = structs.replace(typed, key=typed.key.prefixed(settings.key_prefix))
    for name, definition in _VIEWS.decode(document).views.items():
        if isinstance(view := views[name], ListView):
            views[name] = structs.replace(view, stamp=_stamp(definition))
    return structs.replace(settings, views=views)


def _stamp(definition: Raw) -> bytes:
    """Return the stamp of a list view: 32 bits of its definition's checksum, two a character."""
    fields: dict[str, Any] = _DEFINITION.decode(definition)
    # It changes no row, and each write applies it.
    fields.pop("ttl_seconds", None)
    checksum = zlib.crc32(msgspec.json.encode(fields, order="sorted"))
    return bytes(_WHITE_SPACE[checksum >> shift & 3] for shift in range(0, 32, 2))


_WHITE_SPACE = b" \t\n\r"
"""JSON's, all of it: https://www.rfc-editor.org/rfc/rfc8259#section-2"""


def _named(error: msgspec.ValidationError, document: bytes) -> str:
    """Name the view that an error is about, which the error's own path does not."""
    try:
        views = _VIEWS.decode(document).views
    except msgspec.ValidationError:
        return str(error)
    for name, view in views.items():
        try:
            _VIEW.decode(view)
        except msgspec.ValidationError as cause:
            return f"views.{name}: {cause}"
    return str(error)


class _Views(Struct):
    """The views, each left as it is, so that an error can name its view."""

    views: dict[str, Raw] = {}


def _from_json(kind: type, value: Any) -> Any:
    if kind is not Pattern and not isinstance(value, str):
        raise ValueError("a string is expected")
    return kind(value)


_SETTINGS = msgspec.json.Decoder(Settings, dec_hook=_from_json, float_hook=Decimal)
_VIEW: msgspec.json.Decoder[View] = msgspec.json.Decoder(View, dec_hook=_from_json, float_hook=Decimal)
_VIEWS = msgspec.json.Decoder(_Views)
_DEFINITION = msgspec.json.Decoder(float_hook=lambda digits: Raw(digits.encode()))
"""With each digit of the numbers in a `where`, for the stamp."""
