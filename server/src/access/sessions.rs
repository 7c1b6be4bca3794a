//! The presenters' sessions: each ends when its cookie does, when it is signed out, or when nobody has used it for
//! long.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use model::Millis;

/// A day on stage, not longer.
pub(super) const LONGEST_MS: Millis = 12 * 3_600_000;
/// A talk with its break is shorter.
pub(super) const IDLE_MS: Millis = 2 * 3_600_000;

/// What a presenter's cookie says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Session {
    /// Tells sessions apart.
    pub(super) id: u64,
    pub(super) until_ms: Millis,
}

impl Session {
    pub(super) fn begin(now_ms: Millis) -> Self {
        Self { id: rand::random(), until_ms: now_ms + LONGEST_MS }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}.{}", self.id, self.until_ms)
    }
}

impl FromStr for Session {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, until_ms) = text.split_once('.').unwrap_or((text, ""));
        Ok(Self { id: u64::from_str_radix(id, 16)?, until_ms: until_ms.parse()? })
    }
}

/// Those that are known. A server that starts again knows none, and takes the cookies for what they say.
#[derive(Debug, Default)]
pub(super) struct Sessions(HashMap<u64, Known>);

#[derive(Debug, Clone, Copy)]
struct Known {
    until_ms: Millis,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// When it was used last.
    Used(Millis),
    Ended,
}

impl Sessions {
    /// Uses a session; whether it still goes on.
    pub(super) fn is_open(&mut self, now_ms: Millis, session: Session) -> bool {
        let Session { id, until_ms } = session;
        if now_ms >= until_ms {
            return false;
        }
        let known = self.0.entry(id).or_insert(Known { until_ms, state: State::Used(now_ms) });
        match known.state {
            State::Used(last_ms) if now_ms.saturating_sub(last_ms) < IDLE_MS => {
                known.state = State::Used(now_ms);
                true
            }
            State::Used(_) | State::Ended => {
                known.state = State::Ended;
                false
            }
        }
    }

    /// Ends a session: no copy of its cookie is worth anything from now on.
    pub(super) fn end(&mut self, now_ms: Millis, session: Session) {
        self.0.retain(|_, known| known.until_ms > now_ms);
        let Session { id, until_ms } = session;
        self.0.insert(id, Known { until_ms, state: State::Ended });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_as_it_was_written() {
        let session = Session { id: 0xBEEF, until_ms: 17 };
        assert_eq!(session.to_string().parse(), Ok(session));
        for bad in ["", "17", "beef.", ".17", "beef.x", "x.17"] {
            assert!(bad.parse::<Session>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_session_ends_with_its_cookie_by_signing_out_or_when_nobody_uses_it() {
        let mut sessions = Sessions::default();
        let [one, other, idle] = [1, 2, 3].map(|id| Session { id, until_ms: LONGEST_MS });
        for hour in 0..12 {
            assert!(sessions.is_open(hour * 3_600_000, one), "hour {hour}");
        }
        assert!(!sessions.is_open(LONGEST_MS, one), "its day is over");
        assert!(sessions.is_open(0, other));
        sessions.end(1, other);
        assert!(!sessions.is_open(2, other), "it was signed out");
        assert!(sessions.is_open(0, idle));
        assert!(!sessions.is_open(IDLE_MS, idle), "nobody used it");
        assert!(!sessions.is_open(IDLE_MS + 1, idle), "and it does not come back");
        sessions.end(LONGEST_MS, other);
        assert_eq!(sessions.0.len(), 1, "what ended by itself is forgotten");
    }
}
