from typing import Any

import msgspec
import pytest

from handler.changes import coalesce
from handler.lists import Leaving
from handler.records import decode
from handler.views import DeleteEntry, Plan, SetEntry, UpdateList, plan
from tests.pizza import order, settings
from tests.stream import Item, Stream

ITEM = {"kind": "item", "key": "{alias}", "unique": True, "fields": {"n": "n"}}
LIST = {"kind": "list", "key": "of-{owner}", "member": "{id}", "unique": True, "fields": {"id": "pk", "n": "n"}}


def planned(stream: Stream, view: Any = None, first: int = 0, **others: Any) -> Plan:
    views = {"mine": view} if view else None
    changes = coalesce(decode(stream.event(first)).changes)
    return plan(changes, settings(views, **others) if views else settings(**others))


def thing(name: str, n: int = 1, **others: Any) -> dict[str, Any]:
    return {"pk": name, "sk": "m", "n": n} | others


def sequence(position: int) -> int:
    """The sequence number of a stream's record."""
    stream = Stream()
    for n in range(position + 1):
        stream.put(thing("x", n))
    return decode(stream.event()).changes[position].sequence_number


def leaving(*values: str, items: str = "a", fields: tuple[str, ...] = ("n",)) -> Leaving:
    """What items of these names leave, of which a view shows fields that are not of the key."""
    keys = frozenset((("pk", "S", name), ("sk", "S", "m")) for name in items)
    shown = frozenset({"id"} & {*fields})
    return Leaving(frozenset(value.encode() for value in values), False, shown, frozenset(fields), keys)


def test_an_order_gives_its_two_entries_and_its_rows_in_two_lists() -> None:
    stream = Stream()
    stream.put(order(1))
    operations = {operation.key: operation for operation in planned(stream).operations}
    assert set(operations) == {"order-1", "ADMIN-order-1", "all-orders", "ann"}
    assert isinstance(operations["ADMIN-order-1"], SetEntry)
    assert msgspec.json.decode(operations["ADMIN-order-1"].value)["creator"] == "ann"
    assert isinstance(operations["order-1"], SetEntry)
    assert msgspec.json.decode(operations["order-1"].value) == {
        "id": "order-1",
        "createdAt": "2026-01-01T12:00:00Z",
        "status": "WAITING",
        "numItems": 1,
        "items": [{"size": "large", "crust": "thin", "toppings": ["basil"], "sauce": "tomato"}],
    }
    assert isinstance(operations["ann"], UpdateList)
    assert operations["ann"].view == "creator_orders"
    assert operations["ann"].condition == {"type": {"S": "order"}, "creator": {"S": "ann"}}


def test_an_item_changed_often_is_written_once_with_its_last_image() -> None:
    stream = Stream()
    for n in range(5):
        stream.put(thing("a", n, alias="A"))
    assert planned(stream, ITEM).operations == (SetEntry("mine", "A", sequence(0), b'{"n":4}', 86_400),)


def test_every_key_that_an_item_had_within_the_batch_is_left() -> None:
    stream = Stream()
    for alias in ("A", "B", "C"):
        stream.put(thing("a", alias=alias))
    assert {(type(each), each.key) for each in planned(stream, ITEM).operations} == {
        (DeleteEntry, "A"),
        (DeleteEntry, "B"),
        (SetEntry, "C"),
    }


def test_an_item_that_comes_and_goes_within_the_batch_leaves_no_entry() -> None:
    stream = Stream()
    stream.put(thing("a", alias="A"))
    stream.delete("a", "m")
    assert planned(stream, ITEM).operations == (DeleteEntry("mine", "A", sequence(0), leaving('{"n":1}')),)


def test_an_item_leaves_its_entry_whichever_of_its_images_is_there() -> None:
    stream = Stream()
    stream.put(thing("a", 1, alias="A"))
    stream.put(thing("a", 2, alias="A"))
    stream.delete("a", "m")
    gone = leaving('{"n":1}', '{"n":2}')
    assert planned(stream, ITEM).operations == (DeleteEntry("mine", "A", sequence(0), gone),)


def test_an_item_without_the_keys_attribute_has_no_entry() -> None:
    stream = Stream()
    stream.put(thing("a"))
    assert planned(stream, ITEM).operations == ()


def test_an_item_has_an_entry_as_soon_as_it_has_the_keys_attribute() -> None:
    stream = Stream()
    stream.put(thing("a", 1))
    stream.put(thing("a", 2, alias="A"))
    assert planned(stream, ITEM).operations == (SetEntry("mine", "A", sequence(0), b'{"n":2}', 86_400),)


