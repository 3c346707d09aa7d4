import asyncio
import gc
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import structs

from handler.attributes import Image
from handler.cache import CacheError, Memory, TransientError
from handler.outcome import LOGGED_FAILURES, Outcome
from handler.patterns import Pattern
from handler.pipeline import process
from handler.settings import Settings, SettingsError
from tests import doubles
from tests.doubles import Clock, EngineCache, MemoryTable
from tests.pizza import VIEWS, order, settings
from tests.stream import Stream, sequence_number

ORDER = {"order": VIEWS["order"]}


def handled(stream: Stream, cache: EngineCache, views: dict[str, Any] = ORDER, **others: Any) -> Outcome:
    return asyncio.run(
        process(
            stream.event(),
            settings(views, **others),
            cache,
            MemoryTable(),
            Memory(),
            clock=cache.clock,
            deadline=cache.clock() + 60,
            now=lambda: 1_700_000_107.5,
        )
    )


@pytest.fixture
def stream() -> Stream:
    stream = Stream()
    for number in range(1, 6):
        stream.put(order(number))
    return stream


def fail(cache: EngineCache, *keys: str) -> None:
    def before(name: str, key: str) -> None:
        if key in keys:
            raise CacheError("throttled")

    cache.before = before


def test_a_batch_without_failures_is_acknowledged_whole(stream: Stream) -> None:
    outcome = handled(stream, EngineCache())
    assert outcome.response == {"batchItemFailures": []}
    assert outcome.log["records"] == 5
    assert outcome.log["operations"] == {"set": 5}
    assert outcome.metrics["CacheWrites"] == 5
    assert outcome.metrics["PropagationDelay"] == 7.5


def test_the_collector_is_paused_for_the_pure_steps_alone(stream: Stream) -> None:
    # Python 3.12 begins with some hundreds of its own.
    frozen = gc.get_freeze_count()
    collects: list[bool] = []
    cache = EngineCache()
    cache.before = lambda _name, _key: collects.append(gc.isenabled())
    handled(stream, cache)
    with pytest.raises(SettingsError):
        handled(stream, cache, {"order": VIEWS["order"] | {"unique": False}}, table={"name": "orders"})
    assert all(collects)
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_nothing_is_collected_while_a_batch_is_read_and_gathered(stream: Stream) -> None:
    modules: set[str] = set()

    def note(_phase: str, _info: object) -> None:
        frame: Any = sys._getframe()
        while frame is not None:
            modules.add(str(frame.f_globals.get("__name__")))
            frame = frame.f_back

    settings(ORDER)
    threshold = gc.get_threshold()
    gc.callbacks.append(note)
    gc.set_threshold(1)
    try:
        handled(stream, EngineCache())
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(note)
    assert "handler.cache" in modules
    assert not modules & {"handler.records", "handler.changes"}


def test_a_pause_before_a_retry_is_shortened_by_the_chance_that_is_given(stream: Stream) -> None:
    cache = EngineCache()
    left = iter(range(3))

    def busy(_name: str, _key: str) -> None:
        if next(left, None) is not None:
            raise TransientError("throttled")

    cache.before = busy
    started = cache.clock()
    handling = process(
        stream.event(),
        settings(ORDER),
        cache,
        MemoryTable(),
        Memory(),
        clock=cache.clock,
        deadline=cache.clock() + 60,
        chance=lambda: 0.0,
    )
    assert doubles.run(handling, cache.clock).response == {"batchItemFailures": []}
    assert cache.clock() == started


def test_the_lowest_unfinished_record_alone_is_named_as_the_stream_wrote_it(stream: Stream) -> None:
    cache = EngineCache()
    fail(cache, "order-4", "order-2")
    outcome = handled(stream, cache)
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": sequence_number(stream.records[1])}]}
    assert sequence_number(stream.records[1]).startswith("0")
    assert cache.get("order-5") is not None
    assert outcome.metrics["CacheFailures"] == 2


