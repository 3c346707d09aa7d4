"""What Terraform accepts of a view is what the function accepts, and what it refuses is refused there too."""

import json
from typing import Any

import pytest

from handler.settings import SettingsError
from local.terraform import Terraform, TerraformError
from tests.pizza import VIEWS, settings

TABLE = {
    "key_attributes": ["pk", "sk"],
    "indexes": {"type": {"key_attributes": ["type", "creator"], "attributes": None}},
}
ITEM = {"kind": "item", "key": "{pk}#{sk}"}
LIST = {"kind": "list", "key": "{pk}", "member": "{pk}#{sk}"}
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
    ],
)
def test_an_accepted_view_is_accepted_by_the_function(view: dict[str, Any]) -> None:
    made = terraforms(view)
    parsed = settings({"mine": made})
    assert parsed.views["mine"].unique == view.get("unique", False)
    assert made["key"] == view["key"]


@pytest.mark.parametrize(
    "view",
    [
        ITEM | {"where": {"status": [{"sufix": "X"}]}},
        ITEM | {"ttl_seconds": 10**20},
        ITEM | {"key": "{pk}"},
        LIST | {"order_by": ""},
        LIST | {"rebuild_from": {"key_condition": {}}},
    ],
)
def test_a_refused_view_is_refused_by_the_function_too(view: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        settings({"mine": view})
    with pytest.raises(TerraformError, match=r"views\.mine\."):
        terraforms(view)
