"""The workload: orders that a table holds, and the stream of what then happens to them. The same each time."""

import random
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from local import pizza
from local.event_source.event import EVENT_BYTES, PAYLOAD_BYTES
from local.pizza import Order

ORDER_BYTES = 1_024
"""What an order takes as JSON, less at most one pizza."""

BEGAN = datetime(2026, 1, 1, 9, tzinfo=UTC)

OPEN = ("CREATED", "WAITING", "PREPARING", "IN OVEN", "READY")
COMPLETED_SHARE = 0.1
"""Which share of the changes completes its order; any other change opens it again, so the lists keep their length."""

_SIZES = ("small", "medium", "large", "family")
_CRUSTS = ("thin", "classic", "filled", "sourdough")
_SAUCES = ("tomato", "cream", "pesto", "barbecue")
_TOPPINGS = ("basil", "mozzarella", "mushrooms", "olives", "onions", "peppers", "rocket", "salami", "spinach", "tuna")


class Scale(Struct, frozen=True):
    """How much happens.

    Attributes:
        orders: in the table to begin with, each created at another second.
        creators: who made them.
        inserts: new orders.
        modifies: changes, each of which every view of the order shows.
        removes: deleted orders.
    """

    orders: int = 2_000
    creators: int = 100
    inserts: int = 1_500
    modifies: int = 17_000
    removes: int = 1_500

    @property
    def records(self) -> int:
        """How many records the stream has."""
        return self.inserts + self.modifies + self.removes


class Write(Struct, frozen=True):
    """One write to the table.

    Attributes:
        before: the order as it was; None: a new one.
        after: the order as it became; None: it is gone.
    """

    before: Order | None
    after: Order | None


class Workload(Struct, frozen=True):
    """What is in the table, and what happens to it.

    Attributes:
        scale: how much.
        loaded: the orders that are in the table, and in the cache, before anything happens.
        writes: what happens, oldest first.
    """

    scale: Scale
    loaded: tuple[Order, ...]
    writes: tuple[Write, ...]

    def orders(self, records: int) -> list[Order]:
        """What the table holds after so many records."""
        table = {order["pk"]: order for order in self.loaded}
        for write in self.writes[:records]:
            if write.after is not None:
                table[write.after["pk"]] = write.after
            elif write.before is not None:
                del table[write.before["pk"]]
        return list(table.values())

    def entries(self, records: int) -> dict[str, Any]:
        """What the cache has to hold after so many records, by key: told from the orders alone."""
        empty: dict[str, Any] = {creator: [] for creator in _creators(self.scale)}
        return empty | pizza.views(self.orders(records))

    def records(self) -> Iterator[dict[str, Any]]:
        """The stream's records, as a Lambda event has them."""
        for number, write in enumerate(self.writes):
            yield _record(number, write)


def workload(scale: Scale, seed: int = 1) -> Workload:
    """Make a workload: the same for the same arguments."""
    chance = random.Random(seed)  # noqa: S311 - has to come out the same each time
    loaded = tuple(_new_order(number, scale, chance) for number in range(scale.orders))
    kinds = ["insert"] * scale.inserts + ["modify"] * scale.modifies + ["remove"] * scale.removes
    chance.shuffle(kinds)
    table = {order["pk"]: order for order in loaded}
    # An order that is removed changes places with the last: choosing stays as fast as the list is long.
    present = list(table)
    writes: list[Write] = []
    created = scale.orders
    for number, kind in enumerate(kinds):
        if kind == "insert":
            order = _new_order(created, scale, chance)
            created += 1
            present.append(order["pk"])
            writes.append(Write(None, order))
            table[order["pk"]] = order
            continue
        place = chance.randrange(len(present))
        before = table[present[place]]
        if kind == "remove":
            present[place] = present[-1]
            present.pop()
            writes.append(Write(table.pop(before["pk"]), None))
        else:
            after = table[before["pk"]] = _changed(before, number, chance)
            writes.append(Write(before, after))
    return Workload(scale, loaded, tuple(writes))


