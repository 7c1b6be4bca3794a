//! The state of the show at one instant, as the page shows it: current values only; the past is in [`crate::history`].

use serde::{Deserialize, Serialize};

use crate::clocks::Clocks;
use crate::dead_letters::DeadLetters;
use crate::figures;
use crate::hpa::Hpa;
use crate::lag::{Doubt, Outage};
use crate::load::LoadSettings;
use crate::policy::Policy;
use crate::scaling::Decision;
use crate::{DEPLOYMENT, GROUP_ID, Input, Millis};

/// Everything that is true now. An unknown is `None`, never 0.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// When this was folded, by the server's clock.
    pub at_ms: Millis,
    /// Which Kafka and which cluster this shows.
    pub source: Source,
    /// Lag per input and partition; `None` until the first sample.
    pub lag: Option<Lag>,
    /// Who owns which partition; `None` until the coordinator was asked.
    pub ownership: Option<Ownership>,
    /// Records per second; `None` until two samples can be compared.
    pub rates: Option<Rates>,
    /// Pods and replicas; `None` until the cluster was seen.
    pub cluster: Option<Cluster>,
    /// What the generator is asked to do; `None` until the control topic was read.
    pub load: Option<LoadSettings>,
    /// What the application could not make use of; `None` until its log was read.
    #[serde(default)]
    pub dead_letters: Option<DeadLetters>,
    /// Clocks that are far from the server's.
    #[serde(default)]
    pub clocks: Clocks,
    /// The people who play.
    pub players: Players,
    /// What outside does not answer, so that its part of this is old.
    pub outages: Outages,
    /// A command that takes its time, while it runs.
    pub progress: Option<Progress>,
}

/// What outside does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outages {
    /// Lag, owners and rates are old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<Outage>,
    /// Pods and replicas are old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Outage>,
}

/// How far a command has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, for example `Reset`.
    pub what: String,
    /// The step under way, in a few words.
    pub step: String,
    /// Its number, from 1.
    pub number: u32,
    /// How many steps there are.
    pub of: u32,
}

/// Where the picture comes from; the page says it in a chip.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Source {
    /// For example `Kafka 4.3`; empty until the broker was asked.
    pub kafka: String,
    /// For example `local pods` or `Kubernetes 1.37`.
    pub cluster: String,
    /// For how long the broker may keep what a crashed pod's open transaction holds: its partitions wait for that.
    /// `None` where the broker does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_hold_ms: Option<Millis>,
}

/// Lag of both inputs, indexed by partition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lag {
    /// When the log ends were read.
    pub sampled_ms: Millis,
    /// Records behind in `GAME-FRAME-RQ`; `None` where Kafka gave no answer. Empty while nobody knows how many
    /// partitions there are; the two inputs may have different numbers.
    #[serde(rename = "rq")]
    pub requests: Vec<Option<u64>>,
    /// Records behind in `GAME-FRAME-RS`.
    #[serde(rename = "rs")]
    pub responses: Vec<Option<u64>>,
    /// Records that were deleted before the group read them, over both inputs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
    /// What to say beside single figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<(Input, u32, Doubt)>,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Lag {
    /// The lags of one input, indexed by partition.
    #[must_use]
    pub fn partitions(&self, input: Input) -> &[Option<u64>] {
        match input {
            Input::Requests => &self.requests,
            Input::Responses => &self.responses,
        }
    }

    /// Total lag of one input; `None` as soon as one partition is unknown, since a part is not a total.
    #[must_use]
    pub fn total(&self, input: Input) -> Option<u64> {
        let lags = self.partitions(input);
        (!lags.is_empty()).then(|| lags.iter().copied().sum::<Option<u64>>()).flatten()
    }

    /// The input with the larger total lag, and that lag: the one that decides. Requests where they are equal.
    #[must_use]
    pub fn worst(&self) -> Option<(Input, u64)> {
        let requests = self.total(Input::Requests)?;
        let responses = self.total(Input::Responses)?;
        Some(if responses > requests { (Input::Responses, responses) } else { (Input::Requests, requests) })
    }

    /// How many partitions there are, by the input that has more of them; 0 while nobody knows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.requests.len().max(self.responses.len())
    }

    /// Requests and responses of one pair of partitions together. A partition that only one input has is known by that
    /// one; one that neither has is unknown.
    #[must_use]
    pub fn pair(&self, partition: usize) -> Option<u64> {
        if partition >= self.count() {
            return None;
        }
        let half = |lags: &[Option<u64>]| match lags.get(partition) {
            Some(lag) => *lag,
            None => (!lags.is_empty()).then_some(0),
        };
        Some(half(&self.requests)? + half(&self.responses)?)
    }

    /// The only input that has this partition, where the other one has fewer partitions.
    #[must_use]
    pub fn only(&self, partition: usize) -> Option<Input> {
        let is_missing = |lags: &[Option<u64>]| !lags.is_empty() && partition >= lags.len();
        match (is_missing(&self.requests), is_missing(&self.responses)) {
            (false, true) => Some(Input::Requests),
            (true, false) => Some(Input::Responses),
            _ => None,
        }
    }

    /// What to say beside the figures of one pair of partitions.
    pub fn doubts(&self, partition: u32) -> impl Iterator<Item = (Input, Doubt)> {
        self.doubts
            .iter()
            .filter(move |(_, of, _)| *of == partition)
            .map(|(input, _, doubt)| (*input, *doubt))
    }

    /// Why the total of an input is unknown, with the partitions by number; `None` where it is known.
    #[must_use]
    pub fn unknown(&self, input: Input) -> Option<String> {
        let topic = input.topic();
        let lags = self.partitions(input);
        if lags.is_empty() {
            return Some(format!("nobody knows how many partitions {topic} has"));
        }
        let has_no_leader = |partition| self.doubts.contains(&(input, partition, Doubt::NoLeader));
        let unknown = (0..).zip(lags).filter(|(_, lag)| lag.is_none()).map(|(partition, _)| partition);
        let (leaderless, silent): (Vec<u32>, Vec<u32>) =
            unknown.partition(|&partition| has_no_leader(partition));
        let said = |partitions: &[u32], verb: &str| {
            (!partitions.is_empty()).then(|| format!("{verb} {topic} {}", figures::ranges(partitions)))
        };
        let said = [said(&leaderless, "no leader for"), said(&silent, "no answer for")];
        let said: Vec<String> = said.into_iter().flatten().collect();
        (!said.is_empty()).then(|| said.join(", "))
    }
}

