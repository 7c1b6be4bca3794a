//! The topic of dead letters: records that the application left out, as they came, with where they come from and why.

use rdkafka::message::{Header, OwnedHeaders};

/// Where a dead letter comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The topic.
    pub topic: &'a str,
    /// Its partition, which is also the dead letter's.
    pub partition: u32,
    /// The offset there.
    pub offset: i64,
}

/// The headers of a dead letter: its origin, the reason as a word and as a sentence, and the pod that left it out. Numbers are decimal text.
#[must_use]
pub fn headers(origin: &Origin<'_>, reason: &str, error: &str, pod: &str) -> OwnedHeaders {
    let text = |key, value| Header { key, value: Some(value) };
    OwnedHeaders::new_with_capacity(6)
        .insert(text("topic", origin.topic))
        .insert(text("partition", &origin.partition.to_string()))
        .insert(text("offset", &origin.offset.to_string()))
        .insert(text("reason", reason))
        .insert(text("error", error))
        .insert(text("pod", pod))
}
