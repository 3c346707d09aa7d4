import asyncio
import itertools
import json
import tracemalloc
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import pytest
from msgspec import structs

from handler.attributes import Image
from handler.cache import (
    ATTEMPTS,
    BATCH_BYTES,
    CONCURRENCY,
    CONFLICT_DELAY_SECONDS,
    KNOWN_SIZES,
    ROW_BYTES,
    Applied,
    CacheError,
    Entry,
    KeyRefusedError,
    Memory,
    NotAKeyError,
    Pace,
    Page,
    RefusedError,
    Stored,
    TransientError,
    apply,
)
from handler.changes import coalesce
from handler.records import decode
from handler.settings import RebuildFrom
from handler.views import DeleteEntry, Operation, SetEntry, plan
from local.momento.engine import Limits
from tests import doubles
from tests.doubles import Clock, EngineCache, MemoryTable
from tests.pizza import LIST, ROW, VIEWS, order, settings
from tests.stream import Stream, image

ALL_ORDERS = {"all_orders": VIEWS["all_orders"]}
NO_REBUILD = {"all": LIST | {"key": "all-orders"}}
BIG = "x" * 300_000

T = TypeVar("T")


def operations(stream: Stream, views: dict[str, Any] = VIEWS) -> Sequence[Operation]:
    return plan(coalesce(decode(stream.event()).changes), settings(views)).operations


def run(
    operations: Sequence[Operation],
    cache: EngineCache,
    table: MemoryTable | None = None,
    seconds: float = 60,
    memory: Memory | None = None,
) -> Applied:
    applying = apply(
        operations,
        cache,
        table or MemoryTable(),
        memory or Memory(),
        clock=cache.clock,
        deadline=cache.clock() + seconds,
        chance=lambda: 1.0,
    )
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
    assert json.loads(cache.get("all-orders") or b"") == []


def test_an_absent_list_that_can_not_be_rebuilt_stays_absent(cache: EngineCache, stream: Stream) -> None:
    applied = run(operations(stream, NO_REBUILD), cache)
    assert cache.get("all-orders") is None
    assert not applied.failures
    assert applied.counts["list_absent"] == 1


def test_every_list_that_stays_absent_is_counted(cache: EngineCache) -> None:
    stream = Stream()
    for creator in ("ann", "bob"):
        stream.put(order(1, creator=creator) | {"pk": creator})
    views = {"mine": LIST | {"key": "{creator}"}}
    assert run(operations(stream, views), cache).counts == {"list_read": 2, "list_absent": 2}


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
    started = cache.clock()
    applied = run(operations(stream, ALL_ORDERS), cache)
    assert rows(cache, "all-orders") == ["order-9", "order-1"]
    assert applied.counts["list_conflict"] == 1
    # Writers in lockstep would go on meeting each other. More than a moment would be lost for nothing.
    assert 0 < cache.clock() - started < 0.1


def test_every_time_that_a_list_was_changed_meanwhile_is_counted(cache: EngineCache, stream: Stream) -> None:
    cache.put("all-orders", b"[]")
    others = iter((b'[{"id":"order-8","createdAt":"2026"}]', b'[{"id":"order-9","createdAt":"2027"}]'))

    def meddle(name: str, key: str) -> None:
        if name == "set_if_hash" and (other := next(others, None)):
            cache.put(key, other)

    cache.before = meddle
    assert run(operations(stream, ALL_ORDERS), cache).counts["list_conflict"] == 2
    assert rows(cache, "all-orders") == ["order-9", "order-1"]


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


STRANGE = (
    b'{"not": "a list"}',
    b"not JSON",
    b"",
    b"[1]",
    b'[{"x":1}]',
    b'[{"id":"o","createdAt":"\xff"}]',
    b'[{"id":"o","createdAt":1e99999999999999999999}]',
    b'[{"id":"o","createdAt":%s}]' % (b"1" * 5000),
    b'[{"id":"o","createdAt":%s%s}]' % (b"[" * 100_000, b"]" * 100_000),
)


@pytest.mark.parametrize("stored", STRANGE, ids=range(len(STRANGE)))
def test_an_entry_that_is_not_the_views_list_fails_alone_and_is_left(cache: EngineCache, stored: bytes) -> None:
    stream = Stream()
    stream.put(order(1))
    stream.put(order(2))
    cache.put("all-orders", stored)
    applied = run(operations(stream, NO_REBUILD | {"order": VIEWS["order"]}), cache)
    (failure,) = applied.failures
    assert failure.operation.key == "all-orders"
    assert cache.get("all-orders") == stored
    assert cache.get("order-1") is not None


@pytest.mark.parametrize("stored", STRANGE, ids=range(len(STRANGE)))
def test_an_entry_that_is_not_the_views_list_is_rebuilt_over_where_it_can_be(
    cache: EngineCache, stream: Stream, stored: bytes
) -> None:
    cache.put("all-orders", stored)
    applied = run(operations(stream, ALL_ORDERS), cache, MemoryTable([image(order(2))]))
    assert applied.failures == ()
    assert rows(cache, "all-orders") == ["order-2", "order-1"]
    assert applied.counts["list_foreign"] == 1


def test_every_entry_that_is_rebuilt_over_is_counted(cache: EngineCache) -> None:
    stream = Stream()
    for creator in ("ann", "bob"):
        stream.put(order(1, creator=creator) | {"pk": creator})
        cache.put(creator, b"not JSON")
    assert run(operations(stream, {"creator_orders": VIEWS["creator_orders"]}), cache).counts["list_foreign"] == 2


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
    assert [name for name, _ in cache.requests] == ["get_with_hash", "remaining_ttl", "get_with_hash"]
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
    assert [name for name, _ in cache.requests] == ["get_with_hash", "get_with_hash"]


@pytest.mark.parametrize("seconds", [0.25, 1, 5])
def test_the_last_moments_of_a_cleared_list_are_waited_for_without_a_request(
    cache: EngineCache, stream: Stream, seconds: float
) -> None:
    cache.put("all-orders", b"null", ttl_seconds=seconds)
    started = cache.clock()
    assert run(operations(stream, ALL_ORDERS), cache).counts["list_read"] == 2
    assert cache.clock() - started == pytest.approx(seconds)


@pytest.mark.parametrize("view", [ALL_ORDERS, NO_REBUILD], ids=["rebuilt", "not rebuilt"])
@pytest.mark.parametrize("seen", [b"null", None], ids=["cleared", "absent"])
def test_no_update_is_let_pass_where_the_list_is_back_by_the_second_request(
    cache: EngineCache, view: dict[str, Any], seen: bytes | None
) -> None:
    """The list is away when it is first read, and has been rebuilt, without this update, when its TTL is asked for."""
    if seen is not None:
        cache.put("all-orders", seen)

    def come_back(name: str, key: str) -> None:
        if name == "get_with_hash" and [each for each, _ in cache.requests].count(name) == 1:
            cache.put(key, b'[{"id":"order-9","createdAt":"2027"}]')

    cache.after = come_back
    stream = Stream()
    stream.put(order(2))
    started = cache.clock()
    applied = run(operations(stream, view), cache, MemoryTable([image(order(9, createdAt="2027"))]))
    assert applied.failures == ()
    assert cache.clock() - started <= CONFLICT_DELAY_SECONDS
    assert rows(cache, "all-orders") == ["order-9", "order-2"]
    assert applied.counts["list_absent"] == 0


def test_a_stale_read_of_a_list_that_is_away_is_not_believed(cache: EngineCache, stream: Stream) -> None:
    """A read that is not consistent may say `null`, or that there is nothing, of a list that is back by then."""

    class Stale(EngineCache):
        stale: Entry | None

        async def get_with_hash(self, key: str, *, consistent: bool = False) -> Entry | None:
            found = await super().get_with_hash(key, consistent=consistent)
            return found if consistent or len(self.requests) > 3 else self.stale

    for stale, view in itertools.product((Entry(b"null", b"hash"), None), (ALL_ORDERS, NO_REBUILD)):
        fresh = Stale()
        fresh.stale = stale
        fresh.put("all-orders", b'[{"id":"order-9","createdAt":"2027"}]')
        assert run(operations(stream, view), fresh).failures == ()
        assert rows(fresh, "all-orders") == ["order-9", "order-1"]


def swapped(*order_of_records: str) -> Sequence[Operation]:
    """Two items of a list's partition that change their rank in one transaction, in an order of their records."""
    stream = Stream()
    for name, rank in (("x", 1), ("y", 2)):
        stream.put({"pk": "cup", "sk": name, "rank": rank})
    written = len(stream.records)
    for name in order_of_records:
        stream.put({"pk": "cup", "sk": name, "rank": {"x": 2, "y": 1}[name]})
    return plan(coalesce(decode(stream.event(written)).changes), settings(RANKS)).operations


RANKS: dict[str, Any] = {
    "ranking": {
        "kind": "list",
        "key": "ranking/{pk}",
        "member": "{rank}",
        "unique": True,
        "fields": {"rank": "rank", "sk": "sk"},
        "order_by": "rank",
        "descending": False,
        "rebuild_from": {"key_condition": {"pk": "{pk}"}},
    },
    "by_rank": {"kind": "item", "key": "rank/{rank}", "unique": True, "fields": {"sk": "sk"}},
}


