# Where records go that were given up: the whole of them, so for no longer and to no more people than needed.
#trivy:ignore:AWS-0089 it is read by hand, if ever; CloudTrail's data events tell by whom, where they are on
#trivy:ignore:AWS-0090 Lambda writes each object once, and never over another
resource "aws_s3_bucket" "failures" {
  #checkov:skip=CKV_AWS_18:it is read by hand, if ever; CloudTrail's data events tell by whom, where they are on
  #checkov:skip=CKV_AWS_21:Lambda writes each object once, and never over another
  #checkov:skip=CKV_AWS_144:what is lost with the Region can be made again from the table
  #checkov:skip=CKV2_AWS_62:what was given up is in the function's alarms
  bucket_prefix = "complete-orders-failures-"
  force_destroy = true # an example is there to be destroyed again
  tags          = local.tags
}

resource "aws_s3_bucket_public_access_block" "failures" {
  bucket                  = aws_s3_bucket.failures.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "failures" {
  bucket = aws_s3_bucket.failures.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "failures" {
  bucket = aws_s3_bucket.failures.id

  rule {
    id     = "given-up"
    status = "Enabled"

    filter {}

    expiration {
      days = 14
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}
