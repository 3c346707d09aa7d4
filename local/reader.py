"""Reads views as any application does: by the Momento SDK, from the Momento server on this machine."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from momento import CacheClient, Configurations, CredentialProvider
from momento.responses import CacheGet

if TYPE_CHECKING:
    from local.momento import MomentoServer


def connect(server: MomentoServer, api_key: str) -> CacheClient:
    """Return a client such as any reader of the views has."""
    credentials = CredentialProvider(api_key, server.host, server.host, server.host, server.port)
    return CacheClient(Configurations.Laptop.latest(), credentials, timedelta(days=1))


def read(client: CacheClient, cache: str, key: str) -> Any:
    """Read an entry: None on a miss.

    Raises:
        Exception: Momento's own, where it does not answer with an entry or a miss.
    """
    match client.get(cache, key):
        case CacheGet.Hit() as hit:
            return json.loads(hit.value_string, parse_float=Decimal)
        case CacheGet.Miss():
            return None
        case CacheGet.Error() as error:
            raise error.inner_exception
        case other:
            raise TypeError(f"not an answer to Get: {other}")
