//! Being asked to stop: by SIGTERM, by SIGINT, or because the parent's pipe was closed.

use std::io::Read;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::ProcessArgs;

/// Says that the process was asked to stop. Clones share it; anybody may ask.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// One that nothing but [`Shutdown::request`] triggers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that signals trigger, and with `--exit-with-parent` the end of stdin. Needs a runtime's context.
    ///
    /// The second SIGINT, or the second SIGTERM, ends the process at once. One of each does not: when Ctrl-C reaches
    /// a parent and its children together, the parent's SIGTERM must not cut short what the children finish.
    ///
    /// # Errors
    /// When the system refuses a signal handler.
    pub fn listen(args: &ProcessArgs) -> std::io::Result<Self> {
        let shutdown = Self::new();
        for (kind, name) in [(SignalKind::interrupt(), "SIGINT"), (SignalKind::terminate(), "SIGTERM")] {
            let code = 128 + kind.as_raw_value();
            tokio::spawn(shutdown.clone().follow_signal(signal(kind)?, name, code));
        }
        if args.exit_with_parent {
            let shutdown = shutdown.clone();
            std::thread::Builder::new().name("parent".into()).spawn(move || shutdown.follow_parent())?;
        }
        Ok(shutdown)
    }

    /// Asks the process to stop.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether a stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits for the request.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// The token behind it, for code that does not know this crate.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.0.clone()
    }

    async fn follow_signal(self, mut signal: Signal, name: &'static str, code: i32) {
        if signal.recv().await.is_some() {
            // First of all: nothing, not even a full pipe to whoever reads the log, may hold the stop up.
            self.request();
            info!("{name}: stopping");
        }
        if signal.recv().await.is_some() {
            std::process::exit(code);
        }
    }

    /// Reads stdin to its end. Blocks, hence a thread: it ends with the process.
    fn follow_parent(&self) {
        let mut ignored = [0; 64];
        let mut stdin = std::io::stdin().lock();
        loop {
            match stdin.read(&mut ignored) {
                Ok(1..) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        self.request();
        info!("the parent is gone: stopping");
    }
}
