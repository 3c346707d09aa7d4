"""The pizza app on one machine: the example applied, orders written and read, and what its views have to show.

What they have to show is told here from the orders alone, and by none of the handler's code.
"""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from local import reader
from local.aws import AwsStack
from local.momento import MomentoServer
from local.terraform import Terraform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from momento import CacheClient

CACHE = "pizza"

Order = dict[str, Any]
"""An order as the table has it."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write to the table, from the order's image before to the one after it.

    Attributes:
        before: None for a new order.
        after: None for a deleted one.
        issued: when the request was about to be sent, by `time.perf_counter`.
    """

    before: Order | None
    after: Order | None
    issued: float

    def expected(self) -> dict[str, Any]:
        """Return what the write's entries show of its order: the value of an item view, the rows of a list."""
        gone: dict[str, Any] = {
            key: [] if isinstance(value, list) else None for key, value in views(_present(self.before)).items()
        }
        return gone | views(_present(self.after))

    def is_visible(self, read: Callable[[str], Any]) -> bool:
        """Tell whether all four views show the write."""
        order_id = (self.after or self.before or {})["pk"]
        # Lists first: every write of a burst is looked for in the same few.
        for key, expected in sorted(self.expected().items(), key=lambda entry: not isinstance(entry[1], list)):
            value = read(key)
            if isinstance(expected, list):
                value = [row for row in value or () if row["id"] == order_id]
            if value != expected:
                return False
        return True


def views(orders: Iterable[Order]) -> dict[str, Any]:
    """Return the entries that the four views have for a table with these orders, by cache key."""
    newest_first = sorted(orders, key=lambda order: str(order["createdAt"]), reverse=True)
    entries: dict[str, Any] = {"all-orders": []}
    for order in newest_first:
        row = {"id": order["pk"]} | _picked(order, "createdAt", "status", "numItems", "lastUpdated")
        detail = row | _picked(order, "items")
        entries[order["pk"]] = detail
        entries[f"ADMIN-{order['pk']}"] = detail | _picked(order, "creator")
        entries.setdefault(order["creator"], []).append(row)
        if order["status"] != "COMPLETED":
            entries["all-orders"].append(row)
    return entries


class Pizza:
    """The pizza example, applied, with its API key in its secret, until the block ends.

    Momento accepts that key alone, so every request that it answers was made with the secret's.

    Args:
        show: called with Terraform's lines as they come.
    """

    def __init__(self, show: Callable[[str], None] = lambda _: None) -> None:
        self._show = show

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.api_key = secrets.token_hex(16)
            self.momento = stack.enter_context(MomentoServer(caches=[CACHE], required_keys=[self.api_key]))
            self.aws = stack.enter_context(AwsStack())
            self.terraform = stack.enter_context(
                Terraform(
                    "examples/pizza-orders",
                    environment=self.aws.environment,
                    variables=self.aws.function_platform | {"momento_endpoint": self.momento.endpoint},
                )
            )
            self.terraform.apply(self._show)
            self.outputs = self.terraform.outputs()
            self.store_key(self.api_key)
            # A resource's client takes plain values, and unlike the resource may be used by several threads.
            self._dynamodb = self.aws.resource("dynamodb").meta.client
            self._table = {"TableName": self.outputs["table_name"]}
            self._reader = stack.enter_context(self.reader(self.api_key))
            self._kept = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    @property
    def package(self) -> Path:
        """The zip that was built for the function."""
        return self.terraform.working_directory / str(self.outputs["package_path"])

    def store_key(self, api_key: str) -> None:
        """Put a Momento API key into the example's secret, as its operator does."""
        self.aws.client("secretsmanager").put_secret_value(SecretId=self.outputs["secret_arn"], SecretString=api_key)

    def reader(self, api_key: str) -> CacheClient:
        """Return a client such as any reader of the views has."""
        return reader.connect(self.momento, api_key)

    def create(self, creator: str) -> Write:
        """Write a new order with one pizza."""
        order = {
            "pk": f"order-{secrets.token_hex(6)}",
            "sk": "metadata",
            "type": "order",
            "creator": creator,
            "createdAt": _now(),
            "status": "CREATED",
            "numItems": 1,
            "items": [pizza("margherita")],
        }
        issued = time.perf_counter()
        self._dynamodb.put_item(Item=order, **self._table)
        return Write(None, order, issued)

    def change(self, order: Order, **changes: Any) -> Write:
        """Set attributes of an order."""
        changes["lastUpdated"] = _now()
        issued = time.perf_counter()
        self._dynamodb.update_item(
            Key=_key(order),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in changes),
            ExpressionAttributeNames={f"#{name}": name for name in changes},
            ExpressionAttributeValues={f":{name}": value for name, value in changes.items()},
            **self._table,
        )
        return Write(order, order | changes, issued)

    def delete(self, order: Order) -> Write:
        """Delete an order."""
        issued = time.perf_counter()
        self._dynamodb.delete_item(Key=_key(order), **self._table)
        return Write(order, None, issued)

    def orders(self) -> list[Order]:
        """Scan the table."""
        pages = self._dynamodb.get_paginator("scan").paginate(ConsistentRead=True, **self._table)
        return [order for page in pages for order in page["Items"]]

    def read(self, key: str) -> Any:
        """Read a view's entry as any reader does: None on a miss."""
        return reader.read(self._reader, CACHE, key)


def pizza(topping: str) -> Mapping[str, Any]:
    """Return a pizza as an order lists it."""
    return {"size": "large", "crust": "thin", "toppings": [topping], "sauce": "tomato"}


def _present(order: Order | None) -> list[Order]:
    return [] if order is None else [order]


def _picked(order: Order, *attributes: str) -> dict[str, Any]:
    return {name: order[name] for name in attributes if name in order}


def _key(order: Order) -> dict[str, Any]:
    return {name: order[name] for name in ("pk", "sk")}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
