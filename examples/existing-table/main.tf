# Stands for the table that you have. What the module asks of it is its stream.
#trivy:ignore:AWS-0025 the key that AWS manages for DynamoDB encrypts it, whose requests alone are charged
resource "aws_dynamodb_table" "orders" {
  #checkov:skip=CKV_AWS_119:the key that AWS manages for DynamoDB encrypts it, whose requests alone are charged
  name         = "existing-orders"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"

  stream_enabled   = true
  stream_view_type = "NEW_AND_OLD_IMAGES"

  attribute {
    name = "id"
    type = "S"
  }

  attribute {
    name = "customer"
    type = "S"
  }

  global_secondary_index {
    name            = "by-customer"
    hash_key        = "customer"
    projection_type = "ALL"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}

module "order_cache" {
  source = "../.."

  name      = "existing-orders-cache"
  table_arn = aws_dynamodb_table.orders.arn

  momento = {
    cache_name = "existing-orders"
    secret_arn = var.momento_secret_arn
    endpoint   = var.momento_endpoint
  }

  views = {
    order = { kind = "item", key = "{id}" }

    # Whole from the first change on, with the orders that were there before the module.
    customer_orders = {
      kind         = "list"
      key          = "customer-{customer}"
      member       = "{id}"
      fields       = { id = "id", createdAt = "createdAt", status = "status" }
      order_by     = "createdAt"
      rebuild_from = { index_name = "by-customer", key_condition = { customer = "{customer}" } }
    }
  }
}

variable "momento_secret_arn" {
  description = "ARN of the Secrets Manager secret that holds the Momento API key."
  type        = string
}

variable "momento_endpoint" {
  description = "Hostname of the Momento cell for a v2 API key; null for a legacy or disposable token, which holds it."
  type        = string
  default     = null
}

output "table_name" {
  description = "Name of the table to write orders to."
  value       = module.order_cache.table_name
}
