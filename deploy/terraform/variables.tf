variable "project" {
  description = "The Google Cloud project that pays for the cluster; it must exist."
  type        = string
}

variable "name" {
  description = "What everything is called."
  type        = string
  default     = "king-of-scaling"
  validation {
    condition     = can(regex("^[a-z]([-a-z0-9]{0,22}[a-z0-9])?$", var.name))
    error_message = "A name has at most 24 lower-case letters, digits and hyphens, and begins with a letter: accounts are called by it, too."
  }
}

variable "region" {
  description = "Where the nodes and Kafka are. Confluent Cloud must offer it for GCP."
  type        = string
  default     = "europe-west4"
}

variable "zone" {
  description = "The last letter of the one zone of the nodes."
  type        = string
  default     = "a"
}

variable "nodes" {
  description = "How many nodes. Four: one for each pod of the application at most."
  type        = number
  default     = 4
  validation {
    condition     = var.nodes >= 1
    error_message = "A cluster has one node at least."
  }
}

variable "machine_type" {
  description = "What a node is: two processors and 4 GB by default."
  type        = string
  default     = "e2-medium"
}

variable "spot" {
  description = "Nodes for a third of the price that Google may take away at any time: for a rehearsal."
  type        = bool
  default     = false
}

variable "api_from" {
  description = "Networks that may speak to the cluster's API server, as CIDR blocks with a name. None: everybody who has credentials."
  type        = map(string)
  default     = {}
}
