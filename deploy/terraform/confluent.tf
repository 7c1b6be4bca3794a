# Kafka: a cluster of the cheapest kind that is billed by use, its topics, and an account that may do what the demo does.

resource "confluent_environment" "king" {
  display_name = var.name
  stream_governance {
    package = "ESSENTIALS"
  }
}

resource "confluent_kafka_cluster" "king" {
  display_name = var.name
  # What a Basic cluster can be.
  availability = "SINGLE_ZONE"
  cloud        = "GCP"
  region       = var.region
  basic {}
  environment {
    id = confluent_environment.king.id
  }
}

# Topics and access rules are made by an account of their own: the demo's may change neither.
resource "confluent_service_account" "admin" {
  display_name = "${var.name}-admin"
  description  = "Makes topics and access rules"
}

resource "confluent_role_binding" "admin" {
  principal   = "User:${confluent_service_account.admin.id}"
  role_name   = "CloudClusterAdmin"
  crn_pattern = confluent_kafka_cluster.king.rbac_crn
}

resource "confluent_api_key" "admin" {
  display_name = "${var.name}-admin"
  owner {
    id          = confluent_service_account.admin.id
    api_version = confluent_service_account.admin.api_version
    kind        = confluent_service_account.admin.kind
  }
  managed_resource {
    id          = confluent_kafka_cluster.king.id
    api_version = confluent_kafka_cluster.king.api_version
    kind        = confluent_kafka_cluster.king.kind
    environment {
      id = confluent_environment.king.id
    }
  }
  depends_on = [confluent_role_binding.admin]
}

locals {
  group = "KINGOFSCALING-APP"
  hour  = { "cleanup.policy" = "delete", "retention.ms" = "3600000" }
  # The demo makes topics that are missing, with smaller segments than Confluent Cloud allows (crates/kafka/src/topics.rs), so here they
  # are made for it. It leaves those alone that exist.
  topics = {
    "GAME-FRAME-RQ"               = { partitions = 12, config = local.hour }
    "GAME-FRAME-RS"               = { partitions = 12, config = local.hour }
    "SESSIONS"                    = { partitions = 12, config = local.hour }
    "${local.group}-CHANGELOG"    = { partitions = 12, config = { "cleanup.policy" = "delete", "retention.ms" = "-1" } }
    "${local.group}-DEAD-LETTERS" = { partitions = 12, config = { "cleanup.policy" = "delete", "retention.ms" = "604800000" } }
    "KING-CONTROL"                = { partitions = 1, config = { "cleanup.policy" = "compact" } }
    "KING-HISTORY"                = { partitions = 1, config = { "cleanup.policy" = "delete", "retention.ms" = "3600000" } }
  }
  # Reading and writing let one describe as well. The application trims its state itself, for which it needs leave to delete.
  access = merge(
    { for name in keys(local.topics) : "read ${name}" => { type = "TOPIC", name = name, operation = "READ" } },
    { for name in keys(local.topics) : "write ${name}" => { type = "TOPIC", name = name, operation = "WRITE" } },
    {
      "trim the state" = { type = "TOPIC", name = "${local.group}-CHANGELOG", operation = "DELETE" }
      "join the group" = { type = "GROUP", name = local.group, operation = "READ" }
      # A reader that joins no group still asks for the coordinator of the name it has.
      "find coordinators"  = { type = "GROUP", name = "*", operation = "DESCRIBE" }
      "write transactions" = { type = "TRANSACTIONAL_ID", name = local.group, operation = "WRITE" }
      # Leave to write a topic is enough since Kafka 3.0 (KIP-679); Confluent's list of operations names this one as well.
      "write idempotently" = { type = "CLUSTER", name = "kafka-cluster", operation = "IDEMPOTENT_WRITE" }
    },
  )
}

resource "confluent_kafka_topic" "king" {
  for_each         = local.topics
  topic_name       = each.key
  partitions_count = each.value.partitions
  config           = each.value.config
  rest_endpoint    = confluent_kafka_cluster.king.rest_endpoint
  kafka_cluster {
    id = confluent_kafka_cluster.king.id
  }
  credentials {
    key    = confluent_api_key.admin.id
    secret = confluent_api_key.admin.secret
  }
}

resource "confluent_service_account" "demo" {
  display_name = var.name
  description  = "The demo's programs"
}

resource "confluent_kafka_acl" "demo" {
  for_each      = local.access
  resource_type = each.value.type
  resource_name = each.value.name
  # A pod's transactional id is the group's name with the pod's.
  pattern_type  = each.value.type == "TRANSACTIONAL_ID" ? "PREFIXED" : "LITERAL"
  principal     = "User:${confluent_service_account.demo.id}"
  host          = "*"
  operation     = each.value.operation
  permission    = "ALLOW"
  rest_endpoint = confluent_kafka_cluster.king.rest_endpoint
  kafka_cluster {
    id = confluent_kafka_cluster.king.id
  }
  credentials {
    key    = confluent_api_key.admin.id
    secret = confluent_api_key.admin.secret
  }
}

resource "confluent_api_key" "demo" {
  display_name = var.name
  owner {
    id          = confluent_service_account.demo.id
    api_version = confluent_service_account.demo.api_version
    kind        = confluent_service_account.demo.kind
  }
  managed_resource {
    id          = confluent_kafka_cluster.king.id
    api_version = confluent_kafka_cluster.king.api_version
    kind        = confluent_kafka_cluster.king.kind
    environment {
      id = confluent_environment.king.id
    }
  }
  depends_on = [confluent_kafka_acl.demo]
}
