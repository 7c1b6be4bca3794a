//! The load: machines that play and rest, and the frames that they send. The same seed and the same times give the
//! same frames.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::{
    Direction, EventTime, Frame, FrameHeader, Game, Hit, ImpactType, Key, Level, Machine, Zone, sessions,
};

/// The lowest id of a machine that is not a person's.
const FIRST_MACHINE: u32 = 4;
/// The most machines that can be told apart.
pub const MAX_MACHINES: u32 = Machine::FIRST_PLAYER - FIRST_MACHINE;

const PLAY_MS: std::ops::RangeInclusive<EventTime> = 5_000..=30_000;
/// Longer than a session's gap, so that sessions really close.
const LONGEST_REST_MS: EventTime = 30_000;
const MOST_HITS: u32 = 5;
const VIOLENCE: std::ops::RangeInclusive<u8> = 42..=209;
/// A response follows in so many cases of [`RESPONSE_OF`].
const RESPONSES: u32 = 100;
const RESPONSE_OF: u32 = 101;

/// The impacts, as often as they come in twenty hits.
const IMPACTS: [ImpactType; 20] = {
    let mut impacts = [ImpactType::Direct; 20];
    impacts[0] = ImpactType::Fatal;
    impacts[1] = ImpactType::Critical;
    impacts[2] = ImpactType::Critical;
    impacts[3] = ImpactType::Special;
    impacts[4] = ImpactType::Special;
    let mut missed = 5;
    while missed < 10 {
        impacts[missed] = ImpactType::Missed;
        missed += 1;
    }
    impacts
};

/// The directions, as often as they come in ten hits.
const DIRECTIONS: [Direction; 10] = {
    use Direction::{Down, Left, Right, Up};
    [Up, Up, Up, Up, Right, Right, Right, Down, Down, Left]
};

/// One hit in so many has no direction, and one in so many a second key: the sources do not say how often.
const WITHOUT_DIRECTION: u32 = 10;
const WITH_SECOND_KEY: u32 = 5;

/// One random number that serves several small draws: drawing is most of what a frame costs. Each draw takes the digit
/// before the point of `fraction x below` and leaves what is behind it; a hit's six draws use up 23 of the 64 bits, so
/// no odds are off by more than one in 2^40.
struct Draws(u64);

impl Draws {
    fn new(rng: &mut (impl Rng + ?Sized)) -> Self {
        Self(rng.next_u64())
    }

    /// A number from 0 to below this.
    fn below(&mut self, below: u32) -> u32 {
        let product = u128::from(self.0) * u128::from(below);
        self.0 = product as u64;
        (product >> 64) as u32
    }

    /// One of a table's entries; the tables are never empty, but the compiler cannot know.
    fn one_of<T: Copy>(&mut self, table: &[T], otherwise: T) -> T {
        // No table has more entries than fit.
        table.get(self.below(table.len() as u32) as usize).copied().unwrap_or(otherwise)
    }

    fn key(&mut self) -> Key {
        self.one_of(Key::ALL, Key::X)
    }

    fn hit(&mut self, key: Key, direction: Option<Direction>, level: Level, game: Game) -> Hit {
        let impact_type = self.one_of(&IMPACTS, ImpactType::Missed);
        let violence = *VIOLENCE.start() + self.below(u32::from(VIOLENCE.end() - VIOLENCE.start()) + 1) as u8;
        let double_key = (self.below(WITH_SECOND_KEY) == 0).then(|| self.key());
        let impact = if impact_type == ImpactType::Missed { 0 } else { violence };
        Hit { impact, key, double_key, direction, impact_type, level, game }
    }
}

/// Draws how a press of this key in this direction lands, with the generator's odds.
pub fn draw_hit(
    rng: &mut (impl Rng + ?Sized),
    key: Key,
    direction: Option<Direction>,
    level: Level,
    game: Game,
) -> Hit {
    Draws::new(rng).hit(key, direction, level, game)
}

/// Draws a frame's hits: 1 to 5 of one level, on one game.
fn draw_hits(rng: &mut (impl Rng + ?Sized), level: Level, game: Game) -> Vec<Hit> {
    let hits = 1 + Draws::new(rng).below(MOST_HITS);
    (0..hits).map(|_| draw_machines_hit(rng, level, game)).collect()
}

