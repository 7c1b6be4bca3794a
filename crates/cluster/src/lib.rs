//! The cluster that runs the pods: what there is, in a [`watch`](tokio::sync::watch) channel of
//! [`model::snapshot::Cluster`], and what can be asked of it, as [`model::controls::ClusterControls`].
//!
//! [`local`] runs the pods as child processes and behaves as Kubernetes' Deployment, kubelet and
//! HorizontalPodAutoscaler do. Nothing here knows Kafka: lag comes in as a [`LagView`].

pub mod admission;
pub mod local;

pub use model::scaling::LagView;
