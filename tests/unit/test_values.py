"""Values at their extremes, on their whole way: from a stream record to what a reader finds in the cache."""

import asyncio
import base64
import json
from decimal import Decimal
from typing import Any

import pytest

from handler.cache import Memory
from handler.outcome import Outcome
from handler.pipeline import process
from tests.doubles import EngineCache, MemoryTable
from tests.pizza import settings
from tests.stream import Stream, batch

ITEM = {"kind": "item", "key": "{pk}", "unique": True}
LIST = {"kind": "list", "key": "all", "member": "{pk}", "unique": True, "fields": {"pk": "pk", "v": "v"}}
KIB = 1024


class Reader:
    """A cache that is kept by the views, with an empty list in it, and looked at as a reader does."""

    def __init__(self, **views: Any) -> None:
        self.cache = EngineCache()
        self.cache.put("all", b"[]")
        self.settings = settings(views)

    def follow(self, *records: dict[str, Any]) -> Outcome:
        deadline = self.cache.clock() + 60
        work = process(
            batch(records),
            self.settings,
            self.cache,
            MemoryTable(),
            Memory(),
            clock=self.cache.clock,
            deadline=deadline,
        )
        return asyncio.run(work)

    def text(self, key: str) -> str:
        stored = self.cache.get(key)
        assert stored is not None
        return stored.decode()

    def json(self, key: str) -> Any:
        return json.loads(self.text(key), parse_int=Decimal, parse_float=Decimal)


def inserted(value: Any, pk: str = "a") -> dict[str, Any]:
    """The record of an item that comes with `v` in DynamoDB's own notation."""
    stream = Stream()
    stream.put({"pk": pk, "sk": "m"})
    (record,) = stream.records
    record["dynamodb"]["NewImage"]["v"] = value
    return record


def done(outcome: Outcome) -> bool:
    return outcome.response == {"batchItemFailures": []}


@pytest.mark.parametrize(
    "digits",
    [
        "0",
        "-0",
        "-1",
        "12345678901234567890123456789012345678",
        "-0.12345678901234567890123456789012345678",
        "1234567890123456789.0123456789012345678",
        "1E+125",
        "-9.9999999999999999999999999999999999999E+125",
        "1E-130",
        "-1E-130",
        "1" + "0" * 125,
        "0." + "0" * 129 + "1",
    ],
)
def test_a_number_reaches_readers_digit_by_digit_and_stays_so_in_a_list_that_is_written_again(digits: str) -> None:
    reader = Reader(item=ITEM, list=LIST | {"order_by": "v"}, keyed=ITEM | {"key": "v-{v}", "fields": {"pk": "pk"}})
    assert done(reader.follow(inserted({"N": digits})))
    assert f'"v":{digits}}}' in reader.text("a")
    assert done(reader.follow(inserted({"N": "7"}, "b")))
    assert f'"v":{digits}}}' in reader.text("all")
    assert reader.json("a")["v"] == Decimal(digits)
    assert reader.json(f"v-{digits}") == {"pk": "a"}


def test_a_list_is_in_the_order_of_its_numbers_whatever_their_size_and_notation() -> None:
    numbers = ["-1E+125", "-99999999999999999999999999999999999999", "-1E-130", "0", "1E-130", "0.5", "9", "1E+1", "11"]
    numbers += ["99999999999999999999999999999999999998", "99999999999999999999999999999999999999", "1E+125"]
    reader = Reader(list=LIST | {"order_by": "v", "descending": False})
    for number in numbers[::-1]:
        assert done(reader.follow(inserted({"N": number}, f"item {number}")))
    assert [row["pk"] for row in reader.json("all")] == [f"item {number}" for number in numbers]


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ({"NULL": True}, None),
        ({"BOOL": True}, True),
        ({"BOOL": False}, False),
        ({"S": ""}, ""),
        ({"S": "null"}, "null"),
        ({"S": '\x00\x1f\u2028"\\/'}, '\x00\x1f\u2028"\\/'),
        ({"L": []}, []),
        ({"M": {}}, {}),
        ({"L": [{"NULL": True}, {"L": []}, {"S": ""}]}, [None, [], ""]),
        ({"M": {"": {"S": ""}, "é 🍕": {"S": "🍕"}}}, {"": "", "é 🍕": "🍕"}),
        ({"B": ""}, ""),
        ({"B": base64.b64encode(bytes(range(256))).decode()}, base64.b64encode(bytes(range(256))).decode()),
        ({"SS": ["b", "🍕", "\uffee", ""]}, ["", "b", "\uffee", "🍕"]),
        ({"NS": ["10", "9", "-1E+2"]}, [Decimal(-100), Decimal(9), Decimal(10)]),
        ({"BS": ["/w==", "AA=="]}, ["/w==", "AA=="]),
    ],
)
def test_a_value_of_each_type_is_seen_as_it_is_and_never_taken_for_absent(value: Any, seen: Any) -> None:
    reader = Reader(item=ITEM, list=LIST)
    assert done(reader.follow(inserted(value)))
    assert reader.json("a") == {"pk": "a", "sk": "m", "v": seen}
    assert reader.json("all") == [{"pk": "a", "v": seen}]


