//! Themes that are about pods only.

use rand::RngExt;

use super::draft::{Draft, LASTS_MS, MOST_PODS};
use super::step::Action;

impl Draft {
    pub(super) fn chaos(&mut self) {
        self.begin(5);
        self.trouble(1_000, LASTS_MS, 900);
    }

    pub(super) fn scale(&mut self) {
        self.add(0, 1);
        let up = self.rng.random_range(800..1_400);
        self.add(up, MOST_PODS - 1);
        self.trouble(up + 800, 3_000, 1_000);
        // By then all that were killed are back.
        let down = self.rng.random_range(4_600..5_400);
        self.catch_up(down);
        while self.live.len() > 1 {
            let pod = self.any();
            self.end(down, Action::Terminate, pod);
        }
        self.trouble(down + 500, LASTS_MS, 1_500);
    }

    pub(super) fn upgrade(&mut self) {
        self.begin(4);
        let mut at = self.rng.random_range(1_000..2_000);
        self.catch_up(at);
        for old in self.live.clone() {
            let new = self.start(at);
            self.pod(at, new, Action::Ready);
            self.end(at, Action::Terminate, old);
            at += self.rng.random_range(400..1_200);
        }
        self.trouble(at, LASTS_MS, 2_000);
    }
}
