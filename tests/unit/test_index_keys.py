"""What an index would not hold has no place in its list, whether the stream or a rebuild writes it."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from handler.cache import Memory
from handler.outcome import Outcome
from handler.pipeline import process
from tests import pizza
from tests.doubles import EngineCache, MemoryTable
from tests.stream import Stream, batch

TYPES = {"pk": "S", "sk": "S", "group": "S", "at": "N"}
VIEW = {
    "kind": "list",
    "key": "of-{group}",
    "member": "{id}",
    "unique": True,
    "fields": {"id": "pk", "n": "n"},
    "rebuild_from": {
        "index_name": "by-group",
        "index_key_attributes": ["group", "at"],
        "key_condition": {"group": "{group}"},
    },
}

Value = dict[str, Any]

GOOD: Value = {"group": {"S": "g"}, "at": {"N": "1"}}
NEVER: list[Value] = [
    {"at": {"NULL": True}},
    {"at": {"BOOL": True}},
    {"at": {"M": {}}},
    {"at": {"L": [{"N": "1"}]}},
    {"at": {"NS": ["1"]}},
    {"at": {"S": ""}},
    {"at": {"B": ""}},
    {"group": {"S": ""}},
    {"group": {"BOOL": True}},
    {"group": {"S": "g" * 2_049}},
    {"group": {"S": "ä" * 1_025}},
    {"at": {"S": "1" * 1_025}},
    {"at": {"B": base64.b64encode(bytes(1_025)).decode()}},
]
"""What makes an item one that an index with this key does not hold, whatever the key's types."""

OF_ANOTHER_TYPE: list[Value] = [{"at": {"S": "1"}}, {"at": {"B": "MQ=="}}, {"group": {"N": "7"}}]
"""What makes it one that this index does not hold."""

OVER_A_TABLE = pytest.mark.parametrize(
    ("wrong", "types"),
    [(each, types) for each in NEVER for types in ({}, TYPES)] + [(each, TYPES) for each in OF_ANOTHER_TYPE],
)


def record(name: str, before: Value | None, after: Value | None) -> dict[str, Any]:
    """A record of an item's change. Its number goes with its name."""
    stream = Stream()
    stream.put({"pk": name, "sk": "m"})
    made = stream.records[0] | {"eventName": "INSERT" if not before else "MODIFY" if after else "REMOVE"}
    keys = made["dynamodb"]["Keys"]
    images = {"OldImage": before, "NewImage": after}
    change = {kind: made["dynamodb"][kind] for kind in ("Keys", "StreamViewType", "ApproximateCreationDateTime")}
    change["SequenceNumber"] = str(100 + sum(name.encode()))
    return made | {"dynamodb": change | {kind: keys | each for kind, each in images.items() if each is not None}}


def handled(
    *records: Mapping[str, Any],
    cache: EngineCache,
    table: MemoryTable | None = None,
    view: Mapping[str, Any] = VIEW,
    types: Mapping[str, str] | None = None,
) -> Outcome:
    described: dict[str, Any] = {"name": "orders", "key_attributes": ["pk", "sk"]}
    settings = pizza.settings({"mine": view}, table=described | ({"attribute_types": types} if types else {}))
    deadline = cache.clock() + 60
    running = process(
        batch(records), settings, cache, table or MemoryTable(), Memory(), clock=cache.clock, deadline=deadline
    )
    return asyncio.run(running)


def rows(cache: EngineCache, key: str = "of-g") -> list[str]:
    return [row["id"] for row in msgspec.json.decode(cache.get(key) or b"[]")]


@OVER_A_TABLE
def test_an_item_that_the_index_does_not_hold_has_no_place_and_is_no_poison(wrong: Value, types: Any) -> None:
    image, n = GOOD | wrong, {"n": {"N": "2"}}
    for change in ((None, image), (image, image | n), (image, None)):
        cache, table = EngineCache(), MemoryTable()
        outcome = handled(record("a", *change), cache=cache, table=table, types=types)
        assert outcome.response == {"batchItemFailures": []}
        assert "failures" not in outcome.log
        assert (table.queries, cache.requests) == ([], [])


