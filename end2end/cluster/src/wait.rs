//! Waiting for something to be so, never for time to pass.

use std::future::Future;
use std::time::{Duration, Instant};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Waits until `look` finds something; fails with `what` when that takes longer than `patience`.
///
/// # Panics
/// When it takes longer.
pub async fn until<T, F>(what: &str, patience: Duration, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begin.elapsed() < patience, "not within {:.0} s: {what}", patience.as_secs_f64());
        tokio::time::sleep(LOOK).await;
    }
}
