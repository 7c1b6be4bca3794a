//! A rate over time as straight lines between points. All of it is whole numbers, so a server and a browser agree on
//! every value, and the area under a curve (the frames that are due) is exact.

use crate::Millis;

/// A rate at a time; two points at the same time are a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Milliseconds since the curve began.
    pub at_ms: u32,
    /// The rate, in the curve's unit.
    pub rate: u32,
}

/// What follows the last point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The last rate, for ever.
    Holds,
    /// The base rate: the curve is over.
    Normal,
    /// The curve again, from its first point.
    Repeats,
}

/// A rate over time, as a multiple of a base rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curve {
    points: Vec<Point>,
    end: End,
    unit: u32,
}

/// A part of a curve that holds a time.
struct Piece {
    from: Point,
    to: Point,
}

impl Curve {
    /// A curve through these points, whose times must not fall and should begin with 0. `unit` is what a rate has where
    /// it is the base rate; 0 counts as 1.
    #[must_use]
    pub(super) fn new(points: Vec<Point>, unit: u32, end: End) -> Self {
        Self { points, end, unit: unit.max(1) }
    }

    /// The points, first to last.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// From its beginning to its last point.
    #[must_use]
    pub fn length_ms(&self) -> Millis {
        self.points.last().map_or(0, |point| point.at_ms.into())
    }

    /// The highest rate, in the curve's unit.
    #[must_use]
    pub fn peak(&self) -> u32 {
        self.points.iter().map(|point| point.rate).max().unwrap_or(self.unit)
    }

    /// When it is over; `None` where it goes on until somebody ends it.
    #[must_use]
    pub fn ends_after_ms(&self) -> Option<Millis> {
        (self.end == End::Normal).then(|| self.length_ms())
    }

    /// The rate at a time since the beginning, whole and rounded down, where the base rate is `base`.
    #[must_use]
    pub fn rate(&self, base: u32, at_ms: Millis) -> u32 {
        let (base, unit) = (u128::from(base), u128::from(self.unit));
        let rate = match self.piece(self.within(at_ms)) {
            Some((piece, into_ms)) => base * piece.rate(into_ms) / (unit * piece.width()),
            None => base * u128::from(self.last_rate()) / unit,
        };
        u32::try_from(rate).unwrap_or(u32::MAX)
    }

    /// What adds up from the beginning to a time, in millionths: exact, but for the last one, which is rounded down.
    /// Between two times the difference counts, so nothing is lost or doubled however finely time is cut.
    #[must_use]
    pub fn millionths(&self, base: u32, to_ms: Millis) -> u128 {
        let length = u128::from(self.length_ms());
        let to = u128::from(to_ms);
        let (rounds, within) = match self.end {
            End::Repeats if length > 0 => (to / length, to % length),
            _ => (0, to.min(length)),
        };
        let mut twice_area = rounds * self.twice_area();
        let (mut rest, mut width) = (0, 1);
        match self.piece(Millis::try_from(within).unwrap_or(Millis::MAX)) {
            Some((piece, into_ms)) => {
                twice_area += self.twice_area_before(piece.from.at_ms);
                rest = piece.twice_area_up_to(into_ms);
                width = piece.width();
            }
            None => twice_area += self.twice_area(),
        }
        if self.end != End::Repeats {
            twice_area += 2 * (to - within) * u128::from(self.last_rate());
        }
        // Per second, not per millisecond; in millionths; and half of twice the area.
        u128::from(base) * (twice_area * width + rest) * 500 / (width * u128::from(self.unit))
    }

    /// What counts after the last point.
    fn last_rate(&self) -> u32 {
        match self.end {
            End::Normal => self.unit,
            End::Holds | End::Repeats => self.points.last().map_or(self.unit, |point| point.rate),
        }
    }

    fn within(&self, at_ms: Millis) -> Millis {
        match self.end {
            End::Repeats => at_ms.checked_rem(self.length_ms()).unwrap_or(0),
            End::Holds | End::Normal => at_ms,
        }
    }

    fn pieces(&self) -> impl Iterator<Item = Piece> {
        let pairs = self.points.array_windows().map(|[from, to]| Piece { from: *from, to: *to });
        pairs.filter(|piece| piece.from.at_ms < piece.to.at_ms)
    }

    /// The piece in which a time lies, and how far into it; none after the last point.
    fn piece(&self, at_ms: Millis) -> Option<(Piece, u128)> {
        let piece = self.pieces().find(|piece| at_ms < piece.to.at_ms.into())?;
        let into_ms = at_ms.saturating_sub(piece.from.at_ms.into());
        Some((piece, into_ms.into()))
    }

    fn twice_area(&self) -> u128 {
        self.twice_area_before(u32::MAX)
    }

    fn twice_area_before(&self, at_ms: u32) -> u128 {
        let before = self.pieces().take_while(|piece| piece.to.at_ms <= at_ms);
        before.map(|piece| u128::from(piece.from.rate + piece.to.rate) * piece.width()).sum()
    }
}

impl Piece {
    fn width(&self) -> u128 {
        u128::from(self.to.at_ms - self.from.at_ms)
    }

    /// The rate times the width.
    fn rate(&self, into_ms: u128) -> u128 {
        u128::from(self.from.rate) * (self.width() - into_ms) + u128::from(self.to.rate) * into_ms
    }

    /// Twice the area of its first milliseconds, times the width.
    fn twice_area_up_to(&self, into_ms: u128) -> u128 {
        into_ms * (u128::from(self.from.rate) * self.width() + self.rate(into_ms))
    }
}
