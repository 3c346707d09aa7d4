"""Lists: a cached JSON array of rows, with edits made to it."""

import base64
import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct

from handler.attributes import AttributeValue, Image, binary
from handler.records import ItemKey
from handler.settings import ListView

NULL = b"null"
"""What a list that was cleared holds until it expires. Readers take it for a miss."""

EncodedRow = bytes | Raw
"""A row as JSON. One that was read is a view of the bytes that it was read from, so it costs no copy."""


class Leaving(Struct, frozen=True):
    """A row, or an item's entry, goes if it is the leaving item's own.

    Two items of a `unique` view may change places in one transaction, whose records come in any order. Without this,
    the second record would take away what the first one's item has just put there.

    Attributes:
        own: what tells the item's own apart, as JSON objects. Where the view shows the whole primary key, that: then it
            does not matter of which state, or of which definition of the view, a row is. Else all that its old images
            show.
        by_key: whether it is the former.
        keys: the fields that show a part of the primary key.
        fields: the fields of the view; empty where `by_key`.
        items: the primary keys of those that leave.
    """

    own: frozenset[bytes]
    by_key: bool
    keys: frozenset[str]
    fields: frozenset[str]
    items: frozenset[ItemKey]

    def joined(self, other: "Leaving") -> "Leaving":
        """Return what two items of one view leave at one place."""
        return Leaving(self.own | other.own, self.by_key, self.keys, self.fields, self.items | other.items)

    def takes_item(self, image: Image) -> bool:
        """Return whether an item of the table is one of those that leave, whichever of its states this is."""
        return any(all(_holds(image.get(name), kind, content) for name, kind, content in item) for item in self.items)

    def takes(self, present: EncodedRow) -> bool:
        """Return whether what is present goes.

        What no item of the view shows goes too: an application, or another definition of the view, has written it. One
        may write null for what is absent, the other may lack a field.
        """
        if bytes(present) in self.own:
            return True
        try:
            value = _JSON.decode(present)
        except _UNREADABLE:
            return True
        if not isinstance(value, dict):
            return True
        owns = [_JSON.decode(each) for each in self.own]
        if self.by_key:
            return any(all(name not in value or _equal(value[name], each[name]) for name in each) for each in owns)
        shown = {name: each for name, each in value.items() if name in self.fields and each is not None}
        return not shown or any(
            all(name in each and _equal(shown[name], each[name]) for name in shown) for each in owns
        )

    def may_take(self, present: EncodedRow) -> bool:
        """Return whether a row that differs from the item's own may be it all the same, of another state.

        So it is where the view shows a part of the primary key, and that is the same.
        """
        if self.by_key or not self.keys or self.takes(present):
            return False
        value = _JSON.decode(present)
        owns = [_JSON.decode(each) for each in self.own]
        return any(all(_equal(value.get(name), each.get(name)) for name in self.keys) for each in owns)


def _holds(value: AttributeValue | None, kind: str, content: str) -> bool:
    if value is None or kind not in value:
        return False
    return bool((binary(value[kind]) if kind == "B" else value[kind]) == content)


def _equal(one: Any, other: Any) -> bool:
    """Return whether two values are the same: 1.5 is neither `true` nor "1.5", and a map's attributes have no order."""
    return _SORTED.encode(one) == _SORTED.encode(other)


Edit = bytes | Leaving | None
"""What becomes of one member: its new row as JSON, or that it goes; None: whatever row it is."""


class NotAListError(Exception):
    """The cache holds something else than the view's rows where its list should be."""


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, RecursionError)
"""What the decoder raises: for what is not JSON, not UTF-8, a number beyond Decimal's range, and nesting too deep."""

_JSON = msgspec.json.Decoder(float_hook=Decimal)
_ROWS = msgspec.json.Decoder(list[Raw])
_SORTED = msgspec.json.Encoder(order="sorted", decimal_format="number")


@functools.lru_cache(maxsize=1024)
def _fields(names: tuple[str, ...]) -> msgspec.json.Decoder[list[Any]]:
    """Return a decoder that gives some fields of each row, as attributes f0, f1, … in the order of the names.

    It decodes all rows in one call and builds nothing for the other fields: a list may have 100,000 rows.
    """
    fields = [f"f{position}" for position in range(len(names))]
    row = msgspec.defstruct(
        "Row", [(field, Any, UNSET) for field in fields], rename=dict(zip(fields, names, strict=True)), gc=False
    )
    return msgspec.json.Decoder(list[row], float_hook=Decimal)  # type: ignore[valid-type]


@functools.lru_cache(maxsize=1024)
def _raw_fields(names: tuple[str, ...]) -> msgspec.json.Decoder[list[Any]]:
    """Return the same with the fields left as JSON: a member has the digits of its numbers, 1.0 is not 1."""
    fields = [f"f{position}" for position in range(len(names))]
    row = msgspec.defstruct(
        "Row", [(field, Raw, _ABSENT) for field in fields], rename=dict(zip(fields, names, strict=True)), gc=False
    )
    return msgspec.json.Decoder(list[row])  # type: ignore[valid-type]


_ABSENT = Raw(b"null")


def read(stored: bytes, view: ListView) -> dict[str, EncodedRow]:
    """Return a cached list's rows by member.

    Raises:
        NotAListError: the entry is not an array of the view's rows, or cannot be put in the view's order.
    """
    names = tuple(dict.fromkeys(view.member.names))
    try:
        members = [
            view.member.fill(map(dict(zip(names, _texts(row), strict=True)).get, view.member.names))
            for row in _raw_fields(names).decode(stored)
        ]
        rows = dict(zip(members, _ROWS.decode(stored), strict=True))
        if view.order_by is not None:
            # A number without end, or nesting without end, would end the whole batch when the rows are put in order.
            _fields((view.order_by,)).decode(stored)
    except _UNREADABLE:
        # `from None`, because the cause would quote the entry.
        raise NotAListError("the entry is not a JSON array of rows") from None
    if None in rows:
        raise NotAListError(f"a row lacks a field that the view's member names: {', '.join(view.member.names)}")
    return {member: row for member, row in rows.items() if member is not None}


