"""A table, its stream, Lambda and Momento on one seeded scheduler in virtual time, with whatever can go wrong."""

import asyncio
import contextlib
import functools
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import msgspec

from handler.cache import Cache as CacheSeam
from handler.cache import CacheError, KeyRefusedError, Pace, Page, RefusedError, TableReader, TransientError
from handler.settings import RebuildFrom, Settings
from handler.views import SetEntry
from local.event_source import Checkpoints, EventSourceMapping, FunctionError, Poller
from local.event_source.poller import exponential
from local.momento.engine import Engine, Limits, MomentoError
from tests import pizza
from tests.doubles import CACHE, Clock, EngineCache, VirtualLoop
from tests.property.checker import Checker, DivergenceError
from tests.property.model import Model
from tests.property.table import Key, Poison, Table, TableStream
from tests.stream import Item

TIMEOUT_SECONDS = 30.0
REPORT_SECONDS = 0.5
LATE_SECONDS = 30.0
MAX_ITEM_BYTES = 700
STUCK_SECONDS = 20_000
BACKOFF_SECONDS = exponential(1) / 2
"""Before this, no attempt follows one that failed."""

T = TypeVar("T")


class Fault(StrEnum):
    """What can go wrong, and is counted when it does."""

    def __repr__(self) -> str:
        """As a test would have it."""
        return f"Fault.{self.name}"

    THROTTLED = "request throttled"
    UNAVAILABLE = "request refused: unavailable"
    TIMEOUT = "request timed out, never carried out"
    TIMEOUT_APPLIED = "request timed out, carried out"
    REPLY_LOST = "request carried out, reply lost"
    REFUSED = "request refused for good"
    UNAUTHENTICATED = "API key not accepted"
    CRASH_BEFORE = "crash before a request"
    CRASH_AFTER = "crash after a request"
    PARTLY_REFUSED = "entry of a batch refused, others written"
    QUERY_FAILED = "query failed"
    OUT_OF_TIME = "invocation killed when its time was up"
    RESPONSE_LOST = "batch handled, answer lost"
    DELIVERED_TWICE = "batch delivered twice"
    OUTAGE = "Momento away for a while"
    KILLED_LANDED = "invocation killed, write in flight landed"
    KILLED_LOST = "invocation killed, write in flight lost"
    REWOUND = "delivered again from an older checkpoint"
    EVICTED = "entry evicted"
    FLUSHED = "cache flushed"
    EXPIRED = "entry expired"
    INDEX_LAG = "index behind its table"
    SHARD_SPLIT = "shard split"
    POISONED = "record that can not be handled"
    DISCARDED = "record given up"


REQUEST_FAULTS = (
    Fault.THROTTLED,
    Fault.UNAVAILABLE,
    Fault.TIMEOUT,
    Fault.TIMEOUT_APPLIED,
    Fault.REPLY_LOST,
    Fault.REFUSED,
    Fault.UNAUTHENTICATED,
    Fault.CRASH_BEFORE,
    Fault.CRASH_AFTER,
)


class Handler(Protocol):
    """What is put to the proof: this project's handler, or one that is broken."""

    async def __call__(
        self,
        event: dict[str, Any],
        views: Settings,
        cache: CacheSeam,
        table: TableReader,
        *,
        clock: Callable[[], float],
        deadline: float,
        chance: Callable[[], float],
    ) -> Any:
        """Handle a batch, and give what Lambda is answered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What does not change during a history.

    Attributes:
        model: the views.
        skip_unchanged: the handler's setting.
        ttl_seconds: the handler's setting.
        max_operations_per_second: the handler's setting.
        mapping: the event source mapping's settings.
        filtered: whether the mapping has the filters that the module derives from `where`.
        shards: how many the stream begins with.
        lag_seconds: how far the index is behind its table at the most.
        slow: how long a request takes, in hundredths of a second, at the most.
        late: whether writes in flight when an invocation's time is up land some seconds after it, or never.
        timeout_seconds: the function's.
        seed: of all that is left to chance: times, which writes in flight land, how far the index lags.
    """

    model: Model
    skip_unchanged: bool = True
    ttl_seconds: int = 86_400
    max_operations_per_second: float | None = None
    mapping: Mapping[str, Any]
    filtered: bool = False
    shards: int = 1
    lag_seconds: float = 0.0
    slow: int = 2
    late: bool = False
    timeout_seconds: float = TIMEOUT_SECONDS
    seed: int = 0


