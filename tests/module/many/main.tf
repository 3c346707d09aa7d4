# A caller with many tables, one module block for all.

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

module "cache" {
  source   = "../../.."
  for_each = toset(["orders", "customers", "menus"])

  name       = each.key
  key_prefix = "${each.key}/"
  table      = { hash_key = { name = "pk" }, contributor_insights_enabled = true, resource_policy = { policy = "{}" } }

  momento = {
    cache_name = "pizza"
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
  }

  views = {
    item = { kind = "item", key = "{pk}" }
  }

  provisioned_concurrent_executions = 1

  tags = { team = "kitchen" }
}
