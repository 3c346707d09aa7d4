# The table that the module makes, or what is known of the one that exists.

locals {
  # A stream's ARN is its table's, then /stream/ and a time.
  stream_arn = var.table == null ? var.stream_arn : one(aws_dynamodb_table.this[*].stream_arn)
  table_arn  = var.table == null ? split("/stream/", var.stream_arn)[0] : one(aws_dynamodb_table.this[*].arn)
  table_name = var.table == null ? split("/", var.stream_arn)[1] : coalesce(var.table.name, var.name)
}

resource "aws_dynamodb_table" "this" {
  count = var.create && var.table != null ? 1 : 0

  name                        = local.table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = var.table.hash_key.name
  range_key                   = one(var.table.range_key[*].name)
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  deletion_protection_enabled = var.table.deletion_protection_enabled
  tags                        = var.tags

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
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}
