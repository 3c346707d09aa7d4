"""Records that can never be applied: each is named, and none drags another item's down."""

import asyncio
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handler.cache import Memory
from handler.outcome import Outcome
from handler.pipeline import process
from handler.records import item_hash
from tests import pizza
from tests.doubles import EngineCache, MemoryTable
from tests.stream import Stream, batch, sequence_number

NAMES = "abcde"
VIEWS = {
    "whole": {"kind": "item", "key": "{pk}", "unique": True, "where": {"v": [{"anything-but": ["no"]}]}},
    "grouped": {
        "kind": "list",
        "key": "of-{group.name}",
        "member": "{pk}#{v}",
        "unique": True,
        "fields": {"pk": "pk", "v": "v", "all": "all"},
        "order_by": "all",
    },
}

Record = dict[str, Any]


def thing(name: str, version: int) -> dict[str, Any]:
    return {"pk": name, "sk": "m", "v": version, "group": {"name": f"g-{name}"}, "all": [version]}


def process_all(records: list[Record], cache: EngineCache) -> Outcome:
    deadline = cache.clock() + 60
    settings = pizza.settings(VIEWS)
    return asyncio.run(
        process(batch(records), settings, cache, MemoryTable(), Memory(), clock=cache.clock, deadline=deadline)
    )


class World:
    """Five items in the cache, and a batch that changes each of them once."""

    def __init__(self) -> None:
        self.cache = EngineCache()
        stream = Stream()
        for version in (1, 2):
            for name in NAMES:
                stream.put(thing(name, version))
                self.cache.put(f"of-g-{name}", b"[]")
        before, self.records = stream.records[: len(NAMES)], copy.deepcopy(stream.records[len(NAMES) :])
        assert process_all(before, self.cache).response == {"batchItemFailures": []}

    def version(self, name: str) -> tuple[Any, Any]:
        """Which version of an item its entry and its row show."""
        entry, rows = (self.cache.get(key) for key in (name, f"of-g-{name}"))
        return entry and json.loads(entry)["v"], rows and [row["v"] for row in json.loads(rows)]


def field(name: str, value: Any) -> Callable[[Record], None]:
    return lambda record: record["dynamodb"].update({name: value})


def attribute(value: Any, name: str = "v", image: str = "NewImage") -> Callable[[Record], None]:
    return lambda record: record["dynamodb"][image].update({name: value})


def nested(depth: int, kind: str) -> Any:
    value: Any = {"S": "secret"}
    for _ in range(depth):
        value = {"L": [value]} if kind == "L" else {"M": {"secret": value}}
    return value


POISONS: dict[str, Callable[[Record], None]] = {
    "a type that does not exist": attribute({"secret": "secret"}),
    "no type": attribute({}),
    "two types": attribute({"S": "secret", "N": "1"}),
    "plain JSON": attribute("secret"),
    "a string that is none": attribute({"S": ["secret"]}),
    "a number that is none": attribute({"N": "secret"}),
    "a number that is a float": attribute({"N": 1.5}),
    "a number with blanks": attribute({"N": " 5 "}),
    "a number with an underscore": attribute({"N": "1_000"}),
    "a number in fullwidth digits": attribute({"N": "\uff15"}),
    "a number beyond all bounds": attribute({"N": "1E+99999999999999999999"}),
    "a number of too many digits": attribute({"N": "1" * 5_000}),
    "a truth that is a string": attribute({"BOOL": "secret"}),
    "a NULL that is false": attribute({"NULL": False}),
    "a map that is a list": attribute({"M": ["secret"]}),
    "a list that is a map": attribute({"L": {"secret": "secret"}}),
    "a set that is a string": attribute({"SS": "secret"}),
    "a set of mixed types": attribute({"SS": ["secret", 5]}),
    "binary that is not base64": attribute({"B": "secret!"}),
    "lists without end": attribute(nested(1_000, "L")),
    "maps without end": attribute(nested(1_000, "M")),
    "half a surrogate pair": attribute({"S": "secret\ud800"}),
    "half a surrogate pair in a name": attribute({"S": "secret"}, "secret\ud800"),
    "half a surrogate pair in a map's name": attribute({"M": {"secret\ud800": {"S": "secret"}}}, "all"),
    "a wrong value within a map": attribute({"M": {"secret": {"S": None}}}, "all"),
    "a wrong value within a list": attribute({"L": [{"secret": "secret"}]}),
    "a null in a key's path": attribute({"M": {"name": None}}, "group"),
    "a wrong value in a key's path": attribute({"M": "secret"}, "group"),
    "a wrong key before": attribute({"M": {"name": {"S": 5}}}, "group", "OldImage"),
    "a wrong pattern's value before": attribute({"N": "secret"}, "v", "OldImage"),
    "lists without end before": attribute(nested(1_000, "L"), "other", "OldImage"),
    "no image after": field("NewImage", None),
    "no image before": field("OldImage", None),
    "an image that is none": field("NewImage", "secret"),
    "an image of another item": attribute({"S": "secret"}, "pk"),
    "an image before of another item": attribute({"S": "secret"}, "sk", "OldImage"),
    "keys alone": field("StreamViewType", "KEYS_ONLY"),
    "an unknown view type": field("StreamViewType", "secret"),
    "an unknown event": lambda record: record.update(eventName="secret"),
    "an image that is empty": field("NewImage", {}),
    "no keys": field("Keys", {}),
    "keys that are none": field("Keys", "secret"),
    "a key that is a list": field("Keys", {"pk": {"L": [{"S": "secret"}]}}),
    "a key that is a list's string": field("Keys", {"pk": {"S": ["secret"]}}),
    "an empty key": field("Keys", {"pk": {"S": ""}, "sk": {"S": "m"}}),
    "a key that is half a surrogate pair": field("Keys", {"pk": {"S": "secret\ud800"}}),
    "another item's key": field("Keys", {"pk": {"S": "secret"}, "sk": {"S": "m"}}),
}
KEYS_ARE_WRONG = {
    "no keys",
    "keys that are none",
    "a key that is a list",
    "a key that is a list's string",
    "an empty key",
    "a key that is half a surrogate pair",
}


