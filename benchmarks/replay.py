"""The limit: the requests of a handler, recorded as a server gets them, and sent again by gRPC alone."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
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


Batch = tuple[tuple[Request, ...], ...]
"""A batch's requests in chains: those of one follow each other, each on the answer before it; chains can go at once."""


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
        self._batches.append(chains(self._requests))
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


def chains(requests: Sequence[Request]) -> Batch:
    """Part requests by what they touch: two that name one key follow each other, in their order."""
    first = list(range(len(requests)))
    last: dict[bytes, int] = {}

    def chain_of(number: int) -> int:
        while first[number] != number:
            number = first[number]
        return number

    for number, request in enumerate(requests):
        for key in wire.keys(_RPCS[request.method].parse(request.message)):
            one, other = sorted((chain_of(last.get(key, number)), chain_of(number)))
            first[other] = one
            last[key] = number
    found: dict[int, list[Request]] = {}
    for number, request in enumerate(requests):
        found.setdefault(chain_of(number), []).append(request)
    return tuple(map(tuple, found.values()))


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
        waiting = iter(batch)
        await asyncio.gather(*(self._send(waiting) for _ in range(min(self._width, len(batch)))))

    async def _send(self, waiting: Iterator[tuple[Request, ...]]) -> None:
        for chain in waiting:
            for request in chain:
                call = self._calls[request.method](request.message, metadata=request.metadata)
                if _RPCS[request.method].streams:
                    async for _ in call:
                        pass
                else:
                    await call

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close(None)
