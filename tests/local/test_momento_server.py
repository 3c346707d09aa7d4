import asyncio
import threading
from datetime import timedelta

import grpc
import pytest
from momento import CacheClient, CacheClientAsync, Configurations, CredentialProvider
from momento.errors import MomentoErrorCode
from momento.requests import CollectionTtl
from momento.responses import (
    CacheDictionaryFetch,
    CacheDictionaryGetFields,
    CacheDictionaryIncrement,
    CacheGet,
    CacheIncrement,
    CacheSet,
    CacheSetIfNotExists,
    CreateCache,
    ListCaches,
)
from momento.responses.mixins import ErrorResponseMixin
from momento_wire_types import cacheclient_pb2, controlclient_pb2

from local.momento import MomentoServer
from tests.local.conftest import Call

MINUTE = 60_000


def error(response: object) -> tuple[MomentoErrorCode, str | bytes | None]:
    """The SDK's error code, and the `err` trailer that it was given."""
    assert isinstance(response, ErrorResponseMixin)
    details = response.inner_exception.transport_details
    assert details is not None
    assert details.grpc.metadata is not None
    return response.error_code, dict(details.grpc.metadata).get("err")


def test_the_sdk_sets_gets_and_deletes(client: CacheClient) -> None:
    assert isinstance(client.set("pizza", "k", b"\x00v"), CacheSet.Success)
    assert client.get("pizza", "k") == CacheGet.Hit(b"\x00v")
    client.delete("pizza", "k")
    assert isinstance(client.get("pizza", "k"), CacheGet.Miss)


def test_the_sdk_increments_and_sets_once(client: CacheClient) -> None:
    assert client.increment("pizza", "n", 3) == CacheIncrement.Success(3)
    assert client.increment("pizza", "n", -5) == CacheIncrement.Success(-2)
    assert isinstance(client.set_if_not_exists("pizza", "n", "v"), CacheSetIfNotExists.NotStored)
    assert isinstance(client.set_if_not_exists("pizza", "k", "v"), CacheSetIfNotExists.Stored)


def test_the_sdk_manages_caches(client: CacheClient) -> None:
    assert isinstance(client.create_cache("burger"), CreateCache.Success)
    assert isinstance(client.create_cache("burger"), CreateCache.CacheAlreadyExists)
    client.set("burger", "k", "v")
    client.flush_cache("burger")
    assert isinstance(client.get("burger", "k"), CacheGet.Miss)
    client.delete_cache("burger")
    listed = client.list_caches()
    assert isinstance(listed, ListCaches.Success)
    assert [cache.name for cache in listed.caches] == ["pizza"]
    assert error(client.delete_cache("burger")) == (MomentoErrorCode.NOT_FOUND_ERROR, "cache_not_found")


def test_listed_caches_tell_the_accounts_limits(server: MomentoServer) -> None:
    with grpc.insecure_channel(server.endpoint) as channel:
        response = controlclient_pb2._ListCachesResponse
        listed = channel.unary_unary("/control_client.ScsControl/ListCaches", bytes, response.FromString)(b"")
    (cache,) = listed.cache
    assert (cache.cache_limits.max_item_size_kb, cache.cache_limits.max_ttl_seconds) == (4883, 86_400)


def test_the_sdk_uses_dictionaries(client: CacheClient) -> None:
    client.dictionary_set_fields("pizza", "d", {"a": "1", "b": "2"}, ttl=CollectionTtl.of(timedelta(minutes=1)))
    assert client.dictionary_fetch("pizza", "d") == CacheDictionaryFetch.Hit({b"a": b"1", b"b": b"2"})
    found = client.dictionary_get_fields("pizza", "d", ["b", "none"])
    assert isinstance(found, CacheDictionaryGetFields.Hit)
    assert found.value_dictionary_string_string == {"b": "2"}
    assert client.dictionary_increment("pizza", "d", "a", 4) == CacheDictionaryIncrement.Success(5)
    client.dictionary_remove_fields("pizza", "d", ["a", "b"])
    assert isinstance(client.dictionary_fetch("pizza", "d"), CacheDictionaryFetch.Miss)


