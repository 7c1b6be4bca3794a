//! What the show means: lag, scaling, the picture that people see and how it travels.
//!
//! Nothing here reads a clock, a file or a socket, and nothing needs tokio: time comes in as milliseconds since the
//! epoch, so that the same code runs in the server, in the browser and in a test with an invented time.

pub mod bucket;
pub mod clocks;
pub mod command;
pub mod controls;
pub mod dead_letters;
pub mod figures;
pub mod fold;
pub mod history;
pub mod hpa;
pub mod lag;
pub mod load;
pub mod play;
pub mod policy;
pub mod rates;
pub mod scaling;
pub mod snapshot;
#[cfg(test)]
mod testing;
pub mod text;
pub mod topics;
pub mod wire;

/// Milliseconds since the epoch, by the server's clock unless a field says otherwise.
pub type Millis = u64;

/// The most partitions that the load of the demo is shared over.
pub const PARTITIONS: u32 = 12;
/// The Deployment whose pods are scaled, where nobody names another.
pub const DEPLOYMENT: &str = "kstreams";