def edited(rows: Mapping[str, EncodedRow], edits: Mapping[str, Edit]) -> dict[str, EncodedRow]:
    """Return rows with edits made to them."""
    after = dict(rows)
    for member, edit in edits.items():
        if isinstance(edit, bytes):
            after[member] = edit
        elif member in after and is_replaced(member, after[member], edits):
            del after[member]
    return after


def is_replaced(member: str, row: EncodedRow, edits: Mapping[str, Edit]) -> bool:
    """Return whether an edit puts another row in a row's place, or none."""
    if member not in edits:
        return False
    edit = edits[member]
    return not isinstance(edit, Leaving) or edit.takes(row)


def is_unsure(rows: Mapping[str, EncodedRow], edits: Mapping[str, Edit]) -> bool:
    """Return whether only the table knows if one of the rows goes."""
    return any(
        isinstance(edit, Leaving) and member in rows and edit.may_take(rows[member]) for member, edit in edits.items()
    )


def falls_short(stored: Mapping[str, EncodedRow], rows: Mapping[str, EncodedRow], view: ListView) -> bool:
    """Return whether rows that are not known may belong into a list.

    A list with as many rows as its limit may have been cut there. What was cut off comes after its last row; up to
    there it is whole, and stays so, whatever becomes of that row.

    Args:
        stored: the rows that are cached.
        rows: the same, edited.
        view: their view.
    """
    if view.limit is None or len(stored) < view.limit:
        return False
    last = list(stored)[_order(list(stored), list(stored.values()), view)[-1]]
    # The last stored row takes part as it was, whatever it became. Behind an equal, the sort leaves it last.
    up_to_last = _order([*rows, last], [*rows.values(), stored[last]], view)
    return up_to_last.index(len(rows)) < view.limit


def cut(rows: Mapping[str, EncodedRow], view: ListView) -> dict[str, EncodedRow]:
    """Return rows in the view's order, only those that its limit allows.

    Rows without the `order_by` field come last, either way. Else the order is null, false, true, numbers by value,
    strings by code point, binary by its bytes, anything else by its JSON; ties by member.
    """
    members, encoded = list(rows), list(rows.values())
    return {members[position]: encoded[position] for position in _order(members, encoded, view)[: view.limit]}


def views_of(rows: Mapping[str, EncodedRow], written: bytes) -> dict[str, EncodedRow]:
    """Return rows as views of the bytes that they were written as."""
    return dict(zip(rows, _ROWS.decode(written), strict=True))


def write(rows: Mapping[str, EncodedRow], view: ListView) -> bytes:
    """Return rows as they are cached, with the stamp of their view's definition behind them."""
    return b"[" + b",".join(rows.values()) + b"]" + view.stamp


def is_redefined(stored: bytes, view: ListView) -> bool:
    """Return whether a list was written for another definition of its view: rows may be missing, or be others.

    A list without a stamp is trusted: a reader may have filled it.
    """
    stamp = stored[stored.rfind(b"]") + 1 :]
    return len(stamp) == len(view.stamp) and stamp.isspace() and stamp != view.stamp


def _order(members: Sequence[str], rows: Collection[EncodedRow], view: ListView) -> list[int]:
    """Return the positions of rows in the view's order."""
    if view.order_by is None:
        return sorted(range(len(members)), key=members.__getitem__)
    values = [row.f0 for row in _fields((view.order_by,)).decode(b"[" + b",".join(rows) + b"]")]
    rank_of = _rank_of_binary if view.order_is_binary else _rank
    ranks = [None if value is UNSET else rank_of(value) for value in values]
    ranked = [position for position, rank in enumerate(ranks) if rank is not None]
    # Only where there are ties: what is in order already is sorted again in no time, but not once it is by member.
    if len({ranks[position] for position in ranked}) < len(ranked):
        ranked.sort(key=members.__getitem__)
    ranked.sort(key=ranks.__getitem__, reverse=view.descending)  # type: ignore[arg-type]  # none of these is None
    unranked = (position for position, rank in enumerate(ranks) if rank is None)
    return [*ranked, *sorted(unranked, key=members.__getitem__)]


def _texts(row: Any) -> Iterable[str | None]:
    return map(_text, msgspec.structs.astuple(row))


def _text(value: Raw) -> str | None:
    """Return a row's value as a part of its member: the same text that the item's attribute gives."""
    match bytes(value):
        case b"null" | b'""':
            return None
        case encoded if encoded.startswith(b'"'):
            return str(_JSON.decode(encoded))
        case encoded if encoded.startswith((b"[", b"{")):
            return None
        case encoded:
            return encoded.decode()


def _rank_of_binary(value: Any) -> tuple[int, Decimal | str | bytes]:
    """Return the rank of a value that is binary where it is base64, as unsigned bytes, which is DynamoDB's order."""
    if isinstance(value, str):
        try:
            return 4, base64.b64decode(value, validate=True)
        except ValueError:
            pass
    return _rank(value)


def _rank(value: Any) -> tuple[int, Decimal | str | bytes]:
    # Nearly always, and for every row of a list that one batch changes.
    if isinstance(value, str):
        return 3, value
    match value:
        case None:
            return 0, ""
        case bool(truth):
            return 1, Decimal(truth)
        case int() | Decimal() as number:
            return 2, Decimal(number)
        case _:
            return 5, _SORTED.encode(value).decode()
