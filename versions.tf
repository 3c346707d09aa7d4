terraform {
  # 1.9: a validation may refer to other inputs.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 5.76: the first that accepts the default runtime, python3.13.
      version = ">= 5.76"
    }
  }
}
