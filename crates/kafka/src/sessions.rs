//! The topic `SESSIONS` from its end on: what the application writes comes back to those who wait for it.
//!
//! Thousands of records a second may pass; a filter looks at each and decides which are copied at all. A reader that
//! does not keep up slows the tail down, never the application.

use std::time::Duration;

use model::Millis;
use rdkafka::message::{BorrowedMessage, Header, Message, OwnedHeaders};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::client::Brokers;
use crate::tail::{Event, Follower, From, Tail, header};

const POD: &str = "pod";
const JOINED_AT: &str = "joined-at";
const RQ_OFFSET: &str = "rq-offset";
/// How long the broker may hold a request back while there is no record.
const PATIENCE: Duration = Duration::from_millis(250);
/// Records that may wait for the reader.
const QUEUE: usize = 1_024;

/// One record of `SESSIONS`. Key and value are as they were written; what a header does not say is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its partition, which is also the one of the frames in it.
    pub partition: u32,
    /// Its offset.
    pub offset: i64,
    /// The key's bytes.
    pub key: Vec<u8>,
    /// The value's bytes.
    pub value: Vec<u8>,
    /// The pod that wrote it.
    pub pod: Option<String>,
    /// When the newest frame in it was joined, by the pod's clock.
    pub joined_at_ms: Option<Millis>,
    /// The highest request offset of this machine that is folded in.
    pub rq_offset: Option<i64>,
    /// When it was written.
    pub timestamp_ms: Option<Millis>,
}

/// What to tail.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Kafka is.
    pub brokers: Brokers,
    /// How the tail calls itself.
    pub client_id: String,
    /// The topic.
    pub topic: String,
}

impl Config {
    /// All of `SESSIONS`.
    #[must_use]
    pub fn new(brokers: &Brokers, client_id: &str) -> Self {
        Self {
            brokers: brokers.clone(),
            client_id: client_id.to_owned(),
            topic: workload::topics::SESSIONS.to_owned(),
        }
    }
}

/// The headers of a session, as the application writes them; numbers are decimal text.
#[must_use]
pub fn headers(pod: &str, joined_at_ms: Millis, rq_offset: i64) -> OwnedHeaders {
    OwnedHeaders::new_with_capacity(3)
        .insert(Header { key: POD, value: Some(pod) })
        .insert(Header { key: JOINED_AT, value: Some(&joined_at_ms.to_string()) })
        .insert(Header { key: RQ_OFFSET, value: Some(&rq_offset.to_string()) })
}

/// A record that passes, before it is copied.
#[derive(Clone, Copy)]
pub struct Passing<'a, 'b>(&'a BorrowedMessage<'b>);

impl Passing<'_, '_> {
    /// The key's bytes.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.0.key().unwrap_or_default()
    }

    /// The pod that wrote it.
    #[must_use]
    pub fn pod(&self) -> Option<&str> {
        header(self.0, POD)
    }

    /// When the newest frame in it was joined, by the pod's clock.
    #[must_use]
    pub fn joined_at_ms(&self) -> Option<Millis> {
        header(self.0, JOINED_AT).and_then(|text| text.parse().ok())
    }
}

/// Tails the topic on a thread of its own until `cancel` fires or the receiver is dropped. Only records that `keep`
/// wants are copied and sent; it sees all that have a key.
pub fn tail(
    config: &Config,
    keep: impl FnMut(&Passing<'_, '_>) -> bool + Send + 'static,
    cancel: CancellationToken,
) -> Result<mpsc::Receiver<SessionRecord>, Error> {
    let follower = Tail {
        brokers: &config.brokers,
        client_id: &config.client_id,
        topic: &config.topic,
        from: From::End,
        patience: PATIENCE,
    }
    .follower()?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    std::thread::Builder::new()
        .name("kafka-sessions".to_owned())
        .spawn(move || run(follower, &sender, keep, &cancel))
        .map_err(|source| Error::SpawnThread { name: "kafka-sessions", source })?;
    Ok(receiver)
}

fn run(
    mut follower: Follower,
    sender: &mpsc::Sender<SessionRecord>,
    mut keep: impl FnMut(&Passing<'_, '_>) -> bool,
    cancel: &CancellationToken,
) {
    let mut hear = |event: Event<'_>| match event {
        // Whether anybody still reads is looked at before the next one.
        Event::Record(record) if record.key().is_some() && keep(&Passing(record)) => {
            drop(sender.blocking_send(copy(record)))
        }
        Event::Record(_) | Event::CaughtUp => {}
    };
    while !cancel.is_cancelled() && !sender.is_closed() {
        follower.step(&mut hear);
    }
}

fn copy(record: &BorrowedMessage<'_>) -> SessionRecord {
    SessionRecord {
        partition: u32::try_from(record.partition()).unwrap_or(0),
        offset: record.offset(),
        key: record.key().unwrap_or_default().to_vec(),
        value: record.payload().unwrap_or_default().to_vec(),
        pod: header(record, POD).map(str::to_owned),
        joined_at_ms: Passing(record).joined_at_ms(),
        rq_offset: header(record, RQ_OFFSET).and_then(|text| text.parse().ok()),
        timestamp_ms: record.timestamp().to_millis().and_then(|millis| u64::try_from(millis).ok()),
    }
}
