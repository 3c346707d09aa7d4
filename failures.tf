# Names the records that are given up, not their content: which shard, from which sequence number to which.
resource "aws_sqs_queue" "failures" {
  count = var.create ? 1 : 0

  name                      = "${var.name}-failures"
  message_retention_seconds = 1209600 # 14 days, the longest there is
  sqs_managed_sse_enabled   = true
  tags                      = var.tags

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
      Resource = replace(aws_cloudwatch_log_group.this[0].arn, "/:logs:([^:]*:[^:]*):.*/", ":sqs:$1:${var.name}-failures")
    }]
  })
}