def test_where_one_item_leaves_a_key_and_another_takes_it_the_last_wins() -> None:
    stream = Stream()
    stream.put(thing("a", 1, alias="A"))
    stream.put(thing("a", 1))
    stream.put(thing("b", 2, alias="A"))
    assert planned(stream, ITEM).operations == (SetEntry("mine", "A", sequence(0), b'{"n":2}', 86_400),)
    stream.put(thing("b", 2))
    gone = leaving('{"n":1}', '{"n":2}', items="ab")
    assert planned(stream, ITEM).operations == (DeleteEntry("mine", "A", sequence(0), gone),)


def test_a_key_taken_before_it_was_left_stays_with_the_taker() -> None:
    stream = Stream()
    stream.put(thing("a", 1, alias="A"))
    stream.put(thing("b", 2, alias="A"))
    stream.put(thing("a", 1))
    assert planned(stream, ITEM).operations == (SetEntry("mine", "A", sequence(0), b'{"n":2}', 86_400),)


def test_of_two_items_that_have_one_key_in_the_end_the_one_that_was_written_last_is_shown() -> None:
    stream = Stream()
    for name, n in (("a", 1), ("b", 2), ("b", 3), ("a", 0)):
        stream.put(thing(name, n, alias="A"))
    assert planned(stream, ITEM).operations == (SetEntry("mine", "A", sequence(0), b'{"n":0}', 86_400),)


def test_items_that_change_places_keep_them_whatever_the_order_of_their_records() -> None:
    for first, second in (("a", "b"), ("b", "a")):
        stream = Stream()
        stream.put(thing("a", alias="A"))
        stream.put(thing("b", alias="B"))
        swapped = {"a": thing("a", 1, alias="B"), "b": thing("b", 2, alias="A")}
        stream.put(swapped[first])
        stream.put(swapped[second])
        written = {each.key: each.value for each in planned(stream, ITEM).operations if isinstance(each, SetEntry)}
        assert written == {"A": b'{"n":2}', "B": b'{"n":1}'}


def test_a_place_that_holds_the_primary_key_is_left_whatever_is_there() -> None:
    for view in (ITEM | {"key": "{pk}-{sk}"}, LIST | {"key": "of-{pk}", "member": "{id}", "fields": {"id": "sk"}}):
        stream = Stream()
        stream.put(thing("a", 1))
        stream.delete("a", "m")
        (operation,) = planned(stream, view).operations
        assert isinstance(operation, DeleteEntry | UpdateList)
        assert (operation.leaving if isinstance(operation, DeleteEntry) else operation.edits["m"]) is None


def test_a_state_that_cannot_be_encoded_was_never_the_items_own() -> None:
    stream = Stream()
    stream.put(thing("a", 1, alias="A"))
    stream.delete("a", "m")
    stream.records[1]["dynamodb"]["OldImage"]["n"] = {"L": [{"X": "poison"}]}
    (operation,) = planned(stream, ITEM).operations
    assert isinstance(operation, DeleteEntry)
    assert operation.leaving == leaving('{"n":1}')


def test_an_item_changed_after_another_left_its_key_has_it_again() -> None:
    stream = Stream()
    stream.put(thing("a", 1, alias="A"))
    stream.put(thing("b", 2, alias="A"))
    stream.put(thing("b", 2))
    stream.put(thing("a", 3, alias="A"))
    assert planned(stream, ITEM).operations == (SetEntry("mine", "A", sequence(0), b'{"n":3}', 86_400),)


def test_an_operation_stands_for_the_first_record_of_every_item_in_it() -> None:
    stream = Stream()
    stream.put(thing("a", owner="ann"))
    stream.put(thing("b", owner="bob"))
    stream.put(thing("c", owner="ann"))
    stream.put(thing("b", owner="ann"))
    of_ann, of_bob = planned(stream, LIST).operations
    assert (of_ann.key, of_ann.lowest) == ("of-ann", sequence(0))
    assert (of_bob.key, of_bob.lowest) == ("of-bob", sequence(1))


def test_one_list_is_updated_once_whatever_the_number_of_rows() -> None:
    stream = Stream()
    for name in "abc":
        stream.put(thing(name, owner="ann"))
    stream.delete("b", "m")
    (update,) = planned(stream, LIST).operations
    assert isinstance(update, UpdateList)
    assert {member: isinstance(edit, bytes) for member, edit in update.edits.items()} == {
        "a": True,
        "b": False,
        "c": True,
    }


