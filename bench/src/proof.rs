//! The proof of `crates/proof`, with as many seeds as asked for.

use std::path::PathBuf;
use std::time::Instant;

use ::proof::Setup;
use anyhow::{Result, ensure};
use kafka::Brokers;

use crate::figure::Figure;

/// Which seeds, on which broker. `cargo xtask bench proof` starts one and says where it is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many schedules
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    schedules: u64,
    /// The first seed; the others follow it
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    from: u64,
    /// The broker
    #[arg(long, env = "KING_TEST_KAFKA", value_name = "HOST:PORT")]
    kafka: Brokers,
    /// The file with the id of the broker's process, which somebody starts again when it dies; without it, it is not killed
    #[arg(long, env = "KING_TEST_KAFKA_PID_FILE", value_name = "FILE")]
    kafka_pid_file: Option<PathBuf>,
    /// The program of the pods
    #[arg(long, env = "KING_STREAMS", value_name = "FILE")]
    streams: PathBuf,
    /// Where the logs of the pods of failed seeds stay [default: a new directory for temporary files]
    #[arg(long, value_name = "DIRECTORY")]
    logs: Option<PathBuf>,
}

/// Runs the schedules; an error names the seeds that failed.
pub(crate) async fn run(options: &Options) -> Result<Vec<Figure>> {
    let logs = match &options.logs {
        Some(logs) => logs.clone(),
        None => tempfile::Builder::new().prefix("king-proof-").tempdir()?.keep(),
    };
    let setup = Setup {
        brokers: options.kafka.clone(),
        broker_pid_file: options.kafka_pid_file.clone(),
        program: options.streams.clone(),
        logs,
    };
    println!(
        "A seed decides a load of 9,000 to 28,000 records, and what is done to pods and broker while it runs. In the end the final \
         sessions are compared byte by byte with a fold of the same two logs that shares no code with the application's."
    );
    let begin = Instant::now();
    let (mut passed, mut failed) = (0_u64, Vec::new());
    let seeds = options.from..options.from.saturating_add(options.schedules);
    ::proof::prove_all(&setup, seeds, |report| {
        if report.passed() {
            passed += 1;
        } else {
            failed.push(report.seed);
        }
        let (done, minutes) = (passed + failed.len() as u64, begin.elapsed().as_secs() / 60);
        println!(
            "{report}\n  {done} of {} done in {minutes} min, {} failed",
            options.schedules,
            failed.len()
        );
    })
    .await;
    failed.sort_unstable();
    ensure!(
        failed.is_empty(),
        "{passed} schedules passed, {} failed: seeds {failed:?}. One of them again: cargo xtask bench proof --schedules 1 --from SEED",
        failed.len()
    );
    Ok(vec![Figure::new("schedules that gave exactly the reference's sessions", passed as f64, "of all")])
}
