# The function: what it has, what its log has, and what is refused.

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

run "without_more_it_has_nothing_to_spare" {
  command = plan

  assert {
    condition = (
      aws_lambda_function.this[0].description == "Keeps the Momento cache pizza true to the DynamoDB table orders"
      && one(aws_lambda_function.this[0].ephemeral_storage).size == 512
      && aws_lambda_function.this[0].reserved_concurrent_executions == -1
      && length(aws_lambda_function.this[0].layers) == 0
      && one(aws_lambda_function.this[0].tracing_config).mode == "PassThrough"
      && length(aws_lambda_function.this[0].vpc_config) == 0
      && !aws_lambda_function.this[0].publish
    )
    error_message = "No reserve, no layer, no tracing, no VPC, no version."
  }

  assert {
    condition     = aws_lambda_function.this[0].kms_key_arn == null && aws_lambda_function.this[0].code_signing_config_arn == null
    error_message = "AWS' own key, and no signature."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this[0].log_group_class == "STANDARD" && aws_cloudwatch_log_group.this[0].kms_key_id == null
    error_message = "The log can be searched, and takes metrics."
  }

  assert {
    condition     = length(aws_lambda_alias.live) == 0 && length(aws_lambda_provisioned_concurrency_config.live) == 0 && output.alias_arn == null
    error_message = "Nothing is kept started."
  }
}

run "the_function_has_what_is_asked_for" {
  command = plan

  variables {
    description                    = "Menu cache"
    ephemeral_storage_size         = 1024
    reserved_concurrent_executions = 20
    layers                         = ["arn:aws:lambda:eu-west-1:111122223333:layer:agent:7"]
    environment_variables          = { AGENT_LEVEL = "quiet" }
    environment_kms_key_arn        = "arn:aws:kms:eu-west-1:111122223333:key/e"
    vpc_config                     = { subnet_ids = ["subnet-a", "subnet-b"], security_group_ids = ["sg-a"] }
    tracing_mode                   = "Active"
    code_signing_config_arn        = "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-0123456789abcdef0"
    log_kms_key_arn                = "arn:aws:kms:eu-west-1:111122223333:key/l"
  }

  assert {
    condition = (
      aws_lambda_function.this[0].description == "Menu cache"
      && one(aws_lambda_function.this[0].ephemeral_storage).size == 1024
      && aws_lambda_function.this[0].reserved_concurrent_executions == 20
      && aws_lambda_function.this[0].layers == tolist(["arn:aws:lambda:eu-west-1:111122223333:layer:agent:7"])
      && aws_lambda_function.this[0].kms_key_arn == "arn:aws:kms:eu-west-1:111122223333:key/e"
      && one(aws_lambda_function.this[0].tracing_config).mode == "Active"
      && aws_lambda_function.this[0].code_signing_config_arn == "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-0123456789abcdef0"
    )
    error_message = "The function is as asked for."
  }

  assert {
    condition = (
      one(aws_lambda_function.this[0].vpc_config).subnet_ids == toset(["subnet-a", "subnet-b"])
      && one(aws_lambda_function.this[0].vpc_config).security_group_ids == toset(["sg-a"])
      && !one(aws_lambda_function.this[0].vpc_config).ipv6_allowed_for_dual_stack
    )
    error_message = "It runs in the VPC."
  }

  assert {
    condition     = one(aws_lambda_function.this[0].environment).variables.AGENT_LEVEL == "quiet" && one(aws_lambda_function.this[0].environment).variables.SETTINGS == base64gzip(jsonencode(output.settings))
    error_message = "The caller's variables are there beside the module's."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this[0].kms_key_id == "arn:aws:kms:eu-west-1:111122223333:key/l"
    error_message = "The log is encrypted with the given key."
  }
}

run "what_is_kept_started_is_a_published_version" {
  command = plan

  variables {
    provisioned_concurrent_executions = 2
  }

  assert {
    condition     = aws_lambda_function.this[0].publish && aws_lambda_alias.live[0].name == "live" && aws_lambda_alias.live[0].function_name == "orders"
    error_message = "A version is published, and the alias is the function's."
  }

  assert {
    condition     = aws_lambda_provisioned_concurrency_config.live[0].qualifier == "live" && aws_lambda_provisioned_concurrency_config.live[0].provisioned_concurrent_executions == 2
    error_message = "Two environments are kept started."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this[0].function_name == "arn:aws:lambda:eu-west-1:111122223333:function:orders:live" && output.alias_arn == "arn:aws:lambda:eu-west-1:111122223333:function:orders:live"
    error_message = "The mapping invokes them, and no others."
  }
}

