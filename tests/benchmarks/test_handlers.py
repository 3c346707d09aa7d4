"""What is measured does its work: over a small workload, the cache comes out as the table has it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from momento_wire_types import cacheclient_pb2 as wire

from benchmarks.contestants import Ours
from benchmarks.job import Job, Measured
from benchmarks.replay import Recorder, Request, Step, load, ordered
from benchmarks.sdk import CACHE
from benchmarks.session import Stream
from benchmarks.throughput import RECORDING_LATENCY_MS
from benchmarks.worker import measure
from benchmarks.workload import Scale
from local.momento import MomentoServer, RemoteServer

SCALE = Scale(orders=40, creators=5, inserts=10, modifies=60, removes=10)

GET, SET_BATCH = "/cache_client.Scs/GetWithHash", "/cache_client.Scs/SetBatch"


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    return Stream(SCALE, tmp_path_factory.mktemp("stream"))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def momento(recorder: Recorder) -> Iterator[MomentoServer]:
    with MomentoServer(caches=[CACHE], interceptors=[recorder]) as server:
        yield server


@pytest.fixture
def server(momento: MomentoServer, stream: Stream) -> Iterator[RemoteServer]:
    """The server's controls, with all in it that is there before the first record."""
    with RemoteServer(momento.endpoint) as controls:
        stream.load(controls, latency_ms=0)
        yield controls


def job(stream: Stream, momento: MomentoServer, contestant: str, batch_size: int, requests: Path | None = None) -> Job:
    path = None if requests is None else str(requests)
    return Job(contestant, momento.endpoint, SCALE, str(stream.path), SCALE.records, batch_size, requests=path)


def requests(measured: Measured) -> tuple[int, int, int]:
    return measured.requests, measured.bytes, measured.operations


@pytest.mark.parametrize(("contestant", "batch_size"), [("seed", 1), ("careful", 30), ("ours", 30), ("ours", 10_000)])
def test_it_leaves_the_cache_that_the_table_asks_for(
    stream: Stream, momento: MomentoServer, server: RemoteServer, contestant: str, batch_size: int
) -> None:
    measured = measure(job(stream, momento, contestant, batch_size))
    assert (measured.records, measured.largest_batch) == (SCALE.records, min(batch_size, SCALE.records))
    assert stream.wrong_entries(server, SCALE.records) == []


@pytest.mark.parametrize("contestant", ["seed", "careful"])
def test_the_seed_and_the_careful_handler_make_six_requests_a_record(
    stream: Stream, momento: MomentoServer, server: RemoteServer, contestant: str
) -> None:
    measured = measure(job(stream, momento, contestant, 1))
    assert measured.requests == measured.operations == 6 * SCALE.records


def test_the_literal_seed_leaves_a_wrong_cache_and_the_check_names_what_is_wrong(
    stream: Stream, momento: MomentoServer, server: RemoteServer
) -> None:
    measure(job(stream, momento, "literal", 1))
    assert "all-orders" in stream.wrong_entries(server, SCALE.records)


def test_the_check_names_an_entry_that_is_missing_stale_or_too_many(stream: Stream, server: RemoteServer) -> None:
    assert stream.wrong_entries(server, 0) == []
    first, second, *_ = stream.workload.loaded
    items = server.items(CACHE)
    server.fill(CACHE, {**items, first["pk"]: items[second["pk"]], "allOrders": b"[]"})
    server.evict(CACHE, b"creator-000")
    assert stream.wrong_entries(server, 0) == sorted([first["pk"], "allOrders", "creator-000"])
    assert stream.wrong_entries(server, 0, "all-orders") == []


def test_the_limit_sends_what_ours_sent_and_leaves_the_same_cache(
    stream: Stream, momento: MomentoServer, server: RemoteServer, recorder: Recorder, tmp_path: Path
) -> None:
    path = tmp_path / "requests"
    ours = job(stream, momento, "ours", 30)
    server.set_latency(RECORDING_LATENCY_MS)
    handler = Ours(ours)
    for _, payload in ours.payloads():
        handler.handle(json.loads(payload))
        recorder.end_batch()
    handler.close()
    recorder.save(path)
    left = server.items(CACHE)
    stream.load(server, latency_ms=0)
    sent = measure(ours)
    stream.load(server, latency_ms=0)
    replayed = measure(job(stream, momento, "limit", 30, path))
    assert requests(replayed) == requests(sent)
    assert server.items(CACHE) == left
    recording = load(path)
    assert len(recording.batches) == sent.batches
    assert 1 < recording.width <= max(map(len, recording.batches))
    assert ("authorization", "any") in recording.batches[0][0].request.metadata


def test_requests_that_name_one_key_follow_each_other_and_all_others_go_at_once() -> None:
    def get(key: str) -> Request:
        return Request(GET, (), wire._GetWithHashRequest(cache_key=key.encode()).SerializeToString())

    def set_batch(*keys: str) -> Request:
        items = [wire._SetRequest(cache_key=key.encode(), ttl_milliseconds=1) for key in keys]
        return Request(SET_BATCH, (), wire._SetBatchRequest(items=items).SerializeToString())

    get_a, get_b, get_c = map(get, "abc")
    writes_a, writes_b, writes_both = set_batch("x", "a"), set_batch("b"), set_batch("a", "b")
    requests = [get_a, get_b, writes_a, writes_both, get_c, writes_b, get_a]
    assert ordered(requests) == tuple(map(Step, requests, [(), (), (0,), (1, 2), (), (3,), (3,)]))
