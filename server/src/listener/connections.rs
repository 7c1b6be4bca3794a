//! Who is connected. When no more may be, whoever comes takes the place of a connection that has been silent for long:
//! one of the address that has the most.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::state::lock;

/// A connection on which nothing has moved for so long may be closed for somebody else's sake. Live streams move four
/// times a second.
const QUIET: Duration = Duration::from_secs(1);

/// All connections; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    capacity: usize,
    all: Arc<Mutex<All>>,
}

#[derive(Debug, Default)]
struct All {
    next: u64,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    address: IpAddr,
    activity: Activity,
    leave: Arc<Notify>,
}

/// When something moved on a connection last.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    begin: Instant,
    last_ms: Arc<AtomicU64>,
}

impl Activity {
    fn new(now: Instant) -> Self {
        Self { begin: now, last_ms: Arc::default() }
    }

    /// Something moves.
    pub(super) fn note(&self) {
        let elapsed = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.begin + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }
}

/// A place among the connections, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Connections,
    id: u64,
    pub(super) activity: Activity,
    /// Told when somebody else needs it.
    pub(super) leave: Arc<Notify>,
}

impl Connections {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, all: Arc::default() }
    }

    /// A place for a connection that comes now; `None` when there is none, and none that is silent.
    pub(super) fn take(&self, now: Instant, address: IpAddr) -> Option<Place> {
        let mut all = lock(&self.all);
        if all.open.len() >= self.capacity {
            let silent = all.silent(now)?;
            all.open.remove(&silent).inspect(|open| open.leave.notify_one());
        }
        let (activity, leave) = (Activity::new(now), Arc::new(Notify::new()));
        let id = all.next;
        all.next += 1;
        all.open.insert(id, Open { address, activity: activity.clone(), leave: Arc::clone(&leave) });
        Some(Place { connections: self.clone(), id, activity, leave })
    }
}

impl All {
    /// Of the address with the most connections, the one that has been silent the longest.
    fn silent(&self, now: Instant) -> Option<u64> {
        let mut of_address: HashMap<IpAddr, usize> = HashMap::new();
        for open in self.open.values() {
            *of_address.entry(open.address).or_default() += 1;
        }
        let is_quiet = |open: &Open| now.saturating_duration_since(open.activity.last()) >= QUIET;
        let crowd = |open: &Open| of_address.get(&open.address).copied().unwrap_or(0);
        let quiet = self.open.iter().filter(|(_, open)| is_quiet(open));
        quiet
            .min_by_key(|(id, open)| (std::cmp::Reverse(crowd(open)), open.activity.last(), **id))
            .map(|(id, _)| *id)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.connections.all).open.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, host])
    }

    /// Whether it was asked to leave.
    fn is_asked(place: &Place) -> bool {
        use futures::FutureExt;
        place.leave.notified().now_or_never().is_some()
    }

    #[test]
    fn a_silent_connection_of_the_address_that_has_the_most_makes_room() {
        let (connections, begin) = (Connections::new(4), Instant::now());
        let take = |host, ms| connections.take(begin + Duration::from_millis(ms), at(host));
        let honest = take(1, 0).unwrap();
        let crowd = [10, 20, 30].map(|ms| take(2, ms).unwrap());
        assert!(take(3, 900).is_none(), "none is silent yet");
        let newcomer = take(3, 1_100).unwrap();
        assert!(is_asked(&crowd[0]) && !is_asked(&crowd[1]) && !is_asked(&honest));
        drop(crowd);
        let _next = [take(3, 1_200).unwrap(), take(4, 1_200).unwrap()];
        assert!(take(5, 1_200).is_some(), "an alone one that is silent leaves in the end");
        assert!(is_asked(&honest) && !is_asked(&newcomer));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_something_moves_is_kept() {
        let connections = Connections::new(1);
        let place = connections.take(Instant::now(), at(1)).unwrap();
        for _ in 0..10 {
            tokio::time::advance(QUIET / 2).await;
            place.activity.note();
            assert!(connections.take(Instant::now(), at(2)).is_none());
        }
        tokio::time::advance(QUIET).await;
        assert!(connections.take(Instant::now(), at(2)).is_some());
        assert!(is_asked(&place));
    }

    #[test]
    fn a_place_is_given_back() {
        let connections = Connections::new(1);
        for _ in 0..3 {
            assert!(connections.take(Instant::now(), at(1)).is_some());
        }
    }
}
