# What `where` may say, as far as can be told without recursion: its JSON is read as text, by regular expressions.

locals {
  # With each string as s and, where it may have a meaning, its text: {"status":["A",{"prefix":"B"}]} is {s:[s,{sprefix:s}]}.
  where_text = replace(
    try(jsonencode(jsondecode(var.where)), ""),
    "/\"(?:(\\$or|=|\\\\u003[ce]=?|${join("|", keys(local.operators))})|(?:\\\\.|[^\"\\\\])*)\"/", "s$1"
  )

  text   = "s[^][{}(),:]*"
  number = "[-0-9][^][{}(),:]*"
  value  = "[^][{}(),:]+"
  texts  = "(?:${local.text}|\\[${local.text}(?:,${local.text})*\\])"
  values = "(?:${local.value}|\\[${local.value}(?:,${local.value})*\\])"

  # What each operator takes. jsonencode writes < and > as \u003c and \u003e.
  operators = {
    "anything-but" = {
      operand = "(?:${local.values}|\\{s(?:equals-ignore-case|prefix|suffix|wildcard):${local.texts}\\})"
      takes   = "a value, a list of at least one value, or one of equals-ignore-case, prefix, suffix and wildcard with a string or a list of strings"
    }
    "cidr"               = { operand = local.text, takes = "a range of addresses, such as \"10.0.0.0/24\"" }
    "equals-ignore-case" = { operand = local.text, takes = "a string" }
    "exists"             = { operand = "(?:true|false)", takes = "true or false" }
    "numeric" = {
      operand = "\\[(?:s=,${local.number}|s\\\\u003[ce]=?,${local.number}|s\\\\u003e=?,${local.number},s\\\\u003c=?,${local.number})\\]"
      takes   = "[\"=\", 5], [\"<\", 5], [\">=\", 5] or a range such as [\">\", 0, \"<=\", 5]"
    }
    "prefix"   = { operand = "(?:${local.text}|\\{sequals-ignore-case:${local.text}\\})", takes = "a string, or equals-ignore-case with one" }
    "suffix"   = { operand = "(?:${local.text}|\\{sequals-ignore-case:${local.text}\\})", takes = "a string, or equals-ignore-case with one" }
    "wildcard" = { operand = local.text, takes = "a string with * for any text, never two in a row, and \\* or \\\\ for a plain * or \\" }
  }
}

locals {
  # An $or's list begins with a parenthesis, so as to be told from a list of allowed values.
  where_structure = replace(local.where_text, "s$or:[", "s$or:(")

  # A list of allowed values: with objects in it, which may be operators, and a list or an object in these.
  flat_list      = "\\[[^][{}()]*\\]"
  flat_object    = "\\{(?:[^][{}()]|${local.flat_list})*\\}"
  allowed_list   = "\\[(?:[^][{}()]|\\{(?:[^][{}()]|${local.flat_list}|${local.flat_object})*\\})+\\]"
  allowed_lists  = regexall(local.allowed_list, local.where_structure)
  known_operator = "\\{s(?:${join("|", keys(local.operators))}):(?:${local.value}|${local.flat_list}|${local.flat_object})\\}"

  # With each list of allowed values as l, what is left is attributes, objects and the lists of $or, at any depth.
  where_attributes = replace(local.where_structure, "/${local.allowed_list}/", "l")

  misused_operators = [
    for name, operator in local.operators : name
    if length(flatten([for list in local.allowed_lists : regexall("[[,]\\{s${name}:", list)])) !=
    length(flatten([for list in local.allowed_lists : regexall("[[,]\\{s${name}:${operator.operand}\\}", list)]))
  ]

  # The strings of these two, for their text matters.
  json_string = "\"(?:\\\\.|[^\"\\\\])*\""
  wildcards   = [for found in regexall("\"wildcard\":(${local.json_string})", try(jsonencode(jsondecode(var.where)), "")) : jsondecode(found[0])]
  cidrs       = [for found in regexall("\"cidr\":(${local.json_string})", try(jsonencode(jsondecode(var.where)), "")) : jsondecode(found[0])]

  # The attributes that the pattern reads, those of an $or and of one within it too.
  where_alternatives = try([for pattern in jsondecode(var.where)["$or"] : pattern], [])
  where_reads = distinct([
    for name in flatten(concat(
      [try(keys(jsondecode(var.where)), [])],
      [for pattern in local.where_alternatives : try(keys(pattern), [])],
      [for pattern in local.where_alternatives : try([for inner in pattern["$or"] : keys(inner)], [])],
    )) : name if name != "$or"
  ])
}

# What is checked here rests on what was read above, which a variable's validation can not.
output "where" {
  description = "The pattern; null: all items."
  value       = try(jsondecode(var.where), null)

  precondition {
    condition     = !can(regex(":[^l{(]|\\{\\}|\\[", local.where_attributes))
    error_message = "views.${var.name}.where must lead to a list of allowed values at each attribute, with at least one and no list within it: write { status = [\"OPEN\"] }, not { status = \"OPEN\" }."
  }

  # Wrong: no list, what is no object within it, or just one object (with at most one level of objects in it).
  precondition {
    condition = !can(regex(
      "s\\$or:[^(]|\\([^{]|,[^s{]|${local.text}[],]|\\(\\{[^{}(]*(?:\\{[^{}(]*\\}[^{}(]*)*\\}\\]", local.where_attributes
    ))
    error_message = "views.${var.name}.where must say \"$or\" with a list of at least two patterns: write { \"$or\" = [{ status = [\"OPEN\"] }, { urgent = [true] }] }."
  }

  precondition {
    condition = alltrue([
      for list in local.allowed_lists : can(regex("^\\[(?:${local.value}|${local.known_operator})(?:,(?:${local.value}|${local.known_operator}))*\\]$", list))
    ])
    error_message = "views.${var.name}.where may use the operators ${join(", ", keys(local.operators))}, each in an object of its own, such as { status = [{ \"anything-but\" = [\"COMPLETED\"] }] }."
  }

  precondition {
    condition     = length(local.misused_operators) == 0
    error_message = "views.${var.name}.where has an operator with something that it does not take: ${join("; ", [for name in local.misused_operators : "${name} takes ${local.operators[name].takes}"])}."
  }

  # With each escaped character as e, no backslash may be left.
  precondition {
    condition     = alltrue([for text in local.wildcards : !can(regex("\\\\|\\*\\*", replace(text, "/\\\\[*\\\\]/", "e")))])
    error_message = "views.${var.name}.where has a wildcard that is none: wildcard takes ${local.operators["wildcard"].takes}."
  }

  precondition {
    condition     = alltrue([for text in local.cidrs : can(cidrhost(text, 0))])
    error_message = "views.${var.name}.where has a cidr that is none: cidr takes ${local.operators["cidr"].takes}."
  }
}
