"""A table, its stream, Lambda and Momento on one seeded scheduler in virtual time, with whatever can go wrong."""

import asyncio
import contextlib
import functools
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import msgspec

from handler.cache import Cache as CacheSeam
from handler.cache import CacheError, Entry, KeyRefusedError, Pace, Page, RefusedError, TableReader, TransientError
from handler.settings import ListView, RebuildFrom, Settings
from handler.settings import Table as TableSettings
from handler.views import SetEntry
from local.event_source import Checkpoints, EventSourceMapping, FunctionError, Poller
from local.event_source.poller import exponential
from local.momento.engine import Engine, Hashed, Limits, MomentoError
from tests import pizza
from tests.doubles import CACHE, Clock, EngineCache, VirtualLoop
from tests.property.checker import Checker, DivergenceError, stamp_of
from tests.property.model import Model
from tests.property.table import Key, Poison, Table, TableStream
from tests.stream import Item

TIMEOUT_SECONDS = 30.0
LEAST_TIMEOUT_SECONDS = 20.0
"""What the module demands. Before the first redeployment, less will do: a list that was cut lets more attempts come."""

REPORT_SECONDS = 0.5
WRITE_SECONDS = 0.001
EXACT_SECONDS = 0.000_001
LATE_SECONDS = 30.0
MAX_ITEM_BYTES = 700
LIST_COPIES = 6
PAGE_BYTES = 1_000_000
ROW_BYTES = 250
"""What lists take in memory. The handler has the same numbers. They are repeated here, so that a slip is seen."""

STUCK_SECONDS = 1_000
"""How long it may take to drain the stream: 302 seconds were seen."""

QUERY_SECONDS = 1.0
REQUEST_SECONDS = 1.0
LAG_SECONDS = 5.0
PACE_SECONDS = 4.0
"""How much time an operation may need: for a request, or a page of a query; for the index to catch up, where a `null`
was read or written, or a list of another definition was read; for its turn, where there is a pace."""

VAIN_ATTEMPTS = 8
"""In how many attempts without a fault a batch's first record may be left undone for want of time: 4 were seen."""

KEY_TYPES = {"pk": "S", "sk": "S", "kind": "S", "owner": "S"}
TYPED = "attribute_types" in TableSettings.__struct_fields__
"""Whether the settings have the types of keys, so that the handler can know what an index does not hold."""
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
    KEY_NOT_FETCHED = "API key not to be had"
    CONNECTION_DIED = "connection died with all that was under way"
    CRASH_BEFORE = "crash before a request"
    CRASH_AFTER = "crash after a request"
    PARTLY_REFUSED = "entry of a batch refused, others written"
    QUERY_FAILED = "page of a query failed"
    OUT_OF_TIME = "invocation killed when its time was up"
    TIME_SHORT = "invocation ended for want of time"
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
    STALE_READ = "read some moments old"
    TRANSACTION = "transaction"
    SPOILED = "list overwritten by another program"
    REDEPLOYED = "view definition changed"
    OUTDATED = "list of another definition read"
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
    Fault.CONNECTION_DIED,
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
        stale_seconds: how old a read that is not consistent may be at the most.
        memory_bytes: what lists may take of an execution environment's memory; None: as much as they like.
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
    stale_seconds: float = 0.0
    memory_bytes: int | None = None
    seed: int = 0


@dataclass(slots=True)
class _Flight:
    """A request under way, or one entry of it."""

    name: str
    key: str
    request: Callable[[], Any]
    carried_out: bool = False


@dataclass(slots=True, eq=False, weakref_slot=True)
class Environment:
    """One of Lambda's execution environments, with its connection to Momento.

    Attributes:
        pace: how fast its requests may follow each other.
        key: which of the API keys it has.
        under_way: the requests on their way there or back.
        started: when requests were made in the last second, at the earliest, and how many operations each is.
        invocations: how many it has had.
        sizes: how large each list was when it was last seen.
        written: in which invocation each list was written that may be remembered since, and what memory it takes.
        remembered: by invocation, the memory of the lists that were remembered for certain when it began.
    """

    pace: Pace
    key: int
    under_way: set[asyncio.Future[None]] = field(default_factory=set)
    started: list[tuple[float, int]] = field(default_factory=list)
    invocations: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    written: dict[str, tuple[int, int]] = field(default_factory=dict)
    remembered: Counter[int] = field(default_factory=Counter)


