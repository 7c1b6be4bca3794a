//! Partitions come and go: tasks are made and dropped, and what was done is committed before somebody else goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Input;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::{debug, error, info, warn};

use super::{End, Worker};
use crate::consumer::Event;
use crate::pair::Pair;
use crate::pairs::{Pairs, signed};

/// How long a hand-over waits for acknowledgements, and again for the answer to its commit.
const LIMIT: Duration = Duration::from_millis(300);

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
        let consumer = Arc::clone(&self.consumer);
        consumer.context().close();
        // Also answers a rebalance that nobody has dealt with yet.
        if let Err(problem) = consumer.unassign() {
            debug!(%problem, "giving partitions back");
        }
    }

    /// Finishes what was begun and commits it, as far as Kafka answers in time.
    pub(super) fn hand_over(&mut self) {
        let begin = Instant::now();
        if self.pairs.is_empty() {
            return;
        }
        let sent = self.send_unsent();
        if !sent || !self.outputs.flush(LIMIT) || self.outputs.take_failure() {
            warn!("handing over without the last commit: some records will be processed again");
            return;
        }
        self.checkpoint.take();
        // All of it, also what was asked for before: an older commit may still be on its way.
        for pair in self.pairs.values_mut() {
            pair.distrust_commits();
        }
        let positions = self.positions();
        if positions.count() > 0 {
            self.commit_now(&positions);
        }
        debug!(took = ?begin.elapsed(), "handed over");
    }

    /// Notes positions, and commits those whose outputs are acknowledged.
    pub(super) fn commit(&mut self) {
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
            self.commit_soon(&positions);
        }
    }

    /// Takes note of the answer to a commit.
    pub(super) fn note_commit(&mut self, result: KafkaResult<()>) {
        self.commits = self.commits.saturating_sub(1);
        if let Err(problem) = result {
            debug!(%problem, "a commit failed, the next one makes up for it");
            self.metrics.failed_commits.inc();
            for pair in self.pairs.values_mut() {
                pair.distrust_commits();
            }
        }
    }

    fn commit_soon(&mut self, positions: &TopicPartitionList) {
        self.commits += 1;
        if let Err(problem) = self.consumer.commit(positions, CommitMode::Async) {
            self.note_commit(Err(problem));
        }
    }

    /// Commits and waits for the answers to all commits, but not for long. (A synchronous commit would wait a minute
    /// for a broker that is away.)
    fn commit_now(&mut self, positions: &TopicPartitionList) {
        self.commit_soon(positions);
        let start = Instant::now();
        while self.commits > 0 {
            if start.elapsed() > LIMIT {
                warn!("handing over without an answer to the last commit");
                return;
            }
            // A message can be nothing but a record that nobody has begun to process.
            drop(self.consumer.poll(Duration::from_millis(1)));
            for event in self.consumer.context().take() {
                match event {
                    Event::Committed(result) => self.note_commit(result),
                    event => self.events.push_back(event),
                }
            }
        }
    }

    fn positions(&mut self) -> TopicPartitionList {
        let mut positions = TopicPartitionList::new();
        for (&partition, pair) in &mut self.pairs {
            for (input, topic) in Input::ALL.into_iter().zip(&self.topics) {
                if let Some(position) = pair.take_uncommitted(input) {
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
