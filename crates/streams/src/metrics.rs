//! What `/metrics` tells of a pod. The names of the four gauges of lag and lead are those of the first version.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use workload::Input;
use workload::fold::Counts;

use crate::assignment::index;

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
struct PositionLabels {
    topic: String,
    partition: u32,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LateLabels {
    topic: &'static str,
    partition: u32,
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
    joined: Counter,
    expired: Family<TopicLabels, Counter>,
    duplicates: Counter,
    late: Family<LateLabels, Counter>,
    closed: Counter,
    /// Sessions written, updates and final ones.
    pub(crate) outputs: Counter,
    /// Tasks that this pod works on.
    pub(crate) tasks: Gauge,
    /// Partitions whose other half belongs to somebody else.
    pub(crate) unpaired: Gauge,
    /// Frames that wait for their other half.
    pub(crate) waiting: Gauge,
    /// Sessions that are open.
    pub(crate) open_sessions: Gauge,
    /// Machines of which anything is kept.
    pub(crate) machines: Gauge,
    /// Tasks whose state is yet to be restored.
    pub(crate) restoring: Gauge,
    /// Machines that were restored so far, of those tasks.
    pub(crate) restoring_machines: Gauge,
    /// Tasks that were restored.
    pub(crate) restored: Counter,
    /// Tasks that wait for a schema of the registry's.
    pub(crate) held: Gauge,
    /// Positions that are not simply the committed ones, by why.
    positions: Family<PositionLabels, Counter>,
    /// Records that were deleted before they were read.
    lost: Family<PositionLabels, Counter>,
    /// Records behind open transactions of other producers.
    pub(crate) held_by_transactions: Gauge,
    /// Partitions of which Kafka does not say where they end.
    pub(crate) unanswered: Gauge,
    /// Partitions whose records do not arrive.
    pub(crate) standing_still: Gauge,
    /// 1 while no broker can be reached.
    pub(crate) kafka_away: Gauge,
    /// 1 while Kafka takes transactions of this pod.
    pub(crate) can_commit: Gauge,
    /// Transactions that were committed.
    pub(crate) commits: Counter,
    /// Transactions that failed, and took the pod back to the last commit.
    pub(crate) failed_commits: Counter,
    /// Those among them in which another producer had taken this one's place.
    pub(crate) fenced: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry, client: &str) -> Self {
        let metrics = Self {
            client: client.to_owned(),
            lag: Default::default(),
            lead: Default::default(),
            processed: Default::default(),
            bad: Family::default(),
            joined: Counter::default(),
            expired: Family::default(),
            duplicates: Counter::default(),
            late: Family::default(),
            closed: Counter::default(),
            outputs: Counter::default(),
            tasks: Gauge::default(),
            unpaired: Gauge::default(),
            waiting: Gauge::default(),
            open_sessions: Gauge::default(),
            machines: Gauge::default(),
            restoring: Gauge::default(),
            restoring_machines: Gauge::default(),
            restored: Counter::default(),
            held: Gauge::default(),
            positions: Family::default(),
            lost: Family::default(),
            held_by_transactions: Gauge::default(),
            unanswered: Gauge::default(),
            standing_still: Gauge::default(),
            kafka_away: Gauge::default(),
            can_commit: Gauge::default(),
            commits: Counter::default(),
            failed_commits: Counter::default(),
            fenced: Counter::default(),
        };
        metrics.register_positions(registry);
        let streams = registry.sub_registry_with_prefix("streams");
        metrics.register_work(streams);
        metrics.register_progress(streams);
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
        registry.register("bad_records", "Dead letters, by what is wrong with them", self.bad.clone());
        registry.register("joined", "Requests that met their response", self.joined.clone());
        registry.register(
            "expired",
            "Records without their other half in time, by topic",
            self.expired.clone(),
        );
        registry.register("duplicates", "Records that were there already", self.duplicates.clone());
        registry.register("late", "Records that came too late, by topic and partition", self.late.clone());
        registry.register("closed_sessions", "Sessions that became final", self.closed.clone());
        registry.register("outputs", "Records written to SESSIONS", self.outputs.clone());
        registry.register("tasks", "Tasks that this pod works on", self.tasks.clone());
        registry.register(
            "unpaired",
            "Partitions that this pod refuses, since it was not given their other half",
            self.unpaired.clone(),
        );
        self.register_state(registry);
        self.register_commits(registry);
    }

