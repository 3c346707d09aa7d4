"""The handler that the app started with, in Python: six requests a record, one after another.

It is mended as far as its cache comes out right for the workload: a row takes the place of its order's old one, a
removed or completed order leaves the list that the admin sees, and every write is waited for. None of that adds a
request. As it was published, it is `seed_handler` in `tests/pizza.py`.
"""

import json
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from benchmarks.sdk import Sdk

_deserialize = TypeDeserializer().deserialize


async def handle(event: dict[str, Any], cache: Sdk) -> None:
    """Bring the cache up to the event's one record."""
    (record,) = event["Records"]
    change = record["dynamodb"]
    if record["eventName"] == "REMOVE":
        order = unmarshalled(change["OldImage"])
        await cache.delete(order["pk"])
        await cache.delete(f"ADMIN-{order['pk']}")
        await change_list(cache, "all-orders", order["pk"], None)
        await change_list(cache, order["creator"], order["pk"], None)
        return
    order = unmarshalled(change["NewImage"])
    await cache.set(order["pk"], dumped(detail(order)))
    await cache.set(f"ADMIN-{order['pk']}", dumped(detail(order) | {"creator": order["creator"]}))
    await change_list(cache, "all-orders", order["pk"], None if is_completed(order) else row(order))
    await change_list(cache, order["creator"], order["pk"], row(order))


def unmarshalled(image: dict[str, Any]) -> dict[str, Any]:
    """An image as plain values, its numbers Decimals."""
    return {name: _deserialize(value) for name, value in image.items()}


def row(order: dict[str, Any]) -> dict[str, Any]:
    """What a list shows of an order."""
    names = {"id": "pk", "createdAt": "createdAt", "status": "status", "numItems": "numItems"}
    shown = {name: order[attribute] for name, attribute in names.items()}
    return shown | ({"lastUpdated": order["lastUpdated"]} if "lastUpdated" in order else {})


def detail(order: dict[str, Any]) -> dict[str, Any]:
    """What an order's own entry shows of it."""
    return row(order) | {"items": order["items"]}


def is_completed(order: dict[str, Any]) -> bool:
    """Tell whether the admin's list leaves an order out."""
    return bool(order["status"] == "COMPLETED")


def dumped(value: Any) -> str:
    """A value as it is cached: as short as JavaScript writes it."""
    return json.dumps(value, default=int, separators=(",", ":"))


async def change_list(cache: Sdk, key: str, order_id: str, row: dict[str, Any] | None) -> None:
    """Put an order's row into a list in place of its old one, or take the old one out."""
    cached = await cache.read(key)
    rows = [other for other in json.loads(cached or b"[]") if other["id"] != order_id]
    if row is not None:
        rows.append(row)
        rows.sort(key=lambda each: str(each["createdAt"]), reverse=True)
    await cache.set(key, dumped(rows))
