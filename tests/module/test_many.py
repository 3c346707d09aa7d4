"""Many tables in one root module: no name is taken twice, one package serves all, and what can be tagged is."""

import re
from collections import Counter, defaultdict

import pytest

from local.terraform import Terraform

TABLES = {"orders", "customers", "menus"}
NAMES = {
    "aws_cloudwatch_dashboard": "dashboard_name",
    "aws_cloudwatch_log_group": "name",
    "aws_cloudwatch_metric_alarm": "alarm_name",
    "aws_dynamodb_table": "name",
    "aws_iam_role": "name",
    "aws_iam_role_policy": "name",
    "aws_lambda_function": "function_name",
    "aws_sqs_queue": "name",
}


@pytest.fixture(scope="module")
def plan() -> str:
    """What Terraform says that it would make."""
    with Terraform("tests/module/many") as terraform:
        return str(terraform.plan())


@pytest.fixture(scope="module")
def resources(plan: str) -> list[tuple[str, str, str]]:
    """Of which table, of which kind and, in Terraform's words, what is planned."""
    return [
        re.findall(r'^\["(\w+)"\]\.(\w+)\.\S+ will be created((?:.|\n)*)', each)[0]
        for each in plan.split("\n  # module.cache")[1:]
    ]


def test_a_first_plan_warns_of_nothing(plan: str) -> None:
    assert "Plan: " in plan
    assert "Warning" not in plan


def test_many_tables_have_their_own_of_everything_but_one_package(resources: list[tuple[str, str, str]]) -> None:
    made: defaultdict[str, set[str]] = defaultdict(set)
    names: Counter[tuple[str, str]] = Counter()
    packages = set()
    for table, kind, attributes in resources:
        made[kind].add(table)
        values = dict(re.findall(r'^      \+ (\w+) += "(.*)"$', attributes, re.MULTILINE))
        if kind in NAMES:
            names[kind, values[NAMES[kind]]] += 1
        if "filename" in values:
            packages.add(values["filename"])
    assert all(tables == TABLES for tables in made.values())
    assert set(made) > NAMES.keys()
    assert set(names.values()) == {1}
    assert len(packages) == 1


def test_whatever_can_have_tags_has_them(resources: list[tuple[str, str, str]]) -> None:
    taggable, tagged = (
        {kind for _, kind, attributes in resources if re.search(rf"^      \+ {name} +=", attributes, re.MULTILINE)}
        for name in ("tags_all", "tags")
    )
    assert taggable > {"aws_dynamodb_table", "aws_lambda_event_source_mapping", "aws_cloudwatch_metric_alarm"}
    assert tagged == taggable
