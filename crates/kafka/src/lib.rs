//! The adapter to Kafka: everything here speaks to a broker, through librdkafka, or to the schema registry beside it,
//! and to nothing else.
//!
//! Nothing above this crate sees a librdkafka sentinel (-1001), a raw pointer or a blocking call: what blocks runs on
//! a thread of its own or in `spawn_blocking`, and an unknown is `None`. The names of topics and of the group are
//! parameters of the lower layers; the defaults are those of `model`.

pub mod client;
mod commands;
pub mod control;
pub mod dead_letters;
mod error;
pub mod groups;
pub mod history;
mod layout;
pub mod refusal;
pub mod sampler;
pub mod sessions;
mod tail;
pub mod taps;
pub mod topics;
mod version;

pub use client::Brokers;
pub use commands::{Controls, SKIP};
pub use error::Error;
pub use rdkafka;

/// Milliseconds since the epoch, by this machine's clock.
fn now_ms() -> model::Millis {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    model::Millis::try_from(since_epoch.as_millis()).unwrap_or(model::Millis::MAX)
}

/// Runs a call that blocks where blocking hurts nobody.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(call).await.map_err(Error::Join)?
}
