# The least a user writes, and what it comes to.

mock_provider "aws" {
  source          = "./tests/module/aws"
  override_during = plan
}

variables {
  name  = "orders"
  table = { hash_key = { name = "pk" } }

  momento = {
    cache_name = "pizza"
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
  }

  views = {
    order = { kind = "item", key = "{pk}" }
  }
}

run "the_table_keeps_history_encrypted_and_is_hard_to_lose" {
  command = plan

  assert {
    condition = (
      length(aws_dynamodb_table.this) == 1
      && aws_dynamodb_table.this[0].name == "orders"
      && aws_dynamodb_table.this[0].hash_key == "pk"
      && aws_dynamodb_table.this[0].range_key == null
    )
    error_message = "The table has the module's name and the given hash key alone."
  }

  assert {
    condition     = aws_dynamodb_table.this[0].attribute == toset([{ name = "pk", type = "S" }])
    error_message = "A key is a string unless said otherwise."
  }

  assert {
    condition     = aws_dynamodb_table.this[0].stream_enabled && aws_dynamodb_table.this[0].stream_view_type == "NEW_AND_OLD_IMAGES"
    error_message = "The stream carries both images."
  }

  assert {
    condition     = aws_dynamodb_table.this[0].billing_mode == "PAY_PER_REQUEST"
    error_message = "Capacity is on demand."
  }

  assert {
    condition     = one(aws_dynamodb_table.this[0].point_in_time_recovery).enabled && one(aws_dynamodb_table.this[0].server_side_encryption).enabled
    error_message = "Point-in-time recovery and encryption are on."
  }

  assert {
    condition     = aws_dynamodb_table.this[0].deletion_protection_enabled
    error_message = "The table refuses to be deleted."
  }

  assert {
    condition     = length(aws_dynamodb_table.this[0].ttl) == 0 && length(aws_dynamodb_table.this[0].global_secondary_index) == 0
    error_message = "There is no TTL attribute and no index unless asked for."
  }
}

run "the_mapping_reads_from_the_start_and_gives_up_late" {
  command = plan

  assert {
    condition     = aws_lambda_event_source_mapping.this[0].event_source_arn == "arn:aws:dynamodb:eu-west-1:111122223333:table/orders/stream/2025-01-01T00:00:00.000"
    error_message = "It reads the table's stream."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this[0].function_name == "arn:aws:lambda:eu-west-1:111122223333:function:orders"
    error_message = "It invokes the function."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.this[0].enabled
      && aws_lambda_event_source_mapping.this[0].batch_size == 100
      && aws_lambda_event_source_mapping.this[0].starting_position == "TRIM_HORIZON"
      && aws_lambda_event_source_mapping.this[0].maximum_batching_window_in_seconds == 0
      && aws_lambda_event_source_mapping.this[0].parallelization_factor == 1
    )
    error_message = "Batches of 100 from the oldest record on, at once, one at a time."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.this[0].maximum_retry_attempts == 100
      && aws_lambda_event_source_mapping.this[0].maximum_record_age_in_seconds == -1
      && aws_lambda_event_source_mapping.this[0].bisect_batch_on_function_error
    )
    error_message = "A failed batch is split and tried 100 times, whatever its age."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this[0].function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "The function says which record failed."
  }

  assert {
    condition     = one(one(aws_lambda_event_source_mapping.this[0].destination_config).on_failure).destination_arn == "arn:aws:sqs:eu-west-1:111122223333:orders-failures"
    error_message = "What is given up is named in the failure queue."
  }

  assert {
    condition     = length(aws_lambda_event_source_mapping.this[0].filter_criteria) == 0 && aws_lambda_event_source_mapping.this[0].kms_key_arn == null
    error_message = "Every record reaches the function."
  }

  assert {
    condition     = length(aws_lambda_event_source_mapping.this[0].metrics_config) == 0
    error_message = "What the mapping counts is not asked for, nor paid."
  }
}

