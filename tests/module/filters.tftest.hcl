# Which records reach the function: the caller's filters, and what the views' where leave out.

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
    order      = { kind = "item", key = "{pk}", where = "{\"type\":[\"order\"]}" }
    open_order = { kind = "item", key = "open-{pk}", where = "{\"type\":[\"order\"],\"status\":[{\"anything-but\":[\"COMPLETED\"]}]}" }
  }
}

run "an_image_that_matches_gets_through_new_or_old" {
  command = plan

  assert {
    condition = one(aws_lambda_event_source_mapping.this[0].filter_criteria).filter == toset([
      { pattern = "{\"dynamodb\":{\"NewImage\":{\"pk\":{\"S\":[{\"exists\":true}]},\"type\":{\"S\":[\"order\",{\"exists\":false}]}}}}" },
      { pattern = "{\"dynamodb\":{\"OldImage\":{\"pk\":{\"S\":[{\"exists\":true}]},\"type\":{\"S\":[\"order\",{\"exists\":false}]}}}}" },
      { pattern = "{\"dynamodb\":{\"NewImage\":{\"pk\":{\"S\":[{\"exists\":true}]},\"status\":{\"S\":[{\"anything-but\":[\"COMPLETED\"]},{\"exists\":false}]},\"type\":{\"S\":[\"order\",{\"exists\":false}]}}}}" },
      { pattern = "{\"dynamodb\":{\"OldImage\":{\"pk\":{\"S\":[{\"exists\":true}]},\"status\":{\"S\":[{\"anything-but\":[\"COMPLETED\"]},{\"exists\":false}]},\"type\":{\"S\":[\"order\",{\"exists\":false}]}}}}" },
    ])
    error_message = "Two filters for each where, and what is no string passes."
  }

  assert {
    condition     = toset(output.filter_patterns) == toset([for filter in one(aws_lambda_event_source_mapping.this[0].filter_criteria).filter : filter.pattern])
    error_message = "The output says what the mapping has."
  }
}

run "views_with_one_where_share_its_filters" {
  command = plan

  variables {
    views = {
      order = { kind = "item", key = "{pk}", where = "{\"type\":[\"order\"]}" }
      admin = { kind = "item", key = "admin-{pk}", where = "{\"type\":[\"order\"]}" }
    }
  }

  assert {
    condition     = length(output.filter_patterns) == 2
    error_message = "One where has two filters."
  }
}

run "a_view_of_all_items_takes_every_record" {
  command = plan

  variables {
    views = {
      order = { kind = "item", key = "{pk}", where = "{\"type\":[\"order\"]}" }
      all   = { kind = "item", key = "all-{pk}" }
    }
  }

  assert {
    condition     = length(aws_lambda_event_source_mapping.this[0].filter_criteria) == 0 && length(output.filter_patterns) == 0
    error_message = "There is no filter."
  }
}

run "a_where_that_no_filter_can_tell_takes_every_record" {
  command = plan

  variables {
    views = {
      order = { kind = "item", key = "{pk}", where = "{\"type\":[\"order\"]}" }
      other = { kind = "item", key = "other-{pk}", where = "{\"file\":[{\"wildcard\":\"*.png\"}],\"$or\":[{\"a\":[1]},{\"b\":[1]}],\"address\":{\"city\":[\"Graz\"]},\"address.zip\":[\"8010\"],\"any\":[{\"exists\":true}]}" }
    }
  }

  assert {
    condition     = length(output.filter_patterns) == 0
    error_message = "What one view may show gets through."
  }
}

run "what_a_filter_can_not_tell_is_left_out_of_it" {
  command = plan

  variables {
    views = {
      order = { kind = "item", key = "{pk}", where = "{\"type\":[\"order\",{\"prefix\":\"o\"},{\"suffix\":\"r\"},{\"equals-ignore-case\":\"ORDER\"},5,null],\"file\":[{\"wildcard\":\"*.png\"}],\"name\":[{\"equals-ignore-case\":\"ä\"}],\"size\":[{\"numeric\":[\">\",5]}],\"note\":[{\"anything-but\":5}],\"tag\":[{\"anything-but\":[\"x\",5]}],\"ip\":[\"x\",{\"cidr\":\"10.0.0.0/8\"}]}" }
    }
  }

  assert {
    condition = output.filter_patterns[1] == replace(join("", [
      "{'dynamodb':{'OldImage':{'pk':{'S':[{'exists':true}]},",
      "'size':{'S':[{'exists':false}]},",
      "'tag':{'S':[{'anything-but':['x']},{'exists':false}]},",
      "'type':{'S':['order',{'prefix':'o'},{'suffix':'r'},{'equals-ignore-case':'ORDER'},{'exists':false}]}}}}",
    ]), "'", "\"")
    error_message = "A string has to match as far as Lambda can tell; what it can not tell is any."
  }
}

