locals {
  # To cache one more table, add it here.
  tables = {
    customers = {
      table = { hash_key = { name = "id" } }
      views = {
        customer = { kind = "item", key = "{id}" }
      }
    }

    orders = {
      table = { hash_key = { name = "customer" }, range_key = { name = "id" } }
      views = {
        order = { kind = "item", key = "{customer}/{id}" }
        by_customer = {
          kind         = "list"
          key          = "{customer}"
          member       = "{customer}/{id}"
          rebuild_from = { key_condition = { customer = "{customer}" } }
        }
      }
    }

    products = {
      table = { hash_key = { name = "sku" } }
      views = {
        product = { kind = "item", key = "{sku}", ttl_seconds = 3600 }
      }
    }
  }
}

module "cache" {
  source   = "../.."
  for_each = local.tables

  # A name of its own for all that each block makes, and for all its entries in the cache that they share.
  name       = "shop-${each.key}"
  key_prefix = "${each.key}/"

  table = merge(each.value.table, { deletion_protection_enabled = false })
  views = each.value.views

  momento = {
    cache_name = "shop"
    secret_arn = aws_secretsmanager_secret.momento.arn
    endpoint   = var.momento_endpoint
  }

  # An account has three dashboards for free.
  create_dashboard = false
}

# One secret for all. Its value, the API key, is put in by hand, so that it is in no state file.
#trivy:ignore:AWS-0098 the key that AWS manages for Secrets Manager encrypts it, which costs nothing
resource "aws_secretsmanager_secret" "momento" {
  #checkov:skip=CKV_AWS_149:the key that AWS manages for Secrets Manager encrypts it, which costs nothing
  #checkov:skip=CKV2_AWS_57:Secrets Manager can not make a Momento API key; SECURITY.md says how to rotate it
  name        = "shop-momento"
  description = "Momento API key of the shop's tables"

  # Gone at once, so that the example can be applied again under the same name.
  recovery_window_in_days = 0
}

variable "momento_endpoint" {
  description = "Hostname of the Momento cell for a v2 API key; null for a legacy or disposable token, which holds it."
  type        = string
  default     = null
}

output "secret_arn" {
  description = "ARN of the secret that the Momento API key goes into."
  value       = aws_secretsmanager_secret.momento.arn
}

output "table_names" {
  description = "Name of each table to write to."
  value       = { for key, cache in module.cache : key => cache.table_name }
}

output "views" {
  description = "How each table's views are laid out in the cache."
  value       = { for key, cache in module.cache : key => cache.views }
}
