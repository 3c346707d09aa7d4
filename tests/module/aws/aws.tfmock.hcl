# What AWS would give each resource, for policies and settings to be read from.

mock_resource "aws_dynamodb_table" {
  defaults = {
    arn        = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders"
    stream_arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders/stream/2025-01-01T00:00:00.000"
  }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = {
    arn = "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/orders"
  }
}

mock_resource "aws_iam_role" {
  defaults = {
    arn = "arn:aws:iam::111122223333:role/orders"
    id  = "orders"
  }
}

mock_resource "aws_lambda_function" {
  defaults = {
    arn         = "arn:aws:lambda:eu-west-1:111122223333:function:orders"
    code_sha256 = "Q29kZQ=="
  }
}

mock_resource "aws_lambda_event_source_mapping" {
  defaults = {
    arn  = "arn:aws:lambda:eu-west-1:111122223333:event-source-mapping:6d5c1c2e"
    uuid = "6d5c1c2e"
  }
}

mock_resource "aws_secretsmanager_secret" {
  defaults = {
    arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:pizza-orders-momento-a1B2c3"
  }
}

mock_resource "aws_sqs_queue" {
  defaults = {
    arn = "arn:aws:sqs:eu-west-1:111122223333:orders-failures"
    url = "https://sqs.eu-west-1.amazonaws.com/111122223333/orders-failures"
  }
}

mock_resource "aws_cloudwatch_metric_alarm" {
  defaults = {
    arn = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:orders"
  }
}

mock_resource "aws_cloudwatch_dashboard" {
  defaults = {
    dashboard_arn = "arn:aws:cloudwatch::111122223333:dashboard/orders"
  }
}

mock_resource "aws_kms_key" {
  defaults = {
    arn = "arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c"
  }
}

mock_resource "aws_s3_bucket" {
  defaults = {
    arn = "arn:aws:s3:::orders-failures"
  }
}

mock_resource "aws_sns_topic" {
  defaults = {
    arn = "arn:aws:sns:eu-west-1:111122223333:orders-alarms"
  }
}

mock_resource "aws_lambda_alias" {
  defaults = {
    arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders:live"
  }
}

mock_data "aws_dynamodb_table" {
  defaults = {
    arn                    = "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy"
    hash_key               = "pk"
    range_key              = ""
    attribute              = [{ name = "pk", type = "S" }]
    global_secondary_index = []
    local_secondary_index  = []
    stream_enabled         = true
    stream_view_type       = "NEW_AND_OLD_IMAGES"
    stream_arn             = "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy/stream/2024-06-01T10:00:00.000"
  }
}

mock_data "aws_dynamodb_tables" {
  defaults = {
    names = []
  }
}