@dataclass(slots=True)
class _Flight:
    """A request under way, or one entry of it."""

    name: str
    key: str
    request: Callable[[], Any]
    carried_out: bool = False


class Invocation:
    """One call of the handler, which may be killed at any time.

    Attributes:
        flights: its requests under way.
        fired: what went wrong with its requests.
    """

    def __init__(self, world: "World") -> None:
        self.flights: list[_Flight] = []
        self.fired: Counter[Fault] = Counter()
        self._world = world
        self._task: asyncio.Task[Any] | None = None

    async def run(self, event: dict[str, Any]) -> Any:
        world = self._world
        started = world.clock()
        world.invocations.append(self)
        handling = world.handler(
            event,
            world.settings,
            world.cache(self),
            _IndexedTable(world, self),
            clock=world.clock,
            deadline=world.clock() + world.setup.timeout_seconds - REPORT_SECONDS,
            chance=world.chance.random,
        )
        self._task = asyncio.ensure_future(handling)
        try:
            await asyncio.wait({self._task}, timeout=world.setup.timeout_seconds)
            if not self._task.done():
                self.count(Fault.OUT_OF_TIME)
                self.kill(late=world.setup.late)
                await asyncio.wait({self._task})
        except asyncio.CancelledError:
            self.kill(cancelled=True)
            raise
        finally:
            world.invocations.remove(self)
        if self._task.cancelled():
            world.checker.handled(event, None, started=started, clean=False)
            raise FunctionError("killed")
        error = self._task.exception()
        if error is not None:
            world.errors.append(error)
            raise FunctionError(str(error)) from error
        world.checker.handled(event, self._task.result(), started=started, clean=not self.fired)
        return self._task.result()

    def count(self, fault: Fault) -> None:
        """Count what goes wrong with one of its own requests."""
        self.fired[fault] += 1
        self._world.fired[fault] += 1

    def kill(self, *, late: bool = False, cancelled: bool = False) -> None:
        """End it: each write in flight lands before the next attempt, or never.

        Args:
            late: or within the next seconds, whatever comes then.
            cancelled: whether the next attempt may follow at once.
        """
        world = self._world
        soon = 0.0 if cancelled or world.gives_up else BACKOFF_SECONDS
        for flight in list(self.flights):
            if flight.carried_out or flight.name not in WRITES:
                continue
            if world.chance.random() < 0.5:
                world.fired[Fault.KILLED_LOST] += 1
                flight.carried_out = True
                continue
            world.fired[Fault.KILLED_LANDED] += 1
            if late:
                world.loop.call_later(world.chance.uniform(0, LATE_SECONDS), world.land, flight)
            elif soon:
                world.in_flight.append(flight)
                world.loop.call_later(world.chance.uniform(0, soon), world.land, flight)
            else:
                world.land(flight)
        if self._task is not None:
            self._task.cancel()


WRITES = ("set", "delete", "set_if_hash", "set_if_absent")


