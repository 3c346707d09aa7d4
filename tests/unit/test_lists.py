import itertools
from typing import Any

import msgspec
import pytest

from handler import lists
from handler.settings import ListView
from tests.pizza import settings

LIST = {"kind": "list", "key": "all", "member": "{id}", "unique": True, "fields": {"id": "pk", "by": "by"}}


def view(**others: Any) -> ListView:
    found = settings({"mine": LIST | {"order_by": "by"} | others}).views["mine"]
    assert isinstance(found, ListView)
    return found


def row(encoded: str) -> bytes:
    return encoded.encode()


def ids(written: bytes) -> str:
    return "".join(each["id"] for each in msgspec.json.decode(written))


Rows = dict[str, lists.EncodedRow]

ROWS = '[{"id":"c","by":3},{"id":"a","by":1}]'


def edited(stored: str, edits: dict[str, str | None], **others: Any) -> bytes:
    definition = view(**others)
    rows: dict[str, lists.Edit] = {m: None if encoded is None else row(encoded) for m, encoded in edits.items()}
    after = lists.cut(lists.edited(lists.read(stored.encode(), definition), rows), definition)
    return lists.write(after, definition).removesuffix(definition.stamp)


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
    "k": '"9 "',
    "l": '"ü"',
    "m": "[1]",
    "n": '{"x":1}',
}


@pytest.mark.parametrize(("descending", "expected"), [(False, "abcdefghijklmnyz"), (True, "nmlkjihgfedcbayz")])
def test_every_type_has_its_place_and_a_missing_value_comes_last(descending: bool, expected: str) -> None:
    rows = {member: f'{{"id":"{member}","by":{value}}}' for member, value in reversed(MIXED.items())}
    assert ids(edited('[{"id":"z"},{"id":"y"}]', dict(rows), descending=descending)) == expected


@pytest.mark.parametrize("descending", [False, True])
def test_ties_go_by_member_either_way(descending: bool) -> None:
    rows: dict[str, str | None] = {member: f'{{"id":"{member}","by":1.0}}' for member in "bca"}
    assert ids(edited('[{"id":"d","by":1}]', rows, descending=descending)) == "abcd"


@pytest.mark.parametrize(("descending", "expected"), [(False, "bacd"), (True, "cdab")])
def test_lists_and_maps_go_by_their_json_in_which_attributes_have_one_order(descending: bool, expected: str) -> None:
    by = {"a": "[1.5]", "b": '["1.5"]', "c": '{"x":1,"y":2}', "d": '{"y":2,"x":1}'}
    rows: dict[str, str | None] = {member: f'{{"id":"{member}","by":{value}}}' for member, value in by.items()}
    assert ids(edited("[]", rows, descending=descending)) == expected


def test_rows_go_by_member_where_no_order_is_named() -> None:
    assert ids(edited(ROWS, {"b": '{"id":"b"}'}, order_by=None)) == "abc"


@pytest.mark.parametrize("stored", ["{}", '"text"', "null", "[1]", "[[]]", "not json", ""])
def test_what_is_not_a_list_of_rows_is_left_alone(stored: str) -> None:
    with pytest.raises(lists.NotAListError, match="^the entry is not a JSON array of rows$"):
        lists.read(stored.encode(), view())


@pytest.mark.parametrize("stored", [b'[{"id":"\xff"}]', b"\xff"])
def test_what_is_not_utf_8_is_not_the_views(stored: bytes) -> None:
    with pytest.raises(lists.NotAListError, match="^the entry is not a JSON array of rows$"):
        lists.read(stored, view())


@pytest.mark.parametrize("value", ['""', "null", "[]", "{}"])
def test_a_row_with_a_member_that_no_item_gives_is_not_the_views(value: str) -> None:
    with pytest.raises(lists.NotAListError, match="member names: id"):
        lists.read(f'[{{"id":{value}}}]'.encode(), view())


