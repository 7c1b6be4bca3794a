//! What can be set from outside.

mod run;

use std::net::SocketAddr;

use clap::Parser;
use kafka::Brokers;
use process::ProcessArgs;
use schema_registry::RegistryArgs;
use workload::generator::MAX_MACHINES;

pub(crate) use run::Run;
pub use run::{Load, RunArgs};

/// Produces the load: frames of many machines, requests and responses.
#[derive(Debug, Clone, Parser)]
#[command(name = "datagen", version)]
pub struct Config {
    /// Where Kafka is, and how to speak to it
    #[command(flatten)]
    pub kafka: Brokers,
    /// How many machines play, some at a time; with few, some partitions get twice the mean and others nothing
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_MACHINES)))]
    pub machines: u32,
    /// Seed of the machines and their hits: the same seed gives the same machines
    #[arg(long, default_value_t = 2018)]
    pub seed: u64,
    /// A load of its own, instead of what the control topic says
    #[command(flatten)]
    pub run: RunArgs,
    /// Where to serve /livez, /readyz and /metrics; port 0 takes a free one and prints it
    #[arg(long, env = "ADMIN_ADDRESS", value_name = "ADDRESS")]
    pub admin_address: Option<SocketAddr>,
    /// The topic of the requests
    #[arg(long, hide = true, default_value = workload::topics::REQUESTS)]
    pub requests: String,
    /// The topic of the responses
    #[arg(long, hide = true, default_value = workload::topics::RESPONSES)]
    pub responses: String,
    /// The topic that says how much to produce
    #[arg(long, hide = true, default_value = kafka::topics::CONTROL)]
    pub control: String,
    /// Where the schemas are
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Options of every process
    #[command(flatten)]
    pub process: ProcessArgs,
}
