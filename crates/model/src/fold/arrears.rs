//! Whether the generator makes what it is asked for.

use crate::Millis;

/// How much may be missing, in percent of the target.
const TOLERANCE_PERCENT: u64 = 2;
/// In so many looks in a row, one a second, before it is worth a word: a pause of the broker that is made up for is
/// not.
const PATIENCE: u32 = 4;
/// What is made now was asked for within this time: rates are slopes over two seconds, and frames travel for a moment.
const WINDOW_MS: Millis = 4_000;

/// Compares what is made with what was asked for.
#[derive(Debug, Default)]
pub(super) struct Arrears {
    targets: Vec<(Millis, u32)>,
    missed: u32,
}

impl Arrears {
    /// Takes note of the target and of the frames per second that were made; gives back what was asked for, if less
    /// than that was made for some seconds. Players' frames count as made, so with many of them a shortfall may hide.
    pub(super) fn look(&mut self, at_ms: Millis, target: Option<u32>, made: u32) -> Option<u32> {
        self.targets.retain(|(since_ms, _)| since_ms + WINDOW_MS > at_ms);
        self.targets.extend(target.map(|target| (at_ms, target)));
        let asked = self.targets.iter().map(|(_, target)| *target).min()?;
        let is_enough = u64::from(made) * 100 >= u64::from(asked) * (100 - TOLERANCE_PERCENT);
        self.missed = if is_enough { 0 } else { self.missed.saturating_add(1) };
        (self.missed >= PATIENCE).then_some(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: &[(u32, u32)], expected: Option<u32>) {
        let mut arrears = Arrears::default();
        let mut last = None;
        for (second, (target, made)) in (1..).zip(seconds) {
            last = arrears.look(second * 1_000, Some(*target), *made);
        }
        assert_eq!(last, expected, "{seconds:?}");
    }

    #[test]
    fn a_shortfall_is_told_once_it_lasts() {
        check(&[(400, 391); 3], None);
        check(&[(400, 391); 4], Some(400));
        check(&[(400, 392); 9], None);
        check(&[(400, 391), (400, 391), (400, 400), (400, 391), (400, 391)], None);
    }

    #[test]
    fn a_load_that_has_just_been_raised_is_not_missed() {
        check(&[(400, 400), (4_000, 400), (4_000, 2_000), (4_000, 3_900), (4_000, 4_000)], None);
        let mut late = vec![(400, 400)];
        late.extend([(4_000, 400); 7]);
        check(&late, Some(4_000));
    }

    #[test]
    fn without_a_target_nothing_is_missed() {
        assert_eq!(Arrears::default().look(0, None, 0), None);
    }
}
