//! The kubelet's part: runs the pods that there are, hears how they are, starts those that die again and ends those
//! that are to go. Which pods there are is not decided here.

use std::collections::HashMap;
use std::time::Duration;

use model::snapshot::{EndReason, Phase, Pod};
use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::backoff::Backoff;
use super::process::{End, Readiness, Run, Start};
use super::{LocalConfig, millis};

/// How long pods may take to stop when everything stops: less than the 2 s that we have ourselves.
const LAST_GRACE: Duration = Duration::from_millis(1_500);

/// Runs pods. The list of pods belongs to the actor, which lends it.
pub(super) struct Kubelet {
    config: LocalConfig,
    lives: HashMap<String, Life>,
    processes: JoinSet<End>,
    reports: (mpsc::Sender<Readiness>, mpsc::Receiver<Readiness>),
}

/// What belongs to a pod and is not shown.
struct Life {
    /// Records per second of the revision that it was made from.
    capacity: u32,
    /// To its process; `None` while it has none.
    signals: Option<mpsc::UnboundedSender<Signal>>,
    /// When its process was started.
    started: Instant,
    backoff: Backoff,
    /// When a process that was told to stop is killed, or a dead one is started again.
    alarm: Option<Instant>,
}

/// Something happened to a pod.
#[derive(Debug)]
pub(super) enum Event {
    /// Its process ended.
    Ended(End),
    /// Its readiness changed.
    Readiness(Readiness),
    /// A timer ran out: a pod did not stop in time, or a dead one may start again.
    Alarm,
}

impl Kubelet {
    pub(super) fn new(config: LocalConfig) -> Self {
        Self { config, lives: HashMap::new(), processes: JoinSet::new(), reports: mpsc::channel(16) }
    }

    /// Takes a new pod and starts it.
    pub(super) fn admit(&mut self, pods: &mut Vec<Pod>, pod: Pod, capacity: u32) {
        let (started, backoff) = (Instant::now(), Backoff::default());
        self.lives.insert(pod.name.clone(), Life { capacity, signals: None, started, backoff, alarm: None });
        pods.push(pod);
        if let Some(pod) = pods.last_mut() {
            self.start(pod);
        }
    }

    /// Tells a pod to stop. One without a process is gone at once.
    pub(super) fn end(&mut self, pods: &mut Vec<Pod>, name: &str, reason: EndReason) {
        let Some(life) = self.lives.get_mut(name) else { return };
        info!(?reason, "ending {name}");
        if life.signals.is_none() {
            return self.forget(pods, name);
        }
        life.alarm = Some(Instant::now() + self.config.grace);
        self.signal(name, Signal::TERM);
        if let Some(pod) = find(pods, name) {
            self.enter(pod, Phase::Terminating { reason });
        }
    }

    /// Kills a pod's process, as a crash would. That it ended comes as an event.
    pub(super) fn crash(&self, name: &str) {
        info!("killing {name}");
        self.signal(name, Signal::KILL);
    }

    /// Waits for the next event. Nothing is lost when the future is dropped.
    pub(super) async fn event(&mut self) -> Event {
        let alarm = self.lives.values().filter_map(|life| life.alarm).min();
        tokio::select! {
            Some(end) = self.processes.join_next() => Event::Ended(intact(end)),
            Some(report) = self.reports.1.recv() => Event::Readiness(report),
            () = sleep_until(alarm.unwrap_or_else(Instant::now)), if alarm.is_some() => Event::Alarm,
        }
    }

    /// Does what follows from an event.
    pub(super) fn notice(&mut self, pods: &mut Vec<Pod>, event: Event) {
        match event {
            Event::Ended(end) => self.notice_end(pods, end),
            Event::Readiness(report) => self.notice_readiness(pods, &report),
            Event::Alarm => self.ring(pods),
        }
    }

    /// Ends all pods and waits for the last one.
    pub(super) async fn stop(&mut self, pods: &mut Vec<Pod>) {
        let names: Vec<String> = self.lives.keys().cloned().collect();
        names.iter().for_each(|name| self.end(pods, name, EndReason::Unknown));
        let deadline = Instant::now() + LAST_GRACE;
        self.lives.values_mut().for_each(|life| life.alarm = Some(deadline));
        while !self.processes.is_empty() {
            let event = self.event().await;
            self.notice(pods, event);
        }
    }

