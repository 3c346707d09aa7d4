# Where the records go that were given up: a queue that the module makes, or a destination that exists.

locals {
  failure_queue_name = coalesce(var.failure_queue.name, "${var.name}-failures")

  failure_destination = var.failure_destination != null ? var.failure_destination : {
    arn          = one(aws_sqs_queue.failures[*].arn)
    kms_key_arn  = var.failure_queue.kms_key_arn
    bucket_owner = null
  }

  # sqs, sns or s3; none where nothing is made.
  failure_service = try(split(":", local.failure_destination.arn)[2], null)
}

# Names the records that are given up, not their content: which shard, from which sequence number to which.
resource "aws_sqs_queue" "failures" {
  count = var.create && var.failure_destination == null ? 1 : 0

  name                      = local.failure_queue_name
  message_retention_seconds = var.failure_queue.message_retention_seconds
  kms_master_key_id         = var.failure_queue.kms_key_arn
  sqs_managed_sse_enabled   = var.failure_queue.kms_key_arn == null ? true : null
  tags                      = var.tags

  # Lambda alone writes here; without this, any queue of the account could make it its dead-letter queue.
  redrive_allow_policy = length(var.failure_queue.redrive_source_queue_arns) == 0 ? jsonencode({ redrivePermission = "denyAll" }) : jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = var.failure_queue.redrive_source_queue_arns
  })

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyEncryptedTransport"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
      # The queue's own ARN, which differs from the log group's by what is replaced. The queue has its policy from the
      # start; a resource of its own for it would take the provider another half a minute.
      Resource = replace(aws_cloudwatch_log_group.this[0].arn, "/:logs:([^:]*:[^:]*):.*/", ":sqs:$1:${local.failure_queue_name}")
    }]
  })
}
