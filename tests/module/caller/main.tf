# A caller's root module, for what only a caller sees: messages about one view, and a plan before the secret exists.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.98"
    }
  }
}

# A plan of nothing but new resources asks AWS nothing.
provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variable "views" {
  description = "The module's."
  type        = any
}

variable "momento" {
  description = "The module's, but for the cache and the secret."
  type        = any
  default     = {}
}

resource "aws_secretsmanager_secret" "momento" {
  name = "momento"
}

module "order_cache" {
  source = "../../.."

  name = "orders"

  table = {
    hash_key  = { name = "pk" }
    range_key = { name = "sk" }
    global_secondary_indexes = {
      type = { hash_key = { name = "type" }, range_key = { name = "creator" }, projection_type = "KEYS_ONLY" }
      year = { hash_key = { name = "year", type = "N" } }
    }
  }

  momento = merge(var.momento, {
    cache_name = "pizza"
    secret_arn = aws_secretsmanager_secret.momento.arn
  })

  views = var.views

  # Few enough for the slowest of rates that are tried.
  batch_size = 5
}
