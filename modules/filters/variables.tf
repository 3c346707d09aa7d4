variable "hash_key" {
  description = "The table's hash key, by which a filter tells that an image is there; null where only the table's stream is known."
  type        = object({ name = string, type = string })
  default     = null
}

variable "wheres" {
  description = "Each view's `where`; null for one that shows all items."
  type        = list(string)
  nullable    = false
}

variable "filter_patterns" {
  description = "The caller's own filters, over `dynamodb.Keys`."
  type        = list(string)
  nullable    = false
}
