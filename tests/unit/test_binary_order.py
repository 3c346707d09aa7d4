"""A list by a binary attribute is in the order of its bytes, or does not take the attribute's values."""

import asyncio
import base64
import itertools
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from handler.cache import Memory
from handler.outcome import Outcome
from handler.pipeline import process
from tests import pizza
from tests.doubles import EngineCache, MemoryTable
from tests.stream import Item, Stream, image

VIEW = {
    "kind": "list",
    "key": "all",
    "member": "{id}",
    "unique": True,
    "fields": {"id": "pk", "when": "at"},
    "order_by": "when",
}
REBUILT = VIEW | {
    "rebuild_from": {"index_name": "by-group", "index_key_attributes": ["group"], "key_condition": {"group": "g"}}
}
WHOLE = {"kind": "list", "key": "all", "member": "{pk}", "unique": True, "order_by": "at"}

# Their base64 sorts as b, a, e, d, c.
BYTES = {"a": b"\xff\xff", "b": b"\xfb", "c": b"\x68", "d": b"\x00\xff", "e": b"\x00"}


def things(names: Iterable[str] = BYTES) -> list[Item]:
    return [{"pk": name, "sk": "m", "at": BYTES[name], "group": "g"} for name in names]


def handled(
    cache: EngineCache,
    items: Iterable[Item],
    view: dict[str, Any],
    table: Iterable[Item] = (),
    types: dict[str, str] | None = None,
) -> Outcome:
    stream = Stream()
    for item in items:
        stream.put(item)
    for record in stream.records:
        # As Lambda writes it.
        at = record["dynamodb"]["NewImage"]["at"]
        if "B" in at:
            at["B"] = base64.b64encode(at["B"]).decode()
    described = {"name": "orders", "key_attributes": ["pk", "sk"], "attribute_types": types or {}}
    memory = MemoryTable(image(item) for item in table)
    settings = pizza.settings({"mine": view}, table=described)
    running = process(stream.event(), settings, cache, memory, Memory(), clock=cache.clock, deadline=cache.clock() + 60)
    return asyncio.run(running)


def names(cache: EngineCache) -> str:
    return "".join(row.get("id", row.get("pk")) for row in msgspec.json.decode(cache.get("all") or b"[]"))


@pytest.mark.parametrize("view", [VIEW, WHOLE])
@pytest.mark.parametrize(("descending", "expected"), [(True, "abcde"), (False, "edcba")])
def test_a_list_by_a_key_of_binary_is_in_the_order_of_its_bytes(
    view: dict[str, Any], descending: bool, expected: str
) -> None:
    for order in itertools.permutations(BYTES):
        cache = EngineCache()
        cache.put("all", b"[]")
        # Two batches: the second one reads back what the first one wrote.
        for part in (order[:2], order[2:]):
            outcome = handled(cache, things(part), view | {"descending": descending}, types={"at": "B"})
            assert outcome.response == {"batchItemFailures": []}
        assert names(cache) == expected


def test_a_limited_list_by_binary_keeps_the_greatest() -> None:
    cache = EngineCache()
    handled(cache, things("e"), REBUILT | {"limit": 2}, table=things("abcd"), types={"at": "B"})
    assert names(cache) == "ab"


def test_binary_is_behind_other_text_and_before_what_has_no_order_of_its_own() -> None:
    cache = EngineCache()
    cache.put("all", b"[]")
    others = {"t": "text!", "u": "ü", "n": 1, "z": None, "l": ["x"]}
    items = [{"pk": name, "sk": "m", "at": at} for name, at in others.items()]
    handled(cache, [*things("ae"), *items], VIEW | {"descending": False}, types={"at": "B"})
    assert names(cache) == "zntueal"


@pytest.mark.parametrize("view", [VIEW, WHOLE, VIEW | {"fields": {"id": "pk", "when": "within.at"}}])
@pytest.mark.parametrize("types", [{}, {"at": "S"}, {"within": "B"}])
def test_a_record_with_binary_that_no_key_is_known_for_is_rejected_alone(
    view: dict[str, Any], types: dict[str, str]
) -> None:
    cache = EngineCache()
    cache.put("all", b"[]")
    good = {"pk": "x", "sk": "m", "at": "2026", "within": {"at": "2026"}}
    bad = things("a")[0] | {"within": {"at": b"\xff"}}
    outcome = handled(cache, [good, bad], view, types=types)
    (failure,) = outcome.log["failures"]
    assert "`order_by` shows a value of type B (binary)" in failure["reason"]
    assert names(cache) == "x"


def test_a_rebuild_leaves_out_what_the_stream_rejects() -> None:
    cache = EngineCache()
    good = {"pk": "x", "sk": "m", "at": "2026", "group": "g"}
    outcome = handled(cache, [good], REBUILT, table=things("ab"))
    assert outcome.log["operations"]["row_rejected"] == 2
    assert names(cache) == "x"


def test_binary_that_nothing_is_sorted_by_is_no_fault() -> None:
    cache = EngineCache()
    cache.put("all", b"[]")
    outcome = handled(cache, things("ba"), {name: each for name, each in VIEW.items() if name != "order_by"})
    assert outcome.response == {"batchItemFailures": []}
    assert names(cache) == "ab"