    fn register_state(&self, registry: &mut Registry) {
        registry.register("waiting", "Frames that wait for their other half", self.waiting.clone());
        registry.register("open_sessions", "Sessions that are open", self.open_sessions.clone());
        registry.register("machines", "Machines of which anything is kept", self.machines.clone());
        registry.register(
            "restoring_tasks",
            "Tasks whose state is yet to be restored",
            self.restoring.clone(),
        );
        registry.register(
            "restoring_machines",
            "Machines that were restored so far, of the tasks being restored",
            self.restoring_machines.clone(),
        );
        registry.register("restored_tasks", "Tasks that were restored", self.restored.clone());
    }

    fn register_progress(&self, registry: &mut Registry) {
        registry.register(
            "positions_corrected",
            "Positions that are not simply the committed ones, by why",
            self.positions.clone(),
        );
        registry.register(
            "lost_records",
            "Records that were deleted before they were read",
            self.lost.clone(),
        );
        registry.register(
            "records_held_by_transactions",
            "Records behind open transactions of other producers",
            self.held_by_transactions.clone(),
        );
        registry.register(
            "unanswered_partitions",
            "Partitions of which Kafka does not say where they end",
            self.unanswered.clone(),
        );
        registry.register(
            "standing_partitions",
            "Partitions whose records do not arrive though they are there",
            self.standing_still.clone(),
        );
    }

    fn register_commits(&self, registry: &mut Registry) {
        registry.register("held_tasks", "Tasks that wait for a schema of the registry's", self.held.clone());
        registry.register("kafka_away", "1 while no broker can be reached", self.kafka_away.clone());
        registry.register(
            "can_commit",
            "1 while Kafka takes transactions of this pod",
            self.can_commit.clone(),
        );
        registry.register("commits", "Transactions that were committed", self.commits.clone());
        registry.register(
            "failed_commits",
            "Transactions that failed, and took the pod back to the last commit",
            self.failed_commits.clone(),
        );
        registry.register(
            "fenced",
            "Transactions in which another producer had taken this one's place",
            self.fenced.clone(),
        );
    }

    /// A record was processed.
    pub(crate) fn count_processed(&self, input: Input) {
        self.processed[index(input)].inc();
    }

    /// A task goes on elsewhere than at the group's commit, and so many records were lost.
    pub(crate) fn count_remark(&self, topic: &str, partition: u32, reason: &'static str, lost: u64) {
        let labels = PositionLabels { topic: topic.to_owned(), partition, reason };
        self.positions.get_or_create(&labels).inc();
        if lost > 0 {
            self.lost.get_or_create(&labels).inc_by(lost);
        }
    }

    /// A record was left out.
    pub(crate) fn count_bad(&self, reason: &'static str) {
        self.bad.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Adds what became of records and sessions of a task.
    pub(crate) fn add(&self, partition: u32, counts: &Counts) {
        self.joined.inc_by(counts.joined);
        self.duplicates.inc_by(counts.duplicates);
        self.closed.inc_by(counts.closed);
        let expired = |topic, count| self.expired.get_or_create(&TopicLabels { topic }).inc_by(count);
        expired(workload::topics::REQUESTS, counts.expired_requests);
        expired(workload::topics::RESPONSES, counts.expired_responses);
        let late = |topic, count| {
            // A partition without late records has no line.
            if count > 0 {
                self.late.get_or_create(&LateLabels { topic, partition }).inc_by(count);
            }
        };
        late(workload::topics::REQUESTS, counts.late_requests);
        late(workload::topics::RESPONSES, counts.late_responses);
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

    /// Shows no position of these partitions any more: they are another pod's now.
    pub(crate) fn forget_position(&self, topics: &[String; 2], partition: u32) {
        for input in Input::ALL {
            let (at, topic) = (index(input), &topics[index(input)]);
            self.lag[at].remove(&self.labels(topic, partition, "records-lag"));
            self.lead[at].remove(&self.labels(topic, partition, "records-lead"));
        }
    }

    fn labels(&self, topic: &str, partition: u32, metric: &'static str) -> PartitionLabels {
        PartitionLabels { client: self.client.clone(), partition, topic: topic.to_owned(), metric }
    }
}