run "a_log_that_takes_no_metrics_is_for_those_who_do_without" {
  command = plan

  variables {
    log_group_class = "INFREQUENT_ACCESS"
    alarms          = { propagation_delay = { enabled = false }, cache_failures = { enabled = false }, rejected_records = { enabled = false } }
  }

  assert {
    condition     = aws_cloudwatch_log_group.this[0].log_group_class == "INFREQUENT_ACCESS"
    error_message = "The class is the given one."
  }
}

run "environment_variables_that_do_not_fit_fail_the_plan" {
  command = plan

  variables {
    environment_variables = { LONG = join("", [for number in range(40) : sha512(number)]) }
  }

  expect_failures = [aws_lambda_function.this]
}

run "all_tries_end_before_the_stream_loses_the_batch" {
  command = plan

  variables {
    timeout                = 900
    maximum_retry_attempts = 96
  }

  expect_failures = [var.timeout]
}

run "as_many_tries_as_fit_into_a_day_are_allowed" {
  command = plan

  variables {
    timeout                = 900
    maximum_retry_attempts = 95
  }

  assert {
    condition     = aws_lambda_function.this[0].timeout == 900
    error_message = "96 tries of 15 minutes are a day."
  }
}

run "a_record_is_young_enough_for_a_second_try" {
  command = plan

  variables {
    timeout                       = 60
    maximum_record_age_in_seconds = 60
  }

  expect_failures = [var.timeout]
}

