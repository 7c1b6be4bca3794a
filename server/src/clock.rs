//! The server's clock, so that tests can give the time.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use model::Millis;

/// Tells the time. Clones tell the same.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Millis + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Millis::try_from(since_epoch.as_millis()).unwrap_or(Millis::MAX)
        })
    }

    /// Another one.
    pub fn new(tell: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> Millis {
        (self.0)()
    }
}
