//! Whether the worker's thread still goes round: some of librdkafka's calls have no time limit, and a thread that never
//! comes back from one could not say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::error;

const TICK: Duration = Duration::from_secs(1);
/// So many looks in a row find that the thread has not gone round. Looks that are missed because the whole process was
/// stopped do not count.
const LOOKS: u32 = 20;

/// Counts the rounds of the worker's thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beat(Arc<AtomicU64>);

impl Beat {
    /// The thread goes round once more.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until the thread, once it has begun, does not go round any more.
    pub(crate) async fn missed(self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = Looks::default();
        while looks.add(self.0.load(Ordering::Relaxed)) < LOOKS {
            ticks.tick().await;
        }
        error!(
            "the worker's thread has not gone round for {LOOKS} s: ending, so that another process can go on"
        );
    }
}

/// Looks at a thread that has not gone round.
#[derive(Debug, Default)]
struct Looks {
    rounds: u64,
    in_vain: u32,
}

impl Looks {
    /// Adds a look; how many in a row were in vain.
    fn add(&mut self, rounds: u64) -> u32 {
        self.in_vain = if rounds == self.rounds && rounds > 0 { self.in_vain + 1 } else { 0 };
        self.rounds = rounds;
        self.in_vain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_does_not_go_round_any_more_is_missed_and_one_that_has_not_begun_is_not() {
        let mut looks = Looks::default();
        assert!((0..100).all(|_| looks.add(0) == 0), "it has not begun");
        assert!((1..100).all(|round| looks.add(round) == 0), "it goes round");
        assert_eq!([1, 2, 3].map(|_| looks.add(99)), [1, 2, 3]);
        assert_eq!(looks.add(100), 0, "it was only slow");
    }
}
