# The table that the module makes.

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
    condition     = output.settings.table.key_attributes == tolist(["pk", "sequence"])
    error_message = "The function is told the primary key, hash key first."
  }

  assert {
    condition     = output.settings.table.attribute_types == { pk = "S", sequence = "N", type = "S", creator = "S", digest = "B" }
    error_message = "It is told the type of each key, the indexes' too."
  }

  assert {
    condition = alltrue([
      for tags in concat([
        aws_dynamodb_table.this[0].tags,
        aws_lambda_event_source_mapping.this[0].tags,
        aws_lambda_function.this[0].tags,
        aws_cloudwatch_log_group.this[0].tags,
        aws_sqs_queue.failures[0].tags,
        aws_iam_role.this[0].tags,
      ], values(aws_cloudwatch_metric_alarm.this)[*].tags) : tags == tomap({ team = "kitchen" })
    ])
    error_message = "Every resource has the tags."
  }
}

run "a_table_without_more_is_on_demand_standard_and_alone" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" } }
  }

  assert {
    condition = (
      aws_dynamodb_table.this[0].billing_mode == "PAY_PER_REQUEST"
      && aws_dynamodb_table.this[0].table_class == "STANDARD"
      && length(aws_dynamodb_table.this[0].on_demand_throughput) == 0
      && length(aws_dynamodb_table.this[0].local_secondary_index) == 0
      && length(aws_dynamodb_table.this[0].replica) == 0
      && length(aws_dynamodb_table.this[0].import_table) == 0
    )
    error_message = "No limit, no local index, no replica, no import."
  }

  assert {
    condition     = length(aws_dynamodb_resource_policy.this) == 0 && length(aws_dynamodb_contributor_insights.this) == 0 && length(aws_appautoscaling_target.this) == 0 && length(aws_appautoscaling_policy.this) == 0
    error_message = "No policy, no insights, no scaling."
  }

  assert {
    condition     = length(data.aws_dynamodb_table.existing) == 0 && length(data.aws_dynamodb_tables.all) == 0 && length(data.aws_dynamodb_table.live) == 0
    error_message = "No plan looks at a table."
  }

  assert {
    condition     = length([for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if statement.Sid == "DecryptTable"]) == 0
    error_message = "AWS' own key needs no permission."
  }
}

