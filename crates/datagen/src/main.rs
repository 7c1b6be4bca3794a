//! The load: `datagen --help` says what can be set.

use std::process::ExitCode;

use datagen::Config;

fn main() -> ExitCode {
    let config: Config = process::parse();
    let args = config.process.clone();
    process::run_thread(&args, process::DRAIN_LIMIT, move |shutdown, runtime| {
        datagen::run(&config, &shutdown, &runtime)
    })
}
