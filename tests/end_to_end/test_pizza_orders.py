"""The pizza app, whole: writes by boto3, the function that Terraform deployed, reads by the Momento SDK."""

import time

from local.pizza import CACHE, Order, Pizza, Write, views


def follow(app: Pizza, *writes: Write) -> Order:
    """Wait until every view shows every write, and nothing else; give back the last one's order."""
    deadline = time.monotonic() + 30
    for write in writes:
        while not write.is_visible(app.read):
            assert time.monotonic() < deadline, {key: app.read(key) for key in write.expected()}
            time.sleep(0.01)
    in_table = views(app.orders())
    # With a slash: what functions with settings of their own have written.
    keys = [key.decode() for key in app.momento.engine.keys(CACHE) if b"/" not in key]
    cached = {key: app.read(key) for key in keys}
    # A list may outlive its last row; an item's entry may not outlive the item.
    assert {key: value for key, value in cached.items() if key in in_table or value != []} == in_table
    return writes[-1].after or {}


def ids(rows: list[Order]) -> list[str]:
    return [row["id"] for row in rows]


def test_a_new_order_is_in_all_four_views(app: Pizza) -> None:
    order = follow(app, app.create("new"))
    detail = {
        "id": order["pk"],
        "createdAt": order["createdAt"],
        "status": "CREATED",
        "numItems": 1,
        "items": [{"size": "large", "crust": "thin", "toppings": ["margherita"], "sauce": "tomato"}],
    }
    row = {name: value for name, value in detail.items() if name != "items"}
    assert app.read(order["pk"]) == detail
    assert app.read(f"ADMIN-{order['pk']}") == detail | {"creator": "new"}
    assert app.read("new") == [row]
    assert row in app.read("all-orders")


def test_a_change_replaces_the_orders_row_in_both_lists(app: Pizza) -> None:
    order = follow(app, app.create("changing"))
    for status in ("SUBMITTED", "IN PROGRESS"):
        order = follow(app, app.change(order, status=status))
        assert [row["status"] for row in app.read("changing")] == [status]
        assert ids(app.read("all-orders")).count(order["pk"]) == 1


def test_a_completed_order_leaves_all_orders_and_stays_with_its_creator(app: Pizza) -> None:
    order = follow(app, app.create("hungry"))
    follow(app, app.change(order, status="COMPLETED"))
    assert order["pk"] not in ids(app.read("all-orders"))
    assert ids(app.read("hungry")) == [order["pk"]]


def test_a_reopened_order_comes_back_to_its_place_in_all_orders(app: Pizza) -> None:
    first, second, third = (follow(app, app.create("undecided")) for _ in range(3))
    second = follow(app, app.change(second, status="COMPLETED"))
    follow(app, app.change(second, status="SUBMITTED"))
    assert ids(app.read("all-orders"))[:3] == [third["pk"], second["pk"], first["pk"]]


def test_an_order_that_changes_hands_changes_lists(app: Pizza) -> None:
    order = follow(app, app.create("giver"))
    follow(app, app.change(order, creator="taker"))
    assert app.read("giver") == []
    assert ids(app.read("taker")) == [order["pk"]]
    assert app.read(f"ADMIN-{order['pk']}")["creator"] == "taker"


def test_a_deleted_order_is_in_no_view(app: Pizza) -> None:
    order = follow(app, app.create("regretful"))
    follow(app, app.delete(order))
    assert app.read(order["pk"]) is None
    assert app.read(f"ADMIN-{order['pk']}") is None
    assert app.read("regretful") == []
    assert order["pk"] not in ids(app.read("all-orders"))


def test_of_many_writes_at_once_none_is_missed(app: Pizza) -> None:
    created = [app.create(f"crowd-{number % 3}") for number in range(60)]
    changed = [app.change(write.after or {}, status="SUBMITTED") for write in created[:40]]
    deleted = [app.delete(write.after or {}) for write in changed[:20]]
    follow(app, *deleted, *changed[20:], *created[40:])
    assert sum(len(app.read(f"crowd-{number}")) for number in range(3)) == 40


def test_an_order_deleted_right_after_it_was_made_does_not_come_back(app: Pizza) -> None:
    deleted = [app.delete(app.create("fickle").after or {}) for _ in range(10)]
    # The shard is read in order: once this one is there, all before it were handled.
    follow(app, *deleted, app.create("fickle"))
    assert len(app.read("fickle")) == 1


def test_a_list_that_momento_lost_comes_back_whole_with_the_next_change(app: Pizza) -> None:
    orders = [follow(app, app.create("evicted")) for _ in range(3)]
    app.momento.engine.evict(CACHE, b"evicted")
    app.momento.engine.evict(CACHE, b"all-orders")
    follow(app, app.change(orders[0], status="SUBMITTED"))
    assert ids(app.read("evicted")) == [order["pk"] for order in reversed(orders)]


def test_a_list_that_momento_lost_comes_back_whole_with_the_next_removal(app: Pizza) -> None:
    orders = [follow(app, app.create("evicted again")) for _ in range(3)]
    app.momento.engine.evict(CACHE, b"evicted again")
    removal = app.delete(orders[1])
    # A list that is not there shows no deleted order either: `follow` alone would look too early.
    deadline = time.monotonic() + 30
    while app.read("evicted again") is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    follow(app, removal)
    assert ids(app.read("evicted again")) == [orders[2]["pk"], orders[0]["pk"]]
