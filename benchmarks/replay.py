"""The limit: the requests of a handler, recorded as a server gets them, and sent again by gRPC alone."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import grpc
import msgspec
from msgspec import Struct

from local.momento import wire


class Request(Struct, frozen=True):
    """A request as it came.

    Attributes:
        method: the RPC's full name.
        metadata: what the client sent along, less what gRPC adds by itself.
        message: its bytes.
    """

    method: str
    metadata: tuple[tuple[str, str], ...]
    message: bytes


class Step(Struct, frozen=True):
    """A request and what it waits for.

    Attributes:
        request: the request.
        after: the places in the batch of the requests that were the last before it to name one of its keys.
    """

    request: Request
    after: tuple[int, ...]


Batch = tuple[Step, ...]
"""A batch's requests, in their order. Those that no key binds together can go at once."""


class Recording(Struct, frozen=True):
    """All requests of a run.

    Attributes:
        batches: batch by batch.
        width: how many were under way at once, at the most.
    """

    batches: tuple[Batch, ...]
    width: int


_RPCS = {f"/{service}/{name}": rpc for service, rpcs in wire.SERVICES.items() for name, rpc in rpcs.items()}
_RECORDING = msgspec.msgpack.Decoder(Recording)
_CHANNEL_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))

_GRPCS_OWN = ("user-agent", "te", "content-type", "grpc-")


def load(path: Path) -> Recording:
    """Read a file that a recorder wrote."""
    return _RECORDING.decode(path.read_bytes())


class Recorder(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # it takes its arguments in the stubs alone
    """Records what a server is asked, batch by batch."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []
        self._requests: list[Request] = []
        self._under_way = 0
        self._width = 0

    def end_batch(self) -> None:
        """Let what comes from now on be the next batch's. Nothing is under way."""
        self._batches.append(ordered(self._requests))
        self._requests = []

    def save(self, path: Path) -> None:
        """Write all batches to a file."""
        path.write_bytes(msgspec.msgpack.encode(Recording(tuple(self._batches), self._width)))

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Give the RPC's handler, with what is needed around it to record its requests."""
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if method not in _RPCS:
            return handler
        metadata = tuple(
            (key, value)
            for key, value in handler_call_details.invocation_metadata or ()
            if isinstance(value, str) and not key.startswith(_GRPCS_OWN)
        )

        async def one(message: bytes, context: Any) -> bytes:
            with self._recorded(Request(method, metadata, message)):
                answer: bytes = await handler.unary_unary(message, context)
                return answer

        async def many(message: bytes, context: Any) -> Any:
            with self._recorded(Request(method, metadata, message)):
                async for answer in handler.unary_stream(message, context):
                    yield answer

        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(many)
        return grpc.unary_unary_rpc_method_handler(one)

    @contextmanager
    def _recorded(self, request: Request) -> Iterator[None]:
        self._requests.append(request)
        self._under_way += 1
        self._width = max(self._width, self._under_way)
        try:
            yield
        finally:
            self._under_way -= 1


def ordered(requests: Iterable[Request]) -> Batch:
    """Tell of each request which others it waits for: two that name one key follow each other, in their order."""
    last: dict[bytes, int] = {}
    steps: list[Step] = []
    for number, request in enumerate(requests):
        keys = wire.keys(_RPCS[request.method].parse(request.message))
        steps.append(Step(request, tuple(sorted({last[key] for key in keys if key in last}))))
        last.update(dict.fromkeys(keys, number))
    return tuple(steps)


class Replay:
    """Sends what was recorded, as many requests at once as then.

    Args:
        channel: to the server.
        recording: what to send.
    """

    def __init__(self, channel: grpc.aio.Channel, recording: Recording) -> None:
        self._channel = channel
        self._batches = iter(recording.batches)
        self._width = recording.width
        # Bytes go in and come out as they are.
        self._calls: dict[str, Callable[..., Any]] = {
            method: channel.unary_stream(method, None, None) if rpc.streams else channel.unary_unary(method, None, None)
            for method, rpc in _RPCS.items()
        }

    @classmethod
    async def connect(cls, endpoint: str, recording: Recording) -> Self:
        """Connect to a server."""
        channel = grpc.aio.insecure_channel(endpoint, _CHANNEL_OPTIONS)
        await channel.channel_ready()
        return cls(channel, recording)

    async def send_batch(self) -> None:
        """Send the next batch's requests, and wait for every answer."""
        batch = next(self._batches)
        answered = [asyncio.Event() for _ in batch]
        free = asyncio.Semaphore(self._width)
        await asyncio.gather(*(self._send(place, batch, answered, free) for place in range(len(batch))))

    async def _send(self, place: int, batch: Batch, answered: Sequence[asyncio.Event], free: asyncio.Semaphore) -> None:
        step = batch[place]
        for each in step.after:
            await answered[each].wait()
        async with free:
            call = self._calls[step.request.method](step.request.message, metadata=step.request.metadata)
            if _RPCS[step.request.method].streams:
                async for _ in call:
                    pass
            else:
                await call
        answered[place].set()

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close(None)
