# Provisioned capacity: fixed, scaled, and what a table was scaled to already.

mock_provider "aws" {
  source          = "./tests/module/aws"
  override_during = plan
}

variables {
  name = "orders"

  table = {
    hash_key                 = { name = "pk" }
    global_secondary_indexes = { type = { hash_key = { name = "type" } }, busy = { hash_key = { name = "type" }, provisioned_capacity = { read = { min_capacity = 50, max_capacity = 500, target_value = 50 }, write = { min_capacity = 7 } } } }
    provisioned_capacity = {
      read  = { min_capacity = 5, max_capacity = 100 }
      write = { min_capacity = 2 }
    }
  }

  momento = {
    cache_name = "pizza"
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
  }

  views = {
    order = { kind = "item", key = "{pk}" }
  }
}

run "a_new_table_begins_with_the_least" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.this[0].billing_mode == "PROVISIONED" && aws_dynamodb_table.this[0].read_capacity == 5 && aws_dynamodb_table.this[0].write_capacity == 2
    error_message = "The table has its least capacity."
  }

  assert {
    condition     = { for index in aws_dynamodb_table.this[0].global_secondary_index : index.name => [index.read_capacity, index.write_capacity] } == { type = [5, 2], busy = [50, 7] }
    error_message = "An index has the table's, or its own."
  }

  assert {
    condition     = length(data.aws_dynamodb_tables.all) == 1 && length(data.aws_dynamodb_table.live) == 0
    error_message = "It was looked for, and is not there yet."
  }
}

run "only_what_has_room_to_scale_scales" {
  command = plan

  variables {
    tags = { team = "kitchen" }
  }

  assert {
    condition = { for key, target in aws_appautoscaling_target.this : key => [target.service_namespace, target.resource_id, target.scalable_dimension, tostring(target.min_capacity), tostring(target.max_capacity)] } == {
      "table/read"      = ["dynamodb", "table/orders", "dynamodb:table:ReadCapacityUnits", "5", "100"]
      "index/type/read" = ["dynamodb", "table/orders/index/type", "dynamodb:index:ReadCapacityUnits", "5", "100"]
      "index/busy/read" = ["dynamodb", "table/orders/index/busy", "dynamodb:index:ReadCapacityUnits", "50", "500"]
    }
    error_message = "Reads scale, of the table and of both indexes; writes do not."
  }

  assert {
    condition = { for key, policy in aws_appautoscaling_policy.this : key => [policy.name, policy.policy_type, one(one(policy.target_tracking_scaling_policy_configuration).predefined_metric_specification).predefined_metric_type, tostring(one(policy.target_tracking_scaling_policy_configuration).target_value)] } == {
      "table/read"      = ["orders-read", "TargetTrackingScaling", "DynamoDBReadCapacityUtilization", "70"]
      "index/type/read" = ["orders-read", "TargetTrackingScaling", "DynamoDBReadCapacityUtilization", "70"]
      "index/busy/read" = ["orders-read", "TargetTrackingScaling", "DynamoDBReadCapacityUtilization", "50"]
    }
    error_message = "Each by its use, at the given target."
  }

  assert {
    condition     = alltrue([for target in aws_appautoscaling_target.this : target.tags == tomap({ team = "kitchen" })])
    error_message = "What scales has the tags."
  }
}

run "what_a_table_was_scaled_to_is_left_alone" {
  command = plan

  override_data {
    target = data.aws_dynamodb_tables.all
    values = { names = ["menus", "orders"] }
  }

  override_data {
    target = data.aws_dynamodb_table.live
    values = {
      read_capacity          = 40
      write_capacity         = 40
      global_secondary_index = [{ name = "type", read_capacity = 1000, write_capacity = 1 }, { name = "busy", read_capacity = 60, write_capacity = 7 }]
    }
  }

  assert {
    condition     = aws_dynamodb_table.this[0].read_capacity == 40 && aws_dynamodb_table.this[0].write_capacity == 2
    error_message = "What scales is where it is; what does not is what it should be."
  }

  assert {
    condition     = { for index in aws_dynamodb_table.this[0].global_secondary_index : index.name => [index.read_capacity, index.write_capacity] } == { type = [100, 2], busy = [60, 7] }
    error_message = "Nothing is above its most or below its least."
  }
}

run "a_capacity_that_does_not_scale_is_not_looked_at" {
  command = plan

  variables {
    table = {
      hash_key             = { name = "pk" }
      provisioned_capacity = { read = { min_capacity = 5 }, write = { min_capacity = 5, max_capacity = 5 } }
    }
  }

  assert {
    condition     = length(data.aws_dynamodb_tables.all) == 0 && length(aws_appautoscaling_target.this) == 0 && length(aws_appautoscaling_policy.this) == 0
    error_message = "Nothing scales."
  }

  assert {
    condition     = aws_dynamodb_table.this[0].read_capacity == 5 && aws_dynamodb_table.this[0].write_capacity == 5
    error_message = "It has what it is given."
  }
}

run "a_replicated_table_whose_writes_scale_is_allowed" {
  command = plan

  variables {
    table = {
      hash_key             = { name = "pk" }
      provisioned_capacity = { read = { min_capacity = 5 }, write = { min_capacity = 5, max_capacity = 6 } }
      replicas             = { eu-central-1 = {} }
    }
  }

  assert {
    condition     = keys(aws_appautoscaling_target.this) == ["table/write"] && aws_appautoscaling_target.this["table/write"].scalable_dimension == "dynamodb:table:WriteCapacityUnits"
    error_message = "Its writes scale."
  }
}
