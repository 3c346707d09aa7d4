variable "create" {
  description = <<-EOT
    Whether to make anything at all. Default: true. With false there is no resource, and outputs that would name one are
    null or empty, but for what you gave the module yourself, such as `existing_role`: for a module block that is not
    wanted in every environment. To take away what was made, deletion protection comes off first.
  EOT
  type        = bool
  default     = true
  nullable    = false
}

# Required: what to call it, what to read, where to cache, and which entries to keep.

variable "name" {
  description = <<-EOT
    Name of the function, its role and its log group, prefix of the failure queue, and the table's name unless `table`
    has another. 3 to 64 letters, digits, `-` and `_`. A role's name is the whole account's: to deploy to several Regions
    under one name, set `role.name_prefix`. There is no prefix for the rest: Lambda functions have none in the provider,
    and alarms, dashboard and metrics go by the name. A new name makes all of these anew, a table without a name of its
    own too.
  EOT
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{3,64}$", var.name))
    error_message = "name must be 3 to 64 letters, digits, - and _: Lambda and IAM allow no more than 64, DynamoDB no fewer than 3."
  }
}

variable "table" {
  description = <<-EOT
    The DynamoDB table to make, with a stream of new and old images. Leave it out, and set `table_arn` or `stream_arn`, for
    a table that exists.

    - `name`: the table's name. Default: `name` of the module.
    - `hash_key`: the partition key: its `name`, and its `type`: `S` (string, the default), `N` (number) or `B` (binary).
    - `range_key`: the sort key, likewise. Default: none.
    - `global_secondary_indexes`: index name to its definition. Default: none.
      - `hash_key`, `range_key`: as for the table.
      - `projection_type`: `ALL` (the default: an index that fills a list has to hold all that the list shows),
        `KEYS_ONLY` or `INCLUDE`.
      - `non_key_attributes`: what an index with `INCLUDE` holds besides the keys.
      - `provisioned_capacity`, `on_demand_throughput`: as for the table. Default: the table's.
    - `local_secondary_indexes`: at most 5, index name to its definition. They are made with the table: to change one, the
      table has to be made anew. Default: none.
      - `range_key`: its sort key; its hash key is the table's.
      - `projection_type`, `non_key_attributes`: as for a global one.
    - `provisioned_capacity`: capacity in units, for a load that is known. Default: none: on demand. Changing between the
      two, or whether it scales, is an update in place (on AWS, to on demand up to four times a day).
      - `read`, `write`: each with `min_capacity`, at least 1; `max_capacity`, to which it scales by itself (default:
        `min_capacity`: it does not scale); and `target_value`, the percentage of use that scaling aims at, 20 to 90
        (default 70). What it has scaled to is left alone: where it scales, a plan looks at the table, for which who runs
        Terraform needs `dynamodb:ListTables`, and the module block may have no `depends_on`.
    - `on_demand_throughput`: the most that is used, and paid, on demand: `max_read_request_units` and
      `max_write_request_units` a second, either at least 1. Default: none: up to the account's limit. To take one away
      again, set it to -1 first.
    - `table_class`: `STANDARD` (the default) or `STANDARD_INFREQUENT_ACCESS`, where storage costs more than use.
    - `ttl_attribute`: the attribute with the time, in seconds since 1970, at which DynamoDB deletes an item. Its cached
      entries go with it. Default: none.
    - `kms_key_arn`: ARN of a customer managed KMS key to encrypt the table and its stream with; the role is allowed to
      decrypt with it. Default: none: the key that AWS manages for DynamoDB, of which KMS charges the requests.
    - `point_in_time_recovery`: `enabled` (default true), and `recovery_period_in_days`, how far back, 1 to 35 (default: 35,
      which is AWS's).
    - `deletion_protection_enabled`: whether the table refuses to be deleted. Default: true, for a table outlives the
      cache in front of it; set it to false before a destroy.
    - `replicas`: Region to replica, for a global table. What is written there is cached too. Default: none.
      - `kms_key_arn`: ARN of a customer managed key of that Region, if and only if the table has one.
      - `point_in_time_recovery`: default true.
      - `propagate_tags`: whether the replica has the table's tags. Default: true.
    - `resource_policy`: who else may use the table, as `policy`, in JSON. Default: none.
    - `import_table`: data in S3 to begin with, when the table is made. It does not go through the stream: item views see
      it when its items next change. Default: none.
      - `input_format`: `DYNAMODB_JSON`, `ION` or `CSV`; `input_compression_type`: `NONE` (the default), `GZIP` or `ZSTD`.
      - `bucket`, `key_prefix`, and `bucket_owner`, the account that it is in (default: this one).
      - `csv`: for `CSV`: its `delimiter` (default a comma) and `header_list` (default: the file's first line).
    - `contributor_insights_enabled`: whether CloudWatch tells the most used keys of the table and its global indexes, which
      is paid by the event. Default: false.
    - `tags`: on top of the module's, such as one that selects it for backup. Default: none.
  EOT
  type = object({
    name = optional(string)
    hash_key = object({
      name = string
      type = optional(string, "S")
    })
    range_key = optional(object({
      name = string
      type = optional(string, "S")
    }))
    global_secondary_indexes = optional(map(object({
      hash_key = object({
        name = string
        type = optional(string, "S")
      })
      range_key = optional(object({
        name = string
        type = optional(string, "S")
      }))
      projection_type    = optional(string, "ALL")
      non_key_attributes = optional(list(string), [])
      provisioned_capacity = optional(object({
        read = object({
          min_capacity = number
          max_capacity = optional(number)
          target_value = optional(number, 70)
        })
        write = object({
          min_capacity = number
          max_capacity = optional(number)
          target_value = optional(number, 70)
        })
      }))
      on_demand_throughput = optional(object({
        max_read_request_units  = optional(number)
        max_write_request_units = optional(number)
      }))
    })), {})
    local_secondary_indexes = optional(map(object({
      range_key = object({
        name = string
        type = optional(string, "S")
      })
      projection_type    = optional(string, "ALL")
      non_key_attributes = optional(list(string), [])
    })), {})
    provisioned_capacity = optional(object({
      read = object({
        min_capacity = number
        max_capacity = optional(number)
        target_value = optional(number, 70)
      })
      write = object({
        min_capacity = number
        max_capacity = optional(number)
        target_value = optional(number, 70)
      })
    }))
    on_demand_throughput = optional(object({
      max_read_request_units  = optional(number)
      max_write_request_units = optional(number)
    }))
    table_class   = optional(string, "STANDARD")
    ttl_attribute = optional(string)
    kms_key_arn   = optional(string)
    point_in_time_recovery = optional(object({
      enabled                 = optional(bool, true)
      recovery_period_in_days = optional(number)
    }), {})
    deletion_protection_enabled = optional(bool, true)
    replicas = optional(map(object({
      kms_key_arn            = optional(string)
      point_in_time_recovery = optional(bool, true)
      propagate_tags         = optional(bool, true)
    })), {})
    resource_policy = optional(object({ policy = string }))
    import_table = optional(object({
      input_format           = string
      input_compression_type = optional(string, "NONE")
      bucket                 = string
      bucket_owner           = optional(string)
      key_prefix             = optional(string)
      csv = optional(object({
        delimiter   = optional(string)
        header_list = optional(list(string))
      }))
    }))
    contributor_insights_enabled = optional(bool, false)
    tags                         = optional(map(string), {})
  })
  default = null

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{3,255}$", coalesce(try(var.table.name, null), "default")))
    error_message = "table.name must be 3 to 255 letters, digits, -, _ and dots."
  }

  validation {
    condition = var.table == null ? true : alltrue([
      for key in flatten([
        var.table.hash_key, var.table.range_key[*], values(var.table.local_secondary_indexes)[*].range_key,
        [for index in values(var.table.global_secondary_indexes) : [index.hash_key, index.range_key[*]]],
      ]) : contains(["S", "N", "B"], key.type)
    ])
    error_message = "table: each key's type must be \"S\" (string), \"N\" (number) or \"B\" (binary), the only types DynamoDB has keys of."
  }

  validation {
    condition = var.table == null ? true : alltrue([
      for types in values({
        for key in flatten([
          var.table.hash_key, var.table.range_key[*], values(var.table.local_secondary_indexes)[*].range_key,
          [for index in values(var.table.global_secondary_indexes) : [index.hash_key, index.range_key[*]]],
        ]) : key.name => key.type...
      }) : length(distinct(types)) == 1
    ])
    error_message = "table: an attribute that is a key in several places (table, indexes) must have the same type in all of them."
  }

  validation {
    condition = var.table == null ? true : alltrue(concat(
      [for keys in concat([var.table], values(var.table.global_secondary_indexes)) : keys.hash_key.name != try(keys.range_key.name, null)],
      [for index in values(var.table.local_secondary_indexes) : index.range_key.name != var.table.hash_key.name],
    ))
    error_message = "table: hash_key and range_key, of the table and of each index, must be two attributes."
  }

  validation {
    condition     = var.table == null ? true : alltrue([for name in concat(keys(var.table.global_secondary_indexes), keys(var.table.local_secondary_indexes)) : can(regex("^[a-zA-Z0-9_.-]{3,255}$", name))])
    error_message = "table: each index's name must be 3 to 255 letters, digits, -, _ and dots."
  }

  validation {
    condition     = var.table == null ? true : alltrue([for index in concat(values(var.table.global_secondary_indexes), values(var.table.local_secondary_indexes)) : contains(["ALL", "KEYS_ONLY", "INCLUDE"], index.projection_type)])
    error_message = "table: each index's projection_type must be \"ALL\", \"KEYS_ONLY\" or \"INCLUDE\"."
  }

  validation {
    condition     = var.table == null ? true : alltrue([for index in concat(values(var.table.global_secondary_indexes), values(var.table.local_secondary_indexes)) : (index.projection_type == "INCLUDE") == (length(index.non_key_attributes) > 0)])
    error_message = "table: an index's non_key_attributes must be set with projection_type = \"INCLUDE\", and only with it."
  }

  validation {
    condition     = var.table == null ? true : length(var.table.local_secondary_indexes) == 0 || var.table.range_key != null
    error_message = "table.local_secondary_indexes are for a table with a range_key: set one, or make them global."
  }

  validation {
    condition     = var.table == null ? true : length(var.table.local_secondary_indexes) <= 5
    error_message = "table.local_secondary_indexes may hold at most 5, the most that DynamoDB allows: make the rest global."
  }

  validation {
    condition     = var.table == null ? true : length(setintersection(keys(var.table.local_secondary_indexes), keys(var.table.global_secondary_indexes))) == 0
    error_message = "table: a local and a global secondary index must not have the same name."
  }

  validation {
    condition = var.table == null ? true : alltrue([
      for scaling in flatten([
        for capacity in concat([var.table.provisioned_capacity], values(var.table.global_secondary_indexes)[*].provisioned_capacity) :
        [capacity.read, capacity.write] if capacity != null
      ]) : scaling.min_capacity >= 1 && floor(scaling.min_capacity) == scaling.min_capacity
    ])
    error_message = "table: each min_capacity must be a whole number of units, at least 1."
  }

  validation {
    condition = var.table == null ? true : alltrue([
      for scaling in flatten([
        for capacity in concat([var.table.provisioned_capacity], values(var.table.global_secondary_indexes)[*].provisioned_capacity) :
        [capacity.read, capacity.write] if capacity != null
      ]) : scaling.max_capacity == null ? true : scaling.max_capacity >= scaling.min_capacity && floor(scaling.max_capacity) == scaling.max_capacity
    ])
    error_message = "table: each max_capacity must be a whole number of units, at least min_capacity: leave it out for a capacity that does not scale."
  }

  validation {
    condition = var.table == null ? true : alltrue([
      for scaling in flatten([
        for capacity in concat([var.table.provisioned_capacity], values(var.table.global_secondary_indexes)[*].provisioned_capacity) :
        [capacity.read, capacity.write] if capacity != null
      ]) : scaling.target_value >= 20 && scaling.target_value <= 90
    ])
    error_message = "table: each target_value must be from 20 to 90 percent, which is what DynamoDB scales by."
  }

  validation {
    condition     = var.table == null ? true : var.table.provisioned_capacity != null || alltrue([for index in values(var.table.global_secondary_indexes) : index.provisioned_capacity == null])
    error_message = "table: an index has provisioned_capacity only if the table has it too: set the table's, or remove the index's."
  }

  validation {
    condition     = var.table == null ? true : var.table.provisioned_capacity == null || alltrue([for throughput in concat([var.table.on_demand_throughput], values(var.table.global_secondary_indexes)[*].on_demand_throughput) : throughput == null])
    error_message = "table: on_demand_throughput, of the table and of each index, is for a table without provisioned_capacity: remove one of them."
  }

  validation {
    condition = var.table == null ? true : alltrue(flatten([
      for throughput in concat([var.table.on_demand_throughput], values(var.table.global_secondary_indexes)[*].on_demand_throughput) :
      [for units in [throughput.max_read_request_units, throughput.max_write_request_units] : units == null ? true : units == -1 || (units >= 1 && floor(units) == units)]
      if throughput != null
    ]))
    error_message = "table: max_read_request_units and max_write_request_units must be whole numbers, at least 1, or -1 to take a limit away that was set."
  }

  validation {
    condition     = var.table == null ? true : contains(["STANDARD", "STANDARD_INFREQUENT_ACCESS"], var.table.table_class)
    error_message = "table.table_class must be \"STANDARD\" or \"STANDARD_INFREQUENT_ACCESS\"."
  }

  validation {
    condition = var.table == null ? true : alltrue([
      for arn in concat(var.table.kms_key_arn[*], [for replica in values(var.table.replicas) : replica.kms_key_arn if replica.kms_key_arn != null]) :
      can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", arn))
    ])
    error_message = "table: each kms_key_arn must be the ARN of a KMS key, arn:aws:kms:…:key/…: IAM does not accept an alias."
  }

  validation {
    condition = try(var.table.point_in_time_recovery.recovery_period_in_days, null) == null ? true : (
      var.table.point_in_time_recovery.recovery_period_in_days >= 1 && var.table.point_in_time_recovery.recovery_period_in_days <= 35
      && floor(var.table.point_in_time_recovery.recovery_period_in_days) == var.table.point_in_time_recovery.recovery_period_in_days
    )
    error_message = "table.point_in_time_recovery.recovery_period_in_days must be a whole number from 1 to 35."
  }

  validation {
    condition     = var.table == null ? true : alltrue([for region in keys(var.table.replicas) : can(regex("^[a-z]{2,4}(-[a-z]+)+-[0-9]+$", region))])
    error_message = "table.replicas must be keyed by Region, such as eu-central-1."
  }

  validation {
    condition     = var.table == null ? true : alltrue([for replica in values(var.table.replicas) : (replica.kms_key_arn == null) == (var.table.kms_key_arn == null)])
    error_message = "table.replicas: each must have a kms_key_arn of its own Region if the table has one, and none if it has none: DynamoDB wants one kind of key for all."
  }

  validation {
    condition = var.table == null ? true : length(var.table.replicas) == 0 || alltrue([
      for capacity in concat([var.table.provisioned_capacity], values(var.table.global_secondary_indexes)[*].provisioned_capacity) :
      coalesce(capacity.write.max_capacity, 0) > capacity.write.min_capacity if capacity != null
    ])
    error_message = "table.replicas: with provisioned_capacity, write capacity has to scale, of the table and of each index, for replicas write too: set max_capacity, or leave provisioned_capacity out."
  }

  validation {
    condition     = try(var.table.resource_policy, null) == null ? true : can(jsondecode(var.table.resource_policy.policy))
    error_message = "table.resource_policy.policy must be a policy in JSON: use jsonencode(…), or aws_iam_policy_document's json."
  }

  validation {
    condition     = try(var.table.import_table, null) == null ? true : contains(["DYNAMODB_JSON", "ION", "CSV"], var.table.import_table.input_format)
    error_message = "table.import_table.input_format must be \"DYNAMODB_JSON\", \"ION\" or \"CSV\"."
  }

  validation {
    condition     = try(var.table.import_table, null) == null ? true : contains(["NONE", "GZIP", "ZSTD"], var.table.import_table.input_compression_type)
    error_message = "table.import_table.input_compression_type must be \"NONE\", \"GZIP\" or \"ZSTD\"."
  }

  validation {
    condition     = try(var.table.import_table.csv, null) == null ? true : var.table.import_table.input_format == "CSV"
    error_message = "table.import_table.csv is for input_format = \"CSV\": remove one of them."
  }
}

variable "table_arn" {
  description = <<-EOT
    ARN of a table that exists, in this account and Region, instead of `table`: `aws_dynamodb_table.<name>.arn`. The module
    reads its stream, which has to show new and old images: without the old one, an item that moves or goes could not be
    found in the cache. A plan looks at the table, to check that and the views' keys; who runs Terraform needs
    `dynamodb:DescribeTable`, `DescribeContinuousBackups`, `DescribeTimeToLive` and `ListTagsOfResource` on it.
  EOT
  type        = string
  default     = null

  validation {
    condition     = length([for given in [var.table != null, var.table_arn != null, var.stream_arn != null] : given if given]) == 1
    error_message = "Set exactly one of table (to make a table), table_arn and stream_arn (to read the stream of one that exists)."
  }

  validation {
    condition     = var.table_arn == null ? true : can(regex("^arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[^/]+$", var.table_arn))
    error_message = "table_arn must be the ARN of a DynamoDB table, like arn:aws:dynamodb:us-east-1:123456789012:table/orders."
  }
}

variable "stream_arn" {
  description = <<-EOT
    ARN of such a table's stream, instead of its own: `aws_dynamodb_table.<name>.stream_arn`. All else is as for
    `table_arn`; and it is checked that the table still has that stream, for one that is turned off and on is another.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.stream_arn == null ? true : can(regex("^arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[^/]+/stream/[^/]+$", var.stream_arn))
    error_message = "stream_arn must be the ARN of a DynamoDB stream, like arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000: use the table's stream_arn, not its arn (which is for table_arn)."
  }
}