run "a_table_has_all_else_that_is_asked_for" {
  command = plan

  variables {
    table = {
      hash_key                     = { name = "pk" }
      range_key                    = { name = "sk" }
      global_secondary_indexes     = { type = { hash_key = { name = "type" } }, thin = { hash_key = { name = "type" }, on_demand_throughput = { max_read_request_units = 5 } } }
      local_secondary_indexes      = { by-age = { range_key = { name = "age", type = "N" } }, by-name = { range_key = { name = "name" }, projection_type = "INCLUDE", non_key_attributes = ["status"] } }
      on_demand_throughput         = { max_read_request_units = 100, max_write_request_units = 50 }
      table_class                  = "STANDARD_INFREQUENT_ACCESS"
      kms_key_arn                  = "arn:aws:kms:eu-west-1:111122223333:key/t"
      point_in_time_recovery       = { recovery_period_in_days = 7 }
      replicas                     = { eu-central-1 = { kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/r", propagate_tags = false } }
      resource_policy              = { policy = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
      import_table                 = { input_format = "CSV", input_compression_type = "GZIP", bucket = "menus", bucket_owner = "444455556666", key_prefix = "2025/", csv = { delimiter = ";", header_list = ["pk", "sk"] } }
      contributor_insights_enabled = true
      tags                         = { backup = "daily" }
    }
    tags = { team = "kitchen" }
  }

  assert {
    condition = jsonencode({
      for index in aws_dynamodb_table.this[0].local_secondary_index : index.name => [index.range_key, index.projection_type, index.non_key_attributes]
      }) == jsonencode({
      by-age  = ["age", "ALL", null]
      by-name = ["name", "INCLUDE", ["status"]]
    })
    error_message = "Each local index has its key and its projection."
  }

  assert {
    condition     = aws_dynamodb_table.this[0].attribute == toset([{ name = "pk", type = "S" }, { name = "sk", type = "S" }, { name = "type", type = "S" }, { name = "age", type = "N" }, { name = "name", type = "S" }])
    error_message = "Local indexes' keys are declared too."
  }

  assert {
    condition     = one(aws_dynamodb_table.this[0].on_demand_throughput).max_read_request_units == 100 && one(aws_dynamodb_table.this[0].on_demand_throughput).max_write_request_units == 50
    error_message = "What is used on demand is bounded."
  }

  assert {
    condition     = { for index in aws_dynamodb_table.this[0].global_secondary_index : index.name => one(index.on_demand_throughput).max_read_request_units } == { type = 100, thin = 5 }
    error_message = "An index has the table's bounds, or its own."
  }

  assert {
    condition     = aws_dynamodb_table.this[0].table_class == "STANDARD_INFREQUENT_ACCESS" && aws_dynamodb_table.this[0].tags == tomap({ team = "kitchen", backup = "daily" })
    error_message = "Class and tags are the given ones."
  }

  assert {
    condition     = one(aws_dynamodb_table.this[0].server_side_encryption).kms_key_arn == "arn:aws:kms:eu-west-1:111122223333:key/t"
    error_message = "The table is encrypted with the given key."
  }

  assert {
    condition     = one(aws_dynamodb_table.this[0].point_in_time_recovery).enabled && one(aws_dynamodb_table.this[0].point_in_time_recovery).recovery_period_in_days == 7
    error_message = "It can be taken back by a week."
  }

  assert {
    condition = [for replica in aws_dynamodb_table.this[0].replica : [replica.region_name, replica.kms_key_arn, replica.point_in_time_recovery, replica.propagate_tags]] == [
      ["eu-central-1", "arn:aws:kms:eu-central-1:111122223333:key/r", true, false]
    ]
    error_message = "It has its replica."
  }

  assert {
    condition     = aws_dynamodb_resource_policy.this[0].resource_arn == "arn:aws:dynamodb:eu-west-1:111122223333:table/orders" && aws_dynamodb_resource_policy.this[0].policy == "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
    error_message = "It has its policy."
  }

  assert {
    condition = (
      one(aws_dynamodb_table.this[0].import_table).input_format == "CSV"
      && one(aws_dynamodb_table.this[0].import_table).input_compression_type == "GZIP"
      && one(one(aws_dynamodb_table.this[0].import_table).s3_bucket_source).bucket == "menus"
      && one(one(aws_dynamodb_table.this[0].import_table).s3_bucket_source).bucket_owner == "444455556666"
      && one(one(aws_dynamodb_table.this[0].import_table).s3_bucket_source).key_prefix == "2025/"
      && one(one(one(aws_dynamodb_table.this[0].import_table).input_format_options).csv).delimiter == ";"
      && one(one(one(aws_dynamodb_table.this[0].import_table).input_format_options).csv).header_list == toset(["pk", "sk"])
    )
    error_message = "It begins with what is in the bucket."
  }

  assert {
    condition     = { for key, insights in aws_dynamodb_contributor_insights.this : key => insights.table_name } == { "table" = "orders", "index/thin" = "orders", "index/type" = "orders" } && aws_dynamodb_contributor_insights.this["index/type"].index_name == "type"
    error_message = "The most used keys of the table and of each global index are told."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if statement.Sid == "DecryptTable"] == [{
      Sid       = "DecryptTable"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = ["arn:aws:kms:eu-west-1:111122223333:key/t"]
      Condition = { StringEquals = { "kms:EncryptionContext:aws:dynamodb:tableName" = "orders" } }
    }]
    error_message = "The role may decrypt that table with that key."
  }
}

run "recovery_can_be_turned_off" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, point_in_time_recovery = { enabled = false } }
  }

  assert {
    condition     = !one(aws_dynamodb_table.this[0].point_in_time_recovery).enabled
    error_message = "There is no going back in time."
  }
}

run "a_list_may_be_filled_from_a_local_index" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, local_secondary_indexes = { by-age = { range_key = { name = "age", type = "N" } } } }
    views = { aged = { kind = "list", key = "{pk}", member = "{pk}#{sk}", rebuild_from = { index_name = "by-age", key_condition = { pk = "{pk}" } } } }
  }

  assert {
    condition     = output.settings.views.aged.rebuild_from.index_key_attributes == tolist(["pk", "age"]) && output.settings.table.attribute_types == { pk = "S", sk = "S", age = "N" }
    error_message = "Its key is the table's hash key and its own range key."
  }

  assert {
    condition     = flatten([for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement.Resource if statement.Sid == "RebuildLists"]) == ["arn:aws:dynamodb:eu-west-1:111122223333:table/orders/index/by-age"]
    error_message = "It is what the role may query."
  }
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

run "a_boolean_is_no_key_of_a_local_index" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, local_secondary_indexes = { done = { range_key = { name = "done", type = "BOOL" } } } }
  }

  expect_failures = [var.table]
}

run "a_key_attribute_has_one_type_in_local_indexes_too" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, local_secondary_indexes = { number = { range_key = { name = "sk", type = "N" } } } }
  }

  expect_failures = [var.table]
}

run "a_local_indexs_key_is_two_attributes" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, local_secondary_indexes = { same = { range_key = { name = "pk" } } } }
  }

  expect_failures = [var.table]
}

run "a_local_index_name_has_three_characters" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, local_secondary_indexes = { ix = { range_key = { name = "age" } } } }
  }

  expect_failures = [var.table]
}

run "a_local_indexs_projection_is_one_of_three" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, local_secondary_indexes = { age = { range_key = { name = "age" }, projection_type = "all" } } }
  }

  expect_failures = [var.table]
}

run "a_local_index_that_includes_names_attributes" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, local_secondary_indexes = { age = { range_key = { name = "age" }, projection_type = "INCLUDE" } } }
  }

  expect_failures = [var.table]
}

