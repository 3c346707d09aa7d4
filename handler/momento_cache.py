"""Momento behind the seam of `cache.py`: the SDK's credentials and errors, the service's own requests."""

import asyncio
import os
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import grpc
from momento import Configurations, CredentialProvider
from momento.errors import MomentoErrorCode, SdkException, convert_error
from momento.internal.services import Service
from momento_wire_types import cacheclient_pb2 as wire
from momento_wire_types import cacheclient_pb2_grpc as wire_grpc

from handler.cache import CacheError, Entry, KeyRefusedError, Pace, RefusedError, TransientError
from handler.settings import Momento
from handler.views import SetEntry

CONNECT_SECONDS = 3.0
"""The longest that connecting to Momento takes. With the secret's fetch it has to fit Lambda's init phase of 10 s."""

CAUSE_SECONDS = 0.2
"""How much of that is for asking gRPC why it failed."""

UNACKNOWLEDGED_SECONDS = 0.5
"""How long the kernel repeats bytes that nobody acknowledges, before it drops them with their connection.

It counts from the first repetition, and looks when the next is due: Linux 6.18 drops them up to 0.45 s later.
"""

DROPPED_SECONDS = 1.5
"""When no byte is left of a connection that was closed."""

RECONNECT_SECONDS = 2.0
"""The longest attempt to connect again, and the longest pause after one that failed."""

MESSAGE_BYTES = 5_243_000
"""The largest message that Momento's SDKs take. `momento.max_item_bytes` may raise it."""

MESSAGE_OVERHEAD_BYTES = 1_000
"""What a message has beside an entry's key and value: hashes, TTLs, lengths."""

TLS_PORT = 443

# gRPC's own names: https://grpc.github.io/grpc/core/group__grpc__arg__keys.html
_OPTIONS = (
    ("grpc.service_config_disable_resolution", 1),
    # Otherwise a new channel gets the old one's connection, dead or not.
    ("grpc.use_local_subchannel_pool", 1),
    # gRPC hands keepalive's timeout to the kernel as TCP_USER_TIMEOUT, and only where keepalive is on. Its pings are
    # not wanted: a function that is frozen between ping and answer would lose a good connection. So: one a day.
    ("grpc.keepalive_time_ms", 86_400_000),
    ("grpc.keepalive_timeout_ms", int(UNACKNOWLEDGED_SECONDS * 1000)),
    # gRPC's own bounds are 20 s for an attempt, 120 s for a pause and 30 s between two questions to the resolver: so
    # long would a network that is back go unnoticed.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", int(RECONNECT_SECONDS * 1000)),
    ("grpc.max_reconnect_backoff_ms", int(RECONNECT_SECONDS * 1000)),
    ("grpc.dns_min_time_between_resolutions_ms", int(RECONNECT_SECONDS * 1000)),
)

_PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
"""Where gRPC looks for a proxy, in its order."""


class Key(Protocol):
    """Where the API key comes from."""

    fetch_seconds: float
    """The longest that anyone waits for fetch()."""

    def fetch(self) -> str:
        """Fetch the present key. Raises CacheError where that fails. Blocks."""


