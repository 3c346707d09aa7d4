"""Handlers with one guarantee broken each, made of the same parts as the real one: what the proof has to find."""

import asyncio
import contextlib
import functools
import json
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Raw, structs

from handler.cache import (
    INDEX_LAG_SECONDS,
    LIST_COPIES,
    PAGE_BYTES,
    TAKEN_AWAY_SECONDS,
    Applied,
    CacheError,
    Entry,
    Failure,
    Memory,
    Pace,
    Page,
    Stored,
    TransientError,
    _Room,
    _Run,
    _Share,
    apply,
)
from handler.changes import NetChange, coalesce
from handler.lists import NULL, EncodedRow, Leaving
from handler.outcome import report
from handler.records import Change, decode
from handler.settings import REFRESH, ListView, Settings, View
from handler.views import DeleteEntry, Operation, Plan, SetEntry, UpdateList, place_of, plan
from tests.property.histories import FOUR_LISTS, ONE_LIST, TWO_PAGES, History, Ours, memory_of
from tests.property.model import Things
from tests.property.world import WRITES, Fault, Handler

Time = dict[str, Any]
"""`clock`, `deadline` and `chance`, as they are passed on."""


class Wrapped:
    """A seam that passes everything on, to be overridden in part."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


class Parts:
    """The five steps, each to be overridden."""

    async def __call__(self, event: dict[str, Any], views: Settings, cache: Any, table: Any, **time: Any) -> Any:
        batch = decode(event)
        planned = plan(self.coalesced(coalesce(batch.changes)), views)
        applied = await self.applied(planned.operations, cache, table, time)
        return dict(report(batch, planned, applied, now=0.0).response)

    def coalesced(self, changes: list[NetChange]) -> list[NetChange]:
        return changes

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(operations, cache, table, memory_of(cache), **time)


class RecordsAtOnce(Ours):
    """Order (1): handles each record by itself, and all at once."""

    async def __call__(self, event: dict[str, Any], views: Settings, cache: Any, table: Any, **time: Any) -> Any:
        handle = super().__call__
        answers = await asyncio.gather(
            *(handle({"Records": [record]}, views, cache, table, **time) for record in event["Records"])
        )
        failed = [failure for answer in answers for failure in answer["batchItemFailures"]]
        return {"batchItemFailures": failed[:1]}


class ItemsAtOnce(Parts):
    """Order (5): two operations on one key at once, where two items of a batch share it."""

    async def __call__(self, event: dict[str, Any], views: Settings, cache: Any, table: Any, **time: Any) -> Any:
        batch = decode(event)
        plans = [plan([change], views) for change in coalesce(batch.changes)]
        applied = await asyncio.gather(
            *(apply(each.operations, cache, table, memory_of(cache), **time) for each in plans)
        )
        failures = tuple(failure for each in applied for failure in each.failures)
        rejections = tuple(rejection for each in plans for rejection in each.rejections)
        return dict(report(batch, Plan((), rejections), Applied(failures, {}), now=0.0).response)


class Acknowledging(Ours):
    """Nothing lost (2): acknowledges past a failure."""

    async def __call__(self, *arguments: Any, **time: Any) -> Any:
        await super().__call__(*arguments, **time)
        return {"batchItemFailures": []}


class AcknowledgingTheFirst(Ours):
    """Nothing lost (2): retries from behind the record that failed."""

    async def __call__(self, event: dict[str, Any], *arguments: Any, **time: Any) -> Any:
        answer = await super().__call__(event, *arguments, **time)
        numbers = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]
        for failure in answer["batchItemFailures"]:
            behind = numbers[numbers.index(failure["itemIdentifier"]) + 1 :]
            return {"batchItemFailures": [{"itemIdentifier": number} for number in behind[:1]]}
        return answer


class WritingNothing(Parts):
    """Nothing lost (2): acknowledges, and does nothing."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return Applied((), {})


class NamingTheLast(Ours):
    """Nothing lost (2): names the last record of an item that failed, so that the keys it left before are forgotten."""

    async def __call__(self, event: dict[str, Any], *arguments: Any, **time: Any) -> Any:
        answer = await super().__call__(event, *arguments, **time)
        records = [each["dynamodb"] for each in event["Records"]]
        for failure in answer["batchItemFailures"]:
            [item] = [each["Keys"] for each in records if each["SequenceNumber"] == failure["itemIdentifier"]]
            last = [each["SequenceNumber"] for each in records if each["Keys"] == item][-1]
            return {"batchItemFailures": [{"itemIdentifier": last}]}
        return answer


class Cutting(Wrapped):
    def __init__(self, wrapped: Any) -> None:
        super().__init__(wrapped)
        self._cut: dict[str, Entry] = {}

    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bytes | None:
        hashed: bytes | None = await self._wrapped.set_if_hash(key, value, ttl_seconds, expected)
        if hashed is not None and value == NULL and ttl_seconds == INDEX_LAG_SECONDS:
            self._cut[key] = Entry(value, hashed)
        return hashed

    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Entry | None:
        found: Entry | None = await self._wrapped.get_with_hash(key, consistent=consistent)
        return self._cut.get(key, found)

    async def remaining_ttl(self, key: str) -> float:
        return float(await self._wrapped.remaining_ttl(key)) + TAKEN_AWAY_SECONDS


class LeavingListsCut(Parts):
    """No partial list (4): takes a list away that was cut at its limit, and does not build it anew."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(operations, Cutting(cache), table, memory_of(cache), **time)


class DraggingOthersDown(Parts):
    """Nothing lost (2): does nothing for a batch that has a record which can not be handled."""

    async def __call__(self, event: dict[str, Any], views: Settings, *arguments: Any, **time: Any) -> Any:
        batch = decode(event)
        planned = plan(coalesce(batch.changes), views)
        if batch.rejections or planned.rejections:
            return dict(report(batch, planned, Applied((), {}), now=0.0).response)
        return await super().__call__(event, views, *arguments, **time)


class TakingAway(Wrapped):
    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bytes | None:
        hashed: bytes | None = await self._wrapped.set_if_hash(key, NULL, TAKEN_AWAY_SECONDS, expected)
        return hashed


class TakingListsAway(Parts):
    """Nothing lost (2): takes each list away instead of changing it."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(operations, TakingAway(cache), table, memory_of(cache), **time)


