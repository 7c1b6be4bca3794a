//! The people who play: who has joined, what they have sent into Kafka, and what of it has come back.
//!
//! Pure: time, chance and what Kafka says come in as parameters. A player is a machine of the game with an id from
//! 900000 on; a tap is one frame of it. Everything is bounded: players, taps per player, taps in all.

mod identity;
mod origins;
mod player;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use model::bucket::Bucket;
use model::dead_letters::{DeadLetter, HITS};
use model::play::{Direction, FIGHTERS, Key, MAX_PLAYERS, Player as PlayerName, Standing, Tap, TapAnswer};
use model::snapshot::{Leader, Players as Shown};
use model::{Millis, PARTITIONS};
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use workload::{Frame, FrameHeader, Game, Level, Machine, Zone};

pub use identity::Identity;
use origins::{MAX_FROM_ONE, Origins};
use player::{Ack, Player};

/// Taps a second that the whole room may send, and a burst of as many again.
pub const ROOM_TAPS_PER_SECOND: u32 = 500;
/// Who has shown no sign of life for so long has gone home.
const GONE_AFTER_MS: Millis = 600_000;
/// Who has shown none for so long may be asked to leave for somebody new.
const IDLE_AFTER_MS: Millis = 30_000;
/// New players a second: a room that stands up at once gets in within seconds, a script does not empty the room.
const JOINS_PER_SECOND: u32 = 100;
/// How far back the rate of taps looks, in seconds.
const RATE_SECONDS: u64 = 3;
/// Players that were shown out and are known by their cookies.
const MAX_REMOVED: usize = 1_024;
/// Lines of the leaderboard.
const LEADERS: usize = 10;

/// All players.
#[derive(Debug)]
pub struct PhoneGame {
    players: HashMap<Machine, Player>,
    room: Bucket,
    joins: Bucket,
    origins: Origins,
    /// The nonces of those that the presenter has shown out, oldest first.
    removed: VecDeque<u64>,
    /// Taps that were sent in each of the last seconds.
    sent: VecDeque<(u64, u32)>,
    /// Rises with every change of a tap, so that a phone can be told only what is new to it.
    revision: u64,
    /// Where the application is in each partition of the requests.
    positions: Vec<Option<u64>>,
    /// The pod that died on a partition, until another works there.
    dead_pods: Vec<Option<String>>,
    /// All scores, highest first, as of the last tick.
    scores: Vec<u64>,
}

/// A tap that was drawn and has to be written to Kafka; then [`PhoneGame::acked`] or [`PhoneGame::failed`] must be
/// told.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Whose.
    pub machine: Machine,
    /// The tap's number within its player.
    pub number: u32,
    /// What to write, as a request and as its response.
    pub frame: Frame,
    /// Where to.
    pub partition: u32,
}

/// A player's session that came back through `SESSIONS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// The partition of the session and of the frames in it.
    pub partition: u32,
    /// The highest offset of this machine's requests that is folded in.
    pub rq_offset: i64,
    /// The pod that folded it.
    pub pod: String,
    /// When its newest frame was joined, by that pod's clock.
    pub joined_at_ms: Millis,
}

/// What a phone has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneView {
    /// Who.
    pub player: PlayerName,
    /// Score and place.
    pub standing: Standing,
    /// The taps that changed, oldest first.
    pub taps: Vec<Tap>,
    /// Give it to the next call, to be told only what is new.
    pub revision: u64,
}

impl PhoneGame {
    /// An empty room.
    #[must_use]
    pub fn new(now_ms: Millis) -> Self {
        let partitions = usize::try_from(PARTITIONS).unwrap_or_default();
        Self {
            players: HashMap::new(),
            room: Bucket::new(ROOM_TAPS_PER_SECOND, ROOM_TAPS_PER_SECOND, now_ms),
            joins: Bucket::new(JOINS_PER_SECOND, 2 * JOINS_PER_SECOND, now_ms),
            origins: Origins::default(),
            removed: VecDeque::new(),
            sent: VecDeque::new(),
            revision: 0,
            positions: vec![None; partitions],
            dead_pods: vec![None; partitions],
            scores: Vec::new(),
        }
    }

