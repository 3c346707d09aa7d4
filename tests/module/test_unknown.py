"""What is planned before any ARN is known that the module is given."""

import re
from collections import defaultdict

from local.terraform import Terraform


def test_a_plan_needs_no_arn_to_be_known() -> None:
    with Terraform("tests/module/unknown") as terraform:
        plan = str(terraform.plan())
    planned: defaultdict[str, set[str]] = defaultdict(set)
    for module, resource in re.findall(r"# module\.(\w+)\.(\S+) will be (?:created|read during apply)", plan):
        planned[module].add(resource)
    everywhere = {
        "aws_lambda_function.this[0]",
        "aws_lambda_event_source_mapping.this[0]",
        "aws_cloudwatch_log_group.this[0]",
        "aws_cloudwatch_dashboard.this[0]",
    }
    for resources in planned.values():
        assert resources > everywhere
    assert planned["made"] > {
        "aws_dynamodb_table.this[0]",
        "aws_dynamodb_resource_policy.this[0]",
        'aws_dynamodb_contributor_insights.this["index/by-type"]',
        "aws_sqs_queue.failures[0]",
        "aws_iam_role_policy.this[0]",
        "terraform_data.prebuilt[0]",
    }
    assert "data.aws_dynamodb_table.existing[0]" in planned["by_table_arn"]
    assert not planned["by_table_arn"] & {"aws_iam_role.this[0]", "aws_sqs_queue.failures[0]"}
    assert planned["by_stream_arn"] > {"data.aws_dynamodb_table.existing[0]", "aws_lambda_alias.live[0]"}
    assert "aws_sqs_queue.failures[0]" not in planned["to_topic"]
    assert planned.keys() == {"made", "by_table_arn", "by_stream_arn", "to_topic"}
