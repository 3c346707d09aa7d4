"""The least that a function with Momento's SDK does on its first invocation.

Run by its path, as `lambda_runtime.py` is. Its argument is the server's `host:port`. It prints the time when the
entry was set.
"""

import asyncio
import sys
import time
from datetime import timedelta

from momento import CacheClientAsync, Configurations, CredentialProvider


async def main(endpoint: str) -> None:
    """Connect, and set one entry."""
    host, _, port = endpoint.partition(":")
    credentials = CredentialProvider.for_momento_local(host, int(port))
    async with await CacheClientAsync.create(
        Configurations.Lambda.latest(), credentials, timedelta(days=1), timedelta(seconds=5)
    ) as client:
        answer = await client.set("pizza", "key", "value")
        print(time.monotonic(), type(answer).__qualname__)


asyncio.run(main(sys.argv[1]))
