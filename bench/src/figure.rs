//! A measured figure, beside its goal where it has one.

use std::fmt;

/// One line at the end of a measurement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Option<f64>,
}

impl Figure {
    /// A figure without a goal.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, goal: None }
    }

    /// The same with the most that it should be.
    pub(crate) fn goal(self, goal: f64) -> Self {
        Self { goal: Some(goal), ..self }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, unit, goal } = self;
        write!(f, "{name}: {} {unit}", Digits(*value))?;
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
    fn digits_are_as_many_as_the_number_deserves() {
        for (value, text) in [(0.0, "0"), (0.124, "0.12"), (2.5, "2.5"), (10.04, "10"), (1_234.6, "1235")] {
            assert_eq!(Digits(value).to_string(), text);
        }
    }
}
