//! A process that waits until it is asked to stop: for the tests of how processes end.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use process::{ProcessArgs, Readiness, admin};
use prometheus_client::registry::Registry;

#[derive(Debug, Parser)]
struct Config {
    #[command(flatten)]
    process: ProcessArgs,
    #[arg(long)]
    admin_address: SocketAddr,
    /// Works on a thread of its own.
    #[arg(long)]
    thread: bool,
    /// Panics in that thread.
    #[arg(long)]
    panic: bool,
    /// Does not stop when it is asked to; the limit in milliseconds.
    #[arg(long)]
    stuck: Option<u64>,
}

fn main() -> ExitCode {
    let config: Config = process::parse();
    let Config { process, admin_address: address, panic, stuck, .. } = config;
    let limit = stuck.map_or(process::DRAIN_LIMIT, Duration::from_millis);
    let serve = move |shutdown| admin::serve(address, Readiness::new(), Registry::default(), shutdown);
    if config.thread {
        process::run_thread(&process, limit, move |shutdown, handle| {
            assert!(!panic, "as asked");
            handle.block_on(serve(shutdown))
        })
    } else {
        process::run(&process, limit, async move |shutdown| {
            serve(shutdown).await?;
            if stuck.is_some() {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }
}
