//! What was learnt a moment ago, so that nobody is asked twice for the same.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many answers are kept at most: a stranger who tries tokens must not fill the memory.
const MAX_ENTRIES: usize = 1_024;

/// Answers that hold for a while.
pub(super) struct Cache<K, V> {
    holds: Duration,
    entries: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(super) fn new(holds: Duration) -> Self {
        Self { holds, entries: Mutex::default() }
    }

    /// The answer, while it holds.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).filter(|(since, _)| since.elapsed() < self.holds).map(|(_, value)| value.clone())
    }

    /// Keeps an answer, and forgets those that hold no longer; all of them where that is not enough.
    pub(super) fn put(&self, key: K, value: V) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES {
            entries.retain(|_, (since, _)| since.elapsed() < self.holds);
        }
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        entries.insert(key, (Instant::now(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_holds_for_its_time_and_no_longer() {
        let cache = Cache::new(Duration::from_secs(10));
        cache.put("a", 1);
        tokio::time::advance(Duration::from_millis(9_999)).await;
        assert_eq!(cache.get(&"a"), Some(1));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(cache.get(&"a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn it_never_keeps_more_than_its_size() {
        let cache = Cache::new(Duration::from_secs(10));
        for key in 0..=2 * MAX_ENTRIES {
            cache.put(key, ());
        }
        assert!(cache.entries.lock().unwrap().len() <= MAX_ENTRIES);
        assert_eq!(cache.get(&(2 * MAX_ENTRIES)), Some(()));
    }
}
