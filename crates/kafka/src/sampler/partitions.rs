//! The partitions of the topics, asked for on a thread of their own: a slow answer never delays a sample.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::topics::Topic;
use rdkafka::consumer::BaseConsumer;
use tokio::sync::watch;

use super::Config;
use crate::client::{self, Answered, Renewing, Tracing};
use crate::layout::{self, Leaders};
use crate::{Error, now_ms};

/// A partition that is added is counted within this time.
const REFRESH: Duration = Duration::from_secs(1);
/// What is not known yet is asked for again after this time.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// What was known so long ago may be wrong by now: no total is made of it.
const MAX_AGE: Duration = Duration::from_secs(10);

/// What is known of the partitions of the topics.
#[derive(Debug, Clone, Default)]
pub(super) struct Partitions {
    /// By topic; `None` while the topic is not there, and none at all before the first answer.
    pub(super) leaders: Vec<Option<Leaders>>,
    /// When Kafka answered last.
    answered: Option<Instant>,
    /// Why it did not answer the last time.
    trouble: Option<Arc<Error>>,
}

impl Partitions {
    /// Whether nothing was heard yet, neither good nor bad.
    pub(super) const fn is_awaited(&self) -> bool {
        self.answered.is_none() && self.trouble.is_none()
    }

    /// Whether Kafka has answered since.
    pub(super) fn answered_since(&self, since: Instant) -> bool {
        self.answered.is_some_and(|answered| answered > since)
    }

    /// What is known, unless it is too old.
    pub(super) fn fresh(&self) -> Result<&[Option<Leaders>], Arc<Error>> {
        let is_fresh = self.answered.is_some_and(|answered| answered.elapsed() < MAX_AGE);
        match &self.trouble {
            Some(trouble) if !is_fresh => Err(Arc::clone(trouble)),
            _ => Ok(&self.leaders),
        }
    }
}

/// Asks again and again, and publishes every answer. Blocks until `ended` says so.
pub(super) fn follow(config: &Config, partitions: &watch::Sender<Partitions>, ended: impl Fn() -> bool) {
    let settings = client::base(&config.brokers, "sampler-partitions");
    let mut client = loop {
        match Renewing::new({
            let settings = settings.clone();
            move || client::create::<BaseConsumer<Tracing>>(&settings)
        }) {
            Ok(client) => break client,
            Err(error) => missed(partitions, error),
        }
        if ended() {
            return;
        }
        std::thread::sleep(REFRESH);
    };
    while !ended() {
        if let Err(error) = client.renew() {
            missed(partitions, error);
        }
        // Nobody else takes the log lines of this client out of its queue.
        client.get().poll(Duration::ZERO);
        let asked = Instant::now();
        match ask(config, client.get()) {
            Ok(leaders) => {
                client.note(asked, Answered::Whole);
                answered(config, partitions, leaders);
            }
            Err(error) => {
                client.note(asked, Answered::Partly);
                missed(partitions, error);
            }
        }
        let is_known = {
            let leaders = &partitions.borrow().leaders;
            !leaders.is_empty() && leaders.iter().all(Option::is_some)
        };
        let next = Instant::now() + if is_known { REFRESH } else { ASK_AGAIN.min(config.interval) };
        while Instant::now() < next && !ended() {
            std::thread::sleep(next.saturating_duration_since(Instant::now()).min(ASK_AGAIN));
        }
    }
}

fn ask(config: &Config, consumer: &BaseConsumer<Tracing>) -> Result<Vec<Option<Leaders>>, Error> {
    let ask = |topic: &Topic| {
        layout::leaders(consumer, &topic.name, client::SAMPLE_TIMEOUT)
            .map_err(|source| client::unanswered(&config.brokers, consumer, source, Error::FetchMetadata))
    };
    config.topics.list.iter().map(ask).collect()
}

fn answered(config: &Config, partitions: &watch::Sender<Partitions>, leaders: Vec<Option<Leaders>>) {
    for ((topic, before), now) in config.topics.list.iter().zip(&partitions.borrow().leaders).zip(&leaders) {
        let topic = &topic.name;
        match (before.as_ref().map(Vec::len), now.as_ref().map(Vec::len)) {
            (Some(before), Some(now)) if before != now => {
                tracing::info!(topic, before, now, "the number of partitions has changed");
            }
            (Some(_), None) => tracing::warn!(topic, "the topic is not there any more: its lag is unknown"),
            _ => {}
        }
    }
    partitions.send_replace(Partitions { leaders, answered: Some(Instant::now()), trouble: None });
}

fn missed(partitions: &watch::Sender<Partitions>, error: Error) {
    tracing::debug!(%error, at_ms = now_ms(), "the partitions are not told");
    partitions.send_modify(|partitions| partitions.trouble = Some(Arc::new(error)));
}
