output "settings" {
  description = "The view as the handler reads it: attributes that are not set are left out."
  value       = { for attribute, value in local.settings : attribute => value if value != null }
}
