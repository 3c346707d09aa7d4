# The function's code: built when the plan is applied, and only if what goes into it has changed; or prebuilt.

locals {
  package_sources = setunion(["handler/requirements.txt", "package.py"], fileset(path.module, "handler/**/*.py"))

  package_hash = sha256(jsonencode({
    runtime      = var.runtime
    architecture = var.architecture
    sources      = { for source in local.package_sources : source => filesha256("${path.module}/${source}") }
  }))

  # Named after all that goes into it, which is known at plan without building or reading it, and new only if that is.
  # `make package` gives the same name.
  package_name = "dynamodb-momento-cache-${var.runtime}-${var.architecture}-${substr(local.package_hash, 0, 16)}.zip"
  package_path = var.package == null ? "${path.root}/.build/${local.package_name}" : var.package.path

  # Of a package that is prebuilt: what Lambda has to say of it. A file that is built is never read here: it is not there
  # at plan, and Terraform wants a function's result to be the same when it applies.
  prebuilt_code_sha256 = var.package == null || !var.create ? null : var.package.path != null ? filebase64sha256(var.package.path) : var.package.s3.code_sha256

  # What Lambda says. The provider tells by last_modified alone that the code will change.
  code_sha256 = var.create ? (aws_lambda_function.this[0].last_modified == "" ? "" : aws_lambda_function.this[0].code_sha256) : null
}

resource "terraform_data" "package" {
  count = var.create && var.package == null ? 1 : 0

  # The name is here because a function that gets another is made anew, which takes the file: a checkout that did not
  # build it would destroy the function first and then fail to make it.
  triggers_replace = [local.package_path, var.name]

  provisioner "local-exec" {
    interpreter = [var.python_command, "${path.module}/package.py", "build", "--runtime", var.runtime, "--architecture", var.architecture]
    command     = local.package_path
  }
}

# The provider takes a failed upload for done: its next plan would be empty, while the old code runs. With this, it is
# not, until the function has the code; nor is it once someone has put other code there. (A check block would say so less
# well: it can not fail an apply, and it warns of every plan with new code that it will know only then.)
resource "terraform_data" "deployed" {
  count = var.create && var.package == null ? 1 : 0

  triggers_replace = [local.package_path, var.name, local.code_sha256]

  provisioner "local-exec" {
    interpreter = [var.python_command, "${path.module}/package.py", "verify", "--code-sha256", aws_lambda_function.this[0].code_sha256]
    command     = local.package_path
  }
}

# The same for a package that is prebuilt, which takes no Python.
resource "terraform_data" "prebuilt" {
  count = var.create && var.package != null ? 1 : 0

  triggers_replace = [local.prebuilt_code_sha256, var.name]
  input            = local.code_sha256

  lifecycle {
    postcondition {
      condition     = self.output == local.prebuilt_code_sha256
      error_message = "The function runs other code (${coalesce(self.output, "none")}) than the package (${local.prebuilt_code_sha256}): package.s3.code_sha256 is not the object's, or an upload failed, or the code was changed since by other means. Mend the first, or have the function made anew, with `terraform apply -replace='…aws_lambda_function.this[0]'`."
    }
  }
}

check "prebuilt_package" {
  assert {
    condition     = var.package == null || !var.create ? true : basename(var.package.path != null ? var.package.path : var.package.s3.key) == local.package_name
    error_message = "The prebuilt package ${try(basename(var.package.path != null ? var.package.path : var.package.s3.key), "")} is not of this version of the module, or not for its runtime and architecture: that is ${local.package_name}. In the module's folder, run `make package RUNTIME=${var.runtime} ARCHITECTURE=${var.architecture}`, and keep the name."
  }
}
