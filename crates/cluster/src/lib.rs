//! The cluster that runs the pods: what there is, in a [`watch`](tokio::sync::watch) channel of
//! [`model::snapshot::Cluster`], and what can be asked of it, as [`model::controls::ClusterControls`].
//!
//! [`local`] runs the pods as child processes and behaves as Kubernetes' Deployment, kubelet and
//! HorizontalPodAutoscaler do; lag comes in as a [`LagView`]. [`kubernetes`] watches a real cluster, whose own
//! autoscaler scales; it comes with the feature `kubernetes`. Nothing here knows Kafka.

#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod local;
mod slots;

pub use model::scaling::LagView;
