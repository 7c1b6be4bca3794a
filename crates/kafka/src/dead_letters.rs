//! The topic of dead letters: records that the application left out, as they came, with where they come from and why.
//! Who follows it looks at the headers only: how many there are, why, and the newest of them. Of those that somebody
//! waits for, he hears one by one.

use std::time::{Duration, Instant};

use model::dead_letters::{DeadLetter, DeadLetters};
use rdkafka::message::{BorrowedMessage, Header, Message, OwnedHeaders};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::client::Brokers;
use crate::tail::{Event, Follower, From, Tail, header};

const TOPIC: &str = "topic";
const PARTITION: &str = "partition";
const OFFSET: &str = "offset";
const REASON: &str = "reason";
const ERROR: &str = "error";
const POD: &str = "pod";
/// How long the broker may hold a request back while there is no record.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the readers hear of something new, at most: thousands may come in a second.
const TELL: Duration = Duration::from_millis(250);

/// Awaited ones that may wait to be taken.
const QUEUE: usize = 1_024;

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

/// The headers of a dead letter: its origin, the reason as a word and as a sentence, and the pod that left it out.
/// Numbers are decimal text.
#[must_use]
pub fn headers(origin: &Origin<'_>, reason: &str, error: &str, pod: &str) -> OwnedHeaders {
    let text = |key, value| Header { key, value: Some(value) };
    OwnedHeaders::new_with_capacity(6)
        .insert(text(TOPIC, origin.topic))
        .insert(text(PARTITION, &origin.partition.to_string()))
        .insert(text(OFFSET, &origin.offset.to_string()))
        .insert(text(REASON, reason))
        .insert(text(ERROR, error))
        .insert(text(POD, pod))
}

/// What to follow.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Kafka is.
    pub brokers: Brokers,
    /// How the follower calls itself.
    pub client_id: String,
    /// The topic.
    pub topic: String,
}

impl Config {
    /// The dead letters of the show's application.
    #[must_use]
    pub fn new(brokers: &Brokers, client_id: &str) -> Self {
        Self {
            brokers: brokers.clone(),
            client_id: client_id.to_owned(),
            topic: workload::topics::DEAD_LETTERS.to_owned(),
        }
    }
}

/// What is heard of the dead letters.
#[derive(Debug)]
pub struct Followed {
    /// What is known of all of them; `None` until all partitions were read to their ends once.
    pub tally: watch::Receiver<Option<DeadLetters>>,
    /// Each new one that somebody waits for. Who does not take them slows everything down that comes after them.
    pub awaited: mpsc::Receiver<Awaited>,
}

/// A dead letter that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// The key's bytes.
    pub key: Vec<u8>,
    /// What its headers say.
    pub letter: DeadLetter,
}

/// Follows the topic on a thread of its own until `cancel` fires or the tally's receiver is dropped. `is_awaited`
/// decides by the key's bytes which new ones are told one by one.
pub fn follow(
    config: &Config,
    is_awaited: impl FnMut(&[u8]) -> bool + Send + 'static,
    cancel: CancellationToken,
) -> Result<Followed, Error> {
    let follower = Tail {
        brokers: &config.brokers,
        client_id: &config.client_id,
        topic: &config.topic,
        from: From::Beginning,
        patience: PATIENCE,
    }
    .follower()?;
    let (sender, tally) = watch::channel(None);
    let (to_who_waits, awaited) = mpsc::channel(QUEUE);
    let reader = Reader {
        letters: DeadLetters::default(),
        is_known: false,
        is_untold: false,
        told: None,
        is_awaited,
        awaited: to_who_waits,
    };
    std::thread::Builder::new()
        .name("kafka-letters".to_owned())
        .spawn(move || reader.run(follower, &sender, &cancel))
        .map_err(|source| Error::SpawnThread { name: "kafka-letters", source })?;
    Ok(Followed { tally, awaited })
}

struct Reader<F> {
    letters: DeadLetters,
    /// Whether all partitions were read to their ends once.
    is_known: bool,
    /// Whether the readers have not heard of the newest ones.
    is_untold: bool,
    /// When they last heard.
    told: Option<Instant>,
    is_awaited: F,
    awaited: mpsc::Sender<Awaited>,
}

impl<F: FnMut(&[u8]) -> bool> Reader<F> {
    fn run(
        mut self,
        mut follower: Follower,
        sender: &watch::Sender<Option<DeadLetters>>,
        cancel: &CancellationToken,
    ) {
        while !cancel.is_cancelled() && !sender.is_closed() {
            follower.step(&mut |event| match event {
                Event::Record(record) => self.take(record),
                Event::CaughtUp if !self.is_known => (self.is_known, self.is_untold) = (true, true),
                Event::CaughtUp => {}
            });
            let is_time = self.told.is_none_or(|told| told.elapsed() >= TELL);
            if self.is_known && self.is_untold && is_time {
                sender.send_replace(Some(self.letters.clone()));
                (self.is_untold, self.told) = (false, Some(Instant::now()));
            }
        }
    }

    fn take(&mut self, record: &BorrowedMessage<'_>) {
        let letter = letter(record);
        // Nobody waits for those of the past.
        let is_new = self.is_known;
        if let Some(key) = record.key().filter(|key| is_new && (self.is_awaited)(key)) {
            let awaited = Awaited { key: key.to_vec(), letter: letter.clone() };
            if self.awaited.blocking_send(awaited).is_err() {
                tracing::debug!("nobody waits for dead letters any more");
            }
        }
        self.letters.add(letter);
        self.is_untold = true;
    }
}

fn letter(record: &BorrowedMessage<'_>) -> DeadLetter {
    let text = |name| header(record, name).map(str::to_owned);
    DeadLetter {
        topic: text(TOPIC),
        partition: header(record, PARTITION).and_then(|text| text.parse().ok()),
        offset: header(record, OFFSET).and_then(|text| text.parse().ok()),
        reason: text(REASON),
        error: text(ERROR),
        pod: text(POD),
        at_ms: record.timestamp().to_millis().and_then(|millis| u64::try_from(millis).ok()),
    }
    .shortened()
}
