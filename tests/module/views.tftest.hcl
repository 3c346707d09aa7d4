# What one view comes to, and which views are refused.

# A valid list over a table with an index; each run below changes one thing.
variables {
  name          = "open"
  kind          = "list"
  key           = "open"
  member        = "{id}#{line}"
  fields        = { id = "pk", line = "sk", city = "address.city", tag = "tags[0]", status = "status" }
  order_by      = "status"
  where         = "{\"type\":[\"order\"],\"address\":{\"city\":[{\"prefix\":\"B\"},{\"exists\":false}]},\"status\":[{\"anything-but\":[\"DONE\",\"]}\"]},null,4]}"
  index_name    = "type"
  key_condition = { type = "order" }

  table = {
    key_attributes = ["pk", "sk"]
    indexes = {
      type = { key_attributes = ["type", "creator"], attributes = null }
      thin = { key_attributes = ["type", "creator"], attributes = ["pk", "sk", "type", "creator", "status", "address"] }
      year = { key_attributes = ["year", "digest"], attributes = null }
    }
    attribute_types = { pk = "S", sk = "S", type = "S", creator = "S", year = "N", digest = "B" }
  }
}

run "a_list_comes_to_all_that_is_set" {
  command = plan

  module {
    source = "./modules/view"
  }

  assert {
    condition = jsonencode(output.settings) == jsonencode({
      kind         = "list"
      key          = "open"
      unique       = false
      member       = "{id}#{line}"
      fields       = { id = "pk", line = "sk", city = "address.city", tag = "tags[0]", status = "status" }
      order_by     = "status"
      descending   = true
      rebuild_from = { index_name = "type", index_key_attributes = ["type", "creator"], key_condition = { type = "order" } }
      where = {
        type    = ["order"]
        address = { city = [{ prefix = "B" }, { exists = false }] }
        status  = [{ anything-but = ["DONE", "]}"] }, null, 4]
      }
    })
    error_message = "Each attribute is passed on, the pattern as JSON, and the key of the index, which shows no item that lacks it."
  }
}

run "a_list_of_the_table_itself_is_rebuilt_without_an_index" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key           = "{pk}"
    index_name    = null
    key_condition = { pk = "{pk}" }
    descending    = false
    limit         = 10000
    ttl_seconds   = 300
  }

  assert {
    condition = (
      jsonencode(output.settings.rebuild_from) == jsonencode({ key_condition = { pk = "{pk}" } })
      && !output.settings.descending
      && output.settings.limit == 10000
      && output.settings.ttl_seconds == 300
    )
    error_message = "No index is named, and what is asked for is passed on."
  }
}

run "a_key_condition_on_a_number_is_one" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    index_name    = "year"
    key_condition = { year = 2026 }
  }

  assert {
    condition     = output.settings.rebuild_from.key_condition == tomap({ year = "2026" })
    error_message = "It is passed on; the function knows that it is a number."
  }
}

run "a_key_condition_is_checked_by_types_as_far_as_they_are_known" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    index_name    = "year"
    key_condition = { year = "last", digest = "AAAA" }

    table = {
      key_attributes = ["pk", "sk"]
      indexes        = { year = { key_attributes = ["year", "digest"], attributes = null } }
    }
  }

  assert {
    condition     = output.settings.rebuild_from.key_condition == tomap({ year = "last", digest = "AAAA" })
    error_message = "It is passed on as it is."
  }
}

run "an_item_has_nothing_of_a_lists" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    kind          = "item"
    key           = "ORDER#{pk}/{sk}"
    member        = null
    fields        = null
    order_by      = null
    where         = null
    index_name    = null
    key_condition = null
  }

  assert {
    condition     = jsonencode(output.settings) == jsonencode({ kind = "item", key = "ORDER#{pk}/{sk}", unique = false })
    error_message = "What is not set is left out."
  }
}

run "a_view_over_a_stream_is_checked_by_the_function" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    member        = "{id}"
    index_name    = "unknown"
    key_condition = { unknown = "order" }
    table         = null
  }

  assert {
    condition     = output.settings.member == "{id}"
    error_message = "Where the table is not known, neither are its keys nor its indexes."
  }
}

run "unique_vouches_for_a_key_that_is_not_the_tables" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    member = "{id}"
    unique = true
  }

  assert {
    condition     = output.settings.unique
    error_message = "The author's word is taken and passed on."
  }
}

