//! The server: one picture, folded from Kafka, the cluster and the players, for everybody who looks at it; and the
//! commands of the presenter on their way back.

pub mod access;
pub mod adapters;
pub mod api;
pub mod commands;
pub mod config;
mod demo;
pub mod invitation;
pub mod listener;
pub mod live;
pub mod metrics;
pub mod pages;
pub mod play;
pub mod refusals;
pub mod router;
pub mod run;
pub mod show;
pub mod site;
pub mod state;
#[cfg(test)]
mod testing;

#[cfg(feature = "kubernetes")]
pub use adapters::check_cluster;
pub use config::{Args, Config};
pub use run::run;
