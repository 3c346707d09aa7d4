# One page on which to see whether the cache follows the table, and if it does not, why.

locals {
  region = try(split(":", local.table_arn)[3], null)

  # Top to bottom: is all well, how far behind is the cache, what is done, what goes wrong, how the function fares.
  dashboard_rows = concat(
    [{
      height = 2
      widgets = [{
        type       = "text"
        width      = 24
        properties = { markdown = "## ${var.name}\nThe Momento cache **${var.momento.cache_name}**, kept true to the DynamoDB table **${local.table_name}**. What to do when it is not: ${var.alarms.runbook}" }
      }]
    }],
    [for arns in [values(aws_cloudwatch_metric_alarm.this)[*].arn] : {
      height  = 3
      widgets = [{ type = "alarm", width = 24, properties = { title = "Alarms", alarms = arns } }]
    } if length(arns) > 0],
    [for row in local.dashboard_graphs : {
      height = 6
      widgets = [for graph in row : {
        type  = "metric"
        width = 24 / length(row)
        properties = {
          title   = graph.title
          region  = local.region
          view    = "timeSeries"
          period  = 60
          stat    = "Sum"
          metrics = graph.metrics
          yAxis   = { left = { min = 0, label = graph.unit, showUnits = false } }
          annotations = {
            horizontal = [for alarm, limit in graph.limits : { label = alarm, value = limit, color = "#d62728" }]
          }
        }
      }]
    }],
  )

  of_function = ["FunctionName", var.name]
  of_handler  = ["service", var.name]

  dashboard_graphs = [
    [
      {
        title  = "Propagation delay: from the write to the cache"
        unit   = "seconds"
        limits = { alarm = var.alarms.propagation_delay.threshold }
        metrics = [
          concat([local.metrics_namespace, "PropagationDelay"], local.of_handler, [{ stat = "p50", label = "median" }]),
          concat([local.metrics_namespace, "PropagationDelay"], local.of_handler, [{ stat = "p99", label = "p99" }]),
          concat([local.metrics_namespace, "PropagationDelay"], local.of_handler, [{ stat = "Maximum", label = "longest" }]),
        ]
      },
      {
        title   = "Iterator age: how long records waited in the stream"
        unit    = "milliseconds"
        limits  = { alarm = var.alarms.iterator_age.threshold }
        metrics = [concat(["AWS/Lambda", "IteratorAge"], local.of_function, [{ stat = "Maximum", label = "oldest" }])]
      },
    ],
    [
      {
        title   = "Records"
        unit    = "a minute"
        limits  = {}
        metrics = [concat([local.metrics_namespace, "Records"], local.of_handler, [{ label = "handled" }])]
      },
      {
        title  = "Cache operations"
        unit   = "a minute"
        limits = {}
        metrics = [
          concat([local.metrics_namespace, "CacheWrites"], local.of_handler, [{ label = "writes" }]),
          concat([local.metrics_namespace, "ListRebuilds"], local.of_handler, [{ label = "lists rebuilt" }]),
        ]
      },
    ],
    [
      {
        title  = "Failures"
        unit   = "a minute"
        limits = {}
        metrics = concat(
          [
            concat([local.metrics_namespace, "CacheFailures"], local.of_handler, [{ label = "cache operations failed" }]),
            concat([local.metrics_namespace, "RejectedRecords"], local.of_handler, [{ label = "records rejected" }]),
            concat([local.metrics_namespace, "TooBig"], local.of_handler, [{ label = "entries too big" }]),
            concat(["AWS/Lambda", "Errors"], local.of_function, [{ label = "invocations failed" }]),
            concat(["AWS/Lambda", "Throttles"], local.of_function, [{ label = "invocations throttled" }]),
            concat(["AWS/Lambda", "DestinationDeliveryFailures"], local.of_function, [{ label = "batches given up and not reported" }]),
          ],
          [for name in aws_sqs_queue.failures[*].name : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name, { stat = "Maximum", label = "messages in the failure queue" }]]
        )
      },
      {
        title   = "Conflicts: lists that another shard wrote first"
        unit    = "a minute"
        limits  = {}
        metrics = [concat([local.metrics_namespace, "ListConflicts"], local.of_handler, [{ label = "conflicts" }])]
      },
      {
        title  = "Duration of a batch"
        unit   = "milliseconds"
        limits = { timeout = var.timeout * 1000 }
        metrics = [
          concat(["AWS/Lambda", "Duration"], local.of_function, [{ stat = "Average", label = "average" }]),
          concat(["AWS/Lambda", "Duration"], local.of_function, [{ stat = "p99", label = "p99" }]),
          concat(["AWS/Lambda", "Duration"], local.of_function, [{ stat = "Maximum", label = "longest" }]),
        ]
      },
    ],
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.create && var.create_dashboard ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = flatten([
      for down, row in local.dashboard_rows : [
        for across, widget in row.widgets : merge(widget, {
          x      = sum(concat([0], slice(row.widgets, 0, across)[*].width))
          y      = sum(concat([0], slice(local.dashboard_rows, 0, down)[*].height))
          height = row.height
        })
      ]
    ])
  })
}
