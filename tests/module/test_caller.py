"""What a caller of the module reads when a view is wrong, before anything is made."""

import hashlib
import json
from collections.abc import Mapping

import pytest

from local.terraform import Terraform, TerraformError


def refusal(views: Mapping[str, object]) -> str:
    """Plan with views that are wrong, and return what Terraform says as one line."""
    with (
        Terraform("tests/module/caller", variables={"views": json.dumps(views)}) as terraform,
        pytest.raises(TerraformError) as refused,
    ):
        terraform.plan()
    return " ".join(str(refused.value).replace("│", "").split())


def test_each_wrong_view_is_named_with_its_fix() -> None:
    orders = {"kind": "list", "member": "{pk}#{sk}"}
    by_type = {"index_name": "type", "key_condition": {"type": "order"}}
    by_creator = {"index_name": "creator", "key_condition": {"creator": "Ada"}}
    says = refusal(
        {
            "half_a_key": {"kind": "item", "key": "{pk}"},
            "no_such_index": orders | {"key": "ada", "rebuild_from": by_creator},
            "thin_index": orders | {"key": "all", "rebuild_from": by_type},
        }
    )
    assert "views.half_a_key.key must hold the table's whole primary key, but lacks sk" in says
    assert "views.no_such_index.rebuild_from.index_name must be one of the table's indexes (type, year)" in says
    assert "views.thin_index.rebuild_from.index_name must be an index that projects all that the view reads" in says


def test_a_list_of_a_number_that_is_none_is_named_with_its_fix() -> None:
    by_year = {"index_name": "year", "key_condition": {"year": "last"}}
    says = refusal({"last": {"kind": "list", "key": "last", "member": "{pk}#{sk}", "rebuild_from": by_year}})
    assert "views.last.rebuild_from.key_condition must map a key of type N (year) to a placeholder alone" in says


def test_too_many_views_fail_the_plan_though_the_secret_is_not_known_yet() -> None:
    # A hash does not compress, as the names of real views would.
    keys = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(100)]
    says = refusal({key[:8]: {"kind": "item", "key": f"{key}-{{pk}}-{{sk}}"} for key in keys})
    assert "views and environment_variables do not fit into the 4 KB that Lambda allows" in says