run "a_row_without_fields_is_named_by_attributes" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    fields = null
    member = "{pk}#{sk}"
  }

  assert {
    condition     = !can(output.settings.fields)
    error_message = "Without fields, a row is the whole item."
  }
}

run "an_index_may_project_just_what_the_view_reads" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    fields     = { id = "pk", line = "sk", status = "status" }
    index_name = "thin"
  }

  assert {
    condition     = output.settings.rebuild_from.index_name == "thin"
    error_message = "The rows' attributes, and those the pattern tests, are enough."
  }
}

run "an_attribute_may_have_dots_and_brackets_in_its_name" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key           = "users-{order.state}"
    member        = "{id}#{number}"
    fields        = { id = "user.id", number = "ids[0]", at = "created.at", deep = "extra.data.deep", tag = "extra.data[0]" }
    order_by      = "at"
    where         = "{\"order.state\":[\"OPEN\"]}"
    index_name    = "states"
    key_condition = { "order.state" = "{order.state}" }

    table = {
      key_attributes = ["user.id", "ids[0]"]
      indexes = {
        states = { key_attributes = ["order.state"], attributes = ["user.id", "ids[0]", "order.state", "created.at", "extra.data"] }
      }
    }
  }

  assert {
    condition     = output.settings.rebuild_from.index_key_attributes[0] == "order.state"
    error_message = "The primary key is named by member, and the index projects all that the view reads."
  }
}

run "an_attribute_with_a_dot_in_its_name_is_projected_under_its_whole_name" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    fields     = { id = "pk", line = "sk", status = "status.code" }
    index_name = "thin"

    table = {
      key_attributes = ["pk", "sk"]
      indexes = {
        thin = { key_attributes = ["type", "creator"], attributes = ["pk", "sk", "type", "creator", "status", "address.city"] }
      }
    }
  }

  # The pattern's "address" is not "address.city".
  expect_failures = [var.index_name]
}

run "a_kind_is_item_or_list" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    kind = "set"
  }

  expect_failures = [var.kind]
}

run "a_brace_has_a_partner" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key = "open-{pk"
  }

  expect_failures = [var.key]
}

run "a_brace_has_an_opening_partner" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key = "open-pk}"
  }

  expect_failures = [var.key]
}

run "a_placeholder_names_an_attribute" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key = "open-{}"
  }

  expect_failures = [var.key]
}

run "a_placeholders_path_has_no_empty_name" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key = "open-{address..city}"
  }

  expect_failures = [var.key]
}

run "a_placeholders_path_starts_with_a_name" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key = "open-{[0]}"
  }

  expect_failures = [var.key]
}

run "a_placeholders_position_is_a_number" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key = "open-{tags[first]}"
  }

  expect_failures = [var.key]
}

run "placeholders_are_parted" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key = "{pk}{sk}"
  }

  expect_failures = [var.key]
}

run "an_items_key_has_a_placeholder" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    kind          = "item"
    key           = "order"
    member        = null
    order_by      = null
    index_name    = null
    key_condition = null
  }

  expect_failures = [var.key]
}

run "a_lists_key_is_not_empty" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key = ""
  }

  expect_failures = [var.key]
}

run "fields_name_a_field" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    kind          = "item"
    key           = "{pk}#{sk}"
    member        = null
    order_by      = null
    index_name    = null
    key_condition = null
    fields        = {}
  }

  expect_failures = [var.fields]
}

run "a_fields_path_has_no_braces" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    fields = { id = "{pk}", line = "sk", status = "status" }
  }

  expect_failures = [var.fields]
}

run "a_fields_path_is_not_empty" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    fields = { id = "", line = "sk", status = "status" }
  }

  expect_failures = [var.fields]
}

run "an_items_key_holds_the_primary_key" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    kind          = "item"
    key           = "{pk}"
    member        = null
    order_by      = null
    index_name    = null
    key_condition = null
  }

  expect_failures = [var.unique]
}

run "a_nested_attribute_is_not_the_primary_key" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    kind          = "item"
    key           = "{pk}#{line.sk}"
    member        = null
    order_by      = null
    index_name    = null
    key_condition = null
  }

  expect_failures = [var.unique]
}

run "a_lists_member_holds_the_primary_key_through_its_fields" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    member = "{id}"
  }

  expect_failures = [var.unique]
}

run "a_lists_field_of_the_keys_name_is_not_the_key" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    fields = { pk = "id", sk = "sk", status = "status" }
    member = "{pk}#{sk}"
  }

  expect_failures = [var.unique]
}

