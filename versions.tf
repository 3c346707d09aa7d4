terraform {
  # 1.9: a validation may refer to other inputs.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 5.98: the first whose aws_dynamodb_table has recovery_period_in_days. How that is known: CONTRIBUTING.md.
      version = ">= 5.98"
    }
  }
}
