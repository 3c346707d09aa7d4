# A caller who makes in one apply all that the module is given, so that no ARN is known when it is planned.

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

locals {
  momento = {
    cache_name         = "pizza"
    secret_arn         = aws_secretsmanager_secret.momento.arn
    secret_kms_key_arn = aws_kms_key.this.arn
  }

  views = {
    order = { kind = "item", key = "{pk}", where = jsonencode({ type = ["order"] }) }
    open  = { kind = "list", key = "open", member = "{pk}", where = jsonencode({ type = ["order"] }), rebuild_from = { index_name = "by-type", key_condition = { type = "order" } } }
  }
}

module "made" {
  source = "../../.."

  name = "made"

  table = {
    hash_key                     = { name = "pk" }
    global_secondary_indexes     = { by-type = { hash_key = { name = "type" } } }
    kms_key_arn                  = aws_kms_key.this.arn
    replicas                     = { eu-central-1 = { kms_key_arn = aws_kms_key.this.arn } }
    resource_policy              = { policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = { AWS = aws_iam_role.this.arn }, Action = "dynamodb:GetItem", Resource = "*" }] }) }
    import_table                 = { input_format = "ION", bucket = aws_s3_bucket.this.id }
    contributor_insights_enabled = true
  }

  momento         = local.momento
  views           = local.views
  filter_patterns = [{ pk = { prefix = ["ORDER#"] } }]

  package = {
    s3 = {
      bucket         = aws_s3_bucket.this.id
      key            = aws_s3_object.package.key
      object_version = aws_s3_object.package.version_id
      code_sha256    = aws_s3_object.package.checksum_sha256
    }
  }

  failure_queue           = { kms_key_arn = aws_kms_key.this.arn, redrive_source_queue_arns = [aws_sqs_queue.this.arn] }
  alarms                  = { alarm_actions = [aws_sns_topic.this.arn] }
  role                    = { permissions_boundary = aws_iam_policy.this.arn }
  layers                  = [aws_lambda_layer_version.this.arn]
  code_signing_config_arn = aws_lambda_code_signing_config.this.arn
  environment_variables   = { TOPIC = aws_sns_topic.this.arn }
  environment_kms_key_arn = aws_kms_key.this.arn
  filter_kms_key_arn      = aws_kms_key.this.arn
  log_kms_key_arn         = aws_kms_key.this.arn
  vpc_config              = { subnet_ids = [aws_subnet.this.id], security_group_ids = [aws_security_group.this.id] }
  tags                    = { topic = aws_sns_topic.this.id }
}

module "by_table_arn" {
  source = "../../.."

  name                = "by-table-arn"
  table_arn           = aws_dynamodb_table.this.arn
  momento             = local.momento
  views               = local.views
  filter_patterns     = [{ pk = { prefix = ["ORDER#"] } }]
  existing_role       = { arn = aws_iam_role.this.arn }
  failure_destination = { arn = aws_sqs_queue.this.arn, kms_key_arn = aws_kms_key.this.arn }
}

module "by_stream_arn" {
  source = "../../.."

  name                = "by-stream-arn"
  stream_arn          = aws_dynamodb_table.this.stream_arn
  momento             = local.momento
  views               = local.views
  failure_destination = { arn = aws_s3_bucket.this.arn, kms_key_arn = aws_kms_key.this.arn }

  provisioned_concurrent_executions = 1
}

module "to_topic" {
  source = "../../.."

  name                = "to-topic"
  table               = { hash_key = { name = "pk" }, global_secondary_indexes = { by-type = { hash_key = { name = "type" } } } }
  momento             = local.momento
  views               = local.views
  failure_destination = { arn = aws_sns_topic.this.arn }
}

resource "aws_dynamodb_table" "this" {
  name             = "existing"
  billing_mode     = "PAY_PER_REQUEST"
  hash_key         = "pk"
  stream_enabled   = true
  stream_view_type = "NEW_AND_OLD_IMAGES"

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "type"
    type = "S"
  }

  global_secondary_index {
    name            = "by-type"
    hash_key        = "type"
    projection_type = "ALL"
  }
}

resource "aws_kms_key" "this" {}

resource "aws_secretsmanager_secret" "momento" {}

resource "aws_sqs_queue" "this" {}

resource "aws_sns_topic" "this" {}

resource "aws_s3_bucket" "this" {}

resource "aws_s3_object" "package" {
  bucket             = aws_s3_bucket.this.id
  key                = "lambda/package.zip"
  source             = "${path.module}/main.tf"
  checksum_algorithm = "SHA256"
}

resource "aws_iam_role" "this" {
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [] })
}

resource "aws_iam_policy" "this" {
  policy = jsonencode({ Version = "2012-10-17", Statement = [] })
}

resource "aws_lambda_layer_version" "this" {
  layer_name = "agent"
  filename   = "${path.module}/main.tf"
}

resource "aws_lambda_code_signing_config" "this" {
  allowed_publishers {
    signing_profile_version_arns = ["arn:aws:signer:eu-west-1:111122223333:/signing-profiles/orders/a1B2c3D4e5"]
  }
}

resource "aws_vpc" "this" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "this" {
  vpc_id     = aws_vpc.this.id
  cidr_block = "10.0.0.0/24"
}

resource "aws_security_group" "this" {
  vpc_id = aws_vpc.this.id
}
