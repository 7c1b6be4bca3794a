//! A measured figure, beside its goal where it has one.

use std::fmt;

/// One line at the end of a measurement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Option<f64>,
    peer: Option<Peer>,
}

/// What the same measurement gave for another program.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Peer {
    value: f64,
    /// What ours divided by the peer's should be: at least, or at most.
    goal: f64,
}

impl Figure {
    /// A figure without a goal.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, goal: None, peer: None }
    }

    /// A figure beside a peer's. `goal` is what ours divided by theirs should be: at least when it is above 1, else at
    /// most.
    pub(crate) fn compared(
        name: impl Into<String>,
        ours: f64,
        theirs: f64,
        unit: &'static str,
        goal: f64,
    ) -> Self {
        Self { peer: Some(Peer { value: theirs, goal }), ..Self::new(name, ours, unit) }
    }

    /// The same with the most that it should be.
    pub(crate) fn goal(self, goal: f64) -> Self {
        Self { goal: Some(goal), ..self }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, unit, goal, peer } = self;
        write!(f, "{name}: {}", Digits(*value))?;
        if let Some(Peer { value: theirs, goal }) = peer {
            let ratio = Digits(value / theirs);
            return write!(f, " vs {} {unit}, ratio {ratio} (goal {})", Digits(*theirs), Digits(*goal));
        }
        write!(f, " {unit}")?;
        goal.map_or(Ok(()), |goal| write!(f, " (goal {} {unit})", Digits(goal)))
    }
}

/// A number with as many decimals as it deserves: `0.42`, `12.3`, `150`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digits(pub(crate) f64);

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = match self.0.abs() {
            ..10.0 => 2,
            ..100.0 => 1,
            _ => 0,
        };
        let text = format!("{:.decimals$}", self.0);
        let text = if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        f.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_one_line_with_its_goal() {
        let figure = Figure::new("memory of the server", 41.26, "MB");
        assert_eq!(figure.to_string(), "memory of the server: 41.3 MB");
        assert_eq!(figure.goal(60.0).to_string(), "memory of the server: 41.3 MB (goal 60 MB)");
    }

    #[test]
    fn a_comparison_says_both_sides_and_their_ratio() {
        let figure = Figure::compared("memory of one pod", 25.0, 400.0, "MB", 0.1);
        assert_eq!(figure.to_string(), "memory of one pod: 25 vs 400 MB, ratio 0.06 (goal 0.1)");
    }

    #[test]
    fn digits_are_as_many_as_the_number_deserves() {
        for (value, text) in [(0.0, "0"), (0.124, "0.12"), (2.5, "2.5"), (10.04, "10"), (1_234.6, "1235")] {
            assert_eq!(Digits(value).to_string(), text);
        }
    }
}