class _SimulatedCache(EngineCache):
    """Momento as one invocation meets it."""

    def __init__(self, world: "World", invocation: Invocation) -> None:
        super().__init__(world.clock, world.limits)
        self.engine = world.engine
        self.pace = world.pace
        self._world = world
        self._invocation = invocation

    async def set_many(self, entries: Sequence[SetEntry]) -> Sequence[CacheError | None]:
        flights = [
            _Flight("set", each.key, functools.partial(self.store, each.key, each.value, each.ttl_seconds))
            for each in entries
        ]
        return await self._fly(flights, self._store_all)

    def _store_all(self, flights: Sequence[_Flight]) -> Sequence[CacheError | None]:
        refused = self._world.next_fault((Fault.PARTLY_REFUSED,))
        answers: list[CacheError | None] = []
        for position, flight in enumerate(flights):
            if refused and position % 2:
                self._invocation.count(Fault.PARTLY_REFUSED)
                answers.append(TransientError(Fault.PARTLY_REFUSED))
                continue
            try:
                self._world.carry_out(flight)
                answers.append(None)
            except CacheError as error:
                answers.append(error)
        return answers

    async def _ask(self, name: str, key: str, request: Callable[[], T]) -> T:
        answer: T = await self._fly([_Flight(name, key, request)], lambda flights: self._world.carry_out(flights[0]))
        return answer

    async def _fly(self, flights: Sequence[_Flight], land: Callable[[Sequence[_Flight]], T]) -> T:
        world = self._world
        self._invocation.flights += flights
        try:
            fault = world.next_fault(REQUEST_FAULTS)
            await asyncio.sleep(world.latency())
            if world.clock() < world.outage_until:
                self._invocation.count(Fault.OUTAGE)
                raise TransientError("outage")
            if fault is not None:
                await self._fail(fault, flights)
            answer = land(flights)
            await asyncio.sleep(world.latency())
            return answer
        finally:
            for flight in flights:
                self._invocation.flights.remove(flight)

    async def _fail(self, fault: Fault, flights: Sequence[_Flight]) -> None:
        self._invocation.count(fault)
        if fault in (Fault.CRASH_AFTER, Fault.TIMEOUT_APPLIED, Fault.REPLY_LOST):
            for flight in flights:
                self._world.land(flight)
        match fault:
            case Fault.CRASH_BEFORE | Fault.CRASH_AFTER:
                for flight in flights:
                    flight.carried_out = True
                self._invocation.kill()
                await asyncio.Event().wait()
            case Fault.TIMEOUT | Fault.TIMEOUT_APPLIED:
                for flight in flights:
                    flight.carried_out = True
                await asyncio.sleep(self.request_seconds)
            case Fault.REFUSED:
                raise RefusedError(fault)
            case Fault.UNAUTHENTICATED:
                raise KeyRefusedError(fault)
        raise TransientError(fault)


class _IndexedTable:
    """The table and its index as a query reads them: the index lags, and may change from page to page."""

    request_seconds = 1.0

    def __init__(self, world: "World", invocation: Invocation) -> None:
        self._world = world
        self._invocation = invocation

    async def query(self, source: RebuildFrom, condition: Mapping[str, Any], after: Mapping[str, Any] | None) -> Page:
        world = self._world
        # A query is slower than Momento, which leaves time for the index to change from page to page.
        await asyncio.sleep(5 * world.latency())
        if world.next_fault((Fault.QUERY_FAILED,)):
            self._invocation.count(Fault.QUERY_FAILED)
            raise CacheError("query failed")
        images = world.table.images() if source.index_name is None else world.table.indexed_images()
        if source.index_name is not None and world.table.lags:
            world.fired[Fault.INDEX_LAG] += 1
        keys = ("pk", "sk") if source.index_name is None else (*world.setup.model.index_keys, "pk", "sk")
        found = [
            each
            for each in images
            if all(name in each for name in keys) and all(each[name] == value for name, value in condition.items())
        ]
        found.sort(key=lambda each: _position(each, keys))
        if after is not None:
            found = [each for each in found if _position(each, keys) > _position(after, keys)]
        page = found[:2]
        last = {name: page[-1][name] for name in keys} if len(found) > len(page) else None
        return Page(page, last)


