# What the function is told, and what the views are checked against.

locals {
  views = var.create ? var.views : {}

  # Every key of the table that the module makes, and of its indexes.
  keys = var.table == null ? [] : flatten([
    var.table.hash_key, var.table.range_key[*],
    [for index in values(var.table.global_secondary_indexes) : [index.hash_key, index.range_key[*]]],
    values(var.table.local_secondary_indexes)[*].range_key,
  ])

  # Its indexes of both kinds, as far as they are alike.
  secondary_indexes = var.table == null ? {} : merge(
    { for name, index in var.table.global_secondary_indexes : name => {
      key_attributes     = concat([index.hash_key.name], index.range_key[*].name)
      projection_type    = index.projection_type
      non_key_attributes = index.non_key_attributes
    } },
    { for name, index in var.table.local_secondary_indexes : name => {
      key_attributes     = [var.table.hash_key.name, index.range_key.name]
      projection_type    = index.projection_type
      non_key_attributes = index.non_key_attributes
    } },
  )

  # The same of a table that exists.
  existing_indexes = merge(flatten([for table in data.aws_dynamodb_table.existing : [
    { for index in table.global_secondary_index : index.name => {
      key_attributes     = compact([index.hash_key, index.range_key])
      projection_type    = index.projection_type
      non_key_attributes = index.non_key_attributes
    } },
    { for index in table.local_secondary_index : index.name => {
      key_attributes     = [table.hash_key, index.range_key]
      projection_type    = index.projection_type
      non_key_attributes = index.non_key_attributes
    } },
  ]])...)

  # The primary key, hash key first; nothing where nothing is made or known.
  primary_key = var.table != null ? concat([var.table.hash_key], var.table.range_key[*]) : flatten([
    for table in data.aws_dynamodb_table.existing : [
      for name in compact([table.hash_key, table.range_key]) : { name = name, type = one([for key in table.attribute : key.type if key.name == name]) }
    ]
  ])

  # The type of each key attribute of the table and its indexes: a table declares no other attributes.
  attribute_types = {
    for name, types in {
      for key in concat(local.keys, flatten(data.aws_dynamodb_table.existing[*].attribute)) : key.name => key.type...
    } : name => types[0]
  }

  hash_key       = length(local.primary_key) > 0 ? local.primary_key[0] : null
  key_attributes = local.primary_key[*].name

  indexes = {
    for name, index in var.table != null ? local.secondary_indexes : local.existing_indexes : name => {
      key_attributes = index.key_attributes
      attributes = index.projection_type == "ALL" ? null : distinct(concat(
        local.key_attributes, index.key_attributes, index.non_key_attributes
      ))
    }
  }
}

module "view" {
  source   = "./modules/view"
  for_each = local.views

  name          = each.key
  kind          = each.value.kind
  key           = each.value.key
  fields        = each.value.fields
  where         = each.value.where
  unique        = each.value.unique
  ttl_seconds   = each.value.ttl_seconds
  member        = each.value.member
  order_by      = each.value.order_by
  descending    = each.value.descending
  limit         = each.value.limit
  index_name    = one(each.value.rebuild_from[*].index_name)
  key_condition = one(each.value.rebuild_from[*].key_condition)

  table = {
    key_attributes  = local.key_attributes
    attribute_types = local.attribute_types
    indexes         = local.indexes
  }
}

locals {
  momento = {
    cache_name                = var.momento.cache_name
    secret_arn                = var.momento.secret_arn
    secret_json_key           = var.momento.secret_json_key
    endpoint                  = var.momento.endpoint
    max_operations_per_second = var.momento.max_operations_per_second
    max_item_bytes            = var.momento.max_item_bytes
    request_timeout_seconds   = var.momento.request_timeout_seconds
  }

  settings = {
    table           = { name = local.table_name, key_attributes = local.key_attributes, attribute_types = local.attribute_types }
    momento         = { for attribute, value in local.momento : attribute => value if value != null }
    key_prefix      = var.key_prefix
    ttl_seconds     = var.ttl_seconds
    skip_unchanged  = var.skip_unchanged
    timeout_seconds = var.timeout
    views           = { for name, view in module.view : name => view.settings }
  }

  # What handler/outcome.py measures is found here, under the dimension service.
  metrics_namespace = "DynamoDBMomentoCache"

  # Compressed, because Lambda allows 4 KB in all.
  environment = merge(var.environment_variables, {
    SETTINGS                     = base64gzip(jsonencode(local.settings))
    POWERTOOLS_SERVICE_NAME      = var.name
    POWERTOOLS_METRICS_NAMESPACE = local.metrics_namespace
    POWERTOOLS_LOG_LEVEL         = var.log_level
  })

  # As much of the environment as is known before the secret and the stream exist: what is too big already fails the plan.
  environment_of_views = jsonencode(merge(local.environment, {
    SETTINGS = base64gzip(jsonencode(local.settings.views))
  }))
}
