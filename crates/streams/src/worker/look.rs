//! A look at all inputs, once a second: whether they go on, and if not, why. What is found is logged once, shown in
//! metrics, and told by readiness where this pod is to blame.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{info, warn};
use workload::Input;

use super::{End, Worker, event_time};
use crate::assignment::index;
use crate::ends::Found;
use crate::task::Standing;

/// So many looks find an input held by a transaction, before it is worth a word: short transactions are common.
const HELD: u32 = 2;
/// So many looks are without an answer.
const UNANSWERED: u32 = 3;
/// So many looks find that an input stands still.
const STILL: u32 = 3;
/// So many, and another consumer is tried.
const STALLED: u32 = 8;
/// How long a pod may be without a commit, or a task without its state, and still count as ready.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found at the last look, and was logged. Names are TOPIC/PARTITION.
#[derive(Debug, Default)]
pub(super) struct Told {
    held: BTreeSet<String>,
    unanswered: BTreeSet<String>,
    still: BTreeSet<String>,
    /// When the first of the tasks that have no state began to wait for it, by the worker's time.
    restoring_since: Option<Duration>,
    is_away: bool,
}

impl Told {
    /// Kafka cannot be reached, or can be again: that was logged.
    pub(super) fn away(&mut self, is_away: bool) {
        self.is_away = is_away;
    }

    /// Whether Kafka cannot be reached.
    pub(super) fn is_away(&self) -> bool {
        self.is_away
    }
}

impl Worker {
    /// Looks at what is known of the logs' ends, if that is new.
    pub(super) fn look(&mut self) -> Result<(), End> {
        let Some(Found { asked, ends }) = self.watch.found() else { return Ok(()) };
        let now = event_time();
        let (mut held, mut unanswered, mut still) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (mut records_held, mut reasons, mut out_of_step) = (0, BTreeSet::new(), BTreeSet::new());
        let mut stalled = None;
        for (&partition, task) in &mut self.tasks {
            // Asked before the task was ours.
            let Some(ends) = ends.get(&partition) else { continue };
            for input in Input::ALL {
                let name = || format!("{}/{partition}", self.topics[index(input)]);
                match task.look(input, &ends[index(input)], asked, now) {
                    Standing::HeldByTransaction { looks, records } if looks >= HELD => {
                        records_held += records;
                        held.insert(name());
                    }
                    Standing::NoAnswer { looks, reason } if looks >= UNANSWERED => {
                        unanswered.insert(name());
                        reasons.insert(reason);
                    }
                    Standing::StandsStill { looks, position, end } if looks >= STILL => {
                        if looks >= STALLED {
                            stalled =
                                Some(format!("{} stands still at {position}, its log goes to {end}", name()));
                        }
                        still.insert(name());
                    }
                    Standing::OutOfStep => drop(out_of_step.insert(partition)),
                    Standing::Restoring
                    | Standing::GoesOn
                    | Standing::HeldByTransaction { .. }
                    | Standing::NoAnswer { .. }
                    | Standing::StandsStill { .. } => {}
                }
            }
        }
        self.metrics.held_by_transactions.set(i64::try_from(records_held).unwrap_or(i64::MAX));
        self.metrics.unanswered.set(unanswered.len() as i64);
        self.metrics.standing_still.set(still.len() as i64);
        self.tell(held, unanswered, still, &reasons, records_held);
        for partition in out_of_step {
            warn!(partition, "a log of this task ends before its position: looking for the position");
            self.roll_back_task(partition);
        }
        self.note_restoring();
        if self.is_unwell() {
            self.readiness.set(false);
        }
        stalled.map_or(Ok(()), |reason| Err(End::Stalled(reason)))
    }

    fn tell(
        &mut self,
        held: BTreeSet<String>,
        unanswered: BTreeSet<String>,
        still: BTreeSet<String>,
        reasons: &BTreeSet<String>,
        records: u64,
    ) {
        let Told { held: was_held, unanswered: was_unanswered, still: was_still, is_away, .. } =
            &mut self.told;
        differ(
            was_held,
            held,
            |new| warn!(records, partitions = ?new, "an open transaction of another producer holds records back: waiting for its end"),
            |gone| {
                info!(partitions = ?gone, "no transaction holds records back any more");
            },
        );
        let is_away = *is_away;
        differ(
            was_unanswered,
            unanswered,
            |new| {
                // That nothing answers was said.
                if !is_away {
                    warn!(partitions = ?new, ?reasons, "Kafka does not say where these logs end: waiting for their leaders");
                }
            },
            |gone| info!(partitions = ?gone, "Kafka says again where these logs end"),
        );
        differ(
            was_still,
            still,
            |new| warn!(partitions = ?new, "records are there, and none arrives: another consumer is tried if that lasts"),
            |gone| {
                info!(partitions = ?gone, "records arrive again");
            },
        );
    }

    fn note_restoring(&mut self) {
        let elapsed = self.start.elapsed();
        self.told.restoring_since =
            (self.restoring() > 0).then(|| self.told.restoring_since.unwrap_or(elapsed));
    }

    /// Whether this pod does not do its work, though Kafka is there.
    pub(super) fn is_unwell(&self) -> bool {
        let elapsed = self.start.elapsed();
        let lasts =
            |since: Option<Duration>| since.is_some_and(|since| elapsed.saturating_sub(since) > PATIENCE);
        !self.told.is_away
            && (!self.told.still.is_empty()
                || lasts(self.told.restoring_since)
                || lasts(self.commits.failing_since()))
    }
}

/// Says what is new and what is gone, each in one line.
fn differ(
    before: &mut BTreeSet<String>,
    now: BTreeSet<String>,
    new: impl FnOnce(Vec<&String>),
    gone: impl FnOnce(Vec<&String>),
) {
    let added: Vec<&String> = now.difference(before).collect();
    if !added.is_empty() {
        new(added);
    }
    let removed: Vec<&String> = before.difference(&now).collect();
    if !removed.is_empty() {
        gone(removed);
    }
    *before = now;
}
