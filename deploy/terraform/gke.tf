# One zone, four nodes, in a network of its own.

resource "google_project_service" "needed" {
  for_each = toset([
    "artifactregistry.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "iam.googleapis.com",
  ])
  service            = each.key
  disable_on_destroy = false
}

resource "google_compute_network" "king" {
  name                    = var.name
  auto_create_subnetworks = false
  depends_on              = [google_project_service.needed]
}

resource "google_compute_subnetwork" "king" {
  name                     = var.name
  network                  = google_compute_network.king.id
  region                   = var.region
  ip_cidr_range            = "10.10.0.0/20"
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = "10.20.0.0/16"
  }
  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = "10.30.0.0/20"
  }
}

# The nodes' own account may write logs and metrics and fetch images, nothing else.
resource "google_service_account" "nodes" {
  account_id   = "${var.name}-nodes"
  display_name = "Nodes of ${var.name}"
  depends_on   = [google_project_service.needed]
}

resource "google_project_iam_member" "nodes" {
  project = var.project
  role    = "roles/container.defaultNodeServiceAccount"
  member  = google_service_account.nodes.member
}

resource "google_container_cluster" "king" {
  name                     = var.name
  location                 = local.zone
  network                  = google_compute_network.king.id
  subnetwork               = google_compute_subnetwork.king.id
  remove_default_node_pool = true
  initial_node_count       = 1
  # A talk is over at some time: `terraform destroy` must be able to end it.
  deletion_protection = false
  # NetworkPolicies are enforced.
  datapath_provider = "ADVANCED_DATAPATH"

  release_channel {
    channel = "REGULAR"
  }
  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }
  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }
  dynamic "master_authorized_networks_config" {
    for_each = length(var.api_from) > 0 ? [var.api_from] : []
    content {
      dynamic "cidr_blocks" {
        for_each = master_authorized_networks_config.value
        content {
          display_name = cidr_blocks.key
          cidr_block   = cidr_blocks.value
        }
      }
    }
  }
  depends_on = [google_project_service.needed]
}

resource "google_container_node_pool" "king" {
  name       = "nodes"
  cluster    = google_container_cluster.king.id
  node_count = var.nodes

  node_config {
    machine_type    = var.machine_type
    spot            = var.spot
    disk_size_gb    = 30
    disk_type       = "pd-balanced"
    service_account = google_service_account.nodes.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }
  management {
    auto_repair  = true
    auto_upgrade = true
  }
  # A node that may not fetch images cannot run its pods.
  depends_on = [google_project_iam_member.nodes, google_artifact_registry_repository_iam_member.nodes]
}
