//! Partitions come and go: what was done is committed before somebody else goes on, and what is new is restored before
//! it is worked on. Tasks that stay go on meanwhile where the group's protocol allows it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::{debug, info, warn};

use super::commits::{LAST_LIMIT, LIMIT};
use super::{End, Worker};
use crate::assignment::{Assignment, signed};
use crate::consumer::{self, Consumer};
use crate::restore::{Begins, RestoreRequest, Restored, Work};
use crate::task::Task;

/// How long librdkafka may take to move its fetch position; it does so without the broker.
const SEEK: Duration = Duration::from_secs(1);
/// How long the consumer may refuse to be moved; it does until it knows where the group stands.
const UNMOVED: Duration = Duration::from_secs(10);
/// The same, before that is worth a word.
const UNMOVED_IS_LONG: Duration = Duration::from_secs(3);
/// librdkafka lets the fetchers of partitions that stay sleep through a rebalance: a question to their leader wakes
/// them.
const NUDGES: u32 = 3;
const NUDGE_PAUSE: Duration = Duration::from_millis(15);

impl Worker {
    /// Begins with what the group gave to this pod.
    pub(super) fn assign(&mut self, partitions: &TopicPartitionList) -> Result<(), End> {
        let given = Assignment::of(partitions, &self.topics);
        self.assignment.add(&given);
        let unpaired = self.assignment.unpaired();
        self.metrics.unpaired.set(unpaired.len() as i64);
        self.group.name_owners_of_other_inputs(&unpaired, &self.topics);
        let tasks = self.assignment.tasks();
        info!(partitions = ?tasks, "assigned");
        for partition in tasks {
            if !self.tasks.contains_key(&partition) {
                self.generation += 1;
                // Before the consumer fetches: no record may come through its own queue.
                let metrics = self.metrics.clone();
                let task = Task::new(&self.consumer, &self.topics, partition, self.generation, metrics);
                self.tasks.insert(partition, task.map_err(End::Broken)?);
                if !given.tasks().contains(&partition) {
                    // Its other half was read, and thrown away, until now.
                    self.stale.insert(partition);
                }
            }
        }
        let assigned = if consumer::is_eager(&self.consumer) {
            self.consumer.assign(partitions)
        } else {
            self.consumer.incremental_assign(partitions)
        };
        assigned.map_err(|problem| End::Broken(problem.into()))?;
        self.nudge();
        let suspended = std::mem::take(&mut self.suspended);
        self.request_restore(suspended);
        self.metrics.tasks.set(self.tasks.len() as i64);
        self.become_ready();
        Ok(())
    }

    /// Gives back what the group takes.
    pub(super) fn revoke(&mut self, partitions: &TopicPartitionList) -> Result<(), End> {
        let taken = Assignment::of(partitions, &self.topics);
        let lost = self.consumer.assignment_lost();
        if lost {
            warn!("the group has given this pod's partitions to others, since it did not hear of it in time");
            self.readiness.set(false);
        }
        let is_settled = !lost && self.hand_over(LIMIT)?;
        for partition in taken.any() {
            let Some(mut task) = self.tasks.remove(&partition) else { continue };
            self.metrics.forget_position(&self.topics, partition);
            if is_settled
                && consumer::is_eager(&self.consumer)
                && let Some(work) = task.state.suspend()
            {
                self.suspended.insert(partition, work);
            }
        }
        self.assignment.remove(&taken);
        self.group.name_owners_of_other_inputs(&self.assignment.unpaired(), &self.topics);
        self.stale.retain(|partition| self.tasks.contains_key(partition));
        self.arrived.retain(|partition, _| self.tasks.contains_key(partition));
        self.metrics.tasks.set(self.tasks.len() as i64);
        self.request_restore(BTreeMap::new());
        consumer::give_back(&self.consumer, partitions).map_err(|problem| End::Broken(problem.into()))?;
        self.nudge();
        Ok(())
    }

    /// Gives everything back and lets the consumer leave the group, which it does when it is dropped.
    pub(super) fn leave(&mut self) {
        if let Err(End::Broken(problem)) = self.hand_over(LAST_LIMIT) {
            warn!("ending without a last commit: {problem:#}");
        }
        self.tasks.clear();
        self.consumer.context().close();
        for event in self.consumer.context().take() {
            consumer::decline(&self.consumer, &event);
        }
        // Where the broker assigns, closing does that.
        if consumer::is_eager(&self.consumer)
            && let Err(problem) = self.consumer.unassign()
        {
            debug!(%problem, "giving partitions back");
        }
    }

    /// Commits what was done, which may take so long; whether it is committed.
    fn hand_over(&mut self, limit: Duration) -> Result<bool, End> {
        if self.tasks.is_empty() {
            return Ok(true);
        }
        let begin = Instant::now();
        let is_settled = self.settle(limit)?;
        if is_settled {
            debug!(took = ?begin.elapsed(), "handing over");
        } else {
            warn!("handing over without a last commit: some records will be processed again");
        }
        Ok(is_settled)
    }

