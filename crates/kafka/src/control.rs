//! `KING-CONTROL`: the load settings and the policy in force, as the newest record of each key in a compacted topic.
//!
//! Whoever follows it keeps the last value when Kafka is away; a value that does not decode is skipped and logged.

use std::time::Duration;

use model::load::LoadSettings;
use model::policy::{MAX_REPLICAS, Policy};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::client::{self, Brokers, Lasting, Tracing};
use crate::tail::{Event, Follower, From, Tail};
use crate::topics::CONTROL;

const LOAD: &str = "load";
const POLICY: &str = "policy";
/// How long the broker may hold a request back while there is no record.
const PATIENCE: Duration = Duration::from_millis(500);
const WRITE_TIMEOUT: &str = "5000";

/// What the control topic says now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Control {
    /// Whether the topic was read to its end once: before that, a `None` below means "not known yet".
    pub caught_up: bool,
    /// The load settings in force; `None` if nobody ever set any: the defaults of `model` count.
    pub load: Option<LoadSettings>,
    /// The autoscaler's policy to start with; `None` if nobody ever kept one.
    pub policy: Option<Policy>,
}

/// Follows the control topic from its beginning, on a thread of its own, until `cancel` fires.
///
/// The receiver's `changed()` fails when that thread has ended. The topic must exist already.
pub fn follow(
    brokers: &Brokers,
    client_id: &str,
    cancel: CancellationToken,
) -> Result<watch::Receiver<Control>, Error> {
    follow_topic(brokers, client_id, CONTROL, cancel)
}

/// Like [`follow`], on a topic of another name.
pub fn follow_topic(
    brokers: &Brokers,
    client_id: &str,
    topic: &str,
    cancel: CancellationToken,
) -> Result<watch::Receiver<Control>, Error> {
    let follower =
        Tail { brokers, client_id, topic, from: From::Beginning, patience: PATIENCE }.follower()?;
    let (sender, receiver) = watch::channel(Control::default());
    std::thread::Builder::new()
        .name("kafka-control".to_owned())
        .spawn(move || run(follower, &sender, &cancel))
        .map_err(|source| Error::SpawnThread { name: "kafka-control", source })?;
    Ok(receiver)
}

fn run(mut follower: Follower, sender: &watch::Sender<Control>, cancel: &CancellationToken) {
    while !cancel.is_cancelled() && !sender.is_closed() {
        follower.step(&mut |event| {
            sender.send_if_modified(|control| match event {
                Event::Record(record) => control.fold(record.key().unwrap_or_default(), record.payload()),
                Event::CaughtUp => !std::mem::replace(&mut control.caught_up, true),
            });
        });
    }
}

impl Control {
    /// Takes one record in; whether anything changed.
    fn fold(&mut self, key: &[u8], value: Option<&[u8]>) -> bool {
        match key {
            key if key == LOAD.as_bytes() => replace(&mut self.load, LOAD, value, LoadSettings::problem),
            key if key == POLICY.as_bytes() => {
                replace(&mut self.policy, POLICY, value, |policy: &Policy| policy.problem(MAX_REPLICAS))
            }
            _ => false,
        }
    }
}

/// No value (a tombstone) means: back to the defaults.
fn replace<T: PartialEq + serde::de::DeserializeOwned>(
    slot: &mut Option<T>,
    key: &str,
    value: Option<&[u8]>,
    problem: impl Fn(&T) -> Option<String>,
) -> bool {
    let new: Option<T> = match value.map(serde_json::from_slice).transpose() {
        Ok(new) => new,
        Err(error) => {
            tracing::warn!(key, %error, "skipping a control record that does not decode");
            return false;
        }
    };
    // Whoever may write here is bound by the same rules as whoever presents.
    if let Some(problem) = new.as_ref().and_then(problem) {
        tracing::warn!(key, problem, "skipping a control record that cannot be carried out");
        return false;
    }
    let changed = *slot != new;
    *slot = new;
    changed
}

/// Writes the control topic.
#[derive(Clone)]
pub struct ControlWriter {
    producer: Lasting<FutureProducer<Tracing>>,
    topic: String,
}

impl ControlWriter {
    /// A writer of `KING-CONTROL`.
    pub fn new(brokers: &Brokers, client_id: &str) -> Result<Self, Error> {
        Self::with_topic(brokers, client_id, CONTROL)
    }

    /// A writer of a topic with another name.
    pub fn with_topic(brokers: &Brokers, client_id: &str, topic: &str) -> Result<Self, Error> {
        let mut config = client::producer(brokers, client_id);
        config
            .set("delivery.report.only.error", "false")
            .set("linger.ms", "0")
            .set("message.timeout.ms", WRITE_TIMEOUT);
        Ok(Self { producer: Lasting::new(config)?, topic: topic.to_owned() })
    }

    /// Puts other load settings in force; returns when Kafka has them.
    pub async fn set_load(&self, load: &LoadSettings) -> Result<(), Error> {
        self.write(LOAD, load).await
    }

    /// Keeps a policy for the next start; returns when Kafka has it.
    pub async fn set_policy(&self, policy: &Policy) -> Result<(), Error> {
        self.write(POLICY, policy).await
    }

    async fn write<T: Serialize>(&self, key: &str, value: &T) -> Result<(), Error> {
        let value = serde_json::to_vec(value).map_err(|source| Error::Encode { topic: CONTROL, source })?;
        let record = FutureRecord::to(&self.topic).partition(0).key(key).payload(&value);
        let producer = self.producer.get()?;
        producer
            .send(record, Timeout::After(Duration::ZERO))
            .await
            .map(drop)
            .map_err(|(source, _)| Error::Produce { topic: self.topic.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_record_of_a_key_counts() {
        let mut control = Control::default();
        assert!(control.fold(b"load", Some(br#"{"base":100}"#)));
        assert!(control.fold(b"load", Some(br#"{"base":200}"#)));
        assert_eq!(control.load.as_ref().map(|load| load.base), Some(200));
        assert!(!control.fold(b"load", Some(br#"{"base":200}"#)), "nothing changed");
        assert!(control.fold(b"load", None));
        assert_eq!(control.load, None);
    }

    #[test]
    fn a_record_that_does_not_decode_changes_nothing() {
        let mut control = Control::default();
        assert!(control.fold(b"load", Some(br#"{"base":100}"#)));
        assert!(!control.fold(b"load", Some(b"?")));
        assert!(!control.fold(b"other", Some(b"?")));
        assert!(!control.fold(b"load", Some(br#"{"base":2000000}"#)), "more than anybody may ask for");
        let policy = serde_json::to_vec(&Policy { min: 16, max: 1, ..Policy::on_lag_of(["rq"]) }).unwrap();
        assert!(!control.fold(b"policy", Some(&policy)));
        assert_eq!(control.policy, None);
        assert_eq!(control.load.map(|load| load.base), Some(100));
    }
}
