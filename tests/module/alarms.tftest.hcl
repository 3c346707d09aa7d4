# The alarms: what each measures, from when on it goes off, and who is told.

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

run "everything_that_can_keep_the_cache_back_has_an_alarm" {
  command = plan

  assert {
    condition = jsonencode({
      for key, alarm in aws_cloudwatch_metric_alarm.this :
      key => [alarm.alarm_name, alarm.namespace, alarm.metric_name, alarm.dimensions, alarm.statistic, alarm.threshold, alarm.period, alarm.evaluation_periods]
      }) == jsonencode({
      iterator_age         = ["orders-iterator-age", "AWS/Lambda", "IteratorAge", { FunctionName = "orders" }, "Maximum", 60000, 60, 5]
      propagation_delay    = ["orders-propagation-delay", "DynamoDBMomentoCache", "PropagationDelay", { service = "orders" }, "Maximum", 60, 60, 5]
      errors               = ["orders-errors", "AWS/Lambda", "Errors", { FunctionName = "orders" }, "Sum", 0, 60, 3]
      throttles            = ["orders-throttles", "AWS/Lambda", "Throttles", { FunctionName = "orders" }, "Sum", 0, 60, 5]
      duration             = ["orders-duration", "AWS/Lambda", "Duration", { FunctionName = "orders" }, "Maximum", 54000, 60, 3]
      cache_failures       = ["orders-cache-failures", "DynamoDBMomentoCache", "CacheFailures", { service = "orders" }, "Sum", 0, 60, 5]
      rejected_records     = ["orders-rejected-records", "DynamoDBMomentoCache", "RejectedRecords", { service = "orders" }, "Sum", 0, 60, 1]
      destination_failures = ["orders-destination-failures", "AWS/Lambda", "DestinationDeliveryFailures", { FunctionName = "orders" }, "Sum", 0, 60, 1]
      failure_queue        = ["orders-failure-queue", "AWS/SQS", "ApproximateNumberOfMessagesVisible", { QueueName = "orders-failures" }, "Maximum", 0, 60, 1]
    })
    error_message = "Each alarm has its metric, by the names that the handler and AWS give it, and the documented default."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.comparison_operator == "GreaterThanThreshold" && alarm.treat_missing_data == "notBreaching"])
    error_message = "An alarm goes off above its threshold, and not where nothing is written."
  }

  assert {
    condition     = alltrue([for key, alarm in aws_cloudwatch_metric_alarm.this : endswith(alarm.alarm_description, " docs/operating.md#${replace(key, "_", "-")}") && length(alarm.alarm_description) <= 1024])
    error_message = "Each says where the runbook says what to do."
  }

  assert {
    condition     = alltrue([for key in keys(aws_cloudwatch_metric_alarm.this) : strcontains(file("docs/operating.md"), "\n### ${replace(key, "_", "-")}\n")])
    error_message = "The runbook has a section for each."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : length(alarm.alarm_actions) + length(alarm.ok_actions) + length(alarm.insufficient_data_actions) == 0])
    error_message = "Nobody is told unless asked for."
  }

  assert {
    condition     = keys(output.alarm_arns) == keys(aws_cloudwatch_metric_alarm.this) && output.alarm_arns.errors == "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:orders"
    error_message = "An output names them."
  }
}

run "alarms_are_as_asked_for" {
  command = plan

  variables {
    tags    = { team = "kitchen" }
    timeout = 300
    alarms = {
      alarm_actions             = ["arn:aws:sns:eu-west-1:111122223333:page"]
      ok_actions                = ["arn:aws:sns:eu-west-1:111122223333:calm"]
      insufficient_data_actions = ["arn:aws:sns:eu-west-1:111122223333:silence"]
      runbook                   = "https://wiki.example.com/cache"
      iterator_age              = { threshold = 300000, period = 300, evaluation_periods = 2 }
      duration                  = { threshold = 50 }
      throttles                 = { enabled = false }
    }
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset(["arn:aws:sns:eu-west-1:111122223333:page"]) && alarm.ok_actions == toset(["arn:aws:sns:eu-west-1:111122223333:calm"]) && alarm.insufficient_data_actions == toset(["arn:aws:sns:eu-west-1:111122223333:silence"])])
    error_message = "Every alarm tells those who are named."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : strcontains(alarm.alarm_description, "https://wiki.example.com/cache#") && alarm.tags == tomap({ team = "kitchen" })])
    error_message = "Every alarm links the runbook that is named, and has the tags."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["iterator_age"].threshold == 300000 && aws_cloudwatch_metric_alarm.this["iterator_age"].period == 300 && aws_cloudwatch_metric_alarm.this["iterator_age"].evaluation_periods == 2
    error_message = "An alarm's numbers are the given ones."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["duration"].threshold == 150000
    error_message = "A batch may take half of the timeout."
  }

  assert {
    condition     = !contains(keys(aws_cloudwatch_metric_alarm.this), "throttles") && length(aws_cloudwatch_metric_alarm.this) == 8
    error_message = "One can be left out."
  }
}