class MomentoCache:
    """A Momento cache, reached over one connection, which is replaced where it no longer answers.

    Attributes:
        request_seconds: the longest that one request takes.
        renew_seconds: the longest that renew() takes.
        max_item_bytes: the largest entry, its key included.
        pace: how fast requests may follow each other.
    """

    def __init__(self, momento: Momento, key: Key) -> None:
        self._momento = momento
        self._key = key
        timeout = Configurations.Lambda.latest().get_transport_strategy().get_grpc_configuration().get_deadline()
        self.request_seconds = momento.request_timeout_seconds or timeout.total_seconds()
        self.renew_seconds = key.fetch_seconds + CONNECT_SECONDS
        self.max_item_bytes = momento.max_item_bytes
        self.pace = Pace(momento.max_operations_per_second)
        self._api_key: str
        self._metadata: grpc.aio.Metadata
        self._consistent: grpc.aio.Metadata
        self._connection: _Connection

    async def connect(self) -> None:
        """Fetch the API key and connect.

        Raises:
            CacheError: the secret or Momento cannot be reached; the message names what to fix.
        """
        api_key = await self._fetched()
        credentials = credentials_of(api_key, self._momento.endpoint)
        self._connection = await self._connected(credentials)
        self._sign(api_key, credentials)

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.channel.close(None)

    async def renew(self) -> bool:
        """Fetch the API key and go on with it. Return whether it is another one.

        Raises:
            CacheError: as in connect().
        """
        api_key = await self._fetched()
        if api_key == self._api_key:
            return False
        credentials = credentials_of(api_key, self._momento.endpoint)
        if _target(credentials) != _target(self._connection.credentials):
            await self._replace(await self._connected(credentials))
        self._sign(api_key, credentials)
        return True

    async def set_many(self, entries: Sequence[SetEntry]) -> Sequence[CacheError | None]:
        """Write values with one request. Return for each why it was not written, None where it was."""
        request = wire._SetBatchRequest(
            items=[
                wire._SetRequest(
                    cache_key=each.key.encode(), cache_body=each.value, ttl_milliseconds=each.ttl_seconds * 1000
                )
                for each in entries
            ]
        )
        written = [answer.result == wire.Ok for answer in await self._request("SetBatch", request, read=_every)]
        # Momento answers one status for each entry, in their order. An entry without one may not have been written, a
        # status without an entry says nothing.
        written = (written + [False] * len(entries))[: len(entries)]
        return [None if each else TransientError("Momento did not write the entry") for each in written]

    async def delete(self, key: str) -> None:
        """Delete a value."""
        await self._request("Delete", wire._DeleteRequest(cache_key=key.encode()))

    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Entry | None:
        """Read a value, None where there is none. One that is not consistent may be some moments old."""
        request = wire._GetWithHashRequest(cache_key=key.encode())
        response = await self._request("GetWithHash", request, consistent=consistent)
        if response.WhichOneof("result") == "missing":
            return None
        return Entry(response.found.value, response.found.hash)

    async def matching(self, wanted: Mapping[str, Callable[[bytes], bool]]) -> frozenset[str]:
        """Read values consistently with one request. Return the keys whose value is there and is wanted.

        Each value is looked at as it comes, so they are never in memory all together.
        """
        request = wire._GetBatchRequest(items=[wire._GetRequest(cache_key=key.encode()) for key in wanted])

        async def look(call: Any) -> frozenset[str]:
            left = deque(wanted.items())
            found: set[str] = set()
            async for answer in call:
                if not left or answer.result not in (wire.Hit, wire.Miss):
                    raise TransientError("Momento did not read the entries")
                key, wants = left.popleft()
                if answer.result == wire.Hit and wants(answer.cache_body):
                    found.add(key)
            if left:
                raise TransientError("Momento did not read the entries")
            return frozenset(found)

        matching: frozenset[str] = await self._request("GetBatch", request, consistent=True, read=look)
        return matching

    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bytes | None:
        """Write a value where the present one has the expected hash. Return the new hash, None where it had not."""
        request = wire._SetIfHashRequest(
            cache_key=key.encode(),
            cache_body=value,
            ttl_milliseconds=ttl_seconds * 1000,
            present_and_hash_equal={"hash_to_check": expected},
        )
        response = await self._request("SetIfHash", request)
        stored: bytes | None = response.stored.new_hash if response.WhichOneof("result") == "stored" else None
        return stored

    async def set_if_absent(self, key: str, value: bytes, ttl_seconds: int) -> bool:
        """Write a value where there is none. Return whether it was written."""
        request = wire._SetIfNotExistsRequest(
            cache_key=key.encode(), cache_body=value, ttl_milliseconds=ttl_seconds * 1000
        )
        response = await self._request("SetIfNotExists", request)
        return bool(response.WhichOneof("result") == "stored")

    async def remaining_ttl(self, key: str) -> float:
        """Read consistently in how many seconds a value expires, 0 where there is none."""
        request = wire._ItemGetTtlRequest(cache_key=key.encode())
        response = await self._request("ItemGetTtl", request, consistent=True)
        return float(response.found.remaining_ttl_millis / 1000)

    async def _fetched(self) -> str:
        # botocore bounds each address of a host name and not all of them, nor the resolver. A thread cannot be ended:
        # one that is given up goes on until the kernel's own bounds.
        try:
            return await asyncio.wait_for(asyncio.to_thread(self._key.fetch), self._key.fetch_seconds)
        except TimeoutError:
            raise CacheError(
                "momento.secret_arn: Secrets Manager does not answer: check the function's network, such as the "
                "VPC endpoint or NAT gateway and its security group"
            ) from None

    async def _connected(self, credentials: CredentialProvider) -> "_Connection":
        connection = _Connection(credentials, self.max_item_bytes)
        try:
            await asyncio.wait_for(connection.channel.channel_ready(), CONNECT_SECONDS - CAUSE_SECONDS)
        except TimeoutError:
            cause = await connection.cause()
            if connection.channel.get_state() is grpc.ChannelConnectivity.READY:
                return connection
            await connection.channel.close(None)
            raise self._unconnected(cause) from None
        return connection

    def _sign(self, api_key: str, credentials: CredentialProvider) -> None:
        """Send this key with the requests from now on."""
        fields = (("cache", self._momento.cache_name), ("authorization", credentials.auth_token))
        self._metadata = grpc.aio.Metadata(*fields)
        # The Python SDK has no consistent reads. This header is how Momento's other SDKs ask for them.
        self._consistent = grpc.aio.Metadata(*fields, ("read-concern", "consistent"))
        self._api_key = api_key

    async def _request(
        self,
        method: str,
        message: Any,
        *,
        consistent: bool = False,
        read: Callable[[Any], Awaitable[Any]] | None = None,
    ) -> Any:
        """Make a request, and return its response, or what `read` makes of the call."""
        connection = self._connection
        metadata = self._consistent if consistent else self._metadata
        started = time.monotonic()
        call = getattr(connection.stub, method)(message, metadata=metadata, timeout=self.request_seconds)
        try:
            response = await (call if read is None else read(call))
        except grpc.RpcError as error:
            await self._replace_if_dead(connection, started, error.code())
            raise self._error_of(error) from error
        except asyncio.CancelledError:
            if connection is self._connection or _is_cancelled():
                raise
            # Another request has found the connection dead, and closed it.
            raise self._error(MomentoErrorCode.CONNECTION_ERROR, "connection replaced") from None
        connection.answered = time.monotonic()
        return response

    async def _replace_if_dead(self, connection: "_Connection", started: float, code: grpc.StatusCode) -> None:
        """Connect again where a request has got no answer in time, and no other since it began.

        A function is frozen between its invocations, and what lies on the way forgets the connection meanwhile. While
        somebody still acknowledges what is sent, gRPC takes it for alive.
        """
        now = time.monotonic()
        if code not in _NO_ANSWER:
            connection.answered = now
        if (
            code is not grpc.StatusCode.DEADLINE_EXCEEDED
            or now - started < self.request_seconds
            or connection.answered > started
            or connection is not self._connection
            or connection.channel.get_state() is not grpc.ChannelConnectivity.READY
        ):
            return
        await self._replace(_Connection(connection.credentials, self.max_item_bytes))

    async def _replace(self, connection: "_Connection") -> None:
        """Go on with another connection.

        What the old one has not delivered must not arrive after a newer value: the kernel drops it first.
        """
        old, self._connection = self._connection, connection
        self.pace.hold(time.monotonic() + DROPPED_SECONDS)
        await old.channel.close(None)

    def _error_of(self, error: grpc.RpcError) -> CacheError:
        text = _text(error)
        if status := _HTTP_STATUS.search(text):
            return _answered_by_another(int(status[1]))
        if _UNCONNECTED in text:
            return self._unconnected(text)
        converted = convert_error(error, Service.CACHE)
        details = converted.transport_details
        metadata = details.grpc.metadata if details else None
        reason = metadata.get("err", "") if metadata else ""
        # The SDK takes it for a bad request. It says nothing of the request.
        unknown = error.code() is grpc.StatusCode.UNKNOWN
        return self._error(MomentoErrorCode.UNKNOWN_SERVICE_ERROR if unknown else converted.error_code, str(reason))

    def _unconnected(self, cause: str) -> CacheError:
        """Tell why there is no connection, by gRPC's words for it."""
        last = cause.rpartition("last error: ")[2]
        if not _TLS_FAILURE.search(last):
            return self._error(MomentoErrorCode.CONNECTION_ERROR, last)
        return TransientError(
            f"TLS with Momento fails: check {_proxy()}whether a firewall on the way ends TLS itself, and "
            f"momento.endpoint ({MomentoErrorCode.CONNECTION_ERROR.name}: {last})"
        )

    def _error(self, code: MomentoErrorCode, reason: str) -> CacheError:
        too_large = reason.endswith("size_limit_exceeded")
        fix = {
            MomentoErrorCode.NOT_FOUND_ERROR: (
                f'momento.cache_name: there is no cache "{self._momento.cache_name}" in the account and Region of the '
                "API key in momento.secret_arn: create it, name another, or store the key that belongs to it"
            ),
            MomentoErrorCode.AUTHENTICATION_ERROR: (
                "momento.secret_arn: Momento does not accept the API key in this secret: put a valid one there"
            ),
            MomentoErrorCode.PERMISSION_ERROR: (
                "momento.secret_arn: the API key in this secret may not do this: "
                f'give it read and write permission on the cache "{self._momento.cache_name}"'
            ),
            MomentoErrorCode.INVALID_ARGUMENT_ERROR: "Momento refuses the request",
            MomentoErrorCode.LIMIT_EXCEEDED_ERROR: (
                "momento.max_item_bytes: Momento takes no entry so large: set the input to what your account allows"
                if too_large
                else "momento.max_operations_per_second: Momento's limit is reached: have it raised, or set the input"
            ),
            **dict.fromkeys(_UNREACHABLE, _unreachable()),
            MomentoErrorCode.TIMEOUT_ERROR: f"{_unreachable()}, or raise momento.request_timeout_seconds",
        }.get(code, "Momento failed")
        kind = RefusedError if too_large else _KINDS.get(code, CacheError)
        return kind(f"{fix} ({': '.join(filter(None, (code.name, reason)))})")


