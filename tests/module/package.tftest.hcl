# The function's code, where it is prebuilt. How it is built is tested in tests/unit/test_package.py; what becomes of it when it
# is applied in tests/end_to_end/test_prebuilt.py.

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

run "what_is_not_prebuilt_is_built" {
  command = plan

  assert {
    condition     = length(terraform_data.package) == 1 && length(terraform_data.deployed) == 1 && length(terraform_data.prebuilt) == 0
    error_message = "It is built, and checked."
  }

  assert {
    condition     = aws_lambda_function.this[0].s3_bucket == null && aws_lambda_function.this[0].filename == "./.build/${output.package_name}"
    error_message = "It is uploaded from where it was built."
  }
}

run "a_package_in_a_bucket_is_taken_from_there" {
  command = plan

  variables {
    package = { s3 = { bucket = "packages", key = "lambda/${run.what_is_not_prebuilt_is_built.package_name}", object_version = "v7", code_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }

  assert {
    condition = (
      aws_lambda_function.this[0].s3_bucket == "packages"
      && aws_lambda_function.this[0].s3_key == "lambda/${output.package_name}"
      && aws_lambda_function.this[0].s3_object_version == "v7"
      && aws_lambda_function.this[0].source_code_hash == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
      && aws_lambda_function.this[0].filename == null
    )
    error_message = "That object, in that version."
  }

  assert {
    condition     = length(terraform_data.package) == 0 && length(terraform_data.deployed) == 0 && output.package_path == null
    error_message = "Nothing is built, and no Python runs."
  }

  assert {
    condition     = terraform_data.prebuilt[0].triggers_replace == ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "orders"] && terraform_data.prebuilt[0].input == aws_lambda_function.this[0].code_sha256
    error_message = "What Lambda says of its code is compared with the given hash."
  }
}

run "a_package_on_disk_is_uploaded" {
  command = plan

  variables {
    package = { path = "./LICENSE" }
  }

  assert {
    condition     = aws_lambda_function.this[0].filename == "./LICENSE" && aws_lambda_function.this[0].source_code_hash == filebase64sha256("./LICENSE") && aws_lambda_function.this[0].s3_bucket == null
    error_message = "That file, and again when its content changes."
  }

  assert {
    condition     = length(terraform_data.package) == 0 && length(terraform_data.deployed) == 0 && output.package_path == "./LICENSE"
    error_message = "Nothing is built, and no Python runs."
  }

  # It is no package of this module.
  expect_failures = [check.prebuilt_package]
}

run "a_package_of_another_version_in_a_bucket_is_told" {
  command = plan

  variables {
    package = { s3 = { bucket = "packages", key = "dynamodb-momento-cache-python3.13-arm64-0123456789abcdef.zip", code_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }

  expect_failures = [check.prebuilt_package]
}

run "a_package_for_another_architecture_is_told" {
  command = plan

  variables {
    architecture = "x86_64"
    package      = { s3 = { bucket = "packages", key = run.what_is_not_prebuilt_is_built.package_name, code_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }

  expect_failures = [check.prebuilt_package]
}

run "a_package_that_is_not_there_is_refused" {
  command = plan

  variables {
    package = { path = "./missing.zip" }
  }

  expect_failures = [var.package]
}

run "a_module_that_makes_nothing_needs_no_package" {
  command = plan

  variables {
    create  = false
    package = { path = "./missing.zip" }
  }

  assert {
    condition     = length(terraform_data.prebuilt) == 0
    error_message = "There is no resource."
  }
}

run "a_package_is_in_one_place" {
  command = plan

  variables {
    package = { path = "./LICENSE", s3 = { bucket = "packages", key = "package.zip", code_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }

  expect_failures = [var.package]
}

run "a_package_is_somewhere" {
  command = plan

  variables {
    package = {}
  }

  expect_failures = [var.package]
}

run "a_bucket_is_named_and_not_by_its_arn" {
  command = plan

  variables {
    package = { s3 = { bucket = "arn:aws:s3:::packages", key = "package.zip", code_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }

  expect_failures = [var.package]
}

run "a_key_has_no_slash_in_front" {
  command = plan

  variables {
    package = { s3 = { bucket = "packages", key = "/package.zip", code_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }

  expect_failures = [var.package]
}

run "a_hash_is_as_lambda_has_it" {
  command = plan

  variables {
    package = { s3 = { bucket = "packages", key = "package.zip", code_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" } }
  }

  expect_failures = [var.package]
}