    /// Lets somebody new in from an address, with a fighter from the list.
    ///
    /// # Errors
    /// One sentence that says why not.
    pub fn join(
        &mut self,
        now_ms: Millis,
        from: IpAddr,
        fighter: u8,
        rng: &mut impl Rng,
    ) -> Result<Identity, String> {
        if usize::from(fighter) >= FIGHTERS.len() {
            return Err("There is no such fighter: choose one from the list.".to_owned());
        }
        self.make_room(now_ms, from)?;
        let machine = self.free_machine(rng).ok_or("All machines are taken: try again in a minute.")?;
        let identity = Identity { machine, fighter, number: self.free_number(fighter), nonce: rng.random() };
        self.players.insert(machine, Player::new(identity, from, now_ms));
        Ok(identity)
    }

    /// Lets somebody in again who was here before the server was restarted, or who was gone for too long: the same
    /// fighter and machine, a score from 0. `false` if that cannot be: they have to choose again.
    pub fn rejoin(&mut self, now_ms: Millis, from: IpAddr, identity: Identity) -> bool {
        if let Some(known) = self.players.get(&identity.machine) {
            return known.identity.nonce == identity.nonce;
        }
        if self.removed.contains(&identity.nonce) || self.make_room(now_ms, from).is_err() {
            return false;
        }
        let is_taken = self.numbers(identity.fighter).any(|number| number == identity.number);
        let number = if is_taken { self.free_number(identity.fighter) } else { identity.number };
        self.players.insert(identity.machine, Player::new(Identity { number, ..identity }, from, now_ms));
        true
    }

    /// Shows a player out, by the name that people see. Whoever it was may join anew, as somebody new does; `false` if
    /// there is none.
    pub fn remove(&mut self, name: &str) -> bool {
        let found = self.players.values().find(|player| player.identity.name() == name);
        let Some(Identity { machine, nonce, .. }) = found.map(|player| player.identity) else { return false };
        self.players.remove(&machine);
        if self.removed.len() >= MAX_REMOVED {
            self.removed.pop_front();
        }
        self.removed.push_back(nonce);
        self.rank();
        true
    }

    /// Draws the hit of a tap, if this player and the room may send one now.
    ///
    /// # Errors
    /// The answer to the phone when nothing is sent.
    pub fn tap(
        &mut self,
        now_ms: Millis,
        machine: Machine,
        (key, direction): (Key, Option<Direction>),
        rng: &mut impl Rng,
    ) -> Result<Draft, TapAnswer> {
        let player = self.players.get_mut(&machine).ok_or(TapAnswer::Unknown)?;
        player.seen_ms = now_ms;
        let limited = |room| move |retry_in_ms| TapAnswer::Limited { retry_in_ms, room };
        player.bucket.take(now_ms).map_err(limited(false))?;
        if let Err(retry_in_ms) = self.origins.tap(now_ms, player.from, &mut self.room) {
            player.bucket.put_back();
            return Err(limited(true)(retry_in_ms));
        }
        let level = Level::ALL.choose(rng).copied().unwrap_or(Level::NewBie);
        let hit = workload::generator::draw_hit(
            rng,
            game_key(key),
            direction.map(game_direction),
            level,
            game_of(machine),
        );
        let header = FrameHeader { ts: player.next_ts(now_ms), machine, zone: zone_of(machine) };
        let number = player.begin(now_ms, header.ts, (key, direction), &hit);
        self.count_sent(now_ms);
        let frame = Frame { header, hits: vec![hit] };
        Ok(Draft { machine, number, frame, partition: machine.partition(PARTITIONS) })
    }

    /// Kafka has a tap; `None` if its player has left meanwhile.
    pub fn acked(&mut self, now_ms: Millis, draft: &Draft, partition: u32, offset: i64) -> Option<Tap> {
        self.revision += 1;
        let at = usize::try_from(partition).unwrap_or(usize::MAX);
        let ack = Ack {
            partition,
            offset,
            position: self.positions.get(at).copied().flatten(),
            hurt: self.dead_pods.get(at).and_then(Option::as_deref),
            revision: self.revision,
        };
        self.players.get_mut(&draft.machine)?.acked(now_ms, draft.number, &ack)
    }

