"""The event source poller: reads a stream's shards and invokes a function, as a mapping's settings say.

It does what AWS documents of Lambda's own, in one event loop: no threads, no clock but the one it is given, nothing
random. https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

import asyncio
from collections.abc import Callable, Sequence

from local.event_source.checkpoints import Checkpoints
from local.event_source.delivery import Delivery
from local.event_source.filters import compiled
from local.event_source.mapping import EventSourceMapping
from local.event_source.seams import Destination, Function, Position, Shard, Stream
from local.event_source.shard import ShardPoller, end, together

SHARDS_SECONDS = 10.0
"""Between two looks for new shards while none ends. AWS does not say how often it looks."""


def exponential(failures: int) -> float:
    """The seconds to wait after so many failures in a row: 1, 2, 4… up to 60. AWS does not say how it backs off."""
    return min(2.0 ** min(failures - 1, 6), 60.0)


class Poller:
    """One mapping's poller.

    Args:
        mapping: the settings.
        stream: where records come from.
        function: what gets them.
        destination: where it is told what was discarded; None: nowhere. An error of it ends the poller, with the batch
            not acknowledged; AWS would count a `DestinationDeliveryFailures` and go on.
        clock: the seconds since the epoch, for the age of records. Waits are the event loop's.
        checkpoints: where to go on; None: at the mapping's starting position. Kept up to date in place.
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
        self.checkpoints = Checkpoints() if checkpoints is None else checkpoints
        self._mapping = mapping
        self._stream = stream
        self._delivery = Delivery(mapping, function, destination, clock, backoff)
        self._matches = compiled(mapping.filter_patterns)
        # What LATEST means is known to its iterator alone until a first record has come.
        self._iterators: dict[str, str] = {}

    async def run(self) -> None:
        """Poll until cancelled. What is under way then is cancelled, too, and not acknowledged."""
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for shard in await self._ready():
                    if shard.shard_id not in tasks:
                        poller = self._shard_poller(shard, to_the_end_so_far=False)
                        tasks[shard.shard_id] = asyncio.create_task(poller.poll())
                done = await _first_done(list(tasks.values()))
                for shard_id, task in list(tasks.items()):
                    if task in done:
                        task.result()
                        del tasks[shard_id]
        finally:
            await end(list(tasks.values()))

    async def drain(self) -> None:
        """Poll until all that the stream holds is acknowledged or discarded: open shards up to their end so far.

        An open shard's end is where a read finds nothing.
        """
        while True:
            finished = len(self.checkpoints.finished)
            pollers = [self._shard_poller(shard, to_the_end_so_far=True) for shard in await self._ready()]
            await together([each.poll() for each in pollers])
            if not any(each.records_read for each in pollers) and len(self.checkpoints.finished) == finished:
                return

    async def _ready(self) -> list[Shard]:
        """The shards to be read: those whose parent is done with, or no longer in the stream.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html: a parent before its children.
        """
        shards = await self._stream.shards()
        if self._mapping.starting_position == "LATEST" and not self.checkpoints.positions:
            # Of the shards that there are now. One that comes later has only new records: it is read from its start.
            self.checkpoints.positions |= {each.shard_id: Position("LATEST") for each in shards}
        unfinished = {each.shard_id for each in shards} - self.checkpoints.finished.keys()
        return [each for each in shards if each.shard_id in unfinished and each.parent_shard_id not in unfinished]

    def _shard_poller(self, shard: Shard, *, to_the_end_so_far: bool) -> ShardPoller:
        return ShardPoller(
            shard.shard_id,
            self._mapping,
            self._stream,
            self._delivery,
            self._matches,
            self.checkpoints,
            self._iterators,
            to_the_end_so_far=to_the_end_so_far,
        )


async def _first_done(tasks: Sequence[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Wait until one is done, or until it is time to look for new shards."""
    if not tasks:
        await asyncio.sleep(SHARDS_SECONDS)
        return set()
    done, _ = await asyncio.wait(tasks, timeout=SHARDS_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    return done