class Remembering(Ours):
    """Replay converges (3): takes a record that it has seen before for done."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    async def __call__(self, event: dict[str, Any], *arguments: Any, **time: Any) -> Any:
        records = [each for each in event["Records"] if each["dynamodb"]["SequenceNumber"] not in self._seen]
        self._seen.update(each["dynamodb"]["SequenceNumber"] for each in records)
        return await super().__call__({"Records": records}, *arguments, **time)


class SkippingByTheEnds(Parts):
    """Replay converges (3): skips an item whose first and last images are the same, whatever came between."""

    def coalesced(self, changes: list[NetChange]) -> list[NetChange]:
        return [each for each in changes if each.changes[0].before != each.changes[-1].after]


class PlainWrites(Wrapped):
    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bytes | None:
        await self._wrapped.set(key, value, ttl_seconds)
        return b"any"

    async def set_if_absent(self, key: str, value: bytes, ttl_seconds: int) -> bool:
        await self._wrapped.set(key, value, ttl_seconds)
        return True


class NotComparing(Parts):
    """No lost update (4): writes lists whatever has become of them since they were read."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(operations, PlainWrites(cache), table, memory_of(cache), **time)


class EmptyTable(Wrapped):
    async def query(self, *arguments: Any) -> Page:
        return Page([], None)


class PartialLists(Parts):
    """No partial list (4): begins an absent list with the batch's rows alone."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(operations, cache, EmptyTable(table), memory_of(cache), **time)


class FirstPage(Wrapped):
    async def query(self, *arguments: Any) -> Page:
        page = await self._wrapped.query(*arguments)
        return Page(page.images, None)


class ReadingOnePage(Parts):
    """No partial list (4): rebuilds a list from the first page of the query's answer."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(operations, cache, FirstPage(table), memory_of(cache), **time)


class IgnoringRemovals(Parts):
    """No partial list (4): does nothing where a row is to leave a list that is not cached."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        kept = [each for each in operations if not await self._is_removal_from_nothing(each, cache)]
        return await apply(kept, cache, table, memory_of(cache), **time)

    async def _is_removal_from_nothing(self, operation: Operation, cache: Any) -> bool:
        if not isinstance(operation, UpdateList) or any(operation.edits.values()):
            return False
        return await cache.get_with_hash(operation.key) is None


class AtOnce(Wrapped):
    def __init__(self, wrapped: Any, rebuilt: Container[str]) -> None:
        super().__init__(wrapped)
        self._rebuilt = rebuilt

    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bytes | None:
        if value == NULL and ttl_seconds == INDEX_LAG_SECONDS and key in self._rebuilt:
            await self._wrapped.delete(key)
            return b"any"
        hashed: bytes | None = await self._wrapped.set_if_hash(key, value, ttl_seconds, expected)
        return hashed


class AskingTheIndexAtOnce(Parts):
    """No partial list (4): rebuilds a list that was cut at its limit from an index that may lag."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        rebuilt = {each.key for each in operations if isinstance(each, UpdateList) and each.condition is not None}
        return await apply(operations, AtOnce(cache, rebuilt), table, memory_of(cache), **time)


class LeavingOldKeys(Parts):
    """Moves and deletes (5): never takes an entry away."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(
            [each for each in operations if not isinstance(each, DeleteEntry)], cache, table, memory_of(cache), **time
        )


class EndKeysOnly(Parts):
    """Moves and deletes (5): forgets the keys that an item had only within the batch."""

    def coalesced(self, changes: list[NetChange]) -> list[NetChange]:
        ends = []
        for each in changes:
            first, last = each.changes[0], each.changes[-1]
            ends.append(NetChange(each.item, (structs.replace(last, before=first.before),)))
        return ends


class Floats(Parts):
    """Exact values (6): reads numbers as floats."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply([self._rounded(each) for each in operations], cache, table, memory_of(cache), **time)

    def _rounded(self, operation: Operation) -> Operation:
        if not isinstance(operation, SetEntry):
            return operation
        text = json.dumps(json.loads(operation.value), ensure_ascii=False, separators=(",", ":"))
        return structs.replace(operation, value=text.encode())


class LeavingWhatIsTooBig(Parts):
    """Too big is absent (7): leaves the old entry where the new one does not fit."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        fitting = [
            each
            for each in operations
            if not isinstance(each, SetEntry) or len(each.key) + len(each.value) <= cache.max_item_bytes
        ]
        return await apply(fitting, cache, table, memory_of(cache), **time)


class Endless(Ours):
    """Bounded time (8): starts requests that the time left can not finish."""

    async def __call__(self, event: dict[str, Any], views: Settings, cache: Any, table: Any, **time: Any) -> Any:
        time["deadline"] += 1_000
        return await super().__call__(event, views, cache, table, **time)


class Quiet(Wrapped):
    def __getattr__(self, name: str) -> Any:
        request = getattr(self._wrapped, name)
        return self._silenced(request) if name in ("set_many", *WRITES) else request

    def _silenced(self, request: Callable[..., Any]) -> Callable[..., Any]:
        async def ask(*arguments: Any) -> Any:
            try:
                answer = await request(*arguments)
            except TransientError:
                raise
            except CacheError:
                return [None] * len(arguments[0]) if request.__name__ == "set_many" else b"any"
            return answer

        return ask


class Silent(Parts):
    """Loud (9): says nothing of a request that Momento refuses for good."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(operations, Quiet(cache), table, memory_of(cache), **time)


class AcknowledgingPoison(Parts):
    """Loud (9): says nothing of a record that no view can show."""

    async def __call__(self, event: dict[str, Any], views: Settings, cache: Any, table: Any, **time: Any) -> Any:
        batch = decode(event)
        applied = await self.applied(plan(coalesce(batch.changes), views).operations, cache, table, time)
        return dict(report(structs.replace(batch, rejections=()), Plan((), ()), applied, now=0.0).response)


