# Where the records go that were given up, and what the role may do for that.

mock_provider "aws" {
  source          = "./tests/module/aws"
  override_during = plan
}

variables {
  name  = "orders"
  table = { hash_key = { name = "pk" } }

  momento = {
    cache_name = "pizza"
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:momento-a1B2c3"
  }

  views = {
    order = { kind = "item", key = "{pk}" }
  }
}

run "the_queue_is_made_encrypted_kept_for_long_and_for_nobody_else" {
  command = plan

  assert {
    condition = (
      aws_sqs_queue.failures[0].name == "orders-failures"
      && aws_sqs_queue.failures[0].message_retention_seconds == 1209600
      && aws_sqs_queue.failures[0].sqs_managed_sse_enabled
    )
    error_message = "Messages are kept encrypted for 14 days."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.failures[0].redrive_allow_policy) == { redrivePermission = "denyAll" }
    error_message = "No other queue may use it as its dead-letter queue."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.failures[0].policy).Statement == [{
      Sid       = "OnlyEncryptedTransport"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = "arn:aws:sqs:eu-west-1:111122223333:orders-failures"
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = "The queue refuses what is not encrypted on the way, by its own ARN."
  }

  assert {
    condition     = one(one(aws_lambda_event_source_mapping.this[0].destination_config).on_failure).destination_arn == "arn:aws:sqs:eu-west-1:111122223333:orders-failures" && output.failure_destination_arn == output.failure_queue_arn
    error_message = "What is given up is named in the queue."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if strcontains(statement.Sid, "Failures")] == [{
      Sid      = "ReportFailures"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = ["arn:aws:sqs:eu-west-1:111122223333:orders-failures"]
    }]
    error_message = "The role may send to that queue."
  }
}

run "the_queue_is_as_asked_for" {
  command = plan

  variables {
    failure_queue = {
      name                      = "given-up"
      message_retention_seconds = 345600
      kms_key_arn               = "arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c"
      redrive_source_queue_arns = ["arn:aws:sqs:eu-west-1:111122223333:other"]
    }
  }

  assert {
    condition     = aws_sqs_queue.failures[0].name == "given-up" && aws_sqs_queue.failures[0].message_retention_seconds == 345600
    error_message = "The name and the retention are the given ones."
  }

  assert {
    condition     = aws_sqs_queue.failures[0].kms_master_key_id == "arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c"
    error_message = "Messages are encrypted with the given key."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.failures[0].redrive_allow_policy) == { redrivePermission = "byQueue", sourceQueueArns = ["arn:aws:sqs:eu-west-1:111122223333:other"] }
    error_message = "The named queue may use it as its dead-letter queue."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.failures[0].policy).Statement[0].Resource == "arn:aws:sqs:eu-west-1:111122223333:given-up"
    error_message = "The queue's policy names the queue."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if statement.Sid == "EncryptFailures"] == [{
      Sid      = "EncryptFailures"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = ["arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c"]
    }]
    error_message = "The role may use the key."
  }
}

run "a_queue_that_exists_is_sent_to" {
  command = plan

  variables {
    failure_destination = { arn = "arn:aws:sqs:eu-west-1:444455556666:shared", kms_key_arn = "arn:aws:kms:eu-west-1:444455556666:key/0f1e2d3c" }
  }

  assert {
    condition     = length(aws_sqs_queue.failures) == 0 && output.failure_queue_arn == null && output.failure_queue_url == null
    error_message = "No queue is made."
  }

  assert {
    condition     = one(one(aws_lambda_event_source_mapping.this[0].destination_config).on_failure).destination_arn == "arn:aws:sqs:eu-west-1:444455556666:shared" && output.failure_destination_arn == "arn:aws:sqs:eu-west-1:444455556666:shared"
    error_message = "What is given up is named in the given queue."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if strcontains(statement.Sid, "Failures")] == [
      {
        Sid      = "ReportFailures"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = ["arn:aws:sqs:eu-west-1:444455556666:shared"]
      },
      {
        Sid      = "EncryptFailures"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = ["arn:aws:kms:eu-west-1:444455556666:key/0f1e2d3c"]
      },
    ]
    error_message = "The role may send to that queue, with its key."
  }
}

run "a_topic_that_exists_is_published_to" {
  command = plan

  variables {
    failure_destination = { arn = "arn:aws:sns:eu-west-1:111122223333:given-up" }
  }

  assert {
    condition     = length(aws_sqs_queue.failures) == 0
    error_message = "No queue is made."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if strcontains(statement.Sid, "Failures")] == [{
      Sid      = "ReportFailures"
      Effect   = "Allow"
      Action   = ["sns:Publish"]
      Resource = ["arn:aws:sns:eu-west-1:111122223333:given-up"]
    }]
    error_message = "The role may publish to that topic."
  }
}