def test_a_row_moves_from_list_to_list() -> None:
    stream = Stream()
    stream.put(thing("a", owner="ann"))
    stream.put(thing("a", owner="bob"))
    updates = {each.key: each for each in planned(stream, LIST).operations if isinstance(each, UpdateList)}
    assert updates["of-ann"].edits == {"a": leaving('{"id":"a","n":1}', fields=("id", "n"))}
    assert updates["of-bob"].edits == {"a": b'{"id":"a","n":1}'}


def test_an_item_that_stops_matching_leaves_the_view() -> None:
    stream = Stream()
    stream.put(thing("a", alias="A", state="open"))
    stream.put(thing("a", alias="A", state="closed"))
    view = ITEM | {"where": {"state": ["open"]}}
    assert planned(stream, view).operations == (DeleteEntry("mine", "A", sequence(0), leaving('{"n":1}')),)


def test_an_item_that_a_rebuild_would_not_find_is_not_in_the_list() -> None:
    view = LIST | {
        "key": "of-{owner}",
        "rebuild_from": {
            "index_name": "by-type",
            "index_key_attributes": ["type", "since"],
            "key_condition": {"type": "thing", "owner": "{owner}"},
        },
    }
    stream = Stream()
    stream.put(thing("a", owner="ann", type="thing", since=1))
    stream.put(thing("b", owner="ann", type="other", since=1))
    stream.put(thing("c", owner="ann", type="thing"))
    stream.put(thing("d", type="thing", since=1))
    stream.put(thing("a", owner="ann", type="other", since=1))
    (update,) = planned(stream, view).operations
    assert isinstance(update, UpdateList)
    assert update.edits == {"a": leaving('{"id":"a","n":1}', fields=("id", "n"))}


def test_the_whole_image_is_shown_where_no_fields_are_named() -> None:
    stream = Stream()
    stream.put(thing("a"))
    (entry,) = planned(stream, {"kind": "item", "key": "{pk}#{sk}"}).operations
    assert isinstance(entry, SetEntry)
    assert msgspec.json.decode(entry.value) == {"pk": "a", "sk": "m", "n": 1}


def test_what_two_views_show_of_one_attribute_is_not_taken_for_each_other() -> None:
    stream = Stream()
    stream.put(thing("a", address={"city": "Kyiv", "zip": "01001"}) | {"address.city": "not within"})
    views = {
        "city": {"kind": "item", "key": "city-{pk}", "unique": True, "fields": {"at": "address.city"}},
        "zip": {"kind": "item", "key": "zip-{pk}", "unique": True, "fields": {"at": "address.zip"}},
        "address": {"kind": "item", "key": "address-{pk}", "unique": True, "fields": {"at": "address"}},
        "whole": {"kind": "item", "key": "whole-{pk}", "unique": True},
    }
    operations = plan(coalesce(decode(stream.event()).changes), settings(views)).operations
    values = {each.key: msgspec.json.decode(each.value) for each in operations if isinstance(each, SetEntry)}
    address = {"city": "Kyiv", "zip": "01001"}
    assert values == {
        "city-a": {"at": "not within"},
        "zip-a": {"at": "01001"},
        "address-a": {"at": address},
        "whole-a": {"pk": "a", "sk": "m", "n": 1, "address": address, "address.city": "not within"},
    }


def test_attributes_with_dots_and_brackets_in_their_names_are_shown_by_every_part_of_a_view() -> None:
    stream = Stream("user.id", "ids[0]")
    stream.put({"user.id": "u1", "ids[0]": 7, "created.at": "2026", "order.state": "OPEN", "user": {"id": "other"}})
    stream.put({"user.id": "u2", "ids[0]": 8, "created.at": "2026", "order.state": "DONE"})
    where = {"order.state": ["OPEN"], "user.id": ["u1"], "ids[0]": [7]}
    views = {
        "user": {"kind": "item", "key": "u/{user.id}/{ids[0]}", "where": where},
        "users": {
            "kind": "list",
            "key": "users-{order.state}",
            "member": "{id}#{number}",
            "fields": {"id": "user.id", "number": "ids[0]", "at": "created.at"},
            "order_by": "at",
            "where": where,
            "rebuild_from": {"index_name": "states", "key_condition": {"order.state": "{order.state}"}},
        },
    }
    table = {"name": "users", "key_attributes": ["user.id", "ids[0]"]}
    changes = decode(stream.event(), table["key_attributes"]).changes
    entry, users = plan(coalesce(changes), settings(views, table=table)).operations
    assert isinstance(entry, SetEntry)
    assert entry.key == "u/u1/7"
    assert isinstance(users, UpdateList)
    assert users.key == "users-OPEN"
    assert users.edits == {"u1#7": b'{"id":"u1","number":7,"at":"2026"}'}
    assert users.condition == {"order.state": {"S": "OPEN"}}


