"""What an invocation leaves behind in a process that lives for days: nothing."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from handler.cache import CacheError, KeyRefusedError, Memory, RefusedError, TransientError
from handler.pipeline import process, run_out
from handler.records import Change
from handler.views import DeleteEntry, SetEntry, UpdateList
from local.momento import MomentoServer
from tests.doubles import Clock, EngineCache, MemoryTable, VirtualLoop
from tests.pizza import VIEWS, order, settings
from tests.stream import Stream, image

OURS = (Change, DeleteEntry, SetEntry, UpdateList, CacheError)
"""What a batch consists of, and what goes wrong with it."""


@pytest.fixture
def uncollected() -> Iterator[list[Any]]:
    """What only the collector finds, once the test says so by gc.collect()."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.mark.parametrize(
    "error",
    [TransientError("busy"), RefusedError("no"), CacheError("away"), KeyRefusedError("key")],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("name", ["set", "delete", "look", "get_with_hash", "set_if_hash", "renew"])
def test_no_batch_is_kept_by_a_cycle_through_an_error_that_was_caught(
    uncollected: list[Any], name: str, error: Exception
) -> None:
    """A cycle would keep a whole batch until the collector comes, at Momento's on-demand limit with every batch."""

    class Failing(EngineCache):
        async def renew(self) -> bool:
            if name == "renew":
                raise type(error)(*error.args)
            return await super().renew()

        async def set_many(self, entries: Any) -> Any:
            if name == "set":
                raise type(error)(*error.args)
            return await super().set_many(entries)

    stream = Stream()
    for number in range(3):
        stream.put(order(number))
        stream.delete(f"order-{number}", "metadata")
    stream.put(order(4))
    cache = Failing()
    cache.put("all-orders", b"[]")

    def fail(asked: str, _key: str) -> None:
        if asked == name:
            raise type(error)(*error.args)
        if name == "renew":
            raise KeyRefusedError("key")

    cache.before = fail
    table = MemoryTable([image(order(9))])
    handling = process(
        stream.event(), settings(VIEWS), cache, table, Memory(), clock=cache.clock, deadline=1e9, chance=lambda: 0.0
    )
    asyncio.run(handling)
    del handling
    del stream
    uncollected.clear()
    gc.collect()
    assert [type(each).__name__ for each in uncollected if isinstance(each, OURS)] == []


class Alarm(BaseException):
    """What a layer's signal raises, wherever the program is."""


def test_requests_under_way_end_with_an_invocation_that_an_exception_from_outside_ends() -> None:
    class Slow(EngineCache):
        async def set_many(self, entries: Any) -> Any:
            os.kill(os.getpid(), signal.SIGALRM)
            await asyncio.sleep(0.2)
            return await super().set_many(entries)

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise Alarm

    stream = Stream()
    stream.put(order(1))
    cache = Slow()
    before = signal.signal(signal.SIGALRM, ring)
    try:
        with asyncio.Runner() as runner:
            handling = process(
                stream.event(), settings(VIEWS), cache, MemoryTable(), Memory(), clock=cache.clock, deadline=1e9
            )
            with pytest.raises((Alarm, BaseExceptionGroup)):
                run_out(runner, handling, 60)
            assert asyncio.all_tasks(runner.get_loop()) == set()
            runner.run(asyncio.sleep(0.3))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert cache.get("order-1") is None


def test_what_is_left_when_the_loop_itself_is_interrupted_is_cancelled_and_awaited() -> None:
    ended: list[str] = []

    async def last() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            ended.append("request")

    async def main() -> None:
        requests = [asyncio.create_task(last())]
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(interrupt)
        await asyncio.wait(requests)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with asyncio.Runner() as runner:
        with pytest.raises(KeyboardInterrupt):
            run_out(runner, main(), 60)
        assert asyncio.all_tasks(runner.get_loop()) == set()
    assert ended == ["request"]


def test_an_exception_with_nothing_under_way_ends_the_invocation_at_once() -> None:
    async def main() -> None:
        raise ZeroDivisionError

    # Whatever run_out() waits for, by a timer of the loop, shows in this clock.
    clock = Clock()
    started = clock()
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        with pytest.raises(ZeroDivisionError):
            run_out(runner, main(), 60)
        assert clock() == started


LISTS = """
import asyncio, pathlib, re, sys, time
import boto3, aws_lambda_powertools
from handler.cache import Memory
from handler.momento_cache import MomentoCache
from handler.pipeline import process
from handler.settings import Momento
from tests.doubles import MemoryTable
from tests.pizza import order, settings
from tests.stream import Stream

FIELDS = {name: name for name in "abcde"} | {"id": "pk"}
LIST = {"kind": "list", "key": "l-{creator}", "member": "{id}", "unique": True, "fields": FIELDS, "order_by": "id"}

class Key:
    fetch_seconds = 1.0
    def fetch(self):
        return "good"

async def main():
    boto3.client("dynamodb", region_name="us-east-1"); boto3.client("secretsmanager", region_name="us-east-1")
    cache = MomentoCache(Momento("pizza", "arn", endpoint=sys.argv[1]), Key())
    await cache.connect()
    memory = Memory(512)
    for turn in range(2):
        stream = Stream()
        for number in range(8):
            stream.put(order(turn, creator=str(number)))
        outcome = await process(
            stream.event(), settings({"l": LIST}), cache, MemoryTable(), memory,
            clock=time.monotonic, deadline=time.monotonic() + 60,
        )
        assert outcome.response == {"batchItemFailures": []}, outcome.log
    await cache.close()
    # The peak of this program: ru_maxrss begins with that of the process which started it.
    print(int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) // 1000)

asyncio.run(main())
"""


def test_eight_lists_of_nearly_five_megabytes_in_a_batch_fit_into_the_default_memory() -> None:
    row = b'{"id":"o%06d","a":1,"b":2,"c":3,"d":4,"e":5}'
    stored = b"[" + b",".join(row % number for number in range(100_000)) + b"]"
    assert len(stored) > 4_600_000
    with MomentoServer(caches=["pizza"]) as server:
        for number in range(8):
            server.engine.set("pizza", f"l-{number}".encode(), stored, 86_400_000)
        environment = os.environ | {"no_grpc_proxy": server.host}
        ran = subprocess.run(
            [sys.executable, "-c", LISTS, server.endpoint], capture_output=True, text=True, env=environment, check=True
        )
    assert int(ran.stdout) < 450, "of the default 512 MB, some are the event's"


def test_a_task_that_can_never_run_again_is_not_waited_for_without_end() -> None:
    async def stranded() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            # As one whose wake-up an exception has hit: the cancellation does not reach it.
            await asyncio.get_running_loop().create_future()

    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        tasks.append(asyncio.create_task(stranded()))
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with asyncio.Runner() as runner, pytest.raises(ZeroDivisionError):
        run_out(runner, main(), 60)


def test_a_batch_that_is_stuck_ends_all_the_same() -> None:
    async def stuck() -> None:
        await asyncio.get_running_loop().create_future()

    with asyncio.Runner() as runner:
        with pytest.raises(RuntimeError, match="Event loop stopped"):
            run_out(runner, stuck(), 0.05)
        assert asyncio.all_tasks(runner.get_loop()) == set()
        assert run_out(runner, asyncio.sleep(0, "next"), 0.05) == "next"
        # Its time is over later, and that is nothing to the next one.
        assert run_out(runner, asyncio.sleep(0.1, "last"), 60) == "last"
