//! Where the logs of this pod's partitions end, asked for once a second by a client of its own: a consumer that stands
//! still does not know that it does, and does not see what an open transaction holds back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kafka::client::{self, Answered, Renewing, Tracing};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use crate::Config;
use crate::assignment::both;

const INTERVAL: Duration = Duration::from_secs(1);
/// How long a question may take.
const QUESTION: Duration = Duration::from_millis(1_500);

/// Where a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// The last stable offset: what is behind it belongs to transactions that are open, or came after them.
    pub(crate) stable: i64,
    /// The high watermark.
    pub(crate) end: i64,
}

/// A client for questions, made anew when it gets no answers.
pub(crate) type Asking = Renewing<BaseConsumer<Tracing>>;

/// Asks for the first or the last offsets of partitions, in one request a leader. (librdkafka hands its logical offsets
/// through.)
pub(crate) fn offsets(
    consumer: &BaseConsumer<Tracing>,
    mut partitions: TopicPartitionList,
    which: Offset,
    limit: Duration,
) -> KafkaResult<TopicPartitionList> {
    partitions.set_all_offsets(which)?;
    consumer.offsets_for_times(partitions, limit)
}

/// What is known of a log's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogEnd {
    Known(End),
    /// Why it is not known.
    Unknown(String),
}

/// By task: requests, responses.
pub(crate) type Ends = BTreeMap<u32, [LogEnd; 2]>;

/// What was found, and from when on it was asked for.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) asked: Instant,
    pub(crate) ends: Ends,
}

/// The worker's end. The thread ends when this is dropped.
pub(crate) struct Watch {
    wanted: Sender<BTreeSet<u32>>,
    found: Receiver<Found>,
}

impl Watch {
    /// Starts the thread. It wakes `worker` with each answer.
    pub(crate) fn start(config: &Config, worker: Thread) -> anyhow::Result<Self> {
        let (wanted, inbox) = channel();
        let (outbox, found) = channel();
        let ask = |isolation: &str| {
            let mut settings = client::base(&config.kafka, &format!("{}-ends", config.pod));
            settings.set("isolation.level", isolation).set("topic.metadata.refresh.interval.ms", "2000");
            Asking::new(move || client::create(&settings)).context("making a client that asks where logs end")
        };
        let mut run = Run {
            stable: ask("read_committed")?,
            all: ask("read_uncommitted")?,
            topics: [config.requests.clone(), config.responses.clone()],
            tasks: BTreeSet::new(),
            inbox,
        };
        let body = move || {
            while let Some(found) = run.next() {
                if outbox.send(found).is_err() {
                    return;
                }
                worker.unpark();
            }
        };
        std::thread::Builder::new()
            .name("ends".to_owned())
            .spawn(body)
            .context("starting a thread that asks where logs end")?;
        Ok(Self { wanted, found })
    }

    /// Asks about exactly these tasks from now on.
    pub(crate) fn want(&self, tasks: BTreeSet<u32>) {
        // It ends only after the worker.
        let _ = self.wanted.send(tasks);
    }

    /// The newest answer, if there is one that was not taken yet.
    pub(crate) fn found(&self) -> Option<Found> {
        self.found.try_iter().last()
    }
}

struct Run {
    stable: Asking,
    all: Asking,
    topics: [String; 2],
    tasks: BTreeSet<u32>,
    inbox: Receiver<BTreeSet<u32>>,
}

impl Run {
    /// The ends a second later; `None` when the worker has gone.
    fn next(&mut self) -> Option<Found> {
        let due = Instant::now() + INTERVAL;
        loop {
            match self.inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(tasks) => self.tasks = tasks,
                Err(RecvTimeoutError::Timeout) if self.tasks.is_empty() => {
                    self.tasks = self.inbox.recv().ok()?
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        let list = both(&self.topics, &self.tasks);
        let asked = Instant::now();
        // In this order: what arrives between the two questions is not held back by anything.
        let all = ask(&mut self.all, list.clone());
        let stable = ask(&mut self.stable, list);
        let end = |topic: &String, task: u32| match (answer(&stable, topic, task), answer(&all, topic, task))
        {
            (Ok(stable), Ok(end)) => LogEnd::Known(End { stable, end: end.max(stable) }),
            (Err(reason), _) | (_, Err(reason)) => LogEnd::Unknown(reason),
        };
        let of_task = |&task: &u32| (task, self.topics.each_ref().map(|topic| end(topic, task)));
        Some(Found { asked, ends: self.tasks.iter().map(of_task).collect() })
    }
}

/// What Kafka answers, by topic and partition, or why it does not.
type Answer = Result<BTreeMap<(String, i32), Result<i64, String>>, String>;

fn ask(client: &mut Asking, list: TopicPartitionList) -> Answer {
    let asked = Instant::now();
    // Nobody else takes the log lines of this client out of its queue.
    client.get().poll(Duration::ZERO);
    let answer = offsets(client.get(), list, Offset::End, QUESTION).map_err(|problem| problem.to_string());
    let answer = answer.map(|answer| {
        let offset = |offset| match offset {
            Offset::Offset(offset) => Ok(offset),
            other => Err(format!("the answer is {other:?}")),
        };
        let elements = answer.elements();
        let each = elements.iter().map(|element| {
            let end = element.error().map_err(|problem| problem.to_string());
            let end = end.and_then(|()| offset(element.offset()));
            ((element.topic().to_owned(), element.partition()), end)
        });
        each.collect::<BTreeMap<_, _>>()
    });
    let is_whole = answer.as_ref().is_ok_and(|all| all.values().all(Result::is_ok));
    client.note(asked, Answered::whole(is_whole));
    if let Err(problem) = client.renew() {
        debug!(%problem, "there is no new client: going on with the old one");
    }
    answer
}

fn answer(answer: &Answer, topic: &str, task: u32) -> Result<i64, String> {
    let all = answer.as_ref().map_err(Clone::clone)?;
    let of_partition = all.get(&(topic.to_owned(), crate::assignment::signed(task)));
    of_partition.cloned().unwrap_or_else(|| Err("Kafka left it out of its answer".to_owned()))
}
