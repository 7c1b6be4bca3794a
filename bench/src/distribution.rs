//! A set of measurements of one thing, and what to say of it.

use std::fmt;

use anyhow::{Result, ensure};

use crate::figure::Digits;

/// Measurements, sorted; never empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Distribution {
    sorted: Vec<f64>,
}

impl Distribution {
    /// Takes measurements in any order; none at all is an error, since nothing is known then.
    pub(crate) fn of(what: &str, values: impl IntoIterator<Item = f64>) -> Result<Self> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        ensure!(!sorted.is_empty(), "nothing was measured: {what}");
        sorted.sort_unstable_by(f64::total_cmp);
        Ok(Self { sorted })
    }

    /// The smallest measurement that at least `percent` of 100 do not exceed (nearest rank).
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
        self.sorted[rank.min(self.sorted.len()) - 1]
    }

    /// The middle one.
    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// The largest one.
    pub(crate) fn max(&self) -> f64 {
        self.percentile(100)
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n {}", self.sorted.len())?;
        for (name, percent) in [("min", 0), ("p50", 50), ("p90", 90), ("p99", 99), ("max", 100)] {
            write!(f, ", {name} {}", Digits(self.percentile(percent)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], percent: usize, expected: f64) {
        let distribution = Distribution::of("test", values.iter().copied()).unwrap();
        assert_eq!(distribution.percentile(percent), expected, "p{percent} of {values:?}");
    }

    #[test]
    fn a_percentile_is_one_of_the_measurements() {
        check(&[7.0], 0, 7.0);
        check(&[7.0], 99, 7.0);
        check(&[3.0, 1.0, 2.0], 50, 2.0);
        check(&[4.0, 3.0, 1.0, 2.0], 50, 2.0);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        check(&hundred, 1, 1.0);
        check(&hundred, 99, 99.0);
        check(&hundred, 100, 100.0);
    }

    #[test]
    fn nothing_measured_is_an_error_and_not_a_zero() {
        assert!(Distribution::of("test", []).is_err());
        assert!(Distribution::of("test", [f64::NAN]).is_err());
    }
}
