# The table that the module makes, or what is known of the one that exists.

locals {
  # A stream's ARN is its table's, then /stream/ and a time.
  existing_arn = try(coalesce(var.table_arn, var.stream_arn), null)

  table_name = var.table != null ? coalesce(var.table.name, var.name) : split("/", local.existing_arn)[1]
  table_arn  = var.table != null ? one(aws_dynamodb_table.this[*].arn) : split("/stream/", local.existing_arn)[0]
  stream_arn = var.table != null ? one(aws_dynamodb_table.this[*].stream_arn) : var.stream_arn != null ? var.stream_arn : one(data.aws_dynamodb_table.existing[*].stream_arn)
}

data "aws_dynamodb_table" "existing" {
  count = var.create && var.table == null ? 1 : 0

  name = local.table_name

  lifecycle {
    # It is looked up by its name: of a global table's ARN in another Region, that would find the replica here.
    postcondition {
      condition     = var.table_arn == null ? true : self.arn == var.table_arn
      error_message = "table_arn must be the ARN of a table in the provider's Region and account: there, ${local.table_name} is ${self.arn}. Use that one, or give the module a provider of the Region and account that table_arn names."
    }

    postcondition {
      condition     = self.stream_enabled && self.stream_view_type == "NEW_AND_OLD_IMAGES"
      error_message = "The table ${local.table_name} must have a stream of new and old images, but ${self.stream_enabled ? "its stream's view type is ${self.stream_view_type}" : "it has no stream"}: set stream_enabled = true and stream_view_type = \"NEW_AND_OLD_IMAGES\" on it. (A view type is changed by turning the stream off and on again, and makes another stream.)"
    }

    postcondition {
      condition     = var.stream_arn == null ? true : self.stream_arn == var.stream_arn
      error_message = "stream_arn is not the stream of the table ${local.table_name} any more, which is ${coalesce(self.stream_arn, "none")}: use the table's stream_arn, or set table_arn instead."
    }
  }
}

resource "aws_dynamodb_table" "this" {
  #checkov:skip=CKV_AWS_28:it is enabled unless the caller says otherwise, by an optional attribute's default, which checkov does not read
  count = var.create && var.table != null ? 1 : 0

  name                        = local.table_name
  billing_mode                = var.table.provisioned_capacity == null ? "PAY_PER_REQUEST" : "PROVISIONED"
  read_capacity               = try(local.capacity["table"].Read, null)
  write_capacity              = try(local.capacity["table"].Write, null)
  hash_key                    = var.table.hash_key.name
  range_key                   = one(var.table.range_key[*].name)
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  table_class                 = var.table.table_class
  deletion_protection_enabled = var.table.deletion_protection_enabled
  tags                        = merge(var.tags, var.table.tags)

  dynamic "attribute" {
    for_each = { for key in local.keys : key.name => key.type... }

    content {
      name = attribute.key
      type = attribute.value[0]
    }
  }

  dynamic "global_secondary_index" {
    for_each = var.table.global_secondary_indexes

    content {
      name               = global_secondary_index.key
      hash_key           = global_secondary_index.value.hash_key.name
      range_key          = one(global_secondary_index.value.range_key[*].name)
      projection_type    = global_secondary_index.value.projection_type
      non_key_attributes = global_secondary_index.value.projection_type == "INCLUDE" ? global_secondary_index.value.non_key_attributes : null
      read_capacity      = try(local.capacity["index/${global_secondary_index.key}"].Read, null)
      write_capacity     = try(local.capacity["index/${global_secondary_index.key}"].Write, null)

      dynamic "on_demand_throughput" {
        for_each = (global_secondary_index.value.on_demand_throughput == null ? var.table.on_demand_throughput : global_secondary_index.value.on_demand_throughput)[*]

        content {
          max_read_request_units  = on_demand_throughput.value.max_read_request_units
          max_write_request_units = on_demand_throughput.value.max_write_request_units
        }
      }
    }
  }

  dynamic "local_secondary_index" {
    for_each = var.table.local_secondary_indexes

    content {
      name               = local_secondary_index.key
      range_key          = local_secondary_index.value.range_key.name
      projection_type    = local_secondary_index.value.projection_type
      non_key_attributes = local_secondary_index.value.projection_type == "INCLUDE" ? local_secondary_index.value.non_key_attributes : null
    }
  }

  dynamic "on_demand_throughput" {
    for_each = var.table.on_demand_throughput[*]

    content {
      max_read_request_units  = on_demand_throughput.value.max_read_request_units
      max_write_request_units = on_demand_throughput.value.max_write_request_units
    }
  }

  dynamic "ttl" {
    for_each = var.table.ttl_attribute[*]

    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }

  point_in_time_recovery {
    enabled                 = var.table.point_in_time_recovery.enabled
    recovery_period_in_days = var.table.point_in_time_recovery.recovery_period_in_days
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.table.kms_key_arn
  }

  dynamic "replica" {
    for_each = var.table.replicas

    content {
      region_name            = replica.key
      kms_key_arn            = replica.value.kms_key_arn
      point_in_time_recovery = replica.value.point_in_time_recovery
      propagate_tags         = replica.value.propagate_tags
    }
  }

  dynamic "import_table" {
    for_each = var.table.import_table[*]

    content {
      input_format           = import_table.value.input_format
      input_compression_type = import_table.value.input_compression_type

      s3_bucket_source {
        bucket       = import_table.value.bucket
        bucket_owner = import_table.value.bucket_owner
        key_prefix   = import_table.value.key_prefix
      }

      dynamic "input_format_options" {
        for_each = import_table.value.csv[*]
        iterator = options

        content {
          csv {
            delimiter   = options.value.delimiter
            header_list = options.value.header_list
          }
        }
      }
    }
  }
}

resource "aws_dynamodb_resource_policy" "this" {
  # Not by try(), which is unknown where the policy is, such as one with an ARN that is not known yet.
  count = !var.create || var.table == null ? 0 : var.table.resource_policy != null ? 1 : 0

  resource_arn = aws_dynamodb_table.this[0].arn
  policy       = var.table.resource_policy.policy
}

resource "aws_dynamodb_contributor_insights" "this" {
  for_each = toset(!var.create || var.table == null ? [] : !var.table.contributor_insights_enabled ? [] : concat(["table"], [for name in keys(var.table.global_secondary_indexes) : "index/${name}"]))

  table_name = aws_dynamodb_table.this[0].name
  index_name = each.key == "table" ? null : trimprefix(each.key, "index/")
}
