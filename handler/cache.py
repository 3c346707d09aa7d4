"""Apply: run a plan against the cache."""

import asyncio
import contextlib
import math
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Struct

from handler import lists
from handler.attributes import AttributeValue, AttributeValueError, Image
from handler.lists import Leaving
from handler.settings import RebuildFrom
from handler.views import DeleteEntry, Operation, SetEntry, UpdateList, place_of, row_of

TAKEN_AWAY_SECONDS = 300
"""How long a list that is too big stays away before the next update tries to rebuild it."""

INDEX_LAG_SECONDS = 5
"""By how much an index is taken to lag behind its table, at the most."""

ATTEMPTS = 8
"""How often one request is made, where Momento may answer the next time."""

FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 2.0
"""The pause before a request is made again is anything up to the first, which doubles each time, up to the longest.

Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

CONFLICT_DELAY_SECONDS = 0.02
"""The longest wait before a list that another writer changed is read again."""

CPU_SECONDS = 0.05
"""How long a rebuild may look at items before other requests have their turn: a `where` may take long with each."""

CONCURRENCY = 32
"""Requests under way at once."""

BATCH_BYTES = 1_000_000
"""The most that one request writes, unless a single entry is larger: Momento takes 5 MB, but a failure costs it all."""

LIST_COPIES = 6
"""How many times its JSON a list takes in memory while it is read or written, with what protobuf and gRPC make of it.

Rows take ROW_BYTES each on top, until the list is written: with rows of a few bytes that is more than their JSON.
"""

KNOWN_SIZES = 10_000
"""Of how many lists the size is kept. One that was never seen may be as large as an entry can be."""

PAGE_BYTES = 1_000_000
"""The most that one page of a query holds: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html"""

ROW_BYTES = 250
"""What one decoded row takes beside its JSON: a view of it, its member, and their place in a dictionary."""

T = TypeVar("T")


class CacheError(Exception):
    """A request to Momento, or to the table, failed. The message names what to fix."""


class RefusedError(CacheError):
    """Momento does not take what was to be written. Of several entries, that may be for one alone."""


class TransientError(CacheError):
    """Momento, or the table, was too busy or too slow, or could not be reached: it may answer the next time."""


class KeyRefusedError(CacheError):
    """Momento does not accept this API key for this cache: another key may do."""


class NotAKeyError(CacheError):
    """The query asks for a value that the index's key cannot have: the index holds no such item."""


class OutOfTimeError(Exception):
    """The time left could not finish the next request."""


class Entry(Struct, frozen=True):
    """A cached value.

    Attributes:
        value: the bytes.
        hash: Momento's hash of them, for compare-and-set.
    """

    value: bytes
    hash: bytes


class Pace:
    """Holds requests back, so that no second has more operations than it may. Goes on from batch to batch.

    Args:
        operations_per_second: None: as many as there are. Less than 1: one in as many seconds as that takes.
    """

    __slots__ = ("_counted", "_held_until", "_most", "_seconds", "_started")

    def __init__(self, operations_per_second: float | None = None) -> None:
        rate = math.inf if operations_per_second is None else operations_per_second
        self._seconds = max(1.0, 1 / rate)
        self._most = rate * self._seconds
        self._started: deque[tuple[float, int]] = deque()
        self._counted = 0
        self._held_until = -math.inf

    def hold(self, until: float) -> None:
        """Start no request before that time."""
        self._held_until = max(self._held_until, until)

    @property
    def most(self) -> int | None:
        """How many operations one request may be, None where there is no limit."""
        return None if math.isinf(self._most) else max(1, math.floor(self._most))

    def wait(self, now: float, operations: int = 1) -> float:
        """Tell how many seconds the next request has to wait."""
        start = max(now, self._held_until)
        if self._started:
            start = max(start, self._started[-1][0])
        # No later request starts before this one, so what no longer counts for it can be forgotten.
        while self._started and self._started[0][0] <= start - self._seconds:
            self._counted -= self._started.popleft()[1]
        counted = self._counted
        for at, count in self._started:
            if not counted or counted + operations <= self._most:
                break
            counted -= count
            start = at + self._seconds
        return start - now

    def held(self, now: float) -> float:
        """Return how many seconds remain of hold()."""
        return max(0.0, self._held_until - now)

    def take(self, operations: int, now: float) -> None:
        """Count a request that starts as soon as it may, by the operations that Momento's quota counts for it."""
        if self.most is None:
            return
        start = now + self.wait(now, operations)
        self._started.append((start, operations))
        self._counted += operations

    def at_once(self, seconds: float) -> int:
        """Tell how many requests of so many seconds each it takes to keep to the pace: more would only queue up."""
        return (
            CONCURRENCY
            if self.most is None
            else max(1, min(CONCURRENCY, math.ceil(seconds * self._most / self._seconds)))
        )


