"""What the views have to show, told from the table's items alone and by none of the handler's code.

Entries are JSON text, byte for byte: the order of fields and the digits of numbers are part of what is promised.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from tests import pizza
from tests.stream import Item

INDEX = {"index_name": "owners", "index_key_attributes": ["kind", "owner"]}
"""The table's index: every item that has both attributes, in order of its owner."""

_ROW = {"pk": "pk", "sk": "sk", "n": "n"}
_LIST = {"kind": "list", "member": "{pk}#{sk}", "fields": _ROW, "order_by": "n"}

DOCUMENTS: Mapping[str, dict[str, Any]] = {
    "whole": {"kind": "item", "key": "whole-{pk}-{sk}"},
    "mine": {"kind": "item", "key": "mine-{alias}-{pk}-{sk}", "fields": {"n": "n", "owner": "owner"}},
    "alias": {"kind": "item", "key": "alias-{alias}", "unique": True, "fields": {"n": "n", "pk": "pk", "sk": "sk"}},
    "all": _LIST | {"key": "all", "rebuild_from": INDEX | {"key_condition": {"kind": "thing"}}},
    "of": _LIST
    | {"key": "of-{owner}", "rebuild_from": INDEX | {"key_condition": {"kind": "thing", "owner": "{owner}"}}},
    "part": _LIST | {"key": "part-{pk}", "rebuild_from": {"key_condition": {"pk": "{pk}"}}},
    "manual": _LIST | {"key": "manual"},
    "ranked": {
        "kind": "list",
        "key": "ranked-{pk}",
        "member": "{alias}",
        "unique": True,
        "fields": {"alias": "alias", "sk": "sk", "n": "n"},
        "order_by": "n",
        "rebuild_from": {"key_condition": {"pk": "{pk}"}},
    },
}
"""The views that a history may have, as Terraform hands them over."""

LISTS = ("all", "of", "part", "manual", "ranked")


@dataclass(frozen=True, slots=True)
class Row:
    """One item's part in one view.

    Attributes:
        view: the view's name.
        key: the cache key.
        member: which of a list's rows; "" for an item view.
        text: the row, or the whole entry of an item view, as JSON.
        rank: what a list is sorted by; None: the row lacks it.
    """

    view: str
    key: str
    member: str
    text: str
    rank: tuple[int, Any] | None


class Model(Protocol):
    """The views of a history, as the checker knows them."""

    @property
    def limit(self) -> int | None:
        """The most rows of a list."""
        ...

    @property
    def index_keys(self) -> tuple[str, str]:
        """The key of the table's index."""
        ...

    def documents(self) -> dict[str, Any]:
        """The views as settings."""
        ...

    def rows(self, item: Item) -> list[Row]:
        """All that an item gives rise to."""
        ...

    def ordered(self, rows: Iterable[Row]) -> list[Row]:
        """Rows in their list's order."""
        ...

    def list_text(self, rows: Iterable[Row]) -> str:
        """A list's entry."""
        ...

    def canonical(self, stored: bytes) -> str:
        """What is cached, or a row of it, as this model writes it."""
        ...


