//! What strangers are refused goes to the log: a guesser sends thousands, and each line would hide the others.

use std::fmt;
use std::sync::Mutex;

use model::Millis;

use crate::state::lock;

/// Between two lines about the same.
const PAUSE_MS: Millis = 30_000;

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A passcode was wrong, or came too soon after one that was, or in the clear.
    Passcode,
    /// A command of somebody who is no presenter.
    Command,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Passcode => "a passcode was refused",
            Self::Command => "a command of somebody who is no presenter was refused",
        })
    }
}

/// Counts refusals between the lines about them.
#[derive(Debug, Default)]
pub struct Refusals([Mutex<Counted>; 2]);

#[derive(Debug, Default)]
struct Counted {
    told_ms: Option<Millis>,
    untold: u64,
}

impl Refusals {
    /// Notes one. If it is time for a line: how many there were since the last line that have none.
    pub fn note(&self, now_ms: Millis, what: Refused) -> Option<u64> {
        let mut counted = lock(&self.0[what as usize]);
        if counted.told_ms.is_some_and(|told_ms| now_ms.saturating_sub(told_ms) < PAUSE_MS) {
            counted.untold += 1;
            return None;
        }
        counted.told_ms = Some(now_ms);
        Some(std::mem::take(&mut counted.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_refusals_are_one_line_and_then_a_number() {
        let refusals = Refusals::default();
        let told: Vec<u64> = (0..1_000).filter_map(|ms| refusals.note(ms, Refused::Passcode)).collect();
        assert_eq!(told, [0]);
        assert_eq!(refusals.note(5, Refused::Command), Some(0));
        assert_eq!(refusals.note(PAUSE_MS, Refused::Passcode), Some(999));
        assert_eq!(refusals.note(PAUSE_MS + 1, Refused::Passcode), None);
    }
}
