# The function's role: each statement is there for one thing the function does, and names exactly what it does it to.

resource "aws_iam_role" "this" {
  count = var.create ? 1 : 0

  name        = var.name
  description = "The Lambda function ${var.name}: reads a DynamoDB stream, writes a Momento cache"
  tags        = var.tags

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
  count = var.create ? 1 : 0

  name   = var.name
  role   = aws_iam_role.this[0].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

locals {
  # What the views' rebuild_from query: an index, or the table itself.
  queried_arns = distinct([
    for view in values(local.views) :
    view.rebuild_from.index_name == null ? local.table_arn : "${local.table_arn}/index/${view.rebuild_from.index_name}" if view.rebuild_from != null
  ])

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
      {
        Sid      = "ReportFailures"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = aws_sqs_queue.failures[*].arn
      },
    ],
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
    }]
  )
}
