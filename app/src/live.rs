//! The page's one stream from the server, and what happens when it falls silent.
//!
//! `EventSource` reconnects by itself when a connection breaks. What it cannot see, a connection that is open and
//! silent, or one that the server refused, is seen here by the age of the newest frame.

mod clock;
mod phone;
mod show;
mod stream;

pub(crate) use phone::phone;
pub(crate) use show::show;
