import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from momento import CacheClient, Configurations, CredentialProvider
from momento.config.middleware import MiddlewareMessage, MiddlewareRequestHandlerContext, MiddlewareStatus
from momento.config.middleware.synchronous import Middleware, MiddlewareMetadata, MiddlewareRequestHandler
from momento.errors import MomentoErrorCode
from momento.responses import CacheGet, CacheSet
from momento.responses.mixins import ErrorResponseMixin
from momento.retry import FixedCountRetryStrategy

from local.momento import Fault, MomentoServer, RemoteServer
from local.momento.engine import Code, MomentoError
from local.momento.faults import Faults
from tests.local.conftest import Call


@pytest.fixture
def impatient(server: MomentoServer) -> Iterator[CacheClient]:
    """The SDK, giving up after a quarter of a second and never trying again."""
    configuration = Configurations.Laptop.latest().with_client_timeout(timedelta(milliseconds=250))
    configuration = configuration.with_retry_strategy(FixedCountRetryStrategy(max_attempts=0))
    credentials = CredentialProvider.for_momento_local(server.host, server.port)
    with CacheClient(configuration, credentials, timedelta(minutes=1)) as client:
        yield client


@pytest.fixture
def remote(server: MomentoServer) -> Iterator[RemoteServer]:
    with RemoteServer(server.endpoint) as connected:
        yield connected


def code(response: object) -> MomentoErrorCode:
    assert isinstance(response, ErrorResponseMixin)
    return response.error_code


def test_a_request_dropped_before_it_is_applied_changes_nothing(server: MomentoServer, impatient: CacheClient) -> None:
    server.faults.add(Fault(rpc="Set", code="UNAVAILABLE"))
    assert code(impatient.set("pizza", "k", "v")) is MomentoErrorCode.SERVER_UNAVAILABLE
    assert server.engine.keys("pizza") == []
    assert isinstance(impatient.set("pizza", "k", "v"), CacheSet.Success)


def test_a_reply_lost_after_it_is_applied_has_changed_the_cache(server: MomentoServer, impatient: CacheClient) -> None:
    server.faults.add(Fault(rpc="Set", code="UNAVAILABLE", applied=True))
    assert code(impatient.set("pizza", "k", "v")) is MomentoErrorCode.SERVER_UNAVAILABLE
    assert server.engine.get("pizza", b"k") == b"v"


def test_a_refusal_is_lost_like_any_other_reply(server: MomentoServer, impatient: CacheClient) -> None:
    server.faults.add(Fault(rpc="Set", code="UNAVAILABLE", applied=True))
    assert code(impatient.set("burger", "k", "v")) is MomentoErrorCode.SERVER_UNAVAILABLE


@pytest.mark.parametrize("applied", [True, False])
def test_a_silent_request_runs_into_the_clients_deadline(
    server: MomentoServer, impatient: CacheClient, applied: bool
) -> None:
    server.faults.add(Fault(rpc="Set", silent=True, applied=applied))
    assert code(impatient.set("pizza", "k", "v")) is MomentoErrorCode.TIMEOUT_ERROR
    assert server.engine.keys("pizza") == ([b"k"] if applied else [])


def test_a_request_delayed_beyond_the_clients_deadline_is_not_applied_later(
    server: MomentoServer, impatient: CacheClient
) -> None:
    server.faults.add(Fault(rpc="Set", delay_ms=1_000))
    assert code(impatient.set("pizza", "k", "v")) is MomentoErrorCode.TIMEOUT_ERROR
    time.sleep(1.0)
    assert server.engine.keys("pizza") == []


def test_a_delayed_request_is_answered_in_the_end(server: MomentoServer, client: CacheClient) -> None:
    server.faults.add(Fault(rpc="Set", delay_ms=300))
    assert isinstance(client.set("pizza", "k", "v"), CacheSet.Success)


def test_latency_delays_every_request(server: MomentoServer, impatient: CacheClient) -> None:
    server.latency_ms = 300
    for response in (impatient.get("pizza", "k"), impatient.set("pizza", "k", "v")):
        assert code(response) is MomentoErrorCode.TIMEOUT_ERROR
    server.latency_ms = 0
    assert isinstance(impatient.get("pizza", "k"), CacheGet.Miss)


def test_the_err_trailer_tells_the_sdk_which_limit(server: MomentoServer, impatient: CacheClient) -> None:
    server.faults.add(Fault(rpc="Get", code="RESOURCE_EXHAUSTED", err="operations_rate_limit_exceeded"))
    limited = impatient.get("pizza", "k")
    assert isinstance(limited, CacheGet.Error)
    assert limited.message.startswith("Request rate limit exceeded for this account")


def test_the_sdk_tries_again_as_often_as_it_says(server: MomentoServer, client: CacheClient) -> None:
    server.faults.add(Fault(rpc="Get", code="UNAVAILABLE", times=3))
    assert isinstance(client.get("pizza", "k"), CacheGet.Miss)
    assert server.counters["Get"].requests == 4


