output "secret_arn" {
  description = "ARN of the secret that {\"apiKey\": \"…\"} goes into."
  value       = aws_secretsmanager_secret.momento.arn
}

output "table_name" {
  description = "Name of the orders table."
  value       = module.order_cache.table_name
}

output "function_name" {
  description = "Name of the function."
  value       = module.order_cache.function_name
}

output "event_source_mapping_uuid" {
  description = "UUID of the event source mapping."
  value       = module.order_cache.event_source_mapping_uuid
}

output "role_name" {
  description = "Name of the function's role."
  value       = module.order_cache.role_name
}

output "kms_key_arn" {
  description = "ARN of the key that all of it is encrypted with."
  value       = aws_kms_key.this.arn
}

output "alarm_topic_arn" {
  description = "ARN of the topic that alarms are published to."
  value       = aws_sns_topic.alarms.arn
}

output "failure_bucket_name" {
  description = "Name of the bucket that records go to which were given up."
  value       = aws_s3_bucket.failures.id
}

output "views" {
  description = "How each view is laid out in the cache."
  value       = module.order_cache.views
}
