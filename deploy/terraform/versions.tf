terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.12"
    }
    confluent = {
      source  = "confluentinc/confluent"
      version = "~> 2.58"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
  zone    = local.zone
}

# The key of the Confluent account comes by CONFLUENT_CLOUD_API_KEY and CONFLUENT_CLOUD_API_SECRET.
provider "confluent" {}

locals {
  zone = "${var.region}-${var.zone}"
}
