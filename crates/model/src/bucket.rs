//! A token bucket: so many a second, and a short burst of more.

use crate::Millis;

/// What one token weighs inside, so that a part of one is kept.
const TOKEN: u64 = 1_000;

/// Allows so many a second, and a burst of more after a quiet while.
#[derive(Debug, Clone)]
pub struct Bucket {
    per_second: u64,
    burst: u64,
    level: u64,
    filled_ms: Millis,
}

impl Bucket {
    /// A full bucket. `per_second` is at least 1.
    #[must_use]
    pub fn new(per_second: u32, burst: u32, now_ms: Millis) -> Self {
        let burst = u64::from(burst) * TOKEN;
        Self { per_second: u64::from(per_second.max(1)), burst, level: burst, filled_ms: now_ms }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// The milliseconds after which there is one.
    pub fn take(&mut self, now_ms: Millis) -> Result<(), u32> {
        self.take_leaving(now_ms, 0)
    }

    /// Takes one token, if so many are left for others.
    ///
    /// # Errors
    /// The milliseconds after which there are enough, if nobody else takes any.
    pub fn take_leaving(&mut self, now_ms: Millis, others: u32) -> Result<(), u32> {
        let wanted = (u64::from(others) + 1) * TOKEN;
        // A token weighs as much as a second has milliseconds: what flows in needs no division.
        let flown = now_ms.saturating_sub(self.filled_ms).saturating_mul(self.per_second);
        self.level = self.level.saturating_add(flown).min(self.burst);
        self.filled_ms = self.filled_ms.max(now_ms);
        if self.level < wanted {
            return Err(u32::try_from((wanted - self.level).div_ceil(self.per_second)).unwrap_or(u32::MAX));
        }
        self.level -= TOKEN;
        Ok(())
    }

    /// Gives one back that was taken for nothing.
    pub fn put_back(&mut self) {
        self.level = self.level.saturating_add(TOKEN).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_fine_and_then_it_is_so_many_a_second() {
        let mut bucket = Bucket::new(5, 10, 1_000);
        for _ in 0..10 {
            assert_eq!(bucket.take(1_000), Ok(()));
        }
        assert_eq!(bucket.take(1_000), Err(200));
        assert_eq!(bucket.take(1_150), Err(50));
        assert_eq!(bucket.take(1_200), Ok(()));
        let taken = (0..100).filter(|tick| bucket.take(2_000 + tick * 100).is_ok()).count();
        assert_eq!(taken, 53, "4 were left over, then 5 a second for 9.9 s");
    }

    #[test]
    fn what_is_left_for_others_is_theirs() {
        let mut bucket = Bucket::new(10, 10, 0);
        let taken = (0..20).filter(|_| bucket.take_leaving(0, 4).is_ok()).count();
        assert_eq!((taken, bucket.take_leaving(0, 4)), (6, Err(100)));
        assert_eq!((0..20).filter(|_| bucket.take(0).is_ok()).count(), 4);
    }

    #[test]
    fn a_clock_that_goes_back_fills_nothing() {
        let mut bucket = Bucket::new(1, 1, 5_000);
        assert_eq!(bucket.take(5_000), Ok(()));
        assert_eq!(bucket.take(1_000), Err(1_000));
        assert_eq!(bucket.take(5_999), Err(1));
        assert_eq!(bucket.take(6_000), Ok(()));
    }
}