def test_a_views_ttl_goes_before_the_modules() -> None:
    stream = Stream()
    stream.put(thing("a", alias="A"))
    (entry,) = planned(stream, ITEM | {"ttl_seconds": 300}).operations
    assert isinstance(entry, SetEntry)
    assert entry.ttl_seconds == 300
    (entry,) = planned(stream, ITEM, ttl_seconds=600).operations
    assert isinstance(entry, SetEntry)
    assert entry.ttl_seconds == 600


def test_an_item_that_one_view_can_not_show_is_rejected_for_that_view_alone() -> None:
    stream = Stream()
    stream.put(order(1))
    stream.put(order(2))
    stream.records[0]["dynamodb"]["NewImage"]["items"] = {"X": "secret"}
    result = planned(stream)
    assert {(rejection.view, rejection.reason) for rejection in result.rejections} == {
        ("order", "an attribute value has a type that DynamoDB does not have"),
        ("admin_order", "an attribute value has a type that DynamoDB does not have"),
    }
    assert {each.key for each in result.operations} == {"order-2", "ADMIN-order-2", "all-orders", "ann"}


def test_an_item_whose_place_can_not_be_told_is_rejected_with_the_reason() -> None:
    stream = Stream()
    stream.put(thing("a", alias="A"))
    stream.records[0]["dynamodb"]["NewImage"]["alias"] = {"N": "secret"}
    result = planned(stream, ITEM)
    assert [rejection.reason for rejection in result.rejections] == [
        "an attribute value of type N is not a number that DynamoDB holds"
    ]
    assert result.operations == ()


@pytest.mark.parametrize("poison", [{"X": "poison"}, {"L": [{"X": "poison"}]}])
def test_an_item_that_a_view_does_not_show_is_not_rejected_for_what_the_view_could_not_show(poison: Any) -> None:
    stream = Stream()
    stream.put(thing("a", alias="A", state="open"))
    stream.put(thing("a", alias="A", state="closed", other=1))
    stream.records[1]["dynamodb"]["NewImage"]["other"] = poison
    view = ITEM | {"where": {"state": ["open"]}, "fields": {"other": "other", "deep": "other.deep"}}
    left = leaving("{}", fields=("other", "deep"))
    assert planned(stream, view) == Plan((DeleteEntry("mine", "A", sequence(0), left),), ())


def test_two_views_that_meet_on_a_key_are_told_apart_aloud() -> None:
    stream = Stream()
    stream.put(order(1, creator="order-1"))
    (rejection,) = planned(stream).rejections
    assert rejection.view == "creator_orders"
    assert "the views order and creator_orders give the same cache key" in rejection.reason


def test_a_record_lost_between_two_others_does_not_leave_its_key_behind() -> None:
    stream = Stream()
    for alias in ("A", "B", "C"):
        stream.put(thing("a", alias=alias))
    del stream.records[1]
    assert {(type(each), each.key) for each in planned(stream, ITEM).operations} == {
        (DeleteEntry, "A"),
        (DeleteEntry, "B"),
        (SetEntry, "C"),
    }


@pytest.mark.parametrize(("prefix", "key"), [("", "A"), ("shop-", "shop-A")])
def test_the_key_prefix_keeps_tables_apart(prefix: str, key: str) -> None:
    stream = Stream()
    stream.put(thing("a", alias="A"))
    assert planned(stream, ITEM, key_prefix=prefix).operations[0].key == key


def changed(*items: Item, first: int = 1) -> Stream:
    """A stream that shows only the later of an item's writes: its first image is old."""
    stream = Stream()
    for item in items:
        stream.put(item)
    del stream.records[:first]
    return stream


def test_what_a_view_does_not_show_changes_nothing_in_it() -> None:
    stream = changed(thing("a", alias="A", owner="ann"), thing("a", alias="A", owner="ann", hidden=1))
    assert planned(stream, ITEM).operations == ()
    assert planned(stream, LIST).operations == ()
    (operation,) = planned(stream, ITEM | {"fields": {"n": "n", "hidden": "hidden"}}).operations
    assert isinstance(operation, SetEntry)


