# The examples: root modules that plan as they stand. tests/end_to_end/test_examples.py applies them; here is what the
# stack there has not, a VPC and its subnets.

mock_provider "aws" {
  source          = "./tests/module/aws"
  override_during = plan
}

run "the_pizza_app_has_its_four_views" {
  command = plan

  module {
    source = "./examples/pizza-orders"
  }

  assert {
    condition = output.views == {
      order          = { kind = "item", key = "{pk}", ttl_seconds = 86400 }
      admin_order    = { kind = "item", key = "ADMIN-{pk}", ttl_seconds = 86400 }
      all_orders     = { kind = "list", key = "all-orders", ttl_seconds = 86400 }
      creator_orders = { kind = "list", key = "{creator}", ttl_seconds = 86400 }
    }
    error_message = "Two entries an order, one list of open orders, and one a customer."
  }

  assert {
    condition     = aws_secretsmanager_secret.momento.recovery_window_in_days == 0
    error_message = "The example can be destroyed and applied again."
  }
}

run "the_simple_example_needs_a_secret_and_no_more" {
  command = plan

  module {
    source = "./examples/simple"
  }

  variables {
    momento_secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
  }

  assert {
    condition     = output.table_name == "orders"
    error_message = "It makes a table to write to."
  }
}

run "the_complete_example_has_one_key_for_all" {
  command = plan

  module {
    source = "./examples/complete"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(module.order_cache.role_policy).Statement :
      statement.Resource == [aws_kms_key.this.arn] if contains(["DecryptApiKey", "DecryptTable", "DecryptEnvironment", "EncryptFailures"], statement.Sid)
    ])
    error_message = "The role may use the example's key, and no other."
  }

  assert {
    condition     = length([for statement in jsondecode(module.order_cache.role_policy).Statement : statement if strcontains(statement.Sid, "Vpc")]) == 0
    error_message = "It is outside of any VPC unless it is told of one."
  }

  assert {
    condition     = length(module.order_cache.filter_patterns) == 4
    error_message = "Two patterns over two images each are within Lambda's 5 filters: the example keeps away what no view shows."
  }
}

run "the_complete_example_goes_into_a_vpc" {
  command = plan

  module {
    source = "./examples/complete"
  }

  variables {
    vpc_config           = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    permissions_boundary = "arn:aws:iam::111122223333:policy/boundary"
  }

  assert {
    condition     = [for statement in jsondecode(module.order_cache.role_policy).Statement : statement.Effect if strcontains(statement.Sid, "Vpc")] == ["Allow", "Deny"]
    error_message = "Lambda may make the network interfaces, the code in the function may not."
  }
}

run "the_example_of_an_existing_table_has_its_stream_read" {
  command = plan

  module {
    source = "./examples/existing-table"
  }

  variables {
    momento_secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
  }

  override_data {
    target = module.order_cache.data.aws_dynamodb_table.existing
    values = {
      arn                    = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders"
      hash_key               = "id"
      attribute              = [{ name = "id", type = "S" }, { name = "customer", type = "S" }]
      global_secondary_index = [{ name = "by-customer", hash_key = "customer", projection_type = "ALL" }]
    }
  }

  assert {
    condition     = aws_dynamodb_table.orders.stream_view_type == "NEW_AND_OLD_IMAGES" && module.order_cache.table_arn == aws_dynamodb_table.orders.arn
    error_message = "It is the table beside the module block, whose stream shows both images."
  }
}

run "the_example_of_many_tables_gives_each_names_of_its_own" {
  command = plan

  module {
    source = "./examples/many-tables"
  }

  assert {
    condition     = output.table_names == { customers = "shop-customers", orders = "shop-orders", products = "shop-products" }
    error_message = "No two tables have the same name."
  }

  assert {
    condition     = length(distinct(flatten([for views in values(output.views) : values(views)[*].key]))) == 4
    error_message = "No two views have the same keys."
  }

  assert {
    condition     = length(distinct(values(module.cache)[*].package_path)) == 1
    error_message = "They are one package."
  }
}
