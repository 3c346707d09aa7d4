output "table_name" {
  description = "Name of the table."
  value       = var.create || var.table == null ? local.table_name : null
}

output "table_arn" {
  description = "ARN of the table."
  value       = local.table_arn
}

output "stream_arn" {
  description = "ARN of the stream that is read."
  value       = local.stream_arn
}

output "event_source_mapping_uuid" {
  description = "UUID of the event source mapping."
  value       = one(aws_lambda_event_source_mapping.this[*].uuid)
}

output "event_source_mapping_arn" {
  description = "ARN of the event source mapping."
  value       = one(aws_lambda_event_source_mapping.this[*].arn)
}

output "filter_patterns" {
  description = "What a record must match, any one of them, to reach the function: `filter_patterns`, narrowed by what the views' `where` leave out. Empty: every record."
  value       = module.filters.filter_patterns
}

output "function_name" {
  description = "Name of the function."
  value       = one(aws_lambda_function.this[*].function_name)
}

output "function_arn" {
  description = "ARN of the function."
  value       = one(aws_lambda_function.this[*].arn)
}

output "alias_arn" {
  description = "ARN of the function's alias that the mapping invokes; null without `provisioned_concurrent_executions`."
  value       = one(aws_lambda_alias.live[*].arn)
}

output "role_name" {
  description = "Name of the function's role, to attach a policy of your own to."
  value       = try(reverse(split("/", local.role_arn))[0], null)
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = local.role_arn
}

output "role_policy" {
  description = "What the function's role has to be allowed, as a policy in JSON: for an `existing_role`."
  value       = local.role_policy
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = one(aws_cloudwatch_log_group.this[*].name)
}

output "log_group_arn" {
  description = "ARN of the function's log group."
  value       = one(aws_cloudwatch_log_group.this[*].arn)
}

output "failure_destination_arn" {
  description = "ARN of where the records go that were given up: the failure queue's, or `failure_destination`'s."
  value       = local.failure_destination.arn
}

output "failure_queue_url" {
  description = "URL of the queue that names the records which were given up; null with `failure_destination`."
  value       = one(aws_sqs_queue.failures[*].url)
}

output "failure_queue_arn" {
  description = "ARN of the queue that names the records which were given up; null with `failure_destination`."
  value       = one(aws_sqs_queue.failures[*].arn)
}

output "alarm_arns" {
  description = "ARN of each alarm, by its attribute of `alarms`."
  value       = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => alarm.arn }
}

output "dashboard_arn" {
  description = "ARN of the dashboard; null with `create_dashboard = false`."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_arn)
}

output "package_path" {
  description = "Path of the function's zip, named after all that goes into it: the file is there only where it was built. Of a prebuilt one, `package.path`; null with `package.s3`."
  value       = local.package_path
}

output "package_name" {
  description = "What the function's zip is called after all that goes into it, as `make package` calls it."
  value       = local.package_name
}

output "package_hash" {
  description = "SHA-256 of what goes into the zip: runtime, architecture, lock and sources."
  value       = local.package_hash
}

output "views" {
  description = "How each view is laid out in the cache: its `kind`, its `key` with the prefix, as a template, and its `ttl_seconds`."
  value = {
    for name, view in local.views : name => {
      kind        = view.kind
      key         = "${var.key_prefix}${view.key}"
      ttl_seconds = coalesce(view.ttl_seconds, var.ttl_seconds)
    }
  }
}

output "settings" {
  description = "What the function is told, before it is compressed into its environment. Holds no secret: only a secret's ARN."
  value       = local.settings
}