class Invocation:
    """One call of the handler, which may be killed at any time.

    Attributes:
        environment: where it runs.
        flights: its requests under way.
        reading: the bytes that its reads of lists, and the lists which it writes, take of the room for reading.
        making: the bytes that its queries, and the lists which it writes, take of the room for making lists.
        read: how many bytes of each list it holds, of those that it has read and not yet written.
        waits: whether it may have to wait for the index to catch up.
        queries: whether it has read the table or its index.
        fired: what went wrong with its requests.
    """

    def __init__(self, world: "World") -> None:
        self.environment = world.take_environment()
        self.flights: list[_Flight] = []
        self.environment.invocations += 1
        self.reading: list[int] = []
        self.making: list[int] = []
        self.read: dict[str, int] = {}
        self.waits = False
        self.queries = False
        self.fired: Counter[Fault] = Counter()
        self._stood_still = world.stood_still
        self._world = world
        self._task: asyncio.Task[Any] | None = None

    async def run(self, event: dict[str, Any]) -> Any:
        world = self._world
        started = world.clock()
        deadline = started + world.setup.timeout_seconds - REPORT_SECONDS
        world.invocations.append(self)
        handling = world.handler(
            event,
            world.settings,
            world.cache(self),
            _IndexedTable(world, self),
            clock=world.clock,
            deadline=deadline,
            chance=world.chance.random,
        )
        self._task = asyncio.ensure_future(handling)
        try:
            await asyncio.wait({self._task}, timeout=world.setup.timeout_seconds)
            if not self._task.done():
                self.count(Fault.OUT_OF_TIME)
                world.overran()
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
        if world.clock() > deadline + self.stood_still() + EXACT_SECONDS:
            world.overran()
        world.give_back(self.environment)
        answer = self._task.result()
        had_time = world.clock() < deadline - world.wanted_seconds(self)
        if answer["batchItemFailures"] and not self.fired:
            if not had_time:
                world.fired[Fault.TIME_SHORT] += 1
            world.left_unfinished(event, answer, since=started - world.setup.stale_seconds, had_time=had_time)
        world.checker.handled(event, answer, started=started, clean=not self.fired and had_time)
        return answer

    def stood_still(self) -> float:
        """How many seconds went by since its start in which nothing could run."""
        return self._world.stood_still - self._stood_still

    def count(self, fault: Fault) -> None:
        """Count what goes wrong with one of its own requests."""
        self.fired[fault] += 1
        self._world.fired[fault] += 1

    @contextlib.contextmanager
    def holding(self, room: list[int], size: int) -> Iterator[None]:
        """Check that N bytes fit into a room beside all else in it. What is larger than the room has it to itself."""
        memory_bytes = self._world.setup.memory_bytes
        if memory_bytes is None:
            yield
            return
        most = memory_bytes // 2
        held = min(size, most)
        room.append(held)
        self._world.checker.keep(sum(room), most, f"bytes {'read' if room is self.reading else 'made'} at once")
        try:
            yield
        finally:
            room.remove(held)

    def recall(self, key: str) -> None:
        """Check what is remembered, because a list is written that this invocation has not read."""
        environment, memory_bytes = self.environment, self._world.setup.memory_bytes
        since, size = environment.written.pop(key, (environment.invocations, 0))
        for number in range(since + 1, environment.invocations + 1):
            environment.remembered[number] += size
            if memory_bytes is not None:
                self._world.checker.keep(environment.remembered[number], memory_bytes, "bytes remembered")

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
        self.pace = invocation.environment.pace
        self.memory_bytes = world.setup.memory_bytes
        self.environment = invocation.environment
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

    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Entry | None:
        world, invocation = self._world, self._invocation
        sizes = invocation.environment.sizes
        known = sizes.get(key, MAX_ITEM_BYTES)
        with invocation.holding(invocation.reading, known):
            found = await self._ask("get_with_hash", key, lambda: world.read(key, consistent=consistent))
        invocation.environment.written.pop(key, None)
        sizes.pop(key, None)
        if found is None or found.value == b"null":
            invocation.waits |= found is not None
            invocation.read[key] = 0
        else:
            if world.is_outdated(key, found.value):
                world.fired[Fault.OUTDATED] += 1
                invocation.waits |= world.rebuilds_from_index(key)
            sizes[key] = len(found.value)
            invocation.read[key] = min(known, sizes[key])
        return None if found is None else Entry(found.value, found.hash)

    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bytes | None:
        world, invocation = self._world, self._invocation
        if key not in invocation.read:
            invocation.recall(key)
        with (
            invocation.holding(invocation.reading, invocation.read.get(key, 0)),
            invocation.holding(invocation.making, LIST_COPIES * world.sizes.get(expected, 0)),
        ):
            hashed = await super().set_if_hash(key, value, ttl_seconds, expected)
        invocation.read.pop(key, None)
        if hashed is not None and value != b"null":
            invocation.environment.sizes[key] = len(value)
            memory = len(value) + ROW_BYTES * len(msgspec.json.decode(value, type=list[msgspec.Raw]))
            invocation.environment.written[key] = invocation.environment.invocations, memory
        # A list that was cut comes back once its index has caught up.
        invocation.waits |= hashed is not None and value == b"null" and ttl_seconds <= LAG_SECONDS
        return hashed

    async def set_if_absent(self, key: str, value: bytes, ttl_seconds: int) -> bool:
        # Such a list was rebuilt, in as much room as the largest list takes.
        with self._invocation.holding(self._invocation.making, LIST_COPIES * MAX_ITEM_BYTES):
            return await super().set_if_absent(key, value, ttl_seconds)

    async def matching(self, wanted: Mapping[str, Callable[[bytes], bool]]) -> frozenset[str]:
        looks = [_Flight("look", key, functools.partial(self._is_wanted, key, wants)) for key, wants in wanted.items()]
        return await self._fly(looks, self._look_at_all)

    def _look_at_all(self, looks: Sequence[_Flight]) -> frozenset[str]:
        return frozenset(each.key for each in looks if self._world.carry_out(each))

    async def renew(self) -> bool:
        world, environment = self._world, self._invocation.environment
        await asyncio.sleep(world.latency())
        if world.next_fault((Fault.KEY_NOT_FETCHED,)):
            self._invocation.count(Fault.KEY_NOT_FETCHED)
            raise CacheError(Fault.KEY_NOT_FETCHED)
        renewed = environment.key != world.key
        environment.key = world.key
        return renewed

    async def _ask(self, name: str, key: str, request: Callable[[], T]) -> T:
        answer: T = await self._fly([_Flight(name, key, request)], lambda flights: self._world.carry_out(flights[0]))
        return answer

    async def _fly(self, flights: Sequence[_Flight], land: Callable[[Sequence[_Flight]], T]) -> T:
        world = self._world
        self._keep_pace(len(flights))
        self._invocation.flights += flights
        try:
            fault = world.next_fault(REQUEST_FAULTS)
            await self._travel()
            if world.clock() < world.outage_until:
                self._invocation.count(Fault.OUTAGE)
                raise TransientError("outage")
            if self._invocation.environment.key != world.key:
                self._invocation.count(Fault.UNAUTHENTICATED)
                raise KeyRefusedError(Fault.UNAUTHENTICATED)
            if fault is not None:
                await self._fail(fault, flights)
            answer = land(flights)
            await self._travel()
            return answer
        finally:
            for flight in flights:
                self._invocation.flights.remove(flight)

    def _keep_pace(self, operations: int) -> None:
        """Count what one environment asks of Momento in a second, as it is made: that is what the pace is for."""
        most, started = self._world.setup.max_operations_per_second, self._invocation.environment.started
        if most is None:
            return
        now = self._world.clock()
        # Writes to the table, for which the loop stands still, may have let this request start so much later.
        late = self._invocation.stood_still()
        started[:] = [each for each in started if each[0] > now - 1 + EXACT_SECONDS]
        started.append((now - late, operations))
        self._world.checker.keep(sum(count for _, count in started), most, "operations in a second")

    async def _travel(self) -> None:
        """Take the time that it takes there or back, unless the connection dies."""
        loop, under_way = self._world.loop, self._invocation.environment.under_way
        arrived: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(self._world.latency(), _arrive, arrived)
        under_way.add(arrived)
        try:
            await arrived
        finally:
            timer.cancel()
            under_way.discard(arrived)

    def _end_connection(self) -> None:
        """Fail all requests under way. Each may have been carried out, if not yet answered."""
        for flight in list(self._invocation.flights):
            if self._world.chance.random() < 0.5:
                self._world.land(flight)
        for each in self._invocation.environment.under_way:
            if not each.done():
                each.set_exception(TransientError(Fault.CONNECTION_DIED))

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
                # Another key was put in its place: no environment's is accepted any more.
                self._world.key += 1
                raise KeyRefusedError(fault)
            case Fault.CONNECTION_DIED:
                self._end_connection()
        raise TransientError(fault)


