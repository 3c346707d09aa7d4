"""Handlers with one guarantee broken each, made of the same parts as the real one: what the proof has to find."""

import asyncio
import json
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from handler.cache import (
    INDEX_LAG_SECONDS,
    TAKEN_AWAY_SECONDS,
    Applied,
    CacheError,
    Memory,
    Page,
    TransientError,
    apply,
)
from handler.changes import NetChange, coalesce
from handler.lists import NULL
from handler.outcome import report
from handler.records import decode
from handler.settings import Settings
from handler.views import DeleteEntry, Operation, SetEntry, UpdateList, plan
from tests.property.histories import Ours
from tests.property.world import WRITES, Handler

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

    @property
    def memory(self) -> Memory:
        """None of earlier batches."""
        return Memory()

    async def __call__(self, event: dict[str, Any], views: Settings, cache: Any, table: Any, **time: Any) -> Any:
        batch = decode(event)
        planned = plan(self.coalesced(coalesce(batch.changes)), views)
        applied = await self.applied(planned.operations, cache, table, time)
        return dict(report(batch, planned.rejections, applied, now=0.0).response)

    def coalesced(self, changes: list[NetChange]) -> list[NetChange]:
        return changes

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(operations, cache, table, self.memory, **time)


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
        applied = await asyncio.gather(*(apply(each.operations, cache, table, self.memory, **time) for each in plans))
        failures = tuple(failure for each in applied for failure in each.failures)
        rejections = [rejection for each in plans for rejection in each.rejections]
        return dict(report(batch, rejections, Applied(failures, {}), now=0.0).response)


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
    async def remaining_ttl(self, key: str) -> float:
        return float(await self._wrapped.remaining_ttl(key)) + TAKEN_AWAY_SECONDS


class LeavingListsCut(Parts):
    """No partial list (4): takes a list away that was cut at its limit, and does not build it anew."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(operations, Cutting(cache), table, self.memory, **time)


class DraggingOthersDown(Parts):
    """Nothing lost (2): does nothing for a batch that has a record which can not be handled."""

    async def __call__(self, event: dict[str, Any], views: Settings, *arguments: Any, **time: Any) -> Any:
        batch = decode(event)
        planned = plan(coalesce(batch.changes), views)
        if batch.rejections or planned.rejections:
            return dict(report(batch, planned.rejections, Applied((), {}), now=0.0).response)
        return await super().__call__(event, views, *arguments, **time)


class TakingAway(Wrapped):
    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bytes | None:
        hashed: bytes | None = await self._wrapped.set_if_hash(key, NULL, TAKEN_AWAY_SECONDS, expected)
        return hashed


class TakingListsAway(Parts):
    """Nothing lost (2): takes each list away instead of changing it."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(operations, TakingAway(cache), table, self.memory, **time)


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
        return await apply(operations, PlainWrites(cache), table, self.memory, **time)


class EmptyTable(Wrapped):
    async def query(self, *arguments: Any) -> Page:
        return Page([], None)


class PartialLists(Parts):
    """No partial list (4): begins an absent list with the batch's rows alone."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(operations, cache, EmptyTable(table), self.memory, **time)


class FirstPage(Wrapped):
    async def query(self, *arguments: Any) -> Page:
        page = await self._wrapped.query(*arguments)
        return Page(page.images, None)


class ReadingOnePage(Parts):
    """No partial list (4): rebuilds a list from the first page of the query's answer."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(operations, cache, FirstPage(table), self.memory, **time)


class IgnoringRemovals(Parts):
    """No partial list (4): does nothing where a row is to leave a list that is not cached."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        kept = [each for each in operations if not await self._is_removal_from_nothing(each, cache)]
        return await apply(kept, cache, table, self.memory, **time)

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
        return await apply(operations, AtOnce(cache, rebuilt), table, self.memory, **time)


class LeavingOldKeys(Parts):
    """Moves and deletes (5): never takes an entry away."""

    async def applied(self, operations: Sequence[Operation], cache: Any, table: Any, time: Time) -> Applied:
        return await apply(
            [each for each in operations if not isinstance(each, DeleteEntry)], cache, table, self.memory, **time
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
        return await apply([self._rounded(each) for each in operations], cache, table, self.memory, **time)

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
        return await apply(fitting, cache, table, self.memory, **time)


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
        return await apply(operations, Quiet(cache), table, self.memory, **time)


class AcknowledgingPoison(Parts):
    """Loud (9): says nothing of a record that no view can show."""

    async def __call__(self, event: dict[str, Any], views: Settings, cache: Any, table: Any, **time: Any) -> Any:
        batch = decode(event)
        applied = await self.applied(plan(coalesce(batch.changes), views).operations, cache, table, time)
        return dict(report(structs.replace(batch, rejections=()), (), applied, now=0.0).response)


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken handler, and how soon it has to be found out.

    Attributes:
        guarantee: what it breaks.
        handler: the handler.
        within: so many histories.
        steps: those that the histories are made of; None: all.
    """

    guarantee: str
    handler: type[Handler]
    within: int
    steps: tuple[str, ...] | None = None


FAILING = ("put", "put_many", "change_n", "delete", "fault", "outage", "settle")
LOSING = ("put", "put_many", "change_n", "delete", "lose", "settle")
KILLING = ("put_many", "change_n", "swap", "kill", "go_on", "settle")
POISONING = ("put", "put_many", "change_n", "poison", "settle")
CUTTING = ("put", "put_many", "change_n", "delete", "settle")

BROKEN: Sequence[Broken] = (
    Broken("1 order", RecordsAtOnce, 100),
    Broken("2 nothing lost", Acknowledging, 500, FAILING),
    Broken("2 nothing lost", AcknowledgingTheFirst, 500, FAILING),
    Broken("2 nothing lost", NamingTheLast, 500, ("swap", "move", "fault", "settle")),
    Broken("2 nothing lost", WritingNothing, 50),
    Broken("2 nothing lost", TakingListsAway, 100),
    Broken("2 nothing lost", DraggingOthersDown, 500, POISONING),
    Broken("3 replay converges", Remembering, 500),
    Broken("3 replay converges", SkippingByTheEnds, 500, KILLING),
    Broken("4 no partial list, no lost update", NotComparing, 100),
    Broken("4 no partial list, no lost update", PartialLists, 500),
    Broken("4 no partial list, no lost update", ReadingOnePage, 500, LOSING),
    Broken("4 no partial list, no lost update", IgnoringRemovals, 500, LOSING),
    Broken("4 no partial list, no lost update", AskingTheIndexAtOnce, 500, CUTTING),
    Broken("4 no partial list, no lost update", LeavingListsCut, 500, CUTTING),
    Broken("5 moves and deletes", LeavingOldKeys, 100),
    Broken("5 moves and deletes", EndKeysOnly, 500),
    Broken("5 moves and deletes", ItemsAtOnce, 500, ("put", "swap", "go_on", "settle")),
    Broken("6 exact values", Floats, 200),
    Broken("7 too big is absent", LeavingWhatIsTooBig, 100, ("put", "put_many", "change_n", "settle")),
    Broken("9 loud", Silent, 500, FAILING),
    Broken("9 loud", AcknowledgingPoison, 100),
)
