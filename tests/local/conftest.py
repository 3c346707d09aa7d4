"""A Momento server of each test's own, and the official SDK connected to it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from momento import CacheClient, Configurations, CredentialProvider

from local.momento import MomentoServer


@pytest.fixture
def server() -> Iterator[MomentoServer]:
    """A server with the cache `pizza`."""
    with MomentoServer(caches=("pizza",)) as running:
        yield running


@pytest.fixture
def client(server: MomentoServer) -> Iterator[CacheClient]:
    """The unmodified SDK, connected to the server."""
    credentials = CredentialProvider.for_momento_local(server.host, server.port)
    with CacheClient(Configurations.Laptop.latest(), credentials, timedelta(seconds=60)) as connected:
        yield connected