class Stored(Struct, frozen=True):
    """A list as it is cached.

    Attributes:
        hash: Momento's.
        rows: its rows; None: the entry is something else than the view's list.
        size: how many bytes its JSON has.
        held: how many bytes were read for it, all of which its rows keep in memory.
        redefined: whether it is a list of another definition of its view.
    """

    hash: bytes
    rows: Mapping[str, lists.EncodedRow] | None
    size: int
    held: int = 0
    redefined: bool = False

    @property
    def memory(self) -> int:
        """How many bytes of memory it takes."""
        return max(self.size, self.held) + ROW_BYTES * len(self.rows or ())


class Memory:
    """What lists may take of the function's memory, and those that were last written.

    One that nobody else changes need not be read again. Whether it is still the same, its compare-and-set tells. Goes
    on from batch to batch.

    Args:
        megabytes: the function's memory size. A sixth is for the lists under way, half of it for those that are being
            read, and half for those that are being made. An eighth is for those remembered. The rest is for the
            interpreter with its libraries, a batch of 6 MB, and what it is made into.
    """

    def __init__(self, megabytes: int = 512) -> None:
        self.under_way_bytes = megabytes * 1_000_000 // 6
        self.remembered_bytes = megabytes * 1_000_000 // 8
        self._lists: dict[str, Stored] = {}
        self._size = 0
        self._sizes: dict[str, int] = {}

    def expected(self, key: str) -> int | None:
        """Return how large a list was when it was last seen, None where it never was."""
        return self._sizes.get(key)

    def see(self, key: str, size: int | None) -> None:
        """Keep how large a list is, without its rows; None: it is away, and may be of any size when it comes back."""
        self._sizes.pop(key, None)
        if size is not None:
            self._sizes[key] = size
        if len(self._sizes) > KNOWN_SIZES:
            del self._sizes[next(iter(self._sizes))]

    def size(self, key: str) -> int:
        """Return how large a remembered list is, 0 where it is not."""
        return self._lists[key].size if key in self._lists else 0

    def recall(self, key: str) -> Stored | None:
        """Return a list, and forget it."""
        found = self._lists.pop(key, None)
        self._size -= 0 if found is None else found.memory
        return found

    def remember(self, key: str, written: Stored) -> None:
        """Keep a list, and forget those that were not used for the longest time, if they take too much."""
        self.recall(key)
        self._lists[key] = written
        self._size += written.memory
        while self._size > self.remembered_bytes:
            self.recall(next(iter(self._lists)))