    /// Kafka did not take a tap.
    pub fn failed(&mut self, draft: &Draft) {
        if let Some(player) = self.players.get_mut(&draft.machine) {
            player.forget(draft.number);
        }
    }

    /// A player's session came back.
    pub fn returned(&mut self, now_ms: Millis, machine: Machine, returned: Returned) {
        self.revision += 1;
        if let Some(player) = self.players.get_mut(&machine) {
            player.returned(now_ms, self.revision, returned);
        }
    }

    /// The application has put a record of a tap aside, its request or its response: the tap does not count.
    pub fn put_aside(&mut self, header: &FrameHeader, letter: DeadLetter) {
        if letter.reason.as_deref() == Some(HITS) {
            // The record counts without the hits that do not decode.
            return;
        }
        self.revision += 1;
        if let Some(player) = self.players.get_mut(&header.machine) {
            player.put_aside(header.ts, self.revision, letter);
        }
    }

    /// The application has come to these positions in the requests, indexed by partition.
    pub fn committed(&mut self, positions: Vec<Option<u64>>) {
        if positions == self.positions {
            return;
        }
        self.revision += 1;
        for player in self.players.values_mut() {
            let partition = player.identity.machine.partition(PARTITIONS);
            let at = usize::try_from(partition).unwrap_or(usize::MAX);
            player.committed(partition, positions.get(at).copied().flatten(), self.revision);
        }
        self.positions = positions;
    }

    /// A pod died that worked on a partition: whoever waits there, and whoever comes before another pod works there,
    /// was hurt.
    pub fn pod_died(&mut self, partition: usize, pod: &str) {
        let Some(dead_pod) = self.dead_pods.get_mut(partition) else { return };
        *dead_pod = Some(pod.to_owned());
        let Ok(partition) = u32::try_from(partition) else { return };
        self.players.values_mut().for_each(|player| player.hurt(partition, pod));
    }

    /// The pod that died on a partition, until [`PhoneGame::pod_works_again`].
    #[must_use]
    pub fn dead_pod(&self, partition: usize) -> Option<&str> {
        self.dead_pods.get(partition)?.as_deref()
    }

    /// Another pod works on the partition.
    pub fn pod_works_again(&mut self, partition: usize) {
        if let Some(dead_pod) = self.dead_pods.get_mut(partition) {
            *dead_pod = None;
        }
    }

    /// Once a second: lets go who has gone home, forgets what will not come back, and ranks the rest.
    pub fn tick(&mut self, now_ms: Millis) {
        self.players.retain(|_, player| player.seen_ms + GONE_AFTER_MS >= now_ms);
        self.players.values_mut().for_each(|player| player.prune(now_ms));
        self.origins.tick(now_ms);
        self.rank();
        let oldest = (now_ms / 1_000).saturating_sub(RATE_SECONDS);
        while self.sent.front().is_some_and(|(second, _)| *second < oldest) {
            self.sent.pop_front();
        }
    }

    /// Everybody's score is 0 again; nobody has to leave.
    pub fn reset(&mut self) {
        self.players.values_mut().for_each(Player::reset);
        self.rank();
    }

    /// What the show says of the players.
    #[must_use]
    pub fn standings(&self) -> Shown {
        let mut best: Vec<&Player> = self.players.values().filter(|player| player.score > 0).collect();
        best.sort_unstable_by_key(|player| (std::cmp::Reverse(player.score), player.identity.machine));
        let leaders = best
            .into_iter()
            .take(LEADERS)
            .map(|player| Leader {
                fighter: player.identity.name(),
                score: player.score,
                last_ms: player.last_ms,
            })
            .collect();
        let taps: u32 = self.sent.iter().map(|(_, taps)| taps).sum();
        Shown {
            count: u32::try_from(self.players.len()).unwrap_or(u32::MAX),
            taps_per_second: taps.div_ceil(u32::try_from(RATE_SECONDS).unwrap_or(1)),
            leaders,
        }
    }