def test_a_view_of_the_whole_item_shows_every_change() -> None:
    stream = changed(thing("a", alias="A"), thing("a", alias="A", hidden=1))
    assert len(planned(stream, {"kind": "item", "key": "{alias}", "unique": True}).operations) == 1


def test_an_item_that_was_different_within_the_batch_is_written_though_it_ends_as_it_began() -> None:
    one, other = thing("a", 1, alias="A", owner="ann"), thing("a", 2, alias="A", owner="ann")
    for view in (ITEM, LIST):
        assert len(planned(changed(one, other, one), view).operations) == 1
        assert len(planned(changed(one, one | {"alias": "B", "owner": "bob"}, one), view).operations) == 2


def test_an_item_that_left_and_came_back_within_the_batch_is_written() -> None:
    stream = Stream()
    stream.put(thing("a", alias="A"))
    stream.delete("a", "m")
    stream.put(thing("a", alias="A"))
    del stream.records[0]
    assert [type(each) for each in planned(stream, ITEM).operations] == [SetEntry]


def test_an_item_that_no_view_shows_before_or_after_is_nothing_to_do() -> None:
    assert planned(changed(thing("a"), thing("a", 2)), ITEM).operations == ()


def test_an_unchanged_item_is_written_where_skipping_is_off() -> None:
    stream = changed(thing("a", alias="A"), thing("a", alias="A", hidden=1))
    assert len(planned(stream, ITEM, skip_unchanged=False).operations) == 1


def test_a_refreshed_item_is_written_and_does_not_show_that_it_was() -> None:
    stream = changed(thing("a", alias="A"), thing("a", alias="A", _cache_refresh="2026-01-01"))
    for view in (ITEM, {"kind": "item", "key": "{alias}", "unique": True}):
        (operation,) = planned(stream, view).operations
        assert isinstance(operation, SetEntry)
        assert b"_cache_refresh" not in operation.value


def test_an_item_refreshed_long_ago_is_skipped_again() -> None:
    refreshed = thing("a", alias="A", _cache_refresh=1)
    assert planned(changed(refreshed, refreshed | {"hidden": 1}), ITEM).operations == ()


def test_only_the_items_that_changed_are_edited_in_a_list() -> None:
    stream = Stream()
    for name in ("a", "b", "a", "b"):
        stream.put(thing(name, owner="ann", hidden=len(stream.records)))
    stream.put(thing("b", 7, owner="ann"))
    del stream.records[:2]
    (operation,) = planned(stream, LIST).operations
    assert isinstance(operation, UpdateList)
    assert set(operation.edits) == {"b"}


@pytest.mark.parametrize(
    ("index", "skipped"),
    [
        ({"index_name": "kinds", "index_key_attributes": ["kind", "rank"]}, False),
        ({"index_name": "kinds", "index_key_attributes": ["kind", "title"]}, True),
        ({"index_name": "kinds"}, False),
        ({}, True),
    ],
)
def test_an_item_that_may_have_moved_within_an_index_is_edited_though_its_row_is_the_same(
    index: dict[str, Any], skipped: bool
) -> None:
    view = LIST | {"key": "all", "rebuild_from": {"key_condition": {"kind": "thing"}} | index}
    one = thing("a", kind="thing", rank=1, title="a")
    assert (planned(changed(one, one | {"rank": 2}), view).operations == ()) is skipped


def test_an_old_image_is_not_written_again_where_the_new_one_is_rejected() -> None:
    stream = Stream()
    stream.put(thing("b", 1, alias="x"))
    stream.put(thing("b", 2, alias="y"))
    stream.records[1]["dynamodb"]["NewImage"]["n"] = {"L": [{"X": "poison"}]}
    plan = planned(stream, ITEM, first=1)
    assert [each.sequence_number for each in plan.rejections] == [sequence(1)]
    assert plan.operations == ()


def test_an_item_that_did_not_change_keeps_its_place_before_another_that_leaves_it() -> None:
    stream = Stream()
    stream.put(thing("b", 1, alias="x"))
    stream.put(thing("a", 1, alias="x"))
    stream.put(thing("b", 1, alias="x", other=5))
    stream.put(thing("a", 1, alias="y"))
    operations = {each.key: each for each in planned(stream, ITEM, first=2).operations}
    assert operations["x"] == SetEntry("mine", "x", sequence(3), b'{"n":1}', 86_400)
    assert set(operations) == {"x", "y"}


