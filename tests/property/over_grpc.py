"""The same histories over real gRPC: the handler's own adapter and the SDK in it, against the local Momento server."""

import asyncio
import contextlib
import functools
import itertools
import selectors
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from hypothesis.stateful import initialize

from handler.cache import Cache, Pace, TransientError
from handler.momento_cache import MomentoCache
from handler.settings import Momento
from local.momento import Fault as ServerFault
from local.momento import MomentoServer
from tests.doubles import CACHE, Clock
from tests.property.histories import History, setups
from tests.property.world import (
    MAX_ITEM_BYTES,
    REQUEST_FAULTS,
    TIMEOUT_SECONDS,
    WRITES,
    Fault,
    Handler,
    Invocation,
    Setup,
    World,
)

SPEED = 100
"""How many seconds pass in one."""

RPCS: Mapping[str, str] = {
    "set_many": "SetBatch",
    "delete": "Delete",
    "get_with_hash": "GetWithHash",
    "matching": "GetBatch",
    "set_if_hash": "SetIfHash",
    "set_if_absent": "SetIfNotExists",
    "remaining_ttl": "ItemGetTtl",
}

ANSWERS: Mapping[Fault, tuple[str, bool]] = {
    Fault.THROTTLED: ("RESOURCE_EXHAUSTED", False),
    Fault.UNAVAILABLE: ("UNAVAILABLE", False),
    Fault.TIMEOUT: ("DEADLINE_EXCEEDED", False),
    Fault.TIMEOUT_APPLIED: ("DEADLINE_EXCEEDED", True),
    Fault.REPLY_LOST: ("UNAVAILABLE", True),
    Fault.REFUSED: ("INVALID_ARGUMENT", False),
    Fault.UNAUTHENTICATED: ("UNAUTHENTICATED", False),
}
"""What the server answers, and whether it carries the request out first."""


class FastClock(Clock):
    """A time that goes on by itself, faster than any other."""

    def __init__(self) -> None:
        self._ahead = 1_000.0 - time.monotonic() * SPEED

    @property
    def now(self) -> float:
        """The time."""
        return time.monotonic() * SPEED + self._ahead

    @now.setter
    def now(self, value: float) -> None:
        self._ahead += value - self.now


class _Hurried(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout and timeout / SPEED)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop by that clock."""

    def __init__(self, clock: Clock) -> None:
        self._fast_clock = clock
        super().__init__(_Hurried())

    def time(self) -> float:
        return self._fast_clock()


class _Keys:
    """A secret that holds another key each time, all of them good."""

    # One second. By the fast clock it would be 10 ms, in which a busy machine may not even start the thread.
    fetch_seconds = 1.0 * SPEED

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def fetch(self) -> str:
        return f"key-{next(self._numbers)}"


def _keys(name: str, asked: Any) -> list[str]:
    """Give the keys that a request is about."""
    match name:
        case "set_many":
            return [each.key for each in asked]
        case "matching":
            return [*asked]
        case _:
            return [asked]


class _Watched:
    """The handler's adapter to Momento, as one invocation meets it."""

    def __init__(self, world: "GrpcWorld", invocation: Invocation) -> None:
        self.environment = invocation.environment
        self.memory_bytes = world.setup.memory_bytes
        self._world = world
        self._invocation = invocation

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._world.momento, name)
        return functools.partial(self._ask, name, attribute) if name in RPCS else attribute

    async def _ask(self, name: str, request: Callable[..., Awaitable[Any]], *arguments: Any, **options: bool) -> Any:
        world = self._world
        keys = _keys(name, arguments[0])
        key = keys[0]
        fault = world.next_fault(REQUEST_FAULTS)
        added: dict[Fault, ServerFault] = {}
        if fault is not None and fault in ANSWERS:
            code, applied = ANSWERS[fault]
            added[fault] = ServerFault(rpc=RPCS[name], key=key, code=code, applied=applied)
        elif world.clock() < world.outage_until:
            added[Fault.OUTAGE] = ServerFault(rpc=RPCS[name], key=key, code="UNAVAILABLE")
        for each in added.values():
            world.server.faults.add(each)
        if fault is Fault.CRASH_BEFORE:
            self._invocation.count(fault)
            await self._crash()
        try:
            answer = await request(*arguments, **options)
        finally:
            for kind, each in added.items():
                # A request that was killed before it went out must not leave its fault to the next invocation's.
                if not world.server.faults.call_off(each):
                    self._invocation.count(kind)
            for written in keys if name in ("set_many", *WRITES) else ():
                world.checker.stored(written)
        if fault is Fault.CRASH_AFTER:
            self._invocation.count(fault)
            await self._crash()
        return answer

    async def _crash(self) -> None:
        self._invocation.kill()
        await asyncio.Event().wait()


class GrpcWorld(World):
    """A world whose requests to Momento go through the SDK and over the network, in real time, if a fast one.

    Args:
        setup: as for any world.
        handler: what is put to the proof.
        server: the Momento server. It gets this world's engine.
    """

    exact_seconds = 120.0

    def __init__(self, setup: Setup, handler: Handler, server: MomentoServer) -> None:
        self.server = server
        super().__init__(setup, handler)
        server.engine = self.engine
        settings = Momento(CACHE, "arn", endpoint=server.endpoint, max_item_bytes=MAX_ITEM_BYTES)
        self.momento = MomentoCache(settings, _Keys())
        self.momento.pace = Pace(setup.max_operations_per_second)
        self.loop.run_until_complete(self._connect())

    async def _connect(self) -> None:
        # What the handler grants a connection is a hundredth of it here, which a busy machine may take.
        for _ in range(99):
            with contextlib.suppress(TransientError):
                return await self.momento.connect()
        return await self.momento.connect()

    def make_clock(self) -> Clock:
        """A fast one."""
        return FastClock()

    def make_loop(self) -> asyncio.AbstractEventLoop:
        """One by that clock."""
        return FastLoop(self.clock)

    def overran(self) -> None:
        """Go on: the time that Python takes counts here, too."""

    def wanted_seconds(self, invocation: Invocation) -> float:  # noqa: ARG002 - a subclass's signature
        """A guess, because what an invocation sees is not watched here."""
        return 8.0

    def left_unfinished(self, event: Mapping[str, Any], answer: Any, *, since: float, had_time: bool) -> None:
        """Go on: a busy machine may let any request take too long."""

    def cache(self, invocation: Invocation) -> Cache:
        """Momento, for one invocation."""
        watched: Any = _Watched(self, invocation)
        return watched  # type: ignore[no-any-return]  # it passes the seam on

    def close(self) -> None:
        """End all that is under way."""
        self.server.faults.clear()
        self.loop.run_until_complete(self.momento.close())
        super().close()


class GrpcHistory(History):
    """A history over gRPC."""

    server: ClassVar[MomentoServer]

    @initialize(setup=setups)
    def begin(self, setup: Setup) -> None:
        """Make the world."""
        # The time that Python takes counts here, a hundred times over.
        ample = replace(setup, timeout_seconds=4 * TIMEOUT_SECONDS, max_operations_per_second=None)
        self.world = GrpcWorld(ample, self.handler(), self.server)