class Stateful(Wrapped):
    """A seam that remembers something from batch to batch."""

    def __init__(self, wrapped: Any, state: dict[Any, Any]) -> None:
        super().__init__(wrapped)
        self._state = state


class Seams(Parts):
    """The five steps behind seams that pass not everything on as it is."""

    cache: type[Stateful] = Stateful
    table: type[Stateful] = Stateful

    def __init__(self) -> None:
        self._state: dict[Any, Any] = {}

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(
            operations, self.cache(cache, self._state), self.table(table, self._state), memory_of(cache), **time
        )


class Changing(Parts):
    """The five steps, with operations that are not what was planned."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        changed = [self.changed(each) for each in operations]
        return await super().applied([each for each in changed if each is not None], cache, table, time)

    def changed(self, operation: Operation) -> Operation | None:
        return operation


class Excusing(Parts):
    """The five steps, with failures of which not all are reported."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        applied = await super().applied(operations, cache, table, time)
        return Applied(tuple(self.reported(applied.failures)), applied.counts)

    def reported(self, failures: Sequence[Failure]) -> Sequence[Failure]:
        return failures


class Selecting(Parts):
    """The five steps, for some of a batch's changes alone."""

    def coalesced(self, changes: list[NetChange]) -> list[NetChange]:
        kept = [(each, tuple(filter(self.takes, each.changes))) for each in changes]
        return [NetChange(each.item, taken) for each, taken in kept if taken]

    def takes(self, change: Change) -> bool:
        raise NotImplementedError


class TextSorted(Parts):
    """Order (1): takes sequence numbers for text, of which "10" comes before "9"."""

    def coalesced(self, changes: list[NetChange]) -> list[NetChange]:
        return [
            NetChange(each.item, tuple(sorted(each.changes, key=lambda change: str(change.sequence_number))))
            for each in changes
        ]


class FirstChanges(Parts):
    """Order (1): takes an item's first change of a batch for its last."""

    def coalesced(self, changes: list[NetChange]) -> list[NetChange]:
        return [NetChange(each.item, each.changes[:1]) for each in changes]


class TakingNoTimeForDone(Excusing):
    """Nothing lost (2): takes what there was no time to start for done."""

    def reported(self, failures: Sequence[Failure]) -> Sequence[Failure]:
        return [each for each in failures if "time was too short" not in each.reason]


class NamingTheHighest(Excusing):
    """Nothing lost (2): names the last operation that failed, and forgets those before it."""

    def reported(self, failures: Sequence[Failure]) -> Sequence[Failure]:
        return sorted(failures, key=lambda each: each.operation.lowest)[-1:]


class Hopeful(Stateful):
    async def set_many(self, entries: Sequence[SetEntry]) -> Any:
        try:
            return await self._wrapped.set_many(entries)
        except TransientError:
            return [None] * len(entries)


class TakingNoReplyForDone(Seams):
    """Nothing lost (2): takes a write that got no answer for done."""

    cache = Hopeful


class Misreading(Stateful):
    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Any:
        try:
            return await self._wrapped.get_with_hash(key, consistent=consistent)
        except CacheError:
            return None


class TakingAFailedReadForAMiss(Seams):
    """Nothing lost (2): takes a read that failed for a list that is absent."""

    cache = Misreading


class Unread(Stateful):
    async def set_many(self, entries: Sequence[SetEntry]) -> Any:
        await self._wrapped.set_many(entries)
        return [None] * len(entries)


class NotReadingStatuses(Seams):
    """Nothing lost (2): does not look at the status of each entry of a batch."""

    cache = Unread


class Keeping(Stateful):
    async def renew(self) -> bool:
        return False


class KeepingTheKey(Seams):
    """Nothing lost (2): goes on with an API key that Momento accepts no more."""

    cache = Keeping


class Forgetting(Stateful):
    async def set_many(self, entries: Sequence[SetEntry]) -> Any:
        writing = asyncio.ensure_future(self._wrapped.set_many(entries))
        writing.add_done_callback(lambda done: done.cancelled() or done.exception())
        return [None] * len(entries)


class NotWaiting(Seams):
    """Nothing lost (2): acknowledges before its writes have been answered."""

    cache = Forgetting


class StoppingAtAFailure(Parts):
    """Nothing lost (2): does nothing more once an operation has failed."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        for position, each in enumerate(operations):
            applied = await super().applied([each], cache, table, time)
            if applied.failures:
                reason = applied.failures[0].reason
                return Applied(tuple(Failure(left, reason) for left in operations[position:]), applied.counts)
        return Applied((), {})


class Believing(Stateful):
    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Any:
        if not consistent:
            self._state[key] = await self._wrapped.get_with_hash(key)
        return self._state.get(key)


class TakingTwoRequestsForOne(Seams):
    """Nothing lost (2): takes the TTL that a second request tells for that of the `null` which the first one read."""

    cache = Believing


class Inconsistent(Stateful):
    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Any:
        return await self._wrapped.get_with_hash(key)

    async def matching(self, wanted: Mapping[str, Callable[[bytes], bool]]) -> Any:
        found = {key: await self.get_with_hash(key) for key in wanted}
        return {key for key, wants in wanted.items() if found[key] is not None and wants(found[key].value)}


class TrustingAStaleMiss(Seams):
    """Nothing lost (2): takes a read that is some moments old for what is there."""

    cache = Inconsistent


class LeavingWhatAStaleReadMisses(Seams):
    """Moves and deletes (5): takes an entry that a read some moments old does not show for absent."""

    cache = Inconsistent


class Overlooking(Selecting):
    """Nothing lost (2): takes an item that is only refreshed for unchanged."""

    def takes(self, change: Change) -> bool:
        before, after = change.before or {}, change.after or {}
        return {name for name in {*before, *after} if before.get(name) != after.get(name)} != {REFRESH}


class Reading(Stateful):
    """Keeps what each list was that it read, by its hash."""

    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Any:
        entry = await self._wrapped.get_with_hash(key, consistent=consistent)
        if entry is not None:
            self._state[entry.hash] = entry.value
        return entry


class Unrenewing(Reading):
    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> Any:
        if self._state.get(expected) == value:
            return expected
        return await self._wrapped.set_if_hash(key, value, ttl_seconds, expected)


class NotRenewing(Seams):
    """No partial list (4): leaves a list alone that stays the same, so that its TTL is not renewed."""

    cache = Unrenewing


class DayLong(Stateful):
    async def set_if_absent(self, key: str, value: bytes, ttl_seconds: int) -> Any:
        return await self._wrapped.set_if_absent(key, value, 86_400)


class KeepingRebuiltListsForADay(Seams):
    """No partial list (4): gives a list that is rebuilt another TTL than its view's."""

    cache = DayLong


