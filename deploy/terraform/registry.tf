# Where the image is kept.

resource "google_artifact_registry_repository" "king" {
  repository_id = var.name
  location      = var.region
  format        = "DOCKER"
  description   = "The image of King of Scaling"
  depends_on    = [google_project_service.needed]

  # What is kept is an exception from what is deleted: one says nothing without the other.
  cleanup_policies {
    id     = "delete-others"
    action = "DELETE"
    condition {
      tag_state = "ANY"
    }
  }
  cleanup_policies {
    id     = "keep-five"
    action = "KEEP"
    most_recent_versions {
      keep_count = 5
    }
  }
}

resource "google_artifact_registry_repository_iam_member" "nodes" {
  location   = google_artifact_registry_repository.king.location
  repository = google_artifact_registry_repository.king.name
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.nodes.member
}
