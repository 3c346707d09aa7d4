"""What the server has been asked, RPC by RPC: for tests and benchmarks that count what a client costs."""

from collections import defaultdict

import msgspec


class RpcCount(msgspec.Struct):
    """What one RPC came to.

    Attributes:
        requests: Requests received, refused and failed ones included.
        request_bytes: Their serialized messages, without gRPC's framing and headers.
        response_bytes: The serialized messages answered.
        operations: What reached the engine, in the operations that Momento's quota counts.
    """

    requests: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    operations: int = 0


class Counters(defaultdict[str, RpcCount]):
    """The counts by the RPC's name, since the start or the last `clear()`."""

    def __init__(self) -> None:
        super().__init__(RpcCount)