def test_a_record_that_can_not_be_read_is_retried_from_and_stops_nothing(stream: Stream) -> None:
    del stream.records[2]["dynamodb"]["NewImage"]
    cache = EngineCache()
    outcome = handled(stream, cache)
    assert outcome.response["batchItemFailures"][0]["itemIdentifier"] == sequence_number(stream.records[2])
    assert cache.keys() == ["order-1", "order-2", "order-4", "order-5"]
    assert outcome.metrics["RejectedRecords"] == 1
    assert outcome.metrics["Records"] == 5


def test_a_record_that_one_view_can_not_show_is_retried_from(stream: Stream) -> None:
    stream.records[3]["dynamodb"]["NewImage"]["items"] = {"X": "secret"}
    outcome = handled(stream, EngineCache())
    assert outcome.response["batchItemFailures"][0]["itemIdentifier"] == sequence_number(stream.records[3])
    (failure,) = outcome.log["failures"]
    assert failure["view"] == "order"
    assert len(failure["item"]) == 16


def test_an_item_that_takes_too_long_to_match_is_rejected_for_that_view_alone(stream: Stream) -> None:
    ways = {"$or": [{"doc": {"lines": {"sku": [f"A-{way}"]}}} for way in range(900)]}
    slow = VIEWS["order"] | {"key": "slow-{pk}", "where": {"$or": [{"tag": [{"exists": False}]}, ways]}}
    stream.put(order(6, tag="x", doc={"lines": [{"sku": "B"}] * 1_000}))
    stream.put(order(7))
    cache = EngineCache()
    outcome = handled(stream, cache, ORDER | {"slow": slow})
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": sequence_number(stream.records[5])}]}
    (failure,) = outcome.log["failures"]
    assert failure["view"] == "slow"
    assert failure["reason"].startswith("the item takes more than 1,000,000 steps to be matched")
    assert cache.keys() == sorted(
        [f"order-{number}" for number in range(1, 8)] + [f"slow-order-{number}" for number in (1, 2, 3, 4, 5, 7)]
    )


class Heavy(Pattern):
    """A `where` that takes the seconds that an item says."""

    def __init__(self, clock: Clock) -> None:
        super().__init__({"seconds": [{"exists": True}]})
        self._clock = clock

    def matches(self, image: Image, check: Callable[[], None] = lambda: None) -> bool:
        self._clock.now += float(image["seconds"]["N"])
        return super().matches(image, check)


def timed(
    event: Any, views: Settings, cache: EngineCache, seconds: float = 20, clock: Callable[[], float] | None = None
) -> Outcome:
    """Handle a batch in so many seconds, by the cache's clock unless another is given."""
    clock, deadline = clock or cache.clock, cache.clock.now + seconds
    handling = process(event, views, cache, MemoryTable(), Memory(), clock=clock, deadline=deadline, now=lambda: 0.0)
    return doubles.run(handling, cache.clock)


def attempts(stream: Stream, cache: EngineCache, most: int = 100) -> Iterator[tuple[list[Any], Outcome]]:
    """Handle records until all are acknowledged. Each image takes the seconds that it says to be matched."""
    view = structs.replace(settings(ORDER).views["order"], where=Heavy(cache.clock))
    views = structs.replace(settings(ORDER), views={"order": view})
    left = list(stream.records)
    for _ in range(most):
        outcome = timed({"Records": left}, views, cache)
        yield left, outcome
        failed = {each["itemIdentifier"] for each in outcome.response["batchItemFailures"]}
        places = [place for place, record in enumerate(left) if sequence_number(record) in failed]
        if not places:
            return
        left = left[places[0] :]
    raise AssertionError("no end")