variable "momento" {
  description = <<-EOT
    The cache, and how to reach it.

    - `cache_name`: the Momento cache; it must exist.
    - `secret_arn`: ARN of the Secrets Manager secret that holds the Momento API key. The module only passes the ARN on:
      the key itself never enters Terraform, the function reads it when it starts.
    - `secret_json_key`: the field that holds the key, for a secret that is a JSON object. Default: the whole secret is
      the key.
    - `secret_kms_key_arn`: ARN of the KMS key, for a secret that is encrypted with a customer managed one. Default: the
      AWS managed key, which needs no permission.
    - `endpoint`: hostname of the cell, for a v2 API key, such as `cell-4-us-west-2-1.prod.a.momentohq.com`; or
      `host:port` of a server on your machine, which is spoken to without encryption. Default: none, for legacy and
      disposable tokens, which hold their endpoint.
    - `max_operations_per_second`: the most operations that one execution environment asks of Momento in a second, tries
      that failed included; a call with several elements counts each. What has to wait longer than the invocation's time
      comes again. Default: none: as fast as it can. Momento's quota on demand, unless it was raised, is 100 a second
      for all that use the cache in the Region: give the module its share, divided by the stream's shards times
      `parallelization_factor`, each of which is an environment. Fractions are allowed, but leave room within `timeout`
      for all operations of one record: two for each list, and up to three for an item that leaves a place in a `unique` view
      whose key lacks a part of the primary key.
    - `max_item_bytes`: the largest entry that Momento takes, in bytes, its key included. What is larger is not cached.
      Default: 5000000, Momento's 5 MB. Set it where your account allows more, or less.
    - `request_timeout_seconds`: how long one request may take, 0.5 to 5. Default: 1.1, as Momento's SDK has it for
      Lambda. Raise it where Momento is far away or slow: an answer that comes later is lost, and the request is made
      again. A connection that died is noticed after that time.
  EOT
  type = object({
    cache_name                = string
    secret_arn                = string
    secret_json_key           = optional(string)
    secret_kms_key_arn        = optional(string)
    endpoint                  = optional(string)
    max_operations_per_second = optional(number)
    max_item_bytes            = optional(number, 5000000)
    request_timeout_seconds   = optional(number)
  })
  nullable = false

  validation {
    condition     = length(var.momento.cache_name) > 0
    error_message = "momento.cache_name must not be empty: name the Momento cache that holds the views."
  }

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+-[a-zA-Z0-9]{6}$", var.momento.secret_arn))
    error_message = "momento.secret_arn must be a secret's whole ARN, with the six characters that Secrets Manager appends, because the role may read exactly that secret: use aws_secretsmanager_secret.<name>.arn. Never put the API key itself here."
  }

  validation {
    condition     = var.momento.secret_json_key == null ? true : length(var.momento.secret_json_key) > 0
    error_message = "momento.secret_json_key must not be empty: leave it out if the whole secret is the API key."
  }

  validation {
    condition     = var.momento.secret_kms_key_arn == null ? true : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.momento.secret_kms_key_arn))
    error_message = "momento.secret_kms_key_arn must be the ARN of a KMS key, arn:aws:kms:…:key/…: IAM does not accept an alias."
  }

  validation {
    condition     = var.momento.endpoint == null ? true : can(regex("^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]{1,5})?$", var.momento.endpoint))
    error_message = "momento.endpoint must be a hostname, or host:port of a local server, without https:// and without a path."
  }

  validation {
    condition     = var.momento.max_operations_per_second == null ? true : var.momento.max_operations_per_second > 0
    error_message = "momento.max_operations_per_second must be greater than 0, such as 12.5: leave it out for no limit."
  }

  validation {
    condition     = var.momento.max_item_bytes >= 1 && floor(var.momento.max_item_bytes) == var.momento.max_item_bytes
    error_message = "momento.max_item_bytes must be a whole number of bytes, at least 1: leave it out for Momento's 5 MB."
  }

  validation {
    condition     = var.momento.request_timeout_seconds == null ? true : var.momento.request_timeout_seconds >= 0.5 && var.momento.request_timeout_seconds <= 5
    error_message = "momento.request_timeout_seconds must be 0.5 to 5: leave it out for the 1.1 of Momento's SDK."
  }
}

