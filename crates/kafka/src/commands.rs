//! Commands to Kafka, as `model::controls` names them.

use std::sync::Arc;

use model::controls::{KafkaControls, Refusal};
use model::load::LoadSettings;
use model::policy::Policy;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::client::{self, Brokers, REQUEST_TIMEOUT, Tracing};
use crate::control::ControlWriter;
use crate::sampler::list_offsets;
use crate::{Error, blocking, groups, layout};

/// Carries out commands to Kafka.
#[derive(Clone)]
pub struct Controls {
    writer: ControlWriter,
    target: Arc<Target>,
}

/// Whose offsets are moved, and in which topics.
struct Target {
    brokers: Brokers,
    group_id: String,
    inputs: [String; 2],
}

impl Controls {
    /// Commands for the show's group and topics.
    pub fn new(brokers: &Brokers, client_id: &str) -> Result<Self, Error> {
        let writer = ControlWriter::new(brokers, client_id)?;
        let inputs = workload::Input::ALL.map(|input| input.topic().to_owned());
        Ok(Self::with(writer, brokers, workload::topics::GROUP_ID, inputs))
    }

    /// Commands for another group, or for topics with other names.
    #[must_use]
    pub fn with(writer: ControlWriter, brokers: &Brokers, group_id: &str, inputs: [String; 2]) -> Self {
        let target = Target { brokers: brokers.clone(), group_id: group_id.to_owned(), inputs };
        Self { writer, target: Arc::new(target) }
    }
}

#[async_trait::async_trait]
impl KafkaControls for Controls {
    async fn set_load(&self, load: LoadSettings) -> Result<(), Refusal> {
        self.writer.set_load(&load).await.map_err(refusal)
    }

    async fn keep_policy(&self, policy: Policy) -> Result<(), Refusal> {
        self.writer.set_policy(&policy).await.map_err(refusal)
    }

    async fn skip_to_end(&self) -> Result<(), Refusal> {
        let target = Arc::clone(&self.target);
        blocking(move || target.skip_to_end()).await.map_err(refusal)
    }
}

impl Target {
    fn skip_to_end(&self) -> Result<(), Error> {
        let config = client::sampling(&self.brokers, "skip-to-end", &self.group_id);
        let consumer: BaseConsumer<Tracing> = client::create(&config)?;
        let group = groups::describe_once(&config, &self.group_id)?;
        if !group.members.is_empty() {
            let members = group.members.len();
            return Err(Error::GroupNotEmpty { group_id: self.group_id.clone(), members });
        }
        let counts = [self.count(&consumer, 0)?, self.count(&consumer, 1)?];
        let ends = list_offsets(
            &consumer,
            self.inputs.iter().map(String::as_str),
            &counts,
            Offset::End,
            REQUEST_TIMEOUT,
        )
        .map_err(Error::ListOffsets)?;
        consumer.commit(&skipping_to(&ends)?, CommitMode::Sync).map_err(|source| {
            match source.rdkafka_error_code() {
                // Somebody joined between the two questions.
                Some(Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress) => {
                    Error::GroupNotEmpty { group_id: self.group_id.clone(), members: 1 }
                }
                _ => Error::CommitOffsets { group_id: self.group_id.clone(), source },
            }
        })
    }
}

impl Target {
    /// How many partitions an input has now: some may have been added.
    fn count(&self, consumer: &BaseConsumer<Tracing>, input: usize) -> Result<usize, Error> {
        let topic = &self.inputs[input];
        let leaders = layout::leaders(consumer, topic, REQUEST_TIMEOUT).map_err(Error::FetchMetadata)?;
        leaders.map(|leaders| leaders.len()).ok_or_else(|| Error::TopicMissing { topic: topic.clone() })
    }
}

/// The metadata of a commit that moves offsets on purpose. A pod takes the position of such a commit, and begins
/// without state there; commits that neither a pod nor this has made do not move it.
pub const SKIP: &str = "v1 skip";

/// The ends, unless one of them is unknown: a half-moved group would be worse than one that was not moved.
fn skipping_to(ends: &TopicPartitionList) -> Result<TopicPartitionList, Error> {
    let mut list = TopicPartitionList::with_capacity(ends.count());
    for end in ends.elements() {
        end.error().map_err(Error::ListOffsets)?;
        let mut element = list.add_partition(end.topic(), end.partition());
        element.set_offset(end.offset()).map_err(Error::ListOffsets)?;
        element.set_metadata(SKIP);
    }
    Ok(list)
}

fn refusal(error: Error) -> Refusal {
    if error.is_retryable() {
        Refusal::Unavailable(error.to_string())
    } else {
        Refusal::Rejected(error.to_string())
    }
}
