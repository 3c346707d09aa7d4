# What someone has to look at. Each alarm says what it means and what to do; docs/operating.md says it at length.

locals {
  # How far apart two batches of a shard, and with them what is measured, can be: the next one is waited for, and then runs.
  # A shorter period could hold none, which counts as not breaching, and periods in a row would never all be above.
  batch_period = 60 * ceil((var.timeout + var.maximum_batching_window_in_seconds) / 60)

  function_metrics = { namespace = "AWS/Lambda", dimensions = { FunctionName = var.name } }
  handler_metrics  = { namespace = local.metrics_namespace, dimensions = { service = var.name } }

  # An alarm's name is the module's name and its key, with dashes; its section in the runbook is headed by that key.
  alarms = {
    iterator_age = merge(local.function_metrics, {
      metric_name = "IteratorAge"
      statistic   = "Maximum"
      threshold   = var.alarms.iterator_age.threshold
      description = "Records wait in the stream, where they are kept for 24 hours and then lost. See whether batches fail, are throttled or take too long: the other alarms and the function's log say which."
    })

    propagation_delay = merge(local.handler_metrics, {
      metric_name = "PropagationDelay"
      statistic   = "Maximum"
      threshold   = var.alarms.propagation_delay.threshold
      description = "Readers see data that is older than they should. See whether the iterator age grows too: if so, start there; if not, Momento is slow or a batch is retried."
    })

    errors = merge(local.function_metrics, {
      metric_name = "Errors"
      statistic   = "Sum"
      threshold   = var.alarms.errors.threshold
      description = "Whole invocations fail: the function does not start, or runs out of time or memory. Its log names the input to fix. Batches are tried again meanwhile."
    })

    throttles = merge(local.function_metrics, {
      metric_name = "Throttles"
      statistic   = "Sum"
      threshold   = var.alarms.throttles.threshold
      description = "Lambda does not run the function for want of concurrency. Raise reserved_concurrent_executions, or the account's limit, or lower parallelization_factor."
    })

    duration = merge(local.function_metrics, {
      metric_name = "Duration"
      statistic   = "Maximum"
      threshold   = var.timeout * 1000 * var.alarms.duration.threshold / 100
      description = "A batch takes nearly all of the function's timeout, so that its rest is put off to the next try. Lower batch_size or raise timeout, or see why Momento or the table is slow."
    })

    cache_failures = merge(local.handler_metrics, {
      metric_name = "CacheFailures"
      statistic   = "Sum"
      threshold   = var.alarms.cache_failures.threshold
      description = "Momento, or the query that rebuilds a list, fails in spite of retries. The function's log says why and names the input to fix. Batches are tried again until maximum_retry_attempts."
    })

    rejected_records = merge(local.handler_metrics, {
      metric_name = "RejectedRecords"
      statistic   = "Sum"
      threshold   = var.alarms.rejected_records.threshold
      description = "Records can not be cached as a view wants it, whatever the number of tries. The function's log names the view and the reason. They hold up their shard until they are given up."
    })

    destination_failures = merge(local.function_metrics, {
      metric_name = "DestinationDeliveryFailures"
      statistic   = "Sum"
      threshold   = var.alarms.destination_failures.threshold
      description = "Records were given up and could not be reported to the failure destination, so that only the function's log knows of them. See whether the destination is there and lets the function's role in."
    })

    failure_queue = {
      namespace   = "AWS/SQS"
      dimensions  = { QueueName = local.failure_queue_name }
      metric_name = "ApproximateNumberOfMessagesVisible"
      statistic   = "Maximum"
      threshold   = var.alarms.failure_queue.threshold
      description = "Records were given up: what they changed is stale or missing in the cache. Mend the cause, have their items written again, then delete the messages."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  # A destination that exists has alarms of its own.
  for_each = { for key, alarm in local.alarms : key => alarm if var.create && var.alarms.enabled && var.alarms[key].enabled && (key != "failure_queue" || var.failure_destination == null) }

  alarm_name                = "${var.name}-${replace(each.key, "_", "-")}"
  alarm_description         = "${each.value.description} ${var.alarms.runbook}#${replace(each.key, "_", "-")}"
  namespace                 = each.value.namespace
  metric_name               = each.value.metric_name
  dimensions                = each.value.dimensions
  statistic                 = each.value.statistic
  comparison_operator       = "GreaterThanThreshold"
  threshold                 = each.value.threshold
  period                    = coalesce(var.alarms[each.key].period, local.batch_period)
  evaluation_periods        = var.alarms[each.key].evaluation_periods
  treat_missing_data        = "notBreaching" # nothing is measured where nothing is written
  alarm_actions             = var.alarms.alarm_actions
  ok_actions                = var.alarms.ok_actions
  insufficient_data_actions = var.alarms.insufficient_data_actions
  tags                      = var.tags
}