    /// Starts the process of a pod that has none.
    fn start(&mut self, pod: &mut Pod) {
        let Some(life) = self.lives.get_mut(&pod.name) else { return };
        let (signals, received) = mpsc::unbounded_channel();
        life.signals = Some(signals);
        life.started = Instant::now();
        let mut args = self.config.args.clone();
        let capacity = life.capacity.to_string();
        let ours = [
            "--pod",
            &pod.name,
            "--capacity",
            &capacity,
            "--admin-address",
            "127.0.0.1:0",
            "--exit-with-parent",
        ];
        args.extend(ours.map(str::to_owned));
        let run = Run { pod: pod.name.clone(), restarts: pod.restarts };
        let (program, log_dir) = (self.config.streams.clone(), self.config.log_dir.clone());
        let start = Start { run, program, args, log_dir };
        self.processes.spawn(start.run(received, self.reports.0.clone()));
        self.enter(pod, Phase::Starting);
    }

    fn notice_end(&mut self, pods: &mut Vec<Pod>, End { run: Run { pod: name, restarts }, how }: End) {
        let Some(pod) = find(pods, &name) else { return };
        if matches!(pod.phase, Phase::Terminating { .. }) {
            info!("{name} has ended: {how}");
            return self.forget(pods, &name);
        }
        let Some(life) = self.lives.get_mut(&name) else { return };
        let wait = life.backoff.after(life.started.elapsed());
        warn!(restarts, "{name} died: {how}; it starts again in {wait:?}");
        life.signals = None;
        // An alarm, even where there is nothing to wait for: so that the death is published before the new start.
        life.alarm = Some(Instant::now() + wait);
        let retry_ms = (!wait.is_zero()).then(|| (self.config.clock)() + millis(wait));
        self.enter(pod, Phase::Crashed { retry_ms });
    }

    fn notice_readiness(&self, pods: &mut [Pod], Readiness { run, ready }: &Readiness) {
        // A report of an earlier run may come after its end.
        let Some(pod) = find(pods, &run.pod).filter(|pod| pod.restarts == run.restarts) else { return };
        let phase = match (pod.phase, ready) {
            (Phase::Starting, true) => Phase::Ready,
            (Phase::Ready, false) => Phase::Starting,
            _ => return,
        };
        info!(ready, "{} changed its readiness", run.pod);
        self.enter(pod, phase);
    }

    fn ring(&mut self, pods: &mut [Pod]) {
        let now = Instant::now();
        let mut due = Vec::new();
        for (name, life) in &mut self.lives {
            if life.alarm.take_if(|alarm| *alarm <= now).is_some() {
                due.push(name.clone());
            }
        }
        for name in due {
            let Some(pod) = find(pods, &name) else { continue };
            match pod.phase {
                Phase::Terminating { .. } => {
                    warn!("{name} did not stop in time: killing it");
                    self.signal(&name, Signal::KILL);
                }
                Phase::Crashed { .. } => {
                    pod.restarts += 1;
                    self.start(pod);
                }
                Phase::Pending | Phase::Starting | Phase::Ready => {}
            }
        }
    }

    fn signal(&self, name: &str, signal: Signal) {
        if let Some(signals) = self.lives.get(name).and_then(|life| life.signals.as_ref()) {
            // A process that has just ended takes no signal, and needs none.
            let _ = signals.send(signal);
        }
    }

    fn enter(&self, pod: &mut Pod, phase: Phase) {
        pod.phase = phase;
        pod.phase_since_ms = (self.config.clock)();
    }

    fn forget(&mut self, pods: &mut Vec<Pod>, name: &str) {
        self.lives.remove(name);
        pods.retain(|pod| pod.name != name);
    }
}

fn find<'a>(pods: &'a mut [Pod], name: &str) -> Option<&'a mut Pod> {
    pods.iter_mut().find(|pod| pod.name == name)
}

/// A process's task that panicked takes the actor with it, and so tells whoever waits for the actor: pods that nobody
/// looks after must not be shown as if all were well.
fn intact(end: Result<End, JoinError>) -> End {
    end.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => panic!("nobody aborts a process's task, and yet: {error}"),
    })
}
