//! Record lag for autoscalers: `lag-api --help` says what can be set.

use std::process::ExitCode;

use lag_api::config::Config;
use lag_api::run;

fn main() -> ExitCode {
    let config: Config = process::parse();
    let args = config.process.clone();
    process::run(&args, run::DRAIN_LIMIT, |shutdown| run::run(config, shutdown))
}