@pytest.mark.parametrize("items", [40, 2, 1])
def test_a_batch_that_takes_long_to_match_gets_further_with_each_attempt(items: int) -> None:
    stream = Stream()
    for number in range(40):
        stream.put(order(number % items, seconds=1, status=str(number)))
    cache = EngineCache()
    lengths = []
    for records, outcome in attempts(stream, cache):
        lengths.append(len(records))
        handled_last = records[-1 - outcome.log.get("records_left_out", 0)]["dynamodb"]["NewImage"]
        entry = cache.get(handled_last["pk"]["S"])
        assert entry is not None
        assert json.loads(entry)["status"] == handled_last["status"]["S"]
        assert outcome.metrics["RejectedRecords"] == 0
        if outcome.log["failed"]:
            (failure,) = outcome.log["failures"]
            assert failure["reason"].startswith("from here on, there was no time to match items")
            assert outcome.metrics["CacheFailures"] == 1
            assert 0 < outcome.log["records_left_out"] < len(records)
    # So many images are looked at until more than eight seconds have passed. Of an item, the first has two.
    assert {before - after for before, after in itertools.pairwise(lengths)} <= {8, 9, 7}
    assert cache.keys() == sorted(f"order-{number}" for number in range(items))


def test_the_later_changes_of_an_item_do_not_hold_up_the_records_before_them() -> None:
    stream = Stream()
    for number in range(40):
        stream.put(order(number, seconds=0))
    for number in range(40, 60):
        stream.put(order(number, seconds=2))
    for number in range(400):
        stream.put(order(number % 40, seconds=1, status=str(number)))
    lengths = [len(records) for records, _ in attempts(stream, EngineCache())]
    assert lengths[1] == 460 - 40 - 5
    assert all(before - after >= 4 for before, after in itertools.pairwise(lengths))


@pytest.mark.parametrize("seconds", [-5, 0])
def test_an_invocation_that_starts_too_late_leaves_all_to_the_next(stream: Stream, seconds: float) -> None:
    cache = EngineCache()

    def clock() -> float:
        cache.clock.now += 0.01
        return cache.clock.now

    outcome = timed(stream.event(), settings(ORDER), cache, seconds, clock)
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": sequence_number(stream.records[0])}]}
    assert outcome.metrics["RejectedRecords"] == 0
    assert cache.requests == []


@pytest.mark.parametrize(("seconds", "rejected"), [(15, 0), (16, 1)])
def test_a_record_that_alone_takes_too_long_to_match_is_rejected_for_the_other_views(
    seconds: int, rejected: int
) -> None:
    stream = Stream()
    stream.put(order(1, seconds=seconds))
    stream.put(order(2, seconds=0))
    cache = EngineCache()
    view = structs.replace(settings(ORDER).views["order"], where=Heavy(cache.clock))
    other = ORDER["order"] | {"key": "o-{pk}", "where": {"type": ["order"]}}
    views = {"order": view, "other": settings({"other": other}).views["other"]}
    outcome = timed(stream.event(), structs.replace(settings(ORDER), views=views), cache)
    failures = outcome.log["failures"]
    assert [failure.get("view") for failure in failures] == ["other"] * rejected + [None]
    if rejected:
        assert failures[0]["reason"].startswith("matching the item with the views' `where` takes a third of the")
        assert outcome.response["batchItemFailures"][0]["itemIdentifier"] == sequence_number(stream.records[0])
    assert failures[-1]["sequence_number"] == sequence_number(stream.records[1])
    assert cache.keys() == (["order-1"] if rejected else ["o-order-1", "order-1"])


@pytest.mark.parametrize("images", [1, 2])
def test_a_match_that_lasts_ends_amid_an_image(images: int) -> None:
    # Each has 450,000 tests, so that the time is looked at 450 times.
    item = order(1, tags=["x"] * 18_000)
    stream = Stream()
    for number in range(images):
        stream.put(item | {"status": str(number)})
    stream.put(order(2))
    records = stream.records[-2:]
    view = ORDER["order"] | {"where": {"$or": [{"tags": [{"prefix": f"y{number}"}]} for number in range(25)]}}
    cache = EngineCache()
    started = cache.clock.now

    def clock() -> float:
        cache.clock.now += 0.1
        return cache.clock.now

    views = settings({"heavy": view, "order": ORDER["order"] | {"key": "o-{pk}"}})
    outcome = timed({"Records": records}, views, cache, 20, clock)
    assert 15 < cache.clock.now - started < 16
    rejection = outcome.log["failures"][0]
    assert (rejection["view"], rejection["sequence_number"]) == ("heavy", sequence_number(records[0]))
    assert rejection["reason"].startswith("matching the item with the views' `where` takes a third of the")
    assert cache.keys() == ["o-order-1"]


