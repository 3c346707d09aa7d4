# A table that exists: what is read of it, and what it has to be like.

mock_provider "aws" {
  source          = "./tests/module/aws"
  override_during = plan
}

variables {
  name       = "orders"
  stream_arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy/stream/2024-06-01T10:00:00.000"

  momento = {
    cache_name = "pizza"
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
  }

  views = {
    order = { kind = "item", key = "{pk}" }
  }
}

run "a_stream_that_exists_needs_no_table" {
  command = plan

  assert {
    condition     = length(aws_dynamodb_table.this) == 0 && data.aws_dynamodb_table.existing[0].name == "legacy"
    error_message = "No table is made: the stream's is looked at."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this[0].event_source_arn == var.stream_arn && output.stream_arn == var.stream_arn
    error_message = "The mapping reads the given stream."
  }

  assert {
    condition     = output.table_name == "legacy" && output.table_arn == "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy"
    error_message = "The table is known from the stream's ARN."
  }

  assert {
    condition     = jsonencode(output.settings.table) == jsonencode({ name = "legacy", key_attributes = ["pk"], attribute_types = { pk = "S" } })
    error_message = "The function is told the primary key, and its type."
  }

  assert {
    condition     = length([for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if statement.Sid == "DecryptTable"]) == 0
    error_message = "A table without a key of its own needs no permission."
  }
}

run "a_table_that_exists_is_read_by_its_current_stream" {
  command = plan

  variables {
    stream_arn = null
    table_arn  = "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy"
  }

  assert {
    condition     = length(aws_dynamodb_table.this) == 0 && aws_lambda_event_source_mapping.this[0].event_source_arn == "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy/stream/2024-06-01T10:00:00.000"
    error_message = "The table says which stream it has."
  }

  assert {
    condition     = output.table_arn == var.table_arn && output.table_name == "legacy" && output.stream_arn == "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy/stream/2024-06-01T10:00:00.000"
    error_message = "Outputs name both."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement.Resource if statement.Sid == "ReadStream"] == [["arn:aws:dynamodb:eu-west-1:111122223333:table/legacy/stream/2024-06-01T10:00:00.000"]]
    error_message = "That stream is what the role may read."
  }
}

run "what_is_known_of_it_is_as_good_as_of_a_table_that_is_made" {
  command = plan

  override_data {
    target = data.aws_dynamodb_table.existing
    values = {
      hash_key               = "pk"
      range_key              = "sk"
      attribute              = [{ name = "sk", type = "S" }, { name = "pk", type = "N" }, { name = "type", type = "S" }, { name = "age", type = "N" }]
      global_secondary_index = [{ name = "by-type", hash_key = "type", range_key = "", projection_type = "INCLUDE", non_key_attributes = ["status"] }]
      local_secondary_index  = [{ name = "by-age", range_key = "age", projection_type = "ALL", non_key_attributes = [] }]
      stream_enabled         = true
      stream_view_type       = "NEW_AND_OLD_IMAGES"
      stream_arn             = "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy/stream/2024-06-01T10:00:00.000"
    }
  }

  variables {
    views = {
      typed = { kind = "list", key = "typed", member = "{pk}#{sk}", fields = { pk = "pk", sk = "sk", status = "status" }, where = "{\"type\":[\"order\"]}", rebuild_from = { index_name = "by-type", key_condition = { type = "order" } } }
      aged  = { kind = "list", key = "{pk}", member = "{pk}#{sk}", where = "{\"age\":[{\"exists\":true}],\"type\":[\"order\"]}", rebuild_from = { index_name = "by-age", key_condition = { pk = "{pk}" } } }
    }
  }

  assert {
    condition     = jsonencode(output.settings.table.key_attributes) == jsonencode(["pk", "sk"])
    error_message = "The primary key, hash key first."
  }

  assert {
    condition     = output.settings.views.typed.rebuild_from.index_key_attributes == tolist(["type"]) && output.settings.views.aged.rebuild_from.index_key_attributes == tolist(["pk", "age"])
    error_message = "Each index's key."
  }

  assert {
    condition     = output.settings.table.attribute_types == { pk = "N", sk = "S", type = "S", age = "N" }
    error_message = "Each key's type."
  }

  assert {
    condition     = alltrue([for pattern in output.filter_patterns : can(regex("\"pk\":{\"N\":\\[{\"exists\":true}\\]}", pattern))]) && length(output.filter_patterns) == 2
    error_message = "Records that no view shows need not come."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if statement.Sid == "RebuildLists"] == [{
      Sid      = "RebuildLists"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = ["arn:aws:dynamodb:eu-west-1:111122223333:table/legacy/index/by-age", "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy/index/by-type"]
    }]
    error_message = "Its indexes may be queried."
  }
}

