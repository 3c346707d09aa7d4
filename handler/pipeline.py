"""The way of a batch through the five steps: decode, coalesce, plan, apply, report."""

import asyncio
import gc
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from handler.cache import Cache, Memory, TableReader, apply
from handler.changes import coalesce
from handler.outcome import Outcome, report
from handler.records import Batch, decode
from handler.settings import Settings
from handler.views import Plan, plan

RUN_OUT_SECONDS = 0.1
"""The longest wait for tasks that are cancelled because their batch has raised."""

SHORTEST_SECONDS = 0.001
"""What an invocation that starts too late is taken to have."""

T = TypeVar("T")


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
    batch, planned = _planned(event, settings, clock, deadline)
    applied = await apply(planned.operations, cache, table, memory, clock=clock, deadline=deadline, chance=chance)
    return report(batch, planned, applied, now())


def run_out(runner: asyncio.Runner, main: Coroutine[Any, Any, T], seconds: float) -> T:
    """Run a coroutine, and leave nothing of it behind, however it ends.

    An exception may come from outside: a layer's alarm signal, KeyboardInterrupt. It ends the runner's loop and not the
    tasks, which would go on in the next invocation: their requests would land after newer values. Or it hits one of
    asyncio's callbacks, which drops it, and the task that the callback was to wake waits forever.

    Args:
        runner: where it runs.
        main: the coroutine.
        seconds: how long it may take. It keeps to this itself, unless it is stuck.

    Raises:
        RuntimeError: it was stuck.
    """
    loop = runner.get_loop()
    end = loop.call_later(seconds, loop.stop)
    try:
        return runner.run(main)
    except BaseException:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        # A task that is stuck never runs again, so it does no harm, and is not waited for.
        loop.run_until_complete(asyncio.wait(left, timeout=RUN_OUT_SECONDS) if left else asyncio.sleep(0))
        raise
    finally:
        end.cancel()


def _planned(event: Any, settings: Settings, clock: Callable[[], float], deadline: float) -> tuple[Batch, Plan]:
    # The pure steps leave no cycles behind, and the collector would walk the event's hundreds of thousands of objects
    # again and again to find that out. It is only paused: gc.freeze() and gc.unfreeze() would put what is garbage into
    # the oldest generation, which Python 3.13 then never collects (python/cpython#98801).
    gc.disable()
    try:
        started = clock()
        seconds = max(deadline - started, SHORTEST_SECONDS)
        batch = decode(event, settings.table.key_attributes)
        if batch.changes:
            settings.check_identity([name for name, _, _ in batch.changes[0].item])
        return batch, plan(coalesce(batch.changes), settings, lambda: (clock() - started) / seconds)
    finally:
        gc.enable()
