"""What the app's first handler got wrong: ours does each of these right, and each check fails on that handler."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from handler.cache import CacheError, Memory
from handler.pipeline import process
from tests.doubles import EngineCache, MemoryTable
from tests.pizza import order, seed_handler, settings
from tests.stream import Stream, image, sequence_number


class System(ABC):
    """A handler with its cache and its table."""

    def __init__(self) -> None:
        self.cache = EngineCache()
        self.stream = Stream()

    async def handle(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """Have a batch handled, all of its requests included, and give what Lambda is answered: None acknowledges."""
        answer = await self._handle(event)
        await self.settle()
        return answer

    async def settle(self) -> None:
        while self.cache.under_way:
            await asyncio.sleep(0)

    @abstractmethod
    async def _handle(self, event: dict[str, Any]) -> dict[str, Any] | None: ...

    async def drain(self) -> None:
        """Have all that was written handled, each record in a batch of its own."""
        for position in range(len(self.stream.records)):
            await self.handle(self.stream.event(position, position + 1))

    def ids(self, key: str) -> list[str] | None:
        """The rows of a list as a reader sees them, None for a miss."""
        cached = self.cache.get(key)
        return None if cached is None else [row["id"] for row in json.loads(cached)]


class Ours(System):
    async def _handle(self, event: dict[str, Any]) -> dict[str, Any]:
        table = MemoryTable([image(item) for item in self.stream.items.values()])
        clock = self.cache.clock
        outcome = await process(event, settings(), self.cache, table, Memory(), clock=clock, deadline=clock() + 60)
        return dict(outcome.response)


class Seed(System):
    async def _handle(self, event: dict[str, Any]) -> dict[str, Any] | None:
        return await seed_handler(event, self.cache)


async def every_record_of_a_batch_is_handled(system: System) -> None:
    for number in (1, 2, 3):
        system.stream.put(order(number))
    await system.handle(system.stream.event())
    assert all(system.cache.get(f"order-{number}") for number in (1, 2, 3))


async def an_update_leaves_one_row_for_the_order(system: System) -> None:
    system.stream.put(order(1))
    system.stream.put(order(1, numItems=2))
    await system.drain()
    assert system.ids("all-orders") == ["order-1"]
    assert system.ids("ann") == ["order-1"]


async def a_deleted_order_leaves_all_orders(system: System) -> None:
    system.stream.put(order(1))
    system.stream.put(order(2))
    system.stream.delete("order-1", "metadata")
    await system.drain()
    assert system.ids("all-orders") == ["order-2"]


async def a_completed_order_leaves_all_orders(system: System) -> None:
    system.stream.put(order(1))
    system.stream.put(order(1, status="COMPLETED"))
    await system.drain()
    assert system.ids("all-orders") == []
    assert system.ids("ann") == ["order-1"]


async def a_list_that_is_not_cached_comes_back_whole(system: System) -> None:
    for number in (1, 2, 3):
        system.stream.put(order(number))
    await system.handle(system.stream.event(2))
    assert system.ids("all-orders") == ["order-3", "order-2", "order-1"]


async def an_order_that_changes_hands_leaves_its_old_list(system: System) -> None:
    system.stream.put(order(1))
    system.stream.put(order(1, creator="bob"))
    await system.drain()
    assert system.ids("ann") == []
    assert system.ids("bob") == ["order-1"]


async def two_shards_lose_no_update_of_one_list(system: System) -> None:
    for number in range(1, 9):
        system.stream.put(order(number))
    system.cache.put("all-orders", b"[]")
    system.cache.put("ann", b"[]")
    await asyncio.gather(*(system.handle(system.stream.event(n, n + 1)) for n in range(8)))
    assert system.ids("all-orders") == [f"order-{number}" for number in range(8, 0, -1)]


async def a_failed_write_is_not_acknowledged(system: System) -> None:
    system.stream.put(order(1))

    def refuse(name: str, key: str) -> None:
        if name == "set":
            raise CacheError("throttled")

    system.cache.before = refuse
    answer = await system.handle(system.stream.event())
    assert answer == {"batchItemFailures": [{"itemIdentifier": sequence_number(system.stream.records[0])}]}


async def the_handler_returns_when_its_writes_are_done(system: System) -> None:
    system.stream.put(order(1))
    await system._handle(system.stream.event())
    under_way = system.cache.under_way
    await system.settle()
    assert under_way == 0


async def an_order_inserted_and_deleted_is_gone(system: System) -> None:
    system.stream.put(order(1))
    system.stream.delete("order-1", "metadata")
    await system.handle(system.stream.event())
    assert system.cache.get("order-1") is None
    assert system.cache.get("ADMIN-order-1") is None
    assert not system.ids("all-orders")


async def independent_writes_are_under_way_at_once(system: System) -> None:
    system.stream.put(order(1))
    await system.handle(system.stream.event())
    # Two lists are read while the two entries are set: by one request, or by two.
    assert system.cache.most_under_way >= 3


SCENARIOS: list[Callable[[System], Awaitable[None]]] = [
    every_record_of_a_batch_is_handled,
    an_update_leaves_one_row_for_the_order,
    a_deleted_order_leaves_all_orders,
    a_completed_order_leaves_all_orders,
    a_list_that_is_not_cached_comes_back_whole,
    an_order_that_changes_hands_leaves_its_old_list,
    two_shards_lose_no_update_of_one_list,
    a_failed_write_is_not_acknowledged,
    the_handler_returns_when_its_writes_are_done,
    an_order_inserted_and_deleted_is_gone,
    independent_writes_are_under_way_at_once,
]

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=[each.__name__ for each in SCENARIOS])


@each_scenario
def test_ours_does_it_right(scenario: Callable[[System], Any]) -> None:
    asyncio.run(scenario(Ours()))


@each_scenario
def test_the_check_fails_on_the_seed(scenario: Callable[[System], Any]) -> None:
    with pytest.raises(AssertionError):
        asyncio.run(scenario(Seed()))
