//! Which offsets may be committed: positions are noted often, and released for librdkafka's next commit (every
//! 100 ms) once the outputs that led up to them are acknowledged. The work goes on meanwhile. Time is passed in.

use std::time::Duration;

use rdkafka::topic_partition_list::TopicPartitionList;

/// How often positions are noted. With this and librdkafka's interval a commit is at most 150 ms old, plus the time
/// that an acknowledgement takes; no sampler can show a lag that is fresher.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);

/// Positions that were noted and wait for their outputs.
#[derive(Default)]
pub(crate) struct Checkpoint {
    noted: Option<TopicPartitionList>,
    last: Duration,
}

impl Checkpoint {
    /// Whether it is time to note positions: the interval is over, and the last ones were released.
    pub(crate) fn is_due(&self, elapsed: Duration) -> bool {
        self.noted.is_none() && elapsed.saturating_sub(self.last) >= INTERVAL
    }

    /// How long until it is time.
    pub(crate) fn due_in(&self, elapsed: Duration) -> Duration {
        INTERVAL.saturating_sub(elapsed.saturating_sub(self.last))
    }

    /// Notes positions; nothing to commit is nothing to note.
    pub(crate) fn note(&mut self, positions: TopicPartitionList, elapsed: Duration) {
        self.last = elapsed;
        self.noted = (positions.count() > 0).then_some(positions);
    }

    /// Whether positions wait for their outputs.
    pub(crate) fn is_open(&self) -> bool {
        self.noted.is_some()
    }

    /// Takes the positions to release them, or to forget them.
    pub(crate) fn take(&mut self) -> Option<TopicPartitionList> {
        self.noted.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_noted_every_interval_but_not_before_the_last_ones_were_released() {
        let mut checkpoint = Checkpoint::default();
        assert!(checkpoint.is_due(INTERVAL));
        let mut positions = TopicPartitionList::new();
        positions.add_partition("RQ", 1);
        checkpoint.note(positions, INTERVAL);
        assert!(!checkpoint.is_due(INTERVAL * 3));
        assert!(checkpoint.take().is_some());
        assert!(checkpoint.is_due(INTERVAL * 3));
        assert_eq!(checkpoint.due_in(INTERVAL * 3 / 2), INTERVAL / 2);
        checkpoint.note(TopicPartitionList::new(), INTERVAL * 3);
        assert!(!checkpoint.is_open());
    }
}
