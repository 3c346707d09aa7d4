"""What is measured: handlers that a worker calls as Lambda would, one batch after another."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from benchmarks import seed
from benchmarks.careful import Careful
from benchmarks.job import Job
from benchmarks.replay import Replay, load
from benchmarks.sdk import CACHE, Sdk
from benchmarks.workload import Scale, image, workload
from handler.cache import Memory, Page
from handler.momento_cache import MomentoCache
from handler.pipeline import process
from handler.settings import RebuildFrom, Settings
from tests import pizza

T = TypeVar("T")

INVOCATION_SECONDS = 900.0
"""How long a batch may take: as long as Lambda allows. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


class Contestant(Protocol):
    """A handler with its connection."""

    def handle(self, event: dict[str, Any]) -> None:
        """Have a batch handled. Raises where it is not acknowledged as a whole."""

    def settle(self) -> None:
        """Wait for what the handler left under way."""

    def close(self) -> None:
        """End the connection."""


class NotAcknowledgedError(RuntimeError):
    """A handler answered that some of a batch was not done: what was measured is worth nothing."""


class _Asynchronous:
    def __init__(self) -> None:
        self.runner = asyncio.Runner()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def settle(self) -> None:
        self.run(_settled())


class Seed(_Asynchronous):
    """The seed's handler."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.cache = self.run(Sdk.connect(job.endpoint))

    def handle(self, event: dict[str, Any]) -> None:
        """Have a record handled."""
        self.run(seed.handle(event, self.cache))

    def close(self) -> None:
        """End the connection."""
        self.run(self.cache.close())
        self.runner.close()


class LiteralSeed(Seed):
    """The seed's handler, its faults included: some of its writes are left under way from one record to the next."""

    def handle(self, event: dict[str, Any]) -> None:
        """Have a record handled."""
        self.run(pizza.seed_handler(event, self.cache))


class CarefulHandler(Seed):
    """The careful engineer's handler."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._handler = Careful(self.runner, self.cache)

    def handle(self, event: dict[str, Any]) -> None:
        """Have a batch handled."""
        _check(self._handler.handle(event))


class Ours(_Asynchronous):
    """The handler of this module, from the event to the response."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._settings = settings(job.endpoint, job.views)
        self._table = _Table(job.scale)
        self._memory = Memory()
        self._cache = MomentoCache(self._settings.momento, _Key())
        self.run(self._cache.connect())

    def handle(self, event: dict[str, Any]) -> None:
        """Have a batch handled."""
        deadline = time.monotonic() + INVOCATION_SECONDS
        outcome = self.run(
            process(
                event, self._settings, self._cache, self._table, self._memory, clock=time.monotonic, deadline=deadline
            )
        )
        _check(outcome.response)
        self._table.records += len(event["Records"])

    def close(self) -> None:
        """End the connection."""
        self.run(self._cache.close())
        self.runner.close()


class Limit(_Asynchronous):
    """Ours again, with nothing done but to send what it sent."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        if job.requests is None:
            raise ValueError("the limit sends what was recorded: name the file")
        self._replay = self.run(Replay.connect(job.endpoint, load(Path(job.requests))))

    def handle(self, event: dict[str, Any]) -> None:  # noqa: ARG002 - its requests are recorded
        """Send a batch's requests."""
        self.run(self._replay.send_batch())

    def close(self) -> None:
        """End the connection."""
        self.run(self._replay.close())
        self.runner.close()


CONTESTANTS: Mapping[str, Callable[[Job], Contestant]] = {
    "seed": Seed,
    "literal": LiteralSeed,
    "careful": CarefulHandler,
    "ours": Ours,
    "limit": Limit,
}


def settings(endpoint: str, views: tuple[str, ...] = tuple(pizza.VIEWS)) -> Settings:
    """The pizza app's settings, with some of its views."""
    momento = {"cache_name": CACHE, "secret_arn": "arn", "endpoint": endpoint}
    return pizza.settings({name: pizza.VIEWS[name] for name in views}, momento=momento)


class _Key:
    fetch_seconds = 1.0

    def fetch(self) -> str:
        return "any"


class _Table:
    """The table as it is after the batches so far: made when it is asked, for cached lists need no query."""

    request_seconds = 1.0

    def __init__(self, scale: Scale) -> None:
        self.records = 0
        self._scale = scale

    async def query(
        self,
        source: RebuildFrom,  # noqa: ARG002 - each index holds every order
        condition: Mapping[str, Any],
        after: Mapping[str, Any] | None,  # noqa: ARG002 - all of an answer is one page
    ) -> Page:
        images = map(image, workload(self._scale).orders(self.records))
        return Page([each for each in images if condition.items() <= each.items()], None)


def _check(response: Mapping[str, Any]) -> None:
    failures = response["batchItemFailures"]
    if failures:
        raise NotAcknowledgedError(f"{len(failures)} of a batch's records were not handled: {failures[:3]}")


async def _settled() -> None:
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