variable "views" {
  description = <<-EOT
    The cached entries to keep: view name to definition. A view of kind `item` caches one JSON object an item; one of
    kind `list` caches one JSON array of many items. Templates hold attribute paths in braces: `{pk}`, `{address.city}`,
    `{tags[0]}`. Where an item has an attribute of just that name, `address.city` or `tags[0]`, the path is that
    attribute. A `where` matches in either place, and knows no positions in lists. None may show, or be named by, the
    attribute `_cache_refresh`: a change of it has the item's entries written anew, see `skip_unchanged`.

    - `kind`: `item` or `list`.
    - `key`: the cache key, as a template over the item's attributes, such as `ADMIN-{pk}`. An item that lacks one of
      them has no entry in the view. A list's key may be plain text, for a single list.
    - `fields`: output name to attribute path. Default: the whole item, under its own names.
    - `where`: which items the view shows: an EventBridge pattern over the item's attributes, in `jsonencode(…)`, with
      exact values, null, the operators `prefix`, `suffix`, `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`,
      `exists` and `cidr`, and `$or`. A list or set matches by any of its elements. An item that stops matching leaves
      the view. An item that takes more than 1,000,000 steps to match is refused: a test of a list takes a few steps for
      each element, in each alternative of `$or`, times the texts of an operator in `anything-but`. Default: all items.
    - `unique`: your word that no two matching items share an entry (or a list's row), where the table's whole primary
      key is not in `key` (or `member`). Default: false.
    - `ttl_seconds`: instead of the module's, in seconds, at least 300. Default: the module's.

    For lists only:

    - `member`: names a row, as a template over the row's own fields, such as `{id}`. Required. Without `fields`, neither
      it nor `order_by` can name an attribute with a dot or bracket in its name.
    - `order_by`: the field that rows are sorted by. Default: none: rows are in the order of `member`. Binary sorts by its
      bytes where the field is a key attribute, of the table or an index; elsewhere a record with binary there is rejected.
    - `descending`: whether the greatest row comes first. Default: true, the newest first where `order_by` is a time.
    - `limit`: the most rows, 1 to 10000, the first in the list's order. Default: none: all. A list with as many rows
      as its limit that loses one is rebuilt: at once from the table itself; from an index after 5 seconds, during which
      it is away, for readers a miss. Without `rebuild_from` it is away until your application fills it.
    - `rebuild_from`: the query that fills a list which is not cached. Default: none: it stays absent, and a reader goes
      to the table. An item that the query would not find is not in the list: an index lacks those whose value of its
      key is absent, NULL, empty, too long or of another type.
      - `index_name`: the secondary index to query, global or local. Default: none: the table itself, read consistently.
      - `key_condition`: key attribute to the value it must have, as a template that holds only placeholders of `key`.
        The hash key must be among them. A key of type `N` takes a placeholder alone or a number, such as `2026`; one of
        type `B` takes a placeholder alone.
  EOT
  type = map(object({
    kind        = string
    key         = string
    fields      = optional(map(string))
    where       = optional(string)
    unique      = optional(bool, false)
    ttl_seconds = optional(number)
    member      = optional(string)
    order_by    = optional(string)
    descending  = optional(bool)
    limit       = optional(number)
    rebuild_from = optional(object({
      index_name    = optional(string)
      key_condition = map(string)
    }))
  }))
  nullable = false

  # What a single view must be like is in modules/view.
  validation {
    condition     = length(var.views) > 0
    error_message = "views must hold at least one view: without any, there is nothing to cache."
  }

  validation {
    condition     = length(distinct([for view in values(var.views) : view.key])) == length(var.views)
    error_message = "views: no two may have the same key, or each would overwrite the other's entries: add a prefix to one, such as ADMIN-{pk}."
  }
}

# What all views share.

variable "key_prefix" {
  description = <<-EOT
    Stands before every cache key, as it is: set it where several tables share a cache. Default: none, so that a key reads
    as its view says. A new prefix leaves the old entries to their TTL: the way to change what a view means.
  EOT
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = !can(regex("[{}]", var.key_prefix))
    error_message = "key_prefix must be plain text, without braces: placeholders go into each view's key."
  }
}

