//! The request to stop: set by Ctrl-C, SIGTERM, SIGHUP or the end of the parent's pipe, read by everything that waits.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static STOP: AtomicBool = AtomicBool::new(false);

/// The error of a step that was left because the person asked to stop.
#[derive(Debug)]
pub(crate) struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stopped {}

/// Listens for signals from now on; `wake` runs after each, on the listening thread.
pub(crate) fn on_signals(wake: impl Fn() + Send + 'static) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            STOP.store(true, Ordering::SeqCst);
            wake();
        }
    });
    Ok(())
}

/// Takes the end of standard input for a request to stop: a parent holds the other end.
pub(crate) fn on_end_of_stdin(wake: impl Fn() + Send + 'static) {
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        let mut stdin = std::io::stdin().lock();
        while matches!(stdin.read(&mut buffer), Ok(1..)) {}
        STOP.store(true, Ordering::SeqCst);
        wake();
    });
}

/// Whether to stop.
pub(crate) fn wanted() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// Asks every step to stop, as a signal would.
pub(crate) fn ask() {
    STOP.store(true, Ordering::SeqCst);
}

/// Leaves the step with [`Stopped`] when it is time to stop.
pub(crate) fn check() -> Result<()> {
    if wanted() { Err(Stopped.into()) } else { Ok(()) }
}