/// Who owns which pair of partitions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ownership {
    /// The group's state as Kafka spells it.
    pub state: String,
    /// Indexed by partition.
    pub partitions: Vec<Owner>,
    /// Members of the group that own partitions and are no pods of the application.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherMember>,
}

/// A member of the application's group that is none of its pods: what it reads, the application never sees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OtherMember {
    /// How it calls itself: its `client.id`.
    pub name: String,
    /// The address that it came from.
    pub host: String,
    /// How many partitions of both inputs it owns.
    pub partitions: u32,
}

impl OtherMember {
    /// Who it is, in a sentence without a full stop.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { name, host, partitions } = self;
        let owns = figures::plural(*partitions, "partition");
        format!(
            "`{name}` (from {host}) is a member of {GROUP_ID} and owns {owns}: it is not a pod of {DEPLOYMENT}"
        )
    }
}

/// The owner of one pair of partitions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owner {
    /// The pod's name; `None` while nobody owns it, as far as the coordinator knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// When the pod that works on it died or it lost its owner, while nobody works on it: the hole in the show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_since_ms: Option<Millis>,
    /// How long the last hole lasted, and when it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
}

/// A pair of partitions found a new pod that works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// When the new owner's first progress was seen.
    pub at_ms: Millis,
    /// How long nobody worked on it.
    pub took_ms: Millis,
}

/// Records per second over the last two seconds, both inputs together unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rates {
    /// Records appended.
    pub produced: u32,
    /// Records whose offsets were committed.
    pub consumed: u32,
    /// Requests appended, which is frames: compare with the load's target.
    pub frames: u32,
    /// Records consumed, indexed by partition.
    pub by_partition: Vec<u32>,
    /// Frames per second that the generator is asked for, while it has made fewer for some seconds; otherwise `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<u32>,
}

/// The Deployment `kstreams` and its pods.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Cluster {
    /// Sorted by the time they were made.
    pub pods: Vec<Pod>,
    /// Replicas asked for.
    pub desired: u32,
    /// The Deployment's revision, from 1; a rolling upgrade makes a new one. 0 until its controller has seen it.
    pub revision: u32,
    /// Records per second that a pod of the newest revision may process; 0: its template sets no limit.
    pub capacity: u32,
    /// The autoscaler's policy.
    pub policy: Policy,
    /// What the autoscaler decided last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// What Kubernetes says of the HorizontalPodAutoscaler; `None` where the autoscaler is ours, as with local pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hpa: Option<Hpa>,
    /// The Deployment `datagen`; `None` where the cluster has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<Replicas>,
    /// Why Kubernetes does not make the pods that are asked for, as the Deployment's and its ReplicaSet's conditions
    /// say it: `FailedCreate: exceeded quota: ...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_failure: Option<String>,
    /// Kinds of objects that this server may not see, as the API's paths spell them: `horizontalpodautoscalers`. What
    /// they would tell is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden_kinds: Vec<String>,
}