run "a_local_index_needs_a_range_key" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, local_secondary_indexes = { age = { range_key = { name = "age" } } } }
  }

  expect_failures = [var.table]
}

run "there_are_at_most_five_local_indexes" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, local_secondary_indexes = { for number in range(6) : "age${number}" => { range_key = { name = "age${number}" } } } }
  }

  expect_failures = [var.table]
}

run "two_indexes_have_two_names" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, local_secondary_indexes = { age = { range_key = { name = "age" } } }, global_secondary_indexes = { age = { hash_key = { name = "age" } } } }
  }

  expect_failures = [var.table]
}

run "capacity_is_at_least_a_unit" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, provisioned_capacity = { read = { min_capacity = 0 }, write = { min_capacity = 1 } } }
  }

  expect_failures = [var.table]
}

run "capacity_is_whole_units" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, provisioned_capacity = { read = { min_capacity = 1.5 }, write = { min_capacity = 1 } } }
  }

  expect_failures = [var.table]
}

run "capacity_scales_upwards" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, provisioned_capacity = { read = { min_capacity = 5, max_capacity = 4 }, write = { min_capacity = 1 } } }
  }

  expect_failures = [var.table]
}

run "capacity_scales_by_whole_units" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, provisioned_capacity = { read = { min_capacity = 5, max_capacity = 5.5 }, write = { min_capacity = 1 } } }
  }

  expect_failures = [var.table]
}

run "scaling_aims_at_20_percent_or_more" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, provisioned_capacity = { read = { min_capacity = 1, target_value = 19 }, write = { min_capacity = 1 } } }
  }

  expect_failures = [var.table]
}

run "scaling_aims_at_90_percent_or_less" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, provisioned_capacity = { read = { min_capacity = 1, target_value = 91 }, write = { min_capacity = 1 } } }
  }

  expect_failures = [var.table]
}

run "an_index_is_not_provisioned_alone" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, global_secondary_indexes = { type = { hash_key = { name = "type" }, provisioned_capacity = { read = { min_capacity = 1 }, write = { min_capacity = 1 } } } } }
  }

  expect_failures = [var.table]
}

run "what_is_provisioned_is_not_on_demand" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, provisioned_capacity = { read = { min_capacity = 1 }, write = { min_capacity = 1 } }, on_demand_throughput = { max_read_request_units = 5 } }
  }

  expect_failures = [var.table]
}

run "on_demand_throughput_is_at_least_a_unit" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, on_demand_throughput = { max_write_request_units = 0 } }
  }

  expect_failures = [var.table]
}

run "on_demand_throughput_is_whole_units" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, global_secondary_indexes = { type = { hash_key = { name = "type" }, on_demand_throughput = { max_read_request_units = 1.5 } } } }
  }

  expect_failures = [var.table]
}

run "a_table_class_is_one_of_two" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, table_class = "GLACIER" }
  }

  expect_failures = [var.table]
}

run "a_tables_key_is_no_alias" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, kms_key_arn = "alias/table" }
  }

  expect_failures = [var.table]
}

run "a_replicas_key_is_no_alias" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/t", replicas = { eu-central-1 = { kms_key_arn = "alias/replica" } } }
  }

  expect_failures = [var.table]
}

run "recovery_goes_back_a_day" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, point_in_time_recovery = { recovery_period_in_days = 0 } }
  }

  expect_failures = [var.table]
}

run "recovery_goes_back_35_days_at_most" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, point_in_time_recovery = { recovery_period_in_days = 36 } }
  }

  expect_failures = [var.table]
}

run "recovery_goes_back_whole_days" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, point_in_time_recovery = { recovery_period_in_days = 1.5 } }
  }

  expect_failures = [var.table]
}

run "a_replica_is_in_a_region" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, replicas = { frankfurt = {} } }
  }

  expect_failures = [var.table]
}

run "a_replica_of_an_encrypted_table_has_a_key" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/t", replicas = { eu-central-1 = {} } }
  }

  expect_failures = [var.table]
}

run "a_replicated_tables_write_capacity_scales" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, replicas = { eu-central-1 = {} }, provisioned_capacity = { read = { min_capacity = 1 }, write = { min_capacity = 1 } } }
  }

  expect_failures = [var.table]
}

run "a_resource_policy_is_json" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, resource_policy = { policy = "allow" } }
  }

  expect_failures = [var.table]
}

run "an_import_has_a_format" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, import_table = { input_format = "JSON", bucket = "menus" } }
  }

  expect_failures = [var.table]
}

run "an_import_is_compressed_by_what_dynamodb_knows" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, import_table = { input_format = "ION", bucket = "menus", input_compression_type = "BROTLI" } }
  }

  expect_failures = [var.table]
}

run "only_csv_has_a_delimiter" {
  command = plan

  variables {
    table = { hash_key = { name = "pk" }, range_key = { name = "sk" }, import_table = { input_format = "ION", bucket = "menus", csv = { delimiter = ";" } } }
  }

  expect_failures = [var.table]
}
