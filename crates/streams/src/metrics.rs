//! What `/metrics` tells of a pod. The names of the four gauges of lag and lead are those of the first version.

use model::Input;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::pairs::index;
use crate::task::Counts;

/// Labels of lag and lead.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionLabels {
    client: String,
    partition: u32,
    topic: String,
    metric: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TopicLabels {
    topic: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// All metrics of a pod.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    client: String,
    lag: [Family<PartitionLabels, Gauge>; 2],
    lead: [Family<PartitionLabels, Gauge>; 2],
    processed: [Counter; 2],
    bad: Family<ReasonLabels, Counter>,
    bad_hits: Counter,
    joined: Counter,
    expired: Family<TopicLabels, Counter>,
    duplicates: Counter,
    evicted: Family<ReasonLabels, Counter>,
    late: Counter,
    sessions: Family<ReasonLabels, Counter>,
    /// Sessions written, updates and final ones.
    pub(crate) outputs: Counter,
    /// Pairs that this pod works on.
    pub(crate) pairs: Gauge,
    /// Partitions whose other half belongs to somebody else.
    pub(crate) half_pairs: Gauge,
    /// Headers that wait in joins.
    pub(crate) waiting: Gauge,
    /// Sessions that are open.
    pub(crate) open_sessions: Gauge,
    /// Commits that failed.
    pub(crate) failed_commits: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry, client: &str) -> Self {
        let metrics = Self {
            client: client.to_owned(),
            lag: Default::default(),
            lead: Default::default(),
            processed: Default::default(),
            bad: Family::default(),
            bad_hits: Counter::default(),
            joined: Counter::default(),
            expired: Family::default(),
            duplicates: Counter::default(),
            evicted: Family::default(),
            late: Counter::default(),
            sessions: Family::default(),
            outputs: Counter::default(),
            pairs: Gauge::default(),
            half_pairs: Gauge::default(),
            waiting: Gauge::default(),
            open_sessions: Gauge::default(),
            failed_commits: Counter::default(),
        };
        metrics.register_positions(registry);
        metrics.register_work(registry.sub_registry_with_prefix("streams"));
        metrics
    }

    fn register_positions(&self, registry: &mut Registry) {
        for (input, name) in [(Input::Requests, "rq"), (Input::Responses, "rs")] {
            registry.register(
                format!("consumer_lag_game_frame_{name}"),
                "Records between this pod's position and the log's end",
                self.lag[index(input)].clone(),
            );
            registry.register(
                format!("consumer_lead_game_frame_{name}"),
                "Records between the log's start and this pod's position",
                self.lead[index(input)].clone(),
            );
        }
    }

    fn register_work(&self, registry: &mut Registry) {
        for (input, name) in [(Input::Requests, "requests"), (Input::Responses, "responses")] {
            registry.register(name, "Records processed", self.processed[index(input)].clone());
        }
        registry.register("bad_records", "Records left out, by what is wrong with them", self.bad.clone());
        registry.register("bad_hits", "Hits that do not decode, in requests that do", self.bad_hits.clone());
        registry.register("joined", "Requests that met their response", self.joined.clone());
        registry.register(
            "expired",
            "Records without their other half in time, by topic",
            self.expired.clone(),
        );
        registry.register("duplicates", "Records that were there already", self.duplicates.clone());
        registry.register("evicted", "State given up early, since there was too much", self.evicted.clone());
        registry.register("late_frames", "Frames from long before their session", self.late.clone());
        registry.register("sessions", "Sessions, by what became of them", self.sessions.clone());
        registry.register("outputs", "Records written to SESSIONS", self.outputs.clone());
        registry.register("pairs", "Pairs of partitions that this pod works on", self.pairs.clone());
        registry.register(
            "half_pairs",
            "Partitions that this pod refuses, since it was not given their other half",
            self.half_pairs.clone(),
        );
        registry.register("waiting", "Headers that wait in joins", self.waiting.clone());
        registry.register("open_sessions", "Sessions that are open", self.open_sessions.clone());
        registry.register("failed_commits", "Commits that failed", self.failed_commits.clone());
    }

    /// A record was processed.
    pub(crate) fn count_processed(&self, input: Input) {
        self.processed[index(input)].inc();
    }

    /// A record was left out.
    pub(crate) fn count_bad(&self, reason: &'static str) {
        self.bad.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Adds what became of a task's records between two looks at its counts.
    pub(crate) fn add(&self, before: &Counts, now: &Counts) {
        let added = |of: fn(&Counts) -> u64| of(now).saturating_sub(of(before));
        self.joined.inc_by(added(|counts| counts.join.joined));
        self.duplicates.inc_by(added(|counts| counts.join.duplicates));
        self.late.inc_by(added(|counts| counts.sessions.late));
        self.bad_hits.inc_by(added(|counts| counts.bad_hits));
        let expired = |topic, count| self.expired.get_or_create(&TopicLabels { topic }).inc_by(count);
        expired(model::REQUESTS, added(|counts| counts.join.expired_requests));
        expired(model::RESPONSES, added(|counts| counts.join.expired_responses));
        let evicted = |reason, count| self.evicted.get_or_create(&ReasonLabels { reason }).inc_by(count);
        evicted("join", added(|counts| counts.join.evicted));
        evicted("sessions", added(|counts| counts.sessions.evicted));
        let sessions = |reason, count| self.sessions.get_or_create(&ReasonLabels { reason }).inc_by(count);
        sessions("opened", added(|counts| counts.sessions.opened));
        sessions("closed", added(|counts| counts.sessions.closed));
    }

    /// Shows where this pod stands in a partition.
    pub(crate) fn show_position(
        &self,
        input: Input,
        topic: &str,
        partition: u32,
        position: i64,
        log: (i64, i64),
    ) {
        let (start, end) = log;
        let at = index(input);
        let labels = |metric| self.labels(topic, partition, metric);
        self.lag[at].get_or_create(&labels("records-lag")).set((end - position).max(0));
        self.lead[at].get_or_create(&labels("records-lead")).set((position - start).max(0));
    }

    /// Shows no position of any partition any more: they are another pod's now.
    pub(crate) fn forget_positions(&self) {
        for family in self.lag.iter().chain(&self.lead) {
            family.clear();
        }
    }

    fn labels(&self, topic: &str, partition: u32, metric: &'static str) -> PartitionLabels {
        PartitionLabels { client: self.client.clone(), partition, topic: topic.to_owned(), metric }
    }
}
