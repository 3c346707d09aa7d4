# A shop's orders, with nearly all that the module has. Each input can be left out: variables.tf of the module says what
# it then is.
module "order_cache" {
  source = "../.."

  name = "complete-orders"
  tags = local.tags

  table = {
    hash_key  = { name = "customer" }
    range_key = { name = "id" }

    global_secondary_indexes = {
      by-status = {
        hash_key           = { name = "status" }
        range_key          = { name = "createdAt" }
        projection_type    = "INCLUDE"
        non_key_attributes = ["carrier", "gift", "weight"]
      }
    }

    on_demand_throughput        = { max_read_request_units = 1000, max_write_request_units = 500 }
    ttl_attribute               = "expiresAt"
    kms_key_arn                 = aws_kms_key.this.arn
    point_in_time_recovery      = { recovery_period_in_days = 7 }
    deletion_protection_enabled = false # an example is there to be destroyed again
    tags                        = { backup = "daily" }
  }

  momento = {
    cache_name         = "complete"
    secret_arn         = aws_secretsmanager_secret.momento.arn
    secret_json_key    = "apiKey"
    secret_kms_key_arn = aws_kms_key.this.arn
    endpoint           = var.momento_endpoint

    # Of each of eight environments, the most there are: together a third of Momento's quota on demand.
    max_operations_per_second = 4
    max_item_bytes            = 1000000
  }

  views = {
    order = {
      kind  = "item"
      key   = "{customer}/{id}"
      where = local.placed
    }

    # The latest 50 of one customer, filled from the table itself.
    customer_orders = {
      kind         = "list"
      key          = "{customer}"
      member       = "{customer}/{id}"
      fields       = { customer = "customer", id = "id", status = "status", createdAt = "createdAt", city = "address.city" }
      where        = local.placed
      order_by     = "createdAt"
      limit        = 50
      rebuild_from = { key_condition = { customer = "{customer}" } }
    }

    # What has to be packed first, the oldest on top, filled from the index.
    urgent = {
      kind         = "list"
      key          = "urgent"
      member       = "{customer}/{id}"
      fields       = { customer = "customer", id = "id", createdAt = "createdAt", carrier = "carrier" }
      order_by     = "createdAt"
      descending   = false
      ttl_seconds  = 3600
      rebuild_from = { index_name = "by-status", key_condition = { status = "PAID" } }

      where = jsonencode({
        id     = [{ prefix = "order-" }]
        status = ["PAID"]
        weight = [{ numeric = ["<", 31.5] }]
        "$or" = [
          { carrier = [{ prefix = "express-" }] },
          { gift = [true] },
        ]
      })
    }
  }

  key_prefix     = "orders/"
  ttl_seconds    = 43200
  skip_unchanged = true

  # Reading the stream.
  batch_size                         = 200
  maximum_batching_window_in_seconds = 1
  parallelization_factor             = 2
  maximum_retry_attempts             = 50
  maximum_record_age_in_seconds      = 43200

  # What is not an order need not come. The views say the same by `where`, for lists are rebuilt past these.
  filter_patterns = [{ id = { prefix = ["order-"] } }]

  # What is given up goes here, whole.
  failure_destination = {
    arn         = aws_s3_bucket.failures.arn
    kms_key_arn = aws_kms_key.this.arn
  }

  alarms = {
    alarm_actions     = [aws_sns_topic.alarms.arn]
    ok_actions        = [aws_sns_topic.alarms.arn]
    runbook           = "https://wiki.example.com/order-cache"
    propagation_delay = { threshold = 5, evaluation_periods = 3 }
    throttles         = { threshold = 10 }
  }

  # The function.
  description                    = "Keeps the shop's cache of orders"
  memory_size                    = 1024
  timeout                        = 120
  reserved_concurrent_executions = 8 # four shards, as a new on-demand table has, and two batches of each
  environment_variables          = { TEAM = "orders" }
  environment_kms_key_arn        = aws_kms_key.this.arn
  tracing_mode                   = "Active"
  vpc_config                     = var.vpc_config
  role                           = { path = "/caches/", permissions_boundary = var.permissions_boundary }
  log_level                      = "WARNING"
  log_retention_in_days          = 90
  log_kms_key_arn                = aws_kms_key.this.arn
}

locals {
  tags = { service = "orders", example = "complete" }

  # No drafts, nothing that has no price yet, and none of a customer's items that are no orders.
  placed = jsonencode({
    id     = [{ prefix = "order-" }]
    status = [{ "anything-but" = ["DRAFT"] }]
    total  = [{ exists = true }]
  })
}

# Its value, {"apiKey": "…"}, is put in by hand, so that it is in no state file.
resource "aws_secretsmanager_secret" "momento" {
  #checkov:skip=CKV2_AWS_57:Secrets Manager can not make a Momento API key; SECURITY.md says how to rotate it
  name        = "complete-orders-momento"
  description = "Momento API key of the complete example"
  kms_key_id  = aws_kms_key.this.arn
  tags        = local.tags

  # Gone at once, so that the example can be applied again under the same name.
  recovery_window_in_days = 0
}

# Subscribe to it whoever is on call.
resource "aws_sns_topic" "alarms" {
  name              = "complete-orders-alarms"
  kms_master_key_id = aws_kms_key.this.arn
  tags              = local.tags
}
