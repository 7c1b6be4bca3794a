//! The demo in a real cluster, as its operator and its audience see it: what the tests in `tests/demo` look through and
//! reach with.
//!
//! `cargo xtask cluster` starts the cluster and says where it is: `KUBECONFIG`, and in `KING_TEST_CLUSTER` a directory
//! with the certificates and, for each component, a lock that holds its process id.

pub mod component;
pub mod demo;
pub mod lag_api;
pub mod page;
pub mod presenter;
pub mod replay;
pub mod truth;
pub mod wait;

pub use demo::Demo;