def test_the_log_shows_no_items_content_and_no_key(stream: Stream) -> None:
    cache = EngineCache()
    fail(cache, "order-2")
    stream.records[3]["dynamodb"]["NewImage"]["items"] = {"X": "secret"}
    outcome = handled(stream, cache)
    for content in ("order-2", "ann", "basil", "secret", "metadata"):
        assert content not in str(outcome.log)


def test_the_log_names_the_first_failures_and_counts_them_all() -> None:
    stream = Stream()
    for number in range(30):
        stream.put(order(number))
    cache = EngineCache()
    fail(cache, *(f"order-{number}" for number in range(30)))
    outcome = handled(stream, cache)
    assert outcome.log["failed"] == 30
    assert [failure["sequence_number"] for failure in outcome.log["failures"]] == [
        sequence_number(record) for record in stream.records[:LOGGED_FAILURES]
    ]


def test_every_kind_of_work_is_counted(stream: Stream) -> None:
    cache = EngineCache()
    handled(stream, cache, {name: VIEWS[name] for name in ("order", "admin_order")})
    stream.put(order(1, items=["x" * 5_100_000]))
    stream.delete("order-2", "metadata")
    cache.put("ann", b"[]")

    def meddle(name: str, key: str) -> None:
        if name == "set_if_hash" and cache.get(key) == b"[]":
            cache.put(key, b'[{"id":"order-9","createdAt":"2027"}]')

    cache.before = meddle
    stream.records[2]["dynamodb"]["NewImage"]["items"] = {"X": "secret"}
    outcome = handled(stream, cache, VIEWS)
    assert outcome.metrics == {
        "Records": 7,
        "RejectedRecords": 1,
        "CacheWrites": 4 + 2 + 2,  # entries set, entries deleted, lists
        "CacheFailures": 0,
        "ListConflicts": 1,
        "ListRebuilds": 1,
        "TooBig": 2,
        "PropagationDelay": 7.5,
    }


def test_an_empty_batch_is_nothing_to_do() -> None:
    assert handled(Stream(), EngineCache()).response == {"batchItemFailures": []}


def test_views_that_do_not_fit_the_tables_key_stop_the_first_batch(stream: Stream) -> None:
    view = {"mine": {"kind": "item", "key": "{pk}"}}
    cache = EngineCache()
    with pytest.raises(SettingsError, match="views.mine: two items could share an entry"):
        handled(stream, cache, view, table={"name": "orders"})
    assert cache.keys() == []


@pytest.mark.parametrize("table", [{"name": "orders"}, {"name": "orders", "key_attributes": ["pk", "sk"]}])
def test_a_record_of_another_table_first_in_a_batch_stops_nothing(stream: Stream, table: dict[str, Any]) -> None:
    foreign = stream.records[0]["dynamodb"]
    foreign["Keys"] = {"pk": {"S": "order-1"}, "expires": {"N": "1"}}
    foreign["NewImage"]["expires"] = {"N": "1"}
    cache = EngineCache()
    outcome = handled(stream, cache, {"mine": {"kind": "item", "key": "{pk}#{sk}"}}, table=table)
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": sequence_number(stream.records[0])}]}
    assert cache.keys() == [f"order-{number}#metadata" for number in range(2, 6)]
    assert outcome.metrics["RejectedRecords"] == 1


def test_a_batch_of_nothing_but_another_tables_records_is_known_by_the_settings_key() -> None:
    other = Stream("id")
    other.put({"id": "a", "pk": "order-1", "sk": "metadata"})
    cache = EngineCache()
    outcome = handled(other, cache, table={"name": "orders", "key_attributes": ["pk", "sk"]})
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": sequence_number(other.records[0])}]}
    assert cache.keys() == []


def test_a_clock_behind_the_streams_gives_no_negative_delay() -> None:
    stream = Stream()
    for number in range(20):
        stream.put(order(number))
    del stream.records[:15]
    assert handled(stream, EngineCache()).metrics["PropagationDelay"] == 0
