"""A Momento server of each test's own, and the official SDK connected to it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass
from momento import CacheClient, Configurations, CredentialProvider
from momento_wire_types import cacheclient_pb2

from local.momento import MomentoServer

SCS = cacheclient_pb2.DESCRIPTOR.services_by_name["Scs"]

Call = Callable[..., Any]


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


@pytest.fixture
def call(server: MomentoServer) -> Iterator[Call]:
    """What the Python SDK has no call for: the service's own protocol, as `call("SetIf", cache_key=…)`."""
    with grpc.insecure_channel(server.endpoint, options=[("grpc.max_receive_message_length", -1)]) as channel:

        def answer(rpc: str, *, cache: str = "pizza", key: str = "", **fields: Any) -> Any:
            method = SCS.methods_by_name[rpc]
            request_type, response_type = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
            connect = channel.unary_stream if method.server_streaming else channel.unary_unary
            send = connect(f"/{SCS.full_name}/{rpc}", request_type.SerializeToString, response_type.FromString)
            answered = send(request_type(**fields), metadata=(("cache", cache), ("authorization", key)))
            return list(answered) if method.server_streaming else answered

        yield answer