_UNCONNECTED = "failed to connect to all addresses"
"""What gRPC says of a request for which there is no connection. The cause comes behind it."""

_TLS_FAILURE = re.compile("handshake failed|verification check failed|cannot check peer", re.IGNORECASE)
"""Its words for a certificate that is not trusted, that expired or that is another host's, and for a lack of HTTP/2."""

_HTTP_STATUS = re.compile(r"Received http2 header with status: (\d+)")
"""Its words for an answer that is not gRPC's."""

_FINAL_STATUSES = (401, 403, 407)
"""Statuses of something that refuses to pass anything on. With any other, it may do so the next time."""

_UNREACHABLE = (
    MomentoErrorCode.CONNECTION_ERROR,
    MomentoErrorCode.SERVER_UNAVAILABLE,
    MomentoErrorCode.TIMEOUT_ERROR,
    MomentoErrorCode.CANCELLED_ERROR,
)

_NO_ANSWER = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)

_KINDS: Mapping[MomentoErrorCode, type[CacheError]] = {
    # Another key may belong to another account, which has the cache, or may do what this one may not.
    MomentoErrorCode.AUTHENTICATION_ERROR: KeyRefusedError,
    MomentoErrorCode.PERMISSION_ERROR: KeyRefusedError,
    MomentoErrorCode.NOT_FOUND_ERROR: KeyRefusedError,
    MomentoErrorCode.INVALID_ARGUMENT_ERROR: RefusedError,
    MomentoErrorCode.BAD_REQUEST_ERROR: RefusedError,
    MomentoErrorCode.FAILED_PRECONDITION_ERROR: RefusedError,
    **dict.fromkeys(
        (
            *_UNREACHABLE,
            MomentoErrorCode.LIMIT_EXCEEDED_ERROR,
            MomentoErrorCode.INTERNAL_SERVER_ERROR,
            MomentoErrorCode.UNKNOWN_SERVICE_ERROR,
        ),
        TransientError,
    ),
}


