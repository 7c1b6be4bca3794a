//! How figures are written, everywhere: counts with one decimal and a letter, times with their unit.
//!
//! A no-break space stands between a number and its unit, so that no line ends between them.

use crate::Millis;

/// Between a number and its unit.
const SPACE: char = '\u{a0}';

/// A count as people read it from the last row: `950`, `5 k`, `101.8 k`, `1.2 M`.
#[must_use]
pub fn count(value: u64) -> String {
    match scaled(value) {
        (digits, None) => digits,
        (digits, Some(scale)) => format!("{digits}{SPACE}{}", scale.letter),
    }
}

/// A count as a screen reader says it: `101.8 thousand`.
#[must_use]
pub fn spoken_count(value: u64) -> String {
    match scaled(value) {
        (digits, None) => digits,
        (digits, Some(scale)) => format!("{digits} {}", scale.word),
    }
}

/// A ratio with at most one decimal: `20.4`, `3`; two decimals below 2, where they decide: `1.04`.
#[must_use]
pub fn ratio(value: f64) -> String {
    // By whole numbers: the writer of floats alone would make the page's download noticeably larger.
    let hundredths = if value < 2.0 { (value * 100.0).round() } else { (value * 10.0).round() * 10.0 };
    let hundredths = hundredths as u64;
    without_zeros(&format!("{}.{:02}", hundredths / 100, hundredths % 100)).to_owned()
}

/// A span of time: `350 ms`, `2.1 s`, `42 s`, `3 min 20 s`, `2 h 5 min`.
#[must_use]
pub fn duration(value_ms: Millis) -> String {
    match value_ms {
        ..1_000 => format!("{value_ms}{SPACE}ms"),
        // From 9.95 s on, one decimal would round to 10.0.
        1_000..9_950 => format!("{}{SPACE}s", tenths(value_ms, 1_000)),
        9_950..59_500 => format!("{}{SPACE}s", (value_ms + 500) / 1_000),
        59_500..3_599_500 => in_two_units((value_ms + 500) / 1_000, "min", "s"),
        _ => in_two_units((value_ms + 30_000) / 60_000, "h", "min"),
    }
}

/// A number of things with its noun: `1 pod`, `4 pods`.
#[must_use]
pub fn plural(number: u32, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Numbers in rising order, with neighbours drawn together: `0 to 3, 7 and 11`; `none` where there are none.
#[must_use]
pub fn ranges(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let said = runs.into_iter().flat_map(|(first, last)| match last - first {
        0 => vec![first.to_string()],
        1 => vec![first.to_string(), last.to_string()],
        _ => vec![format!("{first} to {last}")],
    });
    let mut said: Vec<String> = said.collect();
    match (said.pop(), said.is_empty()) {
        (None, _) => "none".to_owned(),
        (Some(last), true) => last,
        (Some(last), false) => format!("{} and {last}", said.join(", ")),
    }
}

struct Scale {
    letter: char,
    word: &'static str,
}

fn scaled(value: u64) -> (String, Option<Scale>) {
    match value {
        ..1_000 => (value.to_string(), None),
        // Just below a million, one decimal would round to 1000.0 k.
        1_000..999_950 => (tenths(value, 1_000), Some(Scale { letter: 'k', word: "thousand" })),
        999_950..999_950_000 => (tenths(value, 1_000_000), Some(Scale { letter: 'M', word: "million" })),
        _ => (tenths(value, 1_000_000_000), Some(Scale { letter: 'G', word: "billion" })),
    }
}

/// `value / unit`, rounded to one decimal; none where it would be 0.
fn tenths(value: u64, unit: u64) -> String {
    let tenths = u128::from(value) * 10 + u128::from(unit) / 2;
    let tenths = tenths / u128::from(unit);
    without_zeros(&format!("{}.{}", tenths / 10, tenths % 10)).to_owned()
}

fn without_zeros(decimal: &str) -> &str {
    decimal.trim_end_matches('0').trim_end_matches('.')
}

/// Sixtieths: 200 s are 3 min 20 s.
fn in_two_units(value: u64, large: &str, small: &str) -> String {
    match (value / 60, value % 60) {
        (whole, 0) => format!("{whole}{SPACE}{large}"),
        (whole, rest) => format!("{whole}{SPACE}{large} {rest}{SPACE}{small}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: String, expected: &str) {
        assert_eq!(written.replace(SPACE, " "), expected);
    }

    #[test]
    fn counts_keep_one_decimal_and_never_round_to_a_thousand_of_a_unit() {
        check(count(0), "0");
        check(count(999), "999");
        check(count(1_000), "1 k");
        check(count(5_049), "5 k");
        check(count(5_050), "5.1 k");
        check(count(101_849), "101.8 k");
        check(count(999_949), "999.9 k");
        check(count(999_950), "1 M");
        check(count(1_234_567), "1.2 M");
        check(count(2_000_000_000), "2 G");
        check(spoken_count(101_849), "101.8 thousand");
    }

    #[test]
    fn durations_name_their_units() {
        check(duration(0), "0 ms");
        check(duration(350), "350 ms");
        check(duration(2_149), "2.1 s");
        check(duration(9_949), "9.9 s");
        check(duration(9_950), "10 s");
        check(duration(59_499), "59 s");
        check(duration(59_500), "1 min");
        check(duration(200_000), "3 min 20 s");
        check(duration(7_500_000), "2 h 5 min");
    }

    #[test]
    fn ratios_show_more_where_the_tolerance_decides() {
        check(ratio(0.0), "0");
        check(ratio(1.0), "1");
        check(ratio(1.04), "1.04");
        check(ratio(20.36), "20.4");
    }

    #[test]
    fn neighbours_are_drawn_together() {
        check(ranges(&[]), "none");
        check(ranges(&[4]), "4");
        check(ranges(&[0, 1]), "0 and 1");
        check(ranges(&[0, 1, 2, 3, 7, 11]), "0 to 3, 7 and 11");
    }

    #[test]
    fn one_pod_is_singular() {
        check(plural(1, "pod"), "1 pod");
        check(plural(0, "pod"), "0 pods");
    }
}
