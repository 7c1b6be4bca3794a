//! Milliseconds since the epoch with a fraction: the clock that this program shares with the server, the pods and the
//! browser, which all run on this machine.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now.
pub(crate) fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1_000.0
}

/// A server's time as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch fit into 53 bits")]
pub(crate) const fn from_millis(millis: model::Millis) -> f64 {
    millis as f64
}
