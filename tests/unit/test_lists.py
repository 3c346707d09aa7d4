from typing import Any

import msgspec
import pytest
from msgspec import Raw

from handler import lists
from handler.settings import ListView
from handler.views import MAXIMUM_BYTES
from tests.pizza import settings

LIST = {"kind": "list", "key": "all", "member": "{id}", "unique": True, "fields": {"id": "pk", "by": "by"}}


def view(**others: Any) -> ListView:
    found = settings({"mine": LIST | {"order_by": "by"} | others}).views["mine"]
    assert isinstance(found, ListView)
    return found


def row(encoded: str) -> dict[str, Raw]:
    return msgspec.json.decode(encoded, type=dict[str, Raw])


def ids(written: bytes) -> str:
    return "".join(each["id"] for each in msgspec.json.decode(written))


ROWS = '[{"id":"c","by":3},{"id":"a","by":1}]'


def edited(stored: str, edits: dict[str, str | None], **others: Any) -> bytes:
    definition = view(**others)
    rows = {member: None if encoded is None else row(encoded) for member, encoded in edits.items()}
    return lists.write(lists.read(stored.encode(), definition), rows, definition)


def test_a_row_is_added_where_it_belongs() -> None:
    assert edited(ROWS, {"b": '{"id":"b","by":2}'}) == b'[{"id":"c","by":3},{"id":"b","by":2},{"id":"a","by":1}]'


def test_a_row_is_replaced_and_moves() -> None:
    assert ids(edited(ROWS, {"a": '{"id":"a","by":9}'})) == "ac"


def test_a_row_is_removed_and_an_absent_one_is_no_error() -> None:
    assert ids(edited(ROWS, {"c": None, "x": None})) == "a"


def test_no_edit_leaves_each_byte() -> None:
    assert edited(ROWS, {}) == ROWS.encode()


def test_the_last_row_leaves_an_empty_list() -> None:
    assert edited('[{"id":"a","by":1}]', {"a": None}) == b"[]"


MIXED = {
    "a": "null",
    "b": "false",
    "c": "true",
    "d": "-1e2",
    "e": "9",
    "f": "9.00000000000000000000000000000000000001",
    "g": "10",
    "h": '""',
    "i": '"10"',
    "j": '"9"',
    "k": '"ü"',
    "l": "[1]",
    "m": '{"x":1}',
}


@pytest.mark.parametrize(("descending", "expected"), [(False, "abcdefghijklmz"), (True, "mlkjihgfedcbaz")])
def test_every_type_has_its_place_and_a_missing_value_comes_last(descending: bool, expected: str) -> None:
    rows = {member: f'{{"id":"{member}","by":{value}}}' for member, value in reversed(MIXED.items())}
    assert ids(edited('[{"id":"z"}]', dict(rows), descending=descending)) == expected


@pytest.mark.parametrize("descending", [False, True])
def test_ties_go_by_member_either_way(descending: bool) -> None:
    rows: dict[str, str | None] = {member: f'{{"id":"{member}","by":1.0}}' for member in "bca"}
    assert ids(edited('[{"id":"d","by":1}]', rows, descending=descending)) == "abcd"


def test_rows_go_by_member_where_no_order_is_named() -> None:
    assert ids(edited(ROWS, {"b": '{"id":"b"}'}, order_by=None)) == "abc"


@pytest.mark.parametrize("stored", ["{}", '"text"', "null", "[1]", "[[]]", "not json", "", '[{"id":"a"},{"by":1}]'])
def test_what_is_not_the_views_list_is_left_alone(stored: str) -> None:
    with pytest.raises(lists.NotAListError):
        lists.read(stored.encode(), view())


@pytest.mark.parametrize("stored", [b'[{"id":"\xff"}]', b"\xff"])
def test_what_is_not_utf_8_is_not_the_views(stored: bytes) -> None:
    with pytest.raises(lists.NotAListError):
        lists.read(stored, view())


@pytest.mark.parametrize("value", ['""', "null", "[]", "{}"])
def test_a_row_with_a_member_that_no_item_gives_is_not_the_views(value: str) -> None:
    with pytest.raises(lists.NotAListError, match="member names: id"):
        lists.read(f'[{{"id":{value}}}]'.encode(), view())


@pytest.mark.parametrize(
    ("value", "member"), [("12.50", "12.50"), ("1E+125", "1E+125"), ("true", "true"), ('"\\u00fc"', "ü")]
)
def test_a_rows_member_is_the_text_that_the_item_gave(value: str, member: str) -> None:
    assert list(lists.read(f'[{{"id":{value}}}]'.encode(), view())) == [member]


def test_a_list_over_momentos_limit_is_not_written() -> None:
    room = MAXIMUM_BYTES - len('[{"id":"a","by":""}]')
    assert len(edited("[]", {"a": f'{{"id":"a","by":"{"x" * room}"}}'})) == MAXIMUM_BYTES
    with pytest.raises(lists.TooBigError):
        edited("[]", {"a": f'{{"id":"a","by":"{"x" * room}y"}}'})
