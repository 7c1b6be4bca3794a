//! Themes that are about the group: its offsets, and who joins it.

use rand::RngExt;

use super::draft::{Draft, LASTS_MS};
use super::step::{Action, Commits, Disturbance};

impl Draft {
    /// All pods leave, the offsets are set, and others come.
    pub(super) fn commits(&mut self, commits: Commits) {
        self.begin(4);
        let at = self.rng.random_range(2_000..4_000);
        self.catch_up(at);
        let action = if self.rng.random_bool(0.3) { Action::Kill } else { Action::Terminate };
        for pod in self.live.clone() {
            self.end(at, action, pod);
        }
        self.kafka(at, Disturbance::SetCommits(commits));
        let pods = self.rng.random_range(1..=3);
        self.add(at, pods);
        self.trouble(at + 1_500, LASTS_MS, 2_000);
    }

    pub(super) fn foreign_member(&mut self) {
        self.begin(3);
        let at = self.rng.random_range(1_500..2_500);
        let input = self.input();
        self.kafka(at, Disturbance::ForeignMemberJoins(input));
        let lasts = self.rng.random_range(2_500..3_500);
        self.kafka(at + lasts, Disturbance::ForeignMemberLeaves);
        self.trouble(at + lasts, LASTS_MS, 2_500);
    }
}
