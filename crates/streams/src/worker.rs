//! The loop of a pod: polls, computes, produces, commits; one thread, and the only one that touches any of it.
//! What happens when partitions come and go is in [`handover`].

mod handover;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use game::EventTime;
use game::sessions::{Limits, Output};
use model::{Input, Millis};
use process::{Readiness, Shutdown};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use tracing::{debug, warn};

use crate::Config;
use crate::budget::Budget;
use crate::checkpoint::Checkpoint;
use crate::consumer::{self, Consumer, Event, Watermark};
use crate::metrics::Metrics;
use crate::outputs::Outputs;
use crate::pair::Pair;
use crate::pairs::{Pairs, index};

/// Records that a pair may have processed before it is the next pair's turn.
const SLICE: usize = 16;
/// How long to sleep at most while outputs are on their way: nobody wakes the worker for an acknowledgement.
const ACKNOWLEDGEMENT: Duration = Duration::from_millis(2);
/// How long to sleep at most while the budget is spent.
const REFILL: Duration = Duration::from_millis(5);
/// How long to wait after Kafka has refused an output, before its inputs are processed again.
const HOLD: Duration = Duration::from_secs(1);

/// Why a worker came to its end.
pub(crate) enum End {
    /// It was asked to.
    Stopped,
    /// The broker demands a longer session timeout.
    SessionTimeoutRefused,
    /// It cannot go on.
    Broken(anyhow::Error),
}

/// A member of the group, with all that belongs to it.
pub(crate) struct Worker {
    /// Their queues hold the consumer, too.
    pairs: BTreeMap<u32, Pair>,
    consumer: Arc<Consumer>,
    topics: [String; 2],
    limits: Limits,
    outputs: Outputs,
    /// Sessions that the producer had no room for.
    unsent: VecDeque<(u32, Output)>,
    checkpoint: Checkpoint,
    budget: Budget,
    /// Whose turn it is.
    turn: u32,
    /// Nothing is processed before: Kafka has just refused an output.
    held_until: Duration,
    metrics: Metrics,
    readiness: Readiness,
    start: Instant,
}

