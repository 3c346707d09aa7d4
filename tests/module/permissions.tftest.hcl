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
    condition     = jsondecode(aws_iam_role_policy.this[0].policy).Version == "2012-10-17" && aws_iam_role_policy.this[0].role == "orders" && output.role_policy == aws_iam_role_policy.this[0].policy
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

  assert {
    condition     = aws_iam_role.this[0].name == "orders" && aws_iam_role.this[0].path == "/" && aws_iam_role.this[0].permissions_boundary == null
    error_message = "The role has the module's name, and no boundary."
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

run "an_environment_of_its_own_key_may_be_decrypted" {
  command = plan

  variables {
    environment_kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c"
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if statement.Sid == "DecryptEnvironment"] == [{
      Sid       = "DecryptEnvironment"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = ["arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c"]
      Condition = { StringEquals = { "kms:EncryptionContext:aws:lambda:FunctionArn" = "arn:aws:lambda:eu-west-1:111122223333:function:orders" } }
    }]
    error_message = "That key, for that function."
  }
}

run "a_traced_function_may_send_traces" {
  command = plan

  variables {
    tracing_mode = "Active"
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if statement.Sid == "WriteTraces"] == [{
      Sid      = "WriteTraces"
      Effect   = "Allow"
      Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      Resource = ["*"]
    }]
    error_message = "Traces, and nothing else of X-Ray."
  }
}

run "in_a_vpc_lambda_may_make_interfaces_and_the_code_may_not" {
  command = plan

  variables {
    vpc_config = { subnet_ids = ["subnet-a"], security_group_ids = ["sg-a"] }
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if strcontains(statement.Sid, "Vpc")] == [
      {
        Sid      = "ConnectToVpc"
        Effect   = "Allow"
        Action   = ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"]
        Resource = ["*"]
      },
      {
        Sid       = "DenyVpcToCode"
        Effect    = "Deny"
        Action    = ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"]
        Resource  = ["*"]
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = "arn:aws:lambda:eu-west-1:111122223333:function:orders" } }
      },
    ]
    error_message = "The service, not what runs in it."
  }
}

run "the_role_is_as_asked_for" {
  command = plan

  variables {
    role = { name = "orders-eu", path = "/service/", permissions_boundary = "arn:aws:iam::111122223333:policy/boundary" }
  }

  assert {
    condition = (
      aws_iam_role.this[0].name == "orders-eu"
      && aws_iam_role.this[0].path == "/service/"
      && aws_iam_role.this[0].permissions_boundary == "arn:aws:iam::111122223333:policy/boundary"
    )
    error_message = "Name, path and boundary are the given ones."
  }
}

run "a_role_can_be_one_of_many_of_a_name" {
  command = plan

  variables {
    role = { name_prefix = "orders-" }
  }

  assert {
    condition     = aws_iam_role.this[0].name_prefix == "orders-" && aws_iam_role.this[0].name != "orders"
    error_message = "Terraform makes the name."
  }
}

run "a_role_that_exists_is_taken_as_it_is" {
  command = plan

  variables {
    existing_role = { arn = "arn:aws:iam::111122223333:role/service/theirs" }
  }

  assert {
    condition     = length(aws_iam_role.this) == 0 && length(aws_iam_role_policy.this) == 0
    error_message = "No role is made, and no policy added to theirs."
  }

  assert {
    condition     = aws_lambda_function.this[0].role == "arn:aws:iam::111122223333:role/service/theirs" && output.role_arn == "arn:aws:iam::111122223333:role/service/theirs" && output.role_name == "theirs"
    error_message = "The function has it."
  }

  assert {
    condition     = [for statement in jsondecode(output.role_policy).Statement : statement.Sid] == ["ReadStream", "ReadApiKey", "WriteLogs", "ReportFailures"]
    error_message = "An output says what it has to be allowed."
  }
}

run "a_roles_name_has_64_characters_at_most" {
  command = plan

  variables {
    role = { name = join("", [for letter in range(65) : "x"]) }
  }

  expect_failures = [var.role]
}

run "a_roles_prefix_has_38_characters_at_most" {
  command = plan

  variables {
    role = { name_prefix = join("", [for letter in range(39) : "x"]) }
  }

  expect_failures = [var.role]
}

run "a_role_has_a_name_or_a_prefix" {
  command = plan

  variables {
    role = { name = "orders", name_prefix = "orders-" }
  }

  expect_failures = [var.role]
}

run "a_path_ends_with_a_slash" {
  command = plan

  variables {
    role = { path = "/service" }
  }

  expect_failures = [var.role]
}

run "a_path_has_512_characters_at_most" {
  command = plan

  variables {
    role = { path = "/${join("", [for letter in range(511) : "x"])}/" }
  }

  expect_failures = [var.role]
}

run "a_boundary_is_a_policys_arn" {
  command = plan

  variables {
    role = { permissions_boundary = "boundary" }
  }

  expect_failures = [var.role]
}

run "a_role_that_exists_is_named_by_its_arn" {
  command = plan

  variables {
    existing_role = { arn = "theirs" }
  }

  expect_failures = [var.existing_role]
}