/// Draws one hit as a machine strikes it.
fn draw_machines_hit(rng: &mut (impl Rng + ?Sized), level: Level, game: Game) -> Hit {
    let mut draws = Draws::new(rng);
    let key = draws.key();
    let direction = draws.one_of(&DIRECTIONS, Direction::Up);
    let direction = (draws.below(WITHOUT_DIRECTION) > 0).then_some(direction);
    draws.hit(key, direction, level, game)
}

/// One partition that gets more than its share of the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hot {
    /// Which one.
    pub partition: u32,
    /// Its part of all frames; more than 100 counts as 100.
    pub percent: u8,
}

/// What the generator drew: a frame, and whether a response follows its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// The frame, of the request and of its response.
    pub frame: Frame,
    /// The partition of both.
    pub partition: u32,
    /// About one request in a hundred never gets a response.
    pub answered: bool,
}

/// Machines that play and rest.
#[derive(Debug)]
pub struct Generator {
    rng: StdRng,
    machines: Vec<Cabinet>,
    /// Indices of the machines that play, by partition.
    playing: Vec<Vec<usize>>,
    /// When each machine changes between play and rest, soonest first.
    changes: BinaryHeap<Reverse<(EventTime, usize)>>,
}

#[derive(Debug)]
struct Cabinet {
    machine: Machine,
    partition: u32,
    zone: Zone,
    game: Game,
    last_ts: EventTime,
    /// Where it stands in its partition's list while it plays.
    place: Option<usize>,
}

impl Generator {
    /// As many machines as asked for (1 to [`MAX_MACHINES`]), at a time from which some play and some rest.
    #[must_use]
    pub fn new(seed: u64, machines: u32, partitions: u32, now: EventTime) -> Self {
        let partitions = partitions.max(1);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut ids = HashSet::new();
        let mut cabinets = Vec::new();
        while cabinets.len() < machines.clamp(1, MAX_MACHINES) as usize {
            let id = rng.random_range(FIRST_MACHINE..Machine::FIRST_PLAYER);
            if let Some(machine) = Machine::new(id)
                && ids.insert(id)
            {
                let mut draws = Draws::new(&mut rng);
                cabinets.push(Cabinet {
                    machine,
                    partition: machine.partition(partitions),
                    zone: draws.one_of(&Zone::ALL, Zone::EU),
                    game: draws.one_of(Game::ALL, Game::Neowave),
                    last_ts: EventTime::MIN,
                    place: None,
                });
            }
        }
        let mut generator = Self {
            rng,
            machines: cabinets,
            playing: vec![Vec::new(); partitions as usize],
            changes: BinaryHeap::new(),
        };
        generator.spread(now);
        generator
    }

    /// Draws the next frame at this time.
    pub fn draw(&mut self, now: EventTime, hot: Option<Hot>) -> Drawn {
        self.change_shifts(now);
        let mut draws = Draws::new(&mut self.rng);
        let index = self.choose(now, hot, &mut draws);
        let cabinet = &mut self.machines[index];
        // Even when frames come faster than the clock ticks, no two of a machine have the same header.
        let ts = now.max(cabinet.last_ts.saturating_add(1));
        cabinet.last_ts = ts;
        let header = FrameHeader { ts, machine: cabinet.machine, zone: cabinet.zone };
        let (partition, game) = (cabinet.partition, cabinet.game);
        let level = draws.one_of(Level::ALL, Level::NewBie);
        let hits = draw_hits(&mut self.rng, level, game);
        let answered = draws.below(RESPONSE_OF) < RESPONSES;
        Drawn { frame: Frame { header, hits }, partition, answered }
    }

    /// How many machines play at the moment.
    #[must_use]
    pub fn playing(&self) -> usize {
        self.playing.iter().map(Vec::len).sum()
    }

    /// Lets machines begin in the midst of their play or rest, as if this had gone on for ever.
    fn spread(&mut self, now: EventTime) {
        for index in 0..self.machines.len() {
            let play = self.rng.random_range(PLAY_MS);
            let rest = self.draw_rest();
            let into = self.rng.random_range(0..play + rest);
            if into < play {
                self.start(index);
                self.changes.push(Reverse((now + play - into, index)));
            } else {
                self.changes.push(Reverse((now + play + rest - into, index)));
            }
        }
    }