def test_the_sdk_tells_the_errors_apart(client: CacheClient, server: MomentoServer) -> None:
    exceeded = MomentoErrorCode.LIMIT_EXCEEDED_ERROR
    assert error(client.get("burger", "k")) == (MomentoErrorCode.NOT_FOUND_ERROR, "cache_not_found")
    client.set("pizza", "word", "seven")
    assert error(client.increment("pizza", "word")) == (MomentoErrorCode.FAILED_PRECONDITION_ERROR, None)
    too_long = timedelta(milliseconds=server.engine.limits.ttl_milliseconds + 1)
    assert error(client.set("pizza", "k", "v", too_long)) == (MomentoErrorCode.INVALID_ARGUMENT_ERROR, None)
    too_big = b"v" * server.engine.limits.item_bytes
    assert error(client.set("pizza", "k", too_big)) == (exceeded, "item_size_limit_exceeded")
    field_too_big = b"v" * server.engine.limits.element_bytes
    refused = client.dictionary_set_field("pizza", "d", "f", field_too_big)
    assert error(refused) == (exceeded, "element_size_limit_exceeded")


def test_a_five_megabyte_item_goes_in_and_comes_out(client: CacheClient) -> None:
    value = b"v" * (5_000_000 - 1)
    assert isinstance(client.set("pizza", "k", value), CacheSet.Success)
    assert client.get("pizza", "k") == CacheGet.Hit(value)


def test_what_this_server_does_not_do_is_answered_unimplemented(client: CacheClient) -> None:
    refused = client.list_push_back("pizza", "l", "v")
    assert isinstance(refused, ErrorResponseMixin)
    details = refused.inner_exception.transport_details
    assert details is not None
    assert details.grpc.code is grpc.StatusCode.UNIMPLEMENTED


def test_a_message_larger_than_any_sdk_sends_is_refused_by_the_service(call: Call) -> None:
    items = [
        {"cache_key": b"%d" % number, "cache_body": b"v" * 1_000_000, "ttl_milliseconds": 1} for number in range(6)
    ]
    with pytest.raises(grpc.RpcError) as refusal:
        call("SetBatch", items=items)
    assert isinstance(refusal.value, grpc.Call)
    assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert ("err", "request_size_limit_exceeded") in refusal.value.trailing_metadata()


def test_a_request_that_is_no_message_is_refused(server: MomentoServer) -> None:
    with grpc.insecure_channel(server.endpoint) as channel:
        send = channel.unary_unary("/cache_client.Scs/Get", bytes, bytes)
        with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT"):
            send(b"\xff", metadata=(("cache", "pizza"),))


def test_a_conditional_set_without_a_condition_is_refused(call: Call, server: MomentoServer) -> None:
    for rpc in ("SetIf", "SetIfHash"):
        with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT"):
            call(rpc, cache_key=b"k", cache_body=b"v", ttl_milliseconds=MINUTE)
    assert server.engine.keys("pizza") == []


# By the service's names: what each condition stores over, where "old" is the value compared.
ON_VALUES = {
    "present": {"old", "other"},
    "absent": {"nothing"},
    "equal": {"old"},
    "not_equal": {"nothing", "other"},
    "present_and_not_equal": {"other"},
    "absent_or_equal": {"nothing", "old"},
}
ON_HASHES = {
    "present_and_hash_equal": {"old"},
    "present_and_not_hash_equal": {"other"},
    "absent_or_hash_equal": {"nothing", "old"},
    "absent_or_not_hash_equal": {"nothing", "other"},
    "unconditional": {"nothing", "old", "other"},
}


@pytest.mark.parametrize("held", ["nothing", "old", "other"])
@pytest.mark.parametrize(("condition", "stores_over"), ON_VALUES.items())
def test_every_condition_on_values_is_understood(
    call: Call, server: MomentoServer, condition: str, stores_over: set[str], held: str
) -> None:
    if held != "nothing":
        server.engine.set("pizza", b"k", held.encode(), MINUTE)
    operand = {} if condition in {"present", "absent"} else {"value_to_check": b"old"}
    answer = call("SetIf", cache_key=b"k", cache_body=b"new", ttl_milliseconds=MINUTE, **{condition: operand})
    assert answer.WhichOneof("result") == ("stored" if held in stores_over else "not_stored")
    assert (server.engine.get("pizza", b"k") == b"new") is (held in stores_over)