variable "ttl_seconds" {
  description = <<-EOT
    How long an entry lives without a write, in seconds, at least 300. Default: 86400 (a day), the longest that a Momento
    cache on demand allows unless it was raised. It is what bounds staleness if all else fails.
  EOT
  type        = number
  default     = 86400
  nullable    = false

  validation {
    condition     = var.ttl_seconds >= 300 && var.ttl_seconds <= 31536000 && floor(var.ttl_seconds) == var.ttl_seconds
    error_message = "ttl_seconds must be a whole number from 300 to 31536000, a year: a shorter life could end while a failed batch is still being retried."
  }
}

variable "skip_unchanged" {
  description = <<-EOT
    Whether an entry is left alone when nothing changed that its view shows: when every image of the item in the batch,
    not only the first and the last, gives it the same key, the same membership and the same fields. Default: true: it
    saves the one operation on an item's entry, or the two on a list, for each change that the view does not show.

    A skipped write does not renew the entry's TTL. And an entry that is stale because a batch was given up stays so until
    its item changes visibly or is refreshed, or until it expires. An item is refreshed by any new value of its attribute
    `_cache_refresh`: its entries are written anew, though nothing that they show changed.
  EOT
  type        = bool
  default     = true
  nullable    = false
}

# The event source mapping, under the provider's names.

variable "batch_size" {
  description = <<-EOT
    The most records in one batch, 1 to 10000. Default: 100, as AWS has it. A larger batch saves cache operations, for
    only an item's net change is written, but takes longer to retry. One read of a stream brings at most 1,000 records
    or 1 MB: for more in a batch, set `maximum_batching_window_in_seconds` too. Lambda ends a batch at 6 MB, about 2,000
    records with two images of 1 KB.
  EOT
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000 && floor(var.batch_size) == var.batch_size
    error_message = "batch_size must be a whole number from 1 to 10000, which is Lambda's limit for DynamoDB streams."
  }
}

variable "starting_position" {
  description = <<-EOT
    Where a new mapping starts to read: `TRIM_HORIZON` (the default), the oldest record that the stream still has, up to
    24 hours old, so that nothing is missed; or `LATEST`, what is written from then on. Changing it makes a new mapping.
  EOT
  type        = string
  default     = "TRIM_HORIZON"
  nullable    = false

  validation {
    condition     = contains(["TRIM_HORIZON", "LATEST"], var.starting_position)
    error_message = "starting_position must be \"TRIM_HORIZON\" or \"LATEST\", the two that DynamoDB streams have."
  }
}

variable "maximum_batching_window_in_seconds" {
  description = "How long Lambda may wait to fill a batch, in seconds, 0 to 300. Default: 0, for a view that follows at once."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.maximum_batching_window_in_seconds >= 0 && var.maximum_batching_window_in_seconds <= 300 && floor(var.maximum_batching_window_in_seconds) == var.maximum_batching_window_in_seconds
    error_message = "maximum_batching_window_in_seconds must be a whole number from 0 to 300, which is Lambda's limit."
  }
}

variable "parallelization_factor" {
  description = <<-EOT
    How many batches of one shard are worked on at once, 1 to 10. The changes of one item stay in order, whatever it is.
    Default: 1, which spares Momento's request quota; raise it if the iterator age grows.
  EOT
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.parallelization_factor >= 1 && var.parallelization_factor <= 10 && floor(var.parallelization_factor) == var.parallelization_factor
    error_message = "parallelization_factor must be a whole number from 1 to 10, which is Lambda's limit."
  }
}

variable "maximum_retry_attempts" {
  description = <<-EOT
    How often a failed batch is tried again before it goes to the failure destination, 0 to 10000, or -1 to retry for as long as
    the stream keeps the record (24 hours), which blocks its shard all the while. Default: 100: enough to ride out some
    minutes without Momento, for each try makes a request up to 8 times, with pauses that grow to 2 seconds, while a
    record that can never succeed, which is tried just once each time, releases its shard without an operator.
  EOT
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.maximum_retry_attempts >= -1 && var.maximum_retry_attempts <= 10000 && floor(var.maximum_retry_attempts) == var.maximum_retry_attempts
    error_message = "maximum_retry_attempts must be a whole number from 0 to 10000, or -1 for no limit."
  }
}

variable "maximum_record_age_in_seconds" {
  description = <<-EOT
    Age in seconds at which a record goes to the failure destination untried, 60 to 604800, or -1 for none. Default: -1, so that
    what waits in the stream at the first start, or after a pause, is worked off rather than given up.
  EOT
  type        = number
  default     = -1
  nullable    = false

  validation {
    condition     = var.maximum_record_age_in_seconds == -1 || (var.maximum_record_age_in_seconds >= 60 && var.maximum_record_age_in_seconds <= 604800 && floor(var.maximum_record_age_in_seconds) == var.maximum_record_age_in_seconds)
    error_message = "maximum_record_age_in_seconds must be a whole number from 60 to 604800 (7 days), or -1 for no limit."
  }
}

variable "bisect_batch_on_function_error" {
  description = <<-EOT
    Whether a failed batch is split in two before it is tried again: where the function says which record failed, at that
    record. Default: true: it isolates the record that fails, and what is repeated does no harm.
  EOT
  type        = bool
  default     = true
  nullable    = false
}

variable "filter_patterns" {
  description = <<-EOT
    What a record must match, any one of at most 5 patterns (10 if AWS raised your quota), to reach the function. Each
    pattern says of key attributes of the table what they must be, all of those that it names, as in
    `[{ pk = { prefix = ["ORDER#"] } }]`: keys never change, whereas a filter on an image or on the event's name would hide
    an item that leaves a view. Default: none: every record, but for those that no view shows: if each has a `where`, the
    module filters by these, within 5 filters of 4096 characters (output `filter_patterns`). A list that is rebuilt knows
    nothing of these patterns: let its `where` leave out what they hide.

    For each key attribute, any one of these has to match. Values are as DynamoDB writes them: a number in digits, binary in
    base64.

    - `equals`: the value itself.
    - `equals_ignore_case`, `prefix`, `suffix`: for strings.
    - `anything_but`: any value but these.
  EOT
  type = list(map(object({
    equals             = optional(list(string), [])
    equals_ignore_case = optional(list(string), [])
    prefix             = optional(list(string), [])
    suffix             = optional(list(string), [])
    anything_but       = optional(list(string), [])
  })))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for pattern in var.filter_patterns : length(pattern) > 0])
    error_message = "filter_patterns: each pattern must name a key attribute: an empty one would match every record."
  }

  validation {
    condition = alltrue(flatten([
      for pattern in var.filter_patterns : [for test in values(pattern) : length(flatten(values(test))) > 0]
    ]))
    error_message = "filter_patterns: each key attribute must have equals, equals_ignore_case, prefix, suffix or anything_but, with at least one value. (Terraform drops an attribute of another name, such as one that is misspelt, unsaid.)"
  }

  validation {
    condition     = length(var.filter_patterns) <= 10
    error_message = "filter_patterns may hold at most 10 patterns, the most that Lambda allows: join some with more values in a list."
  }
}

