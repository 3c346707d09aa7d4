module "pizza_cache" {
  source = "../.."

  name = "pizza-orders"

  table = {
    hash_key  = { name = "pk" }
    range_key = { name = "sk" }

    global_secondary_indexes = {
      type = {
        hash_key  = { name = "type" }
        range_key = { name = "creator" }
      }
    }

    # An example is there to be destroyed again.
    deletion_protection_enabled = false
  }

  momento = {
    cache_name = "pizza"
    secret_arn = aws_secretsmanager_secret.momento.arn
    endpoint   = var.momento_endpoint
  }

  # unique: every order is one item, for its sk is always "metadata".
  views = {
    order = {
      kind   = "item"
      key    = "{pk}"
      unique = true
      fields = local.order
    }

    admin_order = {
      kind   = "item"
      key    = "ADMIN-{pk}"
      unique = true
      fields = merge(local.order, { creator = "creator" })
    }

    # What the kitchen has to do, newest first.
    all_orders = {
      kind         = "list"
      key          = "all-orders"
      member       = "{id}"
      unique       = true
      fields       = local.order_row
      order_by     = "createdAt"
      where        = jsonencode({ type = ["order"], status = [{ "anything-but" = ["COMPLETED"] }] })
      rebuild_from = { index_name = "type", key_condition = { type = "order" } }
    }

    # All that one customer ever ordered, newest first.
    creator_orders = {
      kind         = "list"
      key          = "{creator}"
      member       = "{id}"
      unique       = true
      fields       = local.order_row
      order_by     = "createdAt"
      where        = jsonencode({ type = ["order"] })
      rebuild_from = { index_name = "type", key_condition = { type = "order", creator = "{creator}" } }
    }
  }

  runtime      = var.runtime
  architecture = var.architecture
}

locals {
  order = {
    id          = "pk"
    createdAt   = "createdAt"
    status      = "status"
    numItems    = "numItems"
    items       = "items"
    lastUpdated = "lastUpdated"
  }

  order_row = {
    id          = "pk"
    createdAt   = "createdAt"
    status      = "status"
    numItems    = "numItems"
    lastUpdated = "lastUpdated"
  }
}

# Only the secret: its value, the API key, is put in by hand, so that it is in no state file.
#trivy:ignore:AWS-0098 the key that AWS manages for Secrets Manager encrypts it, which costs nothing
resource "aws_secretsmanager_secret" "momento" {
  #checkov:skip=CKV_AWS_149:the key that AWS manages for Secrets Manager encrypts it, which costs nothing
  #checkov:skip=CKV2_AWS_57:Secrets Manager can not make a Momento API key; SECURITY.md says how to rotate it
  name        = "pizza-orders-momento"
  description = "Momento API key of the pizza example"

  # Gone at once, so that the example can be applied again under the same name.
  recovery_window_in_days = 0
}
