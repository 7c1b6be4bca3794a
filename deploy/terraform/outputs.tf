output "credentials" {
  description = "Run this, and kubectl speaks to the cluster."
  value       = "gcloud container clusters get-credentials ${google_container_cluster.king.name} --zone ${local.zone} --project ${var.project}"
}

output "image" {
  description = "What `cargo xtask deploy --push` takes."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.king.repository_id}/king-of-scaling"
}

output "confluent_env" {
  description = "The content of deploy/secrets/confluent/confluent.env: where Kafka and the schemas are, and the keys for them."
  sensitive   = true
  value       = <<-EOT
    bootstrap-servers=${trimprefix(confluent_kafka_cluster.king.bootstrap_endpoint, "SASL_SSL://")}
    api-key=${confluent_api_key.demo.id}
    secret-key=${confluent_api_key.demo.secret}
    schema-registry=${data.confluent_schema_registry_cluster.king.rest_endpoint}
    schema-registry-key=${confluent_api_key.schemas.id}
    schema-registry-secret=${confluent_api_key.schemas.secret}
  EOT
}
