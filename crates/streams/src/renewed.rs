//! A client for questions that is made anew when it gets no answers: librdkafka may go on waiting for a coordinator or a leader that is
//! gone while a new client has its answer at once.

use std::time::{Duration, Instant};

use kafka::client::{self, Tracing};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

/// How long a client may be without an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// librdkafka never frees its topic handles.
const LIFETIME: Duration = Duration::from_secs(600);

/// A consumer that is a member of no group.
pub(crate) struct Renewed {
    settings: ClientConfig,
    consumer: BaseConsumer<Tracing>,
    made: Instant,
    /// Since when it has had no answer.
    unanswered: Option<Instant>,
}

/// Whether there was an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    Yes,
    No,
}

impl Renewed {
    /// Makes the first client.
    pub(crate) fn new(settings: ClientConfig) -> Result<Self, kafka::Error> {
        let consumer = client::create(&settings)?;
        Ok(Self { settings, consumer, made: Instant::now(), unanswered: None })
    }

    pub(crate) fn consumer(&self) -> &BaseConsumer<Tracing> {
        &self.consumer
    }

    /// Notes whether the last question was answered; after too many in vain there is another client.
    pub(crate) fn note(&mut self, answered: Answered) {
        match answered {
            Answered::Yes => self.unanswered = None,
            Answered::No => {
                let since = *self.unanswered.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    self.renew();
                }
            }
        }
        if self.made.elapsed() > LIFETIME {
            self.renew();
        }
    }

    fn renew(&mut self) {
        (self.made, self.unanswered) = (Instant::now(), None);
        match client::create(&self.settings) {
            Ok(consumer) => {
                debug!("asking with a new client");
                let old = std::mem::replace(&mut self.consumer, consumer);
                // Closing it takes a tenth of a second, or for ever where nobody answers.
                std::thread::spawn(move || drop(old));
            }
            Err(problem) => debug!(%problem, "there is no new client: going on with the old one"),
        }
    }

    /// Asks for the first or the last offsets of partitions, in one request a leader. (librdkafka hands its logical offsets through.)
    pub(crate) fn offsets(
        &self,
        mut partitions: TopicPartitionList,
        which: Offset,
        limit: Duration,
    ) -> KafkaResult<TopicPartitionList> {
        // Nobody else takes the log lines of this client out of its queue.
        partitions.set_all_offsets(which)?;
        self.consumer.offsets_for_times(partitions, limit)
    }
}
