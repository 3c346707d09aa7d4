variable "name" {
  description = "The view's name: its key in the root module's `views`, which the messages below repeat."
  type        = string
  nullable    = false
}

variable "kind" {
  description = "`item` or `list`."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["item", "list"], var.kind)
    error_message = "views.${var.name}.kind must be \"item\" (one entry an item) or \"list\" (one JSON array of many items)."
  }
}

variable "key" {
  description = "The cache key, as a template over the item's attributes."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(local.template, var.key))
    error_message = "views.${var.name}.key must be text with placeholders such as {pk}, {address.city} or {tags[0]}: check that each brace has its partner and holds an attribute path."
  }

  validation {
    condition     = !strcontains(var.key, "}{")
    error_message = "views.${var.name}.key needs a separator between its placeholders, such as {a}#{b}: without one, \"ab\" + \"c\" and \"a\" + \"bc\" are the same key."
  }

  validation {
    condition     = var.kind != "item" || strcontains(var.key, "{")
    error_message = "views.${var.name}.key must hold a placeholder, such as {pk}: without one, all items would share one entry."
  }

  validation {
    condition     = length(var.key) > 0
    error_message = "views.${var.name}.key must not be empty: name the list's cache key."
  }

  validation {
    condition     = !can(regex("\\{${local.refresh}[.\\[}]", var.key))
    error_message = "views.${var.name}.key must not name ${local.refresh}, which is reserved to have an item's entries written anew: take another attribute."
  }
}

variable "fields" {
  description = "Output name to attribute path; null: the whole item."
  type        = map(string)
  default     = null

  validation {
    condition     = var.fields == null ? true : length(var.fields) > 0
    error_message = "views.${var.name}.fields must name at least one field: leave it out to show the whole item."
  }

  validation {
    condition = var.fields == null ? true : alltrue([
      for path in values(var.fields) : can(regex("^${local.path}$", path))
    ])
    error_message = "views.${var.name}.fields must map each output name to an attribute path such as \"status\", \"address.city\" or \"tags[0]\", without braces."
  }

  validation {
    condition     = var.fields == null ? true : !anytrue([for path in values(var.fields) : can(regex("^${local.refresh}([.\\[]|$)", path))])
    error_message = "views.${var.name}.fields must not show ${local.refresh}, which is reserved to have an item's entries written anew: remove the field."
  }
}

variable "unique" {
  description = "Whether the author vouches that no two matching items share the view's key (or a list's member)."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = var.unique || length(local.missing_key_attributes) == 0
    error_message = "views.${var.name}.${local.identified_by} must hold the table's whole primary key, but lacks ${join(" and ", local.missing_key_attributes)}: add it, or set unique = true if no two matching items can share one."
  }
}

variable "where" {
  description = "The pattern that the view's items match, as JSON; null: all items."
  type        = string
  default     = null

  validation {
    condition     = var.where == null ? true : try(length(keys(jsondecode(var.where))) > 0, false)
    error_message = "views.${var.name}.where must be the JSON of an object with at least one attribute: write it as jsonencode({ status = [\"OPEN\"] })."
  }
}

variable "ttl_seconds" {
  description = "How long an entry lives without a write, in seconds; null: the root module's `ttl_seconds`."
  type        = number
  default     = null

  validation {
    condition     = var.ttl_seconds == null ? true : var.ttl_seconds >= 300 && var.ttl_seconds <= 31536000 && floor(var.ttl_seconds) == var.ttl_seconds
    error_message = "views.${var.name}.ttl_seconds must be a whole number from 300 to 31536000, a year."
  }
}

