//! A recorded trace: lines of `seconds,frames per second`, joined by straight lines. `#` begins a remark.

use super::DEFAULT_FRAMES_PER_SECOND;
use super::MAX_TARGET;
use super::curve::{Curve, End, Point};

/// The longest trace.
const LONGEST_MS: u32 = 3_600_000;

/// A line of a trace makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TraceError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: TraceProblem,
}

/// What is wrong with a line of a trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceProblem {
    /// It has no two fields.
    #[error("`{0}` is not SECONDS,FRAMES_PER_SECOND")]
    Fields(String),
    /// The first field is no time.
    #[error("`{0}` is no time: seconds from 0 to 3600, with at most three decimals")]
    Time(String),
    /// The second field is no rate.
    #[error("`{0}` is no rate: whole frames per second from 0 to {MAX_TARGET}")]
    Rate(String),
    /// The first line does not begin at 0.
    #[error("the first time must be 0")]
    Beginning,
    /// A time is before the one above.
    #[error("the time is before that of the line above")]
    Order,
    /// There is nothing to follow.
    #[error("a trace needs two lines or more, and an end after 0 s")]
    TooShort,
}

/// Reads a trace. It is over at its last line. With the base rate of a normal day the rates are those of the file; with
/// another one they are scaled.
///
/// # Errors
/// The first line that makes no sense.
pub fn parse(text: &str) -> Result<Curve, TraceError> {
    let mut points: Vec<Point> = Vec::new();
    let mut lines = 0;
    for (number, text) in (1..).zip(text.lines()) {
        lines = number;
        let content = text.split('#').next().unwrap_or_default().trim();
        if content.is_empty() {
            continue;
        }
        let point = point(content, points.last());
        points.push(point.map_err(|problem| TraceError { line: number, problem })?);
    }
    if points.last().is_none_or(|last| last.at_ms == 0) {
        return Err(TraceError { line: lines, problem: TraceProblem::TooShort });
    }
    Ok(Curve::new(points, DEFAULT_FRAMES_PER_SECOND, End::Normal))
}

fn point(content: &str, before: Option<&Point>) -> Result<Point, TraceProblem> {
    let (time, rate) = content.split_once(',').ok_or_else(|| TraceProblem::Fields(content.to_owned()))?;
    let (time, rate) = (time.trim(), rate.trim());
    let at_ms = milliseconds(time).ok_or_else(|| TraceProblem::Time(time.to_owned()))?;
    let known = digits(rate).filter(|rate| *rate <= MAX_TARGET);
    let rate = known.ok_or_else(|| TraceProblem::Rate(rate.to_owned()))?;
    match before {
        None if at_ms > 0 => Err(TraceProblem::Beginning),
        Some(before) if at_ms < before.at_ms => Err(TraceProblem::Order),
        None | Some(_) => Ok(Point { at_ms, rate }),
    }
}

fn milliseconds(text: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let scale = 10_u32.checked_pow(3_u32.checked_sub(u32::try_from(decimals.len()).ok()?)?)?;
    let at_ms = digits(whole)?.checked_mul(1_000)?.checked_add(digits(decimals)? * scale)?;
    (at_ms <= LONGEST_MS).then_some(at_ms)
}

/// A number without a sign.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_with_remarks_decimals_and_jumps() {
        let curve = parse("# a day\n0, 100\n\n1.5,300 # rush\n1.5,50\n4,50\n").unwrap();
        let points: Vec<_> = curve.points().iter().map(|point| (point.at_ms, point.rate)).collect();
        assert_eq!(points, [(0, 100), (1_500, 300), (1_500, 50), (4_000, 50)]);
        let rates = [0, 750, 1_500, 3_999, 4_000].map(|at_ms| curve.rate(DEFAULT_FRAMES_PER_SECOND, at_ms));
        assert_eq!(rates, [100, 200, 50, 50, DEFAULT_FRAMES_PER_SECOND]);
        assert_eq!(curve.ends_after_ms(), Some(4_000));
    }

    #[test]
    fn the_first_bad_line_is_named() {
        for (text, error) in [
            ("0,1\n1;2", "line 2: `1;2` is not SECONDS,FRAMES_PER_SECOND"),
            ("0,1\n#\n-1,2", "line 3: `-1` is no time: seconds from 0 to 3600, with at most three decimals"),
            (
                "0,1\n1.2345,2",
                "line 2: `1.2345` is no time: seconds from 0 to 3600, with at most three decimals",
            ),
            ("0,1\n3601,2", "line 2: `3601` is no time: seconds from 0 to 3600, with at most three decimals"),
            ("0,1.5", "line 1: `1.5` is no rate: whole frames per second from 0 to 40000"),
            ("0,40001", "line 1: `40001` is no rate: whole frames per second from 0 to 40000"),
            ("1,400", "line 1: the first time must be 0"),
            ("0,1\n5,1\n4,1", "line 3: the time is before that of the line above"),
            ("0,1\n0,2\n", "line 2: a trace needs two lines or more, and an end after 0 s"),
            ("", "line 0: a trace needs two lines or more, and an end after 0 s"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), error, "{text:?}");
        }
    }
}
