//! The server: one picture, folded from Kafka, the cluster and the players, for everybody who looks at it; and the
//! commands of the presenter on their way back.

mod access;
mod adapters;
mod api;
mod arena;
mod clock;
mod commands;
mod config;
mod listener;
mod live;
mod metrics;
mod pages;
mod play;
mod router;
mod run;
mod show;
mod site;
mod state;

pub use config::{Args, Config};
pub use run::run;