@pytest.mark.parametrize("held", ["nothing", "old", "other"])
@pytest.mark.parametrize(("condition", "stores_over"), ON_HASHES.items())
def test_every_condition_on_hashes_is_understood(
    call: Call, server: MomentoServer, condition: str, stores_over: set[str], held: str
) -> None:
    server.engine.set("pizza", b"known", b"old", MINUTE)
    if held != "nothing":
        server.engine.set("pizza", b"k", held.encode(), MINUTE)
    known = call("GetWithHash", cache_key=b"known").found.hash
    operand = {} if condition == "unconditional" else {"hash_to_check": known}
    answer = call("SetIfHash", cache_key=b"k", cache_body=b"new", ttl_milliseconds=MINUTE, **{condition: operand})
    found = call("GetWithHash", cache_key=b"k").found
    if held in stores_over:
        assert (found.value, found.hash) == (b"new", answer.stored.new_hash)
    else:
        assert answer.WhichOneof("result") == "not_stored"
        assert found.value == (b"" if held == "nothing" else held.encode())


def test_an_absent_value_has_no_hash(call: Call) -> None:
    assert call("GetWithHash", cache_key=b"k").WhichOneof("result") == "missing"


def test_batches_are_streamed_in_order(call: Call) -> None:
    items = [{"cache_key": b"%d" % n, "cache_body": b"v%d" % n, "ttl_milliseconds": MINUTE} for n in range(5)]
    assert [answer.result for answer in call("SetBatch", items=items)] == [cacheclient_pb2.Ok] * 5
    answers = call("GetBatch", items=[{"cache_key": key} for key in (b"4", b"none", b"0")])
    hit, miss = cacheclient_pb2.Hit, cacheclient_pb2.Miss
    assert [(answer.result, answer.cache_body) for answer in answers] == [(hit, b"v4"), (miss, b""), (hit, b"v0")]


def test_an_empty_batch_is_an_empty_stream(call: Call) -> None:
    assert call("SetBatch") == []
    assert call("GetBatch") == []


def test_times_to_live_are_read_and_moved(call: Call, server: MomentoServer) -> None:
    server.engine.set("pizza", b"k", b"v", MINUTE)
    assert 0 < call("ItemGetTtl", cache_key=b"k").found.remaining_ttl_millis <= MINUTE
    for asked, result in [
        ({"increase_to_milliseconds": 1}, "not_set"),
        ({"decrease_to_milliseconds": 30_000}, "set"),
        ({"decrease_to_milliseconds": MINUTE}, "not_set"),
        ({"increase_to_milliseconds": MINUTE}, "set"),
        ({"overwrite_to_milliseconds": 10_000}, "set"),
    ]:
        assert call("UpdateTtl", cache_key=b"k", **asked).WhichOneof("result") == result
    assert 0 < call("ItemGetTtl", cache_key=b"k").found.remaining_ttl_millis <= 10_000
    for rpc, fields in [("UpdateTtl", {"overwrite_to_milliseconds": 1}), ("ItemGetTtl", {}), ("ItemGetType", {})]:
        assert call(rpc, cache_key=b"none", **fields).WhichOneof("result") == "missing"


def test_types_and_presence_are_told(call: Call, server: MomentoServer) -> None:
    server.engine.set("pizza", b"s", b"v", MINUTE)
    call("DictionarySet", dictionary_name=b"d", items=[{"field": b"f", "value": b"v"}], ttl_milliseconds=MINUTE)
    types = cacheclient_pb2._ItemGetTypeResponse
    assert call("ItemGetType", cache_key=b"s").found.item_type == types.SCALAR
    assert call("ItemGetType", cache_key=b"d").found.item_type == types.DICTIONARY
    assert list(call("KeysExist", cache_keys=[b"none", b"s", b"d"]).exists) == [False, True, True]
    assert call("DictionaryLength", dictionary_name=b"d").found.length == 1
    call("DictionaryDelete", dictionary_name=b"d", all={})
    assert call("DictionaryLength", dictionary_name=b"d").WhichOneof("dictionary") == "missing"


