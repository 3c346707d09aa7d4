# Orders whose event source mapping the stack leaves alone: the tests' own poller reads its settings and does its work.

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

  name       = "polled"
  key_prefix = "polled/"
  enabled    = false

  table = {
    hash_key                    = { name = "pk" }
    range_key                   = { name = "sk" }
    deletion_protection_enabled = false
  }

  momento = {
    cache_name = "pizza"
    secret_arn = var.secret_arn
    endpoint   = var.momento_endpoint
  }

  views = {
    order = {
      kind   = "item"
      key    = "{pk}"
      unique = true
      fields = { id = "pk", status = "status" }
    }
  }

  batch_size                     = 20
  parallelization_factor         = 2
  maximum_retry_attempts         = 2
  bisect_batch_on_function_error = true

  runtime      = var.runtime
  architecture = var.architecture
}

variable "secret_arn" {
  description = "ARN of the secret with the Momento API key."
  type        = string
}

variable "momento_endpoint" {
  description = "Where Momento is."
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

output "table_name" {
  description = "Name of the table."
  value       = module.order_cache.table_name
}

output "event_source_mapping_uuid" {
  description = "UUID of the mapping."
  value       = module.order_cache.event_source_mapping_uuid
}

output "failure_queue_url" {
  description = "URL of the queue for what was given up."
  value       = module.order_cache.failure_queue_url
}

output "failure_queue_arn" {
  description = "ARN of the same queue."
  value       = module.order_cache.failure_queue_arn
}
