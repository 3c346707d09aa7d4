# A table with provisioned capacity, which may scale.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.98"
    }
  }
}

module "order_cache" {
  source = "../../.."

  name    = "scaled"
  enabled = false

  table = {
    hash_key                    = { name = "pk" }
    global_secondary_indexes    = { type = { hash_key = { name = "type" } } }
    provisioned_capacity        = var.provisioned_capacity
    deletion_protection_enabled = false
  }

  momento = {
    cache_name = "pizza"
    secret_arn = aws_secretsmanager_secret.momento.arn
  }

  views = {
    order = { kind = "item", key = "{pk}" }
  }

  provisioned_concurrent_executions = var.provisioned_concurrent_executions

  alarms           = { enabled = false }
  create_dashboard = false

  runtime      = var.runtime
  architecture = var.architecture
}

resource "aws_secretsmanager_secret" "momento" {
  name                    = "scaled"
  recovery_window_in_days = 0
}

variable "provisioned_capacity" {
  description = "The table's."
  type        = any
}

variable "provisioned_concurrent_executions" {
  description = "The function's."
  type        = number
}

variable "runtime" {
  description = "The function's Lambda runtime."
  type        = string
}

variable "architecture" {
  description = "The function's instruction set."
  type        = string
}
