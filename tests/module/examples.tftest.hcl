# The examples: root modules that plan as they stand.

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
