//! Clocks that disagree with the server's: those of whoever writes frames, and those of the pods.
//!
//! Read off what comes back through `SESSIONS`, which only ever comes later than it was written. So a time ahead of the
//! server's clock is proof of a fast clock, while a time behind it may be a delay: that counts when all that a pod
//! writes is behind for some seconds.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::Millis;

/// Clocks may be so far apart without a word: they are set over a network, and records take their time.
pub const APART_MS: i64 = 2_000;
/// How long what was seen is remembered.
const REMEMBERED_S: u64 = 10;
/// A pod's clock counts as slow when it was behind for so long.
const SLOW_FOR_S: u64 = 5;
/// The most pods that are looked at; a header may name anything.
const MOST_PODS: usize = 32;
/// The most that are told.
const MOST_TOLD: usize = 4;

/// The clocks that are far from the server's, the farthest first; empty while they agree, or while nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Clocks(pub Vec<Apart>);

/// A clock that is far from the server's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apart {
    /// Whose.
    pub whose: Whose,
    /// How far it is ahead of the server's clock; negative when it is behind. In tenths of a second.
    pub by_ms: i64,
}

/// Whose clock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Whose {
    /// Of who writes frames of the generator's machines.
    Generator,
    /// Of who writes players' frames beside the server.
    Players,
    /// A pod's, by its name.
    Pod(String),
}

/// Looks at records as they come back, and knows which clocks are far from the server's.
#[derive(Debug, Default)]
pub struct Watch {
    generator: Seen,
    players: Seen,
    pods: BTreeMap<String, Seen>,
}

impl Watch {
    /// A frame with this time has come back. A session's first frame will do: there are always new sessions.
    pub fn frame(&mut self, now_ms: Millis, is_players: bool, ts_ms: i64) {
        let writer = if is_players { &mut self.players } else { &mut self.generator };
        writer.note(now_ms, ts_ms);
    }

    /// A pod says that it joined a frame at this time.
    pub fn joined(&mut self, now_ms: Millis, pod: &str, at_ms: Millis) {
        let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
        if let Some(seen) = self.pods.get_mut(pod) {
            seen.note(now_ms, at_ms);
        } else if self.pods.len() < MOST_PODS {
            self.pods.entry(pod.to_owned()).or_default().note(now_ms, at_ms);
        }
    }

    /// The clocks that are far from the server's now.
    pub fn clocks(&mut self, now_ms: Millis) -> Clocks {
        self.pods.retain(|_, seen| !seen.is_over(now_ms));
        let writers = [(&mut self.generator, Whose::Generator), (&mut self.players, Whose::Players)];
        // Whoever is behind the pods has old frames: how far a writer's clock is behind cannot be known.
        let writers = writers.map(|(seen, whose)| (seen.ahead_ms(now_ms), whose));
        let pods = self.pods.iter_mut();
        let pods = pods.map(|(pod, seen)| {
            (seen.ahead_ms(now_ms).or_else(|| seen.behind_ms(now_ms)), Whose::Pod(pod.clone()))
        });
        let all = writers.into_iter().chain(pods);
        let mut apart: Vec<_> =
            all.filter_map(|(by_ms, whose)| Some(Apart { whose, by_ms: rounded(by_ms?) })).collect();
        apart.sort_by_key(|apart| (std::cmp::Reverse(apart.by_ms.unsigned_abs()), apart.whose.clone()));
        apart.truncate(MOST_TOLD);
        Clocks(apart)
    }
}

/// The last seconds of one clock: each with the time that was farthest ahead of the server's, or least behind it.
#[derive(Debug, Default)]
struct Seen(VecDeque<(u64, i64)>);

impl Seen {
    fn note(&mut self, now_ms: Millis, at_ms: i64) {
        let second = now_ms / 1_000;
        let ahead_ms = at_ms.saturating_sub(i64::try_from(now_ms).unwrap_or(i64::MAX));
        match self.0.back_mut() {
            Some((last, most)) if *last >= second => *most = (*most).max(ahead_ms),
            _ => {
                self.0.push_back((second, ahead_ms));
                self.forget(now_ms);
            }
        }
    }

    fn forget(&mut self, now_ms: Millis) {
        let second = now_ms / 1_000;
        while self.0.front().is_some_and(|(then, _)| then + REMEMBERED_S <= second) {
            self.0.pop_front();
        }
    }

