"""Momento through its SDK, as the SDK's documentation shows it."""

from datetime import timedelta
from typing import Any, Self

from momento import CacheClientAsync, Configurations, CredentialProvider
from momento.responses import CacheGet

CACHE = "pizza"

TTL_SECONDS = 86_400


class Sdk:
    """A cache client whose errors are raised.

    Args:
        client: the SDK's.
    """

    def __init__(self, client: CacheClientAsync) -> None:
        self._client = client

    @classmethod
    async def connect(cls, endpoint: str) -> Self:
        """Connect to a server by its `host:port`."""
        host, _, port = endpoint.partition(":")
        credentials = CredentialProvider.for_momento_local(host, int(port))
        ttl = timedelta(seconds=TTL_SECONDS)
        return cls(
            await CacheClientAsync.create(Configurations.Lambda.latest(), credentials, ttl, timedelta(seconds=5))
        )

    async def read(self, key: str) -> bytes | None:
        """Read a value, None where there is none."""
        answer = _checked(await self._client.get(CACHE, key))
        return answer.value_bytes if isinstance(answer, CacheGet.Hit) else None

    async def set(self, key: str, value: bytes | str, ttl_seconds: int = TTL_SECONDS) -> None:
        """Write a value."""
        _checked(await self._client.set(CACHE, key, value, timedelta(seconds=ttl_seconds)))

    async def delete(self, key: str) -> None:
        """Take a value away."""
        _checked(await self._client.delete(CACHE, key))

    async def close(self) -> None:
        """End the connection."""
        await self._client.__aexit__(None, None, None)


def _checked(answer: Any) -> Any:
    error = getattr(answer, "inner_exception", None)
    if error is not None:
        raise error
    return answer
