# A change travels down these files, and within each from top to bottom:
#
#   table.tf, autoscaling.tf  the DynamoDB table and its stream; what scales its provisioned capacity
#   main.tf                   the event source mapping that reads the stream, the function that it invokes, the function's log
#   failures.tf               where the records go that were given up
#   iam.tf                    what the function may do
#   settings.tf               what the function is told
#   package.tf                the function's code
#   alarms.tf, dashboard.tf   what tells an operator
#
# What each of them may be like is in variables.tf. Views are checked in modules/view; what the mapping lets through is
# derived from them in modules/filters.

locals {
  # The caller's filters, in Lambda's words. (What is no key is refused by the mapping.)
  # https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
  filter_patterns = [
    for pattern in var.filter_patterns : jsonencode({
      dynamodb = {
        Keys = {
          for name, test in pattern : name => {
            (coalesce(one([for key in local.primary_key : key.type if key.name == name]), "S")) = concat(
              test.equals,
              [for value in test.equals_ignore_case : { equals-ignore-case = value }],
              [for value in test.prefix : { prefix = value }],
              [for value in test.suffix : { suffix = value }],
              [for values in [test.anything_but] : { anything-but = values } if length(values) > 0],
            )
          }
        }
      }
    })
  ]
}

# By their `where`, the views say which records need not come.
module "filters" {
  source = "./modules/filters"

  hash_key        = local.hash_key
  wheres          = [for view in values(var.views) : view.where]
  filter_patterns = local.filter_patterns
}

resource "aws_lambda_event_source_mapping" "this" {
  count = var.create ? 1 : 0

  event_source_arn                   = local.stream_arn
  function_name                      = coalesce(one(aws_lambda_alias.live[*].arn), aws_lambda_function.this[0].arn)
  enabled                            = var.enabled
  batch_size                         = var.batch_size
  starting_position                  = var.starting_position
  maximum_batching_window_in_seconds = var.maximum_batching_window_in_seconds
  parallelization_factor             = var.parallelization_factor
  maximum_retry_attempts             = var.maximum_retry_attempts
  maximum_record_age_in_seconds      = var.maximum_record_age_in_seconds
  bisect_batch_on_function_error     = var.bisect_batch_on_function_error
  function_response_types            = ["ReportBatchItemFailures"]
  kms_key_arn                        = var.filter_kms_key_arn
  tags                               = var.tags

  destination_config {
    on_failure {
      destination_arn = local.failure_destination.arn
    }
  }

  dynamic "filter_criteria" {
    for_each = length(module.filters.filter_patterns) > 0 ? [module.filters.filter_patterns] : []

    content {
      dynamic "filter" {
        for_each = filter_criteria.value

        content {
          pattern = filter.value
        }
      }
    }
  }

  dynamic "metrics_config" {
    for_each = length(var.metrics_config.metrics) > 0 ? [var.metrics_config] : []

    content {
      metrics = metrics_config.value.metrics
    }
  }

  lifecycle {
    precondition {
      condition     = length(setsubtract(flatten([for pattern in var.filter_patterns : keys(pattern)]), local.key_attributes)) == 0
      error_message = "filter_patterns may test only the table's key attributes (${join(", ", local.key_attributes)}): a filter on anything else would hide an item that leaves a view. Use a view's where for the rest."
    }
  }

  # Lambda checks that the role may read the stream and write to the destination, and needs both for as long as it reads.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_116:a dead-letter queue is for asynchronous invocations; what a stream gives up goes to the mapping's failure destination
  count = var.create ? 1 : 0

  function_name                  = var.name
  description                    = coalesce(var.description, "Keeps the Momento cache ${var.momento.cache_name} true to the DynamoDB table ${local.table_name}")
  role                           = local.role_arn
  filename                       = local.package_path
  s3_bucket                      = try(var.package.s3.bucket, null)
  s3_key                         = try(var.package.s3.key, null)
  s3_object_version              = try(var.package.s3.object_version, null)
  source_code_hash               = local.prebuilt_code_sha256
  code_signing_config_arn        = var.code_signing_config_arn
  handler                        = "handler.function.handler"
  runtime                        = var.runtime
  architectures                  = [var.architecture]
  layers                         = var.layers
  memory_size                    = var.memory_size
  timeout                        = var.timeout
  reserved_concurrent_executions = var.reserved_concurrent_executions
  publish                        = var.provisioned_concurrent_executions > 0
  kms_key_arn                    = var.environment_kms_key_arn
  tags                           = var.tags

  environment {
    variables = local.environment
  }

  ephemeral_storage {
    size = var.ephemeral_storage_size
  }

  tracing_config {
    #trivy:ignore:AWS-0066 what starts a trace decides, unless the caller says otherwise: each traced batch is paid for
    mode = var.tracing_mode
  }

  dynamic "vpc_config" {
    for_each = var.vpc_config[*]

    content {
      subnet_ids                  = vpc_config.value.subnet_ids
      security_group_ids          = vpc_config.value.security_group_ids
      ipv6_allowed_for_dual_stack = vpc_config.value.ipv6_allowed_for_dual_stack
    }
  }

  # Powertools writes JSON lines and metrics by itself, which Lambda's JSON format would leave as they are. But it brings a
  # log level of its own, which comes before log_level. Lambda's own lines, such as START and REPORT, stay text.
  # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html
  # https://docs.aws.amazon.com/powertools/python/latest/core/logger/#aws-lambda-advanced-logging-controls-alc
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this[0].name
  }

  # The function starts by reading its secret, so the role comes first.
  depends_on = [aws_iam_role_policy.this, terraform_data.package]

  lifecycle {
    # Twice: the views alone already fail a plan that makes the secret or the table too, whose ARNs the rest waits for.
    precondition {
      condition     = length(local.environment_of_views) <= 4096
      error_message = "views and environment_variables do not fit into the 4 KB that Lambda allows a function's environment (${length(local.environment_of_views)} bytes, views compressed): shorten fields and where, or keep some views by a second module block on the same stream."
    }

    precondition {
      condition     = length(jsonencode(local.environment)) <= 4096
      error_message = "views, momento and environment_variables do not fit into the 4 KB that Lambda allows a function's environment (${length(jsonencode(local.environment))} bytes, compressed): shorten views' fields and where, or keep some views by a second module block on the same stream."
    }
  }
}

# What is kept started is a published version, never the function as it happens to be.
resource "aws_lambda_alias" "live" {
  count = var.create && var.provisioned_concurrent_executions > 0 ? 1 : 0

  name             = "live"
  description      = "The version that the event source mapping invokes"
  function_name    = aws_lambda_function.this[0].function_name
  function_version = aws_lambda_function.this[0].version
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = var.create && var.provisioned_concurrent_executions > 0 ? 1 : 0

  function_name                     = aws_lambda_alias.live[0].function_name
  qualifier                         = aws_lambda_alias.live[0].name
  provisioned_concurrent_executions = var.provisioned_concurrent_executions
}

# Lambda would make the group itself, to be kept for ever and not to be destroyed.
resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:how long is an input; a year of lines that name no item is of no use to an operator
  count = var.create ? 1 : 0

  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_in_days
  log_group_class   = var.log_group_class
  kms_key_id        = var.log_kms_key_arn
  tags              = var.tags
}