    /// What a phone has to be told since a revision (0: everything), and a sign of life of its player. `None` for
    /// somebody who has to choose a fighter.
    pub fn phone(&mut self, now_ms: Millis, machine: Machine, since: u64) -> Option<PhoneView> {
        let player = self.players.get_mut(&machine)?;
        player.seen_ms = now_ms;
        let rank = 1 + self.scores.partition_point(|score| *score > player.score);
        Some(PhoneView {
            player: PlayerName { fighter: player.identity.name(), machine: machine.to_string() },
            standing: Standing { score: player.score, rank: u32::try_from(rank).unwrap_or(u32::MAX) },
            taps: player.taps(since),
            revision: self.revision,
        })
    }

    /// How many have joined.
    #[must_use]
    pub fn len(&self) -> usize {
        self.players.len()
    }

    /// Whether nobody plays.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.players.is_empty()
    }

    /// Makes sure that one more fits: the one who has been idle the longest leaves. Where an address has as many as one
    /// may have, that is one of its own.
    fn make_room(&mut self, now_ms: Millis, from: IpAddr) -> Result<(), String> {
        let may_join = self.origins.join(now_ms, from, &mut self.joins);
        may_join.map_err(|_| "Many join at this moment: try again in a second.")?;
        let of_address = self.players.values().filter(|player| player.from == from).count();
        let is_crowded = of_address >= MAX_FROM_ONE;
        if self.players.len() < MAX_PLAYERS && !is_crowded {
            return Ok(());
        }
        let may_leave = self.players.values().filter(|player| !is_crowded || player.from == from);
        let idlest = may_leave.min_by_key(|player| player.seen_ms);
        match idlest
            .filter(|player| player.seen_ms + IDLE_AFTER_MS <= now_ms)
            .map(|player| player.identity.machine)
        {
            Some(machine) => {
                self.players.remove(&machine);
                Ok(())
            }
            None => Err("All places are taken: try again in a minute.".to_owned()),
        }
    }

    /// Drawn, not counted up: a cookie from before a restart then hardly ever meets somebody new on its machine.
    fn free_machine(&self, rng: &mut impl Rng) -> Option<Machine> {
        let start = rng.random_range(0..Machine::PLAYERS);
        (0..Machine::PLAYERS)
            .filter_map(|step| Machine::player((start + step) % Machine::PLAYERS))
            .find(|machine| !self.players.contains_key(machine))
    }

    fn numbers(&self, fighter: u8) -> impl Iterator<Item = u32> {
        let of_fighter = self.players.values().filter(move |player| player.identity.fighter == fighter);
        of_fighter.map(|player| player.identity.number)
    }

    fn free_number(&self, fighter: u8) -> u32 {
        let taken: HashSet<u32> = self.numbers(fighter).collect();
        (1..).find(|number| !taken.contains(number)).unwrap_or(u32::MAX)
    }

    fn rank(&mut self) {
        self.scores.clear();
        self.scores.extend(self.players.values().map(|player| player.score));
        self.scores.sort_unstable_by(|one, other| other.cmp(one));
    }

    fn count_sent(&mut self, now_ms: Millis) {
        let second = now_ms / 1_000;
        match self.sent.back_mut() {
            Some((last, taps)) if *last >= second => *taps += 1,
            _ => self.sent.push_back((second, 1)),
        }
    }
}

fn game_key(key: Key) -> workload::Key {
    match key {
        Key::X => workload::Key::X,
        Key::O => workload::Key::O,
    }
}

fn game_direction(direction: Direction) -> workload::Direction {
    match direction {
        Direction::Up => workload::Direction::Up,
        Direction::Down => workload::Direction::Down,
        Direction::Left => workload::Direction::Left,
        Direction::Right => workload::Direction::Right,
    }
}

/// One of a table's entries, always the same for the same machine.
fn of_machine<T: Copy>(machine: Machine, table: &[T]) -> Option<T> {
    let index = usize::try_from(machine.id()).unwrap_or_default().checked_rem(table.len())?;
    table.get(index).copied()
}

fn zone_of(machine: Machine) -> Zone {
    of_machine(machine, &Zone::ALL).unwrap_or(Zone::EU)
}

fn game_of(machine: Machine) -> Game {
    of_machine(machine, Game::ALL).unwrap_or(Game::Neowave)
}
