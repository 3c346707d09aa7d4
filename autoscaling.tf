# Provisioned capacity, and what scales it. The table's configuration follows what it was scaled to: ignoring changes of it
# instead would take a second table resource, and turning scaling on or off would make the table anew.

locals {
  # What has capacity: the table and its global secondary indexes.
  provisioned = try(var.table.provisioned_capacity, null) == null ? {} : merge(
    { table = var.table.provisioned_capacity },
    { for name, index in var.table.global_secondary_indexes : "index/${name}" => index.provisioned_capacity == null ? var.table.provisioned_capacity : index.provisioned_capacity }
  )

  scalings = merge([
    for of, capacity in local.provisioned : {
      for dimension, scaling in { Read = capacity.read, Write = capacity.write } : "${of}/${lower(dimension)}" => {
        of                             = of
        dimension                      = dimension
        min_capacity                   = scaling.min_capacity
        max_capacity                   = coalesce(scaling.max_capacity, scaling.min_capacity)
        target_value                   = scaling.target_value
      }
    }
  ]...)

  scaled = { for key, scaling in local.scalings : key => scaling if var.create && scaling.max_capacity > scaling.min_capacity }

  # What it was scaled to, so far: nothing where there is no table yet.
  current_capacity = merge(
    { for live in data.aws_dynamodb_table.live : "table" => { Read = live.read_capacity, Write = live.write_capacity } },
    { for index in flatten([for live in data.aws_dynamodb_table.live : live.global_secondary_index]) : "index/${index.name}" => { Read = index.read_capacity, Write = index.write_capacity } },
  )

  capacity = {
    for of in keys(local.provisioned) : of => {
      for scaling in values(local.scalings) :
      scaling.dimension => max(scaling.min_capacity, min(scaling.max_capacity, try(local.current_capacity[of][scaling.dimension], 0))) if scaling.of == of
    }
  }
}

data "aws_dynamodb_tables" "all" {
  count = length(local.scaled) > 0 ? 1 : 0
}

data "aws_dynamodb_table" "live" {
  # Asked first whether anything scales: the name of a table that exists may be unknown until the apply.
  count = length(local.scaled) == 0 ? 0 : contains(data.aws_dynamodb_tables.all[0].names, local.table_name) ? 1 : 0

  name = local.table_name
}

resource "aws_appautoscaling_target" "this" {
  for_each = local.scaled

  service_namespace  = "dynamodb"
  resource_id        = each.value.of == "table" ? "table/${aws_dynamodb_table.this[0].name}" : "table/${aws_dynamodb_table.this[0].name}/${each.value.of}"
  scalable_dimension = "dynamodb:${split("/", each.value.of)[0]}:${each.value.dimension}CapacityUnits"
  min_capacity       = each.value.min_capacity
  max_capacity       = each.value.max_capacity
  tags               = var.tags
}

resource "aws_appautoscaling_policy" "this" {
  for_each = local.scaled

  name               = "${var.name}-${replace(each.key, "/", "-")}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[each.key].service_namespace
  resource_id        = aws_appautoscaling_target.this[each.key].resource_id
  scalable_dimension = aws_appautoscaling_target.this[each.key].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value = each.value.target_value

    predefined_metric_specification {
      predefined_metric_type = "DynamoDB${each.value.dimension}CapacityUtilization"
    }
  }
}
