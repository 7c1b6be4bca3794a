//! What every binary of ours does alike: options, logs, the time, being asked to stop, exit codes, health and
//! metrics.
//!
//! A binary's `main` is two steps: [`parse`] the configuration, then [`run`] (or [`run_thread`], where the work
//! is a loop of blocking calls). Whatever asks the process to stop, the work gets a [`Shutdown`] that says so and a
//! limited time to finish.

pub mod admin;
mod args;
mod clock;
pub mod crash;
pub mod exit;
mod readiness;
mod shutdown;
mod tasks;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

pub use args::{LogFormat, ProcessArgs, parse, start};
pub use clock::Clock;
pub use exit::{ConfigError, Unavailable};
pub use readiness::Readiness;
pub use shutdown::Shutdown;
pub use tasks::all_end_together;

/// How long a process may take to finish its work once it was asked to stop, unless it says otherwise.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// Runs an async `main` until it returns. Once a stop is requested it has `limit` left; then the process ends anyway.
pub fn run<F, Fut>(args: &ProcessArgs, limit: Duration, main: F) -> ExitCode
where
    F: FnOnce(Shutdown) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    run_on(Builder::new_multi_thread(), args, limit, main)
}

/// The same on a runtime of the caller's.
pub fn run_on<F, Fut>(runtime: Builder, args: &ProcessArgs, limit: Duration, main: F) -> ExitCode
where
    F: FnOnce(Shutdown) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    launch(args, runtime, |runtime, shutdown| {
        runtime.block_on(async { within(main(shutdown.clone()), &shutdown, limit).await })
    })
}

/// The same for a `main` that blocks: it gets a thread of its own, and a handle to a small runtime for
/// [`admin::serve`] and the like. It has to look at the [`Shutdown`] often enough.
pub fn run_thread<F>(args: &ProcessArgs, limit: Duration, main: F) -> ExitCode
where
    F: FnOnce(Shutdown, Handle) -> anyhow::Result<()> + Send + 'static,
{
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1);
    launch(args, builder, |runtime, shutdown| {
        let (work_shutdown, handle) = (shutdown.clone(), runtime.handle().clone());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        // The thread is not joined: past the limit nobody waits for it, and before it the channel tells its end.
        let work = move || drop(sender.send(main(work_shutdown, handle)));
        std::thread::Builder::new().name("main-work".into()).spawn(work)?;
        let result =
            async { receiver.await.unwrap_or_else(|_| Err(anyhow::anyhow!("the main thread panicked"))) };
        runtime.block_on(async { within(result, &shutdown, limit).await })
    })
}

/// Logs, runtime and signals around the work; the work's result as an exit code.
fn launch<F>(args: &ProcessArgs, mut builder: Builder, work: F) -> ExitCode
where
    F: FnOnce(&Runtime, Shutdown) -> anyhow::Result<()>,
{
    let result = start(args).map_err(anyhow::Error::from).and_then(|()| {
        let runtime = builder.enable_all().build()?;
        let shutdown = {
            let _context = runtime.enter();
            Shutdown::listen(args)?
        };
        let result = work(&runtime, shutdown);
        // Blocking calls that are still under way must not hold the exit up.
        runtime.shutdown_background();
        result
    });
    exit::report(result)
}

/// The work's result, or an error when it outlives a requested stop by more than `limit`.
async fn within<T>(
    work: impl Future<Output = anyhow::Result<T>>,
    shutdown: &Shutdown,
    limit: Duration,
) -> anyhow::Result<T> {
    let too_late = async {
        shutdown.requested().await;
        tokio::time::sleep(limit).await;
    };
    tokio::select! {
        biased;
        result = work => result,
        () = too_late => anyhow::bail!("work was still under way {limit:?} after the request to stop: ending without it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_ignores_a_stop_is_ended_after_the_limit() {
        let shutdown = Shutdown::new();
        shutdown.request();
        let result = within(std::future::pending::<anyhow::Result<()>>(), &shutdown, Duration::ZERO).await;
        assert!(result.is_err());
    }

    #[tokio::test]
    async fn work_that_drains_in_time_keeps_its_result() {
        let shutdown = Shutdown::new();
        let work = async {
            shutdown.requested().await;
            tokio::task::yield_now().await;
            anyhow::Ok(7)
        };
        shutdown.request();
        assert_eq!(within(work, &shutdown, DRAIN_LIMIT).await.unwrap(), 7);
    }
}
