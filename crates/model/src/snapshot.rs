//! The parts of the picture at one instant, as the page shows them: current values only; the past is in
//! [`crate::history`], and [`crate::wire::Snapshot`] lists the parts.

use serde::{Deserialize, Serialize};

use crate::Millis;
use crate::figures;
use crate::hpa::Hpa;
use crate::lag::{Doubt, Outage};
use crate::policy::Policy;
use crate::scaling::Decision;
use crate::topics::{Tasks, TopicPartition, Topics};

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
    /// The consumer group whose lag this is.
    pub group: String,
    /// The Deployment whose pods work on it.
    pub deployment: String,
    /// For example `Kafka 4.3`; empty until the broker was asked.
    pub kafka: String,
    /// For example `local pods` or `Kubernetes 1.37`.
    pub cluster: String,
    /// For how long the broker may keep what a crashed pod's open transaction holds: its partitions wait for that.
    /// `None` where the broker does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_hold_ms: Option<Millis>,
}

/// Lag of a group, by topic and partition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lag {
    /// When the log ends were read.
    pub sampled_ms: Millis,
    /// The topics of the group; what follows has their order.
    pub topics: Topics,
    /// Records behind by topic, indexed by partition; `None` where Kafka gave no answer. A topic has none while nobody
    /// knows how many partitions there are; topics may have different numbers of them.
    pub partitions: Vec<Vec<Option<u64>>>,
    /// Records that were deleted before the group read them, in all topics.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
    /// What to say beside single figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<(TopicPartition, Doubt)>,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Lag {
    /// Total lag of a topic; `None` as soon as one partition is unknown, since a part is not a total.
    #[must_use]
    pub fn total(&self, topic: usize) -> Option<u64> {
        let lags = self.partitions.get(topic)?;
        (!lags.is_empty()).then(|| lags.iter().copied().sum::<Option<u64>>()).flatten()
    }

    /// The total lag of every topic.
    #[must_use]
    pub fn totals(&self) -> Vec<Option<u64>> {
        (0..self.partitions.len()).map(|topic| self.total(topic)).collect()
    }

    /// The topic with the largest total lag, and that lag: the one that decides. The first of them where they are
    /// equal; `None` while one is unknown, which may be larger.
    #[must_use]
    pub fn worst(&self) -> Option<(usize, u64)> {
        let totals = self.totals().into_iter().enumerate();
        let totals = totals.map(|(topic, total)| Some((topic, total?))).collect::<Option<Vec<_>>>()?;
        totals.into_iter().rev().max_by_key(|(_, total)| *total)
    }

    /// How many partitions each topic has.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        self.partitions.iter().map(Vec::len).collect()
    }

    /// How many tasks there are; 0 while nobody knows.
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.topics.task_count(&self.counts())
    }

    /// The lag of one task, over its partitions. A joined task whose partition a topic does not have is known by the
    /// other topics; one with a topic of which nothing is known is unknown.
    #[must_use]
    pub fn task(&self, task: usize) -> Option<u64> {
        let is_unknown = |lags: &Vec<Option<u64>>| lags.is_empty();
        if self.topics.tasks == Tasks::Joined && self.partitions.iter().any(is_unknown) {
            return None;
        }
        let partitions = self.task_partitions(task);
        let lag = |of: &TopicPartition| self.partitions[of.topic][of.partition as usize];
        (!partitions.is_empty()).then(|| partitions.iter().map(lag).sum::<Option<u64>>()).flatten()
    }

    /// The lag of every task.
    #[must_use]
    pub fn tasks(&self) -> Vec<Option<u64>> {
        (0..self.task_count()).map(|task| self.task(task)).collect()
    }

    /// The partitions of one task, of those that exist.
    #[must_use]
    pub fn task_partitions(&self, task: usize) -> Vec<TopicPartition> {
        let counts = self.counts();
        match self.topics.tasks {
            Tasks::Joined => {
                let has = |(_, count): &(usize, &usize)| task < **count;
                let partition = u32::try_from(task).unwrap_or(u32::MAX);
                let topics = counts.iter().enumerate().filter(has);
                topics.map(|(topic, _)| TopicPartition { topic, partition }).collect()
            }
            Tasks::Single => {
                let mut before = 0;
                for (topic, count) in counts.into_iter().enumerate() {
                    if task < before + count {
                        let partition = u32::try_from(task - before).unwrap_or(u32::MAX);
                        return vec![TopicPartition { topic, partition }];
                    }
                    before += count;
                }
                Vec::new()
            }
        }
    }

    /// The topics that do have the partition of a joined task, where others do not.
    #[must_use]
    pub fn only(&self, task: usize) -> Vec<usize> {
        if self.topics.tasks == Tasks::Single || self.partitions.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        let having: Vec<usize> = self.task_partitions(task).into_iter().map(|of| of.topic).collect();
        if having.len() < self.partitions.len() { having } else { Vec::new() }
    }

    /// What to say beside the figures of one task.
    pub fn doubts(&self, task: usize) -> impl Iterator<Item = (TopicPartition, Doubt)> {
        let counts = self.counts();
        self.doubts.iter().filter(move |(of, _)| self.topics.task(&counts, *of) == task).copied()
    }

    /// Why the total of a topic is unknown, with the partitions by number; `None` where it is known.
    #[must_use]
    pub fn unknown(&self, topic: usize) -> Option<String> {
        let name = self.topics.name(topic);
        let lags = self.partitions.get(topic).map(Vec::as_slice).unwrap_or_default();
        if lags.is_empty() {
            return Some(format!("nobody knows how many partitions {name} has"));
        }
        let has_no_leader =
            |partition| self.doubts.contains(&(TopicPartition { topic, partition }, Doubt::NoLeader));
        let unknown = (0..).zip(lags).filter(|(_, lag)| lag.is_none()).map(|(partition, _)| partition);
        let (leaderless, silent): (Vec<u32>, Vec<u32>) =
            unknown.partition(|&partition| has_no_leader(partition));
        let said = |partitions: &[u32], verb: &str| {
            (!partitions.is_empty()).then(|| format!("{verb} {name} {}", figures::ranges(partitions)))
        };
        let said = [said(&leaderless, "no leader for"), said(&silent, "no answer for")];
        let said: Vec<String> = said.into_iter().flatten().collect();
        (!said.is_empty()).then(|| said.join(", "))
    }

    /// Why totals are unknown, topic by topic; `None` where all are known.
    #[must_use]
    pub fn unknowns(&self) -> Option<String> {
        let said: Vec<String> = (0..self.topics.list.len()).filter_map(|topic| self.unknown(topic)).collect();
        (!said.is_empty()).then(|| said.join(", "))
    }
}

