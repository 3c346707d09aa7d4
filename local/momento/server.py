"""The gRPC server over the engine: keys, faults, latency and counters surround each call."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, NoReturn, Self

import grpc
import msgspec

from local.momento import remote, wire
from local.momento.counters import Counters
from local.momento.engine import DEFAULT_LIMITS, Code, Engine, Limits, MomentoError
from local.momento.faults import Fault, Faults

if TYPE_CHECKING:
    from google.protobuf.message import Message

HOST = "127.0.0.1"

# The largest message that Momento's SDKs send and take. A larger one is refused below with the service's error: the
# transport would answer with its own.
REQUEST_BYTES = 5_243_000

# What a request has beside its entry, where an account may store larger ones.
REQUEST_OVERHEAD_BYTES = 1_000

# The service cannot be reached and have answered sooner: a call with a shorter deadline runs into it there, so it does
# here.
ROUND_TRIP_SECONDS = 0.002

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    # With port reuse, a second server on a taken port would start, and take turns with the first.
    ("grpc.so_reuseport", 0),
    # The SDKs ping idle connections every few seconds, which gRPC takes for abuse and hangs up on unless told so.
    ("grpc.http2.max_ping_strikes", 0),
)

Context = grpc.aio.ServicerContext[bytes, bytes]


class MomentoServer:
    """A Momento server on this machine, for one account.

    As a context manager it serves from a thread of its own, so that a test or a demo can use it in process.

    Args:
        caches: Caches to begin with.
        required_keys: The API keys to accept; none at all: any key, as Momento Local does.
        latency_ms: How long every request waits before it is carried out.
        port: The port on 127.0.0.1; 0: any free one.
        limits: The account's limits.
        interceptors: gRPC's own, which see each request before it is counted or refused.

    Attributes:
        engine: The rules and the items. A test may read it, or write keys that no client writes at the same time.
        faults: What is to go wrong.
        counters: What was asked.
        required_keys: May be set anew while the server runs, as when a key is rotated.
        latency_ms: May be set anew while the server runs.
        port: The port in use, once the server runs.
    """

    def __init__(
        self,
        *,
        caches: Iterable[str] = (),
        required_keys: Iterable[str] = (),
        latency_ms: int = 0,
        port: int = 0,
        limits: Limits = DEFAULT_LIMITS,
        interceptors: "Sequence[grpc.aio.ServerInterceptor[bytes, bytes]]" = (),
    ) -> None:
        self._interceptors = interceptors
        self.engine = Engine(lambda: time.monotonic_ns() // 1_000_000, limits)
        for cache in caches:
            self.engine.create_cache(cache)
        self.faults = Faults()
        self.counters = Counters()
        self.required_keys = frozenset(required_keys)
        self.latency_ms = latency_ms
        self.host = HOST
        self.port = port

    @property
    def endpoint(self) -> str:
        """Its `host:port`."""
        return f"{self.host}:{self.port}"

    async def serve(self, started: Callable[[], None], end: asyncio.Event) -> None:
        """Serve until `end` is set, calling `started` once requests are answered.

        Raises:
            RuntimeError: The port is taken.
        """
        server = grpc.aio.server(options=_OPTIONS, interceptors=self._interceptors)
        for service, rpcs in wire.SERVICES.items():
            handlers = {name: self._handler(rpc) for name, rpc in rpcs.items()}
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        steering = {remote.METHOD: grpc.unary_unary_rpc_method_handler(self._steer)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(remote.SERVICE, steering),))
        self.port = server.add_insecure_port(self.endpoint)
        await server.start()
        started()
        await end.wait()
        await server.stop(grace=None)
        # The calls cut off are cancelled a moment later. Were the loop to end first, gRPC would print a traceback each.
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        if under_way:
            await asyncio.wait(under_way, timeout=1)

    def __enter__(self) -> Self:
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

        async def serve() -> None:
            end = asyncio.Event()
            await self.serve(lambda: started.set_result((asyncio.get_running_loop(), end)), end)

        self._thread = ThreadPoolExecutor(1, "momento-server")
        self._served = self._thread.submit(lambda: asyncio.run(serve()))
        either: list[Future[Any]] = [started, self._served]
        wait(either, return_when=FIRST_COMPLETED)
        if not started.done():
            self._thread.shutdown()
            self._served.result()
        self._loop, self._end = started.result()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.shutdown()
        self._served.result()

    def _handler(self, rpc: wire.Rpc) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def answer_one(serialized: bytes, context: Context) -> bytes:
            (message,) = await self._answer(rpc, serialized, context)
            return message

        async def answer_many(serialized: bytes, context: Context) -> AsyncIterator[bytes]:
            for message in await self._answer(rpc, serialized, context):
                yield message

        if rpc.streams:
            return grpc.unary_stream_rpc_method_handler(answer_many)
        return grpc.unary_unary_rpc_method_handler(answer_one)

    async def _answer(self, rpc: wire.Rpc, serialized: bytes, context: Context) -> list[bytes]:
        count = self.counters[rpc.name]
        count.requests += 1
        count.request_bytes += len(serialized)
        try:
            metadata = _metadata(context)
            self._admit(serialized, metadata)
            request = rpc.parse(serialized)
            fault = self.faults.take(rpc.name, wire.keys(request), metadata)
            await self._wait(fault, context)
            if fault is not None and fault.fails:
                if fault.applied:
                    # Even a refusal is lost on the way back.
                    with contextlib.suppress(MomentoError):
                        self._apply(rpc, request, metadata)
                await _fail(fault, context)
            answer = self._apply(rpc, request, metadata)
        except MomentoError as error:
            await _abort(context, error.code, error.message, error.err)
        count.response_bytes += sum(map(len, answer))
        return answer

    def _admit(self, serialized: bytes, metadata: Mapping[str, str]) -> None:
        if self.required_keys and metadata.get("authorization", "") not in self.required_keys:
            raise MomentoError(Code.UNAUTHENTICATED, "Invalid API key")
        largest = max(REQUEST_BYTES, self.engine.limits.item_bytes + REQUEST_OVERHEAD_BYTES)
        if len(serialized) > largest:
            message = f"Request size {len(serialized)} exceeds the limit of {largest} bytes"
            raise MomentoError(Code.RESOURCE_EXHAUSTED, message, "request_size_limit_exceeded")

    async def _wait(self, fault: Fault | None, context: Context) -> None:
        remaining: float | None = context.time_remaining()
        if remaining is not None and remaining < ROUND_TRIP_SECONDS:
            await _silence()
        delay_ms = self.latency_ms + (0 if fault is None else fault.delay_ms)
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000)

    def _apply(self, rpc: wire.Rpc, request: wire.Request, metadata: Mapping[str, str]) -> list[bytes]:
        messages: list[Message] = []
        try:
            messages = rpc.apply(self.engine, metadata.get("cache", ""), request)
        finally:
            self.counters[rpc.name].operations += wire.operations(rpc.name, request, messages)
        return [message.SerializeToString() for message in messages]

    async def _steer(self, serialized: bytes, context: Context) -> bytes:
        try:
            command = msgspec.json.decode(serialized, type=remote.Command)
            return msgspec.json.encode(self._obey(command))
        except msgspec.DecodeError as error:
            await _abort(context, Code.INVALID_ARGUMENT, str(error))
        except MomentoError as error:
            await _abort(context, error.code, error.message, error.err)

    def _obey(self, command: remote.Command) -> Counters | dict[str, bytes] | float | None:
        match command:
            case remote.ReadCounters() | remote.ReadItems() | remote.ReadCpuSeconds():
                return self._tell(command)
            case remote.AddFault(fault):
                self.faults.add(fault)
            case remote.ClearFaults():
                self.faults.clear()
            case remote.ClearCounters():
                self.counters.clear()
            case remote.RequireKeys(keys):
                self.required_keys = keys
            case remote.SetLatency(latency_ms):
                self.latency_ms = latency_ms
            case remote.Evict(cache, key):
                self.engine.evict(cache, key)
            case remote.Fill(cache, items, ttl_milliseconds):
                self.engine.flush_cache(cache)
                self.engine.set_batch(cache, [(key.encode(), value, ttl_milliseconds) for key, value in items.items()])
        return None

    def _tell(
        self, question: remote.ReadCounters | remote.ReadItems | remote.ReadCpuSeconds
    ) -> Counters | dict[str, bytes] | float:
        match question:
            case remote.ReadCounters():
                return self.counters
            case remote.ReadItems(cache):
                found = {key: self.engine.get(cache, key) for key in self.engine.keys(cache)}
                return {key.decode(): value for key, value in found.items() if value is not None}
            case remote.ReadCpuSeconds():
                return time.process_time()


def _metadata(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


async def _fail(fault: Fault, context: Context) -> NoReturn:
    if fault.code is None:
        await _silence()
    await _abort(context, fault.code, "A fault that was asked for", fault.err)


async def _silence() -> NoReturn:
    while True:
        # gRPC cancels the call once its client has given up.
        await asyncio.Event().wait()


async def _abort(context: Context, code: str, message: str, err: str | None = None) -> NoReturn:
    await context.abort(grpc.StatusCode[code], message, () if err is None else (("err", err),))