def test_a_fault_without_times_lasts_until_it_is_cleared(server: MomentoServer, impatient: CacheClient) -> None:
    server.faults.add(Fault(rpc="Get", code="INTERNAL", times=None))
    for _ in range(5):
        assert code(impatient.get("pizza", "k")) is MomentoErrorCode.INTERNAL_SERVER_ERROR
    server.faults.clear()
    assert isinstance(impatient.get("pizza", "k"), CacheGet.Miss)


def test_a_fault_that_is_called_off_meets_no_further_request_and_another_like_it_does() -> None:
    faults = Faults()
    called_off, other = Fault(rpc="Get", code="INTERNAL", times=3), Fault(rpc="Get", code="INTERNAL", times=3)
    faults.add(called_off)
    faults.add(other)
    assert faults.take("Get", [], {}) is called_off
    assert faults.call_off(called_off)
    assert not faults.call_off(called_off)
    # They are equal, so it is told by identity.
    assert all(faults.take("Get", [], {}) is other for _ in range(3))
    assert faults.take("Get", [], {}) is None
    assert not faults.call_off(other)


def test_a_fault_meets_only_its_rpc_and_its_key(server: MomentoServer, impatient: CacheClient) -> None:
    server.faults.add(Fault(rpc="Set", key="bad", code="UNAVAILABLE", times=None))
    assert isinstance(impatient.set("pizza", "good", "v"), CacheSet.Success)
    assert isinstance(impatient.get("pizza", "bad"), CacheGet.Miss)
    assert code(impatient.set("pizza", "bad", "v")) is MomentoErrorCode.SERVER_UNAVAILABLE


@pytest.mark.parametrize(
    ("rpc", "fields"),
    [
        ("GetBatch", {"items": [{"cache_key": b"good"}, {"cache_key": b"bad"}]}),
        ("KeysExist", {"cache_keys": [b"good", b"bad"]}),
        ("DictionaryFetch", {"dictionary_name": b"bad"}),
    ],
)
def test_a_fault_on_a_key_meets_every_request_that_names_it(
    server: MomentoServer, call: Call, rpc: str, fields: dict[str, Any]
) -> None:
    server.faults.add(Fault(rpc=rpc, key="good or bad", code="ABORTED"))
    call(rpc, **fields)
    server.faults.add(Fault(rpc=rpc, key="bad", code="ABORTED"))
    with pytest.raises(grpc.RpcError, match="ABORTED"):
        call(rpc, **fields)


