# Every order under its id, as one JSON object with all its attributes.
module "order_cache" {
  source = "../.."

  name  = "orders"
  table = { hash_key = { name = "id" } }

  momento = {
    cache_name = "orders"
    secret_arn = var.momento_secret_arn
    endpoint   = var.momento_endpoint
  }

  views = {
    order = { kind = "item", key = "{id}" }
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
