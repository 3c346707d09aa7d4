variable "momento_endpoint" {
  description = "Hostname of the Momento cell for a v2 API key; null for a legacy or disposable token, which holds it."
  type        = string
  default     = null
}

variable "vpc_config" {
  description = "The private subnets and security groups that the function runs in; null for outside of any VPC."
  type = object({
    subnet_ids         = set(string)
    security_group_ids = set(string)
  })
  default = null
}

variable "permissions_boundary" {
  description = "ARN of the policy that bounds what the function's role may do; null for none."
  type        = string
  default     = null
}
