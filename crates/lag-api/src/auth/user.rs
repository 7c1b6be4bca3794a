//! A user, as Kubernetes knows users.

use std::collections::BTreeMap;

/// A user of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct User {
    /// For example `system:serviceaccount:kube-system:horizontal-pod-autoscaler`.
    pub name: String,
    /// Tells users of one name apart; empty where nobody says.
    pub uid: String,
    /// In the order in which they were said.
    pub groups: Vec<String>,
    /// What else the authenticator knows.
    pub extra: BTreeMap<String, Vec<String>>,
}