variable "filter_kms_key_arn" {
  description = <<-EOT
    ARN of a customer managed KMS key to encrypt the mapping's filters with, which can hold values of yours: those of
    `filter_patterns` and of the views' `where`. The key's own policy has to let Lambda (`lambda.amazonaws.com`) decrypt with
    it. Default: none: a key of AWS's.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.filter_kms_key_arn == null ? true : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.filter_kms_key_arn))
    error_message = "filter_kms_key_arn must be the ARN of a KMS key, arn:aws:kms:…:key/…: Lambda does not accept an alias."
  }
}

variable "metrics_config" {
  description = <<-EOT
    What the mapping itself counts, as CloudWatch metrics that are paid as custom ones.

    - `metrics`: `["EventCount"]`: records that were polled, filtered out, invoked with, failed, dropped and sent to the failure
      destination. Default: none: what the function handles it counts itself.
  EOT
  type        = object({ metrics = optional(set(string), []) })
  default     = {}
  nullable    = false

  # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html#event-source-mapping-metrics
  validation {
    condition     = length(setsubtract(var.metrics_config.metrics, ["EventCount"])) == 0
    error_message = "metrics_config.metrics may hold only \"EventCount\", which is what Lambda counts of a DynamoDB stream."
  }
}

variable "tumbling_window_in_seconds" {
  description = <<-EOT
    Refused: leave it out. A tumbling window hands what a function made of one batch to the next, for totals over some time:
    the function has to answer with that state, or the batch fails. This one has none: what a batch makes is in the cache.
    See `maximum_batching_window_in_seconds` for larger batches.
  EOT
  type        = number
  default     = null

  # https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html
  validation {
    condition     = var.tumbling_window_in_seconds == null
    error_message = "tumbling_window_in_seconds is not for this function: Lambda would fail every batch of a window, for the function has no state to answer with. Leave it out; maximum_batching_window_in_seconds makes batches larger."
  }
}

variable "enabled" {
  description = "Whether the stream is read. Default: true. While false, records wait in the stream for up to 24 hours."
  type        = bool
  default     = true
  nullable    = false
}

# What becomes of records that are given up.

variable "failure_queue" {
  description = <<-EOT
    The SQS queue that names the records which were given up after all retries: their shard and their sequence numbers,
    not their content. The module makes it, unless there is a `failure_destination`.

    - `name`: 1 to 80 letters, digits, `-` and `_`. Default: the module's `name`, then `-failures`.
    - `message_retention_seconds`: how long a message is kept, in seconds, 60 to 1209600. Default: 1209600 (14 days), the
      longest there is. (The stream keeps what it names for 24 hours: the table has to be asked for what is older.)
    - `kms_key_arn`: ARN of a customer managed KMS key to encrypt messages with; the role is allowed to use it, if the
      key's own policy leaves that to IAM. Default: none: a key that SQS manages, at no cost.
    - `redrive_source_queue_arns`: ARNs of at most 10 queues that may use this one as their dead-letter queue. Default:
      none: it is for this module alone.
  EOT
  type = object({
    name                      = optional(string)
    message_retention_seconds = optional(number, 1209600)
    kms_key_arn               = optional(string)
    redrive_source_queue_arns = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,80}$", coalesce(var.failure_queue.name, "default")))
    error_message = "failure_queue.name must be 1 to 80 letters, digits, - and _. A FIFO queue can not be a stream's failure destination."
  }

  validation {
    condition     = var.failure_queue.message_retention_seconds >= 60 && var.failure_queue.message_retention_seconds <= 1209600 && floor(var.failure_queue.message_retention_seconds) == var.failure_queue.message_retention_seconds
    error_message = "failure_queue.message_retention_seconds must be a whole number from 60 to 1209600 (14 days), which are SQS' limits."
  }

  validation {
    condition     = var.failure_queue.kms_key_arn == null ? true : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.failure_queue.kms_key_arn))
    error_message = "failure_queue.kms_key_arn must be the ARN of a KMS key, arn:aws:kms:…:key/…: IAM does not accept an alias."
  }

  validation {
    condition     = alltrue([for arn in var.failure_queue.redrive_source_queue_arns : can(regex("^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[^:]+$", arn))])
    error_message = "failure_queue.redrive_source_queue_arns must be ARNs of SQS queues, arn:aws:sqs:…: use aws_sqs_queue.<name>.arn, not its url."
  }

  validation {
    condition     = length(var.failure_queue.redrive_source_queue_arns) <= 10
    error_message = "failure_queue.redrive_source_queue_arns may name at most 10 queues, the most that SQS allows."
  }
}

variable "failure_destination" {
  description = <<-EOT
    A destination that exists, instead of a queue of the module's own, for the records that were given up. The role is
    allowed what that takes and no more. Default: none: the module makes `failure_queue`.

    - `arn`: ARN of a standard SQS queue, a standard SNS topic or an S3 bucket. Only S3 is sent the records themselves, so
      that they can be replayed when the stream has them no more: item content then lies in the bucket, under
      `aws/lambda/`, until a lifecycle rule of yours removes it.
    - `kms_key_arn`: ARN of the customer managed KMS key that it is encrypted with. Default: none, or one that AWS manages.
    - `bucket_owner`: for S3, the account that owns the bucket. Default: the table's. Nothing is written to a bucket of
      that name which is another account's.
  EOT
  type = object({
    arn          = string
    kms_key_arn  = optional(string)
    bucket_owner = optional(string)
  })
  default = null

  validation {
    condition     = var.failure_destination == null ? true : can(regex("^arn:aws[a-z-]*:((sqs|sns):[a-z0-9-]+:[0-9]{12}:[^:]+|s3:::[^:/]+)$", var.failure_destination.arn))
    error_message = "failure_destination.arn must be the ARN of an SQS queue, an SNS topic or an S3 bucket, without a path: the three that Lambda takes for a DynamoDB stream."
  }

  validation {
    condition     = var.failure_destination == null ? true : !endswith(var.failure_destination.arn, ".fifo")
    error_message = "failure_destination.arn must not be a FIFO queue or topic, which Lambda does not take: use a standard one."
  }

  validation {
    condition     = try(var.failure_destination.kms_key_arn, null) == null ? true : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.failure_destination.kms_key_arn))
    error_message = "failure_destination.kms_key_arn must be the ARN of a KMS key, arn:aws:kms:…:key/…: IAM does not accept an alias."
  }

  validation {
    condition     = try(var.failure_destination.bucket_owner, null) == null ? true : can(regex("^[0-9]{12}$", var.failure_destination.bucket_owner))
    error_message = "failure_destination.bucket_owner must be the 12 digits of an AWS account."
  }

  validation {
    condition     = try(var.failure_destination.bucket_owner, null) == null ? true : strcontains(var.failure_destination.arn, ":s3:")
    error_message = "failure_destination.bucket_owner is for a bucket: remove it, for a queue's or a topic's ARN names its account."
  }
}

# What tells an operator.

