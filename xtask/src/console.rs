//! What is said to the person in front of the terminal: each step with the time since the start.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

static START: OnceLock<Instant> = OnceLock::new();

/// A long step that shows nothing of its own says that it is still at work this often.
const STILL: Duration = Duration::from_secs(5);
/// One that shows lines of its own says so less often.
const STILL_BESIDE_OTHERS: Duration = Duration::from_secs(15);

/// Starts the clock that every step shows.
pub(crate) fn started() {
    START.get_or_init(Instant::now);
}

/// Says a step, with the time since the start.
pub(crate) fn step(text: impl Display) {
    let elapsed = START.get_or_init(Instant::now).elapsed().as_secs_f64();
    plain(format_args!("[{elapsed:6.1} s] {text}"));
}

/// Says a line as it is. A terminal that went away is no reason to fail.
pub(crate) fn plain(text: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Says why the command failed.
pub(crate) fn problem(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr().lock(), "\n{error:#}");
}

/// Says every five seconds that a step is still at work, until it is dropped.
pub(crate) struct Waiting {
    done: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Waiting {
    /// Says the step now, and that it goes on for as long as the value lives.
    pub(crate) fn on(text: impl Into<String>) -> Self {
        let text = text.into();
        step(&text);
        Self::every(STILL, move || text.clone())
    }

    /// The same beside a tool's own progress, and how far it is; nothing more is said where that tool draws a bar.
    pub(crate) fn beside_progress(
        text: impl Into<String>,
        how_far: impl Fn() -> String + Send + 'static,
    ) -> Self {
        let text = text.into();
        step(&text);
        if std::io::stderr().is_terminal() {
            return Self { done: None, thread: None };
        }
        Self::every(STILL_BESIDE_OTHERS, how_far)
    }

    fn every(interval: Duration, text: impl Fn() -> String + Send + 'static) -> Self {
        let (done, ended) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let begin = Instant::now();
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                step(format_args!("  still at it after {:.0} s: {}", begin.elapsed().as_secs_f64(), text()));
            }
        });
        Self { done: Some(done), thread: Some(thread) }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
