# The table that the module makes, or the stream of one that exists.

mock_provider "aws" {
  source          = "./tests/module/aws"
  override_during = plan
}

variables {
  name = "orders"

  momento = {
    cache_name = "pizza"
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
  }

  views = {
    order = { kind = "item", key = "{pk}", unique = true }
  }
}

run "a_table_has_all_that_is_asked_for" {
  command = plan

  variables {
    table = {
      name      = "Orders.2025"
      hash_key  = { name = "pk" }
      range_key = { name = "sequence", type = "N" }
      global_secondary_indexes = {
        type   = { hash_key = { name = "type" }, range_key = { name = "creator" } }
        digest = { hash_key = { name = "digest", type = "B" }, projection_type = "INCLUDE", non_key_attributes = ["status"] }
        order  = { hash_key = { name = "pk" }, range_key = { name = "creator" }, projection_type = "KEYS_ONLY" }
      }
      ttl_attribute               = "expiresAt"
      deletion_protection_enabled = false
    }
    tags = { team = "kitchen" }
  }

  assert {
    condition     = aws_dynamodb_table.this[0].name == "Orders.2025" && output.settings.table.name == "Orders.2025"
    error_message = "The table's own name wins over the module's."
  }

  assert {
    condition     = aws_dynamodb_table.this[0].hash_key == "pk" && aws_dynamodb_table.this[0].range_key == "sequence"
    error_message = "The primary key is the given one."
  }

  assert {
    condition = aws_dynamodb_table.this[0].attribute == toset([
      { name = "pk", type = "S" },
      { name = "sequence", type = "N" },
      { name = "type", type = "S" },
      { name = "creator", type = "S" },
      { name = "digest", type = "B" },
    ])
    error_message = "Each key attribute is declared once, with its type."
  }

  assert {
    condition = jsonencode({
      for index in aws_dynamodb_table.this[0].global_secondary_index :
      index.name => [index.hash_key, index.range_key, index.projection_type, index.non_key_attributes]
      }) == jsonencode({
      digest = ["digest", null, "INCLUDE", ["status"]]
      order  = ["pk", "creator", "KEYS_ONLY", null]
      type   = ["type", "creator", "ALL", null]
    })
    error_message = "Each index has its keys and its projection."
  }

  assert {
    condition     = one(aws_dynamodb_table.this[0].ttl).attribute_name == "expiresAt" && one(aws_dynamodb_table.this[0].ttl).enabled
    error_message = "DynamoDB deletes by the TTL attribute."
  }

  assert {
    condition     = !aws_dynamodb_table.this[0].deletion_protection_enabled
    error_message = "Deletion protection can be turned off."
  }

  assert {
    condition     = output.settings.table.key_attributes == ["pk", "sequence"]
    error_message = "The function is told the primary key, hash key first."
  }

  assert {
    condition = alltrue([
      for tags in [
        aws_dynamodb_table.this[0].tags,
        aws_lambda_event_source_mapping.this[0].tags,
        aws_lambda_function.this[0].tags,
        aws_cloudwatch_log_group.this[0].tags,
        aws_sqs_queue.failures[0].tags,
        aws_iam_role.this[0].tags,
      ] : tags == tomap({ team = "kitchen" })
    ])
    error_message = "Every resource has the tags."
  }
}

run "a_stream_that_exists_needs_no_table" {
  command = plan

  variables {
    stream_arn = "arn:aws-cn:dynamodb:cn-north-1:444455556666:table/legacy.orders/stream/2024-06-01T10:00:00.000"
  }

  assert {
    condition     = length(aws_dynamodb_table.this) == 0
    error_message = "No table is made."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this[0].event_source_arn == var.stream_arn && output.stream_arn == var.stream_arn
    error_message = "The mapping reads the given stream."
  }

  assert {
    condition     = output.table_name == "legacy.orders" && output.table_arn == "arn:aws-cn:dynamodb:cn-north-1:444455556666:table/legacy.orders"
    error_message = "The table is known from the stream's ARN."
  }

  assert {
    condition     = output.settings.table == { name = "legacy.orders" }
    error_message = "The function learns the primary key from the first batch, not from here."
  }
}

run "a_table_and_a_stream_are_one_too_many" {
  command = plan

  variables {
    table      = { hash_key = { name = "pk" } }
    stream_arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders/stream/2025-01-01T00:00:00.000"
  }

  expect_failures = [var.stream_arn]
}

run "neither_table_nor_stream_is_one_too_few" {
  command = plan

  expect_failures = [var.stream_arn]
}

run "a_tables_arn_is_no_streams" {
  command = plan

  variables {
    stream_arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders"
  }

  expect_failures = [var.stream_arn]
}

run "a_table_name_has_no_slash" {
  command = plan

  variables {
    table = { name = "team/orders", hash_key = { name = "pk" } }
  }

  expect_failures = [var.table]
}

run "a_boolean_is_no_key" {
  command = plan

  variables {
    table = { hash_key = { name = "pk", type = "BOOL" } }
  }

  expect_failures = [var.table]
}

run "a_boolean_is_no_key_of_an_index" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, global_secondary_indexes = { done = { hash_key = { name = "pk" }, range_key = { name = "done", type = "BOOL" } } } }
  }

  expect_failures = [var.table]
}

run "a_key_attribute_has_one_type" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, global_secondary_indexes = { number = { hash_key = { name = "pk", type = "N" } } } }
  }

  expect_failures = [var.table]
}

run "a_primary_key_is_two_attributes" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "pk" } }
  }

  expect_failures = [var.table]
}

run "an_index_name_has_three_characters" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, global_secondary_indexes = { ix = { hash_key = { name = "type" } } } }
  }

  expect_failures = [var.table]
}

run "a_projection_type_is_one_of_three" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, global_secondary_indexes = { type = { hash_key = { name = "type" }, projection_type = "all" } } }
  }

  expect_failures = [var.table]
}

run "an_included_projection_names_attributes" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, global_secondary_indexes = { type = { hash_key = { name = "type" }, projection_type = "INCLUDE" } } }
  }

  expect_failures = [var.table]
}

run "a_projection_of_all_names_no_attributes" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, global_secondary_indexes = { type = { hash_key = { name = "type" }, non_key_attributes = ["status"] } } }
  }

  expect_failures = [var.table]
}
