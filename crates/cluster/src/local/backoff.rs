//! `CrashLoopBackOff`: how long the kubelet waits before it starts a dead container again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(300);
/// After so long a run, the next death counts as the first.
const FORGIVEN: Duration = Duration::from_secs(600);

/// Deaths of one pod, as far as they count.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backoff {
    deaths: u32,
}

impl Backoff {
    /// The wait after a process that ran for so long: none after the first death, then 10 s, 20 s and so on up to 5
    /// min.
    pub(super) fn after(&mut self, ran: Duration) -> Duration {
        if ran >= FORGIVEN {
            self.deaths = 0;
        }
        let wait = match self.deaths {
            0 => Duration::ZERO,
            deaths => FIRST.saturating_mul(1 << (deaths - 1).min(8)).min(LONGEST),
        };
        self.deaths = self.deaths.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_at_once_and_the_next_ones_wait_twice_as_long_each() {
        let mut backoff = Backoff::default();
        let mut after = |seconds| backoff.after(Duration::from_secs(seconds)).as_secs();
        let waits: Vec<u64> = (0..8).map(|_| after(1)).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(after(599), 300);
        assert_eq!((after(600), after(1)), (0, 10));
    }
}