run "a_period_is_as_long_as_it_can_take_to_the_next_batch" {
  command = plan

  variables {
    timeout                            = 300
    maximum_batching_window_in_seconds = 300
    alarms                             = { throttles = { period = 120 } }
  }

  assert {
    condition = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => alarm.period } == {
      iterator_age         = 600
      propagation_delay    = 600
      errors               = 600
      throttles            = 120
      duration             = 600
      cache_failures       = 600
      rejected_records     = 600
      destination_failures = 600
      failure_queue        = 60
    }
    error_message = "Each period holds a batch, if there are any, unless another is given; the queue is measured each minute."
  }
}

run "a_period_is_whole_minutes" {
  command = plan

  variables {
    timeout                            = 60
    maximum_batching_window_in_seconds = 1
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["errors"].period == 120
    error_message = "Each period holds a batch, if there are any."
  }
}

run "alarms_can_be_left_out" {
  command = plan

  variables {
    alarms = { enabled = false }
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 0 && length(output.alarm_arns) == 0
    error_message = "There is none."
  }
}

run "a_destination_that_exists_has_no_queue_to_watch" {
  command = plan

  variables {
    failure_destination = { arn = "arn:aws:s3:::given-up" }
  }

  assert {
    condition     = !contains(keys(aws_cloudwatch_metric_alarm.this), "failure_queue") && contains(keys(aws_cloudwatch_metric_alarm.this), "destination_failures")
    error_message = "Whether it could be reached is watched all the same."
  }
}

run "a_queue_of_another_name_is_watched" {
  command = plan

  variables {
    failure_queue = { name = "given-up" }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["failure_queue"].dimensions == tomap({ QueueName = "given-up" })
    error_message = "The queue that is made is the one that is watched."
  }
}

run "an_action_is_an_arn" {
  command = plan

  variables {
    alarms = { alarm_actions = ["page"] }
  }

  expect_failures = [var.alarms]
}

run "an_alarm_has_at_most_five_actions" {
  command = plan

  variables {
    alarms = { ok_actions = [for number in range(6) : "arn:aws:sns:eu-west-1:111122223333:page-${number}"] }
  }

  expect_failures = [var.alarms]
}

run "a_threshold_is_not_negative" {
  command = plan

  variables {
    alarms = { cache_failures = { threshold = -1 } }
  }

  expect_failures = [var.alarms]
}

run "a_duration_is_at_most_all_of_the_timeout" {
  command = plan

  variables {
    alarms = { duration = { threshold = 101 } }
  }

  expect_failures = [var.alarms]
}

run "a_period_is_minutes" {
  command = plan

  variables {
    alarms = { errors = { period = 90 } }
  }

  expect_failures = [var.alarms]
}

run "an_alarm_looks_at_a_period" {
  command = plan

  variables {
    alarms = { errors = { evaluation_periods = 0 } }
  }

  expect_failures = [var.alarms]
}

run "an_alarm_looks_at_a_day_at_most" {
  command = plan

  variables {
    alarms = { errors = { period = 1800, evaluation_periods = 49 } }
  }

  expect_failures = [var.alarms]
}

run "an_alarm_of_long_batches_looks_at_a_day_at_most" {
  command = plan

  variables {
    timeout = 300
    alarms  = { errors = { evaluation_periods = 289 } }
  }

  expect_failures = [var.alarms]
}

run "an_alarm_of_long_batches_may_look_at_a_day" {
  command = plan

  variables {
    timeout = 300
    alarms  = { errors = { evaluation_periods = 288 } }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["errors"].period * aws_cloudwatch_metric_alarm.this["errors"].evaluation_periods == 86400
    error_message = "It looks at a day."
  }
}
