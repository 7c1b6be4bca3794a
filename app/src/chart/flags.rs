//! The markers on the time axis, as flags that do not cover each other: what belongs together becomes one flag, and
//! what finds no room joins its neighbour.

use model::Millis;
use model::history::{Event, Marker};
use model::load::Shape;
use model::snapshot::short_name;

use super::TimeAxis;

/// What a flag is about; it decides its sign and its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// More or other load.
    Load,
    /// More replicas.
    Out,
    /// Fewer replicas.
    In,
    /// A pod was hurt.
    Hurt,
    /// Partitions changed hands, and no other flag says why.
    Moved,
    /// A new revision.
    Upgrade,
    /// Something outside went away or came back.
    Away,
}

impl Kind {
    /// The sign in the flag, so that colour is never alone.
    #[must_use]
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Load => "▲",
            Self::Out => "+",
            Self::In => "−",
            Self::Hurt => "✕",
            Self::Moved => "⇄",
            Self::Upgrade => "↻",
            Self::Away => "!",
        }
    }

    /// Its class in the style sheet.
    #[must_use]
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Out => "out",
            Self::In => "in",
            Self::Hurt => "hurt",
            Self::Moved => "moved",
            Self::Upgrade => "upgrade",
            Self::Away => "away",
        }
    }

    /// Whose sign and words a flag keeps when it stands for several: the most telling.
    const fn weight(self) -> u8 {
        match self {
            Self::Away => 6,
            Self::Hurt => 5,
            Self::Out | Self::In => 4,
            Self::Load => 3,
            Self::Upgrade => 2,
            Self::Moved => 1,
        }
    }
}

/// How much room flags have, in fractions of the plot's width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Room {
    /// The sign, with the air beside it.
    pub sign: f64,
    /// One character of its words; 0 where only signs are shown.
    pub character: f64,
    /// How many rows of flags there are.
    pub rows: usize,
    /// How far words may reach; there is room beside the plot.
    pub right: f64,
}

impl Room {
    /// Words and two rows, as a projector or a laptop has room for them.
    pub(crate) const WIDE: Self = Self { sign: 0.026, character: 0.0094, rows: 2, right: 1.1 };
    /// Signs alone, as on a phone.
    pub(crate) const NARROW: Self = Self { sign: 0.085, character: 0.0, rows: 1, right: 1.0 };
}

/// One flag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Flag {
    /// Where its line stands, as a fraction of the plot's width.
    pub x: f64,
    /// Its row, from the top.
    pub row: usize,
    /// Whether its words stand left of its line, because there is no room to the right.
    pub leftward: bool,
    /// What it is about.
    pub kind: Kind,
    /// A few words.
    pub words: String,
    /// All that it stands for.
    pub tells: Vec<String>,
    /// Where what it stands for beside its own happened, and what that is about: a point is left of each.
    pub points: Vec<(f64, Kind)>,
}

/// Steps of the number of replicas within this time are one movement: 1 → 2 → 4.
const ONE_MOVEMENT_MS: Millis = 45_000;
/// Pods that are hurt within this time are hurt together.
const TOGETHER_MS: Millis = 2_000;
/// A rebalance so soon after its cause needs no flag of its own.
const SHADOW_MS: Millis = 20_000;

const KILLED: &str = "killed";

/// The flags for these markers.
#[must_use]
pub(crate) fn flags<'a>(time: TimeAxis, room: Room, markers: impl Iterator<Item = &'a Marker>) -> Vec<Flag> {
    let mut flags: Vec<Flag> = Vec::new();
    let mut rows: Vec<Row> = vec![Row::EMPTY; room.rows];
    let half = room.sign / 2.0;
    for story in stories(time, markers) {
        let (x, kind, words) = (time.at(story.at_ms), story.kind, story.words());
        let width = half + room.character * words.chars().count() as f64;
        let leftward = room.character > 0.0 && x + width > room.right;
        let (from, to) = if leftward { (x - width, x + half) } else { (x - half, x + width) };
        // With its words where they fit; else over the words of a flag that is no more telling; else its sign alone;
        // else with its neighbour.
        let fits = rows.iter().position(|row| row.end <= from);
        let covers = rows.iter().position(|row| row.sign_end <= from && row.weight <= kind.weight());
        let squeezes = rows.iter().position(|row| row.end <= x - half);
        if let (None, Some(row)) = (fits, covers)
            && let Some(covered) = rows.get(row).and_then(|row| flags.get_mut(row.last))
        {
            covered.words.clear();
        }
        let place = match fits.or(covers) {
            Some(row) => Some((row, to, words.clone())),
            None => squeezes.map(|row| (row, x + half, String::new())),
        };
        match (place, flags.last_mut()) {
            (Some((row, end, words)), _) => {
                if let Some(row) = rows.get_mut(row) {
                    *row = Row { end, sign_end: x + half, last: flags.len(), weight: kind.weight() };
                }
                flags.push(Flag { x, row, leftward, kind, words, tells: story.tells, points: Vec::new() });
            }
            (None, Some(neighbour)) => join(neighbour, (x, kind), words, story.tells),
            (None, None) => {}
        }
    }
    flags
}

