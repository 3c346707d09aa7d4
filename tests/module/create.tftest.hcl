# A module block that is there, and makes nothing.

mock_provider "aws" {
  source          = "./tests/module/aws"
  override_during = plan
}

variables {
  create = false
  name   = "orders"

  table = {
    hash_key                     = { name = "pk" }
    provisioned_capacity         = { read = { min_capacity = 1, max_capacity = 2 }, write = { min_capacity = 1 } }
    resource_policy              = { policy = "{}" }
    contributor_insights_enabled = true
  }

  momento = {
    cache_name = "pizza"
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
  }

  provisioned_concurrent_executions = 1

  views = {
    order = { kind = "item", key = "{pk}" }
    open  = { kind = "list", key = "open", member = "{pk}", rebuild_from = { key_condition = { pk = "a" } } }
  }
}

run "nothing_is_made" {
  command = plan

  assert {
    condition = length(concat(
      aws_dynamodb_table.this,
      aws_dynamodb_resource_policy.this,
      values(aws_dynamodb_contributor_insights.this),
      values(aws_appautoscaling_target.this),
      values(aws_appautoscaling_policy.this),
      data.aws_dynamodb_tables.all,
      data.aws_dynamodb_table.live,
      aws_lambda_event_source_mapping.this,
      aws_lambda_function.this,
      aws_cloudwatch_log_group.this,
      aws_sqs_queue.failures,
      aws_iam_role.this,
      aws_iam_role_policy.this,
      values(aws_cloudwatch_metric_alarm.this),
      aws_cloudwatch_dashboard.this,
      aws_lambda_alias.live,
      aws_lambda_provisioned_concurrency_config.live,
      terraform_data.package,
      terraform_data.deployed,
      terraform_data.prebuilt,
    )) == 0
    error_message = "There is no resource."
  }

  assert {
    condition = alltrue([
      for value in [
        output.table_name,
        output.table_arn,
        output.stream_arn,
        output.event_source_mapping_uuid,
        output.event_source_mapping_arn,
        output.function_name,
        output.function_arn,
        output.alias_arn,
        output.role_name,
        output.role_policy,
        output.role_arn,
        output.log_group_name,
        output.log_group_arn,
        output.failure_destination_arn,
        output.failure_queue_url,
        output.failure_queue_arn,
        output.dashboard_arn,
      ] : value == null
    ])
    error_message = "Outputs are null."
  }

  assert {
    condition     = length(output.views) == 0
    error_message = "No view is kept."
  }
}

run "nothing_is_made_for_a_stream_that_exists" {
  command = plan

  variables {
    table      = null
    stream_arn = "arn:aws:dynamodb:us-east-2:444455556666:table/legacy/stream/2024-06-01T10:00:00.000"
  }

  assert {
    condition     = length(data.aws_dynamodb_table.existing) == 0 && length(aws_lambda_event_source_mapping.this) == 0 && length(aws_iam_role_policy.this) == 0
    error_message = "There is no resource."
  }

  assert {
    condition     = output.table_name == "legacy" && output.table_arn == "arn:aws:dynamodb:us-east-2:444455556666:table/legacy" && output.stream_arn == var.stream_arn
    error_message = "What the caller gave is still named."
  }
}
