# A function whose code may be prebuilt.

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

  name    = "prebuilt"
  enabled = false

  table = {
    hash_key                    = { name = "pk" }
    deletion_protection_enabled = false
  }

  momento = {
    cache_name = "pizza"
    secret_arn = aws_secretsmanager_secret.momento.arn
  }

  views = {
    order = { kind = "item", key = "{pk}" }
  }

  package        = var.package
  python_command = var.python_command
  runtime        = var.runtime
  architecture   = var.architecture

  alarms           = { enabled = false }
  create_dashboard = false
}

resource "aws_secretsmanager_secret" "momento" {
  name                    = "prebuilt"
  recovery_window_in_days = 0
}

variable "package" {
  description = "The module's."
  type        = any
}

variable "python_command" {
  description = "The module's."
  type        = string
}

variable "runtime" {
  description = "The function's Lambda runtime."
  type        = string
}

variable "architecture" {
  description = "The function's instruction set."
  type        = string
}

output "package_name" {
  description = "What the zip is called."
  value       = module.order_cache.package_name
}