@pytest.mark.parametrize("types", [{}, TYPES])
def test_an_item_that_lacks_a_key_has_no_place_and_is_no_poison(types: Any) -> None:
    cache, table = EngineCache(), MemoryTable()
    outcome = handled(record("a", None, {"group": GOOD["group"]}), cache=cache, table=table, types=types)
    assert outcome.response == {"batchItemFailures": []}
    assert (table.queries, cache.requests) == ([], [])


@OVER_A_TABLE
def test_a_rebuilt_list_is_the_streams_though_the_query_finds_more(wrong: Value, types: Any) -> None:
    strange = GOOD | wrong
    cached, rebuilt = EngineCache(), EngineCache()
    cached.put("of-g", b"[]")
    handled(record("a", None, strange), record("b", None, GOOD), cache=cached, types=types)
    everything = [{"pk": {"S": "a"}, "sk": {"S": "m"}} | strange, {"pk": {"S": "b"}, "sk": {"S": "m"}} | GOOD]
    handled(record("b", None, GOOD), cache=rebuilt, table=MemoryTable(everything), types=types)
    assert rows(cached) == rows(rebuilt) == ["b"]


def test_an_item_leaves_and_enters_the_list_as_it_leaves_and_enters_the_index() -> None:
    cache = EngineCache()
    cache.put("of-g", b"[]")
    good, wrong = GOOD, GOOD | {"at": {"S": "1"}}
    handled(record("a", None, wrong), cache=cache, types=TYPES)
    assert rows(cache) == []
    handled(record("a", wrong, good), cache=cache, types=TYPES)
    assert rows(cache) == ["a"]
    handled(record("a", good, wrong), cache=cache, types=TYPES)
    assert rows(cache) == []


@pytest.mark.parametrize(
    "right",
    [
        {"group": {"S": "g" * 2_048}},
        {"group": {"S": "ä" * 1_024}},
        {"at": {"S": "1" * 1_024}},
        {"at": {"B": base64.b64encode(bytes(1_024)).decode()}},
        {"at": {"S": "1"}},
        {"group": {"N": "7"}},
        {"group": {"B": base64.b64encode(bytes(2_048)).decode()}},
        {"group": {"B": base64.b64encode(bytes(2_047)).decode()}},
    ],
)
def test_what_a_key_can_hold_is_in_the_list_where_its_type_is_not_known(right: Value) -> None:
    cache = EngineCache()
    handled(record("a", None, GOOD | right), cache=cache)
    (key,) = cache.keys()
    assert rows(cache, key) == ["a"]


def test_a_rebuild_measures_the_bytes_that_boto3_answers_with() -> None:
    cache = EngineCache()
    new = GOOD | {"at": {"B": "AAAA"}}
    others = {"longest": bytes(1_024), "too-long": bytes(1_025), "empty": b""}
    table = MemoryTable(
        {"pk": {"S": name}, "sk": {"S": "m"}} | GOOD | {"at": {"B": content}} for name, content in others.items()
    )
    handled(record("a", None, new), cache=cache, table=table, types=TYPES | {"at": "B"})
    assert rows(cache) == ["a", "longest"] or rows(cache) == ["longest", "a"]


def test_where_the_indexs_key_is_not_known_what_is_asked_for_is_a_key_at_least() -> None:
    source = {"index_name": "by-group", "key_condition": {"group": "{group}"}}
    for wrong in ({"BOOL": True}, {"S": "g" * 2_049}):
        cache, table = EngineCache(), MemoryTable()
        outcome = handled(
            record("a", None, {"group": wrong}), cache=cache, table=table, view=VIEW | {"rebuild_from": source}
        )
        assert outcome.response == {"batchItemFailures": []}
        assert table.queries == []
    either = source | {"key_condition": {"at": "1", "group": "{group}"}}
    for known in (source, either):
        cache, long = EngineCache(), {"group": {"S": "g" * 2_048}, "at": {"S": "1"}}
        handled(record("a", None, long), cache=cache, view=VIEW | {"rebuild_from": known})
        assert len(cache.keys()) == 1


