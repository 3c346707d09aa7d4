import base64
import gzip
from typing import Any

import msgspec
import pytest

from handler.settings import ListView, Settings, SettingsError, load, parse

MOMENTO = {"cache_name": "pizza", "secret_arn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento"}
ITEM = {"kind": "item", "key": "{pk}#{sk}"}
LIST = {"kind": "list", "key": "all", "member": "{pk}#{sk}"}
STAMP = b"\n\t\r\r\r\n  \r\n\r \r\n\r "


def parsed(view: Any, **others: Any) -> Settings:
    table = {"name": "orders", "key_attributes": ["pk", "sk"]}
    return parse(msgspec.json.encode({"table": table, "momento": MOMENTO, "views": {"mine": view}} | others))


def test_the_least_is_enough() -> None:
    settings = parsed(ITEM)
    assert settings.ttl_seconds == 86_400
    assert settings.key_prefix == ""
    view = settings.views["mine"]
    assert (view.fields, view.where, view.unique, view.ttl_seconds) == (None, None, False, None)
    assert settings.skip_unchanged
    momento = settings.momento
    assert (momento.secret_json_key, momento.endpoint, momento.max_operations_per_second) == (None, None, None)
    assert momento.max_item_bytes == 5_000_000
    assert settings.table.attribute_types == {}
    assert settings.timeout_seconds == 60


def test_a_list_is_newest_first_and_is_not_rebuilt_where_nothing_is_said() -> None:
    view = parsed(LIST).views["mine"]
    assert isinstance(view, ListView)
    assert view.descending
    assert (view.order_by, view.limit, view.rebuild_from) == (None, None, None)


def test_the_key_prefix_stands_before_every_key() -> None:
    view = parsed(ITEM, key_prefix="shop-").views["mine"]
    assert view.key.of({"pk": {"S": "1"}, "sk": {"S": "m"}}) == "shop-1#m"


def test_settings_come_gzipped_in_one_variable() -> None:
    document = msgspec.json.encode({"table": {"name": "orders"}, "momento": MOMENTO, "views": {"mine": ITEM}})
    settings = load({"SETTINGS": base64.b64encode(gzip.compress(document)).decode()})
    assert settings.table.name == "orders"
    assert settings.table.key_attributes is None