@pytest.mark.parametrize("stored", ['[{"id":"a","by":1},{"id":"b"}]', '[{"by":1}]'])
def test_a_row_without_a_field_of_its_member_is_not_the_views(stored: str) -> None:
    with pytest.raises(lists.NotAListError, match="^a row lacks a field that the view's member names: id, by$"):
        lists.read(stored.encode(), view(member="{id}#{by}"))


@pytest.mark.parametrize(
    ("value", "member"), [("12.50", "12.50"), ("1E+125", "1E+125"), ("true", "true"), ('"\\u00fc"', "ü")]
)
def test_a_rows_member_is_the_text_that_the_item_gave(value: str, member: str) -> None:
    assert list(lists.read(f'[{{"id":{value}}}]'.encode(), view())) == [member]


def test_a_limited_list_has_its_first_rows() -> None:
    assert ids(edited(ROWS, {"b": '{"id":"b","by":2}'}, limit=2)) == "cb"
    assert ids(edited(ROWS, {"b": '{"id":"b","by":2}'}, limit=2, descending=False)) == "ab"
    assert ids(edited(ROWS, {"b": '{"id":"b"}'}, limit=2)) == "ca"
    assert ids(edited(ROWS, {}, limit=2, order_by=None)) == "ac"


STORED = {"d": 4, "c": 3, "b": 2}
"""Three rows that may have been cut at a limit of three: nobody knows what comes after `b`."""


@pytest.mark.parametrize(
    ("edits", "short"),
    [
        ({}, False),
        ({"e": 5}, False),
        ({"c": None}, True),
        ({"b": None}, True),
        ({"x": None}, False),
        ({"c": None, "e": 5}, False),
        ({"b": None, "e": 5}, False),
        # In the list or not, a row after the last one known says nothing of those between.
        ({"c": None, "a": 1}, True),
        ({"c": 1}, True),
        ({"b": 1}, True),
        ({"b": 1, "e": 5}, False),
        ({"b": 9}, False),
        ({"d": 2}, True),
        # A tie is decided by the member: `a` comes before `b`, and `z` after it.
        ({"c": None, "a": 2}, False),
        ({"c": None, "z": 2}, True),
        ({"d": None, "c": None, "e": 5}, True),
    ],
)
def test_a_list_cut_at_its_limit_falls_short_when_a_row_unknown_may_belong_to_it(
    edits: dict[str, int | None], short: bool
) -> None:
    stored: Rows = {member: row(f'{{"id":"{member}","by":{by}}}') for member, by in STORED.items()}
    changed: dict[str, lists.Edit] = {
        m: None if by is None else row(f'{{"id":"{m}","by":{by}}}') for m, by in edits.items()
    }
    assert lists.falls_short(stored, lists.edited(stored, changed), view(limit=3)) is short


def test_a_list_below_its_limit_or_without_one_is_whole() -> None:
    stored: Rows = {"a": row('{"id":"a","by":1}')}
    assert not lists.falls_short(stored, {}, view(limit=2))
    assert not lists.falls_short(stored, {}, view())
    assert lists.falls_short(stored, {}, view(limit=1))


def test_whatever_is_cut_off_a_list_that_does_not_fall_short_is_right() -> None:
    """Every small list, cut at every limit, under every pair of edits, against the list that was never cut."""
    checked = 0
    for limit, ranks in itertools.product((1, 2, 3), itertools.product((None, 0, 1), repeat=4)):
        everything: Rows = {
            m: row(f'{{"id":"{m}","by":{by}}}') for m, by in zip("abcd", ranks, strict=True) if by is not None
        }
        stored = lists.cut(everything, view(limit=limit))
        for members, values in itertools.product(
            itertools.combinations("abcd", 2), itertools.product((None, 0, 1), repeat=2)
        ):
            edits: dict[str, lists.Edit] = {
                m: None if by is None else row(f'{{"id":"{m}","by":{by}}}')
                for m, by in zip(members, values, strict=True)
            }
            kept = lists.edited(stored, edits)
            if not lists.falls_short(stored, kept, view(limit=limit)):
                checked += 1
                assert lists.cut(kept, view(limit=limit)) == lists.cut(
                    lists.edited(everything, edits), view(limit=limit)
                )
    assert checked > 1_000


