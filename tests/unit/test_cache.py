import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from handler.cache import CONCURRENCY, Applied, CacheError, UnauthenticatedError, apply
from handler.changes import coalesce
from handler.records import decode
from handler.views import Operation, plan
from tests import doubles
from tests.doubles import EngineCache, MemoryTable
from tests.pizza import LIST, VIEWS, order, settings
from tests.stream import Stream, image

ALL_ORDERS = {"all_orders": VIEWS["all_orders"]}
NO_REBUILD = {"all": LIST | {"key": "all-orders"}}
BIG = "x" * 300_000


def operations(stream: Stream, views: dict[str, Any] = VIEWS) -> Sequence[Operation]:
    return plan(coalesce(decode(stream.event()).changes), settings(views)).operations


def run(
    operations: Sequence[Operation], cache: EngineCache, table: MemoryTable | None = None, seconds: float = 60
) -> Applied:
    applying = apply(operations, cache, table or MemoryTable(), clock=cache.clock, deadline=cache.clock() + seconds)
    return doubles.run(applying, cache.clock)


def rows(cache: EngineCache, key: str) -> list[str]:
    cached = cache.get(key)
    assert cached is not None
    return [row["id"] for row in json.loads(cached)]


@pytest.fixture
def cache() -> EngineCache:
    return EngineCache()


@pytest.fixture
def stream() -> Stream:
    stream = Stream()
    stream.put(order(1))
    return stream


def refuse(cache: EngineCache, name: str, error: Exception, times: int = 1_000) -> None:
    """Have the next requests of one name fail."""
    left = iter(range(times))

    def before(asked: str, key: str) -> None:
        if asked == name and next(left, None) is not None:
            raise error

    cache.before = before


def test_an_absent_list_is_rebuilt_whole_with_the_batch_on_top(cache: EngineCache, stream: Stream) -> None:
    table = MemoryTable([image(order(number)) for number in (2, 3, 4)])
    applied = run(operations(stream, ALL_ORDERS), cache, table)
    assert rows(cache, "all-orders") == ["order-4", "order-3", "order-2", "order-1"]
    assert table.queries == [("type", {"type": {"S": "order"}})]
    assert applied.counts["list_rebuild"] == 1


def test_a_rebuild_shows_what_the_view_shows_and_nothing_else(cache: EngineCache, stream: Stream) -> None:
    table = MemoryTable([image(order(2, status="COMPLETED")), image(order(3))])
    run(operations(stream, ALL_ORDERS), cache, table)
    assert rows(cache, "all-orders") == ["order-3", "order-1"]
    run(
        operations(stream, {"creator_orders": VIEWS["creator_orders"]}),
        cache,
        MemoryTable([image(order(2, creator="bob"))]),
    )
    assert rows(cache, "ann") == ["order-1"]


def test_a_rebuild_from_a_wider_query_leaves_out_other_lists_rows(cache: EngineCache, stream: Stream) -> None:
    view = LIST | {"key": "{creator}", "rebuild_from": {"key_condition": {"type": "order"}}}
    table = MemoryTable([image(order(2)), image(order(3, creator="bob"))])
    run(operations(stream, {"mine": view}), cache, table)
    assert rows(cache, "ann") == ["order-2", "order-1"]


def test_a_removal_rebuilds_an_absent_list_too_for_the_index_may_still_have_the_row(
    cache: EngineCache, stream: Stream
) -> None:
    stream.delete("order-1", "metadata")
    run(operations(stream, ALL_ORDERS), cache, MemoryTable([image(order(1)), image(order(2))]))
    assert rows(cache, "all-orders") == ["order-2"]


def test_a_list_with_no_rows_left_is_an_empty_array(cache: EngineCache, stream: Stream) -> None:
    stream.delete("order-1", "metadata")
    run(operations(stream, ALL_ORDERS), cache)
    assert cache.get("all-orders") == b"[]"


