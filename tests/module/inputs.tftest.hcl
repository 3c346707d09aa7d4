# Inputs that are passed on, and those that are refused. What one view must be like is in views.tftest.hcl.

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

run "the_mapping_and_the_function_have_what_is_asked_for" {
  command = plan

  variables {
    batch_size                         = 1000
    starting_position                  = "LATEST"
    maximum_batching_window_in_seconds = 2
    parallelization_factor             = 10
    maximum_retry_attempts             = -1
    maximum_record_age_in_seconds      = 3600
    bisect_batch_on_function_error     = false
    enabled                            = false
    filter_patterns                    = [{ pk = { prefix = ["ORDER#"] } }, { pk = { equals = ["TOTAL"] } }]
    filter_kms_key_arn                 = "arn:aws:kms:eu-west-1:111122223333:key/f"
    metrics_config                     = { metrics = ["EventCount"] }
    memory_size                        = 1769
    timeout                            = 300
    log_level                          = "DEBUG"
    log_retention_in_days              = 365
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.this[0].batch_size == 1000
      && aws_lambda_event_source_mapping.this[0].starting_position == "LATEST"
      && aws_lambda_event_source_mapping.this[0].maximum_batching_window_in_seconds == 2
      && aws_lambda_event_source_mapping.this[0].parallelization_factor == 10
      && aws_lambda_event_source_mapping.this[0].maximum_retry_attempts == -1
      && aws_lambda_event_source_mapping.this[0].maximum_record_age_in_seconds == 3600
      && !aws_lambda_event_source_mapping.this[0].bisect_batch_on_function_error
      && !aws_lambda_event_source_mapping.this[0].enabled
    )
    error_message = "The mapping is as asked for."
  }

  assert {
    condition = one(aws_lambda_event_source_mapping.this[0].filter_criteria).filter == toset([
      { pattern = "{\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":[{\"prefix\":\"ORDER#\"}]}}}}" },
      { pattern = "{\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":[\"TOTAL\"]}}}}" },
    ])
    error_message = "The mapping has each filter pattern."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this[0].kms_key_arn == "arn:aws:kms:eu-west-1:111122223333:key/f" && one(aws_lambda_event_source_mapping.this[0].metrics_config).metrics == toset(["EventCount"])
    error_message = "They are encrypted with the given key, and the mapping counts."
  }

  assert {
    condition     = aws_lambda_function.this[0].memory_size == 1769 && aws_lambda_function.this[0].timeout == 300
    error_message = "The function is as asked for."
  }

  assert {
    condition     = one(aws_lambda_function.this[0].environment).variables.POWERTOOLS_LOG_LEVEL == "DEBUG" && aws_cloudwatch_log_group.this[0].retention_in_days == 365
    error_message = "Logging is as asked for."
  }
}

run "settings_hold_all_that_the_function_is_told" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" } }
    momento = {
      cache_name                = "pizza"
      secret_arn                = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
      secret_json_key           = "apiKey"
      endpoint                  = "cell-4-us-west-2-1.prod.a.momentohq.com"
      max_operations_per_second = 0.5
      max_item_bytes            = 1000000
      request_timeout_seconds   = 2.5
    }
    batch_size     = 20
    timeout        = 45
    key_prefix     = "eu/"
    ttl_seconds    = 3600
    skip_unchanged = false
    views = {
      order = { kind = "item", key = "{pk}#{sk}" }
      open  = { kind = "list", key = "open", member = "{pk}#{sk}", limit = 20, ttl_seconds = 300 }
    }
  }

  assert {
    condition = jsonencode(output.settings) == jsonencode({
      table = { name = "orders", key_attributes = ["pk", "sk"], attribute_types = { pk = "S", sk = "S" } }
      momento = {
        cache_name                = "pizza"
        secret_arn                = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
        secret_json_key           = "apiKey"
        endpoint                  = "cell-4-us-west-2-1.prod.a.momentohq.com"
        max_operations_per_second = 0.5
        max_item_bytes            = 1000000
        request_timeout_seconds   = 2.5
      }
      key_prefix      = "eu/"
      ttl_seconds     = 3600
      skip_unchanged  = false
      timeout_seconds = 45
      views = {
        order = { kind = "item", key = "{pk}#{sk}", unique = false }
        open  = { kind = "list", key = "open", member = "{pk}#{sk}", unique = false, descending = true, limit = 20, ttl_seconds = 300 }
      }
    })
    error_message = "Settings are complete, and hold nothing that is not set."
  }

  assert {
    condition = output.views == {
      order = { kind = "item", key = "eu/{pk}#{sk}", ttl_seconds = 3600 }
      open  = { kind = "list", key = "eu/open", ttl_seconds = 300 }
    }
    error_message = "The key layout says what readers ask for, and how long it lives."
  }
}

