"""What Terraform accepts of a view is what the function accepts, and what it refuses is refused there too."""

import json
from typing import Any

import pytest

from handler.settings import SettingsError
from local.terraform import Terraform, TerraformError
from tests.pizza import VIEWS, settings

TABLE = {
    "key_attributes": ["pk", "sk"],
    "attribute_types": {"pk": "S", "sk": "S", "type": "S", "creator": "S", "year": "N", "digest": "B"},
    "indexes": {
        "type": {"key_attributes": ["type", "creator"], "attributes": None},
        "year": {"key_attributes": ["year", "digest"], "attributes": None},
    },
}
TYPED = {name: TABLE[name] for name in ("key_attributes", "attribute_types")} | {"name": "orders"}
ITEM = {"kind": "item", "key": "{pk}#{sk}"}
LIST = {"kind": "list", "key": "{pk}", "member": "{pk}#{sk}"}


def by_year(**key_condition: Any) -> dict[str, Any]:
    """A list of an index by a number, then by binary."""
    rebuild_from = {"index_name": "year", "key_condition": key_condition}
    return LIST | {"key": "of-{year}-{digest}-{pk}", "rebuild_from": rebuild_from}


MOMENTO = {"cache_name": "pizza", "secret_arn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento"}
PATTERNS = {
    "status": [{"anything-but": ["DONE", 1.50, None]}, {"anything-but": {"prefix": "X"}}, {"exists": False}, None, 7],
    "address": {"city": [{"prefix": "G"}, "Wien", True]},
}


def terraforms(view: dict[str, Any], table: Any = TABLE) -> Any:
    """What the module would hand to the function for a view."""
    rebuild_from = view.get("rebuild_from", {})
    values = {name: value for name, value in view.items() if name != "rebuild_from"} | rebuild_from
    if "where" in values:
        values["where"] = json.dumps(values["where"])
    variables = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in ({"name": "mine", "table": table} | values).items()
    }
    with Terraform("modules/view", variables=variables) as terraform:
        terraform.apply()
        return terraform.outputs()["settings"]


@pytest.mark.parametrize(
    "view",
    [
        *VIEWS.values(),
        ITEM,
        ITEM | {"fields": {"city": "address.city", "tag": "tags[0]"}, "where": PATTERNS, "ttl_seconds": 300},
        LIST,
        LIST | {"order_by": "createdAt", "descending": False, "unique": True},
        LIST | {"rebuild_from": {"key_condition": {"pk": "{pk}"}}},
        LIST | {"limit": 1, "fields": {"pk": "pk", "sk": "sk", "_cache_refresh": "city"}, "order_by": "_cache_refresh"},
        LIST | {"limit": 10_000, "key": "{x._cache_refresh}", "order_by": "_cache_refreshed"},
        *(by_year(year=value) for value in (2026, "0", "-1.5", "0.05", "1" * 38, "{year}")),
        by_year(year="{year}", digest="{digest}"),
    ],
)
def test_an_accepted_view_is_accepted_by_the_function(view: dict[str, Any]) -> None:
    made = terraforms(view)
    parsed = settings({"mine": made}, table=TYPED)
    assert parsed.views["mine"].unique == view.get("unique", False)
    assert made["key"] == view["key"]
    assert made.get("limit") == getattr(parsed.views["mine"], "limit", None) == view.get("limit")


@pytest.mark.parametrize(
    "view",
    [
        ITEM | {"where": {"status": [{"sufix": "X"}]}},
        ITEM | {"ttl_seconds": 10**20},
        ITEM | {"key": "{pk}"},
        LIST | {"order_by": ""},
        LIST | {"rebuild_from": {"key_condition": {}}},
        LIST | {"limit": 0},
        LIST | {"limit": 10_001},
        LIST | {"limit": 2.5},
        ITEM | {"limit": 10},
        ITEM | {"key": "{pk}#{sk}#{_cache_refresh}"},
        ITEM | {"fields": {"at": "_cache_refresh[0]"}},
        LIST | {"member": "{pk}#{sk}#{_cache_refresh}"},
        LIST | {"order_by": "_cache_refresh"},
        *(by_year(year=value) for value in ("last", "20{pk}", "007", "+7", "-0", "1.50", "1E3", "7 ", "1" * 39, "")),
        by_year(year="7", digest="AAAA"),
        by_year(year="7", digest="x{pk}"),
        LIST | {"rebuild_from": {"key_condition": {"pk": ""}}},
    ],
)
def test_a_refused_view_is_refused_by_the_function_too(view: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        settings({"mine": view}, table=TYPED)
    with pytest.raises(TerraformError, match=r"views\.mine\."):
        terraforms(view)


ORDER = {"order": {"kind": "item", "key": "{pk}#{sk}"}}


@pytest.mark.parametrize(
    "momento",
    [
        {"max_operations_per_second": 0.1, "max_item_bytes": 1},
        {"max_operations_per_second": 250, "max_item_bytes": 10**9},
        {"request_timeout_seconds": 0.5},
        {"request_timeout_seconds": 5},
    ],
)
def test_accepted_bounds_on_momento_are_accepted_by_the_function(momento: dict[str, Any]) -> None:
    variables = {"views": json.dumps(ORDER), "momento": json.dumps(momento)}
    with Terraform("tests/module/caller", variables=variables) as terraform:
        assert terraform.plan()
    parsed = settings(ORDER, momento=MOMENTO | momento).momento
    assert {name: getattr(parsed, name) for name in momento} == momento


@pytest.mark.parametrize(
    "momento",
    [
        {"max_operations_per_second": 0},
        {"max_operations_per_second": -0.5},
        {"max_item_bytes": 0},
        {"max_item_bytes": 0.5},
        {"request_timeout_seconds": 0.4},
        {"request_timeout_seconds": 5.5},
    ],
)
def test_refused_bounds_on_momento_are_refused_by_the_function_too(momento: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(momento))):
        settings(ORDER, momento=MOMENTO | momento)
    variables = {"views": json.dumps(ORDER), "momento": json.dumps(momento)}
    with (
        Terraform("tests/module/caller", variables=variables) as terraform,
        pytest.raises(TerraformError, match=rf"momento\.{next(iter(momento))}"),
    ):
        terraform.plan()
