//! Tasks that live and die together.

use tokio::task::JoinSet;

use crate::Shutdown;

/// Waits for all tasks. The first one that ends asks the others to stop; the first error is the process' own.
///
/// # Errors
/// The first error of a task, or its panic.
pub async fn all_end_together(
    mut tasks: JoinSet<anyhow::Result<()>>,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let mut first = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let result = ended.unwrap_or_else(|panic| Err(panic.into()));
        if first.is_ok() {
            first = result;
        }
        shutdown.request();
    }
    first
}