run "a_boolean_is_told_by_its_own_type" {
  command = plan

  variables {
    views = {
      open = { kind = "item", key = "{pk}", where = "{\"open\":[true],\"paid\":[true,{\"anything-but\":\"x\"}],\"sent\":[true,\"yes\",{\"wildcard\":\"y*\"}]}" }
    }
  }

  assert {
    condition = output.filter_patterns[0] == replace(join("", [
      "{'dynamodb':{'NewImage':{'pk':{'S':[{'exists':true}]},",
      "'open':{'S':[{'exists':false}],'BOOL':[true,{'exists':false}]},",
      "'paid':{'S':[{'anything-but':['x']},{'exists':false}]},",
      "'sent':{'BOOL':[true,{'exists':false}]}}}}",
    ]), "'", "\"")
    error_message = "No string is a boolean, and an operator that booleans match leaves them untold."
  }
}

run "a_test_of_the_hash_key_stands_in_for_its_being_there" {
  command = plan

  variables {
    views = {
      order = { kind = "item", key = "{pk}", where = "{\"pk\":[{\"prefix\":\"ORDER#\"}]}" }
    }
  }

  assert {
    condition     = output.filter_patterns[0] == "{\"dynamodb\":{\"NewImage\":{\"pk\":{\"S\":[{\"prefix\":\"ORDER#\"}]}}}}"
    error_message = "The key is always there, and always a string."
  }
}

run "a_hash_key_that_is_no_string_is_just_there" {
  command = plan

  variables {
    table = { hash_key = { name = "pk", type = "N" } }
    views = {
      order = { kind = "item", key = "{pk}", where = "{\"pk\":[5],\"type\":[\"order\"]}" }
    }
  }

  assert {
    condition     = output.filter_patterns[0] == "{\"dynamodb\":{\"NewImage\":{\"pk\":{\"N\":[{\"exists\":true}]},\"type\":{\"S\":[\"order\",{\"exists\":false}]}}}}"
    error_message = "Lambda tells no numbers."
  }
}

run "the_callers_filters_hold_too" {
  command = plan

  variables {
    filter_patterns = [{ pk = { prefix = ["A"] } }, { pk = { equals = ["B"] } }]
    views = {
      order = { kind = "item", key = "{pk}", where = "{\"type\":[\"order\"]}" }
    }
  }

  assert {
    condition = toset(output.filter_patterns) == toset([
      "{\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":[{\"prefix\":\"A\"}]}},\"NewImage\":{\"pk\":{\"S\":[{\"exists\":true}]},\"type\":{\"S\":[\"order\",{\"exists\":false}]}}}}",
      "{\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":[{\"prefix\":\"A\"}]}},\"OldImage\":{\"pk\":{\"S\":[{\"exists\":true}]},\"type\":{\"S\":[\"order\",{\"exists\":false}]}}}}",
      "{\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":[\"B\"]}},\"NewImage\":{\"pk\":{\"S\":[{\"exists\":true}]},\"type\":{\"S\":[\"order\",{\"exists\":false}]}}}}",
      "{\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":[\"B\"]}},\"OldImage\":{\"pk\":{\"S\":[{\"exists\":true}]},\"type\":{\"S\":[\"order\",{\"exists\":false}]}}}}",
    ])
    error_message = "Each of the caller's filters stands with each of the derived ones."
  }
}

run "where_they_do_not_fit_the_callers_filters_hold_alone" {
  command = plan

  variables {
    filter_patterns = [{ pk = { prefix = ["A"] } }, { pk = { equals = ["B"] } }]
  }

  assert {
    condition     = output.filter_patterns == tolist(["{\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":[{\"prefix\":\"A\"}]}}}}", "{\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":[\"B\"]}}}}"])
    error_message = "Eight filters are more than Lambda allows."
  }
}

run "too_many_wheres_take_every_record" {
  command = plan

  variables {
    views = { for number in range(3) : "view${number}" => { kind = "item", key = "${number}-{pk}", where = "{\"type\":[\"${number}\"]}" } }
  }

  assert {
    condition     = length(output.filter_patterns) == 0
    error_message = "Six filters are more than Lambda allows."
  }
}

run "a_filter_may_have_4096_bytes" {
  command = plan

  variables {
    views = { order = { kind = "item", key = "{pk}", where = jsonencode({ type = [format("%4005s", "")] }) } }
  }

  assert {
    condition     = length(output.filter_patterns) == 2 && length(output.filter_patterns[0]) == 4096
    error_message = "One that fits is taken."
  }
}

run "a_longer_filter_is_left_out" {
  command = plan

  variables {
    views = { order = { kind = "item", key = "{pk}", where = jsonencode({ type = [format("%4005s", "é")] }) } }
  }

  assert {
    condition     = length(output.filter_patterns) == 0
    error_message = "A filter has 4,096 bytes, not characters."
  }
}

run "a_table_that_exists_is_read_in_part_too" {
  command = plan

  variables {
    table      = null
    stream_arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/legacy/stream/2024-06-01T10:00:00.000"
  }

  assert {
    condition     = length(output.filter_patterns) == 4
    error_message = "Its hash key is known, by which a filter tells whether an image is there."
  }
}
