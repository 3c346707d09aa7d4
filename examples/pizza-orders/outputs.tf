output "secret_arn" {
  description = "ARN of the secret that the Momento API key goes into."
  value       = aws_secretsmanager_secret.momento.arn
}

output "table_name" {
  description = "Name of the orders table."
  value       = module.pizza_cache.table_name
}

output "function_name" {
  description = "Name of the function."
  value       = module.pizza_cache.function_name
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = module.pizza_cache.log_group_name
}

output "event_source_mapping_uuid" {
  description = "UUID of the event source mapping."
  value       = module.pizza_cache.event_source_mapping_uuid
}

output "failure_queue_url" {
  description = "URL of the queue that names the records which were given up."
  value       = module.pizza_cache.failure_queue_url
}

output "package_path" {
  description = "Path of the function's zip."
  value       = module.pizza_cache.package_path
}

output "views" {
  description = "How each view is laid out in the cache."
  value       = module.pizza_cache.views
}
