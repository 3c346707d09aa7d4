"""Real implementations behind the seams of handler/cache.py, in process: Momento's engine, and a table in memory."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from handler.cache import CacheError, Entry, KeyRefusedError, Pace, Page
from handler.settings import RebuildFrom
from handler.views import SetEntry
from local.momento.engine import DEFAULT_LIMITS, Condition, Engine, Limits, MomentoError, Relation

CACHE = "pizza"

T = TypeVar("T")


class Clock:
    """A time that goes on when told to, and while run() waits for nothing else. Seconds."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def milliseconds(self) -> int:
        return round(self.now * 1000)


class _Waiting(selectors.DefaultSelector):
    """Lets the clock go on instead of waiting."""

    clock: Clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            self.clock.now += timeout or 0
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop by a clock of ours: a sleep takes no time."""

    def __init__(self, clock: Clock) -> None:
        self._virtual_clock = clock
        waiting = _Waiting()
        waiting.clock = clock
        super().__init__(waiting)

    def time(self) -> float:
        return self._virtual_clock()


def run(main: Coroutine[Any, Any, T], clock: Clock) -> T:
    """Run to the end, by a clock of ours."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(main)


class EngineCache:
    """The local Momento server's engine, asked without a network.

    Each request gives way to the others before it reads or writes, so that what runs at once does interleave.

    Attributes:
        requests: the requests so far: name and key, for each entry of a batch.
        batches: how many entries each batch had.
        looks: at how many entries each request looked.
        most_under_way: the most requests that were under way at once.
        before: called with a request's name and key before it is carried out; may raise.
        after: the same, once it is carried out: the reply is lost.
    """

    request_seconds = 1.0
    renew_seconds = 2.0

    def __init__(self, clock: Clock | None = None, limits: Limits = DEFAULT_LIMITS) -> None:
        self.clock = clock or Clock()
        self.engine = Engine(self.clock.milliseconds, limits)
        self.max_item_bytes = limits.item_bytes
        self.pace = Pace()
        self.engine.create_cache(CACHE)
        self.requests: list[tuple[str, str]] = []
        self.batches: list[int] = []
        self.looks: list[int] = []
        self.under_way = 0
        self.most_under_way = 0
        self.renewals = 0
        self.before: Callable[[str, str], None] = lambda _name, _key: None
        self.after: Callable[[str, str], None] = lambda _name, _key: None

    def get(self, key: str) -> bytes | None:
        """What a reader sees."""
        return self.engine.get(CACHE, key.encode())

    def put(self, key: str, value: bytes, ttl_seconds: float = 86_400) -> None:
        """What another writer leaves."""
        self.engine.set(CACHE, key.encode(), value, int(ttl_seconds * 1000))

    def keys(self) -> list[str]:
        return sorted(key.decode() for key in self.engine.keys(CACHE))

    async def read(self, key: str) -> bytes | None:
        return await self._ask("get", key, lambda: self.get(key))

    async def set_many(self, entries: Sequence[SetEntry]) -> Sequence[CacheError | None]:
        self.batches.append(len(entries))
        with self._counted():
            await asyncio.sleep(0)
            return [self._set_one(entry) for entry in entries]

    def _set_one(self, entry: SetEntry) -> CacheError | None:
        try:
            self._carry_out("set", entry.key, lambda: self.store(entry.key, entry.value, entry.ttl_seconds))
        except KeyRefusedError:
            raise
        except CacheError as error:
            return error
        return None

    def store(self, key: str, value: bytes, ttl_seconds: int) -> None:
        self.engine.set(CACHE, key.encode(), value, ttl_seconds * 1000)

    async def set(self, key: str, value: bytes, ttl_seconds: int) -> None:
        """What the app's first handler does."""
        await self._ask("set", key, lambda: self.store(key, value, ttl_seconds))

    async def delete(self, key: str) -> None:
        await self._ask("delete", key, lambda: self.engine.delete(CACHE, key.encode()))

    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Entry | None:  # noqa: ARG002 (each is)
        found = await self._ask("get_with_hash", key, lambda: self.engine.get_with_hash(CACHE, key.encode()))
        return None if found is None else Entry(found.value, found.hash)

    async def matching(self, wanted: Mapping[str, Callable[[bytes], bool]]) -> frozenset[str]:
        self.looks.append(len(wanted))
        with self._counted():
            await asyncio.sleep(0)
            return frozenset(key for key, wants in wanted.items() if self._is_wanted(key, wants))

    def _is_wanted(self, key: str, wants: Callable[[bytes], bool]) -> bool:
        value = self._carry_out("look", key, lambda: self.get(key))
        return value is not None and wants(value)

    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bytes | None:
        condition = Condition(Relation.EQUAL, expected)
        return await self._ask(
            "set_if_hash",
            key,
            lambda: self.engine.set_if_hash(CACHE, key.encode(), value, ttl_seconds * 1000, condition),
        )

    async def set_if_absent(self, key: str, value: bytes, ttl_seconds: int) -> bool:
        return await self._ask(
            "set_if_absent",
            key,
            lambda: self.engine.set_if_not_exists(CACHE, key.encode(), value, ttl_seconds * 1000),
        )

    async def remaining_ttl(self, key: str) -> float:
        remaining = await self._ask("remaining_ttl", key, lambda: self.engine.item_get_ttl(CACHE, key.encode()))
        return (remaining or 0) / 1000

    async def renew(self) -> bool:
        await asyncio.sleep(0)
        self.renewals += 1
        return True

    async def _ask(self, name: str, key: str, request: Callable[[], T]) -> T:
        with self._counted():
            await asyncio.sleep(0)
            answer = self._carry_out(name, key, request)
            await asyncio.sleep(0)
            return answer

    def _carry_out(self, name: str, key: str, request: Callable[[], T]) -> T:
        self.requests.append((name, key))
        self.before(name, key)
        try:
            answer = request()
        except MomentoError as error:
            raise CacheError(str(error)) from error
        self.after(name, key)
        return answer

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            yield
        finally:
            self.under_way -= 1


class MemoryTable:
    """A table that answers queries from the images it is given, two to a page."""

    request_seconds = 1.0

    def __init__(self, images: Iterable[Mapping[str, Any]] = ()) -> None:
        self.images = list(images)
        self.queries: list[tuple[str | None, dict[str, Any]]] = []
        self.pages = 0

    async def query(self, source: RebuildFrom, condition: Mapping[str, Any], after: Mapping[str, Any] | None) -> Page:
        await asyncio.sleep(0)
        self.pages += 1
        if after is None:
            self.queries.append((source.index_name, dict(condition)))
        found = [each for each in self.images if all(each.get(name) == value for name, value in condition.items())]
        start = int(after["start"]["N"]) if after else 0
        more = start + 2 < len(found)
        return Page(found[start : start + 2], {"start": {"N": str(start + 2)}} if more else None)
