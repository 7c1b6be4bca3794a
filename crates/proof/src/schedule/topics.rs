//! Themes that are about topics, and about what somebody else writes into them.

use std::time::Duration;

use rand::RngExt;
use workload::Input;

use super::draft::{Draft, LASTS_MS};
use super::step::{Action, Change, Disturbance, Ending};

impl Draft {
    pub(super) fn partitions_added(&mut self) {
        self.begin(4);
        let at = self.rng.random_range(1_500..3_000);
        let more = self.rng.random_range(1..=4);
        self.change = Some(Change::Grow { at: Duration::from_millis(at), more });
        self.trouble(at + 500, LASTS_MS, 2_000);
    }

    /// Before it is deleted all of it has to be committed soon, so no pod is hurt until then.
    pub(super) fn topic_recreated(&mut self) {
        self.begin(4);
        let at = self.rng.random_range(2_500..4_000);
        let input = self.input();
        self.change = Some(Change::Recreate { at: Duration::from_millis(at), input });
        self.trouble(at + 1_500, LASTS_MS, 2_000);
    }

    /// It is open for longer than an input may be without records before it counts as idle.
    pub(super) fn foreign_transaction(&mut self, ending: Ending) {
        self.begin(4);
        let at = self.rng.random_range(500..900);
        let input = self.input();
        self.kafka(at, Disturbance::Open(input));
        self.kafka(at + 5_600, Disturbance::Close(ending));
        if self.rng.random_bool(0.5) {
            self.trouble(at + 500, LASTS_MS, 2_000);
        }
    }

    pub(super) fn small_changelog(&mut self) {
        self.begin(4);
        let at = self.rng.random_range(1_500..3_000);
        self.kafka(at, Disturbance::ShrinkChangelog);
        let lasts = self.rng.random_range(2_000..4_000);
        self.kafka(at + lasts, Disturbance::RestoreChangelog);
        if self.rng.random_bool(0.5) {
            self.trouble(at, LASTS_MS, 2_000);
        }
    }

    /// What a fast clock has written must be read while it is new, so no pod is hurt: one is replaced.
    pub(super) fn clocks(&mut self) {
        self.begin(4);
        let at = self.rng.random_range(5_500..7_500);
        self.catch_up(at);
        let old = self.any();
        self.start(at - 1_500);
        self.end(at, Action::Terminate, old);
    }

    pub(super) fn input(&mut self) -> Input {
        if self.rng.random_bool(0.5) { Input::Requests } else { Input::Responses }
    }
}