run "momento_without_extras_is_told_as_cache_secret_and_its_largest_entry" {
  command = plan

  assert {
    condition     = jsonencode(output.settings.momento) == jsonencode({ cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3", max_item_bytes = 5000000 })
    error_message = "What is not set is left out, but for what has a default."
  }

  assert {
    condition     = output.settings.skip_unchanged
    error_message = "What a batch does not change is not written."
  }
}

run "views_that_do_not_fit_into_the_environment_fail_the_plan" {
  command = plan

  variables {
    # A hash does not compress, as real names would.
    views = { for number in range(100) : "view${number}" => { kind = "item", key = "${sha256(number)}-{pk}" } }
  }

  expect_failures = [aws_lambda_function.this]
}

run "momento_that_does_not_fit_fails_the_plan_too" {
  command = plan

  variables {
    momento = {
      cache_name = join("", [for number in range(60) : sha512(number)])
      secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
    }
  }

  expect_failures = [aws_lambda_function.this]
}

run "a_local_server_is_an_endpoint" {
  command = plan

  variables {
    momento = {
      cache_name = "pizza"
      secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
      endpoint   = "127.0.0.1:8080"
    }
  }

  assert {
    condition     = output.settings.momento.endpoint == "127.0.0.1:8080"
    error_message = "host:port is passed on."
  }
}

run "a_name_has_three_characters" {
  command = plan

  variables {
    name = "or"
  }

  expect_failures = [var.name]
}

run "a_name_has_at_most_64_characters" {
  command = plan

  variables {
    name = join("", [for letter in range(65) : "x"])
  }

  expect_failures = [var.name]
}

run "a_name_has_no_dot" {
  command = plan

  variables {
    name = "orders.eu"
  }

  expect_failures = [var.name]
}

run "a_cache_has_a_name" {
  command = plan

  variables {
    momento = { cache_name = "", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3" }
  }

  expect_failures = [var.momento]
}

run "an_api_key_is_no_secret_arn" {
  command = plan

  variables {
    momento = { cache_name = "pizza", secret_arn = "eyJhbGciOi" }
  }

  expect_failures = [var.momento]
}

run "a_secret_arn_is_whole" {
  command = plan

  variables {
    momento = { cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento" }
  }

  expect_failures = [var.momento]
}

run "a_secret_json_key_is_not_empty" {
  command = plan

  variables {
    momento = { cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3", secret_json_key = "" }
  }

  expect_failures = [var.momento]
}

run "a_kms_alias_is_no_key" {
  command = plan

  variables {
    momento = { cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3", secret_kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:alias/momento" }
  }

  expect_failures = [var.momento]
}

run "an_endpoint_is_no_url" {
  command = plan

  variables {
    momento = { cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3", endpoint = "https://cell-4-us-west-2-1.prod.a.momentohq.com" }
  }

  expect_failures = [var.momento]
}

run "a_rate_is_not_zero" {
  command = plan

  variables {
    momento = { cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3", max_operations_per_second = 0 }
  }

  expect_failures = [var.momento]
}

run "a_rate_is_not_negative" {
  command = plan

  variables {
    momento = { cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3", max_operations_per_second = -0.5 }
  }

  expect_failures = [var.momento]
}

run "an_entry_has_a_byte" {
  command = plan

  variables {
    momento = { cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3", max_item_bytes = 0 }
  }

  expect_failures = [var.momento]
}

run "an_entrys_bytes_are_whole" {
  command = plan

  variables {
    momento = { cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3", max_item_bytes = 1.5 }
  }

  expect_failures = [var.momento]
}

run "a_request_has_time_for_a_round_trip" {
  command = plan

  variables {
    momento = { cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3", request_timeout_seconds = 0.4 }
  }

  expect_failures = [var.momento]
}

run "a_request_leaves_time_for_others" {
  command = plan

  variables {
    momento = { cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3", request_timeout_seconds = 5.5 }
  }

  expect_failures = [var.momento]
}

run "there_is_a_view" {
  command = plan

  variables {
    views = {}
  }

  expect_failures = [var.views]
}

run "two_views_have_two_keys" {
  command = plan

  variables {
    views = { order = { kind = "item", key = "{pk}" }, admin = { kind = "item", key = "{pk}", fields = { creator = "creator" } } }
  }

  expect_failures = [var.views]
}

run "a_key_prefix_is_no_template" {
  command = plan

  variables {
    key_prefix = "{tenant}/"
  }

  expect_failures = [var.key_prefix]
}

run "an_entry_lives_five_minutes" {
  command = plan

  variables {
    ttl_seconds = 299
  }

  expect_failures = [var.ttl_seconds]
}

run "an_entry_lives_whole_seconds" {
  command = plan

  variables {
    ttl_seconds = 300.5
  }

  expect_failures = [var.ttl_seconds]
}

run "a_batch_has_a_record" {
  command = plan

  variables {
    batch_size = 0
  }

  expect_failures = [var.batch_size]
}

run "a_batch_has_at_most_10000_records" {
  command = plan

  variables {
    batch_size = 10001
  }

  expect_failures = [var.batch_size]
}

run "a_batch_size_is_whole" {
  command = plan

  variables {
    batch_size = 1.5
  }

  expect_failures = [var.batch_size]
}

run "a_stream_is_not_read_from_a_time" {
  command = plan

  variables {
    starting_position = "AT_TIMESTAMP"
  }

  expect_failures = [var.starting_position]
}

run "a_batching_window_is_not_negative" {
  command = plan

  variables {
    maximum_batching_window_in_seconds = -1
  }

  expect_failures = [var.maximum_batching_window_in_seconds]
}

run "a_batching_window_ends_after_300_seconds" {
  command = plan

  variables {
    maximum_batching_window_in_seconds = 301
  }

  expect_failures = [var.maximum_batching_window_in_seconds]
}

run "a_batching_window_is_whole_seconds" {
  command = plan

  variables {
    maximum_batching_window_in_seconds = 0.5
  }

  expect_failures = [var.maximum_batching_window_in_seconds]
}

run "a_shard_has_a_batch_at_once" {
  command = plan

  variables {
    parallelization_factor = 0
  }

  expect_failures = [var.parallelization_factor]
}

run "a_shard_has_at_most_ten_batches_at_once" {
  command = plan

  variables {
    parallelization_factor = 11
  }

  expect_failures = [var.parallelization_factor]
}

run "a_parallelization_factor_is_whole" {
  command = plan

  variables {
    parallelization_factor = 2.5
  }

  expect_failures = [var.parallelization_factor]
}

run "retries_are_at_most_10000" {
  command = plan

  variables {
    maximum_retry_attempts = 10001
  }

  expect_failures = [var.maximum_retry_attempts]
}

run "retries_are_not_negative_but_for_minus_one" {
  command = plan

  variables {
    maximum_retry_attempts = -2
  }

  expect_failures = [var.maximum_retry_attempts]
}

run "retries_are_whole" {
  command = plan

  variables {
    maximum_retry_attempts = 0.5
  }

  expect_failures = [var.maximum_retry_attempts]
}

run "a_record_may_be_a_minute_old" {
  command = plan

  variables {
    maximum_record_age_in_seconds = 59
  }

  expect_failures = [var.maximum_record_age_in_seconds]
}

run "a_record_may_be_at_most_seven_days_old" {
  command = plan

  variables {
    maximum_record_age_in_seconds = 604801
  }

  expect_failures = [var.maximum_record_age_in_seconds]
}

run "a_records_age_is_whole_seconds" {
  command = plan

  variables {
    maximum_record_age_in_seconds = 60.5
  }

  expect_failures = [var.maximum_record_age_in_seconds]
}

run "a_filter_tests_a_key_in_every_way_that_lambda_has" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk", type = "N" } }
    views = { order = { kind = "item", key = "{pk}#{sk}" } }
    filter_patterns = [{
      pk = { equals = ["a", "b"], equals_ignore_case = ["c"], prefix = ["d", "e"], suffix = ["f"], anything_but = ["g", "h"] }
      sk = { equals = ["1"] }
    }]
  }

  assert {
    condition = jsondecode(one(output.filter_patterns)) == {
      dynamodb = {
        Keys = {
          pk = { S = ["a", "b", { equals-ignore-case = "c" }, { prefix = "d" }, { prefix = "e" }, { suffix = "f" }, { anything-but = ["g", "h"] }] }
          sk = { N = ["1"] }
        }
      }
    }
    error_message = "Both keys have to match, each by its type, any one way."
  }
}

run "an_empty_filter_pattern_is_refused" {
  command = plan

  variables {
    filter_patterns = [{ pk = { equals = ["a"] } }, {}]
  }

  expect_failures = [var.filter_patterns]
}

run "a_misspelt_filter_is_refused" {
  command = plan

  variables {
    filter_patterns = [{ pk = { prefx = ["ORDER#"] } }]
  }

  expect_failures = [var.filter_patterns]
}

run "a_filter_may_not_test_what_is_no_key" {
  command = plan

  variables {
    filter_patterns = [{ pk = { equals = ["a"] }, status = { equals = ["open"] } }]
  }

  expect_failures = [aws_lambda_event_source_mapping.this]
}

run "there_are_at_most_ten_filters" {
  command = plan

  variables {
    filter_patterns = [for number in range(11) : { pk = { equals = [tostring(number)] } }]
  }

  expect_failures = [var.filter_patterns]
}

run "a_filters_key_is_no_alias" {
  command = plan

  variables {
    filter_kms_key_arn = "alias/filters"
  }

  expect_failures = [var.filter_kms_key_arn]
}

run "a_stream_has_events_to_count_and_no_more" {
  command = plan

  variables {
    metrics_config = { metrics = ["EventCount", "KafkaMetrics"] }
  }

  expect_failures = [var.metrics_config]
}

run "a_tumbling_window_is_refused" {
  command = plan

  variables {
    tumbling_window_in_seconds = 60
  }

  expect_failures = [var.tumbling_window_in_seconds]
}

run "a_runtime_is_pythons" {
  command = plan

  variables {
    runtime = "nodejs22.x"
  }

  expect_failures = [var.runtime]
}

run "a_runtime_is_python_3_11_or_newer" {
  command = plan

  variables {
    runtime = "python3.10"
  }

  expect_failures = [var.runtime]
}

run "an_architecture_is_named_as_lambda_does" {
  command = plan

  variables {
    architecture = "aarch64"
  }

  expect_failures = [var.architecture]
}

run "memory_is_at_least_128_mb" {
  command = plan

  variables {
    memory_size = 127
  }

  expect_failures = [var.memory_size]
}

run "memory_is_at_most_10240_mb" {
  command = plan

  variables {
    memory_size = 10241
  }

  expect_failures = [var.memory_size]
}

run "memory_is_whole_mb" {
  command = plan

  variables {
    memory_size = 512.5
  }

  expect_failures = [var.memory_size]
}

run "a_timeout_is_at_least_20_seconds" {
  command = plan

  variables {
    timeout = 19
  }

  expect_failures = [var.timeout]
}

run "a_timeout_is_at_most_900_seconds" {
  command = plan

  variables {
    timeout = 901
  }

  expect_failures = [var.timeout]
}

run "a_timeout_is_whole_seconds" {
  command = plan

  variables {
    timeout = 20.5
  }

  expect_failures = [var.timeout]
}

run "a_log_level_is_powertools" {
  command = plan

  variables {
    log_level = "TRACE"
  }

  expect_failures = [var.log_level]
}

run "a_log_retention_is_one_of_cloudwatchs" {
  command = plan

  variables {
    log_retention_in_days = 31
  }

  expect_failures = [var.log_retention_in_days]
}

run "a_python_command_is_not_empty" {
  command = plan

  variables {
    python_command = ""
  }

  expect_failures = [var.python_command]
}
