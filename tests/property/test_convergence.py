"""Whatever is written, however it is batched, repeated and refused, the cache ends as the table says."""

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from handler.cache import CacheError
from handler.pipeline import process
from tests import pizza
from tests.doubles import EngineCache, MemoryTable
from tests.stream import Item, Stream, image, sequence_number

VIEWS: dict[str, Any] = {
    "thing": {"kind": "item", "key": "thing-{pk}", "unique": True},
    "alias": {"kind": "item", "key": "alias-{alias}-{pk}#{sk}", "where": {"open": [True]}},
    "of_owner": {
        "kind": "list",
        "key": "of-{owner}",
        "member": "{id}",
        "unique": True,
        "fields": {"id": "pk", "n": "n"},
        "order_by": "n",
        "rebuild_from": {"index_name": "owner", "key_condition": {"owner": "{owner}"}},
    },
}
SETTINGS = pizza.settings(VIEWS)
NAMES = ("a", "b", "c")

items = st.fixed_dictionaries(
    {"open": st.booleans(), "n": st.integers(0, 3)},
    optional={"alias": st.sampled_from(NAMES), "owner": st.sampled_from(("ann", "bob"))},
)
writes = st.lists(st.tuples(st.sampled_from(NAMES), st.none() | items), min_size=1, max_size=20)


def history(writes: list[tuple[str, dict[str, Any] | None]]) -> tuple[Stream, dict[str, list[dict[str, Any]]]]:
    """The table after the writes, and its records, each item's in one of two shards."""
    stream = Stream()
    for name, attributes in writes:
        if attributes is not None:
            stream.put({"pk": name, "sk": "m"} | attributes)
        elif (name, "m") in stream.items:
            stream.delete(name, "m")
    shards: dict[str, list[dict[str, Any]]] = {"1": [], "2": []}
    for record in stream.records:
        shards["1" if record["dynamodb"]["Keys"]["pk"]["S"] == "a" else "2"].append(record)
    return stream, shards


def expected(items: list[Item]) -> dict[str, Any]:
    """The entries that the table calls for, said without a word of the handler's; lists only where they have rows."""
    entries: dict[str, Any] = {f"thing-{item['pk']}": item for item in items}
    entries |= {f"alias-{item['alias']}-{item['pk']}#m": item for item in items if "alias" in item and item["open"]}
    for owner in ("ann", "bob"):
        rows = [{"id": item["pk"], "n": item["n"]} for item in items if item.get("owner") == owner]
        if rows:
            entries[f"of-{owner}"] = sorted(sorted(rows, key=lambda row: row["id"]), key=lambda row: -row["n"])
    return entries


def cached(cache: EngineCache) -> dict[str, Any]:
    """What a reader sees. An empty list says no more than an absent one."""
    entries = {key: json.loads(cache.get(key) or b"") for key in list(cache.keys())}
    return {key: value for key, value in entries.items() if value != []}


class Unreliable:
    """Decides of every request whether it fails, and whether it was carried out before."""

    def __init__(self, cache: EngineCache, failures: list[tuple[bool, bool]]) -> None:
        self._failures = iter(failures)
        cache.before = self._before
        cache.after = self._after
        self._lose_reply = False

    def _before(self, *_: str) -> None:
        fails, applied = next(self._failures, (False, False))
        self._lose_reply = fails and applied
        if fails and not applied:
            raise CacheError("refused")

    def _after(self, *_: str) -> None:
        if self._lose_reply:
            raise CacheError("the reply is lost")


async def consume(records: list[dict[str, Any]], sizes: list[int], cache: EngineCache, table: MemoryTable) -> None:
    """Read a shard to its end as Lambda does: from the record that a batch's answer names."""
    sizes_left = iter(sizes)
    position = 0
    while position < len(records):
        batch = records[position : position + next(sizes_left, 3)]
        outcome = await process(
            {"Records": batch}, SETTINGS, cache, table, clock=cache.clock, deadline=cache.clock() + 60
        )
        failures = outcome.response["batchItemFailures"]
        names = [sequence_number(record) for record in batch]
        position += names.index(failures[0]["itemIdentifier"]) if failures else len(batch)


@given(
    writes,
    st.lists(st.integers(1, 5), max_size=8),
    st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_the_cache_ends_as_the_table_says(
    writes: list[tuple[str, dict[str, Any] | None]],
    sizes: list[int],
    failures: list[tuple[bool, bool]],
    replayed: bool,
) -> None:
    stream, shards = history(writes)
    cache = EngineCache()
    table = MemoryTable([image(item) for item in stream.items.values()])
    Unreliable(cache, failures)

    async def drain() -> None:
        await asyncio.gather(*(consume(records, sizes, cache, table) for records in shards.values()))
        if replayed:
            await asyncio.gather(*(consume(records, [20], cache, table) for records in shards.values()))

    asyncio.run(drain())
    assert cached(cache) == expected(list(stream.items.values()))