def test_any_key_is_accepted_and_none_too_unless_keys_are_required(call: Call, server: MomentoServer) -> None:
    for key in ("", "anything"):
        call("Get", key=key, cache_key=b"k")
    server.required_keys = frozenset({"old"})
    call("Get", key="old", cache_key=b"k")
    for key in ("", "anything"):
        with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"):
            call("Get", key=key, cache_key=b"k")


def test_keys_can_be_rotated_while_the_server_runs() -> None:
    with MomentoServer(caches=("pizza",), required_keys=("old",)) as server:
        credentials = CredentialProvider("old", server.host, server.host, server.host, server.port)
        with CacheClient(Configurations.Laptop.latest(), credentials, timedelta(minutes=1)) as client:
            assert isinstance(client.set("pizza", "k", "v"), CacheSet.Success)
            server.required_keys = frozenset({"new"})
            assert error(client.set("pizza", "k", "w")) == (MomentoErrorCode.AUTHENTICATION_ERROR, None)
            assert server.engine.get("pizza", b"k") == b"v"
            assert error(client.list_caches()) == (MomentoErrorCode.AUTHENTICATION_ERROR, None)


def test_a_deadline_that_no_network_could_meet_is_not_met(server: MomentoServer) -> None:
    impatient = Configurations.Laptop.latest().with_client_timeout(timedelta(milliseconds=1))
    credentials = CredentialProvider.for_momento_local(server.host, server.port)
    with CacheClient(impatient, credentials, timedelta(minutes=1)) as client:
        for _ in range(20):
            assert error(client.set("pizza", "k", "v")) == (MomentoErrorCode.TIMEOUT_ERROR, None)
    assert server.engine.keys("pizza") == []


def test_an_idle_connection_may_be_pinged(server: MomentoServer) -> None:
    # As often as gRPC allows a client to; after 4 seconds it would hang up.
    pings = [
        ("grpc.keepalive_time_ms", 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    seen: list[grpc.ChannelConnectivity] = []
    lost = threading.Event()

    def watch(state: grpc.ChannelConnectivity) -> None:
        seen.append(state)
        if grpc.ChannelConnectivity.READY in seen and state is not grpc.ChannelConnectivity.READY:
            lost.set()

    with grpc.insecure_channel(server.endpoint, options=pings) as channel:
        channel.subscribe(watch, try_to_connect=True)
        grpc.channel_ready_future(channel).result(timeout=10)
        assert not lost.wait(5)


def test_servers_and_clients_in_many_threads_of_one_process_do_not_meet() -> None:
    failures: list[object] = []

    def write(server: MomentoServer, name: str) -> None:
        async def main() -> None:
            credentials = CredentialProvider.for_momento_local(server.host, server.port)
            async with CacheClientAsync(Configurations.Laptop.latest(), credentials, timedelta(minutes=1)) as client:
                answers = await asyncio.gather(*(client.set("pizza", f"{name}{number}", name) for number in range(50)))
                failures.extend(answer for answer in answers if not isinstance(answer, CacheSet.Success))

        asyncio.run(main())

    with MomentoServer(caches=("pizza",)) as one, MomentoServer(caches=("pizza",)) as other:
        threads = [threading.Thread(target=write, args=args) for args in ((one, "a"), (one, "b"), (other, "c"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert {key[:1] for key in one.engine.keys("pizza")} == {b"a", b"b"}
        assert len(one.engine.keys("pizza")) == 100
        assert {key[:1] for key in other.engine.keys("pizza")} == {b"c"}


def test_a_taken_port_is_an_error_at_once_and_leaves_no_thread(server: MomentoServer) -> None:
    before = threading.enumerate()
    with pytest.raises(RuntimeError, match=str(server.port)), MomentoServer(port=server.port):
        pass
    assert threading.enumerate() == before


def test_a_stopped_server_has_left_its_port_and_its_thread() -> None:
    before = threading.enumerate()
    with MomentoServer() as server:
        assert threading.enumerate() != before
    assert threading.enumerate() == before
    with MomentoServer(port=server.port) as again:
        assert again.port == server.port