def _arrive(arrived: asyncio.Future[None]) -> None:
    if not arrived.done():
        arrived.set_result(None)


class _IndexedTable:
    """The table and its index as a query reads them: the index lags, and may change from page to page."""

    request_seconds = QUERY_SECONDS

    def __init__(self, world: "World", invocation: Invocation) -> None:
        self._world = world
        self._invocation = invocation

    async def query(self, source: RebuildFrom, condition: Mapping[str, Any], after: Mapping[str, Any] | None) -> Page:
        # What was read before is rows by now, of which no more are kept than a list can have.
        size = LIST_COPIES * (PAGE_BYTES if after is None else MAX_ITEM_BYTES)
        with self._invocation.holding(self._invocation.making, size):
            return await self._page(source, condition, after)

    async def _page(self, source: RebuildFrom, condition: Mapping[str, Any], after: Mapping[str, Any] | None) -> Page:
        world = self._world
        self._invocation.queries = True
        # A query is slower than Momento, which leaves time for the index to change from page to page.
        await asyncio.sleep(min(QUERY_SECONDS, 5 * world.latency()))
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
            # An item whose key is of another type, NULL or empty is not in the index.
            if all(each.get(name, {}).get("S") for name in keys)
            and all(each[name] == value for name, value in condition.items())
        ]
        found.sort(key=lambda each: _position(each, keys))
        if after is not None:
            found = [each for each in found if _position(each, keys) > _position(after, keys)]
        page = found[:2]
        last = {name: page[-1][name] for name in keys} if len(found) > len(page) else None
        return Page(page, last)