run "a_pattern_is_json" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "type = order"
  }

  expect_failures = [var.where]
}

run "a_pattern_is_an_object" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "[\"order\"]"
  }

  expect_failures = [var.where]
}

run "a_pattern_tests_something" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "{}"
  }

  expect_failures = [var.where]
}

run "a_patterns_attribute_has_a_list" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "{\"type\":\"order\"}"
  }

  expect_failures = [output.where]
}

run "a_patterns_nested_attribute_has_a_list" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "{\"address\":{\"city\":{\"zip\":\"10115\"}}}"
  }

  expect_failures = [output.where]
}

run "a_patterns_number_has_a_list" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "{\"numItems\":3}"
  }

  expect_failures = [output.where]
}

run "a_patterns_list_is_not_empty" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "{\"type\":[]}"
  }

  expect_failures = [output.where]
}

run "a_patterns_object_is_not_empty" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "{\"address\":{}}"
  }

  expect_failures = [output.where]
}

run "a_patterns_list_has_no_list_within" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "{\"type\":[[\"order\"]]}"
  }

  expect_failures = [output.where]
}

run "an_operators_list_is_not_empty" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "{\"type\":[{\"anything-but\":[]}]}"
  }

  expect_failures = [output.where]
}

run "an_operator_is_known" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "{\"numItems\":[{\"between\":[3,5]}]}"
  }

  expect_failures = [output.where]
}

run "an_operator_is_known_at_any_depth" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "{\"address\":{\"city\":[\"Berlin\",{\"sufix\":\"n\"}]}}"
  }

  expect_failures = [output.where]
}

run "an_operator_has_an_object_of_its_own" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "{\"status\":[{\"prefix\":\"A\",\"exists\":true}]}"
  }

  expect_failures = [output.where]
}

run "exists_is_true_or_false" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "{\"status\":[{\"exists\":\"yes\"}]}"
  }

  expect_failures = [output.where]
}

run "a_prefix_is_a_string" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = "{\"status\":[{\"prefix\":4}]}"
  }

  expect_failures = [output.where]
}

run "an_or_has_two_patterns" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({ "$or" = [{ status = ["OPEN"] }] })
  }

  expect_failures = [output.where]
}

run "an_or_has_patterns_not_values" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({ address = { "$or" = ["Graz", "Wien"] } })
  }

  expect_failures = [output.where]
}

run "an_ors_operators_are_checked" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({ "$or" = [{ status = ["OPEN"] }, { city = [{ suffix = 5 }] }] })
  }

  expect_failures = [output.where]
}

run "a_range_has_its_lower_bound_first" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({ numItems = [{ numeric = ["<", 5, ">", 1] }] })
  }

  expect_failures = [output.where]
}

run "a_wildcard_is_not_followed_by_another" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({ file = [{ wildcard = "dir/**.png" }] })
  }

  expect_failures = [output.where]
}

run "a_cidr_is_a_range_of_addresses" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({ ip = [{ cidr = "10.0.0.0" }] })
  }

  expect_failures = [output.where]
}

run "a_pattern_takes_every_operator_that_the_handler_reads" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({
      a     = [{ prefix = "x" }, { prefix = { equals-ignore-case = "x" } }, { suffix = "]" }, { suffix = { equals-ignore-case = "}" } }]
      b     = [{ equals-ignore-case = "x" }, { wildcard = "a*\\*b" }, { exists = true }, { exists = false }, { cidr = "2001:db8::/32" }, "", null]
      c     = [{ numeric = ["=", 5] }, { numeric = ["<", -5.5] }, { numeric = [">=", 5] }, { numeric = [">", 0, "<=", 12345678901234567890123456789012345678] }]
      d     = { e = [{ anything-but = { suffix = ["x", "y"] } }, { anything-but = { wildcard = "*x*" } }, { anything-but = { equals-ignore-case = "x" } }] }
      "$or" = [{ f = ["x"] }, { g = { "$or" = [{ h = [1] }, { i = [2] }] } }]
    })
    index_name    = null
    key_condition = null
  }

  assert {
    condition     = strcontains(jsonencode(output.settings.where), "12345678901234567890123456789012345678") && length(output.settings.where) == 5
    error_message = "All is passed on, each digit of a number too."
  }
}

run "an_index_projects_what_an_or_tests" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    index_name = "thin"
    fields     = { id = "pk", line = "sk", status = "status" }
    where      = jsonencode({ "$or" = [{ type = ["order"] }, { status = ["OPEN"], "$or" = [{ numItems = [3] }, { address = { city = ["Graz"] } }] }] })
  }

  expect_failures = [var.index_name]
}

