//! How a process ends: exit codes as in `sysexits.h`, and one line that says why.

use std::io::Write;
use std::process::ExitCode;

/// The configuration is wrong; starting again will not help (`EX_USAGE`).
pub const CONFIG: u8 = 64;
/// Something outside that is needed cannot be had; starting again may help (`EX_UNAVAILABLE`).
pub const UNAVAILABLE: u8 = 69;
/// Anything else: most likely a defect of ours (`EX_SOFTWARE`).
pub const INTERNAL: u8 = 70;

/// The configuration is wrong: says what, and what would be right. Exit code 64.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// An error with one sentence for the person who configures.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

/// Something outside is needed and cannot be had: a broker, a port, a file. Exit code 69.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(String);

impl Unavailable {
    /// An error with one sentence that names the thing and the remedy.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

/// The exit code for an error: that of a [`ConfigError`] or [`Unavailable`] anywhere in its chain, otherwise
/// [`INTERNAL`].
#[must_use]
pub fn code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<ConfigError>().is_some() {
        CONFIG
    } else if error.downcast_ref::<Unavailable>().is_some() {
        UNAVAILABLE
    } else {
        INTERNAL
    }
}

/// The end of `main`: one line on stderr if it failed, and the exit code.
pub fn report(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `eprintln!` would panic when nobody holds the other end any more, and the exit code would be lost.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(code(&error))
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_exit_code_is_found_under_and_above_other_context() {
        let config: anyhow::Error = ConfigError::new("no such port").into();
        assert_eq!(code(&config.context("reading the configuration")), CONFIG);
        let broken: Result<(), _> = Err(std::io::Error::other("refused"));
        let unavailable = broken.context(Unavailable::new("no broker")).context("starting").unwrap_err();
        assert_eq!(code(&unavailable), UNAVAILABLE);
        assert_eq!(format!("{unavailable:#}"), "starting: no broker: refused");
        assert_eq!(code(&anyhow::anyhow!("surprise")), INTERNAL);
    }
}