run "a_bucket_that_exists_is_written_to" {
  command = plan

  variables {
    failure_destination = { arn = "arn:aws:s3:::given-up", kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c" }
  }

  assert {
    condition     = length(aws_sqs_queue.failures) == 0
    error_message = "No queue is made."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement if strcontains(statement.Sid, "Failures")] == [
      {
        Sid       = "ReportFailures"
        Effect    = "Allow"
        Action    = ["s3:PutObject"]
        Resource  = ["arn:aws:s3:::given-up/aws/lambda/*"]
        Condition = { StringEquals = { "s3:ResourceAccount" = "111122223333" } }
      },
      {
        Sid       = "FindFailuresBucket"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = ["arn:aws:s3:::given-up"]
        Condition = { StringEquals = { "s3:ResourceAccount" = "111122223333" } }
      },
      {
        Sid      = "EncryptFailures"
        Effect   = "Allow"
        Action   = ["kms:GenerateDataKey"]
        Resource = ["arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c"]
      },
    ]
    error_message = "The role may write what Lambda writes, into that bucket of the table's account, with its key."
  }
}

run "a_bucket_may_be_another_accounts" {
  command = plan

  variables {
    failure_destination = { arn = "arn:aws:s3:::given-up", bucket_owner = "444455556666" }
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement.Condition if strcontains(statement.Sid, "Failures")] == [
      { StringEquals = { "s3:ResourceAccount" = "444455556666" } },
      { StringEquals = { "s3:ResourceAccount" = "444455556666" } },
    ]
    error_message = "It is that account's bucket, or none."
  }
}

run "a_queues_name_has_no_dot" {
  command = plan

  variables {
    failure_queue = { name = "given-up.fifo" }
  }

  expect_failures = [var.failure_queue]
}

run "a_message_is_kept_a_minute" {
  command = plan

  variables {
    failure_queue = { message_retention_seconds = 59 }
  }

  expect_failures = [var.failure_queue]
}

run "a_message_is_kept_14_days_at_most" {
  command = plan

  variables {
    failure_queue = { message_retention_seconds = 1209601 }
  }

  expect_failures = [var.failure_queue]
}

run "a_message_is_kept_whole_seconds" {
  command = plan

  variables {
    failure_queue = { message_retention_seconds = 60.5 }
  }

  expect_failures = [var.failure_queue]
}

run "a_queues_key_is_no_alias" {
  command = plan

  variables {
    failure_queue = { kms_key_arn = "alias/failures" }
  }

  expect_failures = [var.failure_queue]
}

run "a_source_queue_is_named_by_its_arn" {
  command = plan

  variables {
    failure_queue = { redrive_source_queue_arns = ["https://sqs.eu-west-1.amazonaws.com/111122223333/other"] }
  }

  expect_failures = [var.failure_queue]
}

run "there_are_at_most_ten_source_queues" {
  command = plan

  variables {
    failure_queue = { redrive_source_queue_arns = [for number in range(11) : "arn:aws:sqs:eu-west-1:111122223333:other-${number}"] }
  }

  expect_failures = [var.failure_queue]
}

run "a_function_is_no_destination" {
  command = plan

  variables {
    failure_destination = { arn = "arn:aws:lambda:eu-west-1:111122223333:function:failures" }
  }

  expect_failures = [var.failure_destination]
}

run "a_folder_of_a_bucket_is_no_destination" {
  command = plan

  variables {
    failure_destination = { arn = "arn:aws:s3:::given-up/orders" }
  }

  expect_failures = [var.failure_destination]
}

run "a_fifo_queue_is_no_destination" {
  command = plan

  variables {
    failure_destination = { arn = "arn:aws:sqs:eu-west-1:111122223333:given-up.fifo" }
  }

  expect_failures = [var.failure_destination]
}

run "a_destinations_key_is_no_alias" {
  command = plan

  variables {
    failure_destination = { arn = "arn:aws:s3:::given-up", kms_key_arn = "alias/failures" }
  }

  expect_failures = [var.failure_destination]
}

run "a_bucket_owner_has_12_digits" {
  command = plan

  variables {
    failure_destination = { arn = "arn:aws:s3:::given-up", bucket_owner = "us" }
  }

  expect_failures = [var.failure_destination]
}

run "a_queue_has_no_bucket_owner" {
  command = plan

  variables {
    failure_destination = { arn = "arn:aws:sqs:eu-west-1:111122223333:given-up", bucket_owner = "111122223333" }
  }

  expect_failures = [var.failure_destination]
}
