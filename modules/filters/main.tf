# The mapping's filters, so that Lambda is not invoked for a record that no view shows: neither its new nor its old image
# matches any view's where. They may let more pass, never less: an item that leaves a view has to get through.
#
# What Lambda's filters can tell, which is less than what EventBridge's patterns can, and how long they may be:
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html#filtering-syntax
# https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html
# https://docs.aws.amazon.com/lambda/latest/api/API_Filter.html

locals {
  maximum_filters = 5
  maximum_bytes   = 4096

  # Each where's attributes with their matchers. What is tested within an attribute or by an $or is passed over, and so is
  # a name with a dot, for it means an attribute within another too.
  wheres = [
    for where in distinct(var.wheres) : {
      for name, matchers in try(jsondecode(where), {}) : name => [for matcher in matchers : jsonencode(matcher)]
      if name != "$or" && !strcontains(name, ".") && !can(keys(matchers))
    }
  ]
}

locals {
  # How each matcher is told of a string: by itself, by "" where no string matches it, or by null where Lambda can not tell.
  # Of equals-ignore-case, only ASCII means the same to all.
  string_matchers = [
    for attributes in local.wheres : {
      for name, matchers in attributes : name => [
        for matcher in matchers :
        can(regex("^\"|^\\{\"(prefix|suffix)\":\".+\"\\}$|^\\{\"equals-ignore-case\":\"[ -~]*\"\\}$", matcher)) ? matcher :
        can(regex("^[-0-9tfn]|^\\{\"numeric\":|^\\{\"exists\":false\\}$", matcher)) ? "" :
        can(regex("\"", join("", local.unwanted_strings[matcher]))) ? "{\"anything-but\":[${join(",", local.unwanted_strings[matcher])}]}" :
        null
      ]
    }
  ]

  # The strings that an anything-but does not want. What else it does not want, no string is.
  unwanted_strings = {
    for matcher in distinct(flatten([for attributes in local.wheres : values(attributes)])) : matcher => [
      for value in try(flatten([jsondecode(matcher)["anything-but"]]), []) : jsonencode(value) if startswith(jsonencode(value), "\"")
    ]
  }

  # The booleans that match; none where others than those that are named could.
  booleans = [
    for attributes in local.wheres : {
      for name, matchers in attributes : name => [
        for matcher in distinct(matchers) : matcher
        if contains(["true", "false"], matcher) && !can(regex("\\{\"anything-but\":|\\{\"exists\":true", join("", matchers)))
      ]
    }
  ]
}

locals {
  absent = "{\"exists\":false}"

  # What each attribute has to be, of each type that can be told. Any other type passes, for it lacks the descriptor.
  tests = [
    for index, attributes in local.wheres : {
      for name in keys(attributes) : name => join(",", concat(
        [
          for matchers in [local.string_matchers[index][name]] : "\"S\":[${join(",", concat(compact(matchers), [local.absent]))}]"
          if alltrue([for matcher in matchers : matcher != null])
        ],
        [
          for booleans in [local.booleans[index][name]] : "\"BOOL\":[${join(",", concat(booleans, [local.absent]))}]"
          if length(booleans) > 0
        ]
      ))
    }
  ]

  # An image is there if its hash key is, which is where a test of the hash key itself goes too.
  images = var.hash_key == null ? [] : [
    for index, tests in local.tests : join(",", concat(
      [
        "${jsonencode(var.hash_key.name)}:{${jsonencode(var.hash_key.type)}:[${coalesce(local.hash_key_matchers[index], "{\"exists\":true}")}]}"
      ],
      [for name, test in tests : "${jsonencode(name)}:{${test}}" if name != var.hash_key.name && test != ""]
    ))
  ]

  hash_key_matchers = [
    for attributes in local.string_matchers : try(
      var.hash_key.type == "S" && alltrue([for matcher in attributes[var.hash_key.name] : matcher != null])
      ? join(",", compact(attributes[var.hash_key.name])) : "", ""
    )
  ]

  # An image that is tested by nothing but its being there is any image: such a where is not worth a filter.
  image_is_any = [
    for index, tests in local.tests : local.hash_key_matchers[index] == "" && length([
      for name, test in tests : name if test != "" && name != try(var.hash_key.name, "")
    ]) == 0
  ]

  derived = anytrue(local.image_is_any) ? [] : flatten([
    for image in distinct(local.images) : ["\"NewImage\":{${image}}", "\"OldImage\":{${image}}"]
  ])

  own      = length(var.filter_patterns) == 0 ? [""] : [for pattern in var.filter_patterns : "\"Keys\":${try(jsonencode(jsondecode(pattern).dynamodb.Keys), "{}")},"]
  narrowed = [for pair in setproduct(local.own, local.derived) : "{\"dynamodb\":{${join("", pair)}}}"]

  # Lambda counts characters, but the provider bytes: three to four letters of base64, but for its padding.
  fits = length(local.narrowed) > 0 && length(local.narrowed) <= local.maximum_filters && alltrue([
    for base64 in [for pattern in local.narrowed : base64encode(pattern)] :
    length(base64) / 4 * 3 - length(regexall("=", base64)) <= local.maximum_bytes
  ])
}
