//! The proof of `crates/proof`, with as many seeds as asked for.

use std::path::PathBuf;
use std::time::Instant;

use ::proof::{Setup, Summary, Surroundings};
use anyhow::{Result, ensure};
use kafka::Brokers;

use crate::figure::Figure;

/// No partition should stand still without a word for longer.
const SILENCE_GOAL_S: f64 = 5.0;

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
    /// The file with the id of the broker's process, which somebody starts again when it dies; without it, it is not
    /// killed
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
        surroundings: Surroundings::from_env()?,
        program: options.streams.clone(),
        logs,
    };
    println!(
        "A seed decides a load of 9,000 to 28,000 records, and what is done to pods and Kafka while it runs. In the end the final \
         sessions are compared byte by byte with a fold of the same logs that shares no code with the application's."
    );
    let begin = Instant::now();
    let (mut summary, mut done) = (Summary::default(), 0_u64);
    let seeds = options.from..options.from.saturating_add(options.schedules);
    ::proof::prove_all(&setup, seeds, |report| {
        summary.add(&report);
        done += 1;
        let minutes = begin.elapsed().as_secs() / 60;
        let failed = summary.failed().len();
        println!("{report}\n  {done} of {} done in {minutes} min, {failed} failed", options.schedules);
    })
    .await;
    println!("{summary}");
    let (failed, total) = (summary.failed(), summary.total());
    ensure!(
        failed.is_empty(),
        "{} schedules passed, {} failed: seeds {failed:?}. One of them again: cargo xtask bench proof --schedules 1 --from SEED",
        total.passed,
        failed.len()
    );
    ensure!(total.sessions > 0, "nothing was compared");
    let mut figures = vec![
        Figure::new("schedules that gave exactly the reference's sessions", total.passed as f64, "of all"),
        Figure::new("schedules without a verdict", total.without_verdict as f64, "of all"),
        Figure::new("schedules left out", total.left_out as f64, "of all"),
        Figure::new("final sessions compared", total.sessions as f64, ""),
    ];
    if let Some(silence) = summary.silence() {
        let name = "longest time that a partition with records and a living owner stood still without a word";
        figures.push(Figure::new(name, silence.lasted.as_secs_f64(), "s").goal(SILENCE_GOAL_S));
    }
    Ok(figures)
}
