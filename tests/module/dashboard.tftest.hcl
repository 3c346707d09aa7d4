# The dashboard: what it shows, and that its page holds together.

mock_provider "aws" {
  source          = "./tests/module/aws"
  override_during = plan
}

variables {
  name  = "orders"
  table = { hash_key = { name = "pk" } }

  momento = {
    cache_name = "pizza"
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
  }

  views = {
    order = { kind = "item", key = "{pk}" }
  }
}

run "the_page_has_every_graph_in_its_place" {
  command = plan

  assert {
    condition     = aws_cloudwatch_dashboard.this[0].dashboard_name == "orders" && output.dashboard_arn == "arn:aws:cloudwatch::111122223333:dashboard/orders"
    error_message = "It has the module's name."
  }

  assert {
    condition = [for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : [widget.type, widget.x, widget.y, widget.width, widget.height]] == [
      ["text", 0, 0, 24, 2],
      ["alarm", 0, 2, 24, 3],
      ["metric", 0, 5, 12, 6],
      ["metric", 12, 5, 12, 6],
      ["metric", 0, 11, 12, 6],
      ["metric", 12, 11, 12, 6],
      ["metric", 0, 17, 8, 6],
      ["metric", 8, 17, 8, 6],
      ["metric", 16, 17, 8, 6],
    ]
    error_message = "Nothing overlaps, and no row is wider than the page."
  }

  assert {
    condition     = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : widget.properties.region == "eu-west-1" if widget.type == "metric"])
    error_message = "Metrics are the Region's."
  }

  assert {
    condition = toset(flatten([
      for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : [
        for metric in widget.properties.metrics : join(" ", slice(metric, 0, 4))
      ] if widget.type == "metric"
      ])) == toset([
      "AWS/Lambda DestinationDeliveryFailures FunctionName orders",
      "AWS/Lambda Duration FunctionName orders",
      "AWS/Lambda Errors FunctionName orders",
      "AWS/Lambda IteratorAge FunctionName orders",
      "AWS/Lambda Throttles FunctionName orders",
      "AWS/SQS ApproximateNumberOfMessagesVisible QueueName orders-failures",
      "DynamoDBMomentoCache CacheFailures service orders",
      "DynamoDBMomentoCache CacheWrites service orders",
      "DynamoDBMomentoCache ListConflicts service orders",
      "DynamoDBMomentoCache ListRebuilds service orders",
      "DynamoDBMomentoCache PropagationDelay service orders",
      "DynamoDBMomentoCache Records service orders",
      "DynamoDBMomentoCache RejectedRecords service orders",
      "DynamoDBMomentoCache TooBig service orders",
    ])
    error_message = "It shows all that the handler measures, and what AWS measures of it."
  }

  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets[1].properties.alarms) == 9
    error_message = "It shows every alarm's state."
  }
}

run "without_alarms_the_graphs_move_up" {
  command = plan

  variables {
    alarms = { enabled = false }
  }

  assert {
    condition     = [for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : widget.y if widget.type != "text"] == [2, 2, 8, 8, 14, 14, 14]
    error_message = "There is no empty row."
  }
}

run "a_destination_that_exists_has_no_queue_to_show" {
  command = plan

  variables {
    failure_destination = { arn = "arn:aws:sns:eu-west-1:111122223333:given-up" }
  }

  assert {
    condition     = !strcontains(aws_cloudwatch_dashboard.this[0].dashboard_body, "AWS/SQS")
    error_message = "A queue that the module did not make is not shown."
  }
}

run "a_dashboard_can_be_left_out" {
  command = plan

  variables {
    create_dashboard = false
  }

  assert {
    condition     = length(aws_cloudwatch_dashboard.this) == 0 && output.dashboard_arn == null
    error_message = "There is none."
  }
}
