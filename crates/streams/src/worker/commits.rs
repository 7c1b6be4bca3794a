//! What goes out and when: one batch at a time, while the work goes on.

use std::time::{Duration, Instant};

use kafka::client::TRANSACTION_TIMEOUT;
use tracing::{debug, error, info, warn};

use super::{End, Worker};
use crate::batch::Batch;
use crate::transactions::{Answer, BlockOffset, Fault};

/// How long a hand-over waits for its transactions while the pod stays.
pub(super) const LIMIT: Duration = Duration::from_millis(1_500);
/// The same when it leaves, for the last transaction and its thread together: with what leaving the group may take
/// after that, it is less than a process has until it is ended ([`process::DRAIN_LIMIT`]), also where Kafka does not
/// answer.
pub(super) const LAST_LIMIT: Duration = Duration::from_millis(1_200);
/// How soon a pod with nothing else to do commits.
const SOON: Duration = Duration::from_millis(40);
/// Being fenced so often within [`RIVALRY`], without a stall of our own or of the broker's, means that somebody else
/// uses the same id.
const RIVAL_FENCES: usize = 6;
const RIVALRY: Duration = Duration::from_secs(60);
/// A batch that is on its way for longer is worth a word.
const SLOW: Duration = Duration::from_secs(3);
const UNANSWERED: &str = "Kafka has not answered yet";
/// A loop that takes longer was stalled: the broker may have ended its transaction meanwhile.
const STALL: Duration = Duration::from_millis(800);

/// When to commit, and what is on its way.
pub(super) struct Commits {
    interval: Duration,
    /// When the last batch was handed over.
    last: Duration,
    /// Whether there is a producer.
    is_ready: bool,
    /// Whether a batch is on its way.
    is_open: bool,
    /// When the worker looked last, and when it was stalled last.
    looked: Duration,
    stalled: Option<Duration>,
    /// When another producer took our place.
    fences: Vec<Duration>,
    /// While transactions fail.
    failing: Option<Failing>,
}

/// Transactions fail, one after the other.
struct Failing {
    since: Duration,
    times: u32,
    /// What was logged.
    told: String,
}

impl Commits {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            last: Duration::ZERO,
            is_ready: false,
            is_open: false,
            looked: Duration::ZERO,
            stalled: None,
            fences: Vec::new(),
            failing: None,
        }
    }

    /// Since when no transaction has been committed, though one was tried.
    pub(super) fn failing_since(&self) -> Option<Duration> {
        self.failing.as_ref().map(|failing| failing.since)
    }

    fn succeeded(&mut self, elapsed: Duration) {
        if let Some(Failing { since, .. }) = self.failing.take() {
            info!(after = ?elapsed.saturating_sub(since), "transactions are committed again");
        }
    }

    /// Says once that a batch is on its way for long.
    fn wait(&mut self, elapsed: Duration) {
        if !self.is_open || elapsed.saturating_sub(self.last) < SLOW {
            return;
        }
        let new = Failing { since: self.last, times: 0, told: String::new() };
        let failing = self.failing.get_or_insert(new);
        if failing.told != UNANSWERED {
            warn!("a commit takes longer than {SLOW:?}: {UNANSWERED}");
            failing.told = UNANSWERED.to_owned();
        }
    }

    /// Says why a transaction failed: once for the same cause.
    fn failed(&mut self, elapsed: Duration, fault: &Fault) {
        let cause = fault.to_string();
        let failing = self.failing.get_or_insert(Failing { since: elapsed, times: 0, told: String::new() });
        failing.times += 1;
        if failing.told == cause {
            debug!(cause, times = failing.times, "a transaction failed again");
        } else {
            warn!(cause, "a transaction failed: going back to the last commit");
            failing.told = cause;
        }
    }

    /// Whether a batch is on its way.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether there is a producer.
    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// How long until a commit is due; `None` while one is on its way, whose answer wakes the worker.
    pub(super) fn due_in(&self, elapsed: Duration) -> Option<Duration> {
        let is_free = self.is_ready && !self.is_open;
        is_free.then(|| SOON.min(self.interval).saturating_sub(elapsed.saturating_sub(self.last)))
    }

    fn is_due(&self, elapsed: Duration, is_idle: bool) -> bool {
        let pause = if is_idle { SOON.min(self.interval) } else { self.interval };
        self.is_ready && !self.is_open && elapsed.saturating_sub(self.last) >= pause
    }

    fn look(&mut self, elapsed: Duration) {
        if elapsed.saturating_sub(self.looked) > STALL {
            self.stalled = Some(elapsed);
        }
        self.looked = elapsed;
    }

    /// Another producer has our id; whether that is somebody who goes on using it.
    fn fenced(&mut self, elapsed: Duration) -> bool {
        if self.stalled.is_some_and(|stalled| elapsed.saturating_sub(stalled) < Duration::from_secs(10)) {
            return false;
        }
        // A broker that is too slow for a transaction ends it when its time is over, and fences who began it.
        if elapsed.saturating_sub(self.last) >= TRANSACTION_TIMEOUT {
            return false;
        }
        self.fences.retain(|&fence| elapsed.saturating_sub(fence) < RIVALRY);
        self.fences.push(elapsed);
        self.fences.len() >= RIVAL_FENCES
    }
}

