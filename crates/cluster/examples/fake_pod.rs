//! A pod that does nothing but behave like one: for the tests of the local cluster.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use process::{ProcessArgs, Readiness, Shutdown, admin};
use prometheus_client::registry::Registry;
use tokio::net::TcpStream;

#[derive(Debug, Parser)]
struct Config {
    #[command(flatten)]
    process: ProcessArgs,
    #[arg(long)]
    pod: String,
    #[arg(long)]
    capacity: u32,
    #[arg(long)]
    admin_address: SocketAddr,
    /// Does not stop when it is told to.
    #[arg(long)]
    stubborn: bool,
    /// Is ready only while this file exists.
    #[arg(long)]
    ready_while: Option<PathBuf>,
    /// Holds a connection to this address for as long as it lives.
    #[arg(long)]
    witness: Option<SocketAddr>,
    /// Fails at once.
    #[arg(long)]
    broken: bool,
}

fn main() -> ExitCode {
    let config: Config = process::parse();
    let limit = if config.stubborn { Duration::MAX } else { process::DRAIN_LIMIT };
    process::run(&config.process.clone(), limit, |shutdown| run(config, shutdown))
}

async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    eprintln!("{} runs with capacity {}", config.pod, config.capacity);
    anyhow::ensure!(!config.broken, process::ConfigError::new("broken"));
    let _held = match config.witness {
        Some(address) => Some(TcpStream::connect(address).await?),
        None => None,
    };
    let readiness = Readiness::new();
    let watch = async {
        loop {
            readiness.set(config.ready_while.as_ref().is_none_or(|file| file.exists()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        result = admin::serve(config.admin_address, readiness.clone(), Registry::default(), shutdown) => result?,
        () = watch => {}
    }
    if config.stubborn {
        std::future::pending::<()>().await;
    }
    Ok(())
}
