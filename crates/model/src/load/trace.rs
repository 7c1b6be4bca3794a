//! A recorded trace: lines of `seconds,frames per second`, joined by straight lines. `#` begins a remark.

use std::fmt;

use super::DEFAULT_FRAMES_PER_SECOND;
use super::MAX_TARGET;
use super::curve::{Curve, End, Point};
use crate::text;

/// The longest trace.
const LONGEST_MS: u32 = 3_600_000;

/// A trace, or a line of it, makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TraceError {
    /// Which line, from 1; `None` where it is the whole file.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub problem: TraceProblem,
}

/// `line 2: ...`
impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.problem),
            None => self.problem.fmt(f),
        }
    }
}

/// What is wrong with a trace or a line of it. Nothing in these is invisible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceProblem {
    /// It is an archive, which spreadsheets are as well.
    #[error("it is an archive, as spreadsheets are: save it as CSV, as lines of SECONDS,FRAMES_PER_SECOND")]
    Archive,
    /// It is compressed.
    #[error("it is compressed: unpack it first")]
    Compressed,
    /// It is no text at all.
    #[error("it is no text: a trace has lines of SECONDS,FRAMES_PER_SECOND")]
    Binary,
    /// It has no line but remarks.
    #[error("there is nothing in it: write lines of SECONDS,FRAMES_PER_SECOND, such as `0,400` and `60,800`")]
    Empty,
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
    /// There is no time to follow.
    #[error("this is the last line, and it ends at 0 s: add a later one")]
    TooShort,
}

/// Reads the bytes of a file that somebody wrote, in whatever encoding: only remarks may hold more than ASCII.
///
/// # Errors
/// What the bytes are instead, or the first line that makes no sense.
pub fn read(bytes: &[u8]) -> Result<Curve, TraceError> {
    match text::decode(bytes) {
        Some((text, _)) => parse(&text),
        None => Err(TraceError { line: None, problem: what_else(bytes) }),
    }
}

fn what_else(bytes: &[u8]) -> TraceProblem {
    match bytes {
        [b'P', b'K', 3, 4, ..] => TraceProblem::Archive,
        [0x1F, 0x8B, ..] => TraceProblem::Compressed,
        _ => TraceProblem::Binary,
    }
}

/// Reads a trace. It is over at its last line. With the base rate of a normal day the rates are those of the file; with
/// another one they are scaled.
///
/// # Errors
/// The first line that makes no sense.
pub fn parse(text: &str) -> Result<Curve, TraceError> {
    let mut points: Vec<Point> = Vec::new();
    let mut last = None;
    // A carriage return ends a line too: some spreadsheets write nothing else.
    let lines = text.lines().flat_map(|line| line.split('\r'));
    for (number, text) in (1..).zip(lines) {
        let content = text.split('#').next().unwrap_or_default().trim();
        if content.is_empty() {
            continue;
        }
        last = Some(number);
        let point = point(content, points.last());
        points.push(point.map_err(|problem| TraceError { line: last, problem })?);
    }
    match points.last() {
        None => Err(TraceError { line: None, problem: TraceProblem::Empty }),
        Some(point) if point.at_ms == 0 => Err(TraceError { line: last, problem: TraceProblem::TooShort }),
        Some(_) => Ok(Curve::new(points, DEFAULT_FRAMES_PER_SECOND, End::Normal)),
    }
}

fn point(content: &str, before: Option<&Point>) -> Result<Point, TraceProblem> {
    let (time, rate) = content.split_once(',').ok_or_else(|| TraceProblem::Fields(text::shown(content)))?;
    let (time, rate) = (time.trim(), rate.trim());
    let at_ms = milliseconds(time).ok_or_else(|| TraceProblem::Time(text::shown(time)))?;
    let known = digits(rate).filter(|rate| *rate <= MAX_TARGET);
    let rate = known.ok_or_else(|| TraceProblem::Rate(text::shown(rate)))?;
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
            ("0,1\n0,2\n\n# end\n", "line 2: this is the last line, and it ends at 0 s: add a later one"),
            ("0,1\r1;2\r2,3", "line 2: `1;2` is not SECONDS,FRAMES_PER_SECOND"),
            (
                "0,1\n\u{200b}1,2",
                "line 2: `\\u{200b}1` is no time: seconds from 0 to 3600, with at most three decimals",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), error, "{text:?}");
        }
    }

    #[test]
    fn a_trace_is_read_however_its_file_was_written() {
        let expected = parse("0,100\n10,300\n").unwrap();
        let utf16: Vec<u8> =
            "\u{feff}0,100\r\n10,300\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [
            "\u{feff}0,100\n10,300\n".as_bytes(),
            b"0,100\r10,300\r",
            b"0,100\r\n10,300\r\n",
            b"# f\xFCr die Messe\n0,100\n10,300 # \xC4hnlich\n",
            &utf16,
        ] {
            assert_eq!(read(bytes).as_ref(), Ok(&expected), "{bytes:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_trace_is_named_for_what_it_is() {
        for (bytes, expected) in [
            (&b""[..], "there is nothing in it: write lines of SECONDS,FRAMES_PER_SECOND"),
            (b"\xEF\xBB\xBF# nothing yet\n", "there is nothing in it"),
            (b"PK\x03\x04\x14\0\0", "it is an archive, as spreadsheets are: save it as CSV"),
            (b"\x1F\x8B\x08\0\0", "it is compressed: unpack it first"),
            (b"\x7FELF\x02\0", "it is no text"),
        ] {
            let said = read(bytes).unwrap_err().to_string();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