/// Who owns which task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ownership {
    /// The group's state as Kafka spells it.
    pub state: String,
    /// By task.
    pub tasks: Vec<Owner>,
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
    /// How many partitions of the group's topics it owns.
    pub partitions: u32,
}

impl OtherMember {
    /// Who it is, in a sentence without a full stop.
    #[must_use]
    pub fn sentence(&self, source: &Source) -> String {
        let Self { name, host, partitions } = self;
        let owns = figures::plural(*partitions, "partition");
        let Source { group, deployment, .. } = source;
        format!(
            "`{name}` (from {host}) is a member of {group} and owns {owns}: it is not a pod of {deployment}"
        )
    }
}

/// The owner of one task.
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

/// A task found a new pod that works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// When the new owner's first progress was seen.
    pub at_ms: Millis,
    /// How long nobody worked on it.
    pub took_ms: Millis,
}

/// Records per second over the last two seconds, all topics together unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rates {
    /// Records appended.
    pub produced: u32,
    /// Records whose offsets were committed.
    pub consumed: u32,
    /// Records appended, by topic.
    pub by_topic: Vec<u32>,
    /// Records consumed, by task.
    pub by_task: Vec<u32>,
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
        Lag {
            sampled_ms: 0,
            topics: Topics::clone(&crate::testing::joined()),
            partitions: vec![requests.to_vec(), responses.to_vec()],
            lost: 0,
            doubts: Vec::new(),
        }
    }

    #[test]
    fn a_partition_of_one_topic_only_counts_and_is_named() {
        let lag = lag(&[Some(1), Some(2), Some(3)], &[Some(10), Some(20)]);
        assert_eq!((lag.task(1), lag.task(2), lag.task(3)), (Some(22), Some(3), None));
        assert_eq!((lag.only(1), lag.only(2), lag.only(3)), (vec![], vec![0], vec![]));
        assert_eq!((lag.task_count(), lag.total(0)), (3, Some(6)));
    }

    #[test]
    fn partitions_that_are_not_joined_have_a_figure_each() {
        let mut lag = lag(&[Some(1), None], &[Some(10)]);
        lag.topics.tasks = Tasks::Single;
        lag.doubts = vec![(TopicPartition { topic: 1, partition: 0 }, Doubt::Ahead)];
        assert_eq!(lag.tasks(), [Some(1), None, Some(10)]);
        assert_eq!((lag.doubts(2).count(), lag.doubts(0).count(), lag.only(1)), (1, 0, vec![]));
        assert_eq!((lag.worst(), lag.totals()), (None, vec![None, Some(10)]));
    }

    #[test]
    fn the_topic_with_the_largest_total_is_the_worst_and_the_first_of_equals() {
        assert_eq!(lag(&[Some(1)], &[Some(2)]).worst(), Some((1, 2)));
        assert_eq!(lag(&[Some(2)], &[Some(2)]).worst(), Some((0, 2)));
    }

    #[test]
    fn a_total_that_is_unknown_names_its_partitions() {
        let mut lag = lag(&[None, None, None, Some(3), None], &[]);
        let of = |topic, partition| TopicPartition { topic, partition };
        lag.doubts = vec![(of(0, 4), Doubt::NoLeader), (of(1, 1), Doubt::NoLeader)];
        assert_eq!(lag.task(3), None, "the other topic may have such a partition");
        assert_eq!(
            lag.unknown(0).unwrap(),
            "no leader for GAME-FRAME-RQ 4, no answer for GAME-FRAME-RQ 0 to 2"
        );
        assert!(lag.unknown(1).unwrap().contains("how many partitions GAME-FRAME-RS has"));
        lag.partitions[1] = vec![Some(0)];
        assert_eq!((lag.unknown(1), lag.total(1)), (None, Some(0)));
    }
}