run "a_table_of_another_partition_is_known_from_its_stream" {
  command = plan

  override_data {
    target = data.aws_dynamodb_table.existing
    values = {
      hash_key         = "pk"
      range_key        = ""
      stream_enabled   = true
      stream_view_type = "NEW_AND_OLD_IMAGES"
      stream_arn       = "arn:aws-cn:dynamodb:cn-north-1:444455556666:table/legacy.orders/stream/2024-06-01T10:00:00.000"
    }
  }

  variables {
    stream_arn = "arn:aws-cn:dynamodb:cn-north-1:444455556666:table/legacy.orders/stream/2024-06-01T10:00:00.000"
  }

  assert {
    condition     = output.table_name == "legacy.orders" && output.table_arn == "arn:aws-cn:dynamodb:cn-north-1:444455556666:table/legacy.orders"
    error_message = "Its name may have a dot."
  }
}

run "a_stream_without_old_images_is_refused" {
  command = plan

  override_data {
    target = data.aws_dynamodb_table.existing
    values = {
      hash_key         = "pk"
      range_key        = ""
      stream_enabled   = true
      stream_view_type = "NEW_IMAGE"
      stream_arn       = "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy/stream/2024-06-01T10:00:00.000"
    }
  }

  expect_failures = [data.aws_dynamodb_table.existing]
}

run "a_table_without_a_stream_is_refused" {
  command = plan

  override_data {
    target = data.aws_dynamodb_table.existing
    values = { arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy", hash_key = "pk", range_key = "", stream_enabled = false, stream_view_type = "", stream_arn = "" }
  }

  variables {
    stream_arn = null
    table_arn  = "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy"
  }

  expect_failures = [data.aws_dynamodb_table.existing]
}

run "a_stream_that_was_turned_off_is_refused" {
  command = plan

  variables {
    stream_arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy/stream/2023-01-01T10:00:00.000"
  }

  expect_failures = [data.aws_dynamodb_table.existing]
}

run "a_table_of_another_region_is_refused" {
  command = plan

  variables {
    stream_arn = null
    table_arn  = "arn:aws:dynamodb:us-east-1:111122223333:table/legacy"
  }

  expect_failures = [data.aws_dynamodb_table.existing]
}

run "a_table_and_a_stream_are_one_too_many" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" } }
  }

  expect_failures = [var.table_arn]
}

run "a_table_that_exists_and_one_that_is_made_are_one_too_many" {
  command = plan

  variables {
    table      = { hash_key = { name = "pk" } }
    stream_arn = null
    table_arn  = "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy"
  }

  expect_failures = [var.table_arn]
}

run "neither_table_nor_stream_is_one_too_few" {
  command = plan

  variables {
    stream_arn = null
  }

  expect_failures = [var.table_arn]
}

run "a_tables_arn_is_no_streams" {
  command = plan

  variables {
    stream_arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders"
  }

  expect_failures = [var.stream_arn]
}

run "a_streams_arn_is_no_tables" {
  command = plan

  variables {
    stream_arn = null
    table_arn  = "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy/stream/2024-06-01T10:00:00.000"
  }

  expect_failures = [var.table_arn]
}