class Persisting(Stateful):
    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> Any:
        return await self._wrapped.set_if_hash(key, value, 86_400 if value == NULL else ttl_seconds, expected)


class ClearingForADay(Seams):
    """No partial list (4): lets the `null` of a list live as long as a list."""

    cache = Persisting


class Ending(Stateful):
    async def query(self, *arguments: Any) -> Page:
        try:
            page: Page = await self._wrapped.query(*arguments)
        except CacheError:
            return Page([], None)
        return page


class TakingAFailedPageForTheLast(Seams):
    """No partial list (4): takes a page of a query that failed for its end."""

    table = Ending


class Emptying(Stateful):
    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Any:
        entry = await self._wrapped.get_with_hash(key, consistent=consistent)
        return Entry(b"[]", entry.hash) if entry is not None and entry.value == NULL else entry


class TakingNullForEmpty(Seams):
    """No partial list (4): takes a list that was cleared for one without rows."""

    cache = Emptying


def rows_of(value: bytes) -> list[Raw]:
    return msgspec.json.decode(value, type=list[Raw])


class Writing(Stateful):
    """A seam that writes lists otherwise than it is asked to."""

    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> Any:
        return await self._wrapped.set_if_hash(key, self._otherwise(value), ttl_seconds, expected)

    async def set_if_absent(self, key: str, value: bytes, ttl_seconds: int) -> Any:
        return await self._wrapped.set_if_absent(key, self._otherwise(value), ttl_seconds)

    def _otherwise(self, value: bytes) -> bytes:
        return value if value == NULL else msgspec.json.encode(self.rows(rows_of(value)))

    def rows(self, rows: list[Raw]) -> list[Raw]:
        return rows


class Backwards(Writing):
    def rows(self, rows: list[Raw]) -> list[Raw]:
        return rows[::-1]


class OrderingBackwards(Seams):
    """No partial list (4): writes a list's rows in the wrong order."""

    cache = Backwards


class Doubled(Writing):
    def rows(self, rows: list[Raw]) -> list[Raw]:
        return [*rows, *rows[-1:]]


class WritingARowTwice(Seams):
    """No partial list (4): writes a row that an item has twice."""

    cache = Doubled


class IgnoringTheLimit(Changing):
    """No partial list (4): writes more rows than a list's limit."""

    def changed(self, operation: Operation) -> Operation:
        if not isinstance(operation, UpdateList):
            return operation
        return structs.replace(operation, definition=structs.replace(operation.definition, limit=None))


class FirstTwo(Writing):
    def rows(self, rows: list[Raw]) -> list[Raw]:
        return rows[:2]


class FallingShort(Seams):
    """No partial list (4): does not see that a list which was cut at its limit, of 2, falls short of it."""

    cache = FirstTwo

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await super().applied([IgnoringTheLimit().changed(each) for each in operations], cache, table, time)


class OneMore(Reading):
    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> Any:
        before, after = (0 if each == NULL else len(rows_of(each)) for each in (self._state[expected], value))
        if after < before == 2:
            return await self._wrapped.set_if_hash(key, NULL, INDEX_LAG_SECONDS, expected)
        return await self._wrapped.set_if_hash(key, value, ttl_seconds, expected)


class TakingAWholeListForCut(Seams):
    """No partial list (4): takes a list for cut that has one row less than its limit, of 3."""

    cache = OneMore