def encoded(entries: Mapping[str, Any]) -> dict[str, bytes]:
    """Entries as they are cached."""
    return {key: msgspec.json.encode(value) for key, value in entries.items()}


def payloads(records: Iterable[bytes], batch_size: int) -> Iterator[tuple[int, bytes]]:
    """Cut encoded records into the payloads of a function's invocations.

    Args:
        records: as JSON, oldest first.
        batch_size: the most records in one; fewer where the payload would be larger than Lambda's limit.

    Yields:
        how many records the payload holds, and the payload.
    """
    batch: list[bytes] = []
    size = EVENT_BYTES
    for record in records:
        if len(batch) == batch_size or (batch and size + len(record) + 1 > PAYLOAD_BYTES):
            full, batch = batch, []
            yield len(full), _payload(full)
            size = EVENT_BYTES
        batch.append(record)
        size += len(record) + 1
    if batch:
        yield len(batch), _payload(batch)


def image(order: Order) -> dict[str, Any]:
    """An order in DynamoDB's notation, as a Lambda event has it."""
    return {name: _attribute_value(value) for name, value in order.items()}


def _payload(batch: list[bytes]) -> bytes:
    return b'{"Records":[' + b",".join(batch) + b"]}"


def _creators(scale: Scale) -> list[str]:
    return [f"creator-{number:03}" for number in range(scale.creators)]


def _new_order(number: int, scale: Scale, chance: random.Random) -> Order:
    order: Order = {
        "pk": f"order-{chance.getrandbits(48):012x}",
        "sk": "metadata",
        "type": "order",
        # The first orders give every creator one, so that no list is absent.
        "creator": _creators(scale)[number if number < scale.creators else chance.randrange(scale.creators)],
        "createdAt": _time(number),
        "status": chance.choice(OPEN),
        # Of as many digits as it will have.
        "numItems": 10,
        "items": [_pizza(chance)],
    }
    size = len(msgspec.json.encode(order))
    while True:
        pizza = _pizza(chance)
        size += len(msgspec.json.encode(pizza)) + 1
        if size > ORDER_BYTES:
            return order | {"numItems": len(order["items"])}
        order["items"].append(pizza)


def _changed(order: Order, number: int, chance: random.Random) -> Order:
    status = "COMPLETED" if chance.random() < COMPLETED_SHARE else chance.choice(OPEN)
    # A second of its own for each change: none leaves a view as it was.
    return order | {"status": status, "lastUpdated": _time(1_000_000 + number)}


def _pizza(chance: random.Random) -> dict[str, Any]:
    return {
        "size": chance.choice(_SIZES),
        "crust": chance.choice(_CRUSTS),
        "toppings": chance.sample(_TOPPINGS, chance.randint(1, 3)),
        "sauce": chance.choice(_SAUCES),
    }


def _time(second: int) -> str:
    return (BEGAN + timedelta(seconds=second)).isoformat(timespec="milliseconds")


def _record(number: int, write: Write) -> dict[str, Any]:
    order = write.after or write.before or {}
    images = {"OldImage": write.before, "NewImage": write.after}
    names = {(False, True): "INSERT", (True, True): "MODIFY", (True, False): "REMOVE"}
    return {
        "eventID": f"{number:032x}",
        "eventName": names[write.before is not None, write.after is not None],
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-1",
        "dynamodb": {
            "ApproximateCreationDateTime": BEGAN.timestamp() + number,
            "Keys": image({name: order[name] for name in ("pk", "sk")}),
            **{name: image(state) for name, state in images.items() if state is not None},
            "SequenceNumber": str(49_590_338_271_490_256_608_559_692_538_361 + number),
            "SizeBytes": sum(len(msgspec.json.encode(state)) for state in images.values() if state is not None),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:111122223333:table/orders/stream/2026-01-01T00:00:00.000",
    }


def _attribute_value(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case list():
            return {"L": [_attribute_value(each) for each in value]}
        case dict():
            return {"M": image(value)}
        case _:
            raise TypeError(f"no order holds a {type(value).__name__}")
