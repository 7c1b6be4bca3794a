//! When machines play, and what: each in a style that leads to one of the edges of a session.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use workload::{Direction, FrameHeader, Game, Hit, ImpactType, Key, Level, Machine, Zone};

use super::EVENT_MS;

/// How many machines there are of each style for each partition, on average.
const STYLES: [(Style, u32); 6] = [
    (Style::Casual, 8),
    (Style::Edgy, 4),
    (Style::Endless, 3),
    (Style::Hot, 1),
    (Style::Twin, 2),
    (Style::Bridged, 3),
];

/// How a machine plays.
#[derive(Debug, Clone, Copy)]
enum Style {
    /// For some seconds, then it rests longer than the gap.
    Casual,
    /// With pauses at the length of the gap, 1 ms more or less.
    Edgy,
    /// Without a rest, so that its sessions end after a minute, often exactly then.
    Endless,
    /// With many hits, so that its sessions are full soon.
    Hot,
    /// In several zones at the same instants.
    Twin,
    /// In pieces that only a late frame joins.
    Bridged,
}

/// The frames of all machines, in no order.
pub(super) fn frames(rng: &mut StdRng, partitions: u32, start: i64) -> Vec<(FrameHeader, Vec<Hit>)> {
    let mut frames = Vec::new();
    for (style, each) in STYLES {
        for _ in 0..each * partitions {
            play(rng, style, start, &mut frames);
        }
    }
    frames
}

fn play(rng: &mut StdRng, style: Style, start: i64, frames: &mut Vec<(FrameHeader, Vec<Hit>)>) {
    // With a million ids two machines are seldom the same; a header that comes twice is a duplicate like any other.
    let Some(machine) = Machine::new(rng.random_range(4..1_000_000)) else { return };
    let home = one_of(rng, &Zone::ALL, Zone::EU);
    let mut ts = start + rng.random_range(0..10_000);
    let mut rest_at = ts + rng.random_range(5_000..30_000);
    while ts < start + EVENT_MS {
        let zone = if matches!(style, Style::Twin) { one_of(rng, &Zone::ALL, home) } else { home };
        frames.push((FrameHeader { ts, machine, zone }, hits(rng, style)));
        ts += pause(rng, style);
        if matches!(style, Style::Casual) && ts > rest_at {
            ts += rng.random_range(10_001..25_000);
            rest_at = ts + rng.random_range(5_000..30_000);
        }
    }
}

/// The time to a machine's next frame, ms.
fn pause(rng: &mut StdRng, style: Style) -> i64 {
    match style {
        Style::Casual => rng.random_range(100..2_000),
        Style::Edgy => one_of(rng, &[1, 500, 5_000, 9_998, 9_999, 10_000, 10_001], 10_000),
        Style::Endless => {
            let millisecond = i64::from(rng.random_ratio(1, 80));
            one_of(rng, &[250, 500, 500, 750, 1_000, 2_000], 500) + millisecond
        }
        Style::Hot => rng.random_range(30..500),
        Style::Twin => one_of(rng, &[0, 0, 700, 3_000, 9_999], 700),
        // Two pauses of this length in a row are a gap when the frame between them is late.
        Style::Bridged => rng.random_range(4_500..7_500),
    }
}

fn hits(rng: &mut StdRng, style: Style) -> Vec<Hit> {
    let count = match style {
        Style::Hot => one_of(rng, &[0, 10, 25, 50, 63, 64], 50),
        _ => rng.random_range(1..=5),
    };
    (0..count).map(|_| hit(rng)).collect()
}

/// Any hit, whatever its odds: what it is worth is part of what is compared.
fn hit(rng: &mut StdRng) -> Hit {
    let impact_type = one_of(rng, ImpactType::ALL, ImpactType::Missed);
    Hit {
        impact: if impact_type == ImpactType::Missed { 0 } else { rng.random() },
        key: one_of(rng, Key::ALL, Key::X),
        double_key: rng.random_bool(0.2).then(|| one_of(rng, Key::ALL, Key::O)),
        direction: rng.random_bool(0.9).then(|| one_of(rng, Direction::ALL, Direction::Up)),
        impact_type,
        level: one_of(rng, Level::ALL, Level::Pro),
        game: one_of(rng, Game::ALL, Game::Neowave),
    }
}

fn one_of<T: Copy>(rng: &mut StdRng, table: &[T], otherwise: T) -> T {
    table.choose(rng).copied().unwrap_or(otherwise)
}