    fn is_over(&mut self, now_ms: Millis) -> bool {
        self.forget(now_ms);
        self.0.is_empty()
    }

    fn ahead_ms(&mut self, now_ms: Millis) -> Option<i64> {
        self.forget(now_ms);
        self.0.iter().map(|(_, most)| *most).max().filter(|most| *most > APART_MS)
    }

    /// What is least behind tells the clock from a delay.
    fn behind_ms(&self, now_ms: Millis) -> Option<i64> {
        let (first, _) = self.0.front()?;
        let is_lasting = first + SLOW_FOR_S <= now_ms / 1_000;
        self.0.iter().map(|(_, most)| *most).max().filter(|most| is_lasting && *most < -APART_MS)
    }
}

/// Tenths of a second: a page that shows no more need not hear of more.
fn rounded(ms: i64) -> i64 {
    ms.saturating_add(ms.signum() * 50) / 100 * 100
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_000_000_000;

    /// A time that is so far from the server's clock.
    fn at(now_ms: Millis, by_ms: i64) -> i64 {
        i64::try_from(now_ms).unwrap() + by_ms
    }

    fn told(watch: &mut Watch, now_ms: Millis) -> Vec<(Whose, i64)> {
        watch.clocks(now_ms).0.into_iter().map(|apart| (apart.whose, apart.by_ms)).collect()
    }

    #[test]
    fn frames_from_the_future_tell_of_a_fast_clock_and_are_forgotten() {
        let mut watch = Watch::default();
        for step in 0..30 {
            let now_ms = NOW + step * 100;
            watch.frame(now_ms, false, at(now_ms, 7_960 - i64::try_from(step).unwrap() * 40));
            watch.frame(now_ms, true, at(now_ms, -300));
        }
        assert_eq!(told(&mut watch, NOW + 3_000), [(Whose::Generator, 8_000)], "the least delay counts");
        assert_eq!(told(&mut watch, NOW + 9_000).len(), 1);
        assert_eq!(told(&mut watch, NOW + 13_000), []);
    }

    #[test]
    fn one_frame_is_enough_and_small_differences_are_not_worth_a_word() {
        let mut watch = Watch::default();
        watch.frame(NOW, false, at(NOW, 2_000));
        assert_eq!(told(&mut watch, NOW), []);
        watch.frame(NOW, true, at(NOW, 55_000));
        assert_eq!(told(&mut watch, NOW), [(Whose::Players, 55_000)]);
    }

    #[test]
    fn old_frames_are_lag_and_no_slow_clock() {
        let mut watch = Watch::default();
        for second in 0..20 {
            let now_ms = NOW + second * 1_000;
            watch.frame(now_ms, false, at(now_ms, -60_000));
        }
        assert_eq!(told(&mut watch, NOW + 20_000), []);
    }

    #[test]
    fn a_pods_clock_is_slow_when_all_that_it_writes_is_behind_for_some_seconds() {
        let mut watch = Watch::default();
        let mut joined = |second: u64, by_ms: i64| {
            let now_ms = NOW + second * 1_000;
            watch.joined(now_ms, "kstreams-a", Millis::try_from(at(now_ms, by_ms)).unwrap());
            watch.joined(now_ms, "kstreams-b", Millis::try_from(at(now_ms, 3_210)).unwrap());
            told(&mut watch, now_ms)
        };
        let fast = (Whose::Pod("kstreams-b".into()), 3_200);
        for second in 0..5 {
            assert_eq!(joined(second, -12_345), std::slice::from_ref(&fast));
        }
        assert_eq!(joined(5, -12_400), [(Whose::Pod("kstreams-a".into()), -12_300), fast.clone()]);
        assert_eq!(joined(6, -500), [fast], "that was a delay");
        assert_eq!(told(&mut watch, NOW + 60_000), []);
    }

    #[test]
    fn whatever_the_headers_name_it_stays_small() {
        let mut watch = Watch::default();
        for number in 0..1_000 {
            watch.joined(NOW, &number.to_string(), NOW + 10_000);
        }
        assert_eq!((watch.pods.len(), told(&mut watch, NOW).len()), (MOST_PODS, MOST_TOLD));
        watch.clocks(NOW + 10_000);
        assert!(watch.pods.is_empty());
    }
}
