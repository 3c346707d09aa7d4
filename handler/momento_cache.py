"""Momento behind the seam of `cache.py`: the SDK's connection and errors, the service's own requests."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

import grpc
from momento import CacheClientAsync, Configurations, CredentialProvider
from momento.errors import MomentoErrorCode, SdkException, convert_error
from momento.internal.services import Service
from momento_wire_types import cacheclient_pb2 as wire
from momento_wire_types import cacheclient_pb2_grpc as wire_grpc

from handler.cache import CacheError, Entry, KeyRefusedError, Pace, RefusedError, TransientError
from handler.settings import Momento
from handler.views import SetEntry

CONNECT_TIMEOUT = timedelta(seconds=5)

# It logs every failed request, with the server's own words. The batch's line says it, once and vetted.
logging.getLogger("momentosdk").setLevel(logging.CRITICAL)


class Key(Protocol):
    """Where the API key comes from."""

    fetch_seconds: float
    """The longest that fetch() takes."""

    def fetch(self) -> str:
        """Fetch the present key. Raises CacheError where that fails. Blocks."""


_UNREACHABLE = (
    MomentoErrorCode.CONNECTION_ERROR,
    MomentoErrorCode.SERVER_UNAVAILABLE,
    MomentoErrorCode.TIMEOUT_ERROR,
)


class MomentoCache:
    """A Momento cache, reached over one connection.

    Attributes:
        request_seconds: the longest that one request takes.
        renew_seconds: the longest that renew() takes.
        max_item_bytes: the largest entry, its key included.
        pace: how fast requests may follow each other.
    """

    def __init__(self, momento: Momento, key: Key) -> None:
        self._momento = momento
        self._key = key
        self._configuration = Configurations.Lambda.latest()
        timeout = self._configuration.get_transport_strategy().get_grpc_configuration().get_deadline()
        self.request_seconds = timeout.total_seconds()
        # The last is in use. Requests may still be under way on those before it: closing them would cancel these.
        self._connections: list[_Connection] = []
        self.max_item_bytes = momento.max_item_bytes
        self.pace = Pace(momento.max_operations_per_second)
        self.renew_seconds = key.fetch_seconds + CONNECT_TIMEOUT.total_seconds()

    async def connect(self) -> None:
        """Fetch the API key and connect.

        Raises:
            CacheError: the key or Momento can not be reached; the message names the input to fix.
        """
        self._connections.append(await self._connected(self._key.fetch()))

    async def close(self) -> None:
        """End every connection."""
        for connection in self._connections:
            await connection.client.__aexit__(None, None, None)

    async def renew(self) -> None:
        """Fetch the API key anew and go on with it."""
        api_key = await asyncio.to_thread(self._key.fetch)
        if api_key == self._connections[-1].api_key:
            raise self._error(MomentoErrorCode.AUTHENTICATION_ERROR, "the secret still holds the same key")
        self._connections.append(await self._connected(api_key))

    async def set_many(self, entries: Sequence[SetEntry]) -> Sequence[CacheError | None]:
        """Write values by one request. Tells of each why it was not written, None where it was."""
        request = wire._SetBatchRequest(
            items=[
                wire._SetRequest(
                    cache_key=each.key.encode(), cache_body=each.value, ttl_milliseconds=each.ttl_seconds * 1000
                )
                for each in entries
            ]
        )
        connection = self._connections[-1]
        try:
            call = connection.stub.SetBatch(request, metadata=connection.metadata, timeout=self.request_seconds)
            answers = [answer.result == wire.Ok async for answer in call]
        except grpc.RpcError as error:
            raise self._error_of(convert_error(error, Service.CACHE)) from error
        answers += [False] * (len(entries) - len(answers))
        return [None if written else TransientError("Momento did not write the entry") for written in answers]

    async def delete(self, key: str) -> None:
        """Take a value away."""
        await self._call(self._stub.Delete, wire._DeleteRequest(cache_key=key.encode()))

    async def get_with_hash(self, key: str) -> Entry | None:
        """Read a value, None where there is none."""
        response = await self._call(self._stub.GetWithHash, wire._GetWithHashRequest(cache_key=key.encode()))
        if response.WhichOneof("result") == "missing":
            return None
        return Entry(response.found.value, response.found.hash)

    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bytes | None:
        """Write a value where the present one has the expected hash. Gives the new hash, None where it did not."""
        request = wire._SetIfHashRequest(
            cache_key=key.encode(),
            cache_body=value,
            ttl_milliseconds=ttl_seconds * 1000,
            present_and_hash_equal={"hash_to_check": expected},
        )
        response = await self._call(self._stub.SetIfHash, request)
        stored: bytes | None = response.stored.new_hash if response.WhichOneof("result") == "stored" else None
        return stored

    async def set_if_absent(self, key: str, value: bytes, ttl_seconds: int) -> bool:
        """Write a value where there is none. Tells whether it did."""
        request = wire._SetIfNotExistsRequest(
            cache_key=key.encode(), cache_body=value, ttl_milliseconds=ttl_seconds * 1000
        )
        response = await self._call(self._stub.SetIfNotExists, request)
        return bool(response.WhichOneof("result") == "stored")

    async def remaining_ttl(self, key: str) -> float:
        """Seconds until a value expires, 0 where there is none."""
        response = await self._call(self._stub.ItemGetTtl, wire._ItemGetTtlRequest(cache_key=key.encode()))
        return float(response.found.remaining_ttl_millis / 1000)

    @property
    def _stub(self) -> wire_grpc.ScsStub:
        return self._connections[-1].stub

    async def _connected(self, api_key: str) -> "_Connection":
        credentials = credentials_of(api_key, self._momento.endpoint)
        try:
            client = await CacheClientAsync.create(self._configuration, credentials, timedelta(days=1), CONNECT_TIMEOUT)
        except SdkException as error:
            raise self._error_of(error) from error
        # The SDK has neither compare-and-set by hash nor batches nor a TTL to read, and makes a stub for each request.
        manager = client._data_clients[0]._grpc_manager
        # Interceptors would add the key and the SDK's retries, at the cost of a task for each request. The key is in
        # the metadata. What may be made again, `apply` makes again: it knows the invocation's time and the pace, and a
        # conditional write whose first reply was lost is looked at again, and found done.
        channel: Any = manager._channel
        channel._unary_unary_interceptors.clear()
        metadata = grpc.aio.Metadata(("cache", self._momento.cache_name), ("authorization", credentials.auth_token))
        return _Connection(api_key, client, manager.async_stub(), metadata)

    async def _call(self, method: Callable[..., Any], request: Any) -> Any:
        try:
            return await method(request, metadata=self._connections[-1].metadata, timeout=self.request_seconds)
        except grpc.RpcError as error:
            raise self._error_of(convert_error(error, Service.CACHE)) from error

    def _error_of(self, error: SdkException) -> CacheError:
        details = error.transport_details
        metadata = details.grpc.metadata if details else None
        reason = metadata.get("err", "") if metadata else ""
        return self._error(error.error_code, str(reason))

    def _error(self, code: MomentoErrorCode, reason: str) -> CacheError:
        too_large = reason.endswith("size_limit_exceeded")
        fix = {
            MomentoErrorCode.NOT_FOUND_ERROR: (
                f'momento.cache_name: there is no cache "{self._momento.cache_name}": create it, or name another'
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
            **dict.fromkeys(
                _UNREACHABLE,
                "momento.endpoint: Momento does not answer: check the endpoint and the function's way to it",
            ),
        }.get(code, "Momento failed")
        kind = RefusedError if too_large else _KINDS.get(code, CacheError)
        return kind(f"{fix} ({': '.join(filter(None, (code.name, reason)))})")


_KINDS: Mapping[MomentoErrorCode, type[CacheError]] = {
    MomentoErrorCode.AUTHENTICATION_ERROR: KeyRefusedError,
    MomentoErrorCode.INVALID_ARGUMENT_ERROR: RefusedError,
    MomentoErrorCode.BAD_REQUEST_ERROR: RefusedError,
    MomentoErrorCode.FAILED_PRECONDITION_ERROR: RefusedError,
    **dict.fromkeys(
        (*_UNREACHABLE, MomentoErrorCode.LIMIT_EXCEEDED_ERROR, MomentoErrorCode.INTERNAL_SERVER_ERROR), TransientError
    ),
}


class _Connection(NamedTuple):
    api_key: str
    client: CacheClientAsync
    stub: wire_grpc.ScsStub
    metadata: grpc.aio.Metadata


def credentials_of(api_key: str, endpoint: str | None) -> CredentialProvider:
    """Tell whom to speak to, and by which key.

    Args:
        api_key: a v2 API key, a legacy or disposable token, or anything for a local server.
        endpoint: as in `settings.Momento`.

    Raises:
        CacheError: the key does not fit the endpoint.
    """
    host, colon, port = (endpoint or "").partition(":")
    if colon and port.isdecimal():
        return CredentialProvider(api_key, host, host, host, int(port))
    try:
        if endpoint is None:
            return CredentialProvider.from_disposable_token(api_key)
        return CredentialProvider.from_api_key_v2(api_key, endpoint)
    except (SdkException, ValueError, KeyError, TypeError):
        # Not the cause: it could quote the key.
        raise CacheError(
            "momento.secret_arn: the secret holds no API key that fits momento.endpoint: "
            "a v2 API key needs the endpoint, a legacy key or disposable token has it inside and needs it left out"
        ) from None
