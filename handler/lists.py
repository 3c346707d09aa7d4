"""Lists: a cached JSON array of rows, with edits made to it."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec
from msgspec import Raw

from handler.settings import ListView
from handler.views import MAXIMUM_BYTES, Row

NULL = b"null"
"""What a list that was taken away holds until it expires. Readers take it for a miss."""


class NotAListError(Exception):
    """The cache holds something else than the view's rows where its list should be."""


class TooBigError(Exception):
    """A list is longer than Momento takes."""


_ROWS = msgspec.json.Decoder(list[dict[str, Raw]])
_JSON = msgspec.json.Decoder(float_hook=Decimal)


def read(stored: bytes, view: ListView) -> dict[str, Row]:
    """Read a cached list.

    Returns:
        member to row.

    Raises:
        NotAListError: it is not an array of the view's rows.
    """
    try:
        rows = _ROWS.decode(stored)
        members = [view.member.fill(_text(row.get(name)) for name in view.member.names) for row in rows]
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotAListError("the entry is not a JSON array of rows") from None
    if None in members:
        raise NotAListError(f"a row lacks a field that the view's member names: {', '.join(view.member.names)}")
    return {member: row for member, row in zip(members, rows, strict=True) if member is not None}


def write(rows: Mapping[str, Row], edits: Mapping[str, Row | None], view: ListView) -> bytes:
    """Make edits to rows, and write them in the view's order.

    Rows without the `order_by` field come last, either way. Else the order is null, false, true, numbers by value,
    strings by code point, anything else by its JSON; ties by member.

    Raises:
        TooBigError: Momento would not take it.
    """
    edited = {member: row for member, row in {**rows, **edits}.items() if row is not None}
    ordered = [edited[member] for member in sorted(edited)]
    if view.order_by is not None:
        field = view.order_by
        lacking = [row for row in ordered if field not in row]
        ordered = [row for row in ordered if field in row]
        ordered.sort(key=lambda row: _rank(row[field]), reverse=view.descending)
        ordered += lacking
    written = msgspec.json.encode(ordered)
    if len(written) > MAXIMUM_BYTES:
        raise TooBigError
    return written


def _text(value: Raw | None) -> str | None:
    """A row's value as a part of its member: the same text that the item's attribute gives."""
    match value and bytes(value):
        case None | b"null" | b'""':
            return None
        case encoded if encoded[:1] == b'"':
            return str(_JSON.decode(encoded))
        case encoded if encoded[:1] in b"[{":
            return None
        case encoded:
            return encoded.decode()


def _rank(value: Raw) -> tuple[int, Decimal | str]:
    match _JSON.decode(value):
        case None:
            return 0, ""
        case bool(truth):
            return 1, Decimal(truth)
        case int() | Decimal() as number:
            return 2, Decimal(number)
        case str(string):
            return 3, string
        case _:
            return 4, bytes(value).decode()
