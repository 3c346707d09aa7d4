variable "momento_endpoint" {
  description = "Hostname of the Momento cell for a v2 API key; null for a legacy or disposable token, which holds it."
  type        = string
  default     = null
}

variable "runtime" {
  description = "The function's Lambda runtime."
  type        = string
  default     = "python3.13"
}

variable "architecture" {
  description = "The function's instruction set, arm64 or x86_64."
  type        = string
  default     = "arm64"
}