def _unreachable() -> str:
    return (
        f"Momento does not answer: check {_proxy()}the function's network (VPC, NAT gateway, security group), "
        "Momento's status, and momento.endpoint"
    )


def _answered_by_another(status: int) -> CacheError:
    """Tell that the answer is not Momento's, which says all by gRPC's own status. This one says nothing of the key."""
    kind = CacheError if status in _FINAL_STATUSES else TransientError
    return kind(
        f"something on the way to Momento answers in its place: check {_proxy()}firewalls, and momento.endpoint "
        f"(HTTP status {status})"
    )


def _proxy() -> str:
    name = next((name for name in _PROXY_VARIABLES if os.environ.get(name)), None)
    return f"the proxy in the environment variable {name}, " if name else ""


def _text(error: grpc.RpcError) -> str:
    return error.details() or ""


def _is_cancelled() -> bool:
    """Return whether the task that asks is itself to end.

    No frame that raises may hold the task in a variable: the task holds what is raised, and that holds the frame. Such
    a cycle keeps the call, and the call its connection, until garbage is collected.
    """
    task = asyncio.current_task()
    return bool(task and task.cancelling())


async def _every(call: Any) -> list[Any]:
    return [response async for response in call]


class _Connection:
    """A channel that shares its connection with no other.

    Attributes:
        answered: when Momento last answered, in seconds of time.monotonic().
    """

    def __init__(self, credentials: CredentialProvider, max_item_bytes: int) -> None:
        # Only what is received has a bound in gRPC, of 4 MB.
        largest = max(MESSAGE_BYTES, max_item_bytes + MESSAGE_OVERHEAD_BYTES)
        options = [*_OPTIONS, ("grpc.max_receive_message_length", largest)]
        self.credentials = credentials
        self.channel = (
            grpc.aio.secure_channel(_target(credentials), grpc.ssl_channel_credentials(), options)
            if credentials.port == TLS_PORT
            else grpc.aio.insecure_channel(_target(credentials), options)
        )
        self.channel.get_state(try_to_connect=True)
        self.stub = wire_grpc.ScsStub(self.channel)  # type: ignore[no-untyped-call]
        self.answered = 0.0

    async def cause(self) -> str:
        """Return gRPC's words for why there is no connection, which only a request is told; "": it does not know."""
        try:
            await self.stub.Get(wire._GetRequest(), timeout=CAUSE_SECONDS)
        except grpc.RpcError as error:
            if _UNCONNECTED in _text(error):
                return _text(error)
        return ""