def _shown(model: Model) -> dict[str, dict[str, Any]]:
    """What each view shows, but for how many rows, and in which order."""
    return {
        name: {key: value for key, value in document.items() if key not in ("limit", "descending")}
        for name, document in model.documents().items()
    }


def _position(each: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    return [each[name]["S"] for name in keys]


class _Destination:
    def __init__(self, world: "World") -> None:
        self._world = world

    async def send(self, message: dict[str, Any]) -> None:
        untried = message["requestContext"]["condition"] != "RetryAttemptsExhausted"
        for record in msgspec.json.decode(message["payload"])["Records"]:
            self._world.fired[Fault.DISCARDED] += 1
            number = int(record["dynamodb"]["SequenceNumber"])
            self._world.checker.discarded(number, untried=untried, soon=self._world.gives_up_soon)


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
        sizes: how large each value was that was ever cached, by its hash.
        in_flight: writes of invocations that were killed, which land before the next attempt.
        outage_until: when Momento is back.
        stood_still: for how many seconds nothing could run, because the table was written to.
        key: which of the API keys Momento accepts.
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
        self.settings = self._settings()
        self.key = 0
        self._idle: list[Environment] = []
        self._past: dict[str, list[tuple[float, Hashed | None, float]]] = defaultdict(list)
        self.fired: Counter[Fault] = Counter()
        self.errors: list[BaseException] = []
        self.invocations: list[Invocation] = []
        self.sizes: dict[bytes, int] = {}
        self.in_flight: list[_Flight] = []
        self.outage_until = 0.0
        self.stood_still = 0.0
        self._passed_by: dict[str, bytes | None] = {}
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
            self._place("manual", b"[]")
        self._checkpoints = [Checkpoints()]
        self._poll(Checkpoints())

    def _settings(self) -> Settings:
        types = {"attribute_types": KEY_TYPES} if TYPED else {}
        return pizza.settings(
            self.setup.model.documents(),
            table={"name": "things", "key_attributes": ["pk", "sk"], **types},
            skip_unchanged=self.setup.skip_unchanged,
            ttl_seconds=self.setup.ttl_seconds,
        )

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

    def transact(self, writes: Mapping[Key, Item | None]) -> None:
        """Write several items in one transaction."""
        self._stand_still()
        self.fired[Fault.TRANSACTION] += 1
        for record in self.table.transact(writes):
            self.checker.written(record)

    def _write(self, key: Key, after: Item | None, *, poison: Poison | None = None, by_ttl: bool = False) -> None:
        self._stand_still()
        if poison is not None:
            self.fired[Fault.POISONED] += 1
        self.checker.written(self.table.write(key, after, poison=poison, by_ttl=by_ttl))

    def _stand_still(self) -> None:
        # No two things happen at once.
        self.clock.now += WRITE_SECONDS
        self.stood_still += WRITE_SECONDS

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
            self._drop(key.decode())

    def _drop(self, key: str) -> None:
        self.engine.evict(CACHE, key.encode())
        self.note(key)
        self.checker.lost(key, while_rebuilt=any(each.queries for each in self.invocations))

    def spoil(self, which: int, junk: bytes) -> None:
        """Let another program overwrite a list: one that can be rebuilt, or one whose records are given up soon.

        The index catches up first, as before an eviction.
        """
        keys = [
            key
            for key in map(bytes.decode, self.engine.keys(CACHE))
            if self.checker.is_list(key) and (key != "manual" or self.gives_up_soon)
        ]
        if keys:
            self.table.catch_up()
            key = keys[which % len(keys)]
            self.fired[Fault.SPOILED] += 1
            self._place(key, junk)
            self.checker.spoiled(key)

    def refill(self) -> None:
        """Let the application fill the list that nothing else rebuilds, from a consistent read, at one moment."""
        present = self.engine.get(CACHE, b"manual")
        if "manual" not in self.settings.views or (present is not None and not self.checker.is_spoiled("manual")):
            return
        rows = [row for item in self.table.items.values() for row in self.setup.model.rows(item) if row.key == "manual"]
        text = self.setup.model.list_text(rows).encode()
        if len(b"manual") + len(text) <= MAX_ITEM_BYTES:
            self._place("manual", text)
            self.checker.filled("manual")

    def _place(self, key: str, value: bytes) -> None:
        self.engine.set(CACHE, key.encode(), value, self.setup.ttl_seconds * 1000)
        self.note(key)
        self.checker.placed(key)

    def redeploy(self, model: Model) -> None:
        """Deploy the function again, with views of another definition. The environments of the former one end.

        From then on, an invocation has as much time as the module demands, for it may have to wait for the index.
        Lists stay, for the handler to recognize. What goes is in docs/guarantees.md: the entries of items where their
        view shows others now; and a list whose definition comes back, of which changes passed by meanwhile.
        """
        for _ in range(100):
            if not self.invocations:
                break
            self.advance(1.0)
        else:
            return
        self._land_all()
        self.fired[Fault.REDEPLOYED] += 1
        former, now = (_shown(each) for each in (self.setup.model, model))
        self.setup = replace(
            self.setup, model=model, timeout_seconds=max(self.setup.timeout_seconds, LEAST_TIMEOUT_SECONDS)
        )
        self.settings = self._settings()
        self.handler = type(self.handler)()
        self._idle.clear()
        self.checker.redeployed(model, shows_others=former != now)
        # Those that are away already, with whatever excused that under the former definition.
        absent = self.checker.absent()
        for key in absent:
            if self.checker.is_list(key) or former[self.checker.view_of(key)] != now[self.checker.view_of(key)]:
                self.checker.lost(key)
        if former != now and any(map(self.checker.is_list, [*absent, *self.checker.cleared()])):
            # They may soon be made of what passed by a moment ago, because it was not shown.
            self.table.catch_up()
        for key in map(bytes.decode, self.engine.keys(CACHE)):
            shows_others = former[self.checker.view_of(key)] != now[self.checker.view_of(key)]
            if self.checker.is_list(key):
                self._redefine(key, shows_others=shows_others)
            elif shows_others:
                self._drop(key)

    def _redefine(self, key: str, *, shows_others: bool) -> None:
        stored = self.engine.get(CACHE, key.encode()) or b""
        if stored == b"null" or self.checker.is_spoiled(key):
            return
        if shows_others and self.is_outdated(key, stored):
            self._passed_by[key] = stored
        if not stamp_of(stored) and key == "manual":
            # It is the application's, which alone knows what it was filled with.
            self._drop(key)
        elif self.is_outdated(key, stored) or not stamp_of(stored):
            self.checker.redefined(key)
        elif self._passed_by.get(key) == stored:
            self._lose([key.encode()])
        else:
            self.checker.defined(key)

    def is_outdated(self, key: str, stored: bytes) -> bool:
        """Return whether a list is of another definition than its view has now."""
        stamp, view = stamp_of(stored), self.settings.views.get(self.checker.view_of(key))
        return stamp != b"" and isinstance(view, ListView) and stamp != view.stamp

    def rebuilds_from_index(self, key: str) -> bool:
        """Return whether a list is rebuilt from an index, which may lag."""
        view = self.settings.views.get(self.checker.view_of(key))
        source = view.rebuild_from if isinstance(view, ListView) else None
        return source is not None and source.index_name is not None

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
        self.checker.rewound()
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
    def gives_up_soon(self) -> bool:
        """Whether a record that can not be handled is given up before long."""
        return int(self.setup.mapping["maximum_retry_attempts"]) <= 3

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
        self.checker.check(self.table.items.values(), index_lags=self.table.lags)
        self.judge()

    def overran(self) -> None:
        """Take note that an invocation went on when its time was up."""
        self.checker.divergences.append("an invocation went on when its time was up")

    def wanted_seconds(self, invocation: Invocation) -> float:
        """How long before its deadline an invocation may rightly have had too little time for what it left undone."""
        paced = self.setup.max_operations_per_second is not None
        return REQUEST_SECONDS + LAG_SECONDS * invocation.waits + PACE_SECONDS * paced

    def left_unfinished(self, event: Mapping[str, Any], answer: Any, *, since: float, had_time: bool) -> None:
        """Hold the handler to finish a batch for which nothing goes wrong: at once, or in a few attempts."""
        # At 3 operations in a second, 5 seconds may be too short for a batch's first record again and again.
        if had_time or self.setup.max_operations_per_second is None:
            self.checker.unfinished(event, answer, since=since, most=0 if had_time else VAIN_ATTEMPTS)

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

    def _land_all(self) -> None:
        for flight in self.in_flight:
            self.land(flight)
        self.in_flight.clear()

    def _stop_polling(self) -> None:
        self._land_all()
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

    def take_environment(self) -> Environment:
        """An execution environment that has nothing to do, or a new one."""
        return self._idle.pop() if self._idle else Environment(Pace(self.setup.max_operations_per_second), self.key)

    def give_back(self, environment: Environment) -> None:
        """Keep an execution environment whose invocation has ended."""
        self._idle.append(environment)

    def note(self, key: str) -> None:
        """Keep what an entry has become, for reads that are some moments old."""
        found = self.engine.get_with_hash(CACHE, key.encode())
        if found is not None:
            self.sizes[found.hash] = len(found.value)
        remaining = self.engine.item_get_ttl(CACHE, key.encode()) or 0
        self._past[key].append((self.clock(), found, self.clock() + remaining / 1000))

    def read(self, key: str, *, consistent: bool) -> Hashed | None:
        """An entry as it is, or, where it is not read consistently, as it was some moments ago."""
        present = self.engine.get_with_hash(CACHE, key.encode())
        if consistent or not self.setup.stale_seconds or self.chance.random() < 0.5:
            return present
        moment = self.clock() - self.chance.uniform(0, self.setup.stale_seconds)
        found = None
        for at, value, expires in reversed(self._past[key]):
            if at <= moment:
                found = value if expires > moment else None
                break
        if found != present:
            self.fired[Fault.STALE_READ] += 1
        return found

    def carry_out(self, flight: _Flight) -> Any:
        """Let a request have its effect."""
        flight.carried_out = True
        try:
            answer = flight.request()
        except MomentoError as error:
            raise CacheError(str(error)) from error
        if flight.name in WRITES:
            self.note(flight.key)
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
