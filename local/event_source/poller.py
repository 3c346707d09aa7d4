"""The event source poller: reads a stream's shards and invokes a function, as a mapping's settings say.

It does what AWS documents of Lambda's own, in one event loop: no threads, no clock but the one it is given, nothing
random. https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import takewhile
from typing import Any

from local.event_source.checkpoints import Checkpoints
from local.event_source.event import EVENT_BYTES, PAYLOAD_BYTES, Record, decoded, event, item_hash
from local.event_source.filters import compiled
from local.event_source.invocation_record import Condition, Invocations, invocation_record
from local.event_source.mapping import EventSourceMapping
from local.event_source.response import first_failure
from local.event_source.seams import (
    Destination,
    ExpiredIteratorError,
    Function,
    FunctionError,
    InvocationError,
    Position,
    Shard,
    Stream,
    TrimmedDataAccessError,
)

POLL_SECONDS = 0.25
"""Between two looks at a quiet shard: «a base rate of 4 times per second»."""

SHARDS_SECONDS = 10.0
"""Between two looks for new shards while none ends. AWS does not say how often it looks."""

READ_RECORDS = 1000
"""The most that GetRecords returns.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html"""

RETENTION_SECONDS = 24 * 60 * 60
"""How long a stream keeps a record. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html"""


def exponential(failures: int) -> float:
    """The seconds to wait after so many failures in a row: 1, 2, 4… up to 60.

    AWS says only that it backs off, not how.
    """
    return float(min(2 ** min(failures - 1, 6), 60))


class Poller:
    """One mapping's poller.

    Args:
        mapping: the settings.
        stream: where records come from.
        function: what gets them.
        destination: where it is told what was discarded; None: nowhere. An error of it ends the poller, with the batch
            not acknowledged; AWS would count it in `DestinationDeliveryFailures` and go on.
        clock: the seconds since the epoch, for the age of records. Waits are the event loop's.
        checkpoints: where to go on; None: from the mapping's starting position. Kept up to date in place.
        backoff: failures in a row, 1 or more, to the seconds until the next attempt.
    """

    def __init__(
        self,
        mapping: EventSourceMapping,
        stream: Stream,
        function: Function,
        destination: Destination | None,
        clock: Callable[[], float],
        checkpoints: Checkpoints | None = None,
        backoff: Callable[[int], float] = exponential,
    ) -> None:
        self.mapping = mapping
        self.stream = stream
        self.function = function
        self.destination = destination
        self.clock = clock
        self.checkpoints = Checkpoints() if checkpoints is None else checkpoints
        self.backoff = backoff
        self.matches = compiled(mapping.filter_patterns)

    async def run(self) -> None:
        """Poll until cancelled. Then what is under way is cancelled too, and not acknowledged."""
        shards: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for shard in self._ready(await self.stream.shards()):
                    if shard.shard_id not in shards:
                        work = _ShardPoller(self, shard, to_the_end_so_far=False).poll()
                        shards[shard.shard_id] = asyncio.create_task(work)
                if shards:
                    await asyncio.wait(shards.values(), timeout=SHARDS_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(SHARDS_SECONDS)
                for shard_id, task in list(shards.items()):
                    if task.done():
                        task.result()
                        del shards[shard_id]
        finally:
            await _end(list(shards.values()))

    async def drain(self) -> None:
        """Poll until all that the stream has now is acknowledged or discarded: open shards up to their end, too."""
        while True:
            shards = [
                _ShardPoller(self, shard, to_the_end_so_far=True) for shard in self._ready(await self.stream.shards())
            ]
            finished = len(self.checkpoints.finished)
            await _together([shard.poll() for shard in shards])
            if not any(shard.records_read for shard in shards) and len(self.checkpoints.finished) == finished:
                return

    def _ready(self, shards: Sequence[Shard]) -> list[Shard]:
        """The shards to be read: those whose parent is done with, or no longer known to the stream.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html: a parent before its children.
        """
        unfinished = {each.shard_id for each in shards} - self.checkpoints.finished.keys()
        return [each for each in shards if each.shard_id in unfinished and each.parent_shard_id not in unfinished]


class _ShardPoller:
    """Reads one shard, hands its records to the lanes, and keeps its checkpoint.

    Every lane has one batch under way at most, and an item's records all go through one lane: so the mapping's
    `parallelization_factor` is the number of lanes.
    """

    def __init__(self, poller: Poller, shard: Shard, *, to_the_end_so_far: bool) -> None:
        self.poller = poller
        self.shard_id = shard.shard_id
        self.records_read = 0
        self.ended = False
        self._to_the_end_so_far = to_the_end_so_far
        self._unacknowledged: deque[Record] = deque()
        self._changed = asyncio.Event()
        self._lanes = [_Lane(self, poller) for _ in range(poller.mapping.parallelization_factor)]
        self._most_unacknowledged = max(poller.mapping.batch_size, READ_RECORDS) * len(self._lanes)

    async def poll(self) -> None:
        """Poll until the shard ends, or until its end so far."""
        await _together([self._read(), *(lane.work() for lane in self._lanes)])

    def changed(self) -> None:
        """Look again whether more can be read."""
        self._changed.set()

    def acknowledge(self, records: Sequence[Record]) -> None:
        """Take records as done, and move the checkpoint over all that is done without a gap."""
        for record in records:
            record.acknowledged = True
        last = None
        while self._unacknowledged and self._unacknowledged[0].acknowledged:
            last = self._unacknowledged.popleft()
        if last is not None:
            self.poller.checkpoints.positions[self.shard_id] = _after(last)
        self._changed.set()

    async def _read(self) -> None:
        poller = self.poller
        stream = poller.stream
        position = poller.checkpoints.positions.get(self.shard_id, Position(poller.mapping.starting_position))
        iterator: str | None = None
        closed = False
        while not closed:
            await self._until_wanted()
            try:
                iterator = iterator or await stream.iterator(self.shard_id, position)
                page = await stream.records(iterator, READ_RECORDS)
            except ExpiredIteratorError:
                iterator = None
                continue
            except TrimmedDataAccessError:
                iterator, position = None, Position("TRIM_HORIZON")
                continue
            records = [decoded(each, poller.mapping.event_source_arn) for each in page.records]
            if records:
                self._take(records, position)
                position = _after(records[-1])
            iterator = page.next_iterator
            closed = iterator is None
            if not closed and not records:
                if self._to_the_end_so_far:
                    break
                await asyncio.sleep(POLL_SECONDS)
        self.ended = True
        for lane in self._lanes:
            lane.changed()
        while self._unacknowledged:
            await self._until_changed()
        if closed:
            poller.checkpoints.finished[self.shard_id] = None

    def _take(self, records: Sequence[Record], position: Position) -> None:
        self.records_read += len(records)
        if position.shard_iterator_type == "LATEST":
            # Another poller has to begin here, too, and not with what is the latest by then.
            self.poller.checkpoints.positions[self.shard_id] = Position(
                "AT_SEQUENCE_NUMBER", records[0].sequence_number
            )
        self._unacknowledged += records
        filtered = [record for record in records if not self.poller.matches(record.body)]
        self.acknowledge(filtered)
        for record in records:
            if not record.acknowledged:
                lane = self._lanes[item_hash(record) % len(self._lanes)] if len(self._lanes) > 1 else self._lanes[0]
                lane.add(record)

    async def _until_wanted(self) -> None:
        while len(self._unacknowledged) >= self._most_unacknowledged or not any(lane.gathering for lane in self._lanes):
            await self._until_changed()

    async def _until_changed(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class _Lane:
    """Gathers batches and sees each through, one after the other.

    Attributes:
        gathering: it has no batch under way, and room for more records in the next one.
    """

    def __init__(self, shard: _ShardPoller, poller: Poller) -> None:
        self.gathering = False
        self._shard = shard
        self._poller = poller
        self._records: deque[Record] = deque()
        self._bytes = EVENT_BYTES
        self._window = poller.mapping.maximum_batching_window_in_seconds
        self._changed = asyncio.Event()

    def add(self, record: Record) -> None:
        self._records.append(record)
        self._bytes += record.payload_bytes
        if self._full() or not self._window:
            self.gathering = False
        self._changed.set()

    def changed(self) -> None:
        self._changed.set()

    async def work(self) -> None:
        while batch := await self._gathered():
            await _Delivery(self._shard, self._poller, batch).see_through()

    async def _gathered(self) -> list[Record]:
        """The next batch; none: the shard is at its end.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html#invocation-eventsourcemapping-batching
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        over: float | None = None
        self.gathering = not self._full()
        self._shard.changed()
        while not self._full() and not self._shard.ended and not (self._records and not self._window):
            if self._records and over is None:
                # Windows follow one another: the one that the first record came into may have begun before it.
                over = began + self._window * (1 + (loop.time() - began) // self._window)
            self._changed.clear()
            try:
                async with asyncio.timeout_at(over):
                    await self._changed.wait()
            except TimeoutError:
                break
        self.gathering = False
        return self._batch()

    def _full(self) -> bool:
        return len(self._records) >= self._poller.mapping.batch_size or self._bytes >= PAYLOAD_BYTES

    def _batch(self) -> list[Record]:
        batch: list[Record] = []
        size = EVENT_BYTES
        while self._records and len(batch) < self._poller.mapping.batch_size:
            size += self._records[0].payload_bytes
            if batch and size > PAYLOAD_BYTES:
                break
            batch.append(self._records.popleft())
            self._bytes -= batch[-1].payload_bytes
        return batch


class _Part:
    """Records that are tried together, and what was tried with them."""

    __slots__ = ("invocations", "records", "retries")

    def __init__(self, records: list[Record], invocations: Invocations, retries: int = 0) -> None:
        self.records = records
        self.invocations = invocations
        self.retries = retries


class _Delivery:
    """One batch, until each of its records is acknowledged or discarded.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """

    def __init__(self, shard: _ShardPoller, poller: Poller, batch: list[Record]) -> None:
        self._shard = shard
        self._poller = poller
        # Lowest sequence numbers last: what is split off waits for what comes before it.
        self._parts = [_Part(batch, Invocations())]
        self._failures = 0

    async def see_through(self) -> None:
        while self._parts:
            part = self._parts.pop()
            await self._discard_too_old(part)
            if part.records:
                await self._attempt(part)

    async def _attempt(self, part: _Part) -> None:
        mapping = self._poller.mapping
        error: str | None = None
        try:
            response = await self._poller.function.invoke(event(part.records))
        except InvocationError:
            self._parts.append(part)
            await self._back_off()
            return
        except FunctionError as failure:
            error = failure.function_error
            failed: int | None = 0
        else:
            numbers = [record.sequence_number for record in part.records]
            failed = first_failure(response, numbers) if mapping.report_batch_item_failures else None
        if failed is None:
            self._failures = 0
            self._shard.acknowledge(part.records)
            return
        invocations = Invocations(part.invocations.count + 1, error)
        if failed > 0:
            self._failures = 0
            self._shard.acknowledge(part.records[:failed])
            self._parts.append(_Part(part.records[failed:], invocations))
        elif mapping.bisect_batch_on_function_error and len(part.records) > 1:
            middle = (len(part.records) + 1) // 2
            self._parts.append(_Part(part.records[middle:], invocations, part.retries))
            self._parts.append(_Part(part.records[:middle], invocations, part.retries))
        elif -1 < mapping.maximum_retry_attempts <= part.retries:
            await self._discard(part.records, "RetryAttemptsExhausted", invocations)
            return
        else:
            self._parts.append(_Part(part.records, invocations, part.retries + 1))
        await self._back_off()

    async def _back_off(self) -> None:
        self._failures += 1
        await asyncio.sleep(self._poller.backoff(self._failures))

    async def _discard_too_old(self, part: _Part) -> None:
        most = self._poller.mapping.maximum_record_age_in_seconds
        oldest = self._poller.clock() - (RETENTION_SECONDS if most == -1 else min(most, RETENTION_SECONDS))
        too_old = list(takewhile(lambda record: record.created < oldest, part.records))
        if too_old:
            await self._discard(too_old, "RecordAgeExceeded", part.invocations)
            del part.records[: len(too_old)]

    async def _discard(self, records: list[Record], condition: Condition, invocations: Invocations) -> None:
        poller = self._poller
        if poller.destination is not None:
            await poller.destination.send(
                invocation_record(poller.mapping, self._shard.shard_id, records, condition, invocations, poller.clock())
            )
        self._shard.acknowledge(records)


def _after(record: Record) -> Position:
    return Position("AFTER_SEQUENCE_NUMBER", record.sequence_number)


async def _together(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do all of it at once; the first error, or being cancelled, ends the rest, and is waited for."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        await _end(tasks)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