@pytest.mark.parametrize("value", [{"NULL": True}, {"S": ""}, {"B": ""}, {"L": []}, {"M": {}}, {"SS": ["a"]}])
def test_a_value_that_no_key_can_hold_gives_no_entry_and_no_failure(value: Any) -> None:
    reader = Reader(keyed=ITEM | {"key": "v-{v}"}, listed=LIST | {"member": "{v}"})
    assert done(reader.follow(inserted(value)))
    assert reader.cache.keys() == ["all"]
    assert reader.json("all") == []


@pytest.mark.parametrize("name", ["é", "e\u0301", "🍕", "日本", "\u202eabc", "a\x00b", " ", "{pk}", "\U0010ffff"])
def test_a_key_may_be_any_text_and_is_not_normalized(name: str) -> None:
    reader = Reader(item=ITEM, list=LIST)
    assert done(reader.follow(inserted({"S": name}, name)))
    assert reader.cache.keys() == sorted(["all", name])
    assert reader.json(name)["v"] == name
    assert reader.json("all") == [{"pk": name, "v": name}]


def nested(depth: int) -> tuple[Any, Any]:
    """Lists in maps in lists, and what a reader sees of them."""
    value: Any = {"S": "deep"}
    seen: Any = "deep"
    for level in range(depth):
        value, seen = ({"M": {"m": value}}, {"m": seen}) if level % 2 else ({"L": [value]}, [seen])
    return value, seen


def test_an_item_as_deep_as_dynamodb_allows_is_seen_whole() -> None:
    value, seen = nested(32)
    reader = Reader(item=ITEM, list=LIST)
    assert done(reader.follow(inserted(value)))
    assert reader.json("a")["v"] == seen
    assert reader.json("all") == [{"pk": "a", "v": seen}]


def test_a_pattern_finds_a_value_as_deep_as_dynamodb_allows() -> None:
    value: Any = {"S": "deep"}
    for _ in range(32):
        value = {"L": [value]}
    reader = Reader(chosen=ITEM | {"where": {"v": ["deep"]}})
    assert done(reader.follow(inserted(value)))
    assert reader.cache.get("a") is not None


def test_an_item_of_400_kb_is_seen_whole_before_and_after() -> None:
    stream = Stream()
    for character in "xy":
        stream.put({"pk": "text", "sk": "m", "v": character * 400 * KIB})
    stream.put({"pk": "list", "sk": "m", "v": list(range(20_000))})
    reader = Reader(item=ITEM, list=LIST)
    assert done(reader.follow(*stream.records))
    assert reader.json("text")["v"] == "y" * 400 * KIB
    assert reader.json("list")["v"] == list(range(20_000))
    assert [len(row["v"]) for row in reader.json("all")] == [20_000, 400 * KIB]


def test_an_entry_that_outgrows_momento_leaves_the_cache_and_is_counted_and_comes_back_smaller() -> None:
    # One attribute, shown so often that 400 KB become more than 5 MB.
    fields = {f"copy{number}": "v" for number in range(13)}
    reader = Reader(item=ITEM | {"fields": fields})
    stream = Stream()
    for size in (10, 400 * KIB, 10):
        stream.put({"pk": "a", "sk": "m", "v": "x" * size})
    small, big, small_again = stream.records
    assert done(reader.follow(small))
    assert len(reader.json("a")) == 13
    outcome = reader.follow(big)
    assert done(outcome)
    assert outcome.metrics["TooBig"] == 1
    assert reader.cache.get("a") is None
    assert done(reader.follow(small_again))
    assert len(reader.json("a")) == 13


@pytest.mark.parametrize("size", [2 * KIB, 390 * KIB])
def test_a_key_as_long_as_an_attribute_can_be_is_a_key_like_any_other(size: int) -> None:
    # Momento documents no longest key, only the item's 5 MB: https://docs.momentohq.com/cache/limits
    name = "é" * (size // 2)
    reader = Reader(keyed=ITEM | {"key": "{v}", "fields": {"pk": "pk"}}, listed=LIST | {"key": "of-{v}"})
    stream = Stream()
    stream.put({"pk": "a", "sk": "m", "v": name})
    stream.delete("a", "m")
    insert, remove = stream.records
    assert done(reader.follow(insert))
    assert reader.json(name) == {"pk": "a"}
    assert done(reader.follow(remove))
    assert reader.cache.get(name) is None
