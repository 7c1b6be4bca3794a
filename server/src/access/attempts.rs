//! Wrong passcodes: each one makes whoever sent it wait twice as long as the last.
//!
//! Who sent it is told by the device, where a presenter has signed in before with it: behind one address with a
//! guesser, say in one room, a presenter is not kept waiting by that. Everybody else is told by the address, and all of
//! them together have one budget.

use std::collections::HashMap;
use std::net::IpAddr;

use model::Millis;

use model::bucket::Bucket;

/// The wait after the first wrong passcode.
const FIRST_WAIT_MS: Millis = 1_000;
const LONGEST_WAIT_MS: Millis = 300_000;
/// Who has been quiet for so long begins anew.
const FORGOTTEN_AFTER_MS: Millis = 3_600_000;
/// Those that are remembered.
const MAX_CLIENTS: usize = 1_024;
/// Attempts a second that all strangers together have, and as many at once.
const STRANGERS_PER_SECOND: u32 = 5;

/// Who sends a passcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sender {
    /// A device that has signed in before.
    Device(u64),
    /// Some device at this address.
    Address(IpAddr),
}

/// Those who sent wrong passcodes.
#[derive(Debug)]
pub(super) struct Attempts {
    senders: HashMap<Sender, Wrong>,
    strangers: Bucket,
}

impl Default for Attempts {
    fn default() -> Self {
        let strangers = Bucket::new(STRANGERS_PER_SECOND, STRANGERS_PER_SECOND, 0);
        Self { senders: HashMap::new(), strangers }
    }
}

#[derive(Debug, Clone, Copy)]
struct Wrong {
    times: u32,
    until_ms: Millis,
}

impl Attempts {
    /// Whether somebody may try now, which takes a stranger's attempt out of the budget.
    ///
    /// # Errors
    /// The milliseconds after which that may be.
    pub(super) fn try_now(&mut self, now_ms: Millis, sender: Sender) -> Result<(), u32> {
        if let Some(wrong) = self.senders.get(&sender).filter(|wrong| wrong.until_ms > now_ms) {
            return Err(millis(wrong.until_ms - now_ms));
        }
        match sender {
            Sender::Address(_) => self.strangers.take(now_ms),
            Sender::Device(_) => Ok(()),
        }
    }

    /// Notes a wrong passcode; gives back how long its sender has to wait.
    pub(super) fn wrong(&mut self, now_ms: Millis, sender: Sender) -> u32 {
        self.senders.retain(|_, wrong| wrong.until_ms + FORGOTTEN_AFTER_MS > now_ms);
        let times = self.senders.get(&sender).map_or(0, |wrong| wrong.times).saturating_add(1);
        let wait_ms = FIRST_WAIT_MS.saturating_mul(1 << (times - 1).min(16)).min(LONGEST_WAIT_MS);
        if self.senders.len() >= MAX_CLIENTS && !self.senders.contains_key(&sender) {
            let first =
                self.senders.iter().min_by_key(|(_, wrong)| wrong.until_ms).map(|(sender, _)| *sender);
            first.and_then(|first| self.senders.remove(&first));
        }
        self.senders.insert(sender, Wrong { times, until_ms: now_ms + wait_ms });
        millis(wait_ms)
    }

    /// The sender knows the passcode.
    pub(super) fn right(&mut self, sender: Sender) {
        self.senders.remove(&sender);
    }
}

fn millis(wait_ms: Millis) -> u32 {
    u32::try_from(wait_ms).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Sender {
        Sender::Address(text.parse().unwrap())
    }

    #[test]
    fn each_wrong_passcode_doubles_the_wait_of_that_sender_alone() {
        let mut attempts = Attempts::default();
        let (one, other) = (at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(attempts.wrong(0, one), 1_000);
        assert_eq!(attempts.try_now(400, one), Err(600));
        assert_eq!(attempts.try_now(400, other), Ok(()));
        assert_eq!(attempts.try_now(1_000, one), Ok(()));
        assert_eq!(attempts.wrong(1_000, one), 2_000);
        let waits: Vec<u32> = (0..10).map(|_| attempts.wrong(10_000, one)).collect();
        assert_eq!(waits.last(), Some(&300_000));
        attempts.right(one);
        assert_eq!(attempts.wrong(400_000, one), 1_000);
    }

    #[test]
    fn all_strangers_together_have_five_attempts_a_second() {
        let mut attempts = Attempts::default();
        let tried = |attempts: &mut Attempts, seconds: u64| -> usize {
            let times = (0..seconds * 1_000)
                .map(|ms| (1_000_000 + ms, Sender::Address(IpAddr::V4((ms as u32).into()))));
            times.filter(|&(ms, sender)| attempts.try_now(ms, sender).is_ok()).count()
        };
        assert_eq!(tried(&mut attempts, 10), 5 + 10 * 5 - 1, "the first five at once");
        assert_eq!(attempts.try_now(1_010_000, at("203.0.113.1")), Ok(()));
        assert_eq!(attempts.try_now(1_010_000, at("203.0.113.1")), Err(200));
        assert_eq!(attempts.try_now(1_010_000, Sender::Device(7)), Ok(()), "it was here before");
    }

    #[test]
    fn a_guesser_behind_the_same_address_does_not_keep_a_known_device_waiting() {
        let mut attempts = Attempts::default();
        for _ in 0..20 {
            attempts.wrong(0, at("192.0.2.1"));
        }
        for device in 0..41 {
            assert_eq!(attempts.try_now(1, Sender::Device(device)), Ok(()));
        }
        attempts.wrong(0, Sender::Device(3));
        assert!(attempts.try_now(1, Sender::Device(3)).is_err(), "it can be wrong, too");
    }

    #[test]
    fn an_hour_of_quiet_is_forgiven() {
        let mut attempts = Attempts::default();
        attempts.wrong(0, at("192.0.2.1"));
        assert_eq!(attempts.wrong(3_602_000, at("192.0.2.1")), 1_000);
    }

    #[test]
    fn only_so_many_senders_are_remembered() {
        let mut attempts = Attempts::default();
        for n in 0..5_000_u32 {
            attempts.wrong(u64::from(n), Sender::Address(IpAddr::V4(n.into())));
        }
        assert_eq!(attempts.senders.len(), MAX_CLIENTS);
    }
}
