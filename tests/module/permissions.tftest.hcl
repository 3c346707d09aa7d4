# What the function's role may do: these statements, and nothing else.

mock_provider "aws" {
  source          = "./tests/module/aws"
  override_during = plan
}

variables {
  name = "orders"

  table = {
    hash_key  = { name = "pk" }
    range_key = { name = "sk" }
    global_secondary_indexes = {
      type = { hash_key = { name = "type" }, range_key = { name = "creator" } }
    }
  }

  momento = {
    cache_name = "pizza"
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
  }

  views = {
    order = { kind = "item", key = "{pk}#{sk}" }
    open  = { kind = "list", key = "open", member = "{pk}#{sk}" }
  }
}

run "without_extras_the_role_has_four_statements" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role_policy.this[0].policy).Statement == [
      {
        Sid      = "ReadStream"
        Effect   = "Allow"
        Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
        Resource = ["arn:aws:dynamodb:eu-west-1:111122223333:table/orders/stream/2025-01-01T00:00:00.000"]
      },
      {
        Sid      = "ReadApiKey"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"]
      },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/orders:*"]
      },
      {
        Sid      = "ReportFailures"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = ["arn:aws:sqs:eu-west-1:111122223333:orders-failures"]
      },
    ]
    error_message = "That stream, that secret, that log group, that queue."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.this[0].policy).Version == "2012-10-17" && aws_iam_role_policy.this[0].role == "orders"
    error_message = "The policy is the role's."
  }

  assert {
    condition = jsondecode(aws_iam_role.this[0].assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
    error_message = "Only Lambda may take the role."
  }
}

run "a_view_that_rebuilds_may_query_its_index_and_no_other" {
  command = plan

  variables {
    views = {
      open  = { kind = "list", key = "open", member = "{pk}#{sk}", rebuild_from = { index_name = "type", key_condition = { type = "order" } } }
      mine  = { kind = "list", key = "{creator}", member = "{pk}#{sk}", rebuild_from = { index_name = "type", key_condition = { type = "order", creator = "{creator}" } } }
      plain = { kind = "list", key = "plain", member = "{pk}#{sk}" }
    }
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if statement.Sid == "RebuildLists"] == [{
      Sid      = "RebuildLists"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = ["arn:aws:dynamodb:eu-west-1:111122223333:table/orders/index/type"]
    }]
    error_message = "Two views on one index are one permission, on that index."
  }

  assert {
    condition     = length(jsondecode(aws_iam_role_policy.this[0].policy).Statement) == 5
    error_message = "Nothing else is added."
  }
}

run "a_view_that_rebuilds_from_the_table_may_query_the_table" {
  command = plan

  variables {
    views = {
      parts = { kind = "list", key = "{pk}", member = "{pk}#{sk}", rebuild_from = { key_condition = { pk = "{pk}" } } }
    }
  }

  assert {
    condition     = flatten([for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement.Resource if statement.Sid == "RebuildLists"]) == ["arn:aws:dynamodb:eu-west-1:111122223333:table/orders"]
    error_message = "The table itself, and none of its indexes."
  }
}

run "an_existing_tables_index_is_named_from_its_stream" {
  command = plan

  variables {
    table      = null
    stream_arn = "arn:aws:dynamodb:us-east-2:444455556666:table/legacy/stream/2024-06-01T10:00:00.000"
    views = {
      open = { kind = "list", key = "open", member = "{pk}", rebuild_from = { index_name = "by-type", key_condition = { type = "order" } } }
    }
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement.Resource if contains(["ReadStream", "RebuildLists"], statement.Sid)] == [
      ["arn:aws:dynamodb:us-east-2:444455556666:table/legacy/stream/2024-06-01T10:00:00.000"],
      ["arn:aws:dynamodb:us-east-2:444455556666:table/legacy/index/by-type"],
    ]
    error_message = "That stream, and that index of its table."
  }
}

run "a_customer_managed_key_may_decrypt_that_secret_only" {
  command = plan

  variables {
    momento = {
      cache_name         = "pizza"
      secret_arn         = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
      secret_kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c"
    }
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if statement.Sid == "DecryptApiKey"] == [{
      Sid       = "DecryptApiKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = ["arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c"]
      Condition = { StringEquals = { "kms:EncryptionContext:SecretARN" = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3" } }
    }]
    error_message = "That key, for that secret."
  }
}
