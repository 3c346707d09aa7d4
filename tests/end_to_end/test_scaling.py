"""What scales, over its life: turning that on and off, and what was scaled to, make nothing anew."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.aws import AwsStack
from local.terraform import Terraform

FIXED = {name: {"min_capacity": 5} for name in ("read", "write")}
SCALED = {name: {"min_capacity": 5, "max_capacity": 50} for name in ("read", "write")}


class Scaled:
    """The root module `scaled`, applied to a stack of its own."""

    def __init__(self, aws: AwsStack, terraform: Terraform) -> None:
        self.aws = aws
        self.terraform = terraform

    def plan(self, **variables: Any) -> set[tuple[str, str]]:
        """Plan with other variables; what would become of which resource."""
        (self.terraform.working_directory / "other.auto.tfvars.json").write_text(json.dumps(variables))
        return {
            (resource.removeprefix("module.order_cache."), what) for resource, what in self.terraform.changes().items()
        }

    def apply(self) -> None:
        """Apply what was planned, and make sure that there is nothing more to do."""
        self.terraform.apply()
        assert self.terraform.plan() is None

    def table(self) -> dict[str, Any]:
        """What the table is like, as far as it may change."""
        table = self.aws.client("dynamodb").describe_table(TableName="scaled")["Table"]
        [index] = table["GlobalSecondaryIndexes"]
        units = [each["ProvisionedThroughput"] for each in (table, index)]
        return {
            "id": table["TableId"],
            "capacity": [(each["ReadCapacityUnits"], each["WriteCapacityUnits"]) for each in units],
        }


@pytest.fixture(scope="module")
def scaled() -> Iterator[Scaled]:
    with AwsStack() as aws:
        variables = aws.function_platform | {
            "provisioned_capacity": "null",
            "provisioned_concurrent_executions": "0",
        }
        with Terraform("tests/end_to_end/scaled", environment=aws.environment, variables=variables) as terraform:
            terraform.apply()
            yield Scaled(aws, terraform)
            terraform.destroy()


def test_capacity_that_begins_and_ends_to_scale_changes_the_table_in_place_and_is_left_where_it_was_scaled_to(
    scaled: Scaled,
) -> None:
    made = scaled.table()
    assert scaled.plan(provisioned_capacity=FIXED) == {("aws_dynamodb_table.this[0]", "updated in-place")}
    scaled.apply()
    assert scaled.table() == {"id": made["id"], "capacity": [(5, 5), (5, 5)]}

    planned = scaled.plan(provisioned_capacity=SCALED)
    assert {what for _, what in planned} == {"created"}
    assert {resource.partition(".")[0] for resource, _ in planned} == {
        "aws_appautoscaling_policy",
        "aws_appautoscaling_target",
    }
    scaled.apply()
    policies = scaled.aws.client("application-autoscaling").describe_scaling_policies(ServiceNamespace="dynamodb")
    assert {(each["ResourceId"], each["ScalableDimension"]) for each in policies["ScalingPolicies"]} == {
        ("table/scaled", "dynamodb:table:ReadCapacityUnits"),
        ("table/scaled", "dynamodb:table:WriteCapacityUnits"),
        ("table/scaled/index/type", "dynamodb:index:ReadCapacityUnits"),
        ("table/scaled/index/type", "dynamodb:index:WriteCapacityUnits"),
    }

    scaled.aws.client("dynamodb").update_table(
        TableName="scaled",
        ProvisionedThroughput={"ReadCapacityUnits": 20, "WriteCapacityUnits": 9},
        GlobalSecondaryIndexUpdates=[
            {
                "Update": {
                    "IndexName": "type",
                    "ProvisionedThroughput": {"ReadCapacityUnits": 33, "WriteCapacityUnits": 7},
                }
            }
        ],
    )
    assert scaled.plan(provisioned_capacity=SCALED) == set()

    planned = scaled.plan(provisioned_capacity=FIXED)
    assert ("aws_dynamodb_table.this[0]", "updated in-place") in planned
    assert {what for _, what in planned} == {"updated in-place", "destroyed"}
    scaled.apply()
    assert scaled.table() == {"id": made["id"], "capacity": [(5, 5), (5, 5)]}


def test_what_is_kept_started_is_put_in_front_of_the_function_and_taken_away_in_place(scaled: Scaled) -> None:
    function = scaled.aws.client("lambda")
    scaled.plan(provisioned_capacity=FIXED, provisioned_concurrent_executions=1)
    scaled.apply()
    [mapping] = function.list_event_source_mappings()["EventSourceMappings"]
    assert mapping["FunctionArn"].endswith(":function:scaled:live")
    kept = function.get_provisioned_concurrency_config(FunctionName="scaled", Qualifier="live")
    assert kept["RequestedProvisionedConcurrentExecutions"] == 1
    version = function.get_alias(FunctionName="scaled", Name="live")["FunctionVersion"]
    assert version != "$LATEST"

    planned = scaled.plan(provisioned_capacity=FIXED, provisioned_concurrent_executions=0)
    assert ("aws_lambda_event_source_mapping.this[0]", "updated in-place") in planned
    assert "replaced" not in {what for _, what in planned}
    scaled.apply()
    [mapping] = function.list_event_source_mappings()["EventSourceMappings"]
    assert mapping["FunctionArn"].endswith(":function:scaled")
