"""One shard: read in order, gathered into batches, acknowledged without a gap."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from local.event_source.checkpoints import Checkpoints
from local.event_source.delivery import Delivery
from local.event_source.event import EVENT_BYTES, PAYLOAD_BYTES, Record, lambda_record, packed
from local.event_source.mapping import EventSourceMapping
from local.event_source.seams import ExpiredIteratorError, Page, Position, Stream, TrimmedDataAccessError

POLL_SECONDS = 0.25
"""Between two looks at a quiet shard: "a base rate of 4 times per second".
https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html"""

READ_RECORDS = 1000
"""The most that GetRecords returns.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html"""


class ShardPoller:
    """Reads one shard, hands its records to the lanes, and keeps its checkpoint.

    A lane has one batch under way at most, and all records of an item go through the same lane: so there are as many
    lanes as the mapping's `parallelization_factor` says.

    Args:
        shard_id: the shard.
        mapping: the settings.
        stream: where to read.
        delivery: what sees a batch through.
        matches: whether the filters let a record through.
        checkpoints: where to begin, and what to keep up to date.
        iterators: shard id to the iterator of the poller that came to the end so far, for the next one to go on with.
        to_the_end_so_far: stop where an open shard has no more records; else wait for more.

    Attributes:
        records_read: how many records came so far.
    """

    def __init__(
        self,
        shard_id: str,
        mapping: EventSourceMapping,
        stream: Stream,
        delivery: Delivery,
        matches: Callable[[Mapping[str, Any]], bool],
        checkpoints: Checkpoints,
        iterators: dict[str, str],
        *,
        to_the_end_so_far: bool,
    ) -> None:
        self.records_read = 0
        self._shard_id = shard_id
        self._mapping = mapping
        self._stream = stream
        self._delivery = delivery
        self._matches = matches
        self._checkpoints = checkpoints
        self._iterators = iterators
        self._to_the_end_so_far = to_the_end_so_far
        self._position = checkpoints.positions.get(shard_id, Position("TRIM_HORIZON"))
        self._unacknowledged: deque[Record] = deque()
        self._changed = asyncio.Event()
        self._lanes = [Lane(mapping, self._changed) for _ in range(mapping.parallelization_factor)]
        # What waits for one lane must not keep the others from being read for, but has to end somewhere.
        self._most_unacknowledged = max(mapping.batch_size, READ_RECORDS) * len(self._lanes)

    async def poll(self) -> None:
        """Poll until the shard is closed and done with, or done with so far."""
        await together([self._read(), *(self._work(lane) for lane in self._lanes)])

    async def _read(self) -> None:
        iterator = self._iterators.pop(self._shard_id, None)
        closed = False
        while not closed:
            await self._until_wanted()
            try:
                iterator = iterator or await self._stream.iterator(self._shard_id, self._position)
                page = await self._stream.records(iterator, READ_RECORDS)
            except ExpiredIteratorError:
                iterator = None
                continue
            except TrimmedDataAccessError:
                iterator, self._position = None, Position("TRIM_HORIZON")
                continue
            self._take(page)
            iterator = page.next_iterator
            closed = iterator is None
            if not closed and not page.records:
                if self._to_the_end_so_far:
                    break
                await asyncio.sleep(POLL_SECONDS)
        for lane in self._lanes:
            lane.end()
        while self._unacknowledged:
            await self._until_changed()
        if iterator is None:
            self._checkpoints.finished[self._shard_id] = None
        else:
            self._iterators[self._shard_id] = iterator

    def _take(self, page: Page) -> None:
        """Pass on what was read. What the filters leave out is acknowledged.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html: "the streams iterator advances".
        """
        filtered: list[Record] = []
        for each in page.records:
            turned = lambda_record(each, self._mapping.event_source_arn)
            record = packed(turned)
            self._unacknowledged.append(record)
            if self._matches(turned):
                self._lanes[record.item_hash % len(self._lanes)].add(record)
            else:
                filtered.append(record)
        if page.records:
            self.records_read += len(page.records)
            if self._position.shard_iterator_type == "LATEST":
                # A poller that goes on from here has to begin at these, not at what is the latest by then.
                first = page.records[0]["dynamodb"]["SequenceNumber"]
                self._checkpoints.positions[self._shard_id] = Position("AT_SEQUENCE_NUMBER", first)
            last = page.records[-1]["dynamodb"]["SequenceNumber"]
            self._position = Position("AFTER_SEQUENCE_NUMBER", last)
        self._acknowledge(filtered)

    async def _work(self, lane: "Lane") -> None:
        while batch := await lane.batch():
            await self._delivery.see_through(batch, self._shard_id, self._acknowledge)

    def _acknowledge(self, records: Sequence[Record]) -> None:
        """Take records as done with, and move the checkpoint over all that is done with without a gap."""
        for record in records:
            record.acknowledged = True
        last: Record | None = None
        while self._unacknowledged and self._unacknowledged[0].acknowledged:
            last = self._unacknowledged.popleft()
        if last is not None:
            self._checkpoints.positions[self._shard_id] = Position("AFTER_SEQUENCE_NUMBER", last.sequence_number)
        self._changed.set()

    async def _until_wanted(self) -> None:
        while len(self._unacknowledged) >= self._most_unacknowledged or not any(lane.gathering for lane in self._lanes):
            await self._until_changed()

    async def _until_changed(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class Lane:
    """Gathers records into batches.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html#invocation-eventsourcemapping-batching

    Args:
        mapping: the settings.
        wanted: set when the lane begins to gather.

    Attributes:
        gathering: more records could come into the batch that is being gathered.
    """

    def __init__(self, mapping: EventSourceMapping, wanted: asyncio.Event) -> None:
        self.gathering = False
        self._batch_size = mapping.batch_size
        self._window = mapping.maximum_batching_window_in_seconds
        self._wanted = wanted
        self._records: deque[Record] = deque()
        self._bytes = EVENT_BYTES
        self._ended = False
        self._changed = asyncio.Event()

    def add(self, record: Record) -> None:
        """Queue a record."""
        self._records.append(record)
        self._bytes += record.payload_bytes
        self.gathering = self.gathering and not self._is_due()
        self._changed.set()

    def end(self) -> None:
        """Say that no more records will come: what there is need not wait for its window."""
        self._ended = True
        self._changed.set()

    async def batch(self) -> list[Record]:
        """Gather the next batch; an empty one: the lane has ended."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        over: float | None = None
        self.gathering = not self._is_due()
        self._wanted.set()
        while not self._is_due():
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
        return self._taken()

    def _is_due(self) -> bool:
        return (
            self._ended
            or len(self._records) >= self._batch_size
            or self._bytes >= PAYLOAD_BYTES
            or (self._window == 0 and bool(self._records))
        )

    def _taken(self) -> list[Record]:
        batch: list[Record] = []
        size = EVENT_BYTES
        while self._records and len(batch) < self._batch_size:
            size += self._records[0].payload_bytes
            if batch and size > PAYLOAD_BYTES:
                break
            batch.append(self._records.popleft())
            self._bytes -= batch[-1].payload_bytes
        return batch


async def together(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do all of it at once. The first error, or being cancelled, cancels the rest, whose end is waited for."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        await end(tasks)


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks, and wait until they are over."""
    for task in tasks:
        # A second time would end what a first one has begun to put in order.
        if not task.cancelling():
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