    /// Forgets everything since the last commit.
    pub(super) fn roll_back(&mut self) {
        for (&partition, task) in &mut self.tasks {
            self.generation += 1;
            task.roll_back(self.generation);
            self.stale.insert(partition);
        }
        self.waiting.clear();
        self.suspended.clear();
        self.request_restore(BTreeMap::new());
    }

    /// Forgets what one task has done since the last commit.
    pub(super) fn roll_back_task(&mut self, partition: u32) {
        let Some(task) = self.tasks.get_mut(&partition) else { return };
        self.generation += 1;
        task.roll_back(self.generation);
        self.stale.insert(partition);
        if self.commits.is_open() {
            self.waiting.insert(partition);
        }
        self.request_restore(BTreeMap::new());
    }

    /// A batch is answered: what is committed is known again.
    pub(super) fn wait_no_more(&mut self) {
        if !std::mem::take(&mut self.waiting).is_empty() {
            self.request_restore(BTreeMap::new());
        }
    }

    /// Begins to work on tasks that are restored.
    pub(super) fn take_restored(&mut self) -> Result<(), End> {
        while let Some(restored) = self.restorer.restored() {
            let arrived = Arrived { restored, since: Instant::now(), is_told: false };
            self.arrived.insert(arrived.restored.partition, arrived);
        }
        if self.arrived.is_empty() {
            return Ok(());
        }
        for (partition, arrived) in std::mem::take(&mut self.arrived) {
            self.begin(partition, arrived)?;
        }
        self.become_ready();
        Ok(())
    }

    /// Moves the consumer to where a restored task goes on, unless it begins there by itself, and begins. A consumer
    /// that cannot be moved yet, since it does not fetch yet, is moved later.
    fn begin(&mut self, partition: u32, mut arrived: Arrived) -> Result<(), End> {
        let Restored { generation, begins, ref work, .. } = arrived.restored;
        let is_ours = |task: &&mut Task| task.generation == generation && !task.state.is_restored();
        if self.tasks.get_mut(&partition).filter(is_ours).is_none() {
            return Ok(());
        }
        if self.stale.contains(&partition) || begins == Begins::Elsewhere {
            if let Err(problem) = self.rewind(partition, work) {
                arrived.cannot_move(partition, &problem)?;
                self.arrived.insert(partition, arrived);
                return Ok(());
            }
            self.stale.remove(&partition);
        }
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.state.begin(arrived.restored.work, begins);
        }
        Ok(())
    }

    /// Lets the consumer fetch from where a task goes on.
    fn rewind(&self, partition: u32, work: &Work) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for (topic, position) in self.topics.iter().zip(work.positions) {
            list.add_partition_offset(topic, signed(partition), Offset::Offset(position.next))?;
        }
        let moved = self.consumer.seek_partitions(list, SEEK)?;
        moved.elements().iter().try_for_each(|element| element.error())
    }

    /// Says which tasks are to be restored.
    fn request_restore(&mut self, mut suspended: BTreeMap<u32, Work>) {
        let restoring = self.tasks.iter().filter(|(_, task)| !task.state.is_restored());
        let may_be = restoring.filter(|(partition, _)| !self.waiting.contains(partition));
        let wanted: BTreeMap<u32, RestoreRequest> = may_be
            .map(|(&partition, task)| {
                (
                    partition,
                    RestoreRequest { generation: task.generation, suspended: suspended.remove(&partition) },
                )
            })
            .collect();
        self.metrics.restoring.set(self.restoring() as i64);
        self.watch.want(self.tasks.keys().copied().collect());
        self.restorer.want(wanted);
    }

    /// Wakes the fetchers of partitions that stay.
    fn nudge(&self) {
        let Some(&partition) = self.tasks.keys().next() else { return };
        let (consumer, topic) = (Arc::clone(&self.consumer), self.topics[0].clone());
        let spawned = std::thread::Builder::new()
            .name("nudge".to_owned())
            .spawn(move || nudge(&consumer, &topic, partition));
        if let Err(problem) = spawned {
            debug!(%problem, "the fetchers will wake up by themselves");
        }
    }
}

/// A restored task to whose position the consumer has yet to be moved.
pub(super) struct Arrived {
    restored: Restored,
    since: Instant,
    /// Whether it was said that this takes long.
    is_told: bool,
}

impl Arrived {
    /// The consumer refuses to be moved: another one may not.
    fn cannot_move(&mut self, partition: u32, problem: &KafkaError) -> Result<(), End> {
        let lasts = self.since.elapsed();
        if lasts > UNMOVED {
            let reason = format!("the consumer cannot be moved in partition {partition}: {problem}");
            return Err(End::Stalled(reason));
        }
        if lasts > UNMOVED_IS_LONG && !self.is_told {
            warn!(partition, %problem, "the consumer cannot be moved to the task's position yet: trying again");
            self.is_told = true;
        }
        Ok(())
    }
}

fn nudge(consumer: &Consumer, topic: &str, partition: u32) {
    for _ in 0..NUDGES {
        std::thread::sleep(NUDGE_PAUSE);
        // Only the question matters.
        let _ = consumer.fetch_watermarks(topic, signed(partition), Duration::from_millis(100));
    }
}
