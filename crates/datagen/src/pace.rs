//! Whole frames out of a rate: fractions are carried over, so that not one is lost or doubled.

use model::Millis;

use crate::plan::{FRAME, Plan};

/// Adds up what is due.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Less than one frame.
    rest: u64,
}

impl Pace {
    /// How many whole frames become due between two times.
    pub(crate) fn due(&mut self, plan: &Plan, from_ms: Millis, to_ms: Millis) -> u64 {
        let due = plan.millionths(from_ms, to_ms).saturating_add(self.rest);
        self.rest = due % FRAME;
        due / FRAME
    }
}

#[cfg(test)]
mod tests {
    use model::load::{LoadSettings, Running, Shape};

    use super::*;

    fn sent(settings: LoadSettings, steps_ms: impl Iterator<Item = u64>) -> u64 {
        let (plan, mut pace, mut at_ms) = (Plan::from(settings), Pace::default(), 0);
        steps_ms
            .map(|step| {
                let from_ms = at_ms;
                at_ms += step;
                pace.due(&plan, from_ms, at_ms)
            })
            .sum()
    }

    #[test]
    fn the_rate_is_exact_however_the_steps_fall() {
        for base in [0, 1, 7, 400, 4_000, 40_000] {
            let settings = LoadSettings { base, ..LoadSettings::default() };
            let frames = u64::from(base) * 10;
            assert_eq!(sent(settings.clone(), std::iter::repeat_n(1, 10_000)), frames, "even steps");
            assert_eq!(sent(settings, [1, 3, 11, 5].into_iter().cycle().take(2_000)), frames, "uneven steps");
        }
        let shape = Some(Running { shape: Shape::Ramp, from_ms: 0 });
        let ramp = LoadSettings { shape, ..LoadSettings::default() };
        assert_eq!(sent(ramp, std::iter::repeat_n(1, 60_000)), 108_000);
    }

    #[test]
    fn a_change_of_the_rate_keeps_the_fraction() {
        let plan = |base| Plan::from(LoadSettings { base, ..LoadSettings::default() });
        let mut pace = Pace::default();
        assert_eq!(pace.due(&plan(1), 0, 750), 0);
        assert_eq!(pace.due(&plan(500), 750, 751), 1, "three quarters of one, and half of one");
        assert_eq!(pace.due(&plan(1_000), 751, 752), 1);
    }
}