variable "member" {
  description = "Names a list's row, as a template over the row's own fields; null for an item view."
  type        = string
  default     = null

  validation {
    condition     = var.kind != "item" || var.member == null
    error_message = "views.${var.name}.member is for lists only: remove it, or set kind = \"list\"."
  }

  validation {
    condition     = var.kind != "list" || var.member != null
    error_message = "views.${var.name}.member must be set: a list needs to tell its rows apart, for example by member = \"{id}\"."
  }

  validation {
    condition     = var.member == null ? true : can(regex(local.template, var.member))
    error_message = "views.${var.name}.member must be text with placeholders such as {id}: check that each brace has its partner and holds a field's name."
  }

  validation {
    condition     = var.member == null ? true : strcontains(var.member, "{")
    error_message = "views.${var.name}.member must hold a placeholder, such as {id}: without one, all rows would be one."
  }

  validation {
    condition     = var.member == null ? true : !strcontains(var.member, "}{")
    error_message = "views.${var.name}.member needs a separator between its placeholders, such as {a}#{b}: without one, \"ab\" + \"c\" and \"a\" + \"bc\" are the same row."
  }

  validation {
    condition     = var.member == null || var.fields == null ? true : length(setsubtract(flatten(regexall(local.placeholder, var.member)), keys(var.fields))) == 0
    error_message = "views.${var.name}.member may hold only names of the view's fields (${join(", ", keys(coalesce(var.fields, {})))}): add the attribute to fields, or use the name it has there."
  }

  validation {
    condition     = var.member == null || var.fields != null ? true : !can(regex("\\{[^{}]*[.\\[]", var.member))
    error_message = "views.${var.name}.member may hold only the row's own names, without dots and brackets: show an attribute of such a name, or what is within one, by fields of its own, such as fields = { city = \"address.city\" }, and name that."
  }

  validation {
    condition     = var.member == null || var.fields != null ? true : !strcontains(var.member, "{${local.refresh}}")
    error_message = "views.${var.name}.member must not name ${local.refresh}, which is reserved to have an item's entries written anew, and in no row: take another attribute."
  }
}

variable "order_by" {
  description = "The field that a list's rows are sorted by; null: by member alone."
  type        = string
  default     = null

  validation {
    condition     = var.kind != "item" || var.order_by == null
    error_message = "views.${var.name}.order_by is for lists only: remove it, or set kind = \"list\"."
  }

  validation {
    condition     = var.order_by == null || var.fields == null ? true : contains(keys(var.fields), var.order_by)
    error_message = "views.${var.name}.order_by must be one of the view's fields (${join(", ", keys(coalesce(var.fields, {})))}): add the attribute to fields, or use the name it has there."
  }

  validation {
    condition     = var.order_by == null || var.fields != null ? true : can(regex("^[^.\\[]+$", var.order_by))
    error_message = "views.${var.name}.order_by must be one of the row's own names, without dots and brackets: show an attribute of such a name, or what is within one, by fields of its own, such as fields = { city = \"address.city\" }, and name that."
  }

  validation {
    condition     = var.order_by == null || var.fields != null ? true : var.order_by != local.refresh
    error_message = "views.${var.name}.order_by must not be ${local.refresh}, which is reserved to have an item's entries written anew, and in no row: take another attribute."
  }
}

variable "descending" {
  description = "Whether a list's greatest row comes first; null: true."
  type        = bool
  default     = null

  validation {
    condition     = var.kind != "item" || var.descending == null
    error_message = "views.${var.name}.descending is for lists only: remove it, or set kind = \"list\"."
  }
}

variable "limit" {
  description = "The most rows that a list holds, the first in its order; null: all."
  type        = number
  default     = null

  validation {
    condition     = var.kind != "item" || var.limit == null
    error_message = "views.${var.name}.limit is for lists only: remove it, or set kind = \"list\"."
  }

  validation {
    condition     = var.limit == null ? true : var.limit >= 1 && var.limit <= 10000 && floor(var.limit) == var.limit
    error_message = "views.${var.name}.limit must be a whole number from 1 to 10000, for every change rewrites all of a list's rows: leave it out for all rows."
  }
}

variable "index_name" {
  description = "`rebuild_from.index_name`: the index to query for a list that is not cached; null: the table itself."
  type        = string
  default     = null

  validation {
    condition     = var.index_name == null || var.table == null ? true : contains(keys(var.table.indexes), var.index_name)
    error_message = "views.${var.name}.rebuild_from.index_name must be one of the table's indexes (${join(", ", keys(try(var.table.indexes, {})))}), or be left out to query the table itself."
  }

  validation {
    condition = try(var.table.indexes[var.index_name].attributes, null) == null ? true : (
      var.fields != null && alltrue([
        for path in local.paths : anytrue([
          for name in var.table.indexes[var.index_name].attributes : path == name || startswith(path, "${name}.") || startswith(path, "${name}[")
        ])
      ])
    )
    error_message = "views.${var.name}.rebuild_from.index_name must be an index that projects all that the view reads (${var.fields == null ? "without fields, the whole item" : join(", ", local.paths)}): add it to the index's non_key_attributes, or project ALL."
  }
}

