# The function's role: each statement is there for one thing the function does, and names exactly what it does it to.

locals {
  role_arn = var.existing_role != null ? var.existing_role.arn : one(aws_iam_role.this[*].arn)
}

resource "aws_iam_role" "this" {
  count = var.create && var.existing_role == null ? 1 : 0

  name                 = var.role.name_prefix == null ? coalesce(var.role.name, var.name) : null
  name_prefix          = var.role.name_prefix
  path                 = var.role.path
  permissions_boundary = var.role.permissions_boundary
  description          = "The Lambda function ${var.name}: reads a DynamoDB stream, writes a Momento cache"
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  count = var.create && var.existing_role == null ? 1 : 0

  name   = var.name
  role   = aws_iam_role.this[0].id
  policy = local.role_policy
}

locals {
  role_policy = var.create ? jsonencode({ Version = "2012-10-17", Statement = local.statements }) : null

  # What the views' rebuild_from query: an index, or the table itself.
  queried_arns = distinct([
    for view in values(local.views) :
    view.rebuild_from.index_name == null ? local.table_arn : "${local.table_arn}/index/${view.rebuild_from.index_name}" if view.rebuild_from != null
  ])

  table_kms_key_arn = var.table != null ? var.table.kms_key_arn : one(flatten(data.aws_dynamodb_table.existing[*].server_side_encryption[*].kms_key_arn))

  statements = concat(
    [
      {
        Sid      = "ReadStream"
        Effect   = "Allow"
        Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
        Resource = [local.stream_arn]
      },
      {
        Sid      = "ReadApiKey"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [var.momento.secret_arn]
      },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = [for arn in aws_cloudwatch_log_group.this[*].arn : "${arn}:*"]
      },
    ],
    local.failure_statements,
    [for arns in [local.queried_arns] : {
      Sid      = "RebuildLists"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = arns
    } if length(arns) > 0],
    [for arn in var.momento.secret_kms_key_arn[*] : {
      Sid       = "DecryptApiKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = [arn]
      Condition = { StringEquals = { "kms:EncryptionContext:SecretARN" = var.momento.secret_arn } }
    }],
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    [for arn in compact([local.table_kms_key_arn]) : {
      Sid       = "DecryptTable"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = [arn]
      Condition = { StringEquals = { "kms:EncryptionContext:aws:dynamodb:tableName" = local.table_name } }
    }],
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
    [for arn in var.environment_kms_key_arn[*] : {
      Sid       = "DecryptEnvironment"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = [arn]
      Condition = { StringEquals = { "kms:EncryptionContext:aws:lambda:FunctionArn" = local.function_arn } }
    }],
    # Traces belong to no resource: https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
    [for mode in [var.tracing_mode] : {
      Sid      = "WriteTraces"
      Effect   = "Allow"
      Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      Resource = ["*"]
    } if mode == "Active"],
    # Lambda makes the network interfaces by the function's role, but the code in the function has no business with them:
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
    [for vpc in var.vpc_config[*] : {
      Sid      = "ConnectToVpc"
      Effect   = "Allow"
      Action   = local.vpc_actions
      Resource = ["*"]
    }],
    [for vpc in var.vpc_config[*] : {
      Sid       = "DenyVpcToCode"
      Effect    = "Deny"
      Action    = local.vpc_actions
      Resource  = ["*"]
      Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.function_arn } }
    }],
  )

  vpc_actions = [
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
  ]

  # The function's own ARN, which differs from the log group's by what is replaced: the function comes after its role.
  function_arn = one([for arn in aws_cloudwatch_log_group.this[*].arn : replace(arn, "/:logs:([^:]*:[^:]*):.*/", ":lambda:$1:function:${var.name}")])

  # https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
  failure_statements = concat(
    [for destination in [local.failure_destination] : {
      Sid      = "ReportFailures"
      Effect   = "Allow"
      Action   = [local.failure_service == "sns" ? "sns:Publish" : "sqs:SendMessage"]
      Resource = [destination.arn]
    } if local.failure_service != "s3"],
    [for destination in [local.failure_destination] : {
      Sid       = "ReportFailures"
      Effect    = "Allow"
      Action    = ["s3:PutObject"]
      Resource  = ["${destination.arn}/aws/lambda/*"]
      Condition = local.owned_bucket
    } if local.failure_service == "s3"],
    [for destination in [local.failure_destination] : {
      Sid       = "FindFailuresBucket"
      Effect    = "Allow"
      Action    = ["s3:ListBucket"]
      Resource  = [destination.arn]
      Condition = local.owned_bucket
    } if local.failure_service == "s3"],
    [for arn in local.failure_destination.kms_key_arn[*] : {
      Sid      = "EncryptFailures"
      Effect   = "Allow"
      Action   = local.failure_service == "s3" ? ["kms:GenerateDataKey"] : ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = [arn]
    }]
  )

  # A bucket's ARN has no account: should another one take the name once the bucket is gone, it gets nothing.
  owned_bucket = {
    StringEquals = { "s3:ResourceAccount" = try(coalesce(local.failure_destination.bucket_owner, split(":", local.stream_arn)[4]), null) }
  }
}
