# The function's code: built when the plan is applied, and only if what goes into it has changed.

locals {
  package_sources = setunion(["handler/requirements.txt", "package.py"], fileset(path.module, "handler/**/*.py"))

  package_hash = sha256(jsonencode({
    runtime      = var.runtime
    architecture = var.architecture
    sources      = { for source in local.package_sources : source => filesha256("${path.module}/${source}") }
  }))

  # Named after all that goes into it: known at plan, without building or reading it, and new only if that is.
  package_path = "${path.root}/.build/dynamodb-momento-cache-${var.runtime}-${var.architecture}-${substr(local.package_hash, 0, 16)}.zip"
}

resource "terraform_data" "package" {
  count = var.create ? 1 : 0

  # The name is here because a function that gets another is made anew, which takes the file: a checkout that did not
  # build it would destroy the function first and then fail to make it.
  triggers_replace = [local.package_path, var.name]

  provisioner "local-exec" {
    interpreter = [var.python_command, "${path.module}/package.py", "build", "--runtime", var.runtime, "--architecture", var.architecture]
    command     = local.package_path
  }
}

# The provider takes a failed upload for done: its next plan would be empty, while the old code runs. With this, it is
# not, until the function has the code. (A check block could not: it would read the file before it is there.)
resource "terraform_data" "deployed" {
  count = var.create ? 1 : 0

  triggers_replace = [local.package_path, var.name]

  provisioner "local-exec" {
    interpreter = [var.python_command, "${path.module}/package.py", "verify", "--code-sha256", aws_lambda_function.this[0].code_sha256]
    command     = local.package_path
  }
}