variable "alarms" {
  description = <<-EOT
    CloudWatch alarms on all that can keep the cache from following the table. Each says in its description what to do.

    - `enabled`: whether there are any. Default: true.
    - `alarm_actions`, `ok_actions`, `insufficient_data_actions`: ARNs of what is told when an alarm goes off, is over, or
      has no data, such as SNS topics; at most 5 each. Default: none: the alarms show in the console and on the dashboard.
    - `runbook`: where your operators find docs/operating.md: each alarm's description ends with it and the anchor of the
      alarm's section. Default: `docs/operating.md`, which is only a path: set the URL of your copy.

    And each alarm, with `enabled` (default true) and:

    - `threshold`: above it, the alarm goes off.
    - `evaluation_periods`: how many periods in a row have to be above it.
    - `period`: how long one is, a multiple of 60 seconds. Default: `timeout` and `maximum_batching_window_in_seconds`
      together, rounded up to whole minutes, which is as long as it can take from one batch to the next: 60 with their
      defaults. In a shorter one there may be nothing to measure, which counts as not above the threshold. Of
      `failure_queue`, which SQS measures each minute, the default is 60.

    The alarms:

    - `iterator_age`: how long a record had waited in the stream when it was read, in milliseconds. Default: more than 60000
      in each of 5 periods.
    - `propagation_delay`: from the write to the table until its entries are in the cache, in seconds. Default: more than 60
      in each of 5 periods.
    - `errors`: invocations that failed as a whole. Default: more than 0 in each of 3 periods: one that crashed is tried again.
    - `throttles`: invocations that Lambda did not run for want of concurrency. Default: more than 0 in each of 5 periods.
    - `duration`: how long a batch took, in percent of `timeout`, at most 100. Default: more than 90 in each of 3 periods.
    - `cache_failures`: cache operations that failed in spite of retries. Default: more than 0 in each of 5 periods.
    - `rejected_records`: records that no try can cache, such as one for which two views have one cache key. Default: more than 0.
    - `destination_failures`: batches that were given up and could not be reported. Default: more than 0.
    - `failure_queue`: messages in the failure queue that the module makes. Default: more than 0.
  EOT
  type = object({
    enabled                   = optional(bool, true)
    alarm_actions             = optional(list(string), [])
    ok_actions                = optional(list(string), [])
    insufficient_data_actions = optional(list(string), [])
    runbook                   = optional(string, "docs/operating.md")
    iterator_age = optional(object({
      enabled            = optional(bool, true)
      threshold          = optional(number, 60000)
      period             = optional(number)
      evaluation_periods = optional(number, 5)
    }), {})
    propagation_delay = optional(object({
      enabled            = optional(bool, true)
      threshold          = optional(number, 60)
      period             = optional(number)
      evaluation_periods = optional(number, 5)
    }), {})
    errors = optional(object({
      enabled            = optional(bool, true)
      threshold          = optional(number, 0)
      period             = optional(number)
      evaluation_periods = optional(number, 3)
    }), {})
    throttles = optional(object({
      enabled            = optional(bool, true)
      threshold          = optional(number, 0)
      period             = optional(number)
      evaluation_periods = optional(number, 5)
    }), {})
    duration = optional(object({
      enabled            = optional(bool, true)
      threshold          = optional(number, 90)
      period             = optional(number)
      evaluation_periods = optional(number, 3)
    }), {})
    cache_failures = optional(object({
      enabled            = optional(bool, true)
      threshold          = optional(number, 0)
      period             = optional(number)
      evaluation_periods = optional(number, 5)
    }), {})
    rejected_records = optional(object({
      enabled            = optional(bool, true)
      threshold          = optional(number, 0)
      period             = optional(number)
      evaluation_periods = optional(number, 1)
    }), {})
    destination_failures = optional(object({
      enabled            = optional(bool, true)
      threshold          = optional(number, 0)
      period             = optional(number)
      evaluation_periods = optional(number, 1)
    }), {})
    failure_queue = optional(object({
      enabled            = optional(bool, true)
      threshold          = optional(number, 0)
      period             = optional(number, 60)
      evaluation_periods = optional(number, 1)
    }), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for arn in concat(var.alarms.alarm_actions, var.alarms.ok_actions, var.alarms.insufficient_data_actions) : can(regex("^arn:aws[a-z-]*:", arn))])
    error_message = "alarms: each of alarm_actions, ok_actions and insufficient_data_actions must be an ARN, such as an SNS topic's."
  }

  validation {
    condition     = alltrue([for actions in [var.alarms.alarm_actions, var.alarms.ok_actions, var.alarms.insufficient_data_actions] : length(actions) <= 5])
    error_message = "alarms: alarm_actions, ok_actions and insufficient_data_actions may hold at most 5 ARNs each, the most that CloudWatch allows."
  }

  validation {
    condition     = alltrue([for alarm in [var.alarms.iterator_age, var.alarms.propagation_delay, var.alarms.errors, var.alarms.throttles, var.alarms.duration, var.alarms.cache_failures, var.alarms.rejected_records, var.alarms.destination_failures, var.alarms.failure_queue] : alarm.threshold >= 0])
    error_message = "alarms: each threshold must be 0 or more: what is measured is never below."
  }

  validation {
    condition     = var.alarms.duration.threshold <= 100
    error_message = "alarms.duration.threshold must be at most 100: it is percent of timeout, which no batch outlasts."
  }

  validation {
    condition     = alltrue([for alarm in [var.alarms.iterator_age, var.alarms.propagation_delay, var.alarms.errors, var.alarms.throttles, var.alarms.duration, var.alarms.cache_failures, var.alarms.rejected_records, var.alarms.destination_failures, var.alarms.failure_queue] : alarm.period == null ? true : alarm.period >= 60 && alarm.period % 60 == 0])
    error_message = "alarms: each period must be a multiple of 60 seconds: nothing is measured more often."
  }

  validation {
    condition     = alltrue([for alarm in [var.alarms.iterator_age, var.alarms.propagation_delay, var.alarms.errors, var.alarms.throttles, var.alarms.duration, var.alarms.cache_failures, var.alarms.rejected_records, var.alarms.destination_failures, var.alarms.failure_queue] : alarm.evaluation_periods >= 1 && floor(alarm.evaluation_periods) == alarm.evaluation_periods])
    error_message = "alarms: each evaluation_periods must be a whole number, at least 1."
  }

  validation {
    condition     = alltrue([for alarm in [var.alarms.iterator_age, var.alarms.propagation_delay, var.alarms.errors, var.alarms.throttles, var.alarms.duration, var.alarms.cache_failures, var.alarms.rejected_records, var.alarms.destination_failures, var.alarms.failure_queue] : coalesce(alarm.period, local.batch_period) * alarm.evaluation_periods <= (coalesce(alarm.period, local.batch_period) >= 3600 ? 604800 : 86400)])
    error_message = "alarms: period times evaluation_periods must be at most 86400 seconds, a day (7 days where the period is an hour or more), which is CloudWatch's limit: lower one of them. A period that is not set is ${local.batch_period} seconds, as timeout and maximum_batching_window_in_seconds have it."
  }
}

variable "create_dashboard" {
  description = <<-EOT
    Whether to make a CloudWatch dashboard, with the module's `name`: alarms, propagation delay, iterator age, records,
    cache operations, failures, conflicts and duration on one page. Default: true. (An account has three for free.)
  EOT
  type        = bool
  default     = true
  nullable    = false
}

# The function.

variable "runtime" {
  description = "The Lambda runtime, `python3.11` or newer, as far as the provider knows it (5.x: up to 3.13). Default: `python3.13`. The package is built for it."
  type        = string
  default     = "python3.13"
  nullable    = false

  validation {
    condition     = can(regex("^python3\\.(1[1-9]|[2-9][0-9])$", var.runtime))
    error_message = "runtime must be \"python3.11\" or newer: the handler uses what older ones lack."
  }
}

variable "architecture" {
  description = "The instruction set, `arm64` or `x86_64`. Default: `arm64`, which costs less. The package is built for it."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be \"arm64\" or \"x86_64\", the two that Lambda has."
  }
}

variable "memory_size" {
  description = <<-EOT
    Memory in MB, 128 to 10240. The share of a CPU grows with it, up to a whole one at 1,769 MB. Default: 512, which holds
    a full batch (6 MB) many times over.
  EOT
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "memory_size must be a whole number from 128 to 10240, which are Lambda's limits."
  }
}

variable "timeout" {
  description = <<-EOT
    How long one batch may take, in seconds, 20 to 900. Default: 60. What could not be started in time is reported as not
    done and comes again, so it bounds how long a slow cache holds a shard rather than what a batch may hold. No request
    starts that could outlast it. 20 is the most that a list may take which was cut at its `limit` and is rebuilt: 5
    seconds of waiting for its index, up to 9 until that has answered, and requests of Momento of up to 1.1 each. (A
    write between whose attempts a renewed API key is fetched may take 17.) Lists whose query has many pages want more.

    It is checked against what the mapping does with it: all tries of a batch have to end before the stream loses its
    records, a record has to be young enough for a second try, and a batch has to fit at the rate that `momento` allows.
  EOT
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.timeout >= 20 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "timeout must be a whole number from 20, below which the function might never have the time for all that one list takes, to 900, which is Lambda's limit."
  }

  validation {
    condition     = var.maximum_retry_attempts == -1 || var.timeout * (var.maximum_retry_attempts + 1) <= 86400
    error_message = "timeout times all tries (maximum_retry_attempts and the first) must be at most 86400 seconds: after those 24 hours the stream loses a batch that is still being tried, and all that waits behind it. Lower one of them."
  }

  validation {
    condition     = var.maximum_record_age_in_seconds == -1 || var.timeout < var.maximum_record_age_in_seconds
    error_message = "timeout must be less than maximum_record_age_in_seconds, or a record whose first try takes as long is given up without a second: raise maximum_record_age_in_seconds."
  }

  validation {
    condition     = var.momento.max_operations_per_second == null ? true : var.batch_size <= var.timeout * var.momento.max_operations_per_second
    error_message = "timeout is too short for batch_size: at momento.max_operations_per_second, a batch whose records take one operation each would not be done in time. Lower batch_size, or raise one of the others."
  }

  validation {
    condition = var.momento.max_operations_per_second == null ? true : sum(concat([0], [
      for view in values(var.views) : view.kind == "list" ? 2 : 1
    ])) <= var.timeout * var.momento.max_operations_per_second
    error_message = "timeout is too short for a single record: at momento.max_operations_per_second, the operations that all views may need for it, one for an item view and two for a list, would not be done in time. Raise either."
  }
}