def test_an_absent_list_that_can_not_be_rebuilt_stays_absent(cache: EngineCache, stream: Stream) -> None:
    applied = run(operations(stream, NO_REBUILD), cache)
    assert cache.get("all-orders") is None
    assert not applied.failures
    assert applied.counts["list_absent"] == 1


def test_a_cached_list_costs_one_read_and_one_write_and_no_query(cache: EngineCache, stream: Stream) -> None:
    cache.put("all-orders", b"[]")
    table = MemoryTable()
    run(operations(stream, ALL_ORDERS), cache, table)
    assert [name for name, _ in cache.requests] == ["get_with_hash", "set_if_hash"]
    assert table.queries == []


def test_a_list_that_already_shows_the_batch_lives_on_all_the_same(cache: EngineCache, stream: Stream) -> None:
    run(operations(stream, ALL_ORDERS), cache)
    cache.clock.now += 86_000
    run(operations(stream, ALL_ORDERS), cache)
    assert asyncio.run(cache.remaining_ttl("all-orders")) == 86_400


def test_a_list_changed_meanwhile_is_read_again(cache: EngineCache, stream: Stream) -> None:
    cache.put("all-orders", b"[]")

    def meddle(name: str, key: str) -> None:
        if name == "set_if_hash" and cache.get(key) == b"[]":
            cache.put(key, b'[{"id":"order-9","createdAt":"2027"}]')

    cache.before = meddle
    applied = run(operations(stream, ALL_ORDERS), cache)
    assert rows(cache, "all-orders") == ["order-9", "order-1"]
    assert applied.counts["list_conflict"] == 1


def test_a_list_that_another_writer_rebuilt_first_is_updated(cache: EngineCache, stream: Stream) -> None:
    def meddle(name: str, key: str) -> None:
        if name == "set_if_absent":
            cache.put(key, b'[{"id":"order-9","createdAt":"2027"}]')

    cache.before = meddle
    run(operations(stream, ALL_ORDERS), cache)
    assert rows(cache, "all-orders") == ["order-9", "order-1"]


def test_a_write_renews_the_lists_ttl(cache: EngineCache, stream: Stream) -> None:
    cache.put("all-orders", b"[]", ttl_seconds=60)
    run(operations(stream, ALL_ORDERS), cache)
    assert asyncio.run(cache.remaining_ttl("all-orders")) == 86_400


def test_an_entry_of_another_shape_is_a_failure_and_left_alone(cache: EngineCache, stream: Stream) -> None:
    cache.put("all-orders", b'{"not": "a list"}')
    applied = run(operations(stream), cache)
    (failure,) = applied.failures
    assert "not a JSON array of rows" in failure.reason
    assert cache.get("all-orders") == b'{"not": "a list"}'
    assert cache.get("order-1") is not None


def test_a_list_too_big_is_taken_away_by_an_expiring_null(cache: EngineCache, stream: Stream) -> None:
    cache.put("all-orders", json.dumps([{"id": f"o{n}", "createdAt": BIG} for n in range(16)]).encode())
    stream.put(order(2, createdAt=BIG))
    applied = run(operations(stream, ALL_ORDERS), cache)
    assert not applied.failures
    assert applied.counts["too_big"] == 1
    assert cache.get("all-orders") == b"null"
    assert asyncio.run(cache.remaining_ttl("all-orders")) == 300


def test_a_rebuild_too_big_stops_reading_and_costs_no_query_a_batch(cache: EngineCache, stream: Stream) -> None:
    table = MemoryTable([image(order(number, createdAt=BIG)) for number in range(2, 40)])
    for _ in range(3):
        applied = run(operations(stream, ALL_ORDERS), cache, table)
    assert cache.get("all-orders") == b"null"
    assert len(table.queries) == 1
    assert table.pages < 19
    assert applied.counts["list_absent"] == 1


def test_a_list_taken_away_stays_so_until_its_last_seconds(cache: EngineCache, stream: Stream) -> None:
    cache.put("all-orders", b"null", ttl_seconds=5.001)
    table = MemoryTable()
    run(operations(stream, ALL_ORDERS), cache, table)
    assert cache.get("all-orders") == b"null"
    assert [name for name, _ in cache.requests] == ["get_with_hash", "remaining_ttl"]
    assert table.queries == []


