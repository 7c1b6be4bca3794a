//! Who has a stream: one address does not take all of them, and a presenter always gets one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use workload::Machine;

use crate::state::lock;

/// Streams of one player: two tabs.
const MAX_OF_PLAYER: u32 = 2;

/// Streams that may still be opened.
#[derive(Debug)]
pub struct Places {
    all: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of_addresses: HashMap<IpAddr, OfAddress>,
    of_players: HashMap<Machine, u32>,
}

#[derive(Debug, Clone, Copy, Default)]
struct OfAddress {
    all: usize,
    /// Those of people who do not play.
    of_others: usize,
}

/// Who looks on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looker {
    /// Somebody who has signed in.
    Presenter,
    /// Somebody who plays.
    Player(Machine),
    /// Anybody.
    Other,
}

/// A place that is taken for as long as this lives.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    from: IpAddr,
    looker: Looker,
}

impl Places {
    /// So many in all.
    #[must_use]
    pub fn new(all: usize) -> Arc<Self> {
        Arc::new(Self { all, taken: Mutex::default() })
    }

    /// Takes a place, if there is one for this looker: of one address, half of all for people who do not play, three
    /// quarters for all.
    #[must_use]
    pub fn take(self: &Arc<Self>, from: IpAddr, looker: Looker) -> Option<Place> {
        let mut taken = lock(&self.taken);
        let OfAddress { all, of_others } = taken.of_addresses.get(&from).copied().unwrap_or_default();
        let there_is_one = taken.all < self.all && all < self.all / 4 * 3;
        let may = match looker {
            Looker::Presenter => true,
            Looker::Player(machine) => {
                there_is_one && taken.of_players.get(&machine).is_none_or(|streams| *streams < MAX_OF_PLAYER)
            }
            Looker::Other => there_is_one && of_others < self.all / 2,
        };
        if !may {
            return None;
        }
        taken.count(from, looker, |count| count + 1);
        Some(Place { places: Arc::clone(self), from, looker })
    }
}

impl Taken {
    fn count(&mut self, from: IpAddr, looker: Looker, change: fn(usize) -> usize) {
        self.all = change(self.all);
        let of_address = self.of_addresses.entry(from).or_default();
        of_address.all = change(of_address.all);
        match looker {
            Looker::Presenter => {}
            Looker::Other => of_address.of_others = change(of_address.of_others),
            Looker::Player(machine) => {
                let streams = self.of_players.entry(machine).or_default();
                *streams = u32::try_from(change(*streams as usize)).unwrap_or(u32::MAX);
                if *streams == 0 {
                    self.of_players.remove(&machine);
                }
            }
        }
        if self.of_addresses.get(&from).is_some_and(|of_address| of_address.all == 0) {
            self.of_addresses.remove(&from);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places.taken).count(self.from, self.looker, |count| count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));
    const SCRIPT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

    fn player(number: u32) -> Looker {
        Looker::Player(Machine::player(number).unwrap())
    }

    #[test]
    fn one_address_leaves_places_for_others_and_for_its_own_players() {
        let places = Places::new(100);
        let others: Vec<Place> = (0..200).filter_map(|_| places.take(SCRIPT, Looker::Other)).collect();
        assert_eq!(others.len(), 50);
        let players: Vec<Place> = (0..200).filter_map(|number| places.take(SCRIPT, player(number))).collect();
        assert_eq!(players.len(), 25);
        let room: Vec<Place> = (0..200).filter_map(|_| places.take(ROOM, Looker::Other)).collect();
        assert_eq!(room.len(), 25);
        assert!(places.take(ROOM, player(999)).is_none());
        assert!(places.take(SCRIPT, Looker::Presenter).is_some());
        drop((others, players, room));
        assert!(lock(&places.taken).of_addresses.is_empty() && lock(&places.taken).of_players.is_empty());
        assert_eq!(lock(&places.taken).all, 0);
    }

    #[test]
    fn a_player_has_two_streams() {
        let places = Places::new(100);
        let [one, other] = [(); 2].map(|()| places.take(ROOM, player(1)).unwrap());
        assert!(places.take(ROOM, player(1)).is_none());
        drop(one);
        assert!(places.take(ROOM, player(1)).is_some());
        drop(other);
    }
}
