//! The loop of a pod: polls, computes, commits; one thread, and the only one that touches any of it.
//!
//! What happens when partitions come and go is in [`handover`], what goes out and when in [`commits`], and whether all
//! inputs go on in [`look`].

mod commits;
mod group;
mod handover;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use process::{Readiness, Shutdown};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::runtime::Handle;
use tracing::{debug, info, warn};
use workload::EventTime;
use workload::Input;

use crate::Config;
use crate::assignment::{Assignment, index};
use crate::beat::Beat;
use crate::budget::Budget;
use crate::consumer::{self, Consumer, Event, Fetched};
use crate::ends::Watch;
use crate::explain::Explainer;
use crate::metrics::Metrics;
use crate::restore::{Restorer, Work};
use crate::task::{CaughtUp, Task, Worked};
use crate::transactions::Transactions;
use crate::trim::Trimmer;
use commits::Commits;
use group::Group;
use handover::Arrived;
use kafka::client::Membership;
use look::Told;

/// Records that a task may have processed before it is the next task's turn.
const SLICE: usize = 16;
/// How long to sleep at most while the budget is spent.
const REFILL: Duration = Duration::from_millis(5);
/// How long to sleep at most when nothing is to be done.
const REST: Duration = Duration::from_millis(50);
/// How long to prepare before joining the group at the latest.
const PREPARATION: Duration = Duration::from_secs(2);

/// Why a worker came to its end.
pub(crate) enum End {
    /// It was asked to.
    Stopped,
    /// The broker demands a longer session timeout.
    SessionTimeoutRefused,
    /// Its consumer brings no records though they are there: another one may.
    Stalled(String),
    /// It cannot go on, and nothing outside is to blame.
    Broken(anyhow::Error),
    /// It cannot go on because of something outside that does not get better by waiting.
    Refused(String),
}

/// What outlives a worker, or was made for it.
pub(crate) struct Outside {
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) trimmer: Trimmer,
    pub(crate) explainer: Explainer,
    pub(crate) beat: Beat,
}

/// A member of the group, with all that belongs to it.
pub(crate) struct Worker {
    /// Their queues hold the consumer, too.
    tasks: BTreeMap<u32, Task>,
    consumer: Arc<Consumer>,
    topics: [String; 2],
    assignment: Assignment,
    /// States of tasks that were given back and may come again, where the group takes everything at each rebalance.
    suspended: BTreeMap<u32, Work>,
    /// The last generation that a task got.
    generation: u64,
    /// Tasks whose queues hold records that were fetched before they were rolled back.
    stale: BTreeSet<u32>,
    arrived: BTreeMap<u32, Arrived>,
    /// Tasks that were rolled back while a batch was on its way, which may hold what they did: they are restored when
    /// it is answered.
    waiting: BTreeSet<u32>,
    transactions: Transactions,
    restorer: Restorer,
    watch: Watch,
    told: Told,
    trimmer: Trimmer,
    explainer: Explainer,
    group: Group,
    commits: Commits,
    budget: Budget,
    /// Whose turn it is.
    turn: u32,
    metrics: Metrics,
    readiness: Readiness,
    beat: Beat,
    start: Instant,
}

impl Worker {
    /// Connects, from the thread that will run it.
    pub(crate) fn new(
        config: &Config,
        membership: Membership,
        Outside { metrics, readiness, trimmer, explainer, beat }: Outside,
        runtime: Handle,
    ) -> anyhow::Result<Self> {
        let this = std::thread::current();
        let consumer = consumer::create(config, membership, &this)?;
        let codec = explainer.codec().clone();
        Ok(Self {
            tasks: BTreeMap::new(),
            transactions: Transactions::start(config, codec, &consumer, this.clone())?,
            restorer: Restorer::start(config, metrics.clone(), runtime.clone(), this.clone())?,
            watch: Watch::start(config, this)?,
            told: Told::default(),
            consumer,
            topics: [config.requests.clone(), config.responses.clone()],
            assignment: Assignment::default(),
            suspended: BTreeMap::new(),
            generation: 0,
            stale: BTreeSet::new(),
            arrived: BTreeMap::new(),
            waiting: BTreeSet::new(),
            trimmer,
            explainer,
            group: Group::new(config, runtime),
            commits: Commits::new(Duration::from_millis(config.commit_interval.into())),
            budget: Budget::new(config.capacity),
            turn: 0,
            metrics,
            readiness,
            beat,
            start: Instant::now(),
        })
    }

    /// Joins the group, works until something ends it, and hands over what it owns.
    pub(crate) fn run(mut self, shutdown: &Shutdown) -> End {
        let end = match self.join(shutdown) {
            Ok(()) => self.work_until(shutdown),
            Err(end) => end,
        };
        let begin = Instant::now();
        self.leave();
        let Self { tasks, consumer, transactions, .. } = self;
        drop(tasks);
        transactions.end(commits::LAST_LIMIT.saturating_sub(begin.elapsed()));
        consumer::close(consumer);
        end
    }

    /// Joins the group as soon as there is a producer and state can be read: partitions that come earlier would wait
    /// for that here.
    fn join(&mut self, shutdown: &Shutdown) -> Result<(), End> {
        let begin = Instant::now();
        while !(self.commits.is_ready() && self.restorer.is_prepared()) && begin.elapsed() < PREPARATION {
            if shutdown.is_requested() {
                return Ok(());
            }
            std::thread::park_timeout(REST);
            self.take_answers()?;
        }
        let topics = self.topics.each_ref().map(String::as_str);
        self.consumer.subscribe(&topics).map_err(|problem| End::Broken(problem.into()))
    }

    fn work_until(&mut self, shutdown: &Shutdown) -> End {
        while !shutdown.is_requested() {
            if let Err(end) = self.step() {
                return end;
            }
        }
        End::Stopped
    }

