"""The pizza app: its four views as settings, its orders, and the handler that it started with."""

import asyncio
import json
from typing import Any, Protocol

import msgspec
from boto3.dynamodb.types import TypeDeserializer

from handler.settings import Settings, parse
from tests.stream import Item

DETAIL = {name: name for name in ("createdAt", "status", "numItems", "items", "lastUpdated")} | {"id": "pk"}
ROW = {name: name for name in ("createdAt", "status", "numItems", "lastUpdated")} | {"id": "pk"}
LIST = {"kind": "list", "member": "{id}", "unique": True, "fields": ROW, "order_by": "createdAt"}

VIEWS: dict[str, Any] = {
    "order": {"kind": "item", "key": "{pk}", "unique": True, "fields": DETAIL},
    "admin_order": {"kind": "item", "key": "ADMIN-{pk}", "unique": True, "fields": DETAIL | {"creator": "creator"}},
    "all_orders": LIST
    | {
        "key": "all-orders",
        "where": {"type": ["order"], "status": [{"anything-but": ["COMPLETED"]}]},
        "rebuild_from": {"index_name": "type", "key_condition": {"type": "order"}},
    },
    "creator_orders": LIST
    | {
        "key": "{creator}",
        "where": {"type": ["order"]},
        "rebuild_from": {"index_name": "type", "key_condition": {"type": "order", "creator": "{creator}"}},
    },
}


def settings(views: dict[str, Any] = VIEWS, **others: Any) -> Settings:
    """Settings as Terraform hands them over, parsed."""
    document = {
        "table": {"name": "orders", "key_attributes": ["pk", "sk"]},
        "momento": {
            "cache_name": "pizza",
            "secret_arn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento",
        },
        "views": views,
    }
    return parse(msgspec.json.encode(document | others))


def order(number: int, **changes: Any) -> Item:
    """An order as the app writes it."""
    return {
        "pk": f"order-{number}",
        "sk": "metadata",
        "type": "order",
        "creator": "ann",
        "createdAt": f"2026-01-{number:02}T12:00:00Z",
        "status": "WAITING",
        "numItems": 1,
        "items": [{"size": "large", "crust": "thin", "toppings": ["basil"], "sauce": "tomato"}],
    } | changes


class SeedCache(Protocol):
    """What the handler that the app started with asks of Momento."""

    async def read(self, key: str) -> bytes | None:
        """Read a value, None where there is none."""

    async def set(self, key: str, value: bytes, ttl_seconds: int) -> None:
        """Write a value."""

    async def delete(self, key: str) -> None:
        """Take a value away."""


async def seed_handler(event: dict[str, Any], cache: SeedCache) -> dict[str, Any] | None:
    """The handler that the app started with, call by call, its faults included."""
    try:
        record = event["Records"][0]
        if record["eventName"] in ("INSERT", "MODIFY"):
            await _seed_refresh(_unmarshall(record["dynamodb"]["NewImage"]), cache)
        else:
            await _seed_remove(_unmarshall(record["dynamodb"]["OldImage"]), cache)
    except Exception as error:  # noqa: BLE001 - the fault that is shown: whatever happens, the record is acknowledged
        print(error)
    return None


async def _seed_refresh(record: Item, cache: SeedCache) -> None:
    item = {name: record[source] for name, source in DETAIL.items() if source in record}
    await _seed_set(record["pk"], item, cache)
    await _seed_set(f"ADMIN-{record['pk']}", item | {"creator": record["creator"]}, cache)
    del item["items"]
    await _seed_update_list("all-orders", item, cache)
    await _seed_update_list(record["creator"], item, cache)


async def _seed_remove(record: Item, cache: SeedCache) -> None:
    await cache.delete(record["pk"])
    await cache.delete(f"ADMIN-{record['pk']}")
    await _seed_delete_from_list("allOrders", record["pk"], cache)
    await _seed_delete_from_list(record["creator"], record["pk"], cache)


async def _seed_update_list(key: str, item: Item, cache: SeedCache) -> None:
    cached = await cache.read(key)
    rows = json.loads(cached) if cached else []
    rows.append(item)
    rows.sort(key=lambda row: row["createdAt"], reverse=True)
    _background.append(asyncio.create_task(_seed_set(key, rows, cache)))


async def _seed_delete_from_list(key: str, order_id: str, cache: SeedCache) -> None:
    cached = await cache.read(key)
    if cached:
        rows = [row for row in json.loads(cached) if row["id"] != order_id]
        _background.append(asyncio.create_task(_seed_set(key, rows, cache)))


async def _seed_set(key: str, value: Any, cache: SeedCache) -> None:
    await cache.set(key, json.dumps(value, default=int).encode(), 86_400)


_background: list[asyncio.Task[None]] = []
"""Writes that nobody waits for. Kept, or they would be collected before they are done."""


def _unmarshall(image: dict[str, Any]) -> Item:
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in image.items()}
