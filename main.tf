# A change travels down this file: table, stream, event source mapping, function. What stays undone goes to the queue.

locals {
  # A stream's ARN is its table's, then /stream/ and a time.
  stream_arn = var.table == null ? var.stream_arn : aws_dynamodb_table.this[0].stream_arn
  table_arn  = var.table == null ? split("/stream/", var.stream_arn)[0] : aws_dynamodb_table.this[0].arn
  table_name = var.table == null ? split("/", var.stream_arn)[1] : coalesce(var.table.name, var.name)
}

resource "aws_dynamodb_table" "this" {
  count = var.table == null ? 0 : 1

  name                        = local.table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = var.table.hash_key.name
  range_key                   = one(var.table.range_key[*].name)
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  deletion_protection_enabled = var.table.deletion_protection_enabled
  tags                        = var.tags

  dynamic "attribute" {
    for_each = { for key in local.keys : key.name => key.type... }

    content {
      name = attribute.key
      type = attribute.value[0]
    }
  }

  dynamic "global_secondary_index" {
    for_each = var.table.global_secondary_indexes

    content {
      name               = global_secondary_index.key
      hash_key           = global_secondary_index.value.hash_key.name
      range_key          = one(global_secondary_index.value.range_key[*].name)
      projection_type    = global_secondary_index.value.projection_type
      non_key_attributes = global_secondary_index.value.projection_type == "INCLUDE" ? global_secondary_index.value.non_key_attributes : null
    }
  }

  dynamic "ttl" {
    for_each = var.table.ttl_attribute[*]

    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}

# By their `where`, the views say which records need not come: only of a table that the module makes is the key known.
module "filters" {
  source = "./modules/filters"

  hash_key        = one(var.table[*].hash_key)
  wheres          = [for view in values(var.views) : view.where]
  filter_patterns = var.filter_patterns
}

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn                   = local.stream_arn
  function_name                      = aws_lambda_function.this.arn
  enabled                            = var.enabled
  batch_size                         = var.batch_size
  starting_position                  = var.starting_position
  maximum_batching_window_in_seconds = var.maximum_batching_window_in_seconds
  parallelization_factor             = var.parallelization_factor
  maximum_retry_attempts             = var.maximum_retry_attempts
  maximum_record_age_in_seconds      = var.maximum_record_age_in_seconds
  bisect_batch_on_function_error     = var.bisect_batch_on_function_error
  function_response_types            = ["ReportBatchItemFailures"]
  tags                               = var.tags

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.failures.arn
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

  # Lambda checks that the role may read the stream and write to the queue, and needs both for as long as it reads.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_lambda_function" "this" {
  function_name = var.name
  description   = "Keeps the Momento cache ${var.momento.cache_name} true to the DynamoDB table ${local.table_name}"
  role          = aws_iam_role.this.arn
  filename      = local.package_path
  handler       = "handler.function.handler"
  runtime       = var.runtime
  architectures = [var.architecture]
  memory_size   = var.memory_size
  timeout       = var.timeout
  tags          = var.tags

  environment {
    variables = local.environment
  }

  # Powertools writes JSON lines and metrics by itself: with Lambda's own JSON format they would be wrapped in it.
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  # The function starts by reading its secret, so the role comes first.
  depends_on = [aws_iam_role_policy.this, terraform_data.package]

  lifecycle {
    precondition {
      condition     = length(local.environment_of_views) <= 4096
      error_message = "views do not fit into the 4 KB that Lambda allows a function's environment (${length(local.environment_of_views)} bytes, compressed): shorten fields and where, or keep some views by a second module block on the same stream."
    }

    precondition {
      condition     = length(jsonencode(local.environment)) <= 4096
      error_message = "views and momento do not fit into the 4 KB that Lambda allows a function's environment (${length(jsonencode(local.environment))} bytes, compressed): shorten views' fields and where, or keep some views by a second module block on the same stream."
    }
  }
}

# Lambda would make the group itself, to be kept for ever and not to be destroyed.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_in_days
  tags              = var.tags
}

# Names the records that are given up, not their content: which shard, from which sequence number to which.
resource "aws_sqs_queue" "failures" {
  name                      = "${var.name}-failures"
  message_retention_seconds = 1209600 # 14 days, the longest there is
  sqs_managed_sse_enabled   = true
  tags                      = var.tags

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyEncryptedTransport"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
      # The queue's own ARN, which differs from the log group's by what is replaced. The queue has its policy from the
      # start; a resource of its own for it would take the provider another half a minute.
      Resource = replace(aws_cloudwatch_log_group.this.arn, "/:logs:([^:]*:[^:]*):.*/", ":sqs:$1:${var.name}-failures")
    }]
  })
}