def test_an_old_image_is_not_written_again_where_another_item_leaves_its_place() -> None:
    stream = Stream()
    stream.put(thing("a", 1, alias="x"))
    # One transaction, whose records come in any order: c takes the place that a leaves.
    stream.put(thing("c", 2, alias="x"))
    stream.put(thing("a", 3, alias="y"))
    stream.records[2]["dynamodb"]["NewImage"]["alias"] = {"N": "poison"}
    stream.put(thing("c", 2, alias="z"))
    result = planned(stream, ITEM, first=2)
    operations = {each.key: each for each in result.operations}
    assert [each.sequence_number for each in result.rejections] == [sequence(2)]
    assert operations["x"] == DeleteEntry("mine", "x", sequence(3), leaving('{"n":2}', items="c"))
    assert set(operations) == {"x", "z"}


def test_the_whole_key_tells_where_a_view_shows_it_and_else_all_that_it_shows() -> None:
    stream = Stream()
    stream.put(thing("a", 1, alias="x"))
    stream.delete("a", "m")
    whole = planned(stream, ITEM | {"fields": {"p": "pk", "s": "sk", "n": "n"}}, first=1).operations[0]
    part = planned(stream, ITEM | {"fields": {"p": "pk", "n": "n"}}, first=1).operations[0]
    items = frozenset([(("pk", "S", "a"), ("sk", "S", "m"))])
    assert isinstance(whole, DeleteEntry)
    assert whole.leaving == Leaving(frozenset([b'{"p":"a","s":"m"}']), True, frozenset("ps"), frozenset(), items)
    assert isinstance(part, DeleteEntry)
    assert part.leaving is not None
    assert (part.leaving.own, part.leaving.keys) == (frozenset([b'{"p":"a","n":1}']), frozenset(["p"]))


def test_an_entry_that_two_items_of_one_key_leave_is_deleted_whatever_is_there() -> None:
    stream = Stream()
    stream.put(thing("a-b", sk="c"))
    stream.put(thing("a", sk="b-c"))
    stream.delete("a-b", "c")
    stream.delete("a", "b-c")
    view = ITEM | {"key": "{pk}-{sk}"}
    assert planned(stream, view).operations == (DeleteEntry("mine", "a-b-c", sequence(0), None),)


def test_an_item_that_a_view_can_not_show_does_not_keep_another_from_leaving_its_place() -> None:
    stream = Stream()
    stream.put(thing("a", alias="x"))
    stream.put(thing("b", alias="x"))
    stream.put(thing("a", alias="x", hidden=1))
    stream.put(thing("b", alias="y"))
    changed = stream.records[2]["dynamodb"]
    for name in ("OldImage", "NewImage"):
        changed[name]["n"] = {"L": [{"X": "poison"}]}
    operations = {each.key: each for each in planned(stream, ITEM, first=2).operations}
    assert operations["x"] == DeleteEntry("mine", "x", sequence(3), leaving('{"n":1}', items="b"))
    assert set(operations) == {"x", "y"}


def test_what_a_rejected_record_brought_is_written_where_the_image_after_it_can_not_be_shown() -> None:
    stream = Stream()
    for n in (1, 2, 3):
        stream.put(thing("a", n, alias="A"))
    stream.records[1]["eventName"] = "RENAME"
    stream.records[2]["dynamodb"]["NewImage"]["n"] = {"L": [{"X": "poison"}]}
    result = planned(stream, ITEM)
    assert result.operations == (SetEntry("mine", "A", sequence(0), b'{"n":2}', 86_400),)
    assert [each.sequence_number for each in result.rejections] == [sequence(2)]


def test_an_image_that_a_view_can_not_show_rejects_the_record_that_brought_it_and_not_the_one_after() -> None:
    stream = Stream()
    for n in (1, 2, 3):
        stream.put(thing("a", n, alias="A"))
    for position, image in ((1, "NewImage"), (2, "OldImage")):
        stream.records[position]["dynamodb"][image]["n"] = {"L": [{"X": "poison"}]}
        stream.records[position]["dynamodb"][image]["alias"] = {"N": "poison"}
    result = planned(stream, ITEM)
    assert result.operations == (SetEntry("mine", "A", sequence(0), b'{"n":3}', 86_400),)
    assert [each.sequence_number for each in result.rejections] == [sequence(1)]