run "an_index_may_project_just_what_an_or_tests" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    index_name = "thin"
    fields     = { id = "pk", line = "sk", status = "status" }
    where      = jsonencode({ "$or" = [{ type = ["order"] }, { status = ["OPEN"], "$or" = [{ "address.zip" = [3] }, { address = { city = ["Graz"] } }] }] })
  }

  assert {
    condition     = output.settings.rebuild_from.index_name == "thin"
    error_message = "The attributes that the patterns test are enough, $or is none."
  }
}

run "an_entry_lives_five_minutes" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    ttl_seconds = 299
  }

  expect_failures = [var.ttl_seconds]
}

run "an_entry_lives_whole_seconds" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    ttl_seconds = 300.5
  }

  expect_failures = [var.ttl_seconds]
}

run "the_reserved_name_may_be_a_part_of_another" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key      = "{x_cache_refresh}#{_cache_refreshed}"
    fields   = { id = "pk", line = "sk", status = "meta._cache_refresh", _cache_refresh = "status" }
    member   = "{id}#{line}#{_cache_refresh}"
    order_by = "_cache_refresh"
  }

  assert {
    condition     = output.settings.order_by == "_cache_refresh"
    error_message = "Only the item's own attribute of that name is reserved: a field may have it."
  }
}

run "no_key_holds_the_reserved_attribute" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key = "{_cache_refresh}"
  }

  expect_failures = [var.key]
}

run "no_key_holds_what_is_within_the_reserved_attribute" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key = "{creator}#{_cache_refresh[0]}"
  }

  expect_failures = [var.key]
}

run "no_field_shows_the_reserved_attribute" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    fields = { id = "pk", line = "sk", status = "_cache_refresh" }
  }

  expect_failures = [var.fields]
}

run "no_field_shows_what_is_within_the_reserved_attribute" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    fields = { id = "pk", line = "sk", status = "_cache_refresh.at" }
  }

  expect_failures = [var.fields]
}

run "no_row_is_named_by_the_reserved_attribute" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    fields   = null
    member   = "{pk}#{sk}#{_cache_refresh}"
    order_by = null
  }

  expect_failures = [var.member]
}

run "no_row_is_ordered_by_the_reserved_attribute" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    fields   = null
    member   = "{pk}#{sk}"
    order_by = "_cache_refresh"
  }

  expect_failures = [var.order_by]
}

run "a_limited_list_has_a_row" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    limit = 0
  }

  expect_failures = [var.limit]
}

run "a_list_is_limited_to_10000_rows_at_most" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    limit = 10001
  }

  expect_failures = [var.limit]
}

run "a_limit_is_a_whole_number" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    limit = 1.5
  }

  expect_failures = [var.limit]
}

run "an_item_has_no_limit" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    kind          = "item"
    key           = "{pk}#{sk}"
    member        = null
    order_by      = null
    index_name    = null
    key_condition = null
    limit         = 10
  }

  expect_failures = [var.limit]
}

run "an_item_has_no_member" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    kind          = "item"
    key           = "{pk}#{sk}"
    member        = "{id}"
    order_by      = null
    index_name    = null
    key_condition = null
  }

  expect_failures = [var.member]
}

run "a_list_has_a_member" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    member = null
  }

  expect_failures = [var.member]
}

run "a_members_brace_has_a_partner" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    member = "{id}#{line"
  }

  expect_failures = [var.member]
}

run "a_member_has_a_placeholder" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    member = "id"
  }

  expect_failures = [var.member]
}

run "a_members_placeholders_are_parted" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    member = "{id}{line}"
  }

  expect_failures = [var.member]
}

run "a_member_names_fields_not_attributes" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    member = "{pk}#{sk}"
  }

  expect_failures = [var.member]
}

run "an_item_has_no_order" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    kind          = "item"
    key           = "{pk}#{sk}"
    member        = null
    order_by      = "status"
    index_name    = null
    key_condition = null
  }

  expect_failures = [var.order_by]
}

run "rows_are_ordered_by_a_field" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    order_by = "createdAt"
  }

  expect_failures = [var.order_by]
}

run "a_member_is_of_the_row_itself" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    fields   = null
    member   = "{pk}#{sk}#{address.city}"
    order_by = null
  }

  expect_failures = [var.member]
}