@pytest.mark.parametrize("position", [0, 2, 4])
@pytest.mark.parametrize("name", POISONS)
def test_a_poison_record_alone_is_named_and_every_other_items_operations_are_done(name: str, position: int) -> None:
    world = World()
    poison = world.records[position]
    POISONS[name](poison)
    outcome = process_all(world.records, world.cache)
    named = outcome.log["failures"]
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": sequence_number(poison)}]}
    assert {failure["sequence_number"] for failure in named} == {sequence_number(poison)}
    assert outcome.metrics["RejectedRecords"] == 1
    assert outcome.metrics["CacheFailures"] == 0
    for other in NAMES.replace(NAMES[position], ""):
        assert world.version(other) == (2, [2])
    if name in KEYS_ARE_WRONG:
        assert all("item" not in failure for failure in named)
    elif name != "another item's key":
        item = (("pk", "S", NAMES[position]), ("sk", "S", "m"))
        assert {failure["item"] for failure in named} == {item_hash(item)}
    said = " ".join(failure["reason"] for failure in named)
    for content in ("secret", "g-", "1.5", "111", "999", "ud800", "\ud800"):
        assert content not in said
    assert "secret" not in str(outcome)


def test_a_poison_record_is_no_obstacle_to_a_view_that_does_not_read_what_is_wrong() -> None:
    world = World()
    POISONS["a wrong key before"](world.records[1])
    (failure,) = process_all(world.records, world.cache).log["failures"]
    assert failure["view"] == "grouped"
    assert world.version("b") == (2, [1])


def test_a_poison_record_that_nothing_can_be_read_of_leaves_its_items_entries_as_they_were() -> None:
    world = World()
    POISONS["an unknown event"](world.records[1])
    process_all(world.records, world.cache)
    assert world.version("b") == (1, [1])


def test_an_items_records_before_and_after_a_poison_one_are_applied_where_that_was_rejected_whole() -> None:
    world = World()
    stream = Stream()
    for version in (1, 2, 3, 4):
        stream.put(thing("b", version))
    POISONS["no image after"](stream.records[2])
    outcome = process_all(stream.records[1:], world.cache)
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": sequence_number(stream.records[2])}]}
    assert world.version("b") == (4, [4])


def test_a_view_that_can_not_read_one_image_of_a_record_goes_on_without_that_image() -> None:
    world = World()
    stream = Stream()
    for version in (1, 2, 3):
        stream.put(thing("b", version))
    POISONS["a wrong key before"](stream.records[2])
    outcome = process_all([*stream.records[1:], world.records[2]], world.cache)
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": sequence_number(stream.records[2])}]}
    assert world.version("b") == (3, [3])
    assert world.version("c") == (2, [2])


def test_what_came_before_a_poison_image_is_done_and_acknowledged() -> None:
    world = World()
    stream = Stream()
    for version in (1, 2, 3):
        stream.put(thing("b", version))
    stream.records[2]["dynamodb"]["NewImage"]["only the whole item shows it"] = {"X": "poison"}
    outcome = process_all(stream.records[1:], world.cache)
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": sequence_number(stream.records[2])}]}
    assert world.version("b") == (2, [3])


def test_a_batch_of_nothing_but_poison_is_retried_from_its_first_record_and_raises_nothing() -> None:
    world = World()
    for record, poison in zip(world.records, list(POISONS.values())[-5:], strict=True):
        poison(record)
    outcome = process_all(world.records, world.cache)
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": sequence_number(world.records[0])}]}
    assert outcome.metrics["RejectedRecords"] == 5
    assert [world.version(name) for name in NAMES] == [(1, [1])] * 5


KINDS = st.sampled_from(["S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"])
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=5)
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | ANY_TEXT
    | st.sampled_from(["1", "1E+99999999999999999999", "1" * 5_000, "AAE="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KINDS | ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
ANY_VALUE = st.dictionaries(KINDS, ANY_JSON, min_size=1, max_size=1) | ANY_JSON
PLACES = st.tuples(
    st.sampled_from(["NewImage", "OldImage", "Keys"]), st.sampled_from(["pk", "sk", "v", "group", "all"]) | ANY_TEXT
)


@given(st.integers(0, 4), PLACES, ANY_VALUE)
@settings(max_examples=300, deadline=None)
def test_whatever_stands_in_place_of_an_attribute_value_fails_its_record_at_the_most(
    position: int, place: tuple[str, str], value: Any
) -> None:
    world = World()
    part, name = place
    record = world.records[position]
    record["dynamodb"][part][name] = value
    outcome = process_all(world.records, world.cache)
    assert outcome.response["batchItemFailures"] in ([], [{"itemIdentifier": sequence_number(record)}])
    for other in NAMES.replace(NAMES[position], ""):
        assert world.version(other) == (2, [2])