def _position(each: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    return [each[name]["S"] for name in keys]


class _Destination:
    def __init__(self, world: "World") -> None:
        self._world = world

    async def send(self, message: dict[str, Any]) -> None:
        untried = message["requestContext"]["condition"] != "RetryAttemptsExhausted"
        for record in msgspec.json.decode(message["payload"])["Records"]:
            self._world.fired[Fault.DISCARDED] += 1
            self._world.checker.discarded(int(record["dynamodb"]["SequenceNumber"]), untried=untried)


class _Function:
    def __init__(self, world: "World") -> None:
        self._world = world

    async def invoke(self, event: dict[str, Any]) -> Any:
        world = self._world
        answer = await Invocation(world).run(event)
        if world.next_fault((Fault.DELIVERED_TWICE,)):
            world.fired[Fault.DELIVERED_TWICE] += 1
            answer = await Invocation(world).run(event)
        if world.next_fault((Fault.RESPONSE_LOST,)):
            world.fired[Fault.RESPONSE_LOST] += 1
            raise FunctionError("the answer is lost")
        return answer


LIVE = '{"dynamodb":{"%s":{"pk":{"S":[{"exists":true}]},"status":{"S":["live",{"exists":false}]}}}}'
"""What the module derives from `{"status": ["live"]}`."""


class World:
    """All of it, from the first write on.

    Attributes:
        setup: what does not change.
        handler: what is put to the proof.
        table: the table.
        checker: what has to hold.
        fired: how often each fault came true.
        errors: what the handler raised.
        invocations: those under way.
        in_flight: writes of invocations that were killed, which land before the next attempt.
        outage_until: when Momento is back.
    """

    exact_seconds = 0.01
    """How exactly the time of a write is known."""

    def __init__(self, setup: Setup, handler: Handler) -> None:
        self.setup = setup
        self.handler = handler
        self.chance = random.Random(setup.seed)  # noqa: S311 - a run has to repeat
        self.clock = self.make_clock()
        self.loop = self.make_loop()
        self.limits = Limits(item_bytes=MAX_ITEM_BYTES)
        self.engine = Engine(self.clock.milliseconds, self.limits)
        self.engine.create_cache(CACHE)
        self.pace = Pace(setup.max_operations_per_second)
        self.settings = pizza.settings(
            setup.model.documents(),
            table={"name": "things", "key_attributes": ["pk", "sk"]},
            skip_unchanged=setup.skip_unchanged,
            ttl_seconds=setup.ttl_seconds,
        )
        self.fired: Counter[Fault] = Counter()
        self.errors: list[BaseException] = []
        self.invocations: list[Invocation] = []
        self.in_flight: list[_Flight] = []
        self.outage_until = 0.0
        self._armed: list[tuple[Fault, int]] = []
        self._stream = TableStream(setup.shards)
        self.table = Table(self._stream, self.clock, setup.lag_seconds, self.chance)
        self.checker = Checker(
            setup.model,
            self.engine,
            self.clock,
            ordered=setup.mapping.get("parallelization_factor", 1) == 1,
            filtered=setup.filtered,
            ttl_seconds=setup.ttl_seconds,
            exact_seconds=self.exact_seconds,
        )
        if "manual" in self.settings.views:
            # Without rebuild_from, it is the application that puts a list into the cache.
            self.engine.set(CACHE, b"manual", b"[]", setup.ttl_seconds * 1000)
            self.checker.placed("manual")
        self._checkpoints = [Checkpoints()]
        self._poll(Checkpoints())

    def make_clock(self) -> Clock:
        """The time."""
        return Clock()

    def make_loop(self) -> asyncio.AbstractEventLoop:
        """What all runs on."""
        return VirtualLoop(self.clock)

    # What happens

    def put(self, item: Item, *, poison: Poison | None = None) -> None:
        """Write an item."""
        self._write((item["pk"], item["sk"]), item, poison=poison)

    def delete(self, key: Key, *, by_ttl: bool = False) -> None:
        """Delete an item, as a client does or as DynamoDB's TTL does."""
        self._write(key, None, by_ttl=by_ttl)

    def _write(self, key: Key, after: Item | None, *, poison: Poison | None = None, by_ttl: bool = False) -> None:
        # No two things happen at once.
        self.clock.now += 0.001
        if poison is not None:
            self.fired[Fault.POISONED] += 1
        self.checker.written(self.table.write(key, after, poison=poison, by_ttl=by_ttl))

    def arm(self, fault: Fault, after: int) -> None:
        """Let a fault come true once so many chances for it have passed."""
        self._armed.append((fault, after))

    def next_fault(self, kinds: Sequence[Fault]) -> Fault | None:
        """The fault that comes true now, of some kinds."""
        for position, (fault, after) in enumerate(self._armed):
            if fault in kinds:
                if after == 0:
                    del self._armed[position]
                    return fault
                self._armed[position] = (fault, after - 1)
        return None

    def outage(self, seconds: float) -> None:
        """Let Momento be away."""
        self.outage_until = self.clock() + seconds

    def evict(self, which: int) -> None:
        """Drop an entry. The index catches up first: what it does not promise otherwise is in docs/guarantees.md."""
        keys = self.engine.keys(CACHE)
        if keys:
            self.fired[Fault.EVICTED] += 1
            self._lose([keys[which % len(keys)]])

    def flush(self) -> None:
        """Drop all entries."""
        keys = self.engine.keys(CACHE)
        if keys:
            self.fired[Fault.FLUSHED] += 1
            self._lose(keys)

    def _lose(self, keys: Sequence[bytes]) -> None:
        self.table.catch_up()
        for key in keys:
            self.engine.evict(CACHE, key)
            self.checker.lost(key.decode())

    def split(self, which: int) -> None:
        """Split a shard."""
        if self._stream.split(which):
            self.fired[Fault.SHARD_SPLIT] += 1

    def kill(self) -> None:
        """Kill every invocation that is under way."""
        for invocation in list(self.invocations):
            invocation.kill()

    def rewind(self, which: int) -> None:
        """Let another poller go on, from what was known some time ago."""
        self._stop_polling()
        del self._checkpoints[max(1, len(self._checkpoints) - which) :]
        if self._checkpoints[-1] != self._poller.checkpoints:
            self.fired[Fault.REWOUND] += 1
        self._poll(self._checkpoints[-1].copy())

    def let_expire(self) -> None:
        """Let so much time pass that whatever lives five minutes is gone."""
        while self.invocations:
            self.advance(1.0)
        self.clock.now += 300
        self.fired[Fault.EXPIRED] += self.checker.expired()

    @property
    def gives_up(self) -> bool:
        """Whether an attempt that failed may be followed at once by what comes behind its records."""
        mapping = self.setup.mapping
        return bool(mapping["maximum_retry_attempts"] <= 3 or mapping.get("maximum_record_age_in_seconds", -1) > 0)

    def latency(self) -> float:
        """How long a request takes to get there, or its reply to get back."""
        return self.chance.random() * self.setup.slow / 100

    # Time

    def advance(self, seconds: float) -> None:
        """Let time pass, and all that is due happen."""
        self._checkpoints.append(self._poller.checkpoints.copy())
        self.loop.run_until_complete(asyncio.sleep(seconds))
        if self._polling.done():
            self._polling.result()
        self.judge()

    def settle(self) -> None:
        """Drain the stream, faults that are still to come included, and check the cache."""
        self.outage_until = 0.0
        waited = 0
        while not self._caught_up():
            self.advance(1.0 if waited < 60 else 30.0)
            waited += 1 if waited < 60 else 30
            if waited > STUCK_SECONDS:
                raise DivergenceError(f"the stream is not drained after {waited} s")
        self._armed.clear()
        # A handler may have left requests behind that nobody waits for.
        self.advance(2.0)
        self.checker.check(self.table.items.values())
        self.judge()

    def close(self) -> None:
        """End all that is under way."""
        if not self.loop.is_closed():
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
                self.loop.run_until_complete(asyncio.wait({task}))
            self.loop.close()

    def _poll(self, checkpoints: Checkpoints) -> None:
        mapping = EventSourceMapping(
            event_source_arn="arn:aws:dynamodb:us-east-1:000000000000:table/things/stream/now",
            function_arn="arn:aws:lambda:us-east-1:000000000000:function:things",
            report_batch_item_failures=True,
            filter_patterns=(LIVE % "NewImage", LIVE % "OldImage") if self.setup.filtered else (),
            **self.setup.mapping,
        )
        self._poller = Poller(mapping, self._stream, _Function(self), _Destination(self), self.clock, checkpoints)
        self._polling = self.loop.create_task(self._poller.run())

    def _stop_polling(self) -> None:
        for flight in self.in_flight:
            self.land(flight)
        self.in_flight.clear()
        self._polling.cancel()
        self.loop.run_until_complete(asyncio.wait({self._polling}))

    def _caught_up(self) -> bool:
        checkpoints = self._poller.checkpoints
        for each in self._stream.shards_:
            shard_id = each.shard.shard_id
            if shard_id in checkpoints.finished:
                continue
            last = checkpoints.sequence_number(shard_id)
            if each.closed or (each.records and (last is None or int(last) < each.records[-1].number)):
                return False
        return True

    # What the invocations meet

    def cache(self, invocation: Invocation) -> CacheSeam:
        """Momento, for one invocation."""
        return _SimulatedCache(self, invocation)

    def carry_out(self, flight: _Flight) -> Any:
        """Let a request have its effect."""
        flight.carried_out = True
        try:
            answer = flight.request()
        except MomentoError as error:
            raise CacheError(str(error)) from error
        if flight.name in WRITES:
            self.checker.stored(flight.key)
        return answer

    def land(self, flight: _Flight) -> None:
        """Let a request have its effect, of which nobody is told."""
        if flight.carried_out:
            return
        with contextlib.suppress(CacheError):  # an entry too large, which is not carried out
            self.carry_out(flight)

    def judge(self) -> None:
        """Raise what went wrong so far."""
        if self.errors:
            raise DivergenceError("the handler failed") from self.errors[0]
        if self.checker.divergences:
            raise DivergenceError("; ".join(self.checker.divergences))
