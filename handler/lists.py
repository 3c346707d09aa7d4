"""Lists: a cached JSON array of rows, with edits made to it."""

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from operator import itemgetter

import msgspec
from msgspec import Raw

from handler.settings import ListView
from handler.views import Row

NULL = b"null"
"""What a list that was taken away holds until it expires. Readers take it for a miss."""


class NotAListError(Exception):
    """The cache holds something else than the view's rows where its list should be."""


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
        rows = {
            view.member.fill(_text(row.get(name)) for name in view.member.names): row for row in _ROWS.decode(stored)
        }
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotAListError("the entry is not a JSON array of rows") from None
    if None in rows:
        raise NotAListError(f"a row lacks a field that the view's member names: {', '.join(view.member.names)}")
    return {member: row for member, row in rows.items() if member is not None}


def edited(rows: Mapping[str, Row], edits: Mapping[str, Row | None]) -> dict[str, Row]:
    """Make edits to rows."""
    return {member: row for member, row in {**rows, **edits}.items() if row is not None}


def falls_short(stored: Mapping[str, Row], rows: Mapping[str, Row], view: ListView) -> bool:
    """Tell whether rows that are not known may belong into a list.

    A list with as many rows as its limit may have been cut there. What was cut off comes after its last row; up to
    there it is whole, and stays so, whatever becomes of that row.

    Args:
        stored: the rows that are cached.
        rows: the same, edited.
        view: their view.
    """
    if view.limit is None or len(stored) < view.limit:
        return False
    *_, last = _ordered(stored.items(), view)
    up_to_last = _ordered([*rows.items(), last], view)
    return next(position for position, entry in enumerate(up_to_last) if entry is last) < view.limit


def cut(rows: Mapping[str, Row], view: ListView) -> dict[str, Row]:
    """Put rows in the view's order, and leave those that its limit allows.

    Rows without the `order_by` field come last, either way. Else the order is null, false, true, numbers by value,
    strings by code point, anything else by its JSON; ties by member.
    """
    return dict(_ordered(rows.items(), view)[: view.limit])


def write(rows: Mapping[str, Row]) -> bytes:
    """Write rows as they are cached."""
    return msgspec.json.encode(list(rows.values()))


def _ordered(entries: Collection[tuple[str, Row]], view: ListView) -> list[tuple[str, Row]]:
    field = view.order_by
    if field is None:
        return sorted(entries, key=_member)
    ranked = [(_rank(entry[1][field]), entry) for entry in entries if field in entry[1]]
    # Only where there are ties: what is in order already is sorted again in no time, but not once it is by member.
    if len({rank for rank, _ in ranked}) < len(ranked):
        ranked.sort(key=lambda each: _member(each[1]))
    ranked.sort(key=itemgetter(0), reverse=view.descending)
    unranked = sorted((entry for entry in entries if field not in entry[1]), key=_member)
    return [*(entry for _, entry in ranked), *unranked]


_member: Callable[[tuple[str, Row]], str] = itemgetter(0)


def _text(value: Raw | None) -> str | None:
    """A row's value as a part of its member: the same text that the item's attribute gives."""
    match value and bytes(value):
        case None | b"null" | b'""':
            return None
        case encoded if encoded.startswith(b'"'):
            return str(_JSON.decode(encoded))
        case encoded if encoded.startswith((b"[", b"{")):
            return None
        case encoded:
            return encoded.decode()


def _rank(value: Raw) -> tuple[int, Decimal | str]:
    decoded = _JSON.decode(value)
    # Nearly always, and for every row of a list that one batch changes.
    if isinstance(decoded, str):
        return 3, decoded
    match decoded:
        case None:
            return 0, ""
        case bool(truth):
            return 1, Decimal(truth)
        case int() | Decimal() as number:
            return 2, Decimal(number)
        case _:
            return 4, bytes(value).decode()