def test_a_table_itself_holds_all_its_items() -> None:
    cache = EngineCache()
    view = VIEW | {"key": "of-{pk}", "rebuild_from": {"key_condition": {"pk": "{pk}"}}}
    handled(record("a", None, GOOD | {"at": {"NULL": True}}), cache=cache, view=view, types=TYPES)
    assert rows(cache, "of-a") == ["a"]


def test_a_key_that_dynamodb_does_not_write_is_rejected() -> None:
    outcome = handled(record("a", None, GOOD | {"at": {"X": "secret"}}), cache=EngineCache(), types=TYPES)
    (failure,) = outcome.log["failures"]
    assert failure["reason"] == "an attribute value has a type that DynamoDB does not have"


YEARS = VIEW | {
    "key": "year-2026",
    "rebuild_from": {
        "index_name": "year",
        "index_key_attributes": ["year"],
        "key_condition": {"year": "2026"},
    },
}


@pytest.mark.parametrize(("kind", "other"), [("N", "S"), ("S", "N")])
def test_a_constant_has_the_keys_type(kind: str, other: str) -> None:
    cache = EngineCache()
    table = MemoryTable([{"pk": {"S": "b"}, "sk": {"S": "m"}, "year": {kind: "2026"}}])
    records = [record("a", None, {"year": {kind: "2026"}}), record("c", None, {"year": {other: "2026"}})]
    outcome = handled(*records, cache=cache, table=table, view=YEARS, types={"year": kind})
    assert outcome.response == {"batchItemFailures": []}
    assert table.queries == [("year", {"year": {kind: "2026"}})]
    assert sorted(rows(cache, "year-2026")) == ["a", "b"]


def test_a_number_is_found_by_its_value_as_a_query_finds_it() -> None:
    cache = EngineCache()
    values = {"a": "2026", "b": "2026.0", "c": "2.026E+3", "d": "2026.5", "e": "-2026"}
    records = [record(name, None, {"year": {"N": digits}}) for name, digits in values.items()]
    handled(*records, cache=cache, view=YEARS, types={"year": "N"})
    assert sorted(rows(cache, "year-2026")) == ["a", "b", "c"]


def test_a_constant_for_the_tables_own_key_has_its_type() -> None:
    cache, table = EngineCache(), MemoryTable()
    view = VIEW | {"key": "seven", "rebuild_from": {"key_condition": {"pk": "7"}}}
    made = record("a", None, {"pk": {"N": "7"}})
    made["dynamodb"]["Keys"]["pk"] = {"N": "7"}
    handled(made, cache=cache, table=table, view=view, types={"pk": "N", "sk": "S"})
    assert table.queries == [(None, {"pk": {"N": "7"}})]
    assert len(rows(cache, "seven")) == 1


@pytest.mark.parametrize("value", [{"S": "7"}, {"N": "7"}, {"B": "Nw=="}])
def test_a_placeholder_alone_is_the_attributes_own_value(value: Value) -> None:
    cache, table = EngineCache(), MemoryTable()
    (kind,) = value
    handled(record("a", None, GOOD | {"group": value}), cache=cache, table=table, types=TYPES | {"group": kind})
    assert table.queries == [("by-group", {"group": value})]
    (key,) = cache.keys()
    assert rows(cache, key) == ["a"]


def test_a_key_with_half_a_surrogate_pair_disturbs_no_view_that_does_not_show_it() -> None:
    cache = EngineCache()
    handled(record("a", None, GOOD | {"at": {"S": "\ud800"}}), cache=cache, types=TYPES | {"at": "S"})
    assert rows(cache) == ["a"]