@pytest.mark.parametrize("batches", [[["x", "y"]], [["y", "x"]], [["x"], ["y"]], [["y"], ["x"]]], ids=str)
def test_items_that_change_places_in_a_transaction_keep_them(cache: EngineCache, batches: list[list[str]]) -> None:
    cache.put("ranking/cup", b'[{"rank":1,"sk":"x"},{"rank":2,"sk":"y"}]')
    cache.put("rank/1", b'{"sk":"x"}')
    cache.put("rank/2", b'{"sk":"y"}')
    for batch in batches:
        assert run(swapped(*batch), cache).failures == ()
    assert json.loads(cache.get("ranking/cup") or b"") == [{"rank": 1, "sk": "y"}, {"rank": 2, "sk": "x"}]
    assert (cache.get("rank/1"), cache.get("rank/2")) == (b'{"sk":"y"}', b'{"sk":"x"}')


def test_an_items_own_entry_is_deleted_whatever_the_order_of_its_attributes(cache: EngineCache) -> None:
    stream = Stream()
    stream.put({"pk": "a", "sk": "m", "alias": "A", "map": {"one": 1, "two": 2}})
    stream.delete("a", "m")
    cache.put("A", b'{"map":{"two":2,"one":1},"alias":"A","sk":"m","pk":"a"}')
    views: dict[str, Any] = {"whole": {"kind": "item", "key": "{alias}", "unique": True}}
    applied = run(plan(coalesce(decode(stream.event(1)).changes), settings(views)).operations, cache)
    assert cache.get("A") is None
    assert applied.counts["delete"] == 1


def test_an_entry_that_another_item_has_taken_over_is_left_alone(cache: EngineCache) -> None:
    stream = Stream()
    for name in ("one", "two"):
        stream.put({"pk": name, "sk": "m", "alias": name})
    for name in ("one", "two"):
        stream.delete(name, "m")
        cache.put(name, b'{"pk":"other"}')
    views: dict[str, Any] = {"whole": {"kind": "item", "key": "{alias}", "unique": True}}
    applied = run(plan(coalesce(decode(stream.event(2)).changes), settings(views)).operations, cache)
    assert cache.keys() == ["one", "two"]
    assert applied.counts == {"left_alone": 2}


def own_deletes(count: int) -> list[Operation]:
    """Deletes of entries that may be other items' by now."""
    stream = Stream()
    for number in range(count):
        stream.put(order(number))
    for number in range(count):
        stream.delete(f"order-{number}", "metadata")
    # This view does not show the whole key, so each delete has to compare.
    views = {"order": VIEWS["order"] | {"fields": {"n": "numItems"}}}
    return [*plan(coalesce(decode(stream.event(count)).changes), settings(views)).operations]


def test_entries_that_may_be_anothers_are_looked_at_together_and_deleted_at_once(cache: EngineCache) -> None:
    for number in range(40):
        cache.put(f"order-{number}", b'{"n":%d}' % (1 if number % 2 else 2))
    applied = run(own_deletes(40), cache)
    assert applied.failures == ()
    assert cache.looks == [CONCURRENCY, 40 - CONCURRENCY]
    assert cache.keys() == sorted(f"order-{number}" for number in range(0, 40, 2))
    assert applied.counts == {"delete": 20, "left_alone": 20}
    assert cache.most_under_way > CONCURRENCY // 2


def test_no_more_requests_than_may_be_are_under_way_where_many_are_found_to_be_due(cache: EngineCache) -> None:
    for number in range(200):
        cache.put(f"order-{number}", b'{"n":1}')
    applied = run(own_deletes(200), cache)
    assert applied.counts == {"delete": 200}
    assert cache.most_under_way == CONCURRENCY


def test_no_request_looks_at_more_entries_than_there_are_operations_in_a_second(cache: EngineCache) -> None:
    cache.pace = Pace(3)
    began = cache.clock()
    run(own_deletes(8), cache)
    assert cache.looks == [3, 3, 2]
    assert cache.clock() - began == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("error", "looks"),
    [
        (RefusedError("one of these"), [8, 4, 2, 2, 1, 1, 4]),
        (TransientError("too slow"), [8, 4, 2, 2, 1, 1, 1, 1, 1, 1, 4]),
    ],
)
def test_an_entry_that_momento_does_not_read_fails_alone(
    cache: EngineCache, error: CacheError, looks: list[int]
) -> None:
    def refuse_one(name: str, key: str) -> None:
        if (name, key) == ("look", "order-3"):
            raise error

    for number in range(8):
        cache.put(f"order-{number}", b'{"n":1}')
    cache.before = refuse_one
    applied = run(own_deletes(8), cache)
    assert [(failure.operation.key, failure.reason) for failure in applied.failures] == [("order-3", str(error))]
    assert cache.keys() == ["order-3"]
    assert cache.looks == looks


def test_a_look_that_momento_refuses_is_halved_at_once(cache: EngineCache) -> None:
    refuse(cache, "look", RefusedError("one of these"), times=1)
    began = cache.clock()
    assert run(own_deletes(2), cache).failures == ()
    assert cache.looks == [2, 1, 1]
    assert cache.clock() == began


def test_a_look_is_made_again_while_momento_may_answer_the_next_time(cache: EngineCache) -> None:
    cache.put("order-0", b'{"n":1}')
    refuse(cache, "look", TransientError("throttled"), times=2)
    began = cache.clock()
    assert run(own_deletes(1), cache).counts == {"delete": 1, "retry": 2}
    assert cache.clock() - began == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("error", "looks"), [(TransientError("throttled"), [3, 2] + 19 * [1]), (CacheError("down"), [3])]
)
def test_entries_that_could_not_be_looked_at_are_not_deleted(
    cache: EngineCache, error: Exception, looks: list[int]
) -> None:
    for number in range(3):
        cache.put(f"order-{number}", b'{"n":1}')
    refuse(cache, "look", error)
    applied = run(own_deletes(3), cache)
    assert [(failure.operation.key, failure.reason) for failure in applied.failures] == [
        (f"order-{number}", str(error)) for number in range(3)
    ]
    assert len(cache.keys()) == 3
    assert cache.looks == looks


def test_entries_for_whose_look_there_is_no_time_are_not_deleted(cache: EngineCache) -> None:
    applied = run(own_deletes(3), cache, seconds=0.5)
    assert applied.counts == {"out_of_time": 3}
    assert len(applied.failures) == 3


def test_a_key_as_long_as_the_largest_entry_is_asked_for_and_a_longer_one_is_not() -> None:
    cache = EngineCache(limits=Limits(item_bytes=100))
    applied = run([DeleteEntry("order", "k" * 100, 1), DeleteEntry("order", "k" * 101, 2)], cache)
    assert cache.requests == [("delete", "k" * 100)]
    assert applied.counts == {"delete": 1, "too_big": 1}


def test_an_entry_that_may_be_anothers_is_compared_whatever_the_length_of_its_key() -> None:
    cache = EngineCache(limits=Limits(item_bytes=100))
    (delete,) = own_deletes(1)
    applied = run([structs.replace(delete, key="k" * 100), structs.replace(delete, key="k" * 101)], cache)
    assert cache.requests == [("look", "k" * 100)]
    assert applied.counts == {"left_alone": 1, "too_big": 1}


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


def test_a_rebuild_leaves_out_an_item_that_the_view_can_not_show_and_counts_it(
    cache: EngineCache, stream: Stream
) -> None:
    broken = image(order(2)) | {"numItems": {"N": "secret"}}
    applied = run(operations(stream, ALL_ORDERS), cache, MemoryTable([broken, image(order(3))]))
    assert applied.failures == ()
    assert rows(cache, "all-orders") == ["order-3", "order-1"]
    assert applied.counts["row_rejected"] == 1


def test_every_rebuild_and_every_row_left_out_is_counted(cache: EngineCache) -> None:
    stream = Stream()
    for creator in ("ann", "bob"):
        stream.put(order(1, creator=creator) | {"pk": creator})
    broken = [image(order(number, creator="ann")) | {"numItems": {"N": "secret"}} for number in (2, 3)]
    table = MemoryTable([*broken, image(order(4, creator="bob"))])
    applied = run(operations(stream, {"creator_orders": VIEWS["creator_orders"]}), cache, table)
    assert applied.counts == {"list_read": 2, "list_rebuild": 2, "row_rejected": 2, "list_update": 2}


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
        stream.delete(f"order-{number}", "metadata")
    run(operations(stream, {"order": VIEWS["order"] | {"key": "{pk}#{sk}"}}), cache)
    assert cache.requests == [("delete", f"order-{number}#metadata") for number in range(100)]
    assert cache.most_under_way == CONCURRENCY


def test_entries_are_set_together_at_the_place_of_the_first(cache: EngineCache) -> None:
    stream = Stream()
    stream.put(order(0))
    stream.delete("order-0", "metadata")
    for number in range(1, 101):
        stream.put(order(number))
    run(operations(stream, {"order": VIEWS["order"]}), cache)
    assert cache.batches == [100]
    assert [name for name, _ in cache.requests].index("set") <= 1


