//! The shapes that a presenter can pick, each a curve over time.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::curve::{Curve, End, Point};
use super::trace;

/// How the load goes over time, as a multiple of the base rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Four times the base rate from one moment to the next, until it is ended.
    Step,
    /// From the base rate to its eightfold within a minute; then it is over.
    Ramp,
    /// From the base rate to its fivefold and back, once a minute, until it is ended.
    Sine,
    /// A day in the arcades with its rush, four minutes long; then it is over. The rates are those of `day.csv`.
    Trace,
}

/// The recorded trace that ships with the project.
const DAY: &str = include_str!("day.csv");
/// What a rate has where it is the base rate.
const UNIT: u32 = 1_000;
/// Pieces of half a wave: so many that straight lines are within 0.2 % of the sine.
const HALF_WAVE: u32 = 30;
/// `1000 x (3 - 2 cos)` at the ends of the pieces of a quarter of a wave.
const QUARTER_WAVE: [u32; 16] =
    [1000, 1011, 1044, 1098, 1173, 1268, 1382, 1514, 1662, 1824, 2000, 2187, 2382, 2584, 2791, 3000];

static STEP: LazyLock<Curve> = LazyLock::new(|| curve(&[(0, 4_000)], End::Holds));
static RAMP: LazyLock<Curve> = LazyLock::new(|| curve(&[(0, 1_000), (60_000, 8_000)], End::Normal));
static SINE: LazyLock<Curve> = LazyLock::new(sine);
static TRACE: LazyLock<Curve> =
    LazyLock::new(|| trace::parse(DAY).expect("the trace is part of the program, and read by a test"));

impl Shape {
    /// All of them, as the page lists them.
    pub const ALL: [Self; 4] = [Self::Step, Self::Ramp, Self::Sine, Self::Trace];

    /// One word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Ramp => "ramp",
            Self::Sine => "sine",
            Self::Trace => "day",
        }
    }

    /// What it does.
    #[must_use]
    pub fn curve(self) -> &'static Curve {
        match self {
            Self::Step => &STEP,
            Self::Ramp => &RAMP,
            Self::Sine => &SINE,
            Self::Trace => &TRACE,
        }
    }
}

fn curve(points: &[(u32, u32)], end: End) -> Curve {
    let points = points.iter().map(|(at_ms, rate)| Point { at_ms: *at_ms, rate: *rate }).collect();
    Curve::new(points, UNIT, end)
}

/// Begins at the lowest point, so that picking it is no jump.
fn sine() -> Curve {
    const WAVE: u32 = 2 * HALF_WAVE;
    let rate = |piece: u32| {
        let up = piece.min(WAVE - piece);
        let quarter = |nth: u32| QUARTER_WAVE.get(nth as usize).copied().unwrap_or(3 * UNIT);
        if up <= HALF_WAVE / 2 { quarter(up) } else { 6 * UNIT - quarter(HALF_WAVE - up) }
    };
    let points: Vec<(u32, u32)> = (0..=WAVE).map(|piece| (piece * 1_000, rate(piece))).collect();
    curve(&points, End::Repeats)
}
