output "filter_patterns" {
  description = "What the mapping ends with: the caller's filters, each narrowed by the views' where if that fits, else as they are."
  value       = local.fits ? local.narrowed : var.filter_patterns
}
