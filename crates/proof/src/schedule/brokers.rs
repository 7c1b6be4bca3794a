//! Themes that are about brokers, their disk and the way to them.

use rand::RngExt;

use super::draft::{Draft, LASTS_MS};
use super::step::Disturbance;

/// How many brokers the cluster has.
pub(crate) const NODES: usize = 3;
/// How long the disk is full.
const FULL_MS: u64 = 10_000;

impl Draft {
    pub(super) fn broker(&mut self) {
        self.begin(4);
        let at = self.rng.random_range(2_000..4_000);
        self.trouble(1_000, at, 1_200);
        self.kafka(at, Disturbance::KillBroker);
        self.trouble(at + 100, LASTS_MS, 1_500);
    }

    pub(super) fn broker_of_three(&mut self) {
        self.begin(4);
        let at = self.rng.random_range(2_000..3_500);
        let node = self.rng.random_range(0..NODES);
        self.kafka(at, Disturbance::KillNode(node));
        let back = at + self.rng.random_range(2_500..4_000);
        self.kafka(back, Disturbance::StartNode(node));
        self.trouble(at + 100, LASTS_MS, 2_000);
    }

    pub(super) fn disk_full(&mut self) {
        self.begin(3);
        let at = self.rng.random_range(2_000..3_500);
        self.kafka(at, Disturbance::FillDisk);
        self.kafka(at + FULL_MS, Disturbance::FreeDisk);
    }

    pub(super) fn slow_connections(&mut self) {
        self.begin(3);
        self.trouble(2_000, LASTS_MS, 2_500);
    }
}
