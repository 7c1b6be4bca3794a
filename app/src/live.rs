//! The page's one stream from the server, and what happens when it falls silent.
//!
//! `EventSource` reconnects by itself when a connection breaks. What it cannot see, a connection that is open and silent,
//! or one that the server refused, is seen here by the age of the newest frame.

mod clock;
mod phone;
mod show;
mod stream;

pub(crate) use phone::phone;
use serde::de::DeserializeOwned;
pub(crate) use show::show;

/// Reads a frame; one that cannot be read counts as none, and so shows as silence.
fn read<T: DeserializeOwned>(data: &str) -> Option<T> {
    serde_json::from_str(data).ok()
}
