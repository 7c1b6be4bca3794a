//! What is done to pods and broker while a load runs: steps at their times, drawn from the seed.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

/// The load takes about so long; nothing begins after it.
const LASTS_MS: u64 = 7_000;
/// The most pods there are at once.
const MOST_PODS: u32 = 12;

/// The steps of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What it is about.
    pub theme: Theme,
    /// How the pods share the partitions.
    pub protocol: Protocol,
    /// In the order of their times.
    pub steps: Vec<Timed>,
}

/// What a schedule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Pods are killed, terminated, stopped for a while, added and taken away.
    Chaos,
    /// One pod becomes twelve, and one again.
    Scale,
    /// Each pod is replaced by a new one, one after the other.
    Upgrade,
    /// The broker is killed and started again. The load was written before, and the pods work slowly: otherwise a broker that is away for 5 s
    /// would look like an input without records, and the outcome would depend on the clock.
    Broker,
}

/// How pods share the partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// KIP-848, the pods' default.
    Consumer,
    /// `--group-protocol classic`.
    Classic,
}

/// A step and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    /// From the beginning of the load.
    pub at: Duration,
    /// What is done.
    pub step: Step,
}

/// What is done, and to which pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Starts it.
    Start(u32),
    /// Waits until it is ready.
    Ready(u32),
    /// SIGKILL.
    Kill(u32),
    /// SIGTERM.
    Terminate(u32),
    /// SIGSTOP.
    Stop(u32),
    /// SIGCONT.
    Continue(u32),
    /// SIGKILL for the broker; its supervisor starts it again.
    KillBroker,
}

impl Schedule {
    /// The schedule of a seed. Of twenty seeds in a row, three or four restart the broker, and four use the classic protocol.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let theme = match seed {
            _ if seed % 6 == 5 => Theme::Broker,
            _ if seed % 4 == 2 => Theme::Scale,
            _ if seed.is_multiple_of(4) => Theme::Upgrade,
            _ => Theme::Chaos,
        };
        let protocol = if seed.is_multiple_of(5) { Protocol::Classic } else { Protocol::Consumer };
        // Another sequence than the load's.
        let mut draft = Draft {
            rng: StdRng::seed_from_u64(!seed),
            live: Vec::new(),
            coming: Vec::new(),
            next: 1,
            steps: Vec::new(),
        };
        match theme {
            Theme::Chaos => draft.chaos(),
            Theme::Scale => draft.scale(),
            Theme::Upgrade => draft.upgrade(),
            Theme::Broker => draft.broker(),
        }
        let mut steps = draft.steps;
        steps.sort_by_key(|timed| timed.at);
        Self { theme, protocol, steps }
    }
}

/// Where a schedule is drawn; times are ms.
struct Draft {
    rng: StdRng,
    /// The pods that run.
    live: Vec<u32>,
    /// The pods that will, and from when on.
    coming: Vec<(u64, u32)>,
    next: u32,
    steps: Vec<Timed>,
}

impl Draft {
    fn chaos(&mut self) {
        let pods = self.rng.random_range(2..=5);
        self.add(0, pods);
        self.trouble(1_000, LASTS_MS, 900);
    }

    fn scale(&mut self) {
        self.add(0, 1);
        let up = self.rng.random_range(800..1_400);
        self.add(up, MOST_PODS - 1);
        self.trouble(up + 800, 3_000, 1_000);
        // By then all that were killed are back.
        let down = self.rng.random_range(4_600..5_400);
        self.catch_up(down);
        while self.live.len() > 1 {
            let pod = self.any();
            self.end(down, Step::Terminate, pod);
        }
        self.trouble(down + 500, LASTS_MS, 1_500);
    }

    fn upgrade(&mut self) {
        let pods = self.rng.random_range(2..=4);
        self.add(0, pods);
        let mut at = self.rng.random_range(1_000..2_000);
        self.catch_up(at);
        for old in self.live.clone() {
            let new = self.start(at);
            self.push(at, Step::Ready(new));
            self.end(at, Step::Terminate, old);
            at += self.rng.random_range(400..1_200);
        }
        self.trouble(at, LASTS_MS, 2_000);
    }

    fn broker(&mut self) {
        let pods = self.rng.random_range(2..=4);
        self.add(0, pods);
        let at = self.rng.random_range(2_000..4_000);
        self.trouble(1_000, at, 1_200);
        self.push(at, Step::KillBroker);
        self.trouble(at + 100, LASTS_MS, 1_500);
    }

