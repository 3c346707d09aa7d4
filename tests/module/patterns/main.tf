# What becomes of many patterns at once: as the function is told of them, and as the mapping's filters.

terraform {
  required_version = ">= 1.9"
}

variable "wheres" {
  type = map(string)
}

variable "mappings" {
  type = map(object({
    wheres          = list(string)
    hash_key        = object({ name = string, type = string })
    filter_patterns = optional(list(string), [])
  }))
}

module "view" {
  source   = "../../../modules/view"
  for_each = var.wheres

  name  = each.key
  kind  = "item"
  key   = "{pk}"
  where = each.value
}

module "filters" {
  source   = "../../../modules/filters"
  for_each = var.mappings

  hash_key        = each.value.hash_key
  wheres          = each.value.wheres
  filter_patterns = each.value.filter_patterns
}

output "wheres" {
  value = { for name, view in module.view : name => view.settings.where }
}

output "filter_patterns" {
  value = { for name, filters in module.filters : name => filters.filter_patterns }
}
