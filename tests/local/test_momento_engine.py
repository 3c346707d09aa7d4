from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.momento.engine import (
    Code,
    CollectionTtl,
    Condition,
    Engine,
    ItemType,
    Limits,
    MomentoError,
    Relation,
    TtlUpdate,
)

MINUTE = 60_000
FRESH = CollectionTtl(MINUTE, refresh=True)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


class Cache:
    """An engine at a standstill with one cache, `pizza`."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.clock = Clock()
        self.engine = Engine(self.clock, limits or Limits())
        self.engine.create_cache("pizza")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(clock: Clock) -> Engine:
    engine = Engine(clock)
    engine.create_cache("pizza")
    return engine


def refused(call: Callable[[], object]) -> tuple[Code, str | None]:
    with pytest.raises(MomentoError) as refusal:
        call()
    return refusal.value.code, refusal.value.err


# Caches


def test_caches_are_created_listed_and_deleted(engine: Engine) -> None:
    engine.create_cache("burger")
    assert engine.list_caches() == ["burger", "pizza"]
    engine.delete_cache("burger")
    assert engine.list_caches() == ["pizza"]


def test_a_cache_cannot_be_created_twice_and_keeps_its_items(engine: Engine) -> None:
    engine.set("pizza", b"k", b"v", MINUTE)
    assert refused(lambda: engine.create_cache("pizza")) == (Code.ALREADY_EXISTS, None)
    assert engine.get("pizza", b"k") == b"v"


def test_a_blank_cache_name_is_refused(engine: Engine) -> None:
    assert refused(lambda: engine.create_cache(" ")) == (Code.INVALID_ARGUMENT, None)


def test_a_deleted_cache_comes_back_empty(engine: Engine) -> None:
    engine.set("pizza", b"k", b"v", MINUTE)
    engine.delete_cache("pizza")
    engine.create_cache("pizza")
    assert engine.keys("pizza") == []


def test_flushing_drops_the_items_of_that_cache_only(engine: Engine) -> None:
    engine.create_cache("burger")
    for cache in ("pizza", "burger"):
        engine.set(cache, b"k", b"v", MINUTE)
    engine.flush_cache("pizza")
    assert engine.keys("pizza") == []
    assert engine.keys("burger") == [b"k"]


EVERY_CALL: dict[str, Callable[[Engine, str, bytes], object]] = {
    "get": lambda engine, cache, key: engine.get(cache, key),
    "get_with_hash": lambda engine, cache, key: engine.get_with_hash(cache, key),
    "get_batch": lambda engine, cache, key: engine.get_batch(cache, [key]),
    "set": lambda engine, cache, key: engine.set(cache, key, b"v", MINUTE),
    "set_batch": lambda engine, cache, key: engine.set_batch(cache, [(key, b"v", MINUTE)]),
    "set_if": lambda engine, cache, key: engine.set_if(cache, key, b"v", MINUTE, Condition(Relation.PRESENT)),
    "set_if_hash": lambda engine, cache, key: engine.set_if_hash(
        cache, key, b"v", MINUTE, Condition(Relation.UNCONDITIONAL)
    ),
    "set_if_not_exists": lambda engine, cache, key: engine.set_if_not_exists(cache, key, b"v", MINUTE),
    "delete": lambda engine, cache, key: engine.delete(cache, key),
    "increment": lambda engine, cache, key: engine.increment(cache, key, 1, MINUTE),
    "keys_exist": lambda engine, cache, key: engine.keys_exist(cache, [key]),
    "update_ttl": lambda engine, cache, key: engine.update_ttl(cache, key, MINUTE, TtlUpdate.OVERWRITE),
    "item_get_ttl": lambda engine, cache, key: engine.item_get_ttl(cache, key),
    "item_get_type": lambda engine, cache, key: engine.item_get_type(cache, key),
    "dictionary_get": lambda engine, cache, key: engine.dictionary_get(cache, key, [b"f"]),
    "dictionary_fetch": lambda engine, cache, key: engine.dictionary_fetch(cache, key),
    "dictionary_length": lambda engine, cache, key: engine.dictionary_length(cache, key),
    "dictionary_set": lambda engine, cache, key: engine.dictionary_set(cache, key, {b"f": b"v"}, FRESH),
    "dictionary_increment": lambda engine, cache, key: engine.dictionary_increment(cache, key, b"f", 1, FRESH),
    "dictionary_delete": lambda engine, cache, key: engine.dictionary_delete(cache, key),
}


@pytest.mark.parametrize("call", EVERY_CALL.values(), ids=EVERY_CALL)
def test_a_cache_that_does_not_exist_is_not_found(engine: Engine, call: Callable[[Engine, str, bytes], object]) -> None:
    assert refused(lambda: call(engine, "burger", b"k")) == (Code.NOT_FOUND, "cache_not_found")


@pytest.mark.parametrize("call", EVERY_CALL.values(), ids=EVERY_CALL)
def test_an_empty_key_is_refused(engine: Engine, call: Callable[[Engine, str, bytes], object]) -> None:
    assert refused(lambda: call(engine, "pizza", b"")) == (Code.INVALID_ARGUMENT, None)
    assert engine.keys("pizza") == []


@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.delete_cache("burger"),
        lambda engine: engine.flush_cache("burger"),
        lambda engine: engine.evict("burger", b"k"),
        lambda engine: engine.get_batch("burger", []),
    ],
)
def test_a_call_without_keys_also_needs_its_cache(engine: Engine, call: Callable[[Engine], object]) -> None:
    assert refused(lambda: call(engine)) == (Code.NOT_FOUND, "cache_not_found")


# Time to live


@given(ttl=st.integers(1, Limits().ttl_milliseconds))
def test_an_item_lives_to_the_last_millisecond_and_no_longer(ttl: int) -> None:
    pizza = Cache()
    pizza.engine.set("pizza", b"k", b"v", ttl)
    pizza.clock.now += ttl - 1
    assert pizza.engine.get("pizza", b"k") == b"v"
    assert pizza.engine.item_get_ttl("pizza", b"k") == 1
    pizza.clock.now += 1
    assert pizza.engine.get("pizza", b"k") is None
    assert pizza.engine.item_get_ttl("pizza", b"k") is None
    assert pizza.engine.keys("pizza") == []


@pytest.mark.parametrize("ttl", [0, -1, Limits().ttl_milliseconds + 1])
def test_a_time_to_live_out_of_bounds_is_refused(engine: Engine, ttl: int) -> None:
    engine.set("pizza", b"k", b"v", MINUTE)
    for call in (
        lambda: engine.set("pizza", b"k", b"w", ttl),
        lambda: engine.set_if("pizza", b"k", b"w", ttl, Condition(Relation.PRESENT)),
        lambda: engine.set_batch("pizza", [(b"k", b"w", MINUTE), (b"l", b"w", ttl)]),
        lambda: engine.increment("pizza", b"n", 1, ttl),
        lambda: engine.update_ttl("pizza", b"k", ttl, TtlUpdate.OVERWRITE),
        lambda: engine.dictionary_set("pizza", b"d", {b"f": b"v"}, CollectionTtl(ttl, refresh=True)),
    ):
        assert refused(call) == (Code.INVALID_ARGUMENT, None)
    assert engine.get("pizza", b"k") == b"v"
    assert engine.item_get_ttl("pizza", b"k") == MINUTE
    assert engine.keys("pizza") == [b"k"]


@pytest.mark.parametrize(
    ("update", "asked", "moved"),
    [
        (TtlUpdate.INCREASE, MINUTE + 1, True),
        (TtlUpdate.INCREASE, MINUTE, False),
        (TtlUpdate.INCREASE, MINUTE - 1, False),
        (TtlUpdate.DECREASE, MINUTE - 1, True),
        (TtlUpdate.DECREASE, MINUTE, False),
        (TtlUpdate.DECREASE, MINUTE + 1, False),
        (TtlUpdate.OVERWRITE, MINUTE, True),
        (TtlUpdate.OVERWRITE, 1, True),
    ],
)
def test_an_expiry_moves_only_the_way_it_may(engine: Engine, update: TtlUpdate, asked: int, moved: bool) -> None:
    engine.set("pizza", b"k", b"v", MINUTE)
    assert engine.update_ttl("pizza", b"k", asked, update) is moved
    assert engine.item_get_ttl("pizza", b"k") == (asked if moved else MINUTE)


def test_the_expiry_of_an_absent_item_cannot_move(engine: Engine) -> None:
    assert engine.update_ttl("pizza", b"k", MINUTE, TtlUpdate.OVERWRITE) is None
    assert engine.keys("pizza") == []


# Scalars


def test_an_empty_value_is_not_an_absent_one(engine: Engine) -> None:
    engine.set("pizza", b"k", b"", MINUTE)
    assert engine.get("pizza", b"k") == b""
    assert engine.get("pizza", b"other") is None


def test_deleting_and_evicting_leave_nothing_and_mind_nothing(engine: Engine) -> None:
    for drop in (engine.delete, engine.evict):
        engine.set("pizza", b"k", b"v", MINUTE)
        drop("pizza", b"k")
        drop("pizza", b"k")
        assert engine.keys_exist("pizza", [b"k"]) == [False]


# By the public description of each condition: whether it stores over an absent, an equal and a different value.
CONDITIONS = [
    (Relation.UNCONDITIONAL, {"absent", "equal", "different"}),
    (Relation.PRESENT, {"equal", "different"}),
    (Relation.ABSENT, {"absent"}),
    (Relation.EQUAL, {"equal"}),
    (Relation.NOT_EQUAL, {"absent", "different"}),
    (Relation.PRESENT_AND_NOT_EQUAL, {"different"}),
    (Relation.ABSENT_OR_EQUAL, {"absent", "equal"}),
]


@pytest.mark.parametrize("held", ["absent", "equal", "different"])
@pytest.mark.parametrize(("relation", "stores_over"), CONDITIONS)
def test_a_conditional_set_stores_exactly_when_its_condition_holds(
    engine: Engine, clock: Clock, relation: Relation, stores_over: set[str], held: str
) -> None:
    if held != "absent":
        engine.set("pizza", b"k", held.encode(), MINUTE)
    clock.now += 1
    stored = engine.set_if("pizza", b"k", b"new", MINUTE, Condition(relation, b"equal"))
    assert stored is (held in stores_over)
    assert engine.get("pizza", b"k") == (b"new" if stored else None if held == "absent" else held.encode())
    assert engine.item_get_ttl("pizza", b"k") == (MINUTE if stored else None if held == "absent" else MINUTE - 1)


@pytest.mark.parametrize("held", ["absent", "equal", "different"])
@pytest.mark.parametrize(("relation", "stores_over"), CONDITIONS)
def test_a_conditional_set_by_hash_answers_with_the_new_hash(
    engine: Engine, relation: Relation, stores_over: set[str], held: str
) -> None:
    engine.set("pizza", b"known", b"equal", MINUTE)
    known = engine.get_with_hash("pizza", b"known")
    assert known is not None
    if held != "absent":
        engine.set("pizza", b"k", held.encode(), MINUTE)
    before = engine.get_with_hash("pizza", b"k")
    new_hash = engine.set_if_hash("pizza", b"k", b"new", MINUTE, Condition(relation, known.hash))
    after = engine.get_with_hash("pizza", b"k")
    if held in stores_over:
        assert after is not None
        assert (after.value, after.hash) == (b"new", new_hash)
    else:
        assert new_hash is None
        assert after == before


def test_a_lost_race_is_seen_in_the_hash(engine: Engine) -> None:
    engine.set("pizza", b"k", b"[]", MINUTE)
    read = engine.get_with_hash("pizza", b"k")
    assert read is not None
    condition = Condition(Relation.EQUAL, read.hash)
    assert engine.set_if_hash("pizza", b"k", b"[1]", MINUTE, condition) is not None
    assert engine.set_if_hash("pizza", b"k", b"[2]", MINUTE, condition) is None
    assert engine.get("pizza", b"k") == b"[1]"


def test_only_the_first_set_if_not_exists_stores(engine: Engine, clock: Clock) -> None:
    assert engine.set_if_not_exists("pizza", b"k", b"1", MINUTE)
    assert not engine.set_if_not_exists("pizza", b"k", b"2", MINUTE)
    clock.now += MINUTE
    assert engine.set_if_not_exists("pizza", b"k", b"3", MINUTE)
    assert engine.get("pizza", b"k") == b"3"


@given(amounts=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5))
def test_increments_add_up_within_64_bits(amounts: list[int]) -> None:
    engine = Cache().engine
    total = 0
    for amount in amounts:
        if -(2**63) <= total + amount < 2**63:
            total += amount
            assert engine.increment("pizza", b"n", amount, MINUTE) == total
            assert engine.dictionary_increment("pizza", b"d", b"n", amount, FRESH) == total
        else:
            with pytest.raises(MomentoError, match="does not fit"):
                engine.increment("pizza", b"n", amount, MINUTE)
            with pytest.raises(MomentoError, match="does not fit"):
                engine.dictionary_increment("pizza", b"d", b"n", amount, FRESH)
    assert engine.get("pizza", b"n") == b"%d" % total
    assert engine.dictionary_fetch("pizza", b"d") == {b"n": b"%d" % total}


@pytest.mark.parametrize("value", [b"", b"1.5", b"seven", b" 1", b"1_0", b"+1", "٣".encode(), b"9223372036854775808"])
def test_only_a_64_bit_base_10_integer_can_be_incremented(engine: Engine, value: bytes) -> None:
    engine.set("pizza", b"n", value, MINUTE)
    assert refused(lambda: engine.increment("pizza", b"n", 1, MINUTE)) == (Code.FAILED_PRECONDITION, None)
    assert engine.get("pizza", b"n") == value


# Batches


def test_a_batch_answers_in_the_order_of_its_keys(engine: Engine) -> None:
    engine.set_batch("pizza", [(b"a", b"1", MINUTE), (b"b", b"2", 1)])
    assert engine.get_batch("pizza", [b"b", b"none", b"a", b"b"]) == [b"2", None, b"1", b"2"]
    assert engine.item_get_ttl("pizza", b"b") == 1


def test_a_batch_that_sets_a_key_twice_leaves_the_last(engine: Engine) -> None:
    engine.set_batch("pizza", [(b"a", b"1", MINUTE), (b"a", b"2", MINUTE)])
    assert engine.get("pizza", b"a") == b"2"


def test_one_illegal_item_refuses_the_whole_batch(engine: Engine) -> None:
    too_big = b"v" * engine.limits.item_bytes
    refusal = refused(lambda: engine.set_batch("pizza", [(b"a", b"1", MINUTE), (b"b", too_big, MINUTE)]))
    assert refusal == (Code.RESOURCE_EXHAUSTED, "item_size_limit_exceeded")
    assert engine.keys("pizza") == []


# Dictionaries


def test_a_dictionary_gives_what_was_set_field_by_field(engine: Engine) -> None:
    engine.dictionary_set("pizza", b"d", {b"a": b"1", b"b": b"2"}, FRESH)
    engine.dictionary_set("pizza", b"d", {b"b": b"3"}, FRESH)
    assert engine.dictionary_get("pizza", b"d", [b"b", b"none", b"a"]) == [b"3", None, b"1"]
    assert engine.dictionary_fetch("pizza", b"d") == {b"a": b"1", b"b": b"3"}
    assert engine.dictionary_length("pizza", b"d") == 2
    assert engine.item_get_type("pizza", b"d") is ItemType.DICTIONARY


def test_an_absent_dictionary_is_missing_as_a_whole(engine: Engine) -> None:
    assert engine.dictionary_get("pizza", b"d", [b"a"]) is None
    assert engine.dictionary_fetch("pizza", b"d") is None
    assert engine.dictionary_length("pizza", b"d") is None
    engine.dictionary_delete("pizza", b"d", [b"a"])
    assert engine.keys("pizza") == []


def test_what_was_fetched_does_not_change_with_the_dictionary(engine: Engine) -> None:
    engine.dictionary_set("pizza", b"d", {b"a": b"1"}, FRESH)
    fetched = engine.dictionary_fetch("pizza", b"d")
    engine.dictionary_set("pizza", b"d", {b"a": b"2"}, FRESH)
    assert fetched == {b"a": b"1"}


@pytest.mark.parametrize("fields", [[b"a", b"b", b"none"], None])
def test_a_dictionary_without_fields_is_gone(engine: Engine, fields: list[bytes] | None) -> None:
    engine.dictionary_set("pizza", b"d", {b"a": b"1", b"b": b"2"}, FRESH)
    engine.dictionary_delete("pizza", b"d", [b"a"])
    assert engine.dictionary_fetch("pizza", b"d") == {b"b": b"2"}
    engine.dictionary_delete("pizza", b"d", fields)
    assert engine.keys("pizza") == []


def test_setting_no_fields_makes_no_dictionary(engine: Engine) -> None:
    engine.dictionary_set("pizza", b"d", {}, FRESH)
    assert engine.dictionary_fetch("pizza", b"d") is None


@pytest.mark.parametrize(("refresh", "left"), [(True, 10), (False, 10 - 4)])
def test_only_a_refresh_renews_a_dictionarys_time_to_live(
    engine: Engine, clock: Clock, refresh: bool, left: int
) -> None:
    ttl = CollectionTtl(10, refresh)
    engine.dictionary_set("pizza", b"d", {b"a": b"1"}, ttl)
    clock.now += 4
    engine.dictionary_increment("pizza", b"d", b"a", 1, ttl)
    assert engine.item_get_ttl("pizza", b"d") == left
    clock.now += left
    assert engine.dictionary_fetch("pizza", b"d") is None


@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.get("pizza", b"d"),
        lambda engine: engine.get_with_hash("pizza", b"d"),
        lambda engine: engine.increment("pizza", b"d", 1, MINUTE),
        lambda engine: engine.set_if("pizza", b"d", b"v", MINUTE, Condition(Relation.EQUAL, b"v")),
        lambda engine: engine.set_if_hash("pizza", b"d", b"v", MINUTE, Condition(Relation.NOT_EQUAL, b"v")),
        lambda engine: engine.dictionary_get("pizza", b"s", [b"f"]),
        lambda engine: engine.dictionary_fetch("pizza", b"s"),
        lambda engine: engine.dictionary_length("pizza", b"s"),
        lambda engine: engine.dictionary_set("pizza", b"s", {b"f": b"v"}, FRESH),
        lambda engine: engine.dictionary_increment("pizza", b"s", b"f", 1, FRESH),
        lambda engine: engine.dictionary_delete("pizza", b"s"),
    ],
)
def test_a_call_on_an_item_of_another_type_is_refused(engine: Engine, call: Callable[[Engine], object]) -> None:
    engine.set("pizza", b"s", b"v", MINUTE)
    engine.dictionary_set("pizza", b"d", {b"f": b"1"}, FRESH)
    assert refused(lambda: call(engine)) == (Code.FAILED_PRECONDITION, None)
    assert engine.get("pizza", b"s") == b"v"
    assert engine.dictionary_fetch("pizza", b"d") == {b"f": b"1"}


def test_a_set_replaces_a_dictionary(engine: Engine) -> None:
    engine.dictionary_set("pizza", b"d", {b"f": b"1"}, FRESH)
    engine.set("pizza", b"d", b"v", MINUTE)
    assert engine.item_get_type("pizza", b"d") is ItemType.SCALAR


# Limits


def test_the_key_counts_towards_the_items_size(engine: Engine) -> None:
    limit = engine.limits.item_bytes
    engine.set("pizza", b"k" * 10, b"v" * (limit - 10), MINUTE)
    for call in (
        lambda: engine.set("pizza", b"k" * 11, b"v" * (limit - 10), MINUTE),
        lambda: engine.set_if_not_exists("pizza", b"k" * 11, b"v" * (limit - 10), MINUTE),
    ):
        assert refused(call) == (Code.RESOURCE_EXHAUSTED, "item_size_limit_exceeded")
    assert engine.keys("pizza") == [b"k" * 10]


def test_a_field_and_its_value_have_a_limit_of_their_own(engine: Engine) -> None:
    limit = engine.limits.element_bytes
    engine.dictionary_set("pizza", b"d", {b"f": b"v" * (limit - 1)}, FRESH)
    refusal = refused(lambda: engine.dictionary_set("pizza", b"d", {b"g": b"v", b"f": b"v" * limit}, FRESH))
    assert refusal == (Code.RESOURCE_EXHAUSTED, "element_size_limit_exceeded")
    assert engine.dictionary_length("pizza", b"d") == 1


def test_fields_that_come_and_go_do_not_fill_a_dictionary() -> None:
    engine = Cache(Limits(item_bytes=24)).engine
    engine.dictionary_set("pizza", b"d", {b"stays": b"v"}, FRESH)
    for turn in range(20):
        engine.dictionary_set("pizza", b"d", {b"comes": b"%d" % turn}, FRESH)
        engine.dictionary_set("pizza", b"d", {b"comes": b"longer"}, FRESH)
        engine.dictionary_delete("pizza", b"d", [b"comes", b"none"])
    assert engine.dictionary_fetch("pizza", b"d") == {b"stays": b"v"}


FIELDS = st.dictionaries(st.binary(max_size=3), st.binary(max_size=6), max_size=4)


@given(steps=st.lists(st.one_of(st.tuples(st.just("set"), FIELDS), st.tuples(st.just("delete"), FIELDS)), max_size=12))
def test_a_dictionary_is_refused_exactly_when_it_would_outgrow_an_item(steps: list[tuple[str, Any]]) -> None:
    limit = 24
    pizza = Cache(Limits(item_bytes=limit))
    expected: dict[bytes, bytes] = {}
    for step, fields in steps:
        if step == "delete":
            pizza.engine.dictionary_delete("pizza", b"d", list(fields))
            expected = {field: value for field, value in expected.items() if field not in fields}
        else:
            grown = expected | fields
            if len(b"d") + sum(len(field) + len(value) for field, value in grown.items()) <= limit:
                pizza.engine.dictionary_set("pizza", b"d", fields, FRESH)
                expected = grown
            else:
                with pytest.raises(MomentoError, match="exceeds the limit"):
                    pizza.engine.dictionary_set("pizza", b"d", fields, FRESH)
        assert (pizza.engine.dictionary_fetch("pizza", b"d") or {}) == expected
