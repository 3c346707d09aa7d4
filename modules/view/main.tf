# One view: what it asks of its attributes is in variables.tf; here is how they are written and what they come to.

locals {
  # The attribute whose every change writes an item's entries anew, as handler/settings.py names it.
  refresh = "_cache_refresh"

  # An attribute path: names parted by dots, and positions in brackets.
  path = "[^\\[\\]{}.]+(\\.[^\\[\\]{}.]+|\\[[0-9]+\\])*"

  # Text with an attribute path in each pair of braces.
  template    = "^([^{}]|\\{${local.path}\\})*$"
  placeholder = "\\{([^{}]+)\\}"

  # A placeholder alone, which stands for an attribute's own value and not for text.
  placeholder_alone = "^${local.placeholder}$"
}

locals {
  key_placeholders    = flatten(regexall(local.placeholder, var.key))
  member_placeholders = var.member == null ? [] : flatten(regexall(local.placeholder, var.member))

  # What tells the view's entries apart, or a list's rows, which know an attribute by its field.
  identified_by = var.kind == "list" ? "member" : "key"
  identity      = var.kind == "list" ? [for field in local.member_placeholders : try(var.fields[field], field)] : local.key_placeholders

  missing_key_attributes = var.table == null ? [] : [for name in var.table.key_attributes : name if !contains(local.identity, name)]

  # The attribute paths that the view reads where it has fields: `member` and `order_by` read those.
  paths = distinct(concat(local.key_placeholders, values(coalesce(var.fields, {})), local.where_reads))

  # The key attributes, hash key first, of what fills a list that is not cached.
  queried = var.table == null ? null : var.index_name == null ? var.table.key_attributes : try(var.table.indexes[var.index_name].key_attributes, null)

  # The key attributes of each type that is no string, as far as types are known.
  number_keys = [for name, type in try(var.table.attribute_types, {}) : name if type == "N"]
  binary_keys = [for name, type in try(var.table.attribute_types, {}) : name if type == "B"]

  # A number as DynamoDB writes it.
  plain_number = "^(0|-?([1-9][0-9]*(\\.[0-9]*[1-9])?|0\\.[0-9]*[1-9]))$"

  rebuild_from = var.key_condition == null ? null : {
    for attribute, value in {
      index_name           = var.index_name
      index_key_attributes = var.index_name == null ? null : local.queried
      key_condition        = var.key_condition
    } : attribute => value if value != null
  }

  settings = {
    kind         = var.kind
    key          = var.key
    unique       = var.unique
    fields       = var.fields
    where        = try(jsondecode(var.where), null)
    ttl_seconds  = var.ttl_seconds
    member       = var.member
    order_by     = var.order_by
    descending   = var.kind == "list" ? coalesce(var.descending, true) : null
    limit        = var.limit
    rebuild_from = local.rebuild_from
  }
}