class _Room:
    """Bytes of memory that operations take and give back, first come, first served."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator["_Share"]:
        """Hold so many bytes, once they are free."""
        share = _Share(self)
        try:
            await share.exchange(size)
            yield share
        finally:
            share.keep(0)

    async def take(self, size: int) -> int:
        """Wait until so many bytes are free. Return how many: what is larger than the room takes all of it."""
        size = min(size, self._size)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        self._admit()
        await turn
        return size

    def give(self, size: int) -> None:
        """Give back so many bytes."""
        self._free += size
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._free -= size
                turn.set_result(None)


class _Share:
    """What one operation holds of a room."""

    def __init__(self, room: _Room) -> None:
        self._room = room
        self._held = 0

    def keep(self, size: int) -> None:
        """Give back all but so many bytes."""
        kept = min(size, self._held)
        self._room.give(self._held - kept)
        self._held = kept

    async def exchange(self, size: int) -> None:
        """Give everything back, then wait for `size` bytes: two that kept some would wait for each other forever."""
        self.keep(0)
        self._held = await self._room.take(size)


class Cache(Protocol):
    """What is asked of Momento. Every method raises CacheError where Momento answers with an error."""

    request_seconds: float
    """The longest that one request takes."""

    renew_seconds: float
    """The longest that renew() takes."""

    max_item_bytes: int
    """The largest entry, its key included."""

    pace: Pace
    """How fast requests may follow each other."""

    async def set_many(self, entries: Sequence[SetEntry]) -> Sequence[CacheError | None]:
        """Write values by one request. Tells of each why it was not written, None where it was."""

    async def delete(self, key: str) -> None:
        """Take a value away."""

    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Entry | None:
        """Read a value, None where there is none. One that is not consistent may be some moments old."""

    async def matching(self, wanted: Mapping[str, Callable[[bytes], bool]]) -> frozenset[str]:
        """Read values consistently with one request. Return the keys that exist and whose value is wanted."""

    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bytes | None:
        """Write a value where the present one has the expected hash. Gives the new hash, None where it did not."""

    async def set_if_absent(self, key: str, value: bytes, ttl_seconds: int) -> bool:
        """Write a value where there is none. Tells whether it did."""

    async def remaining_ttl(self, key: str) -> float:
        """Read consistently in how many seconds a value expires, 0 where there is none."""

    async def renew(self) -> bool:
        """Fetch the API key and go on with it. Return whether it is another one."""


class Page(Struct, frozen=True):
    """A part of a query's answer.

    Attributes:
        images: the items.
        after: where the next page starts; None: this is the last.
    """

    images: Sequence[Image]
    after: Mapping[str, AttributeValue] | None


class TableReader(Protocol):
    """What is asked of DynamoDB."""

    request_seconds: float
    """The longest that one request takes, its retries included."""

    async def query(
        self,
        source: RebuildFrom,
        condition: Mapping[str, AttributeValue],
        after: Mapping[str, AttributeValue] | None,
    ) -> Page:
        """Read one page of an index or the table.

        Raises:
            NotAKeyError: a value is not of its key's type.
            TransientError: DynamoDB throttled the query, or answered with a status of 5xx.
            CacheError: DynamoDB answers with another error.
        """


class Failure(Struct, frozen=True):
    """An operation that was not finished.

    Attributes:
        operation: the operation.
        reason: why.
    """

    operation: Operation
    reason: str


class Applied(Struct, frozen=True):
    """What came of a plan.

    Attributes:
        failures: the operations that were not finished; all others were.
        counts: how often each of these happened: set, delete, left_alone, list_update, list_read, list_absent,
            list_rebuild, list_foreign, list_redefined, list_cut, list_conflict, row_rejected, not_a_key, too_big,
            retry, key_renewal, out_of_time.
            A list's conflict has all of its steps done again.
    """

    failures: tuple[Failure, ...]
    counts: Mapping[str, int]


async def apply(
    operations: Sequence[Operation],
    cache: Cache,
    table: TableReader,
    memory: Memory,
    *,
    clock: Callable[[], float],
    deadline: float,
    chance: Callable[[], float] = random.random,
) -> Applied:
    """Run a plan's operations, some at once, in their order.

    Args:
        operations: lowest sequence number first, one for each cache key.
        cache: Momento.
        table: where lists are rebuilt from.
        memory: the lists that earlier batches wrote.
        clock: the time in seconds, from any start.
        deadline: when it is over, by that clock. No request starts that could end later.
        chance: gives a number from 0 to 1 by which a pause is shortened.
    """
    async with asyncio.TaskGroup() as tasks:
        run = _Run(cache, table, memory, tasks, clock, deadline, chance)
        run.start(operations)
    return Applied(tuple(run.failures), run.counts)


def fits(key: str, value: bytes, cache: Cache) -> bool:
    """Tell whether Momento takes an entry."""
    return len(key.encode()) + len(value) <= cache.max_item_bytes


_SAME_KEY = "the secret still holds the same key"


class _Step(NamedTuple):
    """What begins with one request.

    Attributes:
        run: does it.
        operations: what the request is for, each one operation to Momento's quota.
    """

    run: Callable[[], Awaitable[None]]
    operations: Sequence[Operation]


class _NewList(NamedTuple):
    """What a list has to become, and what that counts as."""

    counts_as: Literal["list_update", "list_cut", "too_big"]
    value: bytes
    ttl_seconds: int
    rows: Mapping[str, lists.EncodedRow] = {}


class _Run:
    """One plan under way."""

    def __init__(
        self,
        cache: Cache,
        table: TableReader,
        memory: Memory,
        tasks: asyncio.TaskGroup,
        clock: Callable[[], float],
        deadline: float,
        chance: Callable[[], float],
    ) -> None:
        self.failures: list[Failure] = []
        self.counts: Counter[str] = Counter()
        self._cache = cache
        self._table = table
        self._clock = clock
        self._deadline = deadline
        self._memory = memory
        self._tasks = tasks
        self._chance = chance
        self._renewal: asyncio.Task[str] | None = None
        # A list takes room in the second while it has some in the first, never the other way around.
        self._reading = _Room(memory.under_way_bytes // 2)
        self._making = _Room(memory.under_way_bytes // 2)
        self._at_once = cache.pace.at_once(cache.request_seconds)
        self._slots = asyncio.Semaphore(self._at_once)
        self._beginning = asyncio.Lock()
        # Lists of which a request has shown that what was read of them is no longer so.
        self._doubted: set[str] = set()
        # By key, the hash of a list of another definition that is as old as an index can lag.
        self._aged: dict[str, bytes] = {}

    def start(self, operations: Iterable[Operation]) -> None:
        """Start operations: as many at once as requests can be under way, the lowest sequence numbers first."""
        steps = self._steps(operations)
        waiting = iter(steps)
        for _ in range(min(len(steps), self._at_once)):
            self._tasks.create_task(self._work(waiting))

    async def _work(self, waiting: Iterator[_Step]) -> None:
        """Take steps until there are none left.

        One step at a time waits to begin, and until the pace has room for it. If each worker's next step had its place
        there already, what was begun before, a list's write or a retry, would come after all of them. Then the first
        records would fail because the last ones are done, in each attempt.
        """
        while True:
            async with self._beginning:
                step = next(waiting, None)
                if step is None:
                    return
                await self._until_free(len(step.operations))
            await step.run()

    async def _until_free(self, operations: int) -> None:
        """Wait until the pace has room for so many operations. Return at once where there is no time for that."""
        while True:
            wait = self._cache.pace.wait(self._clock(), operations)
            if wait <= 0 or not self._allows(wait + self._cache.request_seconds):
                return
            await asyncio.sleep(wait)

    def _steps(self, operations: Iterable[Operation]) -> list[_Step]:
        """Group entries to set, and entries to compare before they are deleted, into one request each."""
        steps: list[_Step] = []
        sets: list[SetEntry] = []
        deletes: list[DeleteEntry] = []
        size = 0
        most = self._cache.pace.most
        for operation in operations:
            match operation:
                case SetEntry(key=key, value=value) if fits(key, value, self._cache):
                    added = len(key) + len(value)
                    if not sets or size + added > BATCH_BYTES or len(sets) == most:
                        sets, size = [], 0
                        steps.append(_Step(partial(self._set, sets), sets))
                    sets.append(operation)
                    size += added
                case DeleteEntry(key=key, leaving=Leaving()) if fits(key, b"", self._cache):
                    if not deletes or len(deletes) in (CONCURRENCY, most):
                        deletes = []
                        steps.append(_Step(partial(self._delete_own, deletes), deletes))
                    deletes.append(operation)
                case _:
                    steps.append(_Step(partial(self._attempt, operation), [operation]))
        return steps

    async def _set(self, entries: Sequence[SetEntry], attempt: int = 1) -> None:
        """Write entries by one request, and those that Momento may take the next time by two of half the size.

        So all is written that Momento takes: a batch may be more than it takes at once, or hold what it never takes.
        """
        try:
            answers = await self._try(lambda: self._cache.set_many(entries), len(entries))
        except TransientError as error:
            # Not the error itself: its traceback holds this frame, which would hold it, and with it the whole batch
            # until the collector finds the cycle.
            answers = [TransientError(str(error))] * len(entries)
        except RefusedError as error:
            if len(entries) > 1:
                await _in_halves(partial(self._set, attempt=attempt), entries)
            else:
                self._fail(entries, error)
            return
        except (CacheError, OutOfTimeError) as error:
            self._fail(entries, error)
            return
        self.counts["set"] += answers.count(None)
        pause = self._pause(attempt, self._cache.request_seconds)
        again: list[SetEntry] = []
        for entry, answer in zip(entries, answers, strict=True):
            if pause is not None and isinstance(answer, TransientError):
                again.append(entry)
            elif answer is not None:
                self._fail([entry], answer)
        if again and pause is not None:
            self.counts["retry"] += 1
            await asyncio.sleep(pause)
            await _in_halves(partial(self._set, attempt=attempt + 1), again)

    async def _delete_own(self, deletes: Sequence[DeleteEntry], attempt: int = 1) -> None:
        """Delete the entries that are the leaving items' own. One request compares them, or two with half of them each.

        Momento has no conditional delete. No other write comes between this read and the deletes where all items that
        may have a key are in one partition, because a shard's batches are handled one after another.
        """
        wanted = {each.key: each.leaving.takes for each in deletes if each.leaving is not None}
        try:
            own = await self._try(lambda: self._cache.matching(wanted), len(wanted))
        except (CacheError, OutOfTimeError) as error:
            pause = None
            if isinstance(error, TransientError):
                pause = self._pause(attempt, self._cache.request_seconds)
            elif isinstance(error, RefusedError) and len(deletes) > 1:
                pause = 0.0
            if pause is None:
                self._fail(deletes, error)
                return
            self.counts["retry"] += 1
            await asyncio.sleep(pause)
            await _in_halves(partial(self._delete_own, attempt=attempt + 1), deletes)
            return
        for each in deletes:
            if each.key in own:
                self._tasks.create_task(self._attempt(each))
            else:
                self.counts["left_alone"] += 1

    async def _attempt(self, operation: Operation) -> None:
        try:
            await self._perform(operation)
        except (CacheError, OutOfTimeError, lists.NotAListError, AttributeValueError) as error:
            self._fail([operation], error)

    def _fail(self, operations: Sequence[Operation], error: Exception) -> None:
        if isinstance(error, OutOfTimeError):
            self.counts["out_of_time"] += len(operations)
        self.failures += [Failure(operation, str(error)) for operation in operations]

    async def _perform(self, operation: Operation) -> None:
        match operation:
            case _ if len(operation.key.encode()) > self._cache.max_item_bytes:
                self.counts["too_big"] += 1
            case SetEntry(key=key):
                await self._ask(lambda: self._cache.delete(key))
                self.counts["too_big"] += 1
            case DeleteEntry(key=key):
                await self._ask(lambda: self._cache.delete(key))
                self.counts["delete"] += 1
            case UpdateList():
                await self._bring_up_to_date(operation)

    async def _bring_up_to_date(self, update: UpdateList) -> None:
        try:
            while (wait := await self._update(update)) is not None:
                if wait > 0:
                    self._require(wait + self._cache.request_seconds)
                    # A task, because this worker has other operations to do meanwhile.
                    self._tasks.create_task(self._attempt_after(wait, update))
                    return
        except NotAKeyError:
            # The index holds no such items. With the key's type in the settings, there would be no edits for them.
            self.counts["not_a_key"] += 1
            if rest := update.rest:
                await self._bring_up_to_date(rest)

    async def _attempt_after(self, seconds: float, operation: Operation) -> None:
        await asyncio.sleep(seconds)
        await self._attempt(operation)

    async def _update(self, update: UpdateList) -> float | None:
        """Bring a list up to date. Return in how many seconds it has to be looked at again, None where that is done."""
        if size := self._memory.size(update.key):
            async with self._making.taken(LIST_COPIES * size) as share:
                # It may have been forgotten meanwhile.
                if stored := self._memory.recall(update.key):
                    return await self._write(update, stored, share)
        async with self._reading.taken(self._memory.expected(update.key) or self._cache.max_item_bytes) as share:
            consistent = update.key in self._doubted
            entry = await self._ask(lambda: self._cache.get_with_hash(update.key, consistent=consistent))
            self.counts["list_read"] += 1
            present = None if entry is None or entry.value == lists.NULL else entry
            size = 0 if present is None else len(present.value)
            self._memory.see(update.key, size or None)
            share.keep(size)
            if present is None and (entry is not None or update.condition is None):
                return await self._leave_away(update, entry, share)
            async with self._making.taken(LIST_COPIES * size) as making:
                stored = None if present is None else self._read(update, present)
                if stored is not None and self._waits_for_index(update, stored):
                    return INDEX_LAG_SECONDS
                return await self._write(update, stored, making)

    def _waits_for_index(self, update: UpdateList, stored: Stored) -> bool:
        """Return whether a list of another definition may have seen what the index still lacks.

        Until it is rebuilt, another shard, or another execution environment, may go on with the older definition.
        """
        if not stored.redefined or update.condition is None or update.definition.rebuild_from is None:
            return False
        if update.definition.rebuild_from.index_name is None or self._aged.get(update.key) == stored.hash:
            return False
        self._aged[update.key] = stored.hash
        return True

    def _read(self, update: UpdateList, entry: Entry) -> Stored:
        """Return a cached list. One that is not the view's has no rows: it is rebuilt over, where that is possible.

        Raises:
            NotAListError: it never was the view's, and cannot be rebuilt.
        """
        if lists.is_redefined(entry.value, update.definition):
            self.counts["list_redefined"] += 1
            return Stored(entry.hash, None, len(entry.value), len(entry.value), redefined=True)
        rows = None
        try:
            rows = lists.read(entry.value, update.definition)
        except lists.NotAListError:
            if update.condition is None:
                raise
            self.counts["list_foreign"] += 1
        return Stored(entry.hash, rows, len(entry.value), len(entry.value))

    async def _write(self, update: UpdateList, stored: Stored | None, share: _Share) -> float | None:
        """Write a list as it has to become. Return in how many seconds it has to be looked at again, or None."""
        new = await self._new_list(update, stored, share)
        # Write even an unchanged list: that renews its TTL, so it cannot expire while the index still lags.
        if not await self._store(update, new, stored):
            self.counts["list_conflict"] += 1
            self._doubted.add(update.key)
            await asyncio.sleep(self._chance() * CONFLICT_DELAY_SECONDS)
            return 0
        self.counts[new.counts_as] += 1
        # A list that was cut comes back once its index has what was done to it, where there is one.
        return INDEX_LAG_SECONDS if new.counts_as == "list_cut" and update.condition is not None else None

    async def _store(self, update: UpdateList, new: _NewList, stored: Stored | None) -> bool:
        """Write a list over the state that it was made of. Return whether that was still there."""
        key, value, ttl_seconds = update.key, new.value, new.ttl_seconds
        if stored is None:
            return await self._ask(lambda: self._cache.set_if_absent(key, value, ttl_seconds))
        hashed = await self._ask(lambda: self._cache.set_if_hash(key, value, ttl_seconds, stored.hash))
        if hashed is not None and new.counts_as == "list_update":
            rows, held = new.rows, stored.held
            if held > len(value):
                # Rows that were read are views of all the bytes that were read, and keep more alive than there is.
                rows, held = lists.views_of(new.rows, value), len(value)
            self._memory.remember(key, Stored(hashed, rows, len(value), held))
            self._memory.see(key, len(value))
        return hashed is not None

    async def _new_list(self, update: UpdateList, stored: Stored | None, share: _Share) -> _NewList:
        """Return what a list has to become."""
        view = update.definition
        if stored is not None and stored.redefined and update.condition is None:
            return _NewList("list_cut", lists.NULL, INDEX_LAG_SECONDS)
        if stored is None or stored.rows is None:
            return self._fitting(update, await self._rebuilt(update, share))
        rows = lists.edited(stored.rows, update.edits)
        unsure = update.condition is not None and lists.is_unsure(stored.rows, update.edits)
        if not unsure and not lists.falls_short(stored.rows, rows, view):
            return self._fitting(update, rows)
        # The table itself knows all that this list has seen. An index may lag, and is asked once it no longer can.
        if view.rebuild_from and view.rebuild_from.index_name is None and update.condition is not None:
            return self._fitting(update, await self._rebuilt(update, share))
        return _NewList("list_cut", lists.NULL, INDEX_LAG_SECONDS)

    def _fitting(self, update: UpdateList, rows: Mapping[str, lists.EncodedRow]) -> _NewList:
        rows = lists.cut(rows, update.definition)
        value = lists.write(rows, update.definition)
        if fits(update.key, value, self._cache):
            return _NewList("list_update", value, update.ttl_seconds, rows)
        return _NewList("too_big", lists.NULL, TAKEN_AWAY_SECONDS)

    async def _leave_away(self, update: UpdateList, entry: Entry | None, share: _Share) -> float | None:
        """Leave a list absent that cannot be rebuilt, or cleared.

        Return in how many seconds it has to be looked at again, None where it may stay away.

        A cleared list stays so at no cost to the table. When it expires, the next update rebuilds it from an index that
        may lack what was done just before. So updates in its last seconds wait for its end, and all that were let pass
        are older than any lag.

        An update that is let pass is lost unless the list really is away. Reads may be some moments old, and a TTL that
        is asked for by a second request may be that of a list which has come back. So the list is read again,
        consistently. If it still is away, then either the TTL is that of its `null`, or the `null` is newer than the
        update, and the list will be rebuilt from an index that has it.
        """
        if entry is not None and update.condition is not None:
            remaining = await self._ask(lambda: self._cache.remaining_ttl(update.key))
            if remaining <= INDEX_LAG_SECONDS:
                return remaining
        # It may have come back, as large as any.
        await share.exchange(self._cache.max_item_bytes)
        again = await self._ask(lambda: self._cache.get_with_hash(update.key, consistent=True))
        if (again and again.value) != (entry and entry.value):
            self._doubted.add(update.key)
            return 0
        self.counts["list_absent"] += 1
        return None

    async def _rebuilt(self, update: UpdateList, share: _Share) -> dict[str, lists.EncodedRow]:
        """Return a list's rows as the table or its index has them, with the edits made.

        Of more rows than the limit, and of a list that is too big, only as many as it takes to know that.
        """
        view = update.definition
        # That the query was answered shows which type the key has.
        edits = {member: edit for member, edit in update.edits.items() if member not in update.others}
        self.counts["list_rebuild"] += 1
        rows: dict[str, lists.EncodedRow] = {}
        size = 0
        started = self._clock()
        async for image in self._query(update, share):
            if self._clock() - started > CPU_SECONDS:
                await asyncio.sleep(0)
                self._require(self._cache.request_seconds)
                started = self._clock()
            try:
                place = place_of(view, image, lambda: self._require(self._cache.request_seconds))
                if place is None or place[0] != update.key:
                    continue
                row = msgspec.json.encode(row_of(view, image, {}))
            except AttributeValueError:
                # Its own record is rejected for this view. The others are not to suffer for it.
                self.counts["row_rejected"] += 1
                continue
            edit = edits.get(place[1])
            # An index that lags may show the item as it was before what its old images show.
            leaves = isinstance(edit, Leaving) and edit.takes_item(image)
            if leaves or lists.is_replaced(place[1], row, edits):
                continue
            rows[place[1]] = row
            size += len(row)
            if size > 2 * self._cache.max_item_bytes or (view.limit is not None and len(rows) > 2 * view.limit):
                if view.limit is None:
                    break
                # Whatever is still to come: a row behind more than Momento takes is in no list that it takes.
                ordered, rows, size = lists.cut(rows, view), {}, 0
                for member, kept in ordered.items():
                    if size > self._cache.max_item_bytes:
                        break
                    rows[member] = kept
                    size += _size(kept)
        return lists.edited(rows, edits)

    async def _query(self, update: UpdateList, share: _Share) -> AsyncIterator[Image]:
        source, condition = update.definition.rebuild_from, update.condition
        await share.exchange(LIST_COPIES * PAGE_BYTES)
        is_first = True
        after: Mapping[str, AttributeValue] | None = None
        while source is not None and condition is not None:
            query = partial(self._page, source, condition, after)
            page = await self._repeat(query, self._table.request_seconds)
            for image in page.images:
                yield image
            after = page.after
            if after is None:
                return
            # Free the page before waiting for memory: only its rows are kept.
            del page
            if is_first:
                await share.exchange(LIST_COPIES * self._cache.max_item_bytes)
                is_first = False

    async def _page(
        self,
        source: RebuildFrom,
        condition: Mapping[str, AttributeValue],
        after: Mapping[str, AttributeValue] | None,
    ) -> Page:
        self._require(self._table.request_seconds)
        return await self._table.query(source, condition, after)

    async def _ask(self, request: Callable[[], Awaitable[T]]) -> T:
        """Make a request to Momento, and again while it may answer the next time."""
        return await self._repeat(lambda: self._try(request, 1), self._cache.request_seconds)

    async def _repeat(self, request: Callable[[], Awaitable[T]], seconds: float) -> T:
        """Make a request that takes so many seconds at most, and again while it may be answered the next time."""
        attempt = 1
        while True:
            try:
                return await request()
            except TransientError:
                pause = self._pause(attempt, seconds)
                if pause is None:
                    raise
            self.counts["retry"] += 1
            await asyncio.sleep(pause)
            attempt += 1

    def _pause(self, attempt: int, seconds: float) -> float | None:
        """Return the pause before another attempt of so many seconds, None where there is no time for one."""
        pause = self._chance() * min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** (attempt - 1))
        return pause if attempt < ATTEMPTS and self._allows(pause + seconds) else None

    async def _try(self, request: Callable[[], Awaitable[T]], operations: int) -> T:
        """Make a request once its turn has come, and again with another API key where the present one is refused."""
        try:
            return await self._at_its_turn(request, operations)
        except KeyRefusedError:
            if self._renewal is None:
                self._require(self._cache.renew_seconds)
                self.counts["key_renewal"] += 1
                self._renewal = asyncio.create_task(self._renewed())
            # A worker that is cancelled here cancels the renewal with it: nothing goes on in the next invocation.
            if await self._renewal == _SAME_KEY:
                raise
        if problem := self._renewal.result():
            raise CacheError(problem)
        return await self._at_its_turn(request, operations)

    async def _renewed(self) -> str:
        """Look for another API key, once in a batch. Return why there is none, or "".

        Not by an exception: the task keeps it, its traceback keeps this run, and the run keeps the task.
        """
        try:
            return "" if await self._cache.renew() else _SAME_KEY
        except CacheError as error:
            return str(error)

    async def _at_its_turn(self, request: Callable[[], Awaitable[T]], operations: int) -> T:
        """Make a request once it may start. It is so many operations to Momento's quota."""
        async with self._slots:
            await self._turn(operations)
            return await request()

    async def _turn(self, operations: int) -> None:
        wait = self._cache.pace.wait(self._clock(), operations)
        self._require(wait + self._cache.request_seconds)
        self._cache.pace.take(operations, self._clock())
        while wait > 0:
            await asyncio.sleep(wait)
            # While it waited, the connection may have been replaced.
            wait = self._cache.pace.held(self._clock())
            self._require(wait + self._cache.request_seconds)

    def _require(self, seconds: float) -> None:
        if not self._allows(seconds):
            raise OutOfTimeError("the invocation's time was too short for it: raise `timeout`, or lower `batch_size`")

    def _allows(self, seconds: float) -> bool:
        return self._clock() + seconds <= self._deadline


async def _in_halves(step: Callable[[Sequence[T]], Awaitable[None]], operations: Sequence[T]) -> None:
    half = (len(operations) + 1) // 2
    for part in filter(None, (operations[:half], operations[half:])):
        await step(part)


def _size(row: lists.EncodedRow) -> int:
    return len(bytes(row))