COMPRESSED = gzip.compress(b"{")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "SETTINGS is missing"),
        ({"SETTINGS": "%"}, "is not base64 of gzip"),
        ({"SETTINGS": "%" + base64.b64encode(COMPRESSED).decode()}, "is not base64 of gzip"),
        ({"SETTINGS": "AAAA"}, "is not base64 of gzip"),
        ({"SETTINGS": base64.b64encode(COMPRESSED[:-1])}, "is not base64 of gzip"),
        ({"SETTINGS": base64.b64encode(COMPRESSED[:10] + b"\xff" * 20)}, "is not base64 of gzip"),
        ({"SETTINGS": base64.b64encode(COMPRESSED)}, "not JSON"),
    ],
)
def test_an_environment_that_is_not_terraforms_is_refused(environment: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(environment)


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (ITEM | {"kind": "set"}, r"views.mine: .*'set'.*kind"),
        ({"key": "{pk}"}, "views.mine: .*kind"),
        ({"kind": "item"}, "views.mine: .*`key`"),
        (ITEM | {"member": "{id}"}, "views.mine: .*unknown field `member`"),
        (ITEM | {"key": 1}, "views.mine: a string is expected - at `\\$.key`"),
        (ITEM | {"key": "{pk"}, "views.mine: .*without its partner"),
        (ITEM | {"key": "all"}, "views.mine: `key` has no placeholder"),
        (ITEM | {"key": "{pk}"}, "views.mine: two items could share an entry.*sk is not part of `key`"),
        (ITEM | {"fields": {}}, "views.mine: `fields` is empty"),
        (ITEM | {"fields": {"id": "a..b"}}, "views.mine: .*not an attribute path"),
        (ITEM | {"where": {"type": "order"}}, 'views.mine: "type" must be a list.* - at `\\$.where`'),
        (ITEM | {"ttl_seconds": 299}, "views.mine: `ttl_seconds` must be 300 to 31536000"),
        (ITEM | {"ttl_seconds": 31_536_001}, "views.mine: `ttl_seconds` must be 300 to 31536000"),
        (LIST | {"ttl_seconds": 299}, "views.mine: `ttl_seconds` must be 300 to 31536000"),
        (LIST | {"fields": {}}, "views.mine: `fields` is empty"),
        (LIST | {"member": "all"}, "views.mine: `member` has no placeholder"),
        (LIST | {"member": "{pk}"}, "views.mine: two items could share.*sk is not part of `member`"),
        (LIST | {"fields": {"id": "pk"}}, 'views.mine: `member` names "pk", which is not one of the `fields`'),
        (
            LIST | {"fields": {"pk": "pk", "sk": "sk"}, "order_by": "createdAt"},
            'views.mine: `order_by` names "createdAt"',
        ),
        (LIST | {"member": "{pk}#{s}", "fields": {"pk": "pk", "s": "sk[0]"}}, "views.mine: two items could share.*sk"),
        (LIST | {"fields": {"pk": "pk", "sk": "sk.deep"}}, "views.mine: two items could share.*sk"),
        (LIST | {"key": ""}, "views.mine: `key` is empty"),
        (LIST | {"member": "{pk}#{sk}#{address.city}"}, 'views.mine: `member` names "address.city", which is within'),
        (LIST | {"order_by": "address.city"}, 'views.mine: `order_by` names "address.city", which is within'),
        (
            LIST | {"order_by": "at[0]"},
            r".*or has a dot or bracket in its name: show it by `fields` of its own, such as",
        ),
        (LIST | {"limit": 0}, "views.mine: `limit` must be 1 to 10000"),
        (LIST | {"limit": 10_001}, "views.mine: `limit` must be 1 to 10000"),
        (ITEM | {"limit": 1}, "views.mine: .*unknown field `limit`"),
        (ITEM | {"key": "{pk}#{sk}#{_cache_refresh.at}"}, "views.mine: `key` names _cache_refresh, which is reserved"),
        (ITEM | {"fields": {"at": "_cache_refresh"}}, "views.mine: `fields` names _cache_refresh, which is reserved"),
        (LIST | {"member": "{pk}#{sk}#{_cache_refresh}"}, "views.mine: `member` names _cache_refresh, which is reserv"),
        (LIST | {"order_by": "_cache_refresh"}, "views.mine: `order_by` names _cache_refresh, which is reserved"),
        (
            LIST | {"rebuild_from": {"key_condition": {"type": "{type}"}}},
            'views.mine: `rebuild_from.key_condition.type` uses "type", which `key` does not hold',
        ),
        (LIST | {"rebuild_from": {"index_name": "type"}}, "views.mine: .*`key_condition`"),
        (
            LIST | {"rebuild_from": {"key_condition": {"pk": "a"}, "index": "type"}},
            "views.mine: .*unknown field `index`",
        ),
        (LIST | {"rebuild_from": {"key_condition": {}}}, "views.mine: `key_condition` is empty"),
        (
            LIST | {"rebuild_from": {"key_condition": {"pk": ""}}},
            "views.mine: `rebuild_from.key_condition.pk` is empty, which no key is",
        ),
    ],
)
def test_a_wrong_view_is_refused_and_named(view: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parsed(view)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"views": {}}, "`views` is empty"),
        ({"views": []}, "views"),
        ({"ttl_seconds": 10**20}, "ttl_seconds"),
        ({"ttl_seconds": 1}, "`ttl_seconds` must be 300 to 31536000"),
        ({"momento": {"cache_name": "pizza"}}, "secret_arn"),
        ({"momento": MOMENTO | {"max_operations_per_second": 0}}, "`max_operations_per_second` must be greater than 0"),
        ({"momento": MOMENTO | {"max_item_bytes": 0}}, "`max_item_bytes` must be at least 1"),
        ({"momento": MOMENTO | {"max_item_bytes": 1.5}}, "max_item_bytes"),
        ({"momento": MOMENTO | {"request_timeout_seconds": 0.49}}, "`request_timeout_seconds` must be 0.5 to 5"),
        ({"momento": MOMENTO | {"request_timeout_seconds": 5.1}}, "`request_timeout_seconds` must be 0.5 to 5"),
        ({"surprise": 1}, "surprise"),
        ({"table": {"name": "orders", "surprise": 1}}, "surprise"),
        ({"momento": MOMENTO | {"surprise": 1}}, "surprise"),
        ({"timeout_seconds": 0}, "`timeout_seconds` must be 1 to 900"),
        ({"timeout_seconds": 901}, "`timeout_seconds` must be 1 to 900"),
        ({"table": {"name": "orders", "attribute_types": {"pk": "BOOL"}}}, "attribute_types"),
    ],
)
def test_wrong_settings_are_refused_and_named(others: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parsed(ITEM, **others)


@pytest.mark.parametrize(
    "others",
    [
        {"ttl_seconds": 300},
        {"ttl_seconds": 31_536_000},
        {"timeout_seconds": 1},
        {"timeout_seconds": 900},
        {"momento": MOMENTO | {"max_operations_per_second": 0.5}},
        {"momento": MOMENTO | {"max_item_bytes": 1}},
        {"momento": MOMENTO | {"request_timeout_seconds": 0.5}},
        {"momento": MOMENTO | {"request_timeout_seconds": 5}},
    ],
)
def test_settings_at_their_bounds_are_accepted(others: Any) -> None:
    assert parsed(ITEM, **others).views


@pytest.mark.parametrize(
    "view",
    [
        ITEM | {"ttl_seconds": 300},
        ITEM | {"ttl_seconds": 31_536_000},
        LIST | {"limit": 1},
        LIST | {"limit": 10_000},
        # It is the row's field that has the dot.
        LIST | {"member": "{user.id}#{sk}", "fields": {"user.id": "pk", "sk": "sk"}, "order_by": "user.id"},
    ],
)
def test_a_view_at_its_bounds_is_accepted(view: Any) -> None:
    assert parsed(view).views


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (
            "N",
            "year",
            r'is text, but that key\'s type is N .*a placeholder alone, like "{k}", or a number .*like "2026"',
        ),
        ("N", "20{yy}", "type is N"),
        ("N", " 7", "type is N"),
        ("N", "007", "type is N"),
        ("N", "+7", "type is N"),
        ("N", "-0", "type is N"),
        ("N", "1.50", "type is N"),
        ("N", ".5", "type is N"),
        ("N", "5.", "type is N"),
        ("N", "1E3", "type is N"),
        ("N", "\N{ARABIC-INDIC DIGIT SEVEN}", "type is N"),
        ("N", "1" * 39, "type is N .*of at most 38 digits"),
        ("B", "AAAA", 'is text, but that key\'s type is B .*write a placeholder alone, like "{k}"'),
        ("B", "A{yy}", "type is B"),
    ],
)
def test_a_key_condition_that_its_keys_type_cannot_hold_is_refused(kind: str, value: str, message: str) -> None:
    table = {"name": "orders", "attribute_types": {"k": kind}}
    view = LIST | {"key": "of-{yy}-{k}", "rebuild_from": {"key_condition": {"k": value}}}
    with pytest.raises(SettingsError, match=f"views.mine: `rebuild_from.key_condition.k` .*{message}"):
        parsed(view, table=table)
    assert parsed(view).views


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((kind, "{k}") for kind in "SNB"),
        ("S", "7{yy}"),
        ("S", "007"),
        *(("N", value) for value in ("0", "7", "-7", "2026", "10", "0.5", "-0.05", "12.5", "1" * 38, "-0." + "1" * 37)),
    ],
)
def test_a_key_condition_that_its_keys_type_can_hold_is_accepted(kind: str, value: str) -> None:
    table = {"name": "orders", "attribute_types": {"k": kind}}
    view = LIST | {"key": "of-{yy}-{k}", "rebuild_from": {"key_condition": {"k": value}}}
    assert parsed(view, table=table).views


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(SettingsError, match="object"):
        parse(b"[]")