impl Worker {
    /// Hands over what was done, when it is time.
    pub(super) fn commit(&mut self, is_idle: bool) -> Result<(), End> {
        let elapsed = self.start.elapsed();
        self.commits.look(elapsed);
        // That nobody answers at all was said.
        if !self.told.is_away() {
            self.commits.wait(elapsed);
        }
        if self.commits.is_due(elapsed, is_idle) {
            self.hand_over_batch()?;
        }
        Ok(())
    }

    /// Deals with what the transactions' thread has said.
    pub(super) fn take_answers(&mut self) -> Result<(), End> {
        while let Some(answer) = self.transactions.answer() {
            self.take_answer(answer)?;
        }
        Ok(())
    }

    /// Waits until all that was done is committed, at most so long; whether it is.
    pub(super) fn settle(&mut self, limit: Duration) -> Result<bool, End> {
        if !self.commits.is_open && !self.tasks.values().any(|task| task.state.is_dirty()) {
            return Ok(true);
        }
        let begin = Instant::now();
        let mut is_last = false;
        loop {
            if !self.commits.is_open && self.commits.is_ready {
                if is_last {
                    return Ok(true);
                }
                self.hand_over_batch()?;
                is_last = true;
                continue;
            }
            let Some(answer) = self.transactions.wait(limit.saturating_sub(begin.elapsed())) else {
                return Ok(false);
            };
            let failed = matches!(answer, Answer::Failed(_));
            self.take_answer(answer)?;
            if failed {
                return Ok(false);
            }
        }
    }

    fn hand_over_batch(&mut self) -> Result<(), End> {
        let mut batch = Batch::default();
        for task in self.tasks.values_mut() {
            task.state.add_to(&mut batch, &self.topics).map_err(End::Broken)?;
            task.state.report();
        }
        self.commits.last = self.start.elapsed();
        if !batch.is_empty() {
            self.commits.is_open = true;
            self.transactions.commit(batch);
        }
        Ok(())
    }

    fn take_answer(&mut self, answer: Answer) -> Result<(), End> {
        match answer {
            Answer::Ready => {
                self.commits.is_ready = true;
                self.metrics.can_commit.set(1);
            }
            Answer::Committed(blocks) => {
                self.commits.is_open = false;
                self.commits.succeeded(self.start.elapsed());
                self.metrics.commits.inc();
                self.note(&blocks);
                self.wait_no_more();
            }
            Answer::Failed(fault) => {
                (self.commits.is_open, self.commits.is_ready) = (false, false);
                self.metrics.can_commit.set(0);
                self.metrics.failed_commits.inc();
                self.judge(&fault)?;
                self.roll_back();
            }
            Answer::Refused(fault) => return Err(End::Refused(fault.to_string())),
        }
        Ok(())
    }

    fn note(&mut self, blocks: &[BlockOffset]) {
        for &BlockOffset { partition, number, offset } in blocks {
            if let Some(from) =
                self.tasks.get_mut(&partition).and_then(|task| task.state.written(number, offset))
            {
                self.trimmer.note(partition, from);
            }
        }
    }

    fn judge(&mut self, fault: &Fault) -> Result<(), End> {
        if !fault.is_fenced() {
            self.commits.failed(self.start.elapsed(), fault);
            return Ok(());
        }
        self.metrics.fenced.inc();
        debug!(%fault, "fenced: going back to the last commit with a new producer");
        if self.commits.fenced(self.start.elapsed()) {
            error!(%fault, "another process uses this pod's transactional id: every pod needs a name of its own (--pod)");
            return Err(End::Refused("another process uses this pod's transactional id".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_pod_with_nothing_else_to_do_commits_sooner() {
        let mut commits = Commits::new(SECOND / 10);
        assert!(!commits.is_due(SECOND, true), "there is no producer yet");
        commits.is_ready = true;
        commits.last = SECOND;
        assert!(!commits.is_due(SECOND + SOON, false));
        assert!(commits.is_due(SECOND + SOON, true));
        assert!(commits.is_due(SECOND + SECOND / 10, false));
        commits.is_open = true;
        assert!(!commits.is_due(SECOND * 2, true), "one at a time");
        assert_eq!(commits.due_in(SECOND * 2), None);
    }

    #[test]
    fn being_fenced_again_and_again_without_a_stall_means_a_rival() {
        /// Whether a batch that was handed over at `last` and fenced after `took` shows a rival.
        fn shows_rival(commits: &mut Commits, last: Duration, took: Duration) -> bool {
            commits.last = last;
            commits.fenced(last + took)
        }
        let soon = SECOND / 50;
        let mut commits = Commits::new(SECOND / 10);
        assert!((0..20).all(|nth| !shows_rival(&mut commits, SECOND * 61 * nth, soon)), "now and then");
        let mut rivals = Commits::new(SECOND / 10);
        assert!((0..5).all(|nth| !shows_rival(&mut rivals, SECOND * nth, soon)));
        assert!(shows_rival(&mut rivals, SECOND * 5, soon));
        let mut stalled = Commits::new(SECOND / 10);
        stalled.look(SECOND * 100);
        let mut explained = (100..109).map(|nth| shows_rival(&mut stalled, SECOND * nth, soon));
        assert!(!explained.any(|rival| rival), "our own stalls explain it");
        let mut slow = Commits::new(SECOND / 10);
        let mut explained = (0..30).map(|nth| shows_rival(&mut slow, SECOND * 2 * nth, TRANSACTION_TIMEOUT));
        assert!(!explained.any(|rival| rival), "a slow broker explains it");
    }
}