run "rows_are_ordered_by_what_is_in_the_row_itself" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    fields   = null
    member   = "{pk}#{sk}"
    order_by = "tags[0]"
  }

  expect_failures = [var.order_by]
}

run "anything_but_has_a_value" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({ status = [{ anything-but = {} }] })
  }

  expect_failures = [output.where]
}

run "anything_but_is_not_over_every_operator" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({ status = [{ anything-but = { exists = true } }] })
  }

  expect_failures = [output.where]
}

run "anything_but_has_a_prefix_that_is_a_string" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({ status = [{ anything-but = { prefix = 5 } }] })
  }

  expect_failures = [output.where]
}

run "anything_but_has_one_operator" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({ status = [{ anything-but = { prefix = "a", suffix = "b" } }] })
  }

  expect_failures = [output.where]
}

run "anything_but_is_over_values_not_operators" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({ status = [{ anything-but = [{ prefix = "a" }] }] })
  }

  expect_failures = [output.where]
}

run "anything_but_is_over_something" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({ status = [{ anything-but = [] }] })
  }

  expect_failures = [output.where]
}

run "a_key_condition_is_not_empty" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    table         = null
    key_condition = {}
  }

  expect_failures = [var.key_condition]
}

run "rows_are_ordered_by_something" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    fields   = null
    member   = "{pk}#{sk}"
    order_by = ""
  }

  expect_failures = [var.order_by]
}

run "an_entry_lives_a_year_at_most" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    ttl_seconds = 31536001
  }

  expect_failures = [var.ttl_seconds]
}

run "anything_but_takes_every_form_that_the_handler_reads" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    where = jsonencode({ a = [{ anything-but = "x[" }, { anything-but = 5 }, { anything-but = null }], b = [{ anything-but = ["x{", 5, null, true] }], c = [{ anything-but = { prefix = "}" } }] })
  }

  assert {
    condition     = length(output.settings.where) == 3
    error_message = "A value, a list of values and a prefix are all read."
  }
}

run "an_item_has_no_direction" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    kind          = "item"
    key           = "{pk}#{sk}"
    member        = null
    order_by      = null
    index_name    = null
    key_condition = null
    descending    = false
  }

  expect_failures = [var.descending]
}

run "an_item_is_not_rebuilt" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    kind          = "item"
    key           = "{pk}#{sk}"
    member        = null
    order_by      = null
    index_name    = null
    key_condition = { pk = "{pk}" }
  }

  expect_failures = [var.key_condition]
}

run "an_index_is_one_of_the_tables" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    index_name = "creator"
  }

  expect_failures = [var.index_name]
}

run "an_index_projects_what_the_rows_show" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    index_name = "thin"
  }

  expect_failures = [var.index_name]
}

run "an_index_projects_what_the_pattern_tests" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    index_name = "thin"
    fields     = { id = "pk", line = "sk", status = "status" }
    where      = "{\"numItems\":[3]}"
  }

  expect_failures = [var.index_name]
}

run "an_index_projects_all_where_rows_are_whole_items" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    index_name = "thin"
    fields     = null
    member     = "{pk}#{sk}"
    where      = null
  }

  expect_failures = [var.index_name]
}

run "a_key_conditions_brace_has_a_partner" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key_condition = { type = "{order" }
  }

  expect_failures = [var.key_condition]
}

run "a_key_condition_holds_only_the_lists_key" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key_condition = { type = "order", creator = "{creator}" }
  }

  expect_failures = [var.key_condition]
}

run "a_key_condition_holds_no_empty_text" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key_condition = { type = "" }
  }

  expect_failures = [var.key_condition]
}

run "a_key_condition_on_a_number_is_no_text" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    index_name    = "year"
    key_condition = { year = "last" }
  }

  expect_failures = [var.key_condition]
}

run "a_key_condition_on_binary_is_no_text" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key           = "{digest}"
    index_name    = "year"
    key_condition = { year = 2026, digest = "AAAA" }
  }

  expect_failures = [var.key_condition]
}

run "a_key_condition_is_over_key_attributes" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key_condition = { type = "order", status = "OPEN" }
  }

  expect_failures = [var.key_condition]
}

run "a_key_condition_holds_the_hash_key" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    key_condition = { creator = "Ada" }
  }

  expect_failures = [var.key_condition]
}

run "a_key_condition_of_the_table_holds_its_hash_key" {
  command = plan

  module {
    source = "./modules/view"
  }

  variables {
    index_name    = null
    key_condition = { sk = "metadata" }
  }

  expect_failures = [var.key_condition]
}