run "a_batch_fits_into_the_timeout_at_its_rate" {
  command = plan

  variables {
    timeout    = 60
    batch_size = 121
    momento    = { cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3", max_operations_per_second = 2 }
  }

  expect_failures = [var.timeout]
}

run "a_record_fits_into_the_timeout_at_its_rate" {
  command = plan

  variables {
    timeout    = 20
    batch_size = 1
    momento    = { cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3", max_operations_per_second = 0.1 }
    views      = { order = { kind = "item", key = "{pk}" }, open = { kind = "list", key = "open", member = "{pk}" } }
  }

  expect_failures = [var.timeout]
}

run "a_batch_that_just_fits_is_allowed" {
  command = plan

  variables {
    timeout    = 60
    batch_size = 120
    momento    = { cache_name = "pizza", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3", max_operations_per_second = 2 }
  }

  assert {
    condition     = output.settings.momento.max_operations_per_second == 2
    error_message = "120 operations take a minute."
  }
}

run "tmp_has_512_mb" {
  command = plan

  variables {
    ephemeral_storage_size = 511
  }

  expect_failures = [var.ephemeral_storage_size]
}

run "tmp_has_at_most_10240_mb" {
  command = plan

  variables {
    ephemeral_storage_size = 10241
  }

  expect_failures = [var.ephemeral_storage_size]
}

run "tmp_has_whole_mb" {
  command = plan

  variables {
    ephemeral_storage_size = 512.5
  }

  expect_failures = [var.ephemeral_storage_size]
}

run "a_function_is_not_paused_by_its_concurrency" {
  command = plan

  variables {
    reserved_concurrent_executions = 0
  }

  expect_failures = [var.reserved_concurrent_executions]
}

run "reserved_concurrency_is_whole" {
  command = plan

  variables {
    reserved_concurrent_executions = 1.5
  }

  expect_failures = [var.reserved_concurrent_executions]
}

run "reserved_concurrency_is_enough_for_a_shard" {
  command = plan

  variables {
    reserved_concurrent_executions = 4
    parallelization_factor         = 5
  }

  expect_failures = [var.reserved_concurrent_executions]
}

run "provisioned_concurrency_is_not_negative" {
  command = plan

  variables {
    provisioned_concurrent_executions = -1
  }

  expect_failures = [var.provisioned_concurrent_executions]
}

run "provisioned_concurrency_is_whole" {
  command = plan

  variables {
    provisioned_concurrent_executions = 1.5
  }

  expect_failures = [var.provisioned_concurrent_executions]
}

run "provisioned_concurrency_is_taken_from_what_is_reserved" {
  command = plan

  variables {
    reserved_concurrent_executions    = 1
    provisioned_concurrent_executions = 2
  }

  expect_failures = [var.provisioned_concurrent_executions]
}

run "snap_start_is_refused" {
  command = plan

  variables {
    snap_start = { apply_on = "PublishedVersions" }
  }

  expect_failures = [var.snap_start]
}

run "a_layer_has_a_version" {
  command = plan

  variables {
    layers = ["arn:aws:lambda:eu-west-1:111122223333:layer:agent"]
  }

  expect_failures = [var.layers]
}

run "there_are_at_most_five_layers" {
  command = plan

  variables {
    layers = [for number in range(6) : "arn:aws:lambda:eu-west-1:111122223333:layer:agent:${number}"]
  }

  expect_failures = [var.layers]
}

run "a_variables_name_has_no_dash" {
  command = plan

  variables {
    environment_variables = { "AGENT-LEVEL" = "quiet" }
  }

  expect_failures = [var.environment_variables]
}

run "settings_are_the_modules_own" {
  command = plan

  variables {
    environment_variables = { POWERTOOLS_SERVICE_NAME = "mine" }
  }

  expect_failures = [var.environment_variables]
}

run "a_proxy_in_upper_case_alone_would_not_be_grpcs" {
  command = plan

  variables {
    environment_variables = { HTTPS_PROXY = "http://proxy.example.com:3128" }
  }

  expect_failures = [var.environment_variables]
}

run "an_old_proxy_in_upper_case_alone_would_not_be_grpcs" {
  command = plan

  variables {
    environment_variables = { HTTP_PROXY = "http://proxy.example.com:3128", no_proxy = "example.com" }
  }

  expect_failures = [var.environment_variables]
}

run "a_proxy_in_both_cases_is_everyones" {
  command = plan

  variables {
    environment_variables = { HTTPS_PROXY = "http://proxy.example.com:3128", https_proxy = "http://proxy.example.com:3128" }
  }

  assert {
    condition     = aws_lambda_function.this[0].environment[0].variables["https_proxy"] == "http://proxy.example.com:3128"
    error_message = "The function has the proxy that gRPC reads."
  }
}

run "a_region_is_lambdas_to_set" {
  command = plan

  variables {
    environment_variables = { AWS_REGION = "eu-west-1" }
  }

  expect_failures = [var.environment_variables]
}

run "an_environments_key_is_no_alias" {
  command = plan

  variables {
    environment_kms_key_arn = "alias/lambda"
  }

  expect_failures = [var.environment_kms_key_arn]
}

run "a_vpc_has_a_subnet" {
  command = plan

  variables {
    vpc_config = { subnet_ids = [], security_group_ids = ["sg-a"] }
  }

  expect_failures = [var.vpc_config]
}

run "a_vpc_has_a_security_group" {
  command = plan

  variables {
    vpc_config = { subnet_ids = ["subnet-a"], security_group_ids = [] }
  }

  expect_failures = [var.vpc_config]
}

run "tracing_is_one_of_two" {
  command = plan

  variables {
    tracing_mode = "active"
  }

  expect_failures = [var.tracing_mode]
}

run "a_code_signing_configuration_is_named_by_its_arn" {
  command = plan

  variables {
    code_signing_config_arn = "csc-0123456789abcdef0"
  }

  expect_failures = [var.code_signing_config_arn]
}

run "a_description_has_at_most_256_characters" {
  command = plan

  variables {
    description = join("", [for letter in range(257) : "x"])
  }

  expect_failures = [var.description]
}

run "a_log_group_class_can_be_searched" {
  command = plan

  variables {
    log_group_class = "DELIVERY"
  }

  expect_failures = [var.log_group_class]
}

run "an_alarm_that_would_never_go_off_is_refused" {
  command = plan

  variables {
    log_group_class = "INFREQUENT_ACCESS"
  }

  expect_failures = [var.log_group_class]
}

run "a_logs_key_is_no_alias" {
  command = plan

  variables {
    log_kms_key_arn = "alias/logs"
  }

  expect_failures = [var.log_kms_key_arn]
}