def test_an_update_in_the_last_seconds_waits_for_the_end_and_rebuilds(cache: EngineCache, stream: Stream) -> None:
    cache.put("all-orders", b"null", ttl_seconds=5)
    started = cache.clock()
    run(operations(stream, ALL_ORDERS), cache)
    assert rows(cache, "all-orders") == ["order-1"]
    assert cache.clock() - started == pytest.approx(5)


def test_an_update_does_not_wait_longer_than_its_time(cache: EngineCache, stream: Stream) -> None:
    cache.put("all-orders", b"null", ttl_seconds=5)
    started = cache.clock()
    applied = run(operations(stream, ALL_ORDERS), cache, seconds=4)
    assert applied.counts["out_of_time"] == 1
    assert cache.clock() == started


def test_a_list_still_too_big_after_that_is_taken_away_again(cache: EngineCache, stream: Stream) -> None:
    cache.put("all-orders", b"null", ttl_seconds=5)
    table = MemoryTable([image(order(number, createdAt=BIG)) for number in range(2, 40)])
    run(operations(stream, ALL_ORDERS), cache, table)
    assert cache.get("all-orders") == b"null"
    assert asyncio.run(cache.remaining_ttl("all-orders")) == 300


def test_a_list_taken_away_that_can_not_be_rebuilt_stays_away(cache: EngineCache, stream: Stream) -> None:
    cache.put("all-orders", b"null", ttl_seconds=5)
    run(operations(stream, NO_REBUILD), cache)
    assert cache.get("all-orders") == b"null"
    assert [name for name, _ in cache.requests] == ["get_with_hash"]


def test_an_item_too_big_is_absent_not_stale(cache: EngineCache, stream: Stream) -> None:
    cache.put("order-1", b"old")
    stream.put(order(1, items=[BIG] * 17))
    applied = run(operations(stream), cache)
    assert cache.get("order-1") is None
    assert not applied.failures
    assert applied.counts["too_big"] == 2


def test_a_failure_stops_no_other_operation(cache: EngineCache) -> None:
    stream = Stream()
    for number in range(1, 6):
        stream.put(order(number))

    def fail_one(name: str, key: str) -> None:
        if key == "order-2":
            raise CacheError("throttled")

    cache.before = fail_one
    applied = run(operations(stream), cache)
    assert [(failure.operation.key, failure.reason) for failure in applied.failures] == [("order-2", "throttled")]
    assert all(cache.get(f"order-{number}") for number in (1, 3, 4, 5))
    assert len(rows(cache, "all-orders")) == 5


def test_a_fault_of_our_own_is_not_taken_for_momentos(cache: EngineCache, stream: Stream) -> None:
    refuse(cache, "set", ZeroDivisionError())
    with pytest.raises(ExceptionGroup) as caught:
        run(operations(stream), cache)
    assert caught.group_contains(ZeroDivisionError)


def test_a_rebuild_meets_an_item_that_it_can_not_show(cache: EngineCache, stream: Stream) -> None:
    broken = image(order(2)) | {"numItems": {"N": "secret"}}
    applied = run(operations(stream), cache, MemoryTable([broken]))
    assert {failure.operation.key for failure in applied.failures} == {"all-orders", "ann"}
    assert cache.get("order-1") is not None
    assert "secret" not in str([failure.reason for failure in applied.failures])


def test_a_rebuild_just_within_the_limit_is_whole(cache: EngineCache, stream: Stream) -> None:
    run(operations(stream, ALL_ORDERS), cache, MemoryTable([image(order(n, createdAt=BIG)) for n in range(2, 18)]))
    assert len(rows(cache, "all-orders")) == 17