/// The pods of a Deployment, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Replicas {
    /// Asked for.
    pub desired: u32,
    /// Passing their readiness probe.
    pub ready: u32,
}

impl Cluster {
    /// Pods that exist and are not on their way out.
    #[must_use]
    pub fn current(&self) -> usize {
        self.pods.iter().filter(|pod| !matches!(pod.phase, Phase::Terminating { .. })).count()
    }

    /// Pods that pass their readiness probe.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.pods.iter().filter(|pod| pod.phase == Phase::Ready).count()
    }
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// For example `kstreams-7c9d8f6b5-kx7w2`.
    pub name: String,
    /// Its colour and lane, 0 to 11: the lowest one that was free when it was first seen.
    pub slot: u8,
    /// Where it stands.
    pub phase: Phase,
    /// When it entered that phase.
    pub phase_since_ms: Millis,
    /// When it was made.
    pub created_ms: Millis,
    /// How often its process was started again after it died.
    pub restarts: u32,
    /// The revision of the template that it was made from; 0 while its ReplicaSet is not known.
    pub revision: u32,
    /// The node that it runs on; `None` while it has none, and for local pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Why it does not run, or why its process last ended, as Kubernetes spells it: `CrashLoopBackOff`, `OOMKilled`,
    /// `ImagePullBackOff`, `Unschedulable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in a sentence, where there is one: `secret "king-secrets" not found`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Pod {
    /// The last part of its name, which tells it from the other pods of its Deployment.
    #[must_use]
    pub fn short_name(&self) -> &str {
        short_name(&self.name)
    }
}

/// What follows the last dash of a pod's name.
#[must_use]
pub fn short_name(pod: &str) -> &str {
    pod.rsplit('-').next().unwrap_or(pod)
}

/// Where a pod stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Scheduled, not running yet.
    Pending,
    /// Running, not ready yet.
    Starting,
    /// Running and ready.
    Ready,
    /// Its process died; it will be started again.
    Crashed {
        /// When (`CrashLoopBackOff`).
        #[serde(skip_serializing_if = "Option::is_none", default)]
        retry_ms: Option<Millis>,
    },
    /// Told to stop.
    Terminating {
        /// Why, as far as it is known.
        reason: EndReason,
    },
}

/// Why a pod was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// Somebody killed it.
    Killed,
    /// There were more pods than desired.
    ScaledIn,
    /// A newer revision replaces it.
    Upgraded,
    /// Not known.
    Unknown,
}

/// The people who play.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Players {
    /// Who has joined and not left.
    pub count: u32,
    /// Taps per second over the last few seconds.
    pub taps_per_second: u32,
    /// The best, best first, at most ten.
    pub leaders: Vec<Leader>,
}

/// A line of the leaderboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// The fighter's name, from the list.
    pub fighter: String,
    /// Points of the hits that came back through `SESSIONS`.
    pub score: u64,
    /// How long the player's last tap took to come back.
    pub last_ms: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(requests: &[Option<u64>], responses: &[Option<u64>]) -> Lag {
        Lag { requests: requests.to_vec(), responses: responses.to_vec(), ..Lag::default() }
    }

    #[test]
    fn a_partition_of_one_input_only_counts_and_is_named() {
        let lag = lag(&[Some(1), Some(2), Some(3)], &[Some(10), Some(20)]);
        assert_eq!((lag.pair(1), lag.pair(2), lag.pair(3)), (Some(22), Some(3), None));
        assert_eq!((lag.only(1), lag.only(2), lag.only(3)), (None, Some(Input::Requests), None));
        assert_eq!((lag.count(), lag.total(Input::Requests)), (3, Some(6)));
    }

    #[test]
    fn a_total_that_is_unknown_names_its_partitions() {
        let mut lag = lag(&[None, None, None, Some(3), None], &[]);
        lag.doubts = vec![(Input::Requests, 4, Doubt::NoLeader), (Input::Responses, 1, Doubt::NoLeader)];
        assert_eq!(lag.pair(3), None, "the other half may exist");
        assert_eq!(
            lag.unknown(Input::Requests).unwrap(),
            "no leader for GAME-FRAME-RQ 4, no answer for GAME-FRAME-RQ 0 to 2"
        );
        assert!(lag.unknown(Input::Responses).unwrap().contains("how many partitions GAME-FRAME-RS has"));
        lag.responses = vec![Some(0)];
        assert_eq!((lag.unknown(Input::Responses), lag.total(Input::Responses)), (None, Some(0)));
    }
}