    fn step(&mut self) -> Result<(), End> {
        self.beat.count();
        self.poll()?;
        self.take_answers()?;
        self.take_restored()?;
        self.look()?;
        self.budget.refill(self.start.elapsed());
        let worked = self.work();
        self.explain()?;
        self.commit(!worked)?;
        if !worked {
            std::thread::park_timeout(self.pause());
        }
        Ok(())
    }

    /// Serves the group: rebalances, statistics, errors.
    fn poll(&mut self) -> Result<(), End> {
        let consumer = Arc::clone(&self.consumer);
        match consumer.poll(Duration::ZERO) {
            // Records come here only from halves of tasks, which are refused.
            None | Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::InvalidSessionTimeout))) => {
                return Err(End::SessionTimeoutRefused);
            }
            Some(Err(KafkaError::MessageConsumptionFatal(code))) => return Err(fatal(code)),
            Some(Err(problem)) => debug!(%problem, "Kafka does not answer as it should"),
        }
        for event in consumer.context().take() {
            match event {
                Event::Assigned(partitions) => self.assign(&partitions)?,
                Event::Revoked(partitions) => self.revoke(&partitions)?,
                Event::Steady => self.become_ready(),
                Event::Fetched(fetched) => self.show(&fetched),
                Event::Away => {
                    warn!("Kafka cannot be reached: waiting for it, nothing is lost");
                    self.metrics.kafka_away.set(1);
                    self.told.away(true);
                }
                Event::Back => {
                    info!("Kafka answers again");
                    self.metrics.kafka_away.set(0);
                    self.told.away(false);
                }
            }
        }
        Ok(())
    }

    /// One turn for every task, beginning with another one each time; whether there may be more to do at once.
    fn work(&mut self) -> bool {
        let now = event_time();
        let mut worked = false;
        let mut out_of_step = Vec::new();
        let turns: Vec<u32> = self
            .tasks
            .range(self.turn..)
            .chain(self.tasks.range(..self.turn))
            .map(|(task, _)| *task)
            .collect();
        for partition in turns {
            if !self.budget.is_open() {
                worked = false;
                break;
            }
            let Some(task) = self.tasks.get_mut(&partition) else { continue };
            worked |= task.state.catch_up() == CaughtUp::Partly;
            let mut records = 0;
            while records < SLICE && self.budget.is_open() {
                match task.work(self.explainer.codec(), now) {
                    Worked::Record => {}
                    Worked::Nothing => break,
                    Worked::OutOfStep => {
                        out_of_step.push(partition);
                        break;
                    }
                }
                self.budget.spend();
                records += 1;
            }
            if records > 0 {
                worked = true;
                self.turn = partition + 1;
            }
        }
        for partition in out_of_step {
            warn!(partition, "a log of this task begins anew: looking for the position");
            self.roll_back_task(partition);
        }
        worked
    }

    /// Asks about schemas that tasks wait for.
    fn explain(&mut self) -> Result<(), End> {
        let mut held = 0;
        for id in self.tasks.values().filter_map(|task| task.state.unknown_id()) {
            self.explainer.ask(id);
            held += 1;
        }
        self.metrics.held.set(held);
        self.explainer.refused().map_or(Ok(()), |reason| Err(End::Refused(reason)))
    }

    /// How long nothing will be there to do, unless a queue or a thread wakes this one.
    fn pause(&self) -> Duration {
        let mut pause = self.commits.due_in(self.start.elapsed()).unwrap_or(REST).min(REST);
        if !self.budget.is_open() {
            pause = pause.min(REFILL);
        }
        pause.max(Duration::from_micros(100))
    }

    /// Shows how much is kept, and where this pod stands.
    fn show(&mut self, fetched: &[Fetched]) {
        self.show_size();
        for &Fetched { ref topic, partition, start, end, next_offset } in fetched {
            let input = Input::ALL.into_iter().find(|input| self.topics[index(*input)] == *topic);
            let (Some(input), Some(task)) = (input, self.tasks.get_mut(&partition)) else { continue };
            if let Some(position) = task.state.position(input) {
                self.metrics.show_position(input, topic, partition, position, (start, end));
            }
            task.fetched(input, start, next_offset);
        }
    }

    fn show_size(&self) {
        let (mut machines, mut waiting, mut open_sessions) = (0, 0, 0);
        for size in self.tasks.values().map(|task| task.state.size()) {
            machines += size.machines;
            waiting += size.waiting;
            open_sessions += size.open_sessions;
        }
        self.metrics.machines.set(machines as i64);
        self.metrics.waiting.set(waiting as i64);
        self.metrics.open_sessions.set(open_sessions as i64);
    }

    fn become_ready(&mut self) {
        self.metrics.restoring.set(self.restoring() as i64);
        if self.restoring() == 0 && !self.is_unwell() {
            self.readiness.set(true);
        }
    }

    /// Tasks without a state.
    fn restoring(&self) -> usize {
        self.tasks.values().filter(|task| !task.state.is_restored()).count()
    }
}

/// An error after which librdkafka's consumer does nothing more.
fn fatal(code: RDKafkaErrorCode) -> End {
    match code {
        RDKafkaErrorCode::UnsupportedVersion | RDKafkaErrorCode::UnsupportedAssignor => End::Refused(
            "the broker does not know the group protocol of KIP-848 (Kafka 4.0 does): use --group-protocol classic"
                .to_owned(),
        ),
        code => End::Broken(anyhow::anyhow!("the consumer is of no more use: {code}")),
    }
}

fn event_time() -> EventTime {
    EventTime::try_from(crate::now_ms()).unwrap_or(EventTime::MAX)
}
