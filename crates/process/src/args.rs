//! The options that all our binaries share, and the logs that they configure.

use std::io::IsTerminal;

use clap::{Args, Parser, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::exit::{self, ConfigError};

/// The library that asks API servers logs each request that fails, many a second; whoever asks says it once.
const LOG: &str = "info,kube_client=off";

/// Options of every binary; flatten them into the binary's own with `#[command(flatten)]`.
#[derive(Debug, Clone, Args)]
pub struct ProcessArgs {
    /// What to log, for example `info` or `warn,streams=debug`
    #[arg(long, env = "RUST_LOG", default_value = LOG, value_name = "FILTER", global = true)]
    pub log: String,
    /// How to write the log, which goes to stderr
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t, value_name = "FORMAT", global = true)]
    pub log_format: LogFormat,
    /// Stop when stdin ends: a parent that holds the other end of the pipe never leaves this process behind
    #[arg(long, global = true)]
    pub exit_with_parent: bool,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Parses the command line. Help and version end the process with 0, a mistake with 64 and clap's explanation.
#[must_use]
pub fn parse<C: Parser>() -> C {
    C::try_parse().unwrap_or_else(|error| {
        // Nothing to do when even the terminal is gone.
        let _ = error.print();
        std::process::exit(if error.use_stderr() { exit::CONFIG.into() } else { 0 })
    })
}

/// Starts the log. Binaries that use [`crate::run`] need not call it.
///
/// # Errors
/// When the filter cannot be parsed.
pub fn start(args: &ProcessArgs) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&args.log)
        .map_err(|error| ConfigError::new(format!("--log {:?} is not a log filter: {error}", args.log)))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A parent that died took the other end of stderr with it: complaining there would panic, in the middle of a stop.
    let log = log.log_internal_errors(false);
    let started = match args.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| ConfigError::new(format!("the log was started before: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Config {
        #[command(flatten)]
        process: ProcessArgs,
    }

    #[test]
    fn options_of_a_supervised_process_parse() {
        let config =
            Config::try_parse_from(["x", "--log", "debug", "--log-format", "json", "--exit-with-parent"])
                .unwrap();
        assert_eq!(config.process.log, "debug");
        assert_eq!(config.process.log_format, LogFormat::Json);
        assert!(config.process.exit_with_parent);
    }

    #[test]
    fn a_filter_that_is_none_is_a_configuration_error() {
        let args = ProcessArgs { log: "a=b=c".into(), log_format: LogFormat::Text, exit_with_parent: false };
        assert!(start(&args).unwrap_err().to_string().contains("a=b=c"));
    }
}
