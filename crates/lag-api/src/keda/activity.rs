//! What a stream tells KEDA: active at once, and not active only after some quiet seconds. A slow load has no lag for a
//! moment after each record.

use std::time::Duration;

use tokio::time::Instant;

/// How long there must be no lag.
pub(super) const QUIET: Duration = Duration::from_secs(5);

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Activity {
    told: Option<bool>,
    quiet_since: Option<Instant>,
}

impl Activity {
    /// What to tell after a look, if that is new. `None` is a lag that is not known.
    pub(super) fn look(&mut self, is_active: Option<bool>, now: Instant) -> Option<bool> {
        if is_active != Some(false) {
            self.quiet_since = None;
        }
        let is_active = is_active?;
        if !is_active && self.told == Some(true) {
            let since = *self.quiet_since.get_or_insert(now);
            if now.duration_since(since) < QUIET {
                return None;
            }
        }
        let is_news = self.told.replace(is_active) != Some(is_active);
        is_news.then_some(is_active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_load_is_active_all_the_time() {
        let (begin, mut activity) = (Instant::now(), Activity::default());
        assert_eq!(activity.look(Some(false), begin), Some(false), "at once");
        let mut told = Vec::new();
        // A record a second, and a look each quarter of one.
        for quarter in 1..=240 {
            let now = begin + Duration::from_millis(250 * quarter);
            told.extend(activity.look(Some(quarter % 4 == 0), now));
        }
        assert_eq!(told, [true]);
    }

    #[test]
    fn it_ends_after_quiet_seconds_of_which_all_are_known() {
        let (begin, mut activity) = (Instant::now(), Activity::default());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(activity.look(None, begin), None);
        assert_eq!(activity.look(Some(true), begin), Some(true), "at once");
        assert_eq!(activity.look(Some(false), at(1)), None);
        assert_eq!(activity.look(None, at(5)), None, "there may have been lag");
        assert_eq!(activity.look(Some(false), at(6)), None);
        assert_eq!(activity.look(Some(false), at(10)), None);
        assert_eq!(activity.look(Some(false), at(11)), Some(false));
        assert_eq!(activity.look(Some(false), at(60)), None);
    }
}
