//! Where a schedule is drawn: which pods run at which time, and what may be done to them then. Times are ms.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::step::{Action, Change, Disturbance, Step, Timed};

/// The load takes about so long; nothing begins after it.
pub(super) const LASTS_MS: u64 = 7_000;
/// The most pods there are at once.
pub(super) const MOST_PODS: u32 = 12;

pub(super) struct Draft {
    pub(super) rng: StdRng,
    /// The pods that run.
    pub(super) live: Vec<u32>,
    /// The pods that will, and from when on.
    coming: Vec<(u64, u32)>,
    next: u32,
    pub(super) steps: Vec<Timed>,
    pub(super) change: Option<Change>,
}

impl Draft {
    pub(super) fn new(rng: StdRng) -> Self {
        Self { rng, live: Vec::new(), coming: Vec::new(), next: 1, steps: Vec::new(), change: None }
    }

    /// Two to so many pods from the beginning.
    pub(super) fn begin(&mut self, most: u32) {
        let pods = self.rng.random_range(2..=most);
        self.add(0, pods);
    }

    /// One trouble after the other, on average this long apart.
    pub(super) fn trouble(&mut self, from: u64, to: u64, apart: u64) {
        let mut at = from + self.rng.random_range(0..apart);
        while at < to {
            self.catch_up(at);
            if let Some(pod) = self.live.choose(&mut self.rng).copied() {
                self.hurt(at, pod);
            }
            at += self.rng.random_range(apart / 2..=apart * 3 / 2);
        }
    }

    fn hurt(&mut self, at: u64, pod: u32) {
        match self.rng.random_range(0..10) {
            0..4 => self.kill(at, pod),
            4..6 => {
                self.end(at, Action::Terminate, pod);
                if self.live.is_empty() || self.rng.random_bool(0.7) {
                    self.start(at);
                }
            }
            6..9 => {
                self.pod(at, pod, Action::Stop);
                let lasts = if self.rng.random_bool(0.5) { 300..1_000 } else { 1_000..4_000 };
                let end = at + self.rng.random_range(lasts);
                self.pod(end.min(LASTS_MS + 500), pod, Action::Continue);
            }
            _ if self.live.len() < MOST_PODS as usize => {
                self.start(at);
            }
            _ => self.kill(at, pod),
        }
    }

    /// SIGKILL, and a little later a start under the same name or a new one.
    pub(super) fn kill(&mut self, at: u64, pod: u32) {
        self.end(at, Action::Kill, pod);
        let again = at + self.rng.random_range(50..1_500);
        if self.rng.random_bool(0.5) {
            self.coming.push((again, pod));
            self.pod(again, pod, Action::Start);
        } else {
            self.start(again);
        }
    }

    pub(super) fn end(&mut self, at: u64, action: Action, pod: u32) {
        self.live.retain(|&live| live != pod);
        self.pod(at, pod, action);
    }

    pub(super) fn add(&mut self, at: u64, pods: u32) {
        for _ in 0..pods {
            self.start(at);
        }
    }

    pub(super) fn start(&mut self, at: u64) -> u32 {
        let pod = self.next;
        self.next += 1;
        self.coming.push((at, pod));
        self.pod(at, pod, Action::Start);
        pod
    }

    /// Those that have started by then can be hurt.
    pub(super) fn catch_up(&mut self, to: u64) {
        let (here, coming) = self.coming.drain(..).partition(|&(at, _)| at <= to);
        self.coming = coming;
        let here: Vec<_> = here;
        self.live.extend(here.into_iter().map(|(_, pod)| pod));
    }

    pub(super) fn any(&mut self) -> u32 {
        self.live[self.rng.random_range(0..self.live.len())]
    }

    pub(super) fn pod(&mut self, at: u64, pod: u32, action: Action) {
        self.push(at, Step::Pod(pod, action));
    }

    pub(super) fn kafka(&mut self, at: u64, disturbance: Disturbance) {
        self.push(at, Step::Kafka(disturbance));
    }

    fn push(&mut self, at: u64, step: Step) {
        self.steps.push(Timed { at: Duration::from_millis(at), step });
    }
}