def test_unique_vouches_for_a_key_that_lacks_the_primary_keys() -> None:
    assert parsed(ITEM | {"key": "{pk}", "unique": True}).views["mine"].unique


def test_a_members_fields_stand_for_the_attributes_that_they_show() -> None:
    assert parsed(LIST | {"member": "{a}#{b}", "fields": {"a": "pk", "b": "sk"}}).views


@pytest.mark.parametrize("name", ["user.id", "ids[0]", "a.b[1].c"])
def test_a_primary_key_with_dots_or_brackets_in_its_name_tells_entries_apart(name: str) -> None:
    table = {"name": "users", "key_attributes": [name]}
    assert parsed(ITEM | {"key": f"u/{{{name}}}"}, table=table).views
    assert parsed(LIST | {"member": "{id}", "fields": {"id": name}}, table=table).views
    with pytest.raises(SettingsError, match="two items could share an entry"):
        parsed(ITEM | {"key": "u/{user}"}, table=table)


def test_a_pattern_keeps_every_digit_of_its_numbers() -> None:
    where = {"n": [msgspec.Raw(b"0.10000000000000000000000000000000000001")]}
    pattern = parsed(ITEM | {"where": where}).views["mine"].where
    assert pattern is not None
    assert pattern.matches({"n": {"N": "0.10000000000000000000000000000000000001"}})
    assert not pattern.matches({"n": {"N": "0.1"}})


def test_settings_without_views_are_refused() -> None:
    with pytest.raises(SettingsError, match="missing required field `views`"):
        parse(msgspec.json.encode({"table": {"name": "orders"}, "momento": MOMENTO}))


def test_of_two_views_the_wrong_one_is_named() -> None:
    # Equal, if they are read with 16 digits.
    where = {"n": [{"numeric": [">", msgspec.Raw(b"0.1"), "<", msgspec.Raw(b"0.10000000000000000000000000000001")]}]}
    with pytest.raises(SettingsError, match="^views.wrong: "):
        parsed(ITEM, views={"right": ITEM | {"where": where}, "wrong": {"kind": "item"}})


def stamp(**changes: Any) -> bytes:
    view = parsed(LIST | changes).views["mine"]
    assert isinstance(view, ListView)
    return view.stamp


def test_a_lists_definition_has_the_same_stamp_as_ever() -> None:
    """Lists that an older version of the handler wrote must not be rebuilt because it was upgraded."""
    assert stamp() == STAMP
    reversed_view = parsed(dict(reversed(LIST.items()))).views["mine"]
    assert isinstance(reversed_view, ListView)
    assert reversed_view.stamp == STAMP
    assert stamp(ttl_seconds=600) == STAMP
    assert stamp(limit=5) != STAMP
    assert stamp(where={"n": [0.5]}) == b"\n   \r\r\n\n\n\t  \n\n\r\n"


def test_a_lists_stamp_tells_numbers_apart_in_their_last_digit() -> None:
    numbers = ("0.1", "0.10000000000000000000000000000000000001", '"0.1"')
    assert len({stamp(where={"n": [msgspec.Raw(number.encode())]}) for number in numbers}) == 3