@dataclass(frozen=True, slots=True)
class Things:
    """Views of every kind, over items of no particular app.

    Attributes:
        views: their names.
        live_only: whether they show only items whose status is "live".
        limit: the most rows of a list.
        descending: whether lists begin with the greatest.
        noted: whether rows show one more field.
    """

    views: tuple[str, ...]
    live_only: bool = False
    limit: int | None = None
    descending: bool = True
    noted: bool = False
    index_keys: tuple[str, str] = ("kind", "owner")

    def documents(self) -> dict[str, Any]:
        """The views as settings."""
        documents: dict[str, Any] = {}
        for name in self.views:
            documents[name] = dict(DOCUMENTS[name])
            if self.live_only:
                documents[name]["where"] = {"status": ["live"]}
            if name in LISTS:
                documents[name] |= {"descending": self.descending} | ({"limit": self.limit} if self.limit else {})
                documents[name]["fields"] = documents[name]["fields"] | ({"note": "note"} if self.noted else {})
        return documents

    def rows(self, item: Item) -> list[Row]:
        """All that an item gives rise to."""
        if self.live_only and item.get("status") != "live":
            return []
        rows = (self._row_of(view, item) for view in self.views)
        return [row for row in rows if row is not None]

    def _row_of(self, view: str, item: Item) -> Row | None:
        identity = f"{item['pk']}-{item['sk']}"
        owner = item.get("owner")
        # What the index would not hold has no place in its lists: another type, NULL, empty.
        indexed = item.get("kind") == "thing" and isinstance(owner, str) and owner != ""
        more = ("note",) if self.noted else ()
        row: Row | None = None
        match view:
            case "whole":
                shown = {name: value for name, value in item.items() if name != "_cache_refresh"}
                row = Row(view, f"whole-{identity}", "", _json(shown), None)
            case "mine" if "alias" in item:
                row = _row(view, f"mine-{item['alias']}-{identity}", "", item, "n", "owner")
            case "alias" if "alias" in item:
                row = _row(view, f"alias-{item['alias']}", "", item, "n", "pk", "sk")
            case "ranked" if "alias" in item:
                row = _row(view, f"ranked-{item['pk']}", item["alias"], item, "alias", "sk", "n", *more)
            case "all" if indexed:
                row = _list_row(view, "all", item, more)
            case "of" if indexed:
                row = _list_row(view, f"of-{owner}", item, more)
            case "part":
                row = _list_row(view, f"part-{item['pk']}", item, more)
            case "manual":
                row = _list_row(view, "manual", item, more)
        return row

    def ordered(self, rows: Iterable[Row]) -> list[Row]:
        """Rows in their list's order."""
        by_member = sorted(rows, key=lambda row: row.member)
        having = [row for row in by_member if row.rank is not None]
        having.sort(key=lambda row: row.rank or (0, 0), reverse=self.descending)
        return [*having, *(row for row in by_member if row.rank is None)]

    def list_text(self, rows: Iterable[Row]) -> str:
        """A list's entry."""
        return f"[{','.join(row.text for row in self.ordered(rows)[: self.limit])}]"

    def canonical(self, stored: bytes) -> str:
        """What is cached, to the byte. What another program left there may be no text at all."""
        return stored.decode(errors="surrogateescape")


@dataclass(frozen=True, slots=True)
class Orders:
    """The pizza app's views.

    Attributes:
        views: the names of those that are looked at.
    """

    views: tuple[str, ...]
    limit: int | None = None
    index_keys: tuple[str, str] = ("type", "creator")

    def documents(self) -> dict[str, Any]:
        """The views as settings."""
        return {name: pizza.VIEWS[name] for name in self.views}

    def rows(self, item: Item) -> list[Row]:
        """All that an order gives rise to."""
        detail = {name: item[source] for name, source in pizza.DETAIL.items() if source in item}
        row = {name: value for name, value in detail.items() if name != "items"}
        entries = [
            ("order", item["pk"], "", detail),
            ("admin_order", f"ADMIN-{item['pk']}", "", detail | {"creator": item["creator"]}),
            ("creator_orders", item["creator"], item["pk"], row),
        ]
        if item["status"] != "COMPLETED":
            entries.append(("all_orders", "all-orders", item["pk"], row))
        created = (3, item["createdAt"])
        return [
            Row(view, key, member, _sorted(shown), created)
            for view, key, member, shown in entries
            if view in self.views
        ]

    def ordered(self, rows: Iterable[Row]) -> list[Row]:
        """Rows in their list's order: newest first."""
        by_member = sorted(rows, key=lambda row: row.member)
        return sorted(by_member, key=lambda row: row.rank or (0, 0), reverse=True)

    def list_text(self, rows: Iterable[Row]) -> str:
        """A list's entry."""
        return f"[{','.join(row.text for row in self.ordered(rows))}]"

    def canonical(self, stored: bytes) -> str:
        """What is cached, whatever its white space and the order of its fields: the app's first handler has its own."""
        return _sorted(json.loads(stored, parse_int=Decimal, parse_float=Decimal))


def _sorted(value: Any) -> str:
    match value:
        case dict():
            return f"{{{','.join(f'{_json(name)}:{_sorted(value[name])}' for name in sorted(value))}}}"
        case list():
            return f"[{','.join(map(_sorted, value))}]"
        case _:
            return _json(value)


def _row(view: str, key: str, member: str, item: Item, *fields: str) -> Row:
    shown = {name: item[name] for name in fields if name in item}
    return Row(view, key, member, _json(shown), _rank(item["n"]) if "n" in item else None)


def _list_row(view: str, key: str, item: Item, more: Sequence[str]) -> Row:
    return _row(view, key, f"{item['pk']}#{item['sk']}", item, "pk", "sk", "n", *more)


def _rank(value: Any) -> tuple[int, Any]:
    match value:
        case None:
            return 0, 0
        case bool():
            return 1, value
        case int() | Decimal():
            return 2, value
        case _:
            return 3, value


def _json(value: Any) -> str:
    match value:
        case dict():
            return f"{{{','.join(f'{_json(name)}:{_json(each)}' for name, each in value.items())}}}"
        case list():
            return f"[{','.join(map(_json, value))}]"
        case int() | Decimal() if not isinstance(value, bool):
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)