def test_a_query_that_fails_leaves_the_list_alone(cache: EngineCache, stream: Stream) -> None:
    class Down(MemoryTable):
        async def query(self, *_: Any) -> Any:
            raise CacheError("AccessDenied")

    applied = run(operations(stream, ALL_ORDERS), cache, Down())
    assert [failure.reason for failure in applied.failures] == ["AccessDenied"]
    assert cache.get("all-orders") is None


def test_operations_start_in_order_and_at_most_so_many_at_once(cache: EngineCache) -> None:
    stream = Stream()
    for number in range(100):
        stream.put(order(number))
    run(operations(stream, {"order": VIEWS["order"]}), cache)
    assert cache.requests == [("set", f"order-{number}") for number in range(100)]
    assert cache.most_under_way == CONCURRENCY


def test_nothing_starts_that_the_time_left_can_not_finish(cache: EngineCache) -> None:
    stream = Stream()
    for number in range(5):
        stream.put(order(number))

    def take_a_second(name: str, key: str) -> None:
        cache.clock.now += 1

    cache.before = take_a_second
    applied = run(operations(stream, {"order": VIEWS["order"]}), cache, seconds=cache.request_seconds - 0.01)
    assert cache.requests == []
    assert applied.counts["out_of_time"] == 5
    assert "raise `timeout`, or lower `batch_size`" in applied.failures[0].reason


def test_a_list_stops_between_its_requests_when_time_is_up(cache: EngineCache, stream: Stream) -> None:
    cache.put("all-orders", b"[]")

    def take_two_seconds(name: str, key: str) -> None:
        cache.clock.now += 2

    cache.before = take_two_seconds
    applied = run(operations(stream, ALL_ORDERS), cache, seconds=2.5)
    assert cache.requests == [("get_with_hash", "all-orders")]
    assert len(applied.failures) == 1


def test_a_query_that_time_does_not_allow_is_not_made(cache: EngineCache, stream: Stream) -> None:
    table = MemoryTable()
    table.request_seconds = 5.0
    applied = run(operations(stream, ALL_ORDERS), cache, table, seconds=4)
    assert table.queries == []
    assert applied.counts["out_of_time"] == 1


def test_a_key_that_is_not_accepted_is_fetched_anew_once_for_all_operations(cache: EngineCache) -> None:
    stream = Stream()
    for number in range(20):
        stream.put(order(number))

    def only_the_new_key(name: str, key: str) -> None:
        if cache.renewals == 0:
            raise UnauthenticatedError("momento.secret_arn")

    cache.before = only_the_new_key
    applied = run(operations(stream), cache)
    assert applied.failures == ()
    assert cache.renewals == applied.counts["key_renewal"] == 1


def test_the_time_that_a_new_key_took_counts(cache: EngineCache, stream: Stream) -> None:
    class Slow(EngineCache):
        async def renew(self) -> None:
            await asyncio.sleep(self.renew_seconds)

    slow = Slow()
    refuse(slow, "set", UnauthenticatedError("momento.secret_arn"))
    applied = run(operations(stream, {"order": VIEWS["order"]}), slow, seconds=2.5)
    assert len(slow.requests) == 1
    assert applied.counts["out_of_time"] == 1


def test_a_new_key_that_is_not_accepted_either_is_not_fetched_again(cache: EngineCache) -> None:
    stream = Stream()
    for number in range(3):
        stream.put(order(number))
    refuse(cache, "set", UnauthenticatedError("momento.secret_arn"))
    applied = run(operations(stream, {"order": VIEWS["order"]}), cache)
    assert len(applied.failures) == 3
    assert cache.renewals == 1


def test_a_key_that_time_does_not_allow_to_fetch_is_not_fetched(cache: EngineCache, stream: Stream) -> None:
    refuse(cache, "set", UnauthenticatedError("momento.secret_arn"))
    applied = run(operations(stream, {"order": VIEWS["order"]}), cache, seconds=1.5)
    assert cache.renewals == 0
    assert applied.counts["out_of_time"] == 1


def test_no_operations_ask_nothing(cache: EngineCache) -> None:
    assert run((), cache) == Applied((), {})
    assert cache.requests == []