variable "key_condition" {
  description = "`rebuild_from.key_condition`: key attribute to the value it must have, as a template; null: no `rebuild_from`."
  type        = map(string)
  default     = null

  validation {
    condition     = var.kind != "item" || var.key_condition == null
    error_message = "views.${var.name}.rebuild_from is for lists only: remove it, or set kind = \"list\"."
  }

  validation {
    condition     = var.key_condition == null ? true : length(var.key_condition) > 0
    error_message = "views.${var.name}.rebuild_from.key_condition must not be empty: name at least the hash key of what is queried."
  }

  validation {
    condition     = var.key_condition == null ? true : alltrue([for value in values(var.key_condition) : can(regex(local.template, value))])
    error_message = "views.${var.name}.rebuild_from.key_condition must map attributes to text with placeholders such as {creator}: check that each brace has its partner and holds an attribute path."
  }

  validation {
    condition     = var.key_condition == null ? true : !contains(values(var.key_condition), "")
    error_message = "views.${var.name}.rebuild_from.key_condition must not map an attribute to empty text, which no key is: write the value that the key must have."
  }

  validation {
    condition = var.key_condition == null ? true : alltrue([
      for attribute, value in var.key_condition :
      can(regex(local.placeholder_alone, value)) || (can(regex(local.plain_number, value)) && length(replace(value, "/[-.]/", "")) <= 38)
      if contains(local.number_keys, attribute)
    ])
    error_message = "views.${var.name}.rebuild_from.key_condition must map a key of type N (${join(", ", setintersection(keys(coalesce(var.key_condition, {})), local.number_keys))}) to a placeholder alone, such as {year}, or to a number as DynamoDB writes it, such as 2026 or -1.5: at most 38 digits, with no exponent, no plus sign and no needless zeros. Other text is a string, which no number is."
  }

  validation {
    condition = var.key_condition == null ? true : alltrue([
      for attribute, value in var.key_condition : can(regex(local.placeholder_alone, value)) if contains(local.binary_keys, attribute)
    ])
    error_message = "views.${var.name}.rebuild_from.key_condition must map a key of type B (${join(", ", setintersection(keys(coalesce(var.key_condition, {})), local.binary_keys))}) to a placeholder alone, such as {digest}: other text is a string, which no binary value is."
  }

  validation {
    condition = var.key_condition == null ? true : length(setsubtract(
      flatten([for value in values(var.key_condition) : regexall(local.placeholder, value)]), local.key_placeholders
    )) == 0
    error_message = "views.${var.name}.rebuild_from.key_condition may hold only placeholders of the view's key (${var.key}): with others, one list would be filled from several partitions."
  }

  validation {
    condition     = var.key_condition == null || local.queried == null ? true : length(setsubtract(keys(var.key_condition), local.queried)) == 0
    error_message = "views.${var.name}.rebuild_from.key_condition may hold only the key attributes of what it queries: ${join(" and ", coalesce(local.queried, []))}."
  }

  validation {
    condition     = var.key_condition == null || local.queried == null ? true : contains(keys(var.key_condition), local.queried[0])
    error_message = "views.${var.name}.rebuild_from.key_condition must hold the hash key of what it queries: ${try(local.queried[0], "")}."
  }
}

variable "table" {
  description = <<-EOT
    What is known of the table; null where only its stream is.

    - `key_attributes`: the primary key's attributes, hash key first.
    - `attribute_types`: key attribute of the table or an index to its type, as far as that is known.
    - `indexes`: for each secondary index, global or local, its `key_attributes` and the `attributes` it projects (null: all).
  EOT
  type = object({
    key_attributes  = list(string)
    attribute_types = optional(map(string), {})
    indexes = map(object({
      key_attributes = list(string)
      attributes     = list(string)
    }))
  })
  default = null
}