def _target(credentials: CredentialProvider) -> str:
    return f"{credentials.cache_endpoint}:{credentials.port}"


def credentials_of(api_key: str, endpoint: str | None) -> CredentialProvider:
    """Return whom to speak to, and with which key.

    Args:
        api_key: a v2 API key, a legacy or disposable token, or anything for a local server.
        endpoint: as in `settings.Momento`.

    Raises:
        CacheError: the key does not fit the endpoint, or is none at all.
    """
    host, colon, port = (endpoint or "").partition(":")
    credentials: CredentialProvider | None
    try:
        if colon and port.isdecimal():
            credentials = CredentialProvider(api_key, host, host, host, int(port))
        elif endpoint is None:
            credentials = CredentialProvider.from_disposable_token(api_key)
        else:
            credentials = CredentialProvider.from_api_key_v2(api_key, endpoint)
    except (SdkException, ValueError, KeyError, TypeError, AttributeError):
        credentials = None
    if credentials is None or not (_is_text(credentials.auth_token) and _is_text(credentials.cache_endpoint)):
        # Outside of the `except`: that error could quote the key.
        raise CacheError(
            "momento.secret_arn: the secret holds no API key that fits momento.endpoint: "
            "a v2 API key needs the endpoint, a legacy key or disposable token has it inside and needs it left out"
        )
    return credentials


def _is_text(value: object) -> bool:
    """Return whether this is text that a header may hold. The SDK takes from a token whatever is there."""
    return isinstance(value, str) and re.fullmatch("[!-~]+", value) is not None