/// How far a row is taken.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Where the words of its last flag end.
    end: f64,
    /// Where that flag's sign ends.
    sign_end: f64,
    /// Which flag that is.
    last: usize,
    /// How telling it is.
    weight: u8,
}

impl Row {
    const EMPTY: Self = Self { end: f64::NEG_INFINITY, sign_end: f64::NEG_INFINITY, last: 0, weight: 0 };
}

/// The neighbour stands for both from now on, in the words of the more telling one.
fn join(neighbour: &mut Flag, (x, kind): (f64, Kind), words: String, tells: Vec<String>) {
    neighbour.points.push((x, kind));
    if kind.weight() > neighbour.kind.weight() {
        neighbour.kind = kind;
        neighbour.words =
            if words.chars().count() <= neighbour.words.chars().count() { words } else { String::new() };
    }
    neighbour.tells.extend(tells);
}

/// Markers that belong together.
struct Story {
    at_ms: Millis,
    last_ms: Millis,
    kind: Kind,
    what: What,
    tells: Vec<String>,
}

enum What {
    Steps(Vec<u32>),
    Hurt { pods: u32, word: &'static str, name: String },
    Words(String),
}

impl Story {
    fn of(marker: &Marker) -> Self {
        let (kind, what) = match &marker.event {
            Event::Burst { factor } => (Kind::Load, What::Words(format!("load ×{factor}"))),
            Event::Base { to } => (Kind::Load, What::Words(format!("{to}/s"))),
            Event::Hot { partition } => (Kind::Load, What::Words(format!("hot {partition}"))),
            Event::Shape { shape } => {
                let word = shape.map_or("normal", Shape::word);
                (Kind::Load, What::Words(format!("load: {word}")))
            }
            Event::Killed { pod } => (Kind::Hurt, What::hurt(KILLED, pod)),
            Event::Crashed { pod } => (Kind::Hurt, What::hurt("crashed", pod)),
            Event::Scaled { from, to, .. } => {
                (if to > from { Kind::Out } else { Kind::In }, What::Steps(vec![*from, *to]))
            }
            Event::Rebalance { moved } => (Kind::Moved, What::Words(format!("{moved} moved"))),
            Event::Upgrade { .. } => (Kind::Upgrade, What::Words("upgrade".to_owned())),
            Event::KafkaAway => (Kind::Away, What::Words("Kafka away".to_owned())),
            Event::ClusterAway => (Kind::Away, What::Words("cluster away".to_owned())),
            Event::ServerRestarted => (Kind::Away, What::Words("server restarted".to_owned())),
            Event::Reset => (Kind::Away, What::Words("reset".to_owned())),
        };
        Self {
            at_ms: marker.at_ms,
            last_ms: marker.at_ms,
            kind,
            what,
            tells: vec![crate::words::event(&marker.event)],
        }
    }

    fn words(&self) -> String {
        match &self.what {
            What::Words(words) => words.clone(),
            What::Hurt { pods: 1, word, name } => format!("{name} {word}"),
            What::Hurt { pods, word, .. } => format!("{pods} {word}"),
            What::Steps(steps) => match steps.as_slice() {
                [first, .., last] if steps.len() > 4 => format!("{first} → … → {last}"),
                [from, to] => format!("{from} → {to} pods"),
                steps => steps.iter().map(u32::to_string).collect::<Vec<_>>().join(" → "),
            },
        }
    }

