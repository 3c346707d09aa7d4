"""The local server's own limits: what no client of it can exceed."""

import asyncio
import time
from collections.abc import Callable, Coroutine

import grpc
from momento_wire_types import cacheclient_pb2 as wire
from momento_wire_types import cacheclient_pb2_grpc as wire_grpc

from benchmarks.results import ServerLimits, Spread
from benchmarks.sdk import CACHE
from benchmarks.session import Session

LATENCIES_MS = (0, 1, 5)

_SETS, _AT_ONCE = 2_000, 32
_ELEMENTS = 1_000
_LISTS = 50
_ROUND_TRIPS = 100
_METADATA = (("cache", CACHE),)
_OPTIONS = (("grpc.max_receive_message_length", -1),)


class ServerRace:
    """Its requests a second, by kind.

    Args:
        session: the server.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._round_trips: dict[int, list[float]] = {latency: [] for latency in LATENCIES_MS}
        self._rates: dict[str, list[float]] = {"sets": [], "batched_sets": [], "list_updates": []}

    def measure(self) -> None:
        """Measure all once more."""
        server = self._session.server
        for latency_ms, seconds in self._round_trips.items():
            server.set_latency(latency_ms)
            seconds.append(self._timed(_round_trips, _ROUND_TRIPS) * 1000)
        server.set_latency(0)
        self._rates["sets"].append(1 / self._timed(_sets, _SETS))
        self._rates["batched_sets"].append(1 / self._timed(_batched_sets, _ELEMENTS))
        self._rates["list_updates"].append(1 / self._timed(_list_updates, _LISTS))

    def result(self) -> ServerLimits:
        """What all runs came to."""
        return ServerLimits(
            round_trip_ms={str(latency): Spread.of(each) for latency, each in self._round_trips.items()},
            sets_per_second=Spread.of(self._rates["sets"]),
            batched_sets_per_second=Spread.of(self._rates["batched_sets"]),
            list_updates_per_second=Spread.of(self._rates["list_updates"]),
        )

    def _timed(self, work: Callable[[wire_grpc.ScsStub], Coroutine[None, None, None]], times: int) -> float:
        """Seconds for each of so many times."""

        async def timed() -> float:
            async with grpc.aio.insecure_channel(self._session.endpoint, _OPTIONS) as channel:
                stub = wire_grpc.ScsStub(channel)  # type: ignore[no-untyped-call]
                # The first request waits for the connection.
                await stub.Set(_entry("warm", 10), metadata=_METADATA)
                began = time.perf_counter()
                await work(stub)
                return (time.perf_counter() - began) / times

        return asyncio.run(timed())


def _entry(key: str, size: int) -> wire._SetRequest:
    return wire._SetRequest(cache_key=key.encode(), cache_body=b"x" * size, ttl_milliseconds=60_000)


async def _round_trips(stub: wire_grpc.ScsStub) -> None:
    for _ in range(_ROUND_TRIPS):
        await stub.Get(wire._GetRequest(cache_key=b"warm"), metadata=_METADATA)


async def _sets(stub: wire_grpc.ScsStub) -> None:
    waiting = iter(range(_SETS))

    async def send() -> None:
        for number in waiting:
            await stub.Set(_entry(f"set-{number}", 1_000), metadata=_METADATA)

    await asyncio.gather(*(send() for _ in range(_AT_ONCE)))


async def _batched_sets(stub: wire_grpc.ScsStub) -> None:
    batch = wire._SetBatchRequest(items=[_entry(f"set-{number}", 1_000) for number in range(_ELEMENTS)])
    async for _ in stub.SetBatch(batch, metadata=_METADATA):
        pass


async def _list_updates(stub: wire_grpc.ScsStub) -> None:
    await stub.Set(_entry("list", 250_000), metadata=_METADATA)
    for _ in range(_LISTS):
        found = (await stub.GetWithHash(wire._GetWithHashRequest(cache_key=b"list"), metadata=_METADATA)).found
        update = wire._SetIfHashRequest(
            cache_key=b"list",
            cache_body=found.value,
            ttl_milliseconds=60_000,
            present_and_hash_equal={"hash_to_check": found.hash},
        )
        await stub.SetIfHash(update, metadata=_METADATA)