def test_faults_happen_in_the_order_they_were_added_one_a_request() -> None:
    faults = Faults()
    faults.add(Fault(rpc="Get", code="INTERNAL"))
    faults.add(Fault(rpc="Set", code="ABORTED"))
    faults.add(Fault(rpc="Get", code="UNAVAILABLE", times=2))
    taken = [faults.take("Get", [b"k"], {}) for _ in range(4)]
    assert [fault and fault.code for fault in taken] == ["INTERNAL", "UNAVAILABLE", "UNAVAILABLE", None]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"rpc": "SetAll", "code": "INTERNAL"}, "rpc must be one of .*SetIfHash"),
        ({"rpc": "Set", "code": "BROKEN"}, "code must be one of .*UNAVAILABLE"),
        ({"rpc": "Set", "code": "OK"}, "code must be one of"),
        ({"rpc": "Set", "code": "INTERNAL", "times": 0}, "times"),
        ({"rpc": "Set", "delay_ms": -1}, "delay_ms"),
        ({"rpc": "Set", "code": "INTERNAL", "silent": True}, "not both"),
        ({"rpc": "Set", "delay_ms": 1, "applied": True}, "applied"),
        ({"rpc": "Set", "silent": True, "err": "item_not_found"}, "err"),
        ({"rpc": "Set"}, "a fault needs"),
    ],
)
def test_a_fault_that_could_never_come_true_is_refused(fields: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Fault(**fields)  # type: ignore[arg-type]  # the very point


def asked(**fields: str) -> dict[str, str]:
    return {"request-id": "a test"} | {name.replace("_", "-"): value for name, value in fields.items()}


def test_momento_locals_metadata_asks_for_errors() -> None:
    faults = Faults()
    metadata = asked(return_error="resource-exhausted", error_rpcs="get set-if", error_count="2")
    taken = [faults.take("Get", [], metadata) for _ in range(3)]
    assert [fault and fault.code for fault in taken] == ["RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED", None]
    assert faults.take("GetWithHash", [], metadata) is None
    assert faults.take("Get", [], metadata | {"request-id": "another test"}) is not None


def test_momento_locals_metadata_asks_for_delays() -> None:
    faults = Faults()
    metadata = asked(delay_rpcs="item-get-ttl", delay_ms="5", delay_count="1")
    taken = [faults.take("ItemGetTtl", [], metadata) for _ in range(2)]
    assert [fault and fault.delay_ms for fault in taken] == [5, None]


def test_momento_locals_metadata_asks_for_both_at_once_and_for_good() -> None:
    faults = Faults()
    metadata = asked(return_error="unavailable", error_rpcs="get", delay_rpcs="get", delay_ms="5")
    for _ in range(10):
        assert faults.take("Get", [], metadata) == Fault(rpc="Get", code="UNAVAILABLE", delay_ms=5)


def test_momento_local_calls_set_if_not_exists_by_its_successors_name() -> None:
    metadata = asked(return_error="internal", error_rpcs="set-if")
    for rpc in ("SetIf", "SetIfNotExists"):
        assert Faults().take(rpc, [], metadata) is not None
    assert Faults().take("SetIfHash", [], metadata) is None


def test_metadata_without_a_session_asks_for_nothing() -> None:
    assert Faults().take("Get", [], {"return-error": "internal", "error-rpcs": "get"}) is None


@pytest.mark.parametrize(
    "metadata",
    [
        asked(return_error="broken", error_rpcs="get"),
        asked(return_error="internal", error_rpcs="get", error_count="few"),
        asked(delay_rpcs="get", delay_ms="-1"),
    ],
)
def test_metadata_that_asks_for_what_cannot_be_is_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(MomentoError) as refusal:
        Faults().take("Get", [], metadata)
    assert refusal.value.code is Code.INVALID_ARGUMENT


class AsksForErrors(Middleware, MiddlewareRequestHandler):
    """What the SDK's own tests put in between to steer Momento Local."""

    def on_new_request(self, context: MiddlewareRequestHandlerContext) -> MiddlewareRequestHandler:  # noqa: ARG002
        return self

    def on_request_metadata(self, metadata: MiddlewareMetadata) -> MiddlewareMetadata:
        pairs = asked(return_error="unavailable", error_rpcs="get increment").items()
        return MiddlewareMetadata([*(metadata.grpc_metadata or ()), *pairs])

    def on_request_body(self, request: MiddlewareMessage) -> MiddlewareMessage:
        return request

    def on_response_metadata(self, metadata: MiddlewareMetadata) -> MiddlewareMetadata:
        return metadata

    def on_response_body(self, response: MiddlewareMessage) -> MiddlewareMessage:
        return response

    def on_response_status(self, status: MiddlewareStatus) -> MiddlewareStatus:
        return status


def test_the_sdks_own_middleware_steers_the_server(server: MomentoServer) -> None:
    configuration = Configurations.Laptop.latest().add_middleware(AsksForErrors())
    credentials = CredentialProvider.for_momento_local(server.host, server.port)
    with CacheClient(configuration, credentials, timedelta(minutes=1)) as client:
        assert code(client.get("pizza", "k")) is MomentoErrorCode.SERVER_UNAVAILABLE
        assert code(client.increment("pizza", "k")) is MomentoErrorCode.SERVER_UNAVAILABLE
        assert isinstance(client.set("pizza", "k", "v"), CacheSet.Success)
    assert (server.counters["Get"].requests, server.counters["Increment"].requests) == (4, 1)


def test_a_server_elsewhere_is_steered_over_the_wire(
    server: MomentoServer, remote: RemoteServer, impatient: CacheClient
) -> None:
    remote.add_fault(Fault(rpc="Get", code="INTERNAL", times=None))
    assert code(impatient.get("pizza", "k")) is MomentoErrorCode.INTERNAL_SERVER_ERROR
    remote.clear_faults()
    assert isinstance(impatient.get("pizza", "k"), CacheGet.Miss)
    remote.require_keys(["other"])
    assert code(impatient.get("pizza", "k")) is MomentoErrorCode.AUTHENTICATION_ERROR
    remote.require_keys([])
    impatient.set("pizza", "k", "v")
    remote.evict("pizza", b"k")
    assert isinstance(impatient.get("pizza", "k"), CacheGet.Miss)
    remote.set_latency(30)
    assert server.latency_ms == 30


def test_a_server_elsewhere_is_filled_and_read_as_a_whole(
    server: MomentoServer, remote: RemoteServer, impatient: CacheClient
) -> None:
    impatient.set("pizza", "before", "v")
    items = {"large": b"\x00" * 5_000_000, "kä": b"v"}
    remote.fill("pizza", items)
    assert remote.items("pizza") == items
    assert isinstance(impatient.get("pizza", "before"), CacheGet.Miss)
    assert {rpc: count.requests for rpc, count in remote.counters().items()} == {"Set": 1, "Get": 1}


def test_a_server_elsewhere_tells_the_time_for_which_it_was_busy(remote: RemoteServer, impatient: CacheClient) -> None:
    began = remote.cpu_seconds()
    impatient.set("pizza", "k", "v" * 1_000_000)
    assert remote.cpu_seconds() > began


def test_a_server_elsewhere_says_what_it_does_not_understand(server: MomentoServer, remote: RemoteServer) -> None:
    with pytest.raises(grpc.RpcError, match="cache_not_found|doesn't exist"):
        remote.evict("burger", b"k")
    with grpc.insecure_channel(server.endpoint) as channel:
        steer = channel.unary_unary("/local.momento.Remote/Steer", bytes, bytes)
        with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT"):
            steer(b'{"type": "AddFault", "fault": {"rpc": "SetAll"}}')
