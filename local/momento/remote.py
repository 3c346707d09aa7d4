"""Steering a server in another process: faults, counters, accepted keys, over one gRPC method with JSON messages."""

from collections.abc import Iterable, Mapping
from typing import Self

import grpc
import msgspec

from local.momento.counters import RpcCount
from local.momento.faults import Fault

SERVICE = "local.momento.Remote"
METHOD = "Steer"


class AddFault(msgspec.Struct, tag=True, frozen=True):
    """Let a fault happen to the next requests that fit it."""

    fault: Fault


class ClearFaults(msgspec.Struct, tag=True, frozen=True):
    """Call off the waiting faults."""


class ReadCounters(msgspec.Struct, tag=True, frozen=True):
    """Give the counts by the RPC's name."""


class ClearCounters(msgspec.Struct, tag=True, frozen=True):
    """Count from zero."""


class RequireKeys(msgspec.Struct, tag=True, frozen=True):
    """Accept only these API keys from now on; none at all: accept any."""

    keys: frozenset[str]


class SetLatency(msgspec.Struct, tag=True, frozen=True):
    """Let every request wait so long before it is carried out."""

    latency_ms: int


class Evict(msgspec.Struct, tag=True, frozen=True):
    """Drop an item as the service may at any time."""

    cache: str
    key: bytes


class Fill(msgspec.Struct, tag=True, frozen=True):
    """Let a cache hold these scalars and nothing else."""

    cache: str
    items: dict[str, bytes]
    ttl_milliseconds: int


class ReadItems(msgspec.Struct, tag=True, frozen=True):
    """Give every scalar of a cache."""

    cache: str


class ReadCpuSeconds(msgspec.Struct, tag=True, frozen=True):
    """Give the time for which the server has kept a processor busy."""


Command = (
    AddFault
    | ClearFaults
    | ReadCounters
    | ClearCounters
    | RequireKeys
    | SetLatency
    | Evict
    | Fill
    | ReadItems
    | ReadCpuSeconds
)

# A cache's items come in one message.
_OPTIONS = (("grpc.max_receive_message_length", -1),)


class RemoteServer:
    """A running server's controls.

    Args:
        endpoint: The server's `host:port`.
    """

    def __init__(self, endpoint: str) -> None:
        self._channel = grpc.insecure_channel(endpoint, _OPTIONS)
        self._call = self._channel.unary_unary(f"/{SERVICE}/{METHOD}", msgspec.json.encode, bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the server goes on."""
        self._channel.close()

    def add_fault(self, fault: Fault) -> None:
        """Let a fault happen to the next requests that fit it."""
        self._steer(AddFault(fault))

    def clear_faults(self) -> None:
        """Call off the waiting faults."""
        self._steer(ClearFaults())

    def counters(self) -> dict[str, RpcCount]:
        """Give the counts by the RPC's name; what was never called is left out."""
        return msgspec.json.decode(self._steer(ReadCounters()), type=dict[str, RpcCount])

    def clear_counters(self) -> None:
        """Count from zero."""
        self._steer(ClearCounters())

    def require_keys(self, keys: Iterable[str]) -> None:
        """Accept only these API keys from now on; none at all: accept any."""
        self._steer(RequireKeys(frozenset(keys)))

    def set_latency(self, latency_ms: int) -> None:
        """Let every request wait so long before it is carried out."""
        self._steer(SetLatency(latency_ms))

    def evict(self, cache: str, key: bytes) -> None:
        """Drop an item as the service may at any time."""
        self._steer(Evict(cache, key))

    def fill(self, cache: str, items: Mapping[str, bytes], ttl_seconds: int = 86_400) -> None:
        """Let a cache hold these scalars, by key, and nothing else. Counts as no request."""
        self._steer(Fill(cache, dict(items), ttl_seconds * 1000))

    def items(self, cache: str) -> dict[str, bytes]:
        """Give every scalar of a cache by its key. Counts as no request."""
        return msgspec.json.decode(self._steer(ReadItems(cache)), type=dict[str, bytes])

    def cpu_seconds(self) -> float:
        """Give the time for which the server has kept a processor busy, all its threads together."""
        return msgspec.json.decode(self._steer(ReadCpuSeconds()), type=float)

    def _steer(self, command: Command) -> bytes:
        answer: bytes = self._call(command, timeout=10)
        return answer