    fn change_shifts(&mut self, now: EventTime) {
        while let Some(&Reverse((at, index))) = self.changes.peek()
            && at <= now
        {
            self.changes.pop();
            self.change_shift(index, now);
        }
    }

    fn change_shift(&mut self, index: usize, now: EventTime) {
        let lasts = if self.machines[index].place.is_some() {
            self.stop(index);
            self.draw_rest()
        } else {
            self.start(index);
            self.rng.random_range(PLAY_MS)
        };
        self.changes.push(Reverse((now + lasts, index)));
    }

    fn draw_rest(&mut self) -> EventTime {
        self.rng.random_range(sessions::Limits::default().gap_ms + 1..=LONGEST_REST_MS)
    }

    fn start(&mut self, index: usize) {
        let cabinet = &mut self.machines[index];
        let playing = &mut self.playing[cabinet.partition as usize];
        cabinet.place = Some(playing.len());
        playing.push(index);
    }

    fn stop(&mut self, index: usize) {
        let cabinet = &mut self.machines[index];
        let Some(place) = cabinet.place.take() else { return };
        let playing = &mut self.playing[cabinet.partition as usize];
        playing.swap_remove(place);
        if let Some(&moved) = playing.get(place) {
            self.machines[moved].place = Some(place);
        }
    }

    fn choose(&mut self, now: EventTime, hot: Option<Hot>, draws: &mut Draws) -> usize {
        if self.playing() == 0
            && let Some(Reverse((_, index))) = self.changes.pop()
        {
            // All rest: the one that would begin first begins now.
            self.change_shift(index, now);
        }
        if let Some(Hot { partition, percent }) = hot {
            let is_hot = draws.below(100) < percent.into();
            if let Some(index) = self.choose_where(|of| (of == partition as usize) == is_hot, draws) {
                return index;
            }
        }
        self.choose_where(|_| true, draws).unwrap_or(0)
    }

