//! Where players come from, so that one address does not take what the others need. A whole room may share an address:
//! it gets what others leave, and what is kept for others is never more than they can use.

use std::collections::HashMap;
use std::net::IpAddr;

use model::Millis;
use model::bucket::Bucket;
use model::play::MAX_PLAYERS;

use super::{JOINS_PER_SECOND, ROOM_TAPS_PER_SECOND};

/// So many of one address may join within a second whatever others do, and ten times as many at once.
const JOINS: u32 = JOINS_PER_SECOND / 5;
/// Those of one address may send so many taps a second whatever others do.
const TAPS: u32 = ROOM_TAPS_PER_SECOND * 3 / 5;
/// New players whom one address leaves room for when it has used up its own budget.
const JOINS_FOR_OTHERS: u32 = JOINS_PER_SECOND;
/// Likewise taps.
const TAPS_FOR_OTHERS: u32 = ROOM_TAPS_PER_SECOND * 2 / 5;
/// Players of one address.
pub(super) const MAX_FROM_ONE: usize = MAX_PLAYERS / 4 * 3;
/// An address that nobody uses for so long has its whole budget again.
const FORGOTTEN_AFTER_MS: Millis = 60_000;
/// Addresses that are remembered.
const MAX_ORIGINS: usize = 4_096;

/// The budgets of all addresses.
#[derive(Debug, Default)]
pub(super) struct Origins(HashMap<IpAddr, Origin>);

#[derive(Debug)]
struct Origin {
    joins: Bucket,
    taps: Bucket,
    used_ms: Millis,
}

impl Origins {
    /// Takes a place among those who join; `all` is the budget of everybody.
    ///
    /// # Errors
    /// The milliseconds after which there is one.
    pub(super) fn join(&mut self, now_ms: Millis, from: IpAddr, all: &mut Bucket) -> Result<(), u32> {
        let own = self.of(now_ms, from).map_or(Err(1_000), |origin| origin.joins.take(now_ms));
        if own.is_ok() { all.take(now_ms) } else { all.take_leaving(now_ms, JOINS_FOR_OTHERS) }
    }

    /// Takes a place for a tap in the room.
    ///
    /// # Errors
    /// The milliseconds after which there is one.
    pub(super) fn tap(&mut self, now_ms: Millis, from: IpAddr, room: &mut Bucket) -> Result<(), u32> {
        let own = self.of(now_ms, from).map_or(Err(1_000), |origin| origin.taps.take(now_ms));
        if own.is_ok() { room.take(now_ms) } else { room.take_leaving(now_ms, TAPS_FOR_OTHERS) }
    }

    /// Forgets those that nobody uses.
    pub(super) fn tick(&mut self, now_ms: Millis) {
        self.0.retain(|_, origin| origin.used_ms + FORGOTTEN_AFTER_MS >= now_ms);
    }

    /// One address; `None` where there are too many to remember another one.
    fn of(&mut self, now_ms: Millis, from: IpAddr) -> Option<&mut Origin> {
        if self.0.len() >= MAX_ORIGINS && !self.0.contains_key(&from) {
            return None;
        }
        let origin = self.0.entry(from).or_insert_with(|| Origin {
            joins: Bucket::new(JOINS, 10 * JOINS, now_ms),
            taps: Bucket::new(TAPS, TAPS, now_ms),
            used_ms: now_ms,
        });
        origin.used_ms = now_ms;
        Some(origin)
    }
}