def test_a_batch_holds_no_more_than_its_bytes_but_one_entry_at_least(cache: EngineCache) -> None:
    stream = Stream()
    for number, size in enumerate((BATCH_BYTES, 10, BATCH_BYTES // 2, BATCH_BYTES // 2, 10)):
        stream.put(order(number, items=["x" * size]))
    run(operations(stream, {"order": VIEWS["order"]}), cache)
    assert cache.batches == [1, 2, 2]


def test_a_batch_is_full_with_its_last_byte(cache: EngineCache) -> None:
    def entry(number: int, size: int) -> SetEntry:
        return SetEntry("order", f"{number}", number, b"v" * (size - 1), 600)

    run([entry(1, BATCH_BYTES // 2), entry(2, BATCH_BYTES // 2), entry(3, 10)], cache)
    run([entry(1, BATCH_BYTES // 2), entry(2, BATCH_BYTES // 2 + 1), entry(3, 10)], cache)
    assert cache.batches == [2, 1, 1, 2]


def test_of_a_batch_that_is_written_in_part_only_the_rest_is_tried_again(cache: EngineCache) -> None:
    stream = Stream()
    for number in range(8):
        stream.put(order(number))
    refused = {f"order-{number}" for number in range(5)}

    def once(name: str, key: str) -> None:
        if key in refused:
            refused.remove(key)
            raise TransientError("throttled")

    cache.before = once
    applied = run(operations(stream, {"order": VIEWS["order"]}), cache)
    assert applied.failures == ()
    assert applied.counts == {"set": 8, "retry": 1}
    assert cache.batches == [8, 3, 2]


def test_a_batch_that_momento_does_not_take_is_halved_until_it_does(cache: EngineCache) -> None:
    stream = Stream()
    for number in range(32):
        stream.put(order(number))

    class Throttled(EngineCache):
        async def set_many(self, entries: Sequence[SetEntry]) -> Sequence[CacheError | None]:
            if len(entries) > 5:
                self.batches.append(len(entries))
                raise TransientError("more at once than Momento takes in a second")
            return await super().set_many(entries)

    throttled = Throttled()
    applied = run(operations(stream, {"order": VIEWS["order"]}), throttled)
    assert applied.failures == ()
    assert throttled.batches[:4] == [32, 16, 8, 4]
    assert applied.counts["set"] == 32


def test_a_batch_that_momento_never_takes_fails_for_the_reason_that_it_gives(stream: Stream) -> None:
    class Throttled(EngineCache):
        async def set_many(self, *_: Any) -> Any:
            raise TransientError("throttled")

    stream.put(order(2))
    applied = run(operations(stream, {"order": VIEWS["order"]}), Throttled())
    assert [failure.reason for failure in applied.failures] == ["throttled"] * 2


def test_an_entry_that_has_its_whole_batch_refused_fails_alone() -> None:
    class Picky(EngineCache):
        async def set_many(self, entries: Sequence[SetEntry]) -> Sequence[CacheError | None]:
            if any(entry.key == "order-3" for entry in entries):
                raise RefusedError("one of these")
            return await super().set_many(entries)

    stream = Stream()
    for number in range(8):
        stream.put(order(number))
    picky = Picky()
    applied = run(operations(stream, {"order": VIEWS["order"]}), picky)
    assert [(failure.operation.key, failure.reason) for failure in applied.failures] == [("order-3", "one of these")]
    assert picky.keys() == [f"order-{number}" for number in range(8) if number != 3]
    assert picky.batches == [2, 1, 4]
    assert "retry" not in applied.counts


def test_a_batch_that_is_refused_has_no_more_attempts_than_any_other(stream: Stream) -> None:
    class Picky(EngineCache):
        async def set_many(self, entries: Sequence[SetEntry]) -> Sequence[CacheError | None]:
            self.batches.append(len(entries))
            raise RefusedError("one of these") if len(entries) == 2 else TransientError("throttled")

    for number in (2, 3, 4):
        stream.put(order(number))
    picky = Picky()
    applied = run(operations(stream, {"order": VIEWS["order"]}), picky)
    assert [failure.reason for failure in applied.failures] == ["throttled"] * 4
    # The first attempt was that of all four.
    alone = [1] * (ATTEMPTS - 1)
    assert picky.batches == [4, 2, *alone, *alone, 2, *alone, *alone]


def test_what_can_not_be_written_of_a_batch_fails_alone(cache: EngineCache) -> None:
    stream = Stream()
    for number in range(8):
        stream.put(order(number))

    def refuse_one(name: str, key: str) -> None:
        if key == "order-3":
            raise CacheError("refused")

    cache.before = refuse_one
    applied = run(operations(stream, {"order": VIEWS["order"]}), cache)
    assert [failure.operation.key for failure in applied.failures] == ["order-3"]
    assert cache.batches == [8]


def test_a_list_written_before_is_not_read_again(cache: EngineCache, stream: Stream) -> None:
    memory = Memory()
    cache.put("all-orders", b"[]")
    run(operations(stream, ALL_ORDERS), cache, memory=memory)
    stream.put(order(2))
    applied = run(operations(stream, ALL_ORDERS), cache, memory=memory)
    assert [name for name, _ in cache.requests] == ["get_with_hash", "set_if_hash", "set_if_hash"]
    assert rows(cache, "all-orders") == ["order-2", "order-1"]
    assert "list_read" not in applied.counts


@pytest.mark.parametrize("meanwhile", [b'[{"id":"order-9","createdAt":"2027"}]', b"null", None])
def test_a_list_that_somebody_else_changed_is_read_though_it_was_written_before(
    cache: EngineCache, stream: Stream, meanwhile: bytes | None
) -> None:
    memory = Memory()
    cache.put("all-orders", b"[]")
    run(operations(stream, ALL_ORDERS), cache, memory=memory)
    if meanwhile is None:
        cache.engine.evict(doubles.CACHE, b"all-orders")
    else:
        cache.put("all-orders", meanwhile)
    stream.put(order(2))
    run(operations(stream, ALL_ORDERS), cache, MemoryTable([image(order(8)), image(order(2))]), memory=memory)
    expected = {b"null": None, None: ["order-8", "order-2", "order-1"]}.get(
        meanwhile, ["order-9", "order-2", "order-1"]
    )
    assert cache.get("all-orders") == b"null" if expected is None else rows(cache, "all-orders") == expected


def test_what_is_remembered_of_lists_has_a_bound() -> None:
    memory = Memory(megabytes=128)
    assert memory.remembered_bytes == 16_000_000
    for number in range(5):
        many = dict.fromkeys(map(str, range(1_000)), b"{}")
        written = Stored(b"hash", many, memory.remembered_bytes // 3 - 1_000 * ROW_BYTES)
        memory.remember(f"list-{number}", written)
    assert [memory.recall(f"list-{number}") is not None for number in range(5)] == [False, False, True, True, True]
    assert memory.recall("list-4") is None


def a_list(size: int, rows: int = 1_000) -> Stored:
    """A list that takes so much memory with its rows."""
    return Stored(b"hash", dict.fromkeys(map(str, range(rows)), b"{}"), size - rows * ROW_BYTES)


def test_lists_are_remembered_up_to_the_last_byte_of_their_share() -> None:
    memory = Memory(megabytes=8)
    assert memory.recall("none") is None
    for name in ("first", "second"):
        memory.remember(name, a_list(500_000))
    assert memory.recall("first") is not None
    memory.remember("third", a_list(500_001))
    assert [memory.recall(name) is not None for name in ("second", "third")] == [False, True]


def test_a_list_that_is_written_again_is_remembered_once() -> None:
    memory = Memory(megabytes=8)
    for name in ("other", "same", "same", "same"):
        memory.remember(name, a_list(500_000))
    assert memory.recall("other") is not None
    assert memory.recall("same") is not None


class AtOnce:
    """Counts how many are at something at once, and the most that were."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def at(self, something: Awaitable[T]) -> T:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await something
        finally:
            self.now -= 1


class CountingCache(EngineCache):
    """Counts the lists that are being read, and written, which takes longer."""

    def __init__(self) -> None:
        super().__init__()
        self.reads, self.writes = AtOnce(), AtOnce()

    async def get_with_hash(self, key: str, *, consistent: bool = False) -> Entry | None:
        return await self.reads.at(super().get_with_hash(key, consistent=consistent))

    async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bytes | None:
        return await self.writes.at(self._set_slowly(key, value, ttl_seconds, expected))

    async def _set_slowly(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bytes | None:
        await asyncio.sleep(0.1)
        return await super().set_if_hash(key, value, ttl_seconds, expected)


class CountingTable(MemoryTable):
    """Counts the lists of which the first page is being read, and another one."""

    def __init__(self, images: Iterable[Mapping[str, Any]]) -> None:
        super().__init__(images)
        self.first, self.other = AtOnce(), AtOnce()

    async def query(self, source: RebuildFrom, condition: Mapping[str, Any], after: Mapping[str, Any] | None) -> Page:
        return await (self.other if after else self.first).at(super().query(source, condition, after))


def updates_of_lists(count: int) -> Sequence[Operation]:
    stream = Stream()
    for number in range(count):
        stream.put(order(number, creator=f"creator-{number}"))
    return operations(stream, {"creator_orders": VIEWS["creator_orders"]})


@pytest.mark.parametrize(("megabytes", "at_once"), [(64, 1), (128, 2), (512, 8), (1_024, 17)])
def test_lists_that_are_read_take_no_more_than_their_share_of_the_memory(megabytes: int, at_once: int) -> None:
    """One that was never seen may be 5 MB."""
    cache = CountingCache()
    for number in range(20):
        cache.put(f"creator-{number}", b"[]")
    assert run(updates_of_lists(20), cache, memory=Memory(megabytes)).failures == ()
    # Once it is read, its size is known: all of these are small.
    assert (cache.reads.most, cache.writes.most) == (at_once, 20)


@pytest.mark.parametrize(("megabytes", "at_once"), [(64, 1), (128, 2), (512, 8)])
def test_lists_that_are_away_take_no_more_when_they_are_read_again(megabytes: int, at_once: int) -> None:
    """They may have come back meanwhile, as large as any."""

    class SlowerWhenConsistent(CountingCache):
        async def get_with_hash(self, key: str, *, consistent: bool = False) -> Entry | None:
            return await self.reads.at(self._read(key, consistent=consistent))

        async def _read(self, key: str, *, consistent: bool) -> Entry | None:
            await asyncio.sleep(0.1 if consistent else 0.01)
            return await EngineCache.get_with_hash(self, key, consistent=consistent)

    cache = SlowerWhenConsistent()
    stream = Stream()
    for number in range(20):
        stream.put(order(number, creator=f"creator-{number}"))
    applied = run(operations(stream, {"mine": LIST | {"key": "{creator}"}}), cache, memory=Memory(megabytes))
    assert applied.counts["list_absent"] == 20
    assert cache.reads.most == at_once


@pytest.mark.parametrize(("megabytes", "at_once"), [(32, 1), (128, 2), (512, 9)])
def test_lists_that_are_made_take_no_more_than_their_share_of_the_memory(megabytes: int, at_once: int) -> None:
    """A list takes six times its size while it is written."""
    cache, memory = CountingCache(), Memory(megabytes)
    row = json.dumps({"id": "order-x", "createdAt": "2020", "more": "x" * 749_900}).encode()
    for number in range(20):
        cache.put(f"creator-{number}", b"[%b]" % row)
        memory.see(f"creator-{number}", len(row))
    assert run(updates_of_lists(20), cache, memory=memory).failures == ()
    assert cache.writes.most == at_once
    assert cache.reads.most > at_once


def test_a_list_that_was_read_is_counted_until_it_is_written() -> None:
    class Unfinished(EngineCache):
        lists: ClassVar[set[str]] = set()
        most = 0

        async def get_with_hash(self, key: str, *, consistent: bool = False) -> Entry | None:
            self.lists.add(key)
            self.most = max(self.most, len(self.lists))
            return await super().get_with_hash(key, consistent=consistent)

        async def set_if_hash(self, key: str, value: bytes, ttl_seconds: int, expected: bytes) -> bytes | None:
            # Long enough for any other list to be read meanwhile.
            await asyncio.sleep(0.1)
            hashed = await super().set_if_hash(key, value, ttl_seconds, expected)
            self.lists.remove(key)
            return hashed

    cache = Unfinished()
    row = json.dumps({"id": "order-x", "createdAt": "2020", "more": "x" * 4_000_000}).encode()
    for number in range(5):
        cache.put(f"creator-{number}", b"[%b]" % row)
    # Room to read two of 5 MB, and to write one.
    assert run(updates_of_lists(5), cache, memory=Memory(128)).failures == ()
    assert cache.most == 2


def test_the_size_of_a_list_is_known_once_it_was_read(cache: EngineCache, stream: Stream) -> None:
    memory = Memory()
    cache.put("all-orders", b"[]")
    refuse(cache, "set_if_hash", CacheError("down"))
    run(operations(stream, ALL_ORDERS), cache, memory=memory)
    assert memory.expected("all-orders") == 2


def test_of_so_many_lists_the_size_is_known_and_of_the_first_it_is_forgotten() -> None:
    memory = Memory()
    for number in range(KNOWN_SIZES):
        memory.see(f"list-{number}", number + 1)
    assert memory.expected("list-0") == 1
    memory.see("list-0", 5)
    memory.see("another", 7)
    assert [memory.expected(key) for key in ("list-0", "list-1", "list-2", "another")] == [5, None, 3, 7]


@pytest.mark.parametrize(("megabytes", "at_once"), [(32, 1), (128, 2), (512, 9)])
def test_lists_that_are_remembered_take_no_more_than_their_share_of_the_memory(megabytes: int, at_once: int) -> None:
    cache, memory = CountingCache(), Memory(megabytes)
    memory.remembered_bytes = 20 * 1_000_000
    row = json.dumps({"id": "order-x", "createdAt": "2020", "more": "x" * 749_000}).encode()
    for number in range(20):
        cache.put(f"creator-{number}", b"[%b]" % row)
    run(updates_of_lists(20), cache, memory=memory)
    cache.reads.most = cache.writes.most = 0
    assert run(updates_of_lists(20), cache, memory=memory).failures == ()
    assert (cache.reads.most, cache.writes.most) == (0, at_once)


@pytest.mark.parametrize(("megabytes", "first", "other"), [(32, 1, 1), (128, 1, 1), (512, 7, 1), (1_024, 14, 2)])
def test_lists_that_are_rebuilt_take_no_more_than_their_share_of_the_memory(
    megabytes: int, first: int, other: int
) -> None:
    """A page is up to 1 MB. A list of more than one page may grow to 5 MB."""
    table = CountingTable(
        image(order(1_000 + number, creator=f"creator-{number % 20}", items=[])) for number in range(60)
    )
    cache = CountingCache()
    assert run(updates_of_lists(20), cache, table, memory=Memory(megabytes)).failures == ()
    assert all(len(rows(cache, f"creator-{number}")) == 4 for number in range(20))
    assert len(table.queries) == 20
    assert (table.first.most, table.other.most) == (first, other)


def test_one_list_after_the_other_is_rebuilt_where_the_memory_has_room_for_one() -> None:
    """A list of several pages keeps its room until it is whole: its rows stay in memory from page to page."""

    class Ordered(MemoryTable):
        further: ClassVar[list[str]] = []

        async def query(
            self, source: RebuildFrom, condition: Mapping[str, Any], after: Mapping[str, Any] | None
        ) -> Page:
            if after:
                self.further.append(str(condition))
            return await super().query(source, condition, after)

    table = Ordered(image(order(1_000 + number, creator=f"creator-{number % 3}", items=[])) for number in range(30))
    assert run(updates_of_lists(3), EngineCache(), table, memory=Memory(128)).failures == ()
    assert len(table.further) == 3 * 4
    assert len([*itertools.groupby(table.further)]) == 3


def test_a_list_that_is_remembered_takes_no_more_memory_than_it_is_long(cache: EngineCache) -> None:
    stream = Stream()
    for number in range(20):
        stream.put(order(number, creator=f"creator-{number}"))
        cache.put(f"creator-{number}", b"[]")
    memory = Memory(128)
    for _ in range(2):
        cache.most_under_way = 0
        run(operations(stream, {"creator_orders": VIEWS["creator_orders"]}), cache, memory=memory)
    assert cache.most_under_way == 20


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


def test_a_request_that_the_time_left_just_finishes_is_made(cache: EngineCache, stream: Stream) -> None:
    assert run(operations(stream, {"order": VIEWS["order"]}), cache, seconds=cache.request_seconds).failures == ()


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
            raise KeyRefusedError("momento.secret_arn")

    cache.before = only_the_new_key
    applied = run(operations(stream), cache)
    assert applied.failures == ()
    assert cache.renewals == applied.counts["key_renewal"] == 1


def test_the_time_that_a_new_key_took_counts(cache: EngineCache, stream: Stream) -> None:
    class Slow(EngineCache):
        async def renew(self) -> bool:
            await asyncio.sleep(self.renew_seconds)
            return True

    slow = Slow()
    refuse(slow, "set", KeyRefusedError("momento.secret_arn"))
    applied = run(operations(stream, {"order": VIEWS["order"]}), slow, seconds=2.5)
    assert len(slow.requests) == 1
    assert applied.counts["out_of_time"] == 1


def test_a_renewal_under_way_ends_with_the_batch_that_a_fault_of_our_own_ends(stream: Stream) -> None:
    class Slow(EngineCache):
        async def renew(self) -> bool:
            await asyncio.sleep(self.renew_seconds)
            return await super().renew()

    slow = Slow()

    def fail(name: str, key: str) -> None:
        raise KeyRefusedError("momento.secret_arn") if name == "set" else ZeroDivisionError

    slow.before = fail

    async def main() -> None:
        due = operations(stream, VIEWS)
        with pytest.raises(ExceptionGroup):
            await apply(due, slow, MemoryTable(), Memory(), clock=slow.clock, deadline=slow.clock() + 60)
        await asyncio.sleep(60)

    doubles.run(main(), slow.clock)
    assert slow.renewals == 0


def test_a_new_key_that_is_not_accepted_either_is_not_fetched_again(cache: EngineCache) -> None:
    stream = Stream()
    for number in range(3):
        stream.put(order(number))
    refuse(cache, "set", KeyRefusedError("momento.secret_arn"))
    applied = run(operations(stream, {"order": VIEWS["order"]}), cache)
    assert len(applied.failures) == 3
    assert cache.renewals == 1


def test_the_secret_is_looked_at_once_in_a_batch_and_a_look_that_fails_is_named(cache: EngineCache) -> None:
    class Down(EngineCache):
        async def renew(self) -> bool:
            await super().renew()
            raise TransientError("the secret cannot be read")

    down = Down()
    stream = Stream()
    for number in range(3):
        stream.put(order(number))
        stream.delete(f"order-{number}", "metadata")
    refuse(down, "delete", KeyRefusedError("momento.secret_arn"))
    applied = run(operations(stream, {"order": VIEWS["order"] | {"key": "{pk}#{sk}"}}), down)
    assert [failure.reason for failure in applied.failures] == ["the secret cannot be read"] * 3
    assert down.renewals == applied.counts["key_renewal"] == 1


def test_what_is_asked_again_with_a_new_key_waits_for_its_turn(cache: EngineCache) -> None:
    cache.pace = Pace(5)
    stream = Stream()
    for number in range(5):
        stream.put(order(number))
    refuse(cache, "set", KeyRefusedError("momento.secret_arn"), times=1)
    started = cache.clock()
    assert run(operations(stream, {"order": VIEWS["order"]}), cache).counts["set"] == 5
    assert cache.clock() - started == pytest.approx(1.0)
    assert cache.pace.wait(cache.clock()) == pytest.approx(1.0)


def test_where_the_secret_holds_the_same_key_momentos_own_answer_is_told(cache: EngineCache, stream: Stream) -> None:
    class Same(EngineCache):
        async def renew(self) -> bool:
            await super().renew()
            return False

    same = Same()
    refuse(same, "set", KeyRefusedError("momento.cache_name: there is no cache"))
    applied = run(operations(stream, {"order": VIEWS["order"]}), same)
    assert [failure.reason for failure in applied.failures] == ["momento.cache_name: there is no cache"]
    assert len(same.requests) == 1


def test_a_key_that_time_does_not_allow_to_fetch_is_not_fetched(cache: EngineCache, stream: Stream) -> None:
    refuse(cache, "set", KeyRefusedError("momento.secret_arn"))
    applied = run(operations(stream, {"order": VIEWS["order"]}), cache, seconds=1.5)
    assert cache.renewals == 0
    assert applied.counts["out_of_time"] == 1


def test_no_operations_ask_nothing(cache: EngineCache) -> None:
    assert run((), cache) == Applied((), {})
    assert cache.requests == []


@pytest.mark.parametrize("view", ["order", "all_orders"])
def test_what_may_succeed_is_tried_again_after_pauses_that_double_up_to_a_longest(
    cache: EngineCache, stream: Stream, view: str
) -> None:
    started: list[float] = []

    def busy(name: str, key: str) -> None:
        started.append(cache.clock())
        raise TransientError("throttled")

    cache.before = busy
    applied = run(operations(stream, {view: VIEWS[view]}), cache)
    assert len(started) == ATTEMPTS
    pauses = [later - earlier for earlier, later in itertools.pairwise(started)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])
    assert applied.counts["retry"] == ATTEMPTS - 1
    assert [failure.reason for failure in applied.failures] == ["throttled"]


def test_a_pause_is_cut_short_by_chance(cache: EngineCache, stream: Stream) -> None:
    refuse(cache, "set", TransientError("throttled"), times=1)
    started = cache.clock()
    applying = apply(
        operations(stream, {"order": VIEWS["order"]}),
        cache,
        MemoryTable(),
        Memory(),
        clock=cache.clock,
        deadline=cache.clock() + 60,
        chance=lambda: 0.25,
    )
    assert doubles.run(applying, cache.clock).failures == ()
    assert cache.clock() - started == pytest.approx(0.025)


def test_one_failure_in_passing_is_no_failure(cache: EngineCache, stream: Stream) -> None:
    for name in ("set", "get_with_hash", "set_if_absent"):
        refuse(cache, name, TransientError("slow"), times=1)
        assert run(operations(stream), cache).failures == ()
    assert rows(cache, "all-orders") == ["order-1"]


class ThrottledTable(MemoryTable):
    """Refuses every other page, once each."""

    def __init__(self, images: Iterable[Mapping[str, Any]]) -> None:
        super().__init__(images)
        self.asked: list[Mapping[str, Any] | None] = []

    async def query(self, source: RebuildFrom, condition: Mapping[str, Any], after: Mapping[str, Any] | None) -> Page:
        self.asked.append(after)
        if len(self.asked) % 2:
            raise TransientError("rebuild_from: throttled")
        return await super().query(source, condition, after)


def test_a_throttled_page_is_asked_for_again_by_itself(cache: EngineCache, stream: Stream) -> None:
    table = ThrottledTable(image(order(number)) for number in range(2, 9))
    applied = run(operations(stream, ALL_ORDERS), cache, table)
    assert applied.failures == ()
    assert len(rows(cache, "all-orders")) == 8
    assert table.pages == 4
    assert (len(table.asked), applied.counts["retry"], applied.counts["list_rebuild"]) == (8, 4, 1)


def test_no_page_is_asked_for_again_that_the_time_left_cannot_finish(cache: EngineCache, stream: Stream) -> None:
    class Down(MemoryTable):
        request_seconds = 9.0

        async def query(self, *_: Any) -> Any:
            self.pages += 1
            raise TransientError("rebuild_from: throttled")

    table = Down()
    applied = run(operations(stream, ALL_ORDERS), cache, table, seconds=9.35)
    assert [failure.reason for failure in applied.failures] == ["rebuild_from: throttled"]
    assert table.pages == 3


def test_what_can_not_succeed_is_not_tried_again(cache: EngineCache, stream: Stream) -> None:
    refuse(cache, "set", CacheError("no such cache"))
    applied = run(operations(stream, {"order": VIEWS["order"]}), cache)
    assert len(cache.requests) == 1
    assert "retry" not in applied.counts


def test_no_retry_starts_that_the_time_left_can_not_finish(cache: EngineCache, stream: Stream) -> None:
    refuse(cache, "set", TransientError("throttled"))
    applied = run(operations(stream, {"order": VIEWS["order"]}), cache, seconds=cache.request_seconds + 0.35)
    assert len(cache.requests) == 3
    assert [failure.reason for failure in applied.failures] == ["throttled"]


def most_in_a_second(started: list[float]) -> int:
    return max(sum(at <= each < at + 1 - 1e-6 for each in started) for at in started)


@pytest.mark.parametrize("rate", [1, 4, 10, 50])
def test_no_second_holds_more_operations_than_it_may_from_batch_to_batch(cache: EngineCache, rate: float) -> None:
    cache.pace = Pace(rate)
    started: list[float] = []
    cache.before = lambda _name, _key: started.append(cache.clock())
    stream = Stream()
    for number in range(60):
        stream.put(order(number))
        if number % 3 == 0:
            stream.delete(f"order-{number}", "metadata")
    for _ in range(2):
        run(operations(stream, {"order": VIEWS["order"] | {"key": "{pk}#{sk}"}}), cache, seconds=600)
    assert len(started) == 120
    assert most_in_a_second(started) == rate
    assert started[-1] - started[0] <= 1.5 * 120 / rate


def test_retries_and_lists_count_as_what_they_ask(cache: EngineCache, stream: Stream) -> None:
    cache.pace = Pace(2)
    refuse(cache, "get_with_hash", TransientError("throttled"), times=1)
    started = cache.clock()
    run(operations(stream, ALL_ORDERS), cache)
    assert [name for name, _ in cache.requests] == ["get_with_hash", "get_with_hash", "set_if_absent"]
    assert cache.clock() - started == pytest.approx(1.0)


def test_a_request_whose_turn_would_come_too_late_is_not_made(cache: EngineCache) -> None:
    cache.pace = Pace(1)
    stream = Stream()
    for number in range(10):
        stream.put(order(number))
    applied = run(operations(stream, {"order": VIEWS["order"]}), cache, seconds=4.5)
    assert len(cache.requests) == 4
    assert applied.counts["out_of_time"] == 6
    assert [failure.operation.key for failure in applied.failures] == [f"order-{n}" for n in range(4, 10)]


@pytest.mark.parametrize(("seconds", "made"), [(4.9, 1), (5.0, 2)])
def test_a_request_that_is_held_back_while_it_waits_for_its_turn_is_made_after_that_in_time_or_not_at_all(
    cache: EngineCache, seconds: float, made: int
) -> None:
    cache.pace = Pace(1)
    # Long enough for the second request to wait while the first is made.
    cache.request_seconds = 2.0

    def replace_the_connection(name: str, key: str) -> None:
        if len(cache.requests) == 1:
            cache.pace.hold(cache.clock() + 3)

    cache.before = replace_the_connection
    started = cache.clock()
    applied = run([DeleteEntry("order", f"order-{n}", n) for n in range(2)], cache, seconds=seconds)
    assert len(cache.requests) == made
    assert applied.counts["out_of_time"] == 2 - made
    assert cache.clock() - started == pytest.approx({1: 1.0, 2: 3.0}[made])


def test_a_call_of_several_operations_counts_as_so_many() -> None:
    pace = Pace(100)
    assert pace.most == 100
    pace.take(75, 5.0)
    assert pace.wait(5.2, 25) == 0
    pace.take(25, 5.2)
    assert pace.wait(5.3) == pytest.approx(0.7)
    assert pace.wait(5.3, 80) == pytest.approx(0.9)
    assert pace.wait(6.1, 75) == 0


def test_a_call_is_no_longer_counted_a_second_after_it() -> None:
    pace = Pace(10)
    pace.take(5, 0.0)
    pace.take(5, 0.5)
    assert pace.wait(1.0, 5) == 0
    assert pace.wait(1.0, 6) == pytest.approx(0.5)


def test_a_call_waits_until_enough_of_those_before_it_are_no_longer_counted() -> None:
    pace = Pace(10)
    for operations, at in ((2, 0.0), (3, 0.2), (5, 0.4)):
        pace.take(operations, at)
    assert [pace.wait(0.5, operations) for operations in (2, 3, 5, 6)] == pytest.approx([0.5, 0.7, 0.7, 0.9])


def test_a_request_is_one_operation_unless_it_says_otherwise() -> None:
    pace = Pace(10)
    pace.take(9, 5.0)
    assert pace.wait(5.0) == 0


@pytest.mark.parametrize("rate", [None, 10])
def test_nothing_starts_before_the_time_that_it_is_held_until(rate: float | None) -> None:
    pace = Pace(rate)
    assert pace.held(5.0) == 0
    pace.hold(7.0)
    pace.hold(6.0)
    assert pace.held(5.0) == pace.wait(5.0) == pytest.approx(2.0)
    assert pace.held(7.5) == pace.wait(7.5) == 0


def test_a_call_that_has_to_wait_holds_back_those_behind_it() -> None:
    pace = Pace(10)
    pace.take(10, 5.0)
    pace.take(10, 5.0)
    assert pace.wait(5.0) == pytest.approx(2.0)


def test_a_call_of_several_operations_that_has_to_wait_counts_from_when_all_of_them_may_start() -> None:
    pace = Pace(10)
    for operations, at in ((5, 0.0), (5, 0.5), (8, 0.6)):
        pace.take(operations, at)
    assert pace.wait(1.6, 5) == pytest.approx(0.9)


def test_less_than_one_a_second_is_one_in_as_many_seconds() -> None:
    pace = Pace(0.25)
    pace.take(1, 5.0)
    assert pace.most == 1
    assert pace.wait(5.0) == pytest.approx(4.0)


def test_without_a_limit_nothing_waits() -> None:
    pace = Pace()
    pace.take(1_000_000, 5.0)
    assert pace.wait(5.0) == 0
    assert pace.at_once(0.001) == CONCURRENCY


@pytest.mark.parametrize(("rate", "at_once"), [(0.1, 1), (1, 2), (10, 11), (28, 31), (1_000, CONCURRENCY)])
def test_no_more_is_begun_than_the_pace_lets_go_on(rate: float, at_once: int) -> None:
    assert Pace(rate).at_once(1.1) == at_once


def test_requests_longer_than_the_pause_between_them_are_begun_at_once() -> None:
    assert Pace(0.5).at_once(3.0) == 2


def test_at_the_slowest_pace_every_attempt_finishes_a_list() -> None:
    cache = EngineCache()
    cache.pace = Pace(0.2)
    stream = Stream()
    for number in range(12):
        stream.put(order(number, creator=f"creator-{number}"))
    due = operations(stream, {"creator_orders": VIEWS["creator_orders"]})
    first = run(due, cache, seconds=59.5)
    assert first.counts["list_update"] == 6
    assert [failure.operation.key for failure in first.failures][:1] == ["creator-6"]


@pytest.mark.parametrize("throttled", [0, 1])
def test_at_a_pace_what_was_begun_goes_on_before_more_is_begun(cache: EngineCache, throttled: int) -> None:
    cache.pace = Pace(10)
    cache.put("all-orders", b"[]")
    refuse(cache, "set_if_hash", TransientError("busy"), times=throttled)
    stream = Stream()
    for number in range(200):
        stream.put(order(number))
    due = operations(stream, NO_REBUILD | {"order": VIEWS["order"]})
    first = run(due, cache, seconds=10)
    assert first.counts["list_update"] == 1
    # Two of the hundred are the list's. The last second is the requests' bound.
    assert first.counts["set"] >= 80
    assert min(failure.operation.lowest for failure in first.failures) >= 80


def test_a_key_longer_than_momento_allows_has_no_entry_and_asks_nothing(cache: EngineCache) -> None:
    views = {
        "item": {"kind": "item", "key": "{creator}{status}{pk}".replace("}{", "}#{"), "unique": True},
        "list": NO_REBUILD["all"] | {"key": "{creator}"},
    }
    stream = Stream()
    stream.put(order(1, creator="ü" * 2_500_200))
    stream.put(order(1, creator="ann"))
    applied = run(operations(stream, views), cache)
    assert applied.failures == ()
    assert applied.counts["too_big"] == 2
    assert {key for _, key in cache.requests} == {"ann#WAITING#order-1", "ann"}


def test_an_entry_weighs_what_its_key_and_its_value_do(stream: Stream) -> None:
    view = {"order": VIEWS["order"] | {"fields": {"n": "numItems"}}}
    exact = EngineCache(limits=Limits(item_bytes=len("order-1") + len('{"n":1}')))
    assert run(operations(stream, view), exact).counts["set"] == 1
    smaller = EngineCache(limits=Limits(item_bytes=exact.max_item_bytes - 1))
    assert run(operations(stream, view), smaller).counts["too_big"] == 1


FIRST_TWO = {"all": NO_REBUILD["all"] | {"limit": 2}}
FIRST_TWO_OF_INDEX = {"all": VIEWS["all_orders"] | {"limit": 2}}
FIRST_TWO_OF_TABLE = {
    "all": FIRST_TWO["all"]
    | {"key": "{pk}", "member": "{createdAt}", "rebuild_from": {"key_condition": {"pk": "{pk}"}}}
}


def test_a_list_is_cut_at_its_limit(cache: EngineCache) -> None:
    cache.put("all-orders", b"[]")
    stream = Stream()
    for number in (3, 1, 2):
        stream.put(order(number))
    run(operations(stream, FIRST_TWO), cache)
    assert rows(cache, "all-orders") == ["order-3", "order-2"]


def removal(number: int) -> Stream:
    stream = Stream()
    stream.put(order(number))
    stream.delete(f"order-{number}", "metadata")
    del stream.records[0]
    return stream


def cut_at_two(cache: EngineCache, views: dict[str, Any]) -> None:
    stream = Stream()
    for number in (1, 2, 3):
        stream.put(order(number))
    cache.put("all-orders", b"[]")
    run(operations(stream, views), cache)
    cache.requests.clear()


def test_a_cut_list_that_loses_a_row_is_taken_away_where_it_can_not_be_rebuilt(cache: EngineCache) -> None:
    cut_at_two(cache, FIRST_TWO)
    applied = run(operations(removal(3), FIRST_TWO), cache)
    assert cache.get("all-orders") == b"null"
    assert applied.counts == {"list_read": 1, "list_cut": 1}
    assert not applied.failures
    cache.clock.now += 5
    assert cache.get("all-orders") is None


def test_a_cut_list_that_loses_a_row_is_rebuilt_once_the_index_can_not_lag(cache: EngineCache) -> None:
    cut_at_two(cache, FIRST_TWO_OF_INDEX)
    table = MemoryTable([image(order(number)) for number in (1, 2)])
    started = cache.clock()
    applied = run(operations(removal(3), FIRST_TWO_OF_INDEX), cache, table)
    assert rows(cache, "all-orders") == ["order-2", "order-1"]
    assert cache.clock() - started == pytest.approx(5)
    assert applied.counts == {"list_read": 2, "list_cut": 1, "list_rebuild": 1, "list_update": 1}


def test_lists_that_wait_for_their_index_hold_nothing_back(cache: EngineCache) -> None:
    creators = [f"creator-{number}" for number in range(3 * CONCURRENCY)]
    views = {"creator_orders": VIEWS["creator_orders"] | {"limit": 1}, "order": VIEWS["order"] | {"key": "{pk}#{sk}"}}
    stream = Stream()
    for number, creator in enumerate(creators):
        cache.put(creator, b"[]")
        stream.put(order(2 * number, creator=creator))
        stream.put(order(2 * number + 1, creator=creator))
    table = MemoryTable([image(order(2 * number, creator=creator)) for number, creator in enumerate(creators)])
    run(operations(stream, views), cache, table)
    written = len(stream.records)
    for number in range(len(creators)):
        stream.delete(f"order-{2 * number + 1}", "metadata")
    del stream.records[:written]
    started = cache.clock()
    deleted: list[float] = []
    cache.before = lambda name, _: deleted.append(cache.clock() - started) if name == "delete" else None
    applied = run(operations(stream, views), cache, table)
    assert not applied.failures
    assert deleted == [0] * len(creators)
    assert [rows(cache, creator) for creator in creators] == [[f"order-{2 * n}"] for n in range(len(creators))]
    assert cache.clock() - started == pytest.approx(5)


def test_a_cut_list_that_time_does_not_allow_to_rebuild_is_away_and_its_records_come_again(cache: EngineCache) -> None:
    cut_at_two(cache, FIRST_TWO_OF_INDEX)
    applied = run(operations(removal(3), FIRST_TWO_OF_INDEX), cache, seconds=4)
    assert cache.get("all-orders") == b"null"
    assert len(applied.failures) == 1


@pytest.mark.parametrize("reads", [0, 1])
def test_a_cut_list_of_the_table_itself_is_rebuilt_at_once(cache: EngineCache, reads: int) -> None:
    memory = Memory()
    # A list is remembered where it was written over the one before.
    cache.put("p", b"[]")
    stream = Stream("pk", "createdAt")
    for number in (1, 2, 3):
        stream.put(order(number) | {"pk": "p"})
    run(operations(stream, FIRST_TWO_OF_TABLE), cache, MemoryTable(), memory=memory)
    stream.delete("p", order(3)["createdAt"])
    started = cache.clock()
    table = MemoryTable([image(item) for item in stream.items.values()])
    applied = run(
        operations(only_the_last(stream), FIRST_TWO_OF_TABLE), cache, table, memory=Memory() if reads else memory
    )
    assert [row["createdAt"] for row in json.loads(cache.get("p") or b"")] == [order(n)["createdAt"] for n in (2, 1)]
    assert table.queries == [(None, {"pk": {"S": "p"}})]
    assert cache.clock() == started
    assert [applied.counts[name] for name in ("list_read", "list_rebuild", "list_update")] == [reads, 1, 1]


def only_the_last(stream: Stream) -> Stream:
    del stream.records[:-1]
    return stream


def test_a_rebuild_keeps_only_as_many_rows_as_the_limit_takes(cache: EngineCache, stream: Stream) -> None:
    table = MemoryTable([image(order(number)) for number in range(2, 30)])
    run(operations(stream, FIRST_TWO_OF_INDEX), cache, table)
    assert rows(cache, "all-orders") == ["order-29", "order-28"]


def test_a_limited_rebuild_of_a_partition_far_over_momentos_limit_is_whole(cache: EngineCache, stream: Stream) -> None:
    table = MemoryTable([image(order(number, numItems=BIG)) for number in range(2, 60)])
    run(operations(stream, FIRST_TWO_OF_INDEX), cache, table)
    assert rows(cache, "all-orders") == ["order-59", "order-58"]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_limited_rebuild_is_the_same_whatever_the_order_of_the_index(cache: EngineCache, reverse: bool) -> None:
    stream = Stream()
    stream.put(order(1))
    images = [image(order(number, numItems=BIG if number < 42 else 1)) for number in range(2, 62)]
    table = MemoryTable(images[::-1] if reverse else images)
    run(operations(stream, {"all": FIRST_TWO_OF_INDEX["all"] | {"limit": 20}}), cache, table)
    assert rows(cache, "all-orders") == [f"order-{number}" for number in range(61, 41, -1)]


def test_a_limited_rebuild_that_is_too_big_all_the_same_is_cleared(cache: EngineCache, stream: Stream) -> None:
    table = MemoryTable([image(order(number, numItems=BIG)) for number in range(2, 100)])
    run(operations(stream, {"all": FIRST_TWO_OF_INDEX["all"] | {"limit": 30}}), cache, table)
    assert cache.get("all-orders") == b"null"


def test_a_limited_rebuild_goes_on_where_the_rows_of_the_batch_may_take_the_place_of_those_too_big(
    cache: EngineCache,
) -> None:
    stream = Stream()
    for number in range(61, 71):
        stream.put(order(number))
    table = MemoryTable([image(order(number, numItems=BIG)) for number in range(1, 61)])
    run(operations(stream, {"all": FIRST_TWO_OF_INDEX["all"] | {"limit": 20}}), cache, table)
    assert rows(cache, "all-orders") == [f"order-{number}" for number in range(70, 50, -1)]


class Tedious(MemoryTable):
    """A table on one page, whose items take a tenth of a second each to be looked at."""

    def __init__(self, images: Iterable[Image], clock: Clock) -> None:
        super().__init__(images)
        self._clock = clock

    async def query(self, source: RebuildFrom, condition: Mapping[str, Any], after: Mapping[str, Any] | None) -> Page:
        images: list[Image] = []
        while True:
            page = await super().query(source, condition, after)
            images += page.images
            after = page.after
            if after is None:
                return Page(TediousImages(images, self._clock), None)


class TediousImages(Sequence[Image]):
    def __init__(self, images: Sequence[Image], clock: Clock) -> None:
        self._images = images
        self._clock = clock

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, place: Any) -> Any:
        self._clock.now += 0.1
        return self._images[place]


def test_a_rebuild_whose_items_take_too_long_ends_with_the_invocations_time() -> None:
    cache = EngineCache()
    stream = Stream()
    stream.put(order(1))
    started = cache.clock()
    views = {"creator_orders": VIEWS["creator_orders"]}
    applied = run(
        operations(stream, views), cache, Tedious([image(order(number)) for number in range(100, 1_100)], cache.clock)
    )
    assert applied.counts["out_of_time"] == 1
    assert 55 < cache.clock() - started <= 60


def test_a_rebuild_that_takes_long_lets_other_requests_have_their_turn(cache: EngineCache) -> None:
    stream = Stream()
    stream.put(order(1))
    due = [*operations(stream, {"creator_orders": VIEWS["creator_orders"]}), DeleteEntry("order", "order-0", 9)]
    started = cache.clock()
    deleted: list[float] = []

    def throttle_the_first(name: str, key: str) -> None:
        if name == "delete":
            deleted.append(cache.clock() - started)
            if len(deleted) == 1:
                raise TransientError("busy")

    cache.before = throttle_the_first
    applied = run(due, cache, Tedious([image(order(number)) for number in range(100, 200)], cache.clock))
    assert applied.failures == ()
    assert cache.clock() - started > 5
    assert deleted[1] < 1


def test_a_rebuild_ends_with_the_invocations_time_amid_an_item_that_takes_too_long_to_match() -> None:
    cache = EngineCache()
    started = cache.clock.now

    def clock() -> float:
        cache.clock.now += 0.2
        return cache.clock.now

    # Of 450,000 tests, so that the time is looked at 450 times.
    where = {"$or": [{"tags": [{"exists": False}]}, *({"tags": [{"prefix": f"y{number}"}]} for number in range(25))]}
    stream = Stream()
    stream.put(order(1))
    update = operations(stream, {"creator_orders": VIEWS["creator_orders"] | {"where": where}})
    table = MemoryTable([image(order(2, tags=["x"] * 18_000))])
    applying = apply(update, cache, table, Memory(), clock=clock, deadline=started + 60, chance=lambda: 1.0)
    applied = doubles.run(applying, cache.clock)
    assert applied.counts["out_of_time"] == 1
    assert 50 < cache.clock.now - started <= 60


def test_a_limited_rebuild_goes_on_where_the_batch_may_replace_all_of_it() -> None:
    cache = EngineCache(limits=Limits(item_bytes=1_000))
    stream = Stream()
    stream.put(order(1))
    table = MemoryTable([*(image(order(number, numItems="x" * 1_500)) for number in range(2, 9)), image(order(9))])
    run(operations(stream, {"all": FIRST_TWO_OF_INDEX["all"] | {"limit": 1}}), cache, table)
    assert rows(cache, "all-orders") == ["order-9"]


def test_a_row_that_the_batch_replaces_takes_no_place_in_a_limited_rebuild(cache: EngineCache) -> None:
    """The index lags: it has the item where it was before, ahead of all others."""
    stream = Stream()
    stream.put(order(1))
    lagging = image(order(1, createdAt="2999"))
    table = MemoryTable([lagging, *(image(order(number)) for number in (4, 3, 2))])
    run(operations(stream, {"all": VIEWS["all_orders"] | {"limit": 1}}), cache, table)
    assert rows(cache, "all-orders") == ["order-4"]


def test_a_limited_rebuild_holds_no_more_rows_than_momento_takes() -> None:
    class Measured(MemoryTable):
        """Makes its images anew for each page, so that only the rebuild can keep them."""

        most = 0

        async def query(
            self, source: RebuildFrom, condition: Mapping[str, Any], after: Mapping[str, Any] | None
        ) -> Page:
            self.most = max(self.most, tracemalloc.get_traced_memory()[0])
            page = await super().query(source, condition, after)
            return Page([{**each, "numItems": {"S": "x" * 100_000}} for each in page.images], page.after)

    cache = EngineCache(limits=Limits(item_bytes=1_000_000))
    stream = Stream()
    stream.put(order(1))
    table = Measured([image(order(number)) for number in range(2, 202)])
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        run(operations(stream, {"all": FIRST_TWO_OF_INDEX["all"] | {"limit": 1_000}}), cache, table)
    finally:
        tracemalloc.stop()
    # All rows are 20 MB.
    assert table.most - before < 8_000_000
    assert cache.get("all-orders") == b"null"


def test_a_rebuild_shows_another_item_in_the_place_of_the_one_that_leaves(cache: EngineCache) -> None:
    fields = {"id": "pk", "createdAt": "createdAt", "by": "creator"}
    view = {"all": VIEWS["all_orders"] | {"member": "{by}", "fields": fields}}
    run(operations(removal(1), view), cache, MemoryTable([image(order(2))]))
    assert rows(cache, "all-orders") == ["order-2"]


def test_a_row_removed_that_the_index_still_has_takes_no_place_in_a_limited_list(cache: EngineCache) -> None:
    table = MemoryTable([image(order(number)) for number in (5, 4, 3, 2, 1)])
    run(operations(removal(5), {"all": VIEWS["all_orders"] | {"limit": 1}}), cache, table)
    assert rows(cache, "all-orders") == ["order-4"]


def test_what_is_remembered_of_a_list_is_what_was_written(cache: EngineCache) -> None:
    memory = Memory()
    cache.put("all-orders", b"[]")
    for number in (1, 2, 3):
        stream = Stream()
        stream.put(order(number))
        run(operations(stream, ALL_ORDERS), cache, memory=memory)
    assert rows(cache, "all-orders") == ["order-3", "order-2", "order-1"]
    assert [name for name, _ in cache.requests].count("get_with_hash") == 1


def test_a_list_of_another_definition_is_rebuilt_once_the_index_cannot_lag(cache: EngineCache) -> None:
    cut_at_two(cache, FIRST_TWO_OF_INDEX)
    stream = Stream()
    stream.put(order(4))
    table = MemoryTable([image(order(number)) for number in (1, 2, 3, 4)])
    started = cache.clock()
    applied = run(operations(stream, {"all": VIEWS["all_orders"] | {"limit": 3}}), cache, table)
    assert rows(cache, "all-orders") == ["order-4", "order-3", "order-2"]
    assert cache.clock() - started == pytest.approx(5)
    # Looked at, and again once the index has all that the list had seen.
    assert applied.counts["list_redefined"] == 2


def test_no_list_of_another_definition_is_waited_for_longer_than_the_time_left(cache: EngineCache) -> None:
    cut_at_two(cache, FIRST_TWO_OF_INDEX)
    before = cache.get("all-orders")
    stream = Stream()
    stream.put(order(4))
    started = cache.clock()
    redefined = {"all": VIEWS["all_orders"] | {"limit": 3}}
    applied = run(operations(stream, redefined), cache, seconds=5 + cache.request_seconds - 0.1)
    assert applied.counts["out_of_time"] == 1
    assert cache.clock() == started
    assert cache.get("all-orders") == before
    run(operations(stream, redefined), cache, seconds=5 + cache.request_seconds)
    assert cache.clock() - started == pytest.approx(5)


def test_a_list_of_another_definition_of_the_table_itself_is_rebuilt_at_once(cache: EngineCache) -> None:
    stream = Stream("pk", "createdAt")
    for number in (1, 2, 3):
        stream.put(order(number) | {"pk": "p"})
    run(operations(stream, FIRST_TWO_OF_TABLE), cache, MemoryTable())
    stream.put(order(4) | {"pk": "p"})
    started = cache.clock()
    table = MemoryTable([image(item) for item in stream.items.values()])
    all_of_them = {"all": {name: each for name, each in FIRST_TWO_OF_TABLE["all"].items() if name != "limit"}}
    run(operations(only_the_last(stream), all_of_them), cache, table)
    shown = [row["createdAt"] for row in json.loads(cache.get("p") or b"")]
    assert shown == [order(number)["createdAt"] for number in (4, 3, 2, 1)]
    assert cache.clock() == started


def test_a_list_of_another_definition_is_cleared_where_it_cannot_be_rebuilt(cache: EngineCache) -> None:
    cut_at_two(cache, FIRST_TWO)
    stream = Stream()
    stream.put(order(4))
    applied = run(operations(stream, NO_REBUILD), cache)
    assert cache.get("all-orders") == b"null"
    assert applied.counts == {"list_read": 1, "list_redefined": 1, "list_cut": 1}
    assert not applied.failures
    cache.clock.now += 5
    assert cache.get("all-orders") is None


def test_items_whose_index_key_has_another_type_are_acknowledged_and_counted_without_a_list(cache: EngineCache) -> None:
    class Strict(MemoryTable):
        async def query(self, *_: Any) -> Page:
            raise NotAKeyError("the key is a number")

    applied = run(updates_of_lists(2), cache, Strict())
    assert not applied.failures
    assert applied.counts["not_a_key"] == 2
    assert cache.keys() == []


class OfTexts(MemoryTable):
    """A table whose index has a text for its key."""

    async def query(self, source: RebuildFrom, condition: Any, after: Any) -> Page:
        if "S" not in condition["creator"]:
            raise NotAKeyError("the key is a text")
        return await super().query(source, condition, after)


@pytest.mark.parametrize("creators", list(itertools.permutations(["5", 5, "5"])))
def test_a_list_that_is_named_alike_by_keys_of_two_types_is_rebuilt_for_the_items_that_its_index_holds(
    cache: EngineCache, creators: Sequence[Any]
) -> None:
    stream = Stream()
    for number, creator in enumerate(creators, 1):
        stream.put(order(number, creator=creator))
    table = OfTexts([image(order(9, creator="5"))])
    own_rows = VIEWS["creator_orders"] | {"member": "{id}/{sk}", "fields": {**ROW, "sk": "sk"}}
    applied = run(operations(stream, {"mine": own_rows}), cache, table)
    assert not applied.failures
    assert rows(cache, "5") == ["order-9", *(f"order-{number}" for number in (3, 2, 1) if creators[number - 1] == "5")]
    assert applied.counts["not_a_key"] == (creators[0] == 5)


def test_a_row_that_items_of_two_types_may_have_is_left_to_the_next_change(cache: EngineCache) -> None:
    stream = Stream()
    stream.put(order(1, creator=5))
    stream.put(order(2, creator="5"))
    applied = run(operations(stream, {"mine": VIEWS["creator_orders"]}), cache, OfTexts())
    assert applied.counts == {"list_read": 1, "list_rebuild": 1, "not_a_key": 1}
    assert cache.keys() == []


def test_a_list_that_a_reader_filled_gets_its_definition_with_the_next_write(cache: EngineCache) -> None:
    cache.put("all-orders", b"[]")
    stream = Stream()
    stream.put(order(1))
    assert run(operations(stream, NO_REBUILD), cache).counts["list_redefined"] == 0
    stream.put(order(2))
    assert run(operations(only_the_last(stream), FIRST_TWO), cache).counts["list_redefined"] == 1


def test_a_rebuild_leaves_out_an_item_that_leaves_though_the_index_shows_an_older_state(cache: EngineCache) -> None:
    stream = Stream()
    stream.put(order(1, numItems=2))
    stream.delete("order-1", "metadata")
    table = MemoryTable([image(order(1, numItems=1)), image(order(2))])
    run(operations(only_the_last(stream), ALL_ORDERS), cache, table)
    assert rows(cache, "all-orders") == ["order-2"]


def test_a_row_that_only_may_be_the_leaving_items_has_the_list_rebuilt(cache: EngineCache) -> None:
    stream = Stream()
    for number in (1, 2):
        stream.put(order(number))
    run(operations(stream, ALL_ORDERS), cache, MemoryTable())
    # As a rebuild from an index that lagged has left it.
    cache.put("all-orders", (cache.get("all-orders") or b"").replace(b'"numItems":1', b'"numItems":0'))
    stream.delete("order-1", "metadata")
    started = cache.clock()
    applied = run(operations(only_the_last(stream), ALL_ORDERS), cache, MemoryTable([image(order(2))]))
    assert rows(cache, "all-orders") == ["order-2"]
    assert applied.counts["list_cut"] == 1
    assert cache.clock() - started == pytest.approx(5)


def test_an_item_entry_of_another_definition_goes_with_its_item(cache: EngineCache) -> None:
    stream = Stream()
    stream.put(order(1))
    views = {"order": VIEWS["order"]}
    run(operations(stream, views), cache)
    stream.delete("order-1", "metadata")
    more = {"order": VIEWS["order"] | {"fields": VIEWS["order"]["fields"] | {"type": "type"}}}
    assert run(operations(only_the_last(stream), more), cache).counts == {"delete": 1}
    assert cache.keys() == []


def test_after_a_conflict_a_list_is_read_consistently(cache: EngineCache) -> None:
    class Behind(EngineCache):
        consistent: list[bool]

        async def get_with_hash(self, key: str, *, consistent: bool = False) -> Entry | None:
            self.consistent.append(consistent)
            found = await super().get_with_hash(key)
            return found if consistent else None

    behind = Behind()
    behind.consistent = []
    behind.put("all-orders", b"[]")
    stream = Stream()
    stream.put(order(1))
    applied = run(operations(stream, ALL_ORDERS), behind, MemoryTable([image(order(1))]))
    assert behind.consistent == [False, True]
    assert applied.counts["list_rebuild"] == 1
    behind.consistent = []
    behind.put("all-orders", b"[]")
    assert run(operations(stream, NO_REBUILD), behind).counts["list_update"] == 1
    assert behind.consistent == [False, True, True]


def test_what_was_read_is_not_kept_for_the_few_rows_that_are_left(cache: EngineCache) -> None:
    many = b"[" + b",".join(b'{"id":"order-%d","createdAt":"%d"}' % (n, n) for n in range(10_000)) + b"]"
    cache.put("all-orders", many)
    stream = Stream()
    stream.put(order(1))
    memory = Memory()
    run(operations(stream, FIRST_TWO), cache, memory=memory)
    kept = memory.recall("all-orders")
    assert kept is not None
    assert kept.held == kept.size == len(cache.get("all-orders") or b"")


def test_a_list_that_was_away_takes_room_for_a_large_one(cache: EngineCache) -> None:
    memory = Memory()
    stream = Stream()
    stream.put(order(1))
    cache.put("all-orders", b"[]")
    run(operations(stream, NO_REBUILD), cache, memory=memory)
    assert memory.expected("all-orders") == len(cache.get("all-orders") or b"")
    cache.put("all-orders", b"null")
    run(operations(stream, NO_REBUILD), cache, memory=memory)
    assert memory.expected("all-orders") is None
