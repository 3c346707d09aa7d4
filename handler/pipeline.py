"""The way of a batch through the five steps: decode, coalesce, plan, apply, report."""

import gc
import random
import time
from collections.abc import Callable
from typing import Any

from handler.cache import Cache, Memory, TableReader, apply
from handler.changes import coalesce
from handler.outcome import Outcome, report
from handler.records import decode
from handler.settings import Settings
from handler.views import plan


async def process(
    event: Any,
    settings: Settings,
    cache: Cache,
    table: TableReader,
    memory: Memory,
    *,
    clock: Callable[[], float],
    deadline: float,
    now: Callable[[], float] = time.time,
    chance: Callable[[], float] = random.random,
) -> Outcome:
    """Bring the cache up to a batch.

    Args:
        event: what Lambda passes for a DynamoDB stream.
        settings: the views.
        cache: Momento.
        table: where lists are rebuilt from.
        memory: the lists that earlier batches wrote.
        clock: the time in seconds, from any start.
        deadline: when the batch has to be done, by that clock.
        now: seconds since the epoch, for the propagation delay.
        chance: gives a number from 0 to 1 by which a pause before a retry is shortened.

    Raises:
        EventError: the event is not a batch of stream records.
        SettingsError: the views do not fit the table's primary key, known from its records at the latest.
    """
    # Else the collector walks the event, hundreds of thousands of objects, again and again, for cycles that it has not.
    gc.freeze()
    try:
        batch = decode(event)
        if batch.changes:
            settings.check_identity([name for name, _, _ in batch.changes[0].item])
        planned = plan(coalesce(batch.changes), settings)
        applied = await apply(planned.operations, cache, table, memory, clock=clock, deadline=deadline, chance=chance)
        return report(batch, planned.rejections, applied, now())
    finally:
        gc.unfreeze()