run "the_function_is_small_arm_and_logs_to_a_group_that_ends" {
  command = plan

  assert {
    condition = (
      aws_lambda_function.this[0].function_name == "orders"
      && aws_lambda_function.this[0].handler == "handler.function.handler"
      && aws_lambda_function.this[0].runtime == "python3.13"
      && aws_lambda_function.this[0].architectures == tolist(["arm64"])
      && aws_lambda_function.this[0].memory_size == 512
      && aws_lambda_function.this[0].timeout == 60
      && aws_lambda_function.this[0].role == "arn:aws:iam::111122223333:role/orders"
    )
    error_message = "The function has the documented defaults."
  }

  assert {
    condition     = one(aws_lambda_function.this[0].logging_config).log_group == "/aws/lambda/orders" && one(aws_lambda_function.this[0].logging_config).log_format == "Text"
    error_message = "Powertools' own JSON lines go to the group that the module made."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this[0].name == "/aws/lambda/orders" && aws_cloudwatch_log_group.this[0].retention_in_days == 30
    error_message = "Logs are kept for 30 days."
  }

  assert {
    condition     = { for name, value in one(aws_lambda_function.this[0].environment).variables : name => value if name != "SETTINGS" } == { POWERTOOLS_SERVICE_NAME = "orders", POWERTOOLS_METRICS_NAMESPACE = "DynamoDBMomentoCache", POWERTOOLS_LOG_LEVEL = "INFO" }
    error_message = "Powertools is told the service, the namespace and the level."
  }

  assert {
    condition     = one(aws_lambda_function.this[0].environment).variables.SETTINGS == base64gzip(jsonencode(output.settings))
    error_message = "SETTINGS is the settings, compressed."
  }
}

run "the_package_is_named_after_what_goes_into_it" {
  command = plan

  assert {
    condition     = output.package_path == "./.build/dynamodb-momento-cache-python3.13-arm64-${substr(output.package_hash, 0, 16)}.zip" && aws_lambda_function.this[0].filename == output.package_path
    error_message = "The function's file is known without building it."
  }

  assert {
    condition     = terraform_data.package[0].triggers_replace == [output.package_path, "orders"] && terraform_data.deployed[0].triggers_replace == [output.package_path, "orders", "Q29kZQ=="]
    error_message = "It is built when it or the function's name changes, and checked when what the function runs does too."
  }
}

run "another_runtime_is_another_package" {
  command = plan

  variables {
    runtime      = "python3.12"
    architecture = "x86_64"
  }

  assert {
    condition     = output.package_hash != run.the_package_is_named_after_what_goes_into_it.package_hash && startswith(output.package_path, "./.build/dynamodb-momento-cache-python3.12-x86_64-")
    error_message = "Runtime and architecture go into the package."
  }

  assert {
    condition     = aws_lambda_function.this[0].runtime == "python3.12" && aws_lambda_function.this[0].architectures == tolist(["x86_64"])
    error_message = "The function has them too."
  }
}

run "outputs_name_everything_to_wire_more_on" {
  command = plan

  assert {
    condition = {
      table_name                = output.table_name
      table_arn                 = output.table_arn
      stream_arn                = output.stream_arn
      event_source_mapping_uuid = output.event_source_mapping_uuid
      event_source_mapping_arn  = output.event_source_mapping_arn
      function_name             = output.function_name
      function_arn              = output.function_arn
      role_name                 = output.role_name
      role_arn                  = output.role_arn
      log_group_name            = output.log_group_name
      log_group_arn             = output.log_group_arn
      failure_destination_arn   = output.failure_destination_arn
      failure_queue_url         = output.failure_queue_url
      failure_queue_arn         = output.failure_queue_arn
      } == {
      table_name                = "orders"
      table_arn                 = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders"
      stream_arn                = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders/stream/2025-01-01T00:00:00.000"
      event_source_mapping_uuid = "6d5c1c2e"
      event_source_mapping_arn  = "arn:aws:lambda:eu-west-1:111122223333:event-source-mapping:6d5c1c2e"
      function_name             = "orders"
      function_arn              = "arn:aws:lambda:eu-west-1:111122223333:function:orders"
      role_name                 = "orders"
      role_arn                  = "arn:aws:iam::111122223333:role/orders"
      log_group_name            = "/aws/lambda/orders"
      log_group_arn             = "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/orders"
      failure_destination_arn   = "arn:aws:sqs:eu-west-1:111122223333:orders-failures"
      failure_queue_url         = "https://sqs.eu-west-1.amazonaws.com/111122223333/orders-failures"
      failure_queue_arn         = "arn:aws:sqs:eu-west-1:111122223333:orders-failures"
    }
    error_message = "Outputs name each resource."
  }
}
