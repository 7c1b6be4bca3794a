//! Waiting for a registry that is away.

use std::future::Future;
use std::time::Duration;

use tracing::{info, warn};

use super::Error;

/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Asks again, a little later each time, as long as the error is a retryable one. One line in the log says that the
/// registry is away, one that it is back. It ends when it is dropped.
///
/// # Errors
/// The first that is not retryable.
pub async fn patiently<T, Attempt>(mut ask: impl FnMut() -> Attempt) -> Result<T, Error>
where
    Attempt: Future<Output = Result<T, Error>>,
{
    let mut pause = FIRST_PAUSE;
    let mut away = false;
    loop {
        match ask().await {
            Err(error) if error.is_retryable() => {
                if !away {
                    warn!(%error, "trying again until the schema registry answers");
                    away = true;
                }
            }
            answer => {
                if away {
                    info!("the schema registry answers again");
                }
                return answer;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