    /// One trouble after the other, on average this long apart.
    fn trouble(&mut self, from: u64, to: u64, apart: u64) {
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
                self.end(at, Step::Terminate, pod);
                if self.live.is_empty() || self.rng.random_bool(0.7) {
                    self.start(at);
                }
            }
            6..9 => {
                self.push(at, Step::Stop(pod));
                let lasts = if self.rng.random_bool(0.5) { 300..1_000 } else { 1_000..4_000 };
                let end = at + self.rng.random_range(lasts);
                self.push(end.min(LASTS_MS + 500), Step::Continue(pod));
            }
            _ if self.live.len() < MOST_PODS as usize => {
                self.start(at);
            }
            _ => self.kill(at, pod),
        }
    }

    /// SIGKILL, and a little later a start under the same name or a new one.
    fn kill(&mut self, at: u64, pod: u32) {
        self.end(at, Step::Kill, pod);
        let again = at + self.rng.random_range(50..1_500);
        if self.rng.random_bool(0.5) {
            self.coming.push((again, pod));
            self.push(again, Step::Start(pod));
        } else {
            self.start(again);
        }
    }

    fn end(&mut self, at: u64, step: fn(u32) -> Step, pod: u32) {
        self.live.retain(|&live| live != pod);
        self.push(at, step(pod));
    }

    fn add(&mut self, at: u64, pods: u32) {
        for _ in 0..pods {
            self.start(at);
        }
    }

    fn start(&mut self, at: u64) -> u32 {
        let pod = self.next;
        self.next += 1;
        self.coming.push((at, pod));
        self.push(at, Step::Start(pod));
        pod
    }

    /// Those that have started by then can be hurt.
    fn catch_up(&mut self, to: u64) {
        let (here, coming) = self.coming.drain(..).partition(|&(at, _)| at <= to);
        self.coming = coming;
        let here: Vec<_> = here;
        self.live.extend(here.into_iter().map(|(_, pod)| pod));
    }

    fn any(&mut self) -> u32 {
        self.live[self.rng.random_range(0..self.live.len())]
    }

    fn push(&mut self, at: u64, step: Step) {
        self.steps.push(Timed { at: Duration::from_millis(at), step });
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, protocol {:?}", self.theme, self.protocol)?;
        self.steps
            .iter()
            .try_for_each(|Timed { at, step }| write!(f, "\n  {:5.2} s  {step}", at.as_secs_f64()))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(pod) => write!(f, "start pod-{pod}"),
            Self::Ready(pod) => write!(f, "wait until pod-{pod} is ready"),
            Self::Kill(pod) => write!(f, "SIGKILL pod-{pod}"),
            Self::Terminate(pod) => write!(f, "SIGTERM pod-{pod}"),
            Self::Stop(pod) => write!(f, "SIGSTOP pod-{pod}"),
            Self::Continue(pod) => write!(f, "SIGCONT pod-{pod}"),
            Self::KillBroker => f.write_str("SIGKILL the broker"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn of_twenty_seeds_three_restart_the_broker_and_all_themes_and_protocols_occur() {
        let schedules: Vec<_> = (1..=20).map(Schedule::of).collect();
        let count = |is: &dyn Fn(&Schedule) -> bool| schedules.iter().filter(|schedule| is(schedule)).count();
        assert_eq!(count(&|schedule| schedule.theme == Theme::Broker), 3);
        assert!(count(&|schedule| schedule.theme == Theme::Scale) >= 3);
        assert!(count(&|schedule| schedule.theme == Theme::Upgrade) >= 3);
        assert!(count(&|schedule| schedule.theme == Theme::Chaos) >= 3);
        assert_eq!(count(&|schedule| schedule.protocol == Protocol::Classic), 4);
        assert_eq!(Schedule::of(3), Schedule::of(3));
    }

    #[test]
    fn a_schedule_leaves_a_pod_that_works_and_never_starts_one_that_runs() {
        for seed in 0..2_000 {
            let (mut running, mut stopped) = (BTreeSet::new(), BTreeSet::new());
            for Timed { at, step } in Schedule::of(seed).steps {
                assert!(at < Duration::from_secs(12), "seed {seed}");
                match step {
                    Step::Start(pod) => assert!(running.insert(pod), "seed {seed}: {step}"),
                    Step::Kill(pod) | Step::Terminate(pod) => {
                        running.remove(&pod);
                        stopped.remove(&pod);
                    }
                    Step::Stop(pod) if running.contains(&pod) => drop(stopped.insert(pod)),
                    Step::Continue(pod) => drop(stopped.remove(&pod)),
                    Step::Stop(_) | Step::Ready(_) | Step::KillBroker => {}
                }
                assert!(running.len() <= 16, "seed {seed}");
            }
            assert!(stopped.is_empty() && !running.is_empty(), "seed {seed}");
        }
    }
}
