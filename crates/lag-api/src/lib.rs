//! `lag-api`: record lag for autoscalers, as each of them asks for it.
//!
//! It samples Kafka and watches the pods by itself, and answers with the same arithmetic (`model::scaling`) on four
//! doors: the metrics APIs of Kubernetes behind its aggregation layer ([`api`]), KEDA's external scaler ([`keda`]),
//! Prometheus ([`prometheus`]), and a list of what it has served ([`served`]). What is unknown is an error on each of
//! them, never 0. It knows nothing of the web server.

pub mod api;
pub mod auth;
pub mod config;
pub mod keda;
pub mod kubernetes;
pub mod labels;
pub mod look;
pub mod prometheus;
pub mod run;
pub mod served;
pub mod tls;
pub mod values;

#[cfg(test)]
mod testing;
