//! Partitions come and go: tasks are made and dropped, and what was done is committed before somebody else goes on.

use std::time::{Duration, Instant};

use model::Input;
use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::{debug, error, info, warn};

use super::{End, Worker};
use crate::pair::Pair;
use crate::pairs::{Pairs, signed};

/// How long a hand-over waits for acknowledgements.
const LIMIT: Duration = Duration::from_millis(600);

impl Worker {
    /// Begins to work on what the group gave to this pod.
    pub(super) fn assign(&mut self, partitions: &TopicPartitionList) -> Result<(), End> {
        let pairs = Pairs::of(partitions, &self.topics);
        self.metrics.half_pairs.set(pairs.half.len() as i64);
        if !pairs.half.is_empty() {
            error!(
                partitions = ?pairs.half,
                "refusing partitions of which only one input was assigned: their frames cannot meet here; \
                 every pod must use the assignor `range`, and both inputs must have as many partitions"
            );
        }
        info!(partitions = ?pairs.whole, "assigned");
        self.begin(&pairs)?;
        self.readiness.set(true);
        Ok(())
    }

    /// Reads these pairs from what the group has committed, with tasks that know nothing yet.
    pub(super) fn begin(&mut self, pairs: &Pairs) -> Result<(), End> {
        self.drop_pairs();
        let list = pairs.to_list(&self.topics);
        self.consumer.assign(&list).map_err(|problem| End::Broken(problem.into()))?;
        for &partition in &pairs.whole {
            let (limits, metrics) = (self.limits, self.metrics.clone());
            let pair = Pair::begin(&self.consumer, &self.topics, partition, limits, metrics);
            self.pairs.insert(partition, pair.map_err(End::Broken)?);
        }
        self.metrics.pairs.set(self.pairs.len() as i64);
        Ok(())
    }

    /// Gives everything back to the group.
    pub(super) fn revoke(&mut self) -> Result<(), End> {
        if self.consumer.assignment_lost() {
            warn!("the group has given this pod's partitions to others, since it did not hear of it in time");
            // What is on its way was read by a member that is none any more: others do it again.
            self.readiness.set(false);
            self.checkpoint.take();
            self.unsent.clear();
        } else {
            self.hand_over();
        }
        self.drop_pairs();
        self.consumer.unassign().map_err(|problem| End::Broken(problem.into()))
    }

    /// Gives everything back and lets the consumer leave the group, which it does when it is dropped.
    pub(super) fn leave(&mut self) {
        self.hand_over();
        self.drop_pairs();
        self.consumer.context().close();
        // Also answers a rebalance that nobody has dealt with yet.
        if let Err(problem) = self.consumer.unassign() {
            debug!(%problem, "giving partitions back");
        }
    }

    /// Finishes what was begun, as far as Kafka acknowledges it in time. Giving the partitions back then commits it:
    /// librdkafka commits what is stored, and waits for the answer, before it lets go of a partition.
    pub(super) fn hand_over(&mut self) {
        if self.pairs.is_empty() {
            return;
        }
        let begin = Instant::now();
        let sent = self.send_unsent();
        if !sent || !self.outputs.flush(LIMIT) || self.outputs.take_failure() {
            warn!("handing over with outputs on their way: some records will be processed again");
            return;
        }
        let positions = self.positions();
        self.store(&positions);
        debug!(took = ?begin.elapsed(), "handing over");
    }

    /// Notes positions, and gives those whose outputs are acknowledged to librdkafka, which commits them.
    pub(super) fn checkpoint(&mut self) {
        let elapsed = self.start.elapsed();
        if self.checkpoint.is_due(elapsed) && self.unsent.is_empty() {
            let positions = self.positions();
            self.checkpoint.note(positions, elapsed);
            if self.checkpoint.is_open() {
                self.outputs.next_generation();
            }
            self.report();
        }
        if self.checkpoint.is_open()
            && self.outputs.last_generation_is_complete()
            && let Some(positions) = self.checkpoint.take()
        {
            self.store(&positions);
        }
    }

    fn store(&self, positions: &TopicPartitionList) {
        if positions.count() > 0
            && let Err(problem) = self.consumer.store_offsets(positions)
        {
            // The group has just taken partitions away: the next poll will say so.
            debug!(%problem, "positions cannot be committed");
        }
    }

    fn positions(&mut self) -> TopicPartitionList {
        let mut positions = TopicPartitionList::new();
        for (&partition, pair) in &mut self.pairs {
            for (input, topic) in Input::ALL.into_iter().zip(&self.topics) {
                if let Some(position) = pair.take_progress(input) {
                    let added =
                        positions.add_partition_offset(topic, signed(partition), Offset::Offset(position));
                    if let Err(problem) = added {
                        debug!(%problem, "a position that cannot be committed");
                    }
                }
            }
        }
        positions
    }

    fn drop_pairs(&mut self) {
        self.report();
        self.pairs.clear();
        self.metrics.forget_positions();
        self.metrics.pairs.set(0);
    }

    fn report(&mut self) {
        let (mut waiting, mut open_sessions) = (0, 0);
        for pair in self.pairs.values_mut() {
            pair.report();
            let size = pair.size();
            waiting += size.0;
            open_sessions += size.1;
        }
        self.metrics.waiting.set(waiting as i64);
        self.metrics.open_sessions.set(open_sessions as i64);
    }
}