variable "ephemeral_storage_size" {
  description = "Size of `/tmp` in MB, 512 to 10240. Default: 512, which is free. The handler writes no file: it is for your layers."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.ephemeral_storage_size >= 512 && var.ephemeral_storage_size <= 10240 && floor(var.ephemeral_storage_size) == var.ephemeral_storage_size
    error_message = "ephemeral_storage_size must be a whole number from 512 to 10240, which are Lambda's limits."
  }
}

variable "reserved_concurrent_executions" {
  description = <<-EOT
    How many execution environments are set aside for the function, and the most it may have. Default: -1: it shares the
    account's. It needs one for each shard of the stream (about one for each 1,000 writes a second), times
    `parallelization_factor`.
  EOT
  type        = number
  default     = -1
  nullable    = false

  validation {
    condition     = var.reserved_concurrent_executions == -1 || (var.reserved_concurrent_executions >= 1 && floor(var.reserved_concurrent_executions) == var.reserved_concurrent_executions)
    error_message = "reserved_concurrent_executions must be a whole number, at least 1, or -1 for none reserved. To pause the function, set enabled = false: records then wait in the stream, and are not tried in vain."
  }

  validation {
    condition     = var.reserved_concurrent_executions == -1 || var.reserved_concurrent_executions >= var.parallelization_factor
    error_message = "reserved_concurrent_executions must be at least parallelization_factor: a single shard already asks for as many at once."
  }
}

variable "provisioned_concurrent_executions" {
  description = <<-EOT
    How many execution environments are kept started, so that no batch waits for one to start (about a second). Default: 0:
    a stream that is written to all the time keeps its environments by itself, so this helps only where writes are rare
    and each has to be in the cache at once. It costs for as long as it is set. As many as shards times
    `parallelization_factor` are used. The mapping then invokes a published version, by the alias `live`.

    They are started when this is applied, and read the API key then: an apply fails while the secret has no value. Put it
    in before, or begin with 0.
  EOT
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.provisioned_concurrent_executions >= 0 && floor(var.provisioned_concurrent_executions) == var.provisioned_concurrent_executions
    error_message = "provisioned_concurrent_executions must be a whole number, or 0 for none."
  }

  validation {
    condition     = var.reserved_concurrent_executions == -1 || var.provisioned_concurrent_executions <= var.reserved_concurrent_executions
    error_message = "provisioned_concurrent_executions must be at most reserved_concurrent_executions, out of which Lambda takes them."
  }
}

variable "snap_start" {
  description = <<-EOT
    Refused: leave it out. SnapStart goes on from a snapshot of a function that has started, but what this one has when it
    has started is what no snapshot can hold: a connection to Momento, and the API key of that day. And it pays where many
    environments start; a stream has few, which stay. See `provisioned_concurrent_executions` instead.
  EOT
  type        = object({ apply_on = string })
  default     = null

  validation {
    condition     = var.snap_start == null
    error_message = "snap_start is not for this function: a snapshot would hold a dead connection and an old API key, and a stream's few environments stay anyway. Leave it out; provisioned_concurrent_executions keeps environments started."
  }
}

variable "layers" {
  description = "ARNs of at most 5 Lambda layer versions to add, such as an agent of your monitoring. Default: none. The handler needs none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.layers : can(regex("^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:layer:[a-zA-Z0-9_-]+:[0-9]+$", arn))])
    error_message = "layers must be ARNs of layer versions, with the version at the end: arn:aws:lambda:…:layer:name:1."
  }

  validation {
    condition     = length(var.layers) <= 5
    error_message = "layers may hold at most 5, the most that Lambda allows."
  }
}

variable "environment_variables" {
  description = <<-EOT
    Environment variables on top of the module's own, such as those that a layer reads. Default: none. All of them together
    have to fit into Lambda's 4 KB, with the views. Behind a proxy, set `https_proxy`, and `no_proxy` for what is reached
    without it, in lower case: boto3 reads both cases, gRPC, which goes to Momento, reads only this one.
  EOT
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment_variables) : can(regex("^[a-zA-Z][a-zA-Z0-9_]+$", name))])
    error_message = "environment_variables: each name must be a letter followed by letters, digits and _, at least 2 in all: Lambda allows no other."
  }

  validation {
    condition     = length(setintersection(keys(var.environment_variables), ["SETTINGS", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"])) == 0
    error_message = "environment_variables must not hold SETTINGS, POWERTOOLS_SERVICE_NAME, POWERTOOLS_METRICS_NAMESPACE or POWERTOOLS_LOG_LEVEL, which the module sets: the level is log_level, and the alarms need the rest."
  }

  # https://github.com/grpc/grpc/blob/master/doc/environment_variables.md
  validation {
    condition = (
      length(setintersection(keys(var.environment_variables), ["HTTPS_PROXY", "HTTP_PROXY"])) == 0 ||
      length(setintersection(keys(var.environment_variables), ["https_proxy", "http_proxy", "grpc_proxy"])) > 0
    )
    error_message = "environment_variables: HTTPS_PROXY or HTTP_PROXY alone is not enough, for gRPC, which goes to Momento, reads lower case only: add https_proxy, and no_proxy for what is reached without it."
  }

  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
  validation {
    condition = length(setintersection(keys(var.environment_variables), [
      "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
      "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME",
      "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
      "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
    ])) == 0
    error_message = "environment_variables must not hold what Lambda itself sets, such as AWS_REGION: remove it."
  }
}

variable "environment_kms_key_arn" {
  description = <<-EOT
    ARN of a customer managed KMS key to encrypt the function's environment with: its settings, which hold names and no
    secret. The role is allowed to decrypt it. Default: none: the key that AWS manages for Lambda.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.environment_kms_key_arn == null ? true : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.environment_kms_key_arn))
    error_message = "environment_kms_key_arn must be the ARN of a KMS key, arn:aws:kms:…:key/…: IAM does not accept an alias."
  }
}

variable "vpc_config" {
  description = <<-EOT
    The VPC that the function runs in. Default: none: outside of any. Inside, it needs a way to Momento (a NAT gateway, or
    Momento's private endpoint), to Secrets Manager (the same, or an interface endpoint) and, for lists that are rebuilt,
    to DynamoDB (the same, or a gateway endpoint). The stream is read from outside the VPC in any case.

    - `subnet_ids`: private subnets, best in several availability zones.
    - `security_group_ids`: they have to let out TCP to port 443.
    - `ipv6_allowed_for_dual_stack`: whether it may use IPv6 in dual-stack subnets. Default: false.
  EOT
  type = object({
    subnet_ids                  = set(string)
    security_group_ids          = set(string)
    ipv6_allowed_for_dual_stack = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.vpc_config == null ? true : length(var.vpc_config.subnet_ids) > 0
    error_message = "vpc_config.subnet_ids must name at least one subnet: leave vpc_config out to run outside of any VPC."
  }

  validation {
    condition     = var.vpc_config == null ? true : length(var.vpc_config.security_group_ids) > 0
    error_message = "vpc_config.security_group_ids must name at least one security group, which lets out TCP to port 443."
  }
}

variable "tracing_mode" {
  description = <<-EOT
    X-Ray: `PassThrough` (the default), only what is traced already, which nothing that comes from a stream is; or `Active`,
    a sample of invocations. The role is allowed to send traces.
  EOT
  type        = string
  default     = "PassThrough"
  nullable    = false

  validation {
    condition     = contains(["PassThrough", "Active"], var.tracing_mode)
    error_message = "tracing_mode must be \"PassThrough\" or \"Active\", the two that Lambda has."
  }
}

variable "code_signing_config_arn" {
  description = <<-EOT
    ARN of a Lambda code signing configuration. Default: none. What the module builds is not signed: where the configuration
    enforces signatures, sign a zip that `make package` built, and give it as `package.s3` under its own name.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.code_signing_config_arn == null ? true : can(regex("^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:code-signing-config:csc-[a-z0-9]{17}$", var.code_signing_config_arn))
    error_message = "code_signing_config_arn must be the ARN of a code signing configuration: use aws_lambda_code_signing_config.<name>.arn."
  }
}

variable "description" {
  description = "The function's description, at most 256 characters. Default: which cache it keeps true to which table."
  type        = string
  default     = null

  validation {
    condition     = length(coalesce(var.description, "-")) <= 256
    error_message = "description must have at most 256 characters, which is Lambda's limit."
  }
}

variable "log_level" {
  description = <<-EOT
    The least severe lines to log: `DEBUG`, `INFO` (the default: one line a batch), `WARNING`, `ERROR` or `CRITICAL`. No
    level logs item data. Lines are JSON, by Powertools; Lambda's own, such as `START` and `REPORT`, are text. Lambda's JSON
    format is not offered: it has a log level of its own, which would come before this one.
  EOT
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], var.log_level)
    error_message = "log_level must be \"DEBUG\", \"INFO\", \"WARNING\", \"ERROR\" or \"CRITICAL\"."
  }
}