def test_a_definition_is_told_by_white_space_that_no_reader_sees() -> None:
    written = lists.write({"a": b'{"id":"a"}'}, view())
    assert msgspec.json.decode(written) == [{"id": "a"}]
    assert len(written) == len(b'[{"id":"a"}]') + 16
    assert [bytes(row) for row in lists.read(written, view()).values()] == [b'{"id":"a"}']


@pytest.mark.parametrize(
    ("changes", "redefined"),
    [
        ({}, False),
        ({"ttl_seconds": 600}, False),
        ({"limit": 5}, True),
        ({"where": {"type": ["order"]}}, True),
        ({"order_by": None}, True),
        ({"descending": False}, True),
        ({"fields": {"id": "pk", "by": "sk"}}, True),
        ({"rebuild_from": {"index_name": "type", "key_condition": {"type": "order"}}}, True),
    ],
)
def test_a_list_of_another_definition_is_recognized(changes: dict[str, Any], redefined: bool) -> None:
    empty = {"rebuild_from": None}
    for rows in ({}, {"a": b'{"id":"a","by":["]"]}'}):
        assert lists.is_redefined(lists.write(rows, view(**empty)), view(**empty | changes)) is redefined


@pytest.mark.parametrize("stored", ["[]", "[] ", "[]\n", " [ ] \n", "null", "", "[" + " " * 16, '[{"id":"a]    "}]'])
def test_a_list_that_a_reader_filled_is_trusted(stored: str) -> None:
    assert not lists.is_redefined(stored.encode(), view())


def leaving(*own: str, keys: str = "", fields: str = "n v", by_key: bool = False) -> lists.Leaving:
    item = (("pk", "S", "a"), ("sk", "N", "1"), ("t", "B", "AA=="))
    return lists.Leaving(
        frozenset(each.encode() for each in own),
        by_key,
        frozenset(keys.split()),
        frozenset(fields.split()),
        frozenset([item]),
    )


@pytest.mark.parametrize(
    ("present", "goes"),
    [
        ('{"n":1,"v":{"x":1,"y":2}}', True),
        ('{"v":{"y":2,"x":1},"n":1}', True),
        ('{"n":2,"v":{"x":1,"y":2}}', False),
        ('{"n":true,"v":{"x":1,"y":2}}', False),
        ('{"n":"1","v":{"x":1,"y":2}}', False),
        # An application writes null for what is absent; an older definition lacks a field, or has another.
        ('{"n":1,"v":null}', True),
        ('{"n":1}', True),
        ('{"n":1,"former":5}', True),
        ('{"former":5}', True),
        # What no view writes.
        ("[1]", True),
        ("null", True),
        ("\xff", True),
        ("{", True),
    ],
)
def test_a_leaving_takes_what_its_item_showed_and_what_no_item_of_the_view_shows(present: str, goes: bool) -> None:
    assert leaving('{"n":9}', '{"n":1,"v":{"x":1,"y":2}}').takes(present.encode("latin1")) is goes


@pytest.mark.parametrize(
    ("present", "goes"),
    [("1.5", True), ('"1.5"', False), ("1.5000000000000000000000000000000000001", False)],
)
def test_a_leaving_takes_the_number_that_its_item_showed_to_the_last_digit_and_no_text(
    present: str, goes: bool
) -> None:
    assert leaving('{"n":1.5}').takes(f'{{"n":{present}}}'.encode()) is goes
    assert leaving('{"n":1.5}', by_key=True).takes(f'{{"n":{present}}}'.encode()) is goes
    assert leaving(f'{{"n":{present}}}').takes(b'{"n":1.5}') is goes