def is_junk(entry: Entry | None) -> bool:
    if entry is None or entry.value == NULL:
        return False
    try:
        rows = msgspec.json.decode(entry.value, type=list[dict[str, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return any(not row.get("sk") for row in rows)


class Restarting(Stateful):
    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Any:
        entry = await self._wrapped.get_with_hash(key, consistent=consistent)
        return Entry(b"[]", entry.hash) if is_junk(entry) else entry


class TakingJunkForEmpty(Seams):
    """No partial list (4): begins a list with the batch's rows alone where something else was."""

    cache = Restarting


class Shunning(Stateful):
    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Any:
        entry = await self._wrapped.get_with_hash(key, consistent=consistent)
        if is_junk(entry):
            raise CacheError("the entry is not a list")
        return entry


class NotRebuildingOverJunk(Seams):
    """No partial list (4): fails where something else is than a list that could be rebuilt."""

    cache = Shunning


class Unstamped(Stateful):
    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Any:
        entry = await self._wrapped.get_with_hash(key, consistent=consistent)
        return None if entry is None else Entry(entry.value.rstrip(), entry.hash)


class IgnoringTheDefinition(Seams):
    """No partial list (4): takes a list of another definition of its view for the view's own."""

    cache = Unstamped


class AcknowledgingJunk(Excusing):
    """Loud (9): says nothing where something else is than the view's list."""

    def reported(self, failures: Sequence[Failure]) -> Sequence[Failure]:
        return [each for each in failures if not each.reason.startswith(("the entry is not", "a row lacks"))]


class IgnoringTheIndexKeys(Parts):
    """No partial list (4): lists an item that the index does not hold."""

    async def __call__(self, event: dict[str, Any], views: Settings, *arguments: Any, **time: Any) -> Any:
        loose = {name: self._loose(view) for name, view in views.views.items()}
        return await super().__call__(event, structs.replace(views, views=loose), *arguments, **time)

    def _loose(self, view: View) -> View:
        if not isinstance(view, ListView) or view.rebuild_from is None or view.rebuild_from.index_name is None:
            return view
        return structs.replace(view, rebuild_from=structs.replace(view.rebuild_from, index_key_attributes=()))


class TakingOthersRows(Changing):
    """Moves and deletes (5): takes a row away that is another item's by now."""

    def changed(self, operation: Operation) -> Operation:
        if not isinstance(operation, UpdateList):
            return operation
        edits = {name: None if isinstance(edit, Leaving) else edit for name, edit in operation.edits.items()}
        return structs.replace(operation, edits=edits)


class TakingOthersEntries(Changing):
    """Moves and deletes (5): deletes an entry that is another item's by now."""

    def changed(self, operation: Operation) -> Operation:
        return structs.replace(operation, leaving=None) if isinstance(operation, DeleteEntry) else operation


class LeavingOwnRows(Changing):
    """Moves and deletes (5): takes no row away where another item could be."""

    def changed(self, operation: Operation) -> Operation:
        if not isinstance(operation, UpdateList):
            return operation
        edits = {name: edit for name, edit in operation.edits.items() if not isinstance(edit, Leaving)}
        return structs.replace(operation, edits=edits)


class LettingTheLastRecordWin(Parts):
    """Moves and deletes (5): deletes an entry that an item took in the same batch before another left it."""

    async def __call__(self, event: dict[str, Any], views: Settings, cache: Any, table: Any, **time: Any) -> Any:
        batch = decode(event)
        planned = plan(coalesce(batch.changes), views)
        left: set[str] = set()
        for change in batch.changes:
            for view in views.views.values():
                before, after = (place_of(view, each) for each in (change.before, change.after))
                left |= {before[0]} if before is not None and before != after else set()
                left -= {after[0]} if after is not None else set()
        operations = [
            DeleteEntry(each.view, each.key, each.lowest) if isinstance(each, SetEntry) and each.key in left else each
            for each in planned.operations
        ]
        applied = await self.applied(operations, cache, table, time)
        return dict(report(batch, planned, applied, now=0.0).response)


class KeepingWhatMatchesNoMore(Selecting):
    """Moves and deletes (5): does nothing for an item that matches `where` no more."""

    def takes(self, change: Change) -> bool:
        return change.after is None or change.after["status"] == {"S": "live"}


class IgnoringTtlDeletes(Ours):
    """Moves and deletes (5): takes no notice of items that DynamoDB's TTL deletes."""

    async def __call__(self, event: dict[str, Any], *arguments: Any, **time: Any) -> Any:
        records = [each for each in event["Records"] if "userIdentity" not in each]
        return await super().__call__({"Records": records}, *arguments, **time)


class FloatsInLists(Changing):
    """Exact values (6): reads numbers of a list's rows as floats."""

    def changed(self, operation: Operation) -> Operation:
        if not isinstance(operation, UpdateList):
            return operation
        edits = {
            name: json.dumps(json.loads(edit), ensure_ascii=False, separators=(",", ":")).encode()
            if isinstance(edit, bytes)
            else edit
            for name, edit in operation.edits.items()
        }
        return structs.replace(operation, edits=edits)


class LeavingOut(Changing):
    """The five steps, with entries that lack some fields."""

    left_out: Any

    def changed(self, operation: Operation) -> Operation:
        if not isinstance(operation, SetEntry):
            return operation
        fields = json.loads(operation.value, parse_float=Decimal, parse_int=Decimal)
        shown = [name for name, value in fields.items() if value is None or value != self.left_out]
        shown = [name for name in shown if fields[name] is not None or self.left_out is not None]
        raw = msgspec.json.decode(operation.value, type=dict[str, Raw])
        return structs.replace(operation, value=msgspec.json.encode({name: raw[name] for name in shown}))


class LeavingOutNulls(LeavingOut):
    """Exact values (6): takes NULL for an attribute that is absent."""

    left_out = None


class LeavingOutEmptyText(LeavingOut):
    """Exact values (6): takes empty text for an attribute that is absent."""

    left_out = ""


class Shrinking(Stateful):
    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> Any:
        if value == NULL and ttl_seconds == TAKEN_AWAY_SECONDS:
            return b"any"
        return await self._wrapped.set_if_hash(key, value, ttl_seconds, expected)


class LeavingTheListThatWas(Seams):
    """Too big is absent (7): leaves the old list where the new one does not fit."""

    cache = Shrinking


class Resigned(Stateful):
    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> Any:
        return await self._wrapped.set_if_hash(key, *self._given_up(key, value, ttl_seconds), expected)

    async def set_if_absent(self, key: str, value: bytes, ttl_seconds: int) -> Any:
        return await self._wrapped.set_if_absent(key, *self._given_up(key, value, ttl_seconds))

    def _given_up(self, key: str, value: bytes, ttl_seconds: int) -> tuple[bytes, int]:
        if value == NULL and ttl_seconds == TAKEN_AWAY_SECONDS:
            self._state[key] = True
        return (NULL, TAKEN_AWAY_SECONDS) if key in self._state else (value, ttl_seconds)


class GivingUpWhatWasTooBig(Seams):
    """Too big is absent (7): does not cache a list again that once was too big."""

    cache = Resigned


class Hasty(Stateful):
    pace = Pace()


class Rounding(Pace):
    def wait(self, now: float, operations: int = 1) -> float:
        return max(0.0, super().wait(now, operations) - 0.03)


class Early(Stateful):
    def __init__(self, wrapped: Any, state: dict[Any, Any]) -> None:
        super().__init__(wrapped, state)
        self.pace = state.setdefault("pace", Rounding(3.0))


class RoundingThePace(Seams):
    """Bounded time (8): starts requests some hundredths of a second before `max_operations_per_second` lets them."""

    cache = Early


class IgnoringThePace(Seams):
    """Bounded time (8): makes more requests in a second than `max_operations_per_second`."""

    cache = Hasty


class IgnoringTheMemory(Parts):
    """Bounded time (8): reads more lists at once than the function has memory for."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(operations, cache, table, Memory(), **time)


class LeavingTheLast(Parts):
    """Bounded time (8): leaves the last operation of each batch to the next attempt."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        applied = await super().applied(operations[:-1] or operations, cache, table, time)
        left = [Failure(each, "for the next attempt") for each in operations[1:][-1:]]
        return Applied((*applied.failures, *left), applied.counts)


class TakingTheTimeToReport(Ours):
    """Bounded time (8): goes on into the half second that is kept to report what came of a batch."""

    async def __call__(self, event: dict[str, Any], views: Settings, cache: Any, table: Any, **time: Any) -> Any:
        time["deadline"] += 0.4
        return await super().__call__(event, views, cache, table, **time)


class Timid(Ours):
    """Bounded time (8): takes what time is left for too short some seconds before it is."""

    async def __call__(self, event: dict[str, Any], views: Settings, cache: Any, table: Any, **time: Any) -> Any:
        time["deadline"] -= 2
        return await super().__call__(event, views, cache, table, **time)


BOUNDLESS = 1_000_000_000


class RunParts(Parts):
    """The five steps, with a memory for each execution environment, and a run to be overridden."""

    run: type[_Run] = _Run

    def __init__(self) -> None:
        self._memories: WeakKeyDictionary[Any, Memory] = WeakKeyDictionary()

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        memory = self._memories.setdefault(cache.environment, self.memory(cache))
        async with asyncio.TaskGroup() as tasks:
            run = self.run(cache, table, memory, tasks, **time)
            run.start(operations)
        return Applied(tuple(run.failures), run.counts)

    def memory(self, cache: Any) -> Memory:
        return memory_of(cache)


class Brief(_Share):
    def keep(self, size: int) -> None:
        super().keep(0)


class BriefRoom(_Room):
    @contextlib.asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[_Share]:
        share = Brief(self)
        try:
            await share.exchange(size)
            yield share
        finally:
            share.keep(0)


class ReadingBriefly(_Run):
    def __init__(self, cache: Any, table: Any, memory: Memory, *arguments: Any, **time: Any) -> None:
        super().__init__(cache, table, memory, *arguments, **time)
        self._reading = BriefRoom(memory.under_way_bytes // 2)


class GivingBackWhatItHasRead(RunParts):
    """Bounded time (8): takes the memory of a list that it has read, and is to write, for free."""

    run = ReadingBriefly


class FirstPages(_Share):
    async def exchange(self, size: int) -> None:
        await super().exchange(size if size >= LIST_COPIES * PAGE_BYTES else 0)


class RebuildingFirstPages(_Run):
    async def _rebuilt(self, update: UpdateList, share: _Share) -> dict[str, EncodedRow]:
        share.keep(0)
        first = FirstPages(self._making)
        try:
            return await super()._rebuilt(update, first)
        finally:
            first.keep(0)


class ForgettingFurtherPages(RunParts):
    """Bounded time (8): takes the memory of a query's pages behind the first for free."""

    run = RebuildingFirstPages


class RebuildingRedefined(_Run):
    def _waits_for_index(self, update: UpdateList, stored: Stored) -> bool:
        return False


class NotWaitingWithRedefined(RunParts):
    """No partial list (4): rebuilds a list of another definition from an index that may lag."""

    run = RebuildingRedefined


class KeepingRedefined(_Run):
    def _read(self, update: UpdateList, entry: Entry) -> Stored:
        read = super()._read(update, entry)
        return Stored(read.hash, {}, read.size) if read.redefined and update.condition is None else read


class BeginningRedefinedAnew(RunParts):
    """No partial list (4): begins a list of another definition with the batch's rows, where nothing can rebuild it."""

    run = KeepingRedefined


class Bytes(Stored, frozen=True):
    @property
    def memory(self) -> int:
        return max(self.size, self.held)


class RememberingBytes(Memory):
    def remember(self, key: str, written: Stored) -> None:
        super().remember(key, Bytes(written.hash, written.rows, written.size, written.held))


class TakingRowsForNothing(RunParts):
    """Bounded time (8): counts the JSON of the lists that it remembers, and not what their rows take."""

    def memory(self, cache: Any) -> Memory:
        memory = RememberingBytes()
        memory.under_way_bytes = memory.remembered_bytes = cache.memory_bytes or BOUNDLESS
        return memory


class ReadingTwice(_Run):
    def __init__(self, cache: Any, table: Any, memory: Memory, *arguments: Any, **time: Any) -> None:
        super().__init__(cache, table, memory, *arguments, **time)
        self._reading = _Room(memory.under_way_bytes)


class ReadingTwiceAsMuch(RunParts):
    """Bounded time (8): takes the memory that is for making lists for reading them, too."""

    run = ReadingTwice


class MakingAtOnce(_Run):
    def __init__(self, *arguments: Any, **time: Any) -> None:
        super().__init__(*arguments, **time)
        self._making = _Room(BOUNDLESS)

    async def _rebuilt(self, update: UpdateList, share: _Share) -> dict[str, EncodedRow]:
        # Rebuilds take turns, as they have to.
        async with self._rebuilding:
            return await super()._rebuilt(update, share)

    @functools.cached_property
    def _rebuilding(self) -> asyncio.Lock:
        return asyncio.Lock()


class WritingAllListsAtOnce(RunParts):
    """Bounded time (8): makes more lists at once than the function has memory for, though rebuilds take turns."""

    run = MakingAtOnce


class RebuildingAtOnce(_Run):
    async def _rebuilt(self, update: UpdateList, share: _Share) -> dict[str, EncodedRow]:
        async with _Room(BOUNDLESS).taken(0) as boundless:
            return await super()._rebuilt(update, boundless)


class RebuildingAllListsAtOnce(RunParts):
    """Bounded time (8): reads more pages of queries at once than the function has memory for."""

    run = RebuildingAtOnce


class RememberingWithoutBound(RunParts):
    """Bounded time (8): remembers more lists than the function has memory for."""

    def memory(self, cache: Any) -> Memory:
        memory = memory_of(cache)
        memory.remembered_bytes = BOUNDLESS
        return memory


class OtherTtl(Changing):
    """Nothing lost (2): gives entries another TTL than their view's."""

    def changed(self, operation: Operation) -> Operation:
        return structs.replace(operation, ttl_seconds=3_600) if isinstance(operation, SetEntry) else operation


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken handler, and how soon it has to be found out.

    Attributes:
        guarantee: what it breaks.
        handler: the handler.
        within: so many histories.
        steps: those that the histories are made of; None: all.
        fixed: what all histories' setups have in common.
        faults: what may go wrong with requests; None: anything.
    """

    guarantee: str
    handler: type[Handler]
    within: int
    steps: tuple[str, ...] | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] | None = None

    def histories(self) -> type[History]:
        """The histories that find it out."""
        histories = {name: getattr(self, name) for name in ("handler", "steps", "faults")}
        # Most are made of parts that ask for no memory. What they break otherwise is what has to be found.
        histories["fixed"] = {"memory_bytes": None, **self.fixed}
        return type("History", (History,), histories)


WRITING = ("put", "put_many", "change_n", "delete", "settle")
FAILING = (*WRITING, "fault", "outage")
LOSING = (*WRITING, "lose")
READING = ("put_many", "change_n", "lose", "fault", "settle")
CUTTING = ("put_many", "change_n", "delete", "go_on", "settle")
KILLING = ("put_many", "change_n", "swap", "kill", "go_on", "settle")
POISONING = ("put", "put_many", "change_n", "poison", "settle")
TRADING = ("trade", "change_n", "go_on", "settle")
MOVING = ("put", "move", "go_on", "settle")
SPOILING = ("put", "change_n", "spoil", "settle")
REDEFINING = ("put", "change_n", "change_status", "touch", "redeploy", "go_on", "settle")
LAGGING = ("put_many", "change_n", "redeploy", "go_on", "settle")
FORGETTING = ("put", "change_n", "lose", "refill", "go_on", "settle")

LISTS = "4 no partial list, no lost update"

PATIENT = {"batch_size": 10, "maximum_retry_attempts": 100, "bisect_batch_on_function_error": False}
IMPATIENT = PATIENT | {"maximum_retry_attempts": 1, "bisect_batch_on_function_error": True}
ONE_BY_ONE = PATIENT | {"batch_size": 1}
HURRIED: Mapping[str, Any] = {"max_operations_per_second": 3.0, "timeout_seconds": 5.0}
CALM: Mapping[str, Any] = {
    "mapping": PATIENT,
    "filtered": False,
    "ttl_seconds": 300,
    "shards": 1,
    "lag_seconds": 0.0,
    "slow": 2,
    "timeout_seconds": 30.0,
    "max_operations_per_second": None,
    "stale_seconds": 0.0,
    "memory_bytes": None,
}
"""Nothing goes wrong but what the steps let go wrong."""


def calm(*views: str, live_only: bool = False, limit: int | None = None, **others: Any) -> Mapping[str, Any]:
    """A setup with some views, in which nothing else goes wrong."""
    return {**CALM, "model": Things(views, live_only, limit), **others}


BROKEN: Sequence[Broken] = (
    Broken("1 order", RecordsAtOnce, 100),
    Broken("1 order", TextSorted, 100, WRITING, calm("whole", "mine")),
    Broken("1 order", FirstChanges, 50, WRITING, calm("whole", "mine")),
    Broken("2 nothing lost", Acknowledging, 500, FAILING),
    Broken("2 nothing lost", AcknowledgingTheFirst, 500, FAILING),
    Broken("2 nothing lost", NamingTheLast, 500, ("swap", "move", "fault", "settle"), calm("mine", "alias")),
    Broken("2 nothing lost", WritingNothing, 50),
    Broken("2 nothing lost", TakingListsAway, 100),
    Broken("2 nothing lost", DraggingOthersDown, 500, POISONING),
    Broken(
        "2 nothing lost",
        TakingNoTimeForDone,
        100,
        (*WRITING, "outage"),
        calm("whole", "part", **HURRIED),
    ),
    Broken(
        "2 nothing lost",
        NamingTheHighest,
        200,
        FAILING,
        calm("whole", "mine", **HURRIED),
    ),
    Broken("2 nothing lost", TakingNoReplyForDone, 50, FAILING, calm("whole"), (Fault.TIMEOUT, Fault.CONNECTION_DIED)),
    Broken("2 nothing lost", TakingAFailedReadForAMiss, 100, FAILING, calm("manual")),
    Broken("2 nothing lost", NotReadingStatuses, 100, FAILING, calm("whole", "mine"), (Fault.PARTLY_REFUSED,)),
    Broken("2 nothing lost", KeepingTheKey, 50, FAILING, calm("whole"), (Fault.UNAUTHENTICATED,)),
    Broken("2 nothing lost", NotWaiting, 100, (*FAILING, "go_on"), calm("whole")),
    Broken("2 nothing lost", StoppingAtAFailure, 300, SPOILING, calm("manual", "whole", mapping=IMPATIENT)),
    Broken(
        "2 nothing lost",
        TakingTwoRequestsForOne,
        300,
        (*WRITING, "go_on"),
        calm("all", "of", limit=2, stale_seconds=1.0),
    ),
    Broken("2 nothing lost", TrustingAStaleMiss, 300, FORGETTING, calm("manual", stale_seconds=1.0)),
    Broken("2 nothing lost", Overlooking, 200, ("put", "touch", "lose", "settle"), calm("whole")),
    Broken("2 nothing lost", OtherTtl, 20, WRITING, calm("whole")),
    Broken("3 replay converges", Remembering, 500),
    Broken("3 replay converges", SkippingByTheEnds, 500, KILLING),
    Broken(LISTS, NotComparing, 100, WRITING, calm("all", "of", shards=3, slow=50)),
    Broken(LISTS, PartialLists, 200, LOSING, calm("all", "of")),
    Broken(LISTS, ReadingOnePage, 300, READING, calm("all", "part")),
    Broken(LISTS, IgnoringRemovals, 500, LOSING, calm("all", "of", "part", shards=2, lag_seconds=4.0)),
    Broken(LISTS, AskingTheIndexAtOnce, 300, CUTTING, calm("all", "of", limit=2, lag_seconds=4.0, shards=2)),
    Broken(LISTS, LeavingListsCut, 100, CUTTING, calm("all", "of", limit=2)),
    Broken(LISTS, NotRenewing, 100, ("put", "touch", "settle"), calm("part", "all")),
    Broken(LISTS, KeepingRebuiltListsForADay, 20, WRITING, calm("part")),
    Broken(LISTS, ClearingForADay, 100, WRITING, calm("all", limit=1)),
    Broken(LISTS, TakingAFailedPageForTheLast, 300, READING, calm("all", "part"), (Fault.QUERY_FAILED,)),
    Broken(LISTS, TakingNullForEmpty, 100, WRITING, calm("all", "of", limit=1)),
    Broken(LISTS, OrderingBackwards, 20, WRITING, calm("part")),
    Broken(LISTS, WritingARowTwice, 20, WRITING, calm("part")),
    Broken(LISTS, IgnoringTheLimit, 50, WRITING, calm("part", limit=1)),
    Broken(LISTS, FallingShort, 200, CUTTING, calm("all", limit=2)),
    Broken(LISTS, TakingAWholeListForCut, 150, CUTTING, calm("manual", limit=3)),
    Broken(LISTS, TakingJunkForEmpty, 200, SPOILING, calm("manual", mapping=IMPATIENT)),
    Broken(
        LISTS,
        NotRebuildingOverJunk,
        200,
        SPOILING,
        calm("part", "all", mapping=IMPATIENT),
    ),
    Broken(LISTS, IgnoringTheDefinition, 100, REDEFINING, calm("part", "all")),
    Broken(LISTS, NotWaitingWithRedefined, 500, LAGGING, calm("all", "of", lag_seconds=4.0, shards=2)),
    Broken(LISTS, BeginningRedefinedAnew, 200, REDEFINING, calm("manual")),
    Broken(LISTS, IgnoringTheIndexKeys, 50, WRITING, calm("all")),
    Broken("5 moves and deletes", LeavingOldKeys, 200),
    Broken("5 moves and deletes", EndKeysOnly, 500),
    Broken("5 moves and deletes", ItemsAtOnce, 500, ("put", "swap", "go_on", "settle")),
    Broken("5 moves and deletes", TakingOthersRows, 200, TRADING, calm("ranked")),
    Broken("5 moves and deletes", TakingOthersEntries, 100, TRADING, calm("alias", mapping=ONE_BY_ONE)),
    Broken("5 moves and deletes", LeavingOwnRows, 100, ("put", "move", "settle"), calm("ranked")),
    Broken("5 moves and deletes", LettingTheLastRecordWin, 100, TRADING, calm("alias")),
    Broken(
        "5 moves and deletes",
        LeavingWhatAStaleReadMisses,
        300,
        ("put", "move", "go_on", "settle"),
        calm("alias", mapping=ONE_BY_ONE, stale_seconds=1.0),
    ),
    Broken(
        "5 moves and deletes",
        KeepingWhatMatchesNoMore,
        100,
        ("put", "change_status", "settle"),
        calm("whole", live_only=True),
    ),
    Broken("5 moves and deletes", IgnoringTtlDeletes, 50, WRITING, calm("whole")),
    Broken("6 exact values", Floats, 100, WRITING, calm("whole")),
    Broken("6 exact values", FloatsInLists, 200, WRITING, calm("part")),
    Broken("6 exact values", LeavingOutNulls, 100, WRITING, calm("whole")),
    Broken("6 exact values", LeavingOutEmptyText, 100, WRITING, calm("whole")),
    Broken("7 too big is absent", LeavingWhatIsTooBig, 100, ("put", "put_many", "change_n", "settle")),
    Broken("7 too big is absent", LeavingTheListThatWas, 100, WRITING, calm("part")),
    Broken("7 too big is absent", GivingUpWhatWasTooBig, 100, ("put", "outgrow", "settle"), calm("part")),
    Broken(
        "8 bounded time",
        Endless,
        100,
        (*WRITING, "outage"),
        calm("whole", "part", **HURRIED),
    ),
    Broken(
        "8 bounded time",
        TakingTheTimeToReport,
        200,
        (*WRITING, "outage"),
        calm("whole", "part", **{**HURRIED, "slow": 50}),
    ),
    Broken("8 bounded time", RoundingThePace, 100, WRITING, calm("whole", "part", max_operations_per_second=3.0)),
    Broken("8 bounded time", IgnoringThePace, 100, WRITING, calm("whole", "part", max_operations_per_second=3.0)),
    Broken("8 bounded time", LeavingTheLast, 20, WRITING, calm("whole", "part")),
    Broken("8 bounded time", Timid, 100, WRITING, calm("whole", "part", timeout_seconds=5.0, slow=50)),
    Broken("8 bounded time", IgnoringTheMemory, 100, WRITING, calm("part", "all", memory_bytes=ONE_LIST)),
    Broken("8 bounded time", ReadingTwiceAsMuch, 100, WRITING, calm("part", "all", memory_bytes=ONE_LIST)),
    Broken("8 bounded time", WritingAllListsAtOnce, 100, WRITING, calm("part", "all", memory_bytes=FOUR_LISTS)),
    Broken("8 bounded time", RebuildingAllListsAtOnce, 100, WRITING, calm("part", "all", memory_bytes=TWO_PAGES)),
    Broken("8 bounded time", RememberingWithoutBound, 100, WRITING, calm("part", "all", memory_bytes=ONE_LIST)),
    Broken("8 bounded time", TakingRowsForNothing, 100, WRITING, calm("part", "all", memory_bytes=ONE_LIST)),
    Broken(
        "8 bounded time",
        GivingBackWhatItHasRead,
        300,
        (*LOSING, "go_on"),
        calm("part", "all", "of", memory_bytes=FOUR_LISTS),
    ),
    Broken("8 bounded time", ForgettingFurtherPages, 300, READING, calm("part", "all", memory_bytes=FOUR_LISTS)),
    Broken("9 loud", Silent, 500, FAILING),
    Broken("9 loud", AcknowledgingPoison, 100),
    Broken("9 loud", AcknowledgingJunk, 200, SPOILING, calm("manual", mapping=IMPATIENT)),
)