variable "log_retention_in_days" {
  description = "How long logs are kept, in days, one of CloudWatch's periods; 0 keeps them for ever. Default: 30."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_in_days)
    error_message = "log_retention_in_days must be one of CloudWatch's periods: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653, or 0 for ever."
  }
}

variable "log_group_class" {
  description = <<-EOT
    CloudWatch's class of the log group: `STANDARD` (the default), or `INFREQUENT_ACCESS`, which costs half but takes no
    metrics from logs: what the handler measures is lost to alarms and dashboard. Changing it makes a new log group.
  EOT
  type        = string
  default     = "STANDARD"
  nullable    = false

  validation {
    condition     = contains(["STANDARD", "INFREQUENT_ACCESS"], var.log_group_class)
    error_message = "log_group_class must be \"STANDARD\" or \"INFREQUENT_ACCESS\", the two that can be searched."
  }

  validation {
    condition     = var.log_group_class == "STANDARD" || !var.alarms.enabled || !(var.alarms.propagation_delay.enabled || var.alarms.cache_failures.enabled || var.alarms.rejected_records.enabled)
    error_message = "log_group_class \"INFREQUENT_ACCESS\" takes no metrics from logs, so these alarms would never go off: set enabled = false for alarms.propagation_delay, alarms.cache_failures and alarms.rejected_records, or keep \"STANDARD\"."
  }
}

variable "log_kms_key_arn" {
  description = <<-EOT
    ARN of a customer managed KMS key to encrypt the log group with, whose policy has to let CloudWatch Logs use it.
    Default: none: CloudWatch's own.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.log_kms_key_arn == null ? true : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.log_kms_key_arn))
    error_message = "log_kms_key_arn must be the ARN of a KMS key, arn:aws:kms:…:key/…: CloudWatch does not accept an alias."
  }
}

# The function's role.

variable "role" {
  description = <<-EOT
    The role that the module makes, unless there is an `existing_role`.

    - `name`: 1 to 64 characters. Default: the module's `name`. A role's name is the whole account's: give it another where
      the module's `name` is used in several Regions.
    - `name_prefix`: instead of a name: up to 38 characters, after which Terraform appends 26 that make it unique.
    - `path`: its path, such as `/service/`. Default: `/`.
    - `permissions_boundary`: ARN of a policy that bounds what the role may do. Default: none.
  EOT
  type = object({
    name                 = optional(string)
    name_prefix          = optional(string)
    path                 = optional(string, "/")
    permissions_boundary = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_+=,.@-]{1,64}$", coalesce(var.role.name, "default")))
    error_message = "role.name must be 1 to 64 letters, digits and any of _+=,.@-, which is what IAM allows."
  }

  validation {
    condition     = can(regex("^[a-zA-Z0-9_+=,.@-]{1,38}$", coalesce(var.role.name_prefix, "default")))
    error_message = "role.name_prefix must be 1 to 38 letters, digits and any of _+=,.@-: Terraform appends 26, and IAM allows 64 in all."
  }

  validation {
    condition     = var.role.name == null || var.role.name_prefix == null
    error_message = "role: set name or name_prefix, not both."
  }

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.role.path)) && length(var.role.path) <= 512
    error_message = "role.path must begin and end with a slash, such as /service/, and have at most 512 characters."
  }

  validation {
    condition     = var.role.permissions_boundary == null ? true : can(regex("^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/.+$", var.role.permissions_boundary))
    error_message = "role.permissions_boundary must be the ARN of a policy, arn:aws:iam::…:policy/…."
  }
}

variable "existing_role" {
  description = <<-EOT
    A role that exists, for the function to have instead of one that the module makes. Default: none. What it has to be
    allowed is the output `role_policy`. It has to be allowed that before the mapping is made, for Lambda checks it then; but
    the policy names what the module makes, such as the log group and the failure queue. So apply twice: first with
    `-target=` and your `aws_iam_role_policy` that takes the output, which makes what the policy names but not the function;
    then everything. The README shows it, under *A role of your own*.

    - `arn`: the role's ARN. Lambda has to be allowed to assume it.
  EOT
  type        = object({ arn = string })
  default     = null

  validation {
    condition     = var.existing_role == null ? true : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", var.existing_role.arn))
    error_message = "existing_role.arn must be the ARN of a role, arn:aws:iam::…:role/…: use aws_iam_role.<name>.arn."
  }
}

# How it is deployed.

variable "package" {
  description = <<-EOT
    The function's code, prebuilt, for where Terraform runs without Python or without a package index. In the module's
    folder, `make package` builds it, and prints its path and what `code_sha256` is; `RUNTIME` and `ARCHITECTURE` say what
    for. Keep its name, which says what went into it: a plan warns of one that is not of this version of the module.
    Default: none: it is built when the plan is applied, to the same bytes.

    - `path`: path of the zip, as seen from where Terraform runs; or
    - `s3`: an object of a bucket in the function's Region, which who runs Terraform may read:
      - `bucket`, `key`; and `object_version`, where the bucket keeps versions. Default: the latest.
      - `code_sha256`: the base64 of the SHA-256 of what is there, as `make package` printed it (of a zip that was signed
        since, as Lambda will call it).
  EOT
  type = object({
    path = optional(string)
    s3 = optional(object({
      bucket         = string
      key            = string
      object_version = optional(string)
      code_sha256    = string
    }))
  })
  default = null

  validation {
    condition     = var.package == null ? true : (var.package.path == null) != (var.package.s3 == null)
    error_message = "package: set either path or s3: leave package out to have it built."
  }

  validation {
    condition     = try(var.package.path, null) == null || !var.create ? true : fileexists(var.package.path)
    error_message = "package.path must be a zip that is there when Terraform plans: run `make package` in the module's folder first, and give the path as seen from where Terraform runs."
  }

  validation {
    condition     = try(var.package.s3, null) == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.package.s3.bucket))
    error_message = "package.s3.bucket must be a bucket's name, not its ARN or URL."
  }

  validation {
    condition     = try(var.package.s3, null) == null ? true : can(regex("^[^/].*$", var.package.s3.key))
    error_message = "package.s3.key must be an object's key, without a slash in front."
  }

  validation {
    condition     = try(var.package.s3, null) == null ? true : can(regex("^[a-zA-Z0-9+/]{43}=$", var.package.s3.code_sha256))
    error_message = "package.s3.code_sha256 must be the base64 of a SHA-256, 44 characters, as `make package` prints it: not the hexadecimal that sha256sum prints."
  }
}

variable "python_command" {
  description = <<-EOT
    The Python that builds the package where Terraform runs: 3.9 or newer, with pip and a package index in reach. It need
    not be the function's. Not used with `package`. Default: `python3`.
  EOT
  type        = string
  default     = "python3"
  nullable    = false

  validation {
    condition     = length(var.python_command) > 0
    error_message = "python_command must name a Python, such as \"python3\" or the path of one."
  }
}

variable "tags" {
  description = "Tags for every resource that takes them. Default: none."
  type        = map(string)
  default     = {}
  nullable    = false
}
