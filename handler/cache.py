"""Apply: run a plan against the cache."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from msgspec import Struct

from handler import lists
from handler.attributes import AttributeValue, AttributeValueError, Image
from handler.settings import RebuildFrom
from handler.views import MAXIMUM_BYTES, DeleteEntry, Operation, Row, SetEntry, UpdateList, place_of, row_of

TAKEN_AWAY_SECONDS = 300
"""How long a list that is too big stays away before the next update tries to rebuild it."""

INDEX_LAG_SECONDS = 5
"""By how much an index is taken to lag behind its table, at the most."""

CONFLICT_DELAY_SECONDS = 0.02
"""The longest wait before a list that another writer changed is read again."""

CONCURRENCY = 32
"""Operations under way at once."""

T = TypeVar("T")


class CacheError(Exception):
    """A request to Momento, or to the table, failed. The message names what to fix."""


class UnauthenticatedError(CacheError):
    """Momento does not accept the API key."""


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


class Cache(Protocol):
    """What is asked of Momento. Every method raises CacheError where Momento answers with an error."""

    request_seconds: float
    """The longest that one request takes, its retries included."""

    renew_seconds: float
    """The longest that renew() takes."""

    async def set(self, key: str, value: bytes, ttl_seconds: int) -> None:
        """Write a value."""

    async def delete(self, key: str) -> None:
        """Take a value away."""

    async def get_with_hash(self, key: str) -> Entry | None:
        """Read a value, None where there is none."""

    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bool:
        """Write a value where the present one has the expected hash. Tells whether it did."""

    async def set_if_absent(self, key: str, value: bytes, ttl_seconds: int) -> bool:
        """Write a value where there is none. Tells whether it did."""

    async def remaining_ttl(self, key: str) -> float:
        """Seconds until a value expires, 0 where there is none."""

    async def renew(self) -> None:
        """Fetch the API key anew and go on with it."""


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
        """Read one page of an index or the table. Raises CacheError where DynamoDB answers with an error."""


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
        counts: how often each of these happened: set, delete, list_update, list_absent, list_rebuild,
            list_conflict, too_big, key_renewal, out_of_time. A list's conflict has all of its steps done again.
    """

    failures: tuple[Failure, ...]
    counts: Mapping[str, int]


async def apply(
    operations: Sequence[Operation], cache: Cache, table: TableReader, *, clock: Callable[[], float], deadline: float
) -> Applied:
    """Run a plan's operations, some at once, in their order.

    Args:
        operations: lowest sequence number first, one for each cache key.
        cache: Momento.
        table: where lists are rebuilt from.
        clock: the time in seconds, from any start.
        deadline: when it is over, by that clock. No request starts that could end later.
    """
    run = _Run(cache, table, clock, deadline)
    waiting = iter(operations)
    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(CONCURRENCY, len(operations))):
                workers.create_task(run.work(waiting))
    finally:
        run.stop()
    return Applied(tuple(run.failures), run.counts)


