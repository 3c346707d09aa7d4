import grpc
import pytest
from momento import CacheClient

from local.momento import Fault, MomentoServer, RemoteServer
from tests.local.conftest import Call


def test_requests_bytes_and_operations_are_counted(server: MomentoServer, client: CacheClient) -> None:
    client.set("pizza", "k", "v" * 100)
    client.get("pizza", "k")
    client.get("burger", "k")
    with RemoteServer(server.endpoint) as remote:
        counted = remote.counters()
        assert counted["Set"].requests == 1
        assert 100 < counted["Set"].request_bytes < 120
        assert 100 < counted["Get"].response_bytes < 120
        assert (counted["Get"].requests, counted["Get"].operations) == (2, 2)
        remote.clear_counters()
        assert remote.counters() == {}


def test_what_never_reached_the_engine_costs_no_operation(server: MomentoServer, call: Call) -> None:
    server.faults.add(Fault(rpc="Get", code="ABORTED"))
    with pytest.raises(grpc.RpcError, match="ABORTED"):
        call("Get", cache_key=b"k")
    server.required_keys = frozenset({"other"})
    with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"):
        call("Get", cache_key=b"k")
    assert (server.counters["Get"].requests, server.counters["Get"].operations) == (2, 0)


@pytest.mark.parametrize(("elements", "operations"), [(1, 1), (2, 1), (3, 2), (10, 5)])
def test_calls_on_several_elements_cost_half_an_operation_each(
    server: MomentoServer, call: Call, client: CacheClient, elements: int, operations: int
) -> None:
    items = {f"f{number}": "v" for number in range(elements)}
    client.dictionary_set_fields("pizza", "d", items)
    client.dictionary_get_fields("pizza", "d", list(items))
    client.dictionary_fetch("pizza", "d")
    client.dictionary_remove_fields("pizza", "d", list(items))
    call("KeysExist", cache_keys=[field.encode() for field in items])
    rpcs = ("DictionarySet", "DictionaryGet", "DictionaryFetch", "DictionaryDelete", "KeysExist")
    assert {rpc: server.counters[rpc].operations for rpc in rpcs} == dict.fromkeys(rpcs, operations)


def test_a_call_on_nothing_still_costs_an_operation(server: MomentoServer, call: Call) -> None:
    call("DictionaryFetch", dictionary_name=b"d")
    call("SetBatch")
    assert (server.counters["DictionaryFetch"].operations, server.counters["SetBatch"].operations) == (1, 1)


def test_a_batch_costs_as_much_as_the_calls_it_replaces(server: MomentoServer, call: Call) -> None:
    keys = [{"cache_key": b"%d" % number} for number in range(7)]
    call("SetBatch", items=[key | {"cache_body": b"v", "ttl_milliseconds": 60_000} for key in keys])
    call("GetBatch", items=keys)
    assert (server.counters["SetBatch"].operations, server.counters["GetBatch"].operations) == (7, 7)