def test_of_two_items_that_leave_one_place_each_takes_its_own() -> None:
    def both(**others: Any) -> lists.Leaving:
        one, other = leaving('{"id":"a","n":1}', **others), leaving('{"id":"b","n":2}', **others)
        return one.joined(msgspec.structs.replace(other, items=frozenset([(("pk", "S", "b"),)])))

    by_state, by_key = both(keys="id", fields="id n"), both(keys="id", fields="", by_key=True)
    for row, goes, may_go in (
        (b'{"id":"a","n":1}', True, False),
        (b'{"id":"b","n":2}', True, False),
        (b'{"id":"b","n":null}', True, False),
        (b'{"id":"a","n":2}', False, True),
        (b'{"id":"c","n":1}', False, False),
    ):
        assert by_state.takes(row) is goes
        assert by_state.may_take(row) is may_go
    for row, goes in ((b'{"id":"a","n":1}', True), (b'{"id":"b","n":2}', True), (b'{"id":"c","n":1}', False)):
        assert by_key.takes(row) is goes
    item = {"pk": {"S": "a"}, "sk": {"N": "1"}, "t": {"B": "AA=="}}
    assert by_state.takes_item(item)
    assert by_state.takes_item({"pk": {"S": "b"}})
    assert not by_state.takes_item(item | {"pk": {"S": "c"}})


@pytest.mark.parametrize(
    ("present", "goes"),
    [('{"id":"a","n":5}', True), ('{"id":"b","n":1}', False), ('{"n":1}', True), ('{"id":1}', False)],
)
def test_where_the_key_is_shown_it_tells_whose_a_row_is(present: str, goes: bool) -> None:
    assert leaving('{"id":"a"}', keys="id", fields="", by_key=True).takes(present.encode()) is goes
    assert not leaving('{"id":"a"}', keys="id", fields="", by_key=True).may_take(present.encode())


@pytest.mark.parametrize(
    ("present", "unsure"),
    [
        ('{"id":"a","n":1}', False),
        ('{"id":"a","n":2}', True),
        ('{"id":"b","n":1}', False),
        ('{"id":"a","n":null}', False),
    ],
)
def test_where_a_part_of_the_key_is_shown_only_the_table_knows_whose_another_state_is(
    present: str, unsure: bool
) -> None:
    edit = leaving('{"id":"a","n":1}', keys="id", fields="id n")
    assert edit.may_take(present.encode()) is unsure
    assert lists.is_unsure({"m": present.encode()}, {"m": edit, "absent": edit, "row": b"{}", "any": None}) is unsure
    assert not lists.is_unsure({"m": present.encode()}, {"m": leaving('{"n":1}', fields="n")})


@pytest.mark.parametrize(
    ("image", "leaves"),
    [
        ({"pk": {"S": "a"}, "sk": {"N": "1"}, "t": {"B": "AA=="}, "n": {"N": "5"}}, True),
        ({"pk": {"S": "a"}, "sk": {"N": "1"}, "t": {"B": b"\x00"}}, True),
        ({"pk": {"S": "b"}, "sk": {"N": "1"}, "t": {"B": "AA=="}}, False),
        ({"pk": {"S": "a"}, "sk": {"S": "1"}, "t": {"B": "AA=="}}, False),
        ({"pk": {"S": "a"}, "sk": {"N": "1"}}, False),
    ],
)
def test_an_item_that_leaves_is_known_by_its_primary_key(image: dict[str, Any], leaves: bool) -> None:
    assert leaving().takes_item(image) is leaves


def test_rows_become_views_of_what_they_were_written_as() -> None:
    rows: Rows = {"b": b'{"id":"b"}', "a": b'{"id":"a"}'}
    written = lists.write(rows, view())
    assert {member: bytes(row) for member, row in lists.views_of(rows, written).items()} == rows