    /// One of the machines that play, of those partitions.
    fn choose_where(&self, allowed: impl Fn(usize) -> bool, draws: &mut Draws) -> Option<usize> {
        let of_allowed =
            || self.playing.iter().enumerate().filter(|(of, _)| allowed(*of)).map(|(_, list)| list);
        let total: usize = of_allowed().map(Vec::len).sum();
        // There are fewer machines than a million; of none of them the answer is none.
        let mut nth = draws.below(total as u32) as usize;
        for list in of_allowed() {
            match list.get(nth) {
                Some(index) => return Some(*index),
                None => nth -= list.len(),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const NOW: EventTime = 1_700_000_000_000;

    fn drawn(machines: u32, frames: usize, hot: Option<Hot>) -> Vec<Drawn> {
        let mut generator = Generator::new(1, machines, 12, NOW);
        (0..frames).map(|frame| generator.draw(NOW + frame as EventTime, hot)).collect()
    }

    fn share(of: usize, all: usize) -> f64 {
        of as f64 / all as f64
    }

    #[test]
    fn the_same_seed_gives_the_same_frames() {
        assert_eq!(drawn(50, 200, None), drawn(50, 200, None));
        let mut other = Generator::new(2, 50, 12, NOW);
        assert_ne!(drawn(50, 1, None)[0], other.draw(NOW, None));
    }

    #[test]
    fn time_rises_strictly_within_a_machine_and_players_are_never_drawn() {
        let mut generator = Generator::new(1, 20, 12, NOW);
        let mut last = HashMap::new();
        for frame in 0..50_000 {
            let FrameHeader { ts, machine, .. } = generator.draw(NOW + frame / 100, None).frame.header;
            assert!((FIRST_MACHINE..Machine::FIRST_PLAYER).contains(&machine.id()));
            assert!(last.insert(machine, ts).is_none_or(|before| before < ts));
        }
    }

    #[test]
    fn hits_come_with_the_odds_of_the_specification() {
        let hits: Vec<Hit> =
            drawn(200, 30_000, None).into_iter().flat_map(|drawn| drawn.frame.hits).collect();
        let check = |name: &str, expected: f64, is: &dyn Fn(&&Hit) -> bool| {
            let measured = share(hits.iter().filter(is).count(), hits.len());
            assert!((measured - expected).abs() < 0.01, "{name}: {measured}, not {expected}");
        };
        check("X", 0.5, &|hit| hit.key == Key::X);
        check("up", 0.9 * 0.4, &|hit| hit.direction == Some(Direction::Up));
        check("left", 0.9 * 0.1, &|hit| hit.direction == Some(Direction::Left));
        check("fatal", 0.05, &|hit| hit.impact_type == ImpactType::Fatal);
        check("critical", 0.1, &|hit| hit.impact_type == ImpactType::Critical);
        check("special", 0.1, &|hit| hit.impact_type == ImpactType::Special);
        check("direct", 0.5, &|hit| hit.impact_type == ImpactType::Direct);
        check("missed", 0.25, &|hit| hit.impact_type == ImpactType::Missed);
        assert!(hits.iter().all(|hit| match hit.impact_type {
            ImpactType::Missed => hit.impact == 0,
            _ => VIOLENCE.contains(&hit.impact),
        }));
    }

    #[test]
    fn frames_hold_one_to_five_hits_and_one_in_a_hundred_is_never_answered() {
        let drawn = drawn(200, 30_000, None);
        assert!(drawn.iter().all(|drawn| (1..=5).contains(&drawn.frame.hits.len())));
        let unanswered = share(drawn.iter().filter(|drawn| !drawn.answered).count(), drawn.len());
        assert!((0.008..0.012).contains(&unanswered), "{unanswered}");
    }

    #[test]
    fn two_thousand_machines_fill_the_partitions_evenly() {
        let drawn = drawn(2_000, 60_000, None);
        let mut by_partition = [0; 12];
        for drawn in &drawn {
            assert_eq!(drawn.partition, drawn.frame.header.machine.partition(12));
            by_partition[drawn.partition as usize] += 1;
        }
        let hottest = by_partition.iter().max().copied().unwrap_or_default();
        assert!(share(hottest * 12, drawn.len()) < 1.3, "{by_partition:?}");
    }

    #[test]
    fn a_hot_partition_gets_its_percentage_of_the_frames() {
        for percent in [0, 30, 60, 100] {
            let drawn = drawn(2_000, 20_000, Some(Hot { partition: 5, percent }));
            let measured = share(drawn.iter().filter(|drawn| drawn.partition == 5).count(), drawn.len());
            assert!((measured - f64::from(percent) / 100.0).abs() < 0.015, "{percent}: {measured}");
        }
    }

    #[test]
    fn machines_play_for_a_while_and_then_rest_longer_than_a_sessions_gap() {
        let mut generator = Generator::new(1, 100, 12, NOW);
        let gap_ms = sessions::Limits::default().gap_ms;
        let mut last: HashMap<Machine, EventTime> = HashMap::new();
        let mut pauses = 0;
        for frame in 0..600_000 {
            // A thousand frames a second for ten minutes, so that a pause is a rest and not chance.
            let FrameHeader { ts, machine, .. } = generator.draw(NOW + frame, None).frame.header;
            if let Some(before) = last.insert(machine, ts)
                && ts - before > gap_ms
            {
                assert!(ts - before < LONGEST_REST_MS + 5_000);
                pauses += 1;
            }
            if frame % 10_000 == 0 {
                assert!((25..75).contains(&generator.playing()), "{}", generator.playing());
            }
        }
        // Play and rest take 37.5 s on average, so each of the machines rests about 16 times in ten minutes.
        assert!((1_300..1_900).contains(&pauses), "{pauses}");
    }

    #[test]
    fn a_lonely_machine_is_woken_rather_than_leaving_the_load_without_frames() {
        let drawn = drawn(1, 60_000, Some(Hot { partition: 3, percent: 50 }));
        assert_eq!(drawn.len(), 60_000);
    }

    #[test]
    fn a_press_of_a_players_key_keeps_its_key_and_direction() {
        let mut rng = StdRng::seed_from_u64(9);
        for _ in 0..100 {
            let hit = draw_hit(&mut rng, Key::O, Some(Direction::Left), Level::Inter, Game::NeoBlood);
            assert_eq!((hit.key, hit.direction), (Key::O, Some(Direction::Left)));
            assert_eq!(Hit::from_hex(&hit.to_hex()), Ok(hit));
        }
    }
}
