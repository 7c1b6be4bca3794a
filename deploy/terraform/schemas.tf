# The schema registry that each environment has, and a key for the demo's subjects.

data "confluent_schema_registry_cluster" "king" {
  environment {
    id = confluent_environment.king.id
  }
  # It is made with the environment's first Kafka cluster.
  depends_on = [confluent_kafka_cluster.king]
}

resource "confluent_role_binding" "subjects" {
  for_each    = toset(["GAME-FRAME-RQ", "GAME-FRAME-RS", "SESSIONS"])
  principal   = "User:${confluent_service_account.demo.id}"
  role_name   = "ResourceOwner"
  crn_pattern = "${data.confluent_schema_registry_cluster.king.resource_name}/subject=${each.key}*"
}

resource "confluent_api_key" "schemas" {
  display_name = "${var.name}-schemas"
  owner {
    id          = confluent_service_account.demo.id
    api_version = confluent_service_account.demo.api_version
    kind        = confluent_service_account.demo.kind
  }
  managed_resource {
    id          = data.confluent_schema_registry_cluster.king.id
    api_version = data.confluent_schema_registry_cluster.king.api_version
    kind        = data.confluent_schema_registry_cluster.king.kind
    environment {
      id = confluent_environment.king.id
    }
  }
  depends_on = [confluent_role_binding.subjects]
}
