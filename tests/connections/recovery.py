"""The handler behind a network that fails: each way for a connection to die, and how long a batch then takes."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from handler.cache import Memory
from handler.momento_cache import MomentoCache
from handler.outcome import Outcome
from handler.pipeline import process
from handler.settings import Momento
from local.momento import MomentoServer
from tests.doubles import MemoryTable
from tests.pizza import order, settings
from tests.proxy import Mode, Proxy
from tests.stream import Stream

T = TypeVar("T")

ORDERS = 5
"""How many orders a batch changes, each in three views."""


class StoredKey:
    """A secret that holds one key."""

    fetch_seconds = 1.0

    def fetch(self) -> str:
        """Return the key."""
        return "good"


class Session:
    """A handler that is connected to a Momento server through a proxy, and whose cache is warm.

    Attributes:
        server: the server.
        proxy: the network before it.
        cache: the handler's connection.
    """

    def __init__(self) -> None:
        self.server = MomentoServer(caches=["pizza"])
        self._runner = asyncio.Runner()
        self._stream = Stream()
        self._memory = Memory()
        self._batches = 0

    def __enter__(self) -> Self:
        self.server.__enter__()
        self.proxy = Proxy(self.server.port).__enter__()
        self.cache = MomentoCache(Momento("pizza", "arn", endpoint=self.proxy.endpoint), StoredKey())
        self._runner.run(self.cache.connect())
        self.batch()
        self.batch()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._runner.run(self.cache.close())
        self._runner.close()
        self.proxy.__exit__(kind, error, at)
        self.server.__exit__(kind, error, at)

    def batch(self, seconds: float = 20.0) -> Outcome:
        """Change every order and have the handler write it, in so many seconds."""
        first = len(self._stream.records)
        self._batches += 1
        for number in range(ORDERS):
            self._stream.put(order(number + 1, status=f"{self._batches}"))
        event = self._stream.event(first)
        deadline = time.monotonic() + seconds
        main = process(
            event, settings(), self.cache, MemoryTable(), self._memory, clock=time.monotonic, deadline=deadline
        )
        return self._runner.run(main)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run what asks the cache itself."""
        return self._runner.run(main)

    def restart(self) -> None:
        """Let the server go away (GOAWAY), and another one take its place."""
        self.server.__exit__()
        self.server = MomentoServer(caches=["pizza"], port=self.server.port)
        self.server.__enter__()

    def shown(self) -> list[str]:
        """Return the statuses that readers see."""
        documents = (self.server.engine.get("pizza", f"order-{number + 1}".encode()) for number in range(ORDERS))
        return sorted({str(None if each is None else _status(each)) for each in documents})

    @property
    def written(self) -> str:
        """The status that the last batch wrote."""
        return f"{self._batches}"


def _status(document: bytes) -> Any:
    return msgspec.json.decode(document)["status"]


DEATHS: Mapping[str, Callable[[Session], None]] = {
    "none": lambda _: None,
    "packets lost": lambda session: session.proxy.lose(),
    "silent, acknowledged": lambda session: session.proxy.set(Mode.SWALLOW),
    "replies lost": lambda session: session.proxy.set(Mode.DROP_REPLIES),
    "reset between batches": lambda session: session.proxy.reset(),
    "reset by a request": lambda session: session.proxy.set(Mode.RESET),
    "FIN": lambda session: session.proxy.finish(),
    "GOAWAY": lambda session: session.restart(),
}
"""How a connection dies, between two batches. A new one is as good as ever."""


def recovery(death: Callable[[Session], None]) -> float:
    """Return how many seconds the first batch after a death takes. It succeeds, or AssertionError is raised."""
    with Session() as session:
        death(session)
        started = time.monotonic()
        outcome = session.batch()
        assert not outcome.log["failed"], outcome.log
        return time.monotonic() - started


def comeback(away_seconds: float, *, answers: bool) -> float:
    """Take the network away, bring it back, and return how many seconds it then takes until a batch succeeds.

    Args:
        away_seconds: how long it is away. Batches go on, as Lambda retries them.
        answers: whether new connections are lost with the rest; otherwise they are accepted and never answered.
    """
    with Session() as session:
        if answers:
            session.proxy.lose(new=True)
        else:
            session.proxy.answers = False
            session.proxy.set(Mode.SWALLOW)
        until = time.monotonic() + away_seconds
        while time.monotonic() < until:
            session.batch(until - time.monotonic() + 1)
        session.proxy.answers = True
        session.proxy.restore()
        back = time.monotonic()
        while session.batch().log["failed"]:
            pass
        return time.monotonic() - back
