"""The handler that the project began with, put to the same proof, one guarantee after the other."""

import contextlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from handler.cache import CacheError
from tests import pizza
from tests.property.histories import History, step
from tests.property.model import Orders
from tests.property.table import Key
from tests.property.world import Fault, Handler, Setup, World

ORDERS: Sequence[Key] = [(f"order-{number}", "metadata") for number in range(1, 5)]
"""Four orders at most, so that they meet often."""


class Seed:
    """The first handler. What it does to views that are not looked at is left out, so that each fault shows alone."""

    async def __call__(self, event: dict[str, Any], views: Any, cache: Any, table: Any, **time: Any) -> Any:
        await pizza.seed_handler(event, _Watched(cache, views.views))
        return {"batchItemFailures": []}


class _Watched:
    def __init__(self, cache: Any, views: Container[str]) -> None:
        self._cache = cache
        self._views = views

    async def read(self, key: str) -> bytes | None:
        found: bytes | None = await self._cache.read(key) if self._watches(key) else None
        return found

    async def set(self, key: str, value: bytes, ttl_seconds: int) -> None:
        if self._watches(key):
            with contextlib.suppress(CacheError):  # the SDK returns its errors, and this handler does not look at them
                await self._cache.set(key, value, ttl_seconds)

    async def delete(self, key: str) -> None:
        if self._watches(key):
            with contextlib.suppress(CacheError):
                await self._cache.delete(key)

    def _watches(self, key: str) -> bool:
        view = {"order": "order", "ADMIN": "admin_order", "all": "all_orders", "allOrders": "all_orders"}
        return view.get(key.partition("-")[0], "creator_orders") in self._views


@dataclass(frozen=True, slots=True)
class Case:
    """What it takes to show a guarantee broken, and no more.

    Attributes:
        guarantee: the guarantee.
        views: those of the app's views that are looked at.
        steps: what happens.
        faults: what goes wrong.
        setup: the rest.
    """

    guarantee: str
    views: tuple[str, ...]
    steps: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    setup: Mapping[str, Any] = field(default_factory=dict)


CASES = (
    Case("1 order", ("creator_orders",), ("place", "cancel", "go_on")),
    Case("2 nothing lost", ("order",), ("place", "fail"), (Fault.THROTTLED, Fault.UNAVAILABLE, Fault.TIMEOUT)),
    Case("3 replay converges", ("creator_orders",), ("place", "go_on", "fail"), (Fault.DELIVERED_TWICE,)),
    Case("4 no partial list, no lost update", ("creator_orders",), ("place", "settle", "lose"), (), {"shards": 2}),
    Case("5 moves and deletes", ("all_orders",), ("place", "complete", "cancel", "go_on")),
    Case("6 exact values", ("order",), ("place", "reorder")),
    Case("7 too big is absent", ("order",), ("place", "overfill", "settle")),
    Case(
        "8 bounded time",
        ("order", "admin_order"),
        ("place", "reorder", "go_on", "wait"),
        (),
        {"slow": 50, "late": True, "timeout_seconds": 1.6},
    ),
    Case("9 loud", ("order",), ("place", "fail"), (Fault.REFUSED,)),
)


class OrderHistory(History):
    """A history of the pizza app, with its mapping's batch size of 1."""

    case: ClassVar[Case]

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        """Make the world."""
        mapping = {"batch_size": 1, "maximum_retry_attempts": 100}
        setup = Setup(model=Orders(self.case.views), mapping=mapping, lag_seconds=0.5, seed=seed)
        self.world = World(replace(setup, **self.case.setup), self.handler())

    @step(key=st.sampled_from(ORDERS), creator=st.sampled_from(["ann", "bob"]))
    def place(self, key: Key, creator: str) -> None:
        """Place an order."""
        if key not in self._world.table.items:
            self._world.put(pizza.order(int(key[0][-1]), creator=creator))

    @step(key=st.sampled_from(ORDERS), number=st.sampled_from([1, 2, Decimal("1.5")]))
    def reorder(self, key: Key, number: Any) -> None:
        """Change how much is ordered."""
        self._change(key, numItems=number)

    @step(key=st.sampled_from(ORDERS))
    def overfill(self, key: Key) -> None:
        """Order more than Momento takes."""
        self._change(key, items=["x" * 700])

    @step(key=st.sampled_from(ORDERS))
    def complete(self, key: Key) -> None:
        """Complete an order."""
        self._change(key, status="COMPLETED")

    @step(key=st.sampled_from(ORDERS), creator=st.sampled_from(["ann", "bob"]))
    def hand_over(self, key: Key, creator: str) -> None:
        """Give an order to another customer."""
        self._change(key, creator=creator)

    @step(key=st.sampled_from(ORDERS))
    def cancel(self, key: Key) -> None:
        """Delete an order."""
        if key in self._world.table.items:
            self._world.delete(key)

    @step(which=st.integers(0, 2), after=st.integers(0, 3))
    def fail(self, which: int, after: int) -> None:
        """Let something of the case's go wrong."""
        self._world.arm(self.case.faults[which % len(self.case.faults)], after)

    def _change(self, key: Key, **changes: Any) -> None:
        if key in self._world.table.items:
            self._world.put(self._world.table.items[key] | changes)


EVERYTHING = Case(
    "all",
    ("order", "admin_order", "all_orders", "creator_orders"),
    (
        *("place", "reorder", "overfill", "complete", "hand_over", "cancel"),
        *("fail", "go_on", "wait", "lose", "rewind", "kill", "split", "outage", "settle"),
    ),
    (Fault.THROTTLED, Fault.REPLY_LOST, Fault.DELIVERED_TWICE, Fault.CRASH_AFTER),
    {"shards": 2},
)
"""All that may happen to the app."""


def history_of(case: Case, handler: type[Handler]) -> type[OrderHistory]:
    """The histories of a case."""
    return type("OrderHistory", (OrderHistory,), {"case": case, "handler": handler, "steps": case.steps})
