//! Pauses between attempts: doubling from a quarter of a second, and never long.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// Doubling pauses up to the longest.
pub(super) fn quick(longest: Duration) -> impl Backoff {
    Doubling { next: FIRST, longest }
}

const FIRST: Duration = Duration::from_millis(250);

struct Doubling {
    next: Duration,
    longest: Duration,
}

impl Iterator for Doubling {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        Some(pause)
    }
}

impl Backoff for Doubling {
    fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = Doubling { next: FIRST, longest: Duration::from_millis(900) };
        let pauses: Vec<u128> = backoff.by_ref().take(4).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [250, 500, 900, 900]);
        backoff.reset();
        assert_eq!(backoff.next(), Some(FIRST));
    }
}
