//! A pod of the application that is scaled: `streams --help` says what can be set.

use std::process::ExitCode;

use streams::Config;

fn main() -> ExitCode {
    let config: Config = process::parse();
    let args = config.process.clone();
    process::run_thread(&args, process::DRAIN_LIMIT, move |shutdown, runtime| {
        streams::run(&config, &shutdown, &runtime)
    })
}