    /// Takes a marker in, if it goes on with this story.
    fn takes(&mut self, marker: &Marker) -> bool {
        let since_ms = marker.at_ms.saturating_sub(self.last_ms);
        let goes_on = match (&mut self.what, &marker.event) {
            (What::Steps(steps), Event::Scaled { from, to, .. }) => {
                let same_way = (self.kind == Kind::Out) == (to > from);
                let goes_on = since_ms <= ONE_MOVEMENT_MS && same_way && steps.last() == Some(from);
                if goes_on {
                    steps.push(*to);
                }
                goes_on
            }
            (What::Hurt { pods, word, .. }, Event::Killed { .. } | Event::Crashed { .. }) => {
                let goes_on = since_ms <= TOGETHER_MS;
                if goes_on {
                    *pods += 1;
                    if matches!(marker.event, Event::Killed { .. }) != (*word == KILLED) {
                        *word = "hurt";
                    }
                }
                goes_on
            }
            _ => false,
        };
        if goes_on {
            self.last_ms = marker.at_ms;
            self.tells.push(crate::words::event(&marker.event));
        }
        goes_on
    }
}

impl What {
    fn hurt(word: &'static str, pod: &str) -> Self {
        Self::Hurt { pods: 1, word, name: short_name(pod).to_owned() }
    }
}

fn stories<'a>(time: TimeAxis, markers: impl Iterator<Item = &'a Marker>) -> Vec<Story> {
    let mut stories: Vec<Story> = Vec::new();
    for marker in markers.filter(|marker| marker.at_ms >= time.start_ms()) {
        if let Event::Rebalance { .. } = marker.event {
            let cause = stories.iter_mut().rev().find(|story| story.kind.weight() > Kind::Load.weight());
            if let Some(cause) = cause.filter(|cause| marker.at_ms <= cause.last_ms + SHADOW_MS) {
                cause.tells.push(crate::words::event(&marker.event));
                continue;
            }
        }
        // Another story may have begun in between: a kill while replicas rise.
        let taken = stories.iter_mut().rev().take(3).any(|story| story.takes(marker));
        if !taken {
            stories.push(Story::of(marker));
        }
    }
    stories
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: TimeAxis = TimeAxis { end_ms: 600_000 };

    fn check(room: Room, events: &[(Millis, Event)], expected: &[(usize, &str)]) {
        let markers: Vec<Marker> = (0..)
            .zip(events)
            .map(|(id, (at_ms, event))| Marker { id, at_ms: *at_ms, until_ms: None, event: event.clone() })
            .collect();
        let flags = flags(TIME, room, markers.iter());
        let found: Vec<_> = flags.iter().map(|flag| (flag.row, flag.words.as_str())).collect();
        assert_eq!(found, expected);
    }

    fn scaled(from: u32, to: u32) -> Event {
        Event::Scaled { from, to, auto: true }
    }

    fn killed(name: &str) -> Event {
        Event::Killed { pod: format!("kstreams-{name}") }
    }

    #[test]
    fn steps_of_one_movement_are_one_flag() {
        let events = [(100_000, scaled(1, 2)), (105_000, scaled(2, 4)), (300_000, scaled(4, 1))];
        check(Room::WIDE, &events, &[(0, "1 → 2 → 4"), (0, "4 → 1 pods")]);
    }

    #[test]
    fn the_other_way_is_another_flag() {
        let events = [(100_000, scaled(1, 4)), (110_000, scaled(4, 1))];
        check(Room::WIDE, &events, &[(0, "1 → 4 pods"), (1, "4 → 1 pods")]);
    }

    #[test]
    fn pods_that_die_together_are_counted() {
        let events = [(100_000, killed("aaaaa")), (100_100, killed("bbbbb")), (100_200, killed("ccccc"))];
        check(Room::WIDE, &events, &[(0, "3 killed")]);
    }

    #[test]
    fn a_rebalance_after_its_cause_has_no_flag() {
        let moved = Event::Rebalance { moved: 4 };
        let events = [(100_000, killed("aaaaa")), (101_000, moved.clone()), (200_000, moved)];
        check(Room::WIDE, &events, &[(0, "aaaaa killed"), (0, "4 moved")]);
    }

    #[test]
    fn what_finds_no_room_joins_its_neighbour() {
        let burst = |factor| Event::Burst { factor };
        let events = [(100_000, burst(2)), (101_000, burst(5)), (102_000, burst(9)), (103_000, scaled(1, 2))];
        check(Room::WIDE, &events, &[(0, "load ×2"), (1, "")]);
        check(Room::NARROW, &events, &[(0, "")]);
    }

    #[test]
    fn what_joins_its_neighbour_leaves_a_point() {
        let upgrade = Event::Upgrade { revision: 2 };
        let events = [
            (100_000, killed("aaaaa")),
            (104_000, scaled(1, 2)),
            (108_000, upgrade),
            (116_000, scaled(2, 1)),
        ];
        let markers: Vec<Marker> = (0..)
            .zip(events)
            .map(|(id, (at_ms, event))| Marker { id, at_ms, until_ms: None, event })
            .collect();
        for room in [Room::WIDE, Room::NARROW] {
            let flags = flags(TIME, room, markers.iter());
            let drawn: usize = flags.iter().map(|flag| 1 + flag.points.len()).sum();
            assert_eq!(drawn, markers.len(), "{room:?}: {flags:?}");
            let points = flags.iter().flat_map(|flag| &flag.points);
            assert!(points.clone().all(|(x, kind)| {
                markers.iter().any(|marker| TIME.at(marker.at_ms) == *x && Story::of(marker).kind == *kind)
            }));
        }
    }

    #[test]
    fn a_telling_flag_takes_the_room_of_another_and_not_the_other_way() {
        let hurt = |name: &str, at_ms| (at_ms, killed(name));
        let burst = |at_ms| (at_ms, Event::Burst { factor: 2 });
        let events = [burst(100_000), hurt("aaaaa", 105_000), hurt("bbbbb", 125_000)];
        check(Room::WIDE, &events, &[(0, ""), (1, "aaaaa killed"), (0, "bbbbb killed")]);
        let events = [hurt("aaaaa", 100_000), hurt("bbbbb", 105_000), burst(125_000)];
        check(Room::WIDE, &events, &[(0, "aaaaa killed"), (1, "bbbbb killed")]);
    }

    #[test]
    fn near_the_right_end_words_stand_to_the_left() {
        let leftward = |event| {
            let marker = Marker { id: 0, at_ms: 599_000, until_ms: None, event };
            flags(TIME, Room::WIDE, [&marker].into_iter())[0].leftward
        };
        assert!(leftward(killed("aaaaa")));
        assert!(!leftward(Event::Burst { factor: 2 }), "a short word fits beside the labels of the curves");
    }
}