impl Worker {
    /// Joins the group, from the thread that will run it.
    pub(crate) fn new(
        config: &Config,
        session_timeout: Duration,
        metrics: Metrics,
        readiness: Readiness,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            pairs: BTreeMap::new(),
            consumer: consumer::subscribe(config, session_timeout, &std::thread::current())?,
            topics: [config.requests.clone(), config.responses.clone()],
            limits: config.limits(),
            outputs: Outputs::new(config)?,
            unsent: VecDeque::new(),
            checkpoint: Checkpoint::default(),
            budget: Budget::new(config.capacity),
            turn: 0,
            held_until: Duration::ZERO,
            metrics,
            readiness,
            start: Instant::now(),
        })
    }

    /// Works until something ends it, and hands over what it owns.
    pub(crate) fn run(mut self, shutdown: &Shutdown) -> End {
        let end = loop {
            if shutdown.is_requested() {
                break End::Stopped;
            }
            if let Err(end) = self.step() {
                break end;
            }
        };
        self.leave();
        consumer::close(self.consumer);
        end
    }

    fn step(&mut self) -> Result<(), End> {
        self.poll()?;
        self.outputs.serve();
        self.check_outputs()?;
        self.budget.refill(self.start.elapsed());
        let worked = self.send_unsent() && self.work();
        self.checkpoint();
        if !worked {
            std::thread::park_timeout(self.pause());
        }
        Ok(())
    }

    /// Serves the group: rebalances, answers to commits, statistics, errors.
    fn poll(&mut self) -> Result<(), End> {
        let consumer = Arc::clone(&self.consumer);
        match consumer.poll(Duration::ZERO) {
            None | Some(Err(KafkaError::PartitionEOF(_))) => {}
            // Fetched before the partition's queue was split off.
            Some(Ok(message)) => self.take(&message),
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::InvalidSessionTimeout))) => {
                return Err(End::SessionTimeoutRefused);
            }
            Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                return Err(End::Broken(anyhow::anyhow!("the consumer is of no more use: {code}")));
            }
            Some(Err(problem)) => debug!(%problem, "Kafka does not answer as it should"),
        }
        for event in consumer.context().take() {
            match event {
                Event::Assigned(partitions) => self.assign(&partitions)?,
                Event::Revoked => self.revoke()?,
                Event::CommitFailed(problem) => {
                    debug!(%problem, "a commit failed, the next one makes up for it");
                    self.metrics.failed_commits.inc();
                }
                Event::Watermarks(watermarks) => self.look_at(&watermarks),
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let partition = u32::try_from(message.partition()).unwrap_or(u32::MAX);
        let Some(pair) = self.pairs.get_mut(&partition) else { return };
        let input = if message.topic() == self.topics[0] { Input::Requests } else { Input::Responses };
        let mut ended = Vec::new();
        pair.take(input, message, event_time(), &mut ended);
        self.unsent.extend(ended.into_iter().map(|output| (partition, output)));
    }

    /// One turn for every pair, beginning with another one each time; whether there may be more to do at once.
    fn work(&mut self) -> bool {
        if self.start.elapsed() < self.held_until {
            return false;
        }
        let now = event_time();
        let mut outputs = Vec::new();
        let mut worked = false;
        let turns: Vec<u32> = self
            .pairs
            .range(self.turn..)
            .chain(self.pairs.range(..self.turn))
            .map(|(pair, _)| *pair)
            .collect();
        for partition in turns {
            if !self.budget.is_open() {
                return false;
            }
            let Some(pair) = self.pairs.get_mut(&partition) else { continue };
            let mut records = 0;
            while records < SLICE && self.budget.is_open() && pair.work(now, &mut outputs) {
                self.budget.spend();
                records += 1;
            }
            if records > 0 {
                worked = true;
                self.turn = partition + 1;
                pair.take_updates(&mut outputs);
                self.unsent.extend(outputs.drain(..).map(|output| (partition, output)));
                if !self.send_unsent() {
                    return false;
                }
            }
        }
        worked
    }

    /// Hands the producer what it has room for; whether that was all.
    fn send_unsent(&mut self) -> bool {
        let now = now_ms();
        while let Some((partition, output)) = self.unsent.front() {
            if self.outputs.send(output, *partition, now).is_err() {
                return false;
            }
            self.metrics.outputs.inc();
            self.unsent.pop_front();
        }
        true
    }

    /// An output that Kafka refused takes its inputs with it: all is read again from the last commit.
    fn check_outputs(&mut self) -> Result<(), End> {
        if !self.outputs.take_failure() {
            return Ok(());
        }
        if let Some(reason) = self.outputs.fatal() {
            return Err(End::Broken(anyhow::anyhow!("the producer is of no more use: {reason}")));
        }
        warn!("a session could not be written: going back to the last commit");
        self.held_until = self.start.elapsed() + HOLD;
        self.checkpoint.take();
        self.unsent.clear();
        let owned = Pairs { whole: self.pairs.keys().copied().collect(), ..Pairs::default() };
        self.begin(&owned)
    }

    /// How long nothing will be there to do, unless a queue wakes this thread.
    fn pause(&self) -> Duration {
        let mut pause = self.checkpoint.due_in(self.start.elapsed());
        if self.checkpoint.is_open() || !self.unsent.is_empty() {
            pause = ACKNOWLEDGEMENT;
        }
        if !self.budget.is_open() {
            pause = pause.min(REFILL);
        }
        pause.max(Duration::from_micros(100))
    }

    /// Shows where this pod stands, and lets time pass where the log's end was reached.
    fn look_at(&mut self, watermarks: &[Watermark]) {
        let mut outputs = Vec::new();
        for &Watermark { ref topic, partition, start, end, is_fresh } in watermarks {
            let input = Input::ALL.into_iter().find(|input| self.topics[index(*input)] == *topic);
            let (Some(input), Some(pair)) = (input, self.pairs.get_mut(&partition)) else { continue };
            if let Some(position) = pair.position(input) {
                self.metrics.show_position(input, topic, partition, position, (start, end));
            }
            if is_fresh {
                pair.note_end(input, end, event_time(), &mut outputs);
                self.unsent.extend(outputs.drain(..).map(|output| (partition, output)));
            }
        }
    }
}

fn now_ms() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since_epoch.as_millis()).unwrap_or(Millis::MAX)
}

fn event_time() -> EventTime {
    EventTime::try_from(now_ms()).unwrap_or(EventTime::MAX)
}