class _Run:
    """One plan under way."""

    def __init__(self, cache: Cache, table: TableReader, clock: Callable[[], float], deadline: float) -> None:
        self.failures: list[Failure] = []
        self.counts: Counter[str] = Counter()
        self._cache = cache
        self._table = table
        self._clock = clock
        self._deadline = deadline
        self._renewal: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Leave nothing behind that would go on in the next invocation."""
        if self._renewal is not None:
            self._renewal.cancel()

    async def work(self, waiting: Iterator[Operation]) -> None:
        """Take operations until there are none left."""
        for operation in waiting:
            try:
                await self._perform(operation)
            except OutOfTimeError as error:
                self.counts["out_of_time"] += 1
                self.failures.append(Failure(operation, str(error)))
            except (CacheError, lists.NotAListError, AttributeValueError) as error:
                self.failures.append(Failure(operation, str(error)))

    async def _perform(self, operation: Operation) -> None:
        match operation:
            case SetEntry(key=key, value=value, ttl_seconds=ttl_seconds) if len(value) <= MAXIMUM_BYTES:
                await self._ask(lambda: self._cache.set(key, value, ttl_seconds))
                self.counts["set"] += 1
            case SetEntry(key=key):
                await self._ask(lambda: self._cache.delete(key))
                self.counts["too_big"] += 1
            case DeleteEntry(key=key):
                await self._ask(lambda: self._cache.delete(key))
                self.counts["delete"] += 1
            case UpdateList():
                while not await self._update(operation):
                    pass

    async def _update(self, update: UpdateList) -> bool:
        """Bring a list up to date, or tell by False that it has to be looked at again."""
        entry = await self._ask(lambda: self._cache.get_with_hash(update.key))
        if entry is not None and entry.value == lists.NULL:
            return await self._leave_taken_away(update)
        try:
            rows = await self._rebuilt(update) if entry is None else lists.read(entry.value, update.definition)
            if rows is None:
                self.counts["list_absent"] += 1
                return True
            value, ttl_seconds = lists.write(rows, update.edits, update.definition), update.ttl_seconds
        except lists.TooBigError:
            value, ttl_seconds = lists.NULL, TAKEN_AWAY_SECONDS
        # Written though it be the same: a list must not expire while the index may still lack what was done to it.
        if entry is None:
            stored = await self._ask(lambda: self._cache.set_if_absent(update.key, value, ttl_seconds))
        else:
            expected = entry.hash
            stored = await self._ask(lambda: self._cache.set_if_hash(update.key, value, ttl_seconds, expected))
        if stored:
            self.counts["too_big" if value == lists.NULL else "list_update"] += 1
        else:
            self.counts["list_conflict"] += 1
            await asyncio.sleep(random.uniform(0, CONFLICT_DELAY_SECONDS))  # noqa: S311 - not a secret
        return stored

    async def _leave_taken_away(self, update: UpdateList) -> bool:
        """Let a list that was taken away stay so, at no cost to the table.

        When it expires, the next update rebuilds it from an index that may lack what was done just before. So updates
        in its last seconds wait for the end, and all that were let pass are older than any lag.
        """
        if update.condition is not None:
            remaining = await self._ask(lambda: self._cache.remaining_ttl(update.key))
            if remaining <= INDEX_LAG_SECONDS:
                self._require(remaining + self._cache.request_seconds)
                await asyncio.sleep(remaining)
                return False
        self.counts["list_absent"] += 1
        return True

    async def _rebuilt(self, update: UpdateList) -> Mapping[str, Row] | None:
        """A list's rows as the table or its index has them, None where the view does not say how."""
        if update.definition.rebuild_from is None or update.condition is None:
            return None
        self.counts["list_rebuild"] += 1
        rows: dict[str, Row] = {}
        size = 0
        async for image in self._query(update.definition.rebuild_from, update.condition):
            place = place_of(update.definition, image)
            if place is None or place[0] != update.key:
                continue
            row = rows[place[1]] = row_of(update.definition, image)
            size += sum(map(len, map(bytes, row.values())))
            if size > MAXIMUM_BYTES:
                raise lists.TooBigError
        return rows

    async def _query(self, source: RebuildFrom, condition: Mapping[str, AttributeValue]) -> AsyncIterator[Image]:
        after: Mapping[str, AttributeValue] | None = None
        while True:
            self._require(self._table.request_seconds)
            page = await self._table.query(source, condition, after)
            for image in page.images:
                yield image
            after = page.after
            if after is None:
                return

    async def _ask(self, request: Callable[[], Awaitable[T]]) -> T:
        """Make a request, once more with a new API key where Momento does not accept the present one."""
        self._require(self._cache.request_seconds)
        try:
            return await request()
        except UnauthenticatedError:
            if self._renewal is None:
                self._require(self._cache.renew_seconds)
                self.counts["key_renewal"] += 1
                self._renewal = asyncio.create_task(self._cache.renew())
        await self._renewal
        self._require(self._cache.request_seconds)
        return await request()

    def _require(self, seconds: float) -> None:
        if self._clock() + seconds > self._deadline:
            raise OutOfTimeError("the invocation's time was too short for it: raise `timeout`, or lower `batch_size`")
