//! The task that owns the local cluster: it takes commands, hears from the kubelet, asks the autoscaler, and after each
//! of these takes the next steps that [`plan`] names and publishes the state.

use model::Millis;
use model::controls::{Manner, Refusal};
use model::scaling::{Autoscaler, Look, PodState, measure};
use model::snapshot::{Cluster, EndReason, Phase, Pod};
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::controls::{Command, Request};
use super::kubelet::Kubelet;
use super::{LocalConfig, millis, names, plan};
use crate::{LagView, slots};

/// Owns everything; see the module.
pub(super) struct Actor {
    config: LocalConfig,
    rng: StdRng,
    /// Changes with the revision.
    replica_set_hash: String,
    cluster: Cluster,
    published: watch::Sender<Cluster>,
    kubelet: Kubelet,
    autoscaler: Autoscaler,
    lag: watch::Receiver<Option<LagView>>,
    sync: Interval,
    next_sync_ms: Millis,
}

impl Actor {
    /// A cluster without pods; the first ones are made when it runs.
    pub(super) fn new(
        config: LocalConfig,
        mut rng: StdRng,
        lag: watch::Receiver<Option<LagView>>,
    ) -> (Self, watch::Receiver<Cluster>) {
        let replica_set_hash = names::replica_set_hash(&mut rng);
        let cluster = Cluster {
            desired: config.policy.min,
            revision: 1,
            capacity: config.capacity,
            policy: config.policy.clone(),
            ..Cluster::default()
        };
        let (published, state) = watch::channel(cluster.clone());
        let mut sync = interval_at(Instant::now() + config.sync, config.sync);
        sync.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let next_sync_ms = (config.clock)() + millis(config.sync);
        let kubelet = Kubelet::new(config.clone());
        let autoscaler = Autoscaler::default();
        let actor = Self {
            config,
            rng,
            replica_set_hash,
            cluster,
            published,
            kubelet,
            autoscaler,
            lag,
            sync,
            next_sync_ms,
        };
        (actor, state)
    }

    /// Runs until `shutdown`, and then until the last pod has ended.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>, shutdown: CancellationToken) {
        loop {
            self.settle();
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(request) = requests.recv() => self.answer(request),
                event = self.kubelet.event() => self.kubelet.notice(&mut self.cluster.pods, event),
                _ = self.sync.tick() => self.look_on_schedule(),
            }
        }
        // From here on, whoever asks is told that it is too late.
        drop(requests);
        self.kubelet.stop(&mut self.cluster.pods).await;
        self.publish();
    }

    /// Takes the steps that follow from the last change until there is none: ending a pod that has no process makes
    /// room at once. Then everybody may see.
    fn settle(&mut self) {
        loop {
            let plan = plan::next(&self.cluster);
            if plan == plan::Plan::default() {
                break;
            }
            for (name, reason) in plan.end {
                self.kubelet.end(&mut self.cluster.pods, &name, reason);
            }
            for _ in 0..plan.create {
                self.create();
            }
        }
        self.publish();
    }

    /// Whoever gets the answer finds its effect in the state.
    fn answer(&mut self, (command, answer): Request) {
        let result = self.obey(command);
        self.settle();
        // Whoever asked may have stopped waiting.
        let _ = answer.send(result);
    }

    fn obey(&mut self, command: Command) -> Result<(), Refusal> {
        match command {
            Command::Kill { pod, manner } => self.kill(&pod, manner)?,
            Command::RestartAll => self.restart_all(),
            Command::Roll { capacity } => self.roll(capacity),
            Command::Scale { replicas } => {
                Refusal::unless_none(self.cluster.policy.scale_problem(replicas, self.cluster.desired))?;
                info!("scaled by hand from {} to {replicas} replicas", self.cluster.desired);
                self.cluster.desired = replicas;
            }
            Command::SetPolicy { policy } => {
                Refusal::unless_none(policy.problem(self.config.max_pods))?;
                self.cluster.policy = policy;
                // The last decision says nothing about the new policy.
                self.look();
            }
        }
        Ok(())
    }

    fn kill(&mut self, name: &str, manner: Manner) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal::Rejected(format!("{name} {why}.")));
        let Some(pod) = self.cluster.pods.iter().find(|pod| pod.name == name) else {
            return refuse("is gone");
        };
        match (manner, pod.phase) {
            (Manner::Graceful, Phase::Terminating { .. }) => refuse("is on its way out already"),
            (Manner::Crash, Phase::Crashed { .. }) => refuse("is down already"),
            (Manner::Graceful, _) => {
                self.kubelet.end(&mut self.cluster.pods, name, EndReason::Killed);
                Ok(())
            }
            (Manner::Crash, _) => {
                self.kubelet.crash(name);
                Ok(())
            }
        }
    }

    fn restart_all(&mut self) {
        let alive = |pod: &&Pod| !matches!(pod.phase, Phase::Terminating { .. });
        let names: Vec<String> = self.cluster.pods.iter().filter(alive).map(|pod| pod.name.clone()).collect();
        info!("restarting all {} pods", names.len());
        for name in names {
            self.kubelet.end(&mut self.cluster.pods, &name, EndReason::Killed);
        }
    }

    fn roll(&mut self, capacity: Option<u32>) {
        self.cluster.capacity = capacity.unwrap_or(self.cluster.capacity);
        self.cluster.revision += 1;
        self.replica_set_hash = names::replica_set_hash(&mut self.rng);
        info!(revision = self.cluster.revision, capacity = self.cluster.capacity, "rolling upgrade");
    }

    fn create(&mut self) {
        let name = names::pod(&mut self.rng, &self.replica_set_hash);
        let (now_ms, slot) = (self.now_ms(), slots::lowest_free(&self.cluster.pods));
        let Cluster { revision, capacity, .. } = self.cluster;
        info!(slot, "creating {name}");
        let phase = Phase::Pending;
        let pod = Pod {
            name,
            slot,
            phase,
            phase_since_ms: now_ms,
            created_ms: now_ms,
            restarts: 0,
            revision,
            node: None,
            reason: None,
            message: None,
        };
        self.kubelet.admit(&mut self.cluster.pods, pod, capacity);
    }

    fn look_on_schedule(&mut self) {
        self.next_sync_ms = self.now_ms() + millis(self.config.sync);
        self.look();
    }

    /// One look of the autoscaler, and what follows from it.
    fn look(&mut self) {
        let now_ms = self.now_ms();
        let pods: Vec<(&str, PodState)> =
            self.cluster.pods.iter().map(|pod| (pod.name.as_str(), pod.phase.into())).collect();
        let measured = measure(self.lag.borrow().as_ref(), now_ms, &pods);
        let decision = self.autoscaler.evaluate(&Look {
            now_ms,
            next_ms: self.next_sync_ms,
            policy: &self.cluster.policy,
            replicas: self.cluster.desired,
            measured: &measured,
        });
        if decision.desired != self.cluster.desired {
            let topics = self.lag.borrow().as_ref().map(|view| view.lag.topics.clone()).unwrap_or_default();
            info!("New size: {}; reason: {}", decision.desired, decision.spoken(&topics));
        }
        self.cluster.desired = decision.desired;
        self.cluster.decision = Some(decision);
    }

    fn publish(&self) {
        self.published.send_if_modified(|published| {
            let changed = *published != self.cluster;
            if changed {
                published.clone_from(&self.cluster);
            }
            changed
        });
    }

    fn now_ms(&self) -> Millis {
        (self.config.clock)()
    }
}
