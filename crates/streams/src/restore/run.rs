//! The thread that restores: asks, reads, decides, one round after the other until nothing is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kafka::client::{self, Answered};
use kafka::{Brokers, topics};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use tokio::runtime::Handle;
use tracing::{debug, info, warn};
use workload::Fold;
use workload::Input;
use workload::sessions::Limits;

use super::commits::{self, Commits, Plan};
use super::last_records::{LastRecords, Patience};
use super::log::{self, Logs};
use super::position::{self, Remark, SameLog};
use super::reading::{self, Reading, State};
use super::{Begins, RestoreRequest, Restored, Work};
use crate::Config;
use crate::assignment::{both, index, signed};
use crate::changelog::{Changelog, LastRead, Position, Positions};
use crate::ends::Asking;
use crate::metrics::Metrics;

/// How long one question may take. A transaction that is still open there holds the answer about committed offsets
/// back.
const QUESTION: Duration = Duration::from_millis(1_000);
/// How long to wait after a question that failed; one that changes topics is asked less often, after [`PROGRESS`].
const PAUSE: Duration = Duration::from_millis(50);
/// How long a changelog may bring nothing before it is asked for anew.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often to say how far it has come.
const PROGRESS: Duration = Duration::from_secs(1);

/// All that the thread owns.
pub(super) struct Run {
    client: Asking,
    last_records: LastRecords,
    brokers: Brokers,
    runtime: Handle,
    topics: [String; 2],
    changelog: String,
    /// The topics that must have as many partitions as the inputs.
    own: [String; 3],
    /// So many partitions they are known to have.
    large_enough: u32,
    limits: Limits,
    metrics: Metrics,
    worker: Worker,
    /// Tasks to be restored.
    wanted: BTreeMap<u32, RestoreRequest>,
    /// The newest generation of each task that was dealt with.
    finished: BTreeMap<u32, u64>,
    /// While tasks wait for an answer.
    waiting: Option<Waiting>,
}

/// Since when tasks wait, and for what, as far as that was logged.
struct Waiting {
    since: Instant,
    told: Option<String>,
}

/// What restoring a task needs beside its changelog.
struct Known {
    commits: Commits,
    logs: Logs,
}

/// The worker has gone, or wants other tasks.
enum Interrupted {
    Ended,
    Changed,
}

/// The worker, as this thread knows it.
pub(super) struct Worker {
    pub(super) inbox: Receiver<BTreeMap<u32, RestoreRequest>>,
    pub(super) outbox: Sender<Restored>,
    /// Woken with each task.
    pub(super) thread: Thread,
}

impl Run {
    pub(super) fn new(
        config: &Config,
        metrics: Metrics,
        runtime: Handle,
        worker: Worker,
    ) -> anyhow::Result<Self> {
        let mut settings = super::settings(config, "restore");
        settings.set("fetch.min.bytes", "1").set("fetch.message.max.bytes", "1048576");
        Ok(Self {
            client: Asking::new(move || client::create(&settings))
                .context("making the consumer that restores")?,
            last_records: LastRecords::new(config)?,
            brokers: config.kafka.clone(),
            runtime,
            topics: [config.requests.clone(), config.responses.clone()],
            changelog: config.changelog(),
            own: [config.changelog(), config.sessions.clone(), config.dead_letters()],
            large_enough: 0,
            limits: config.limits(),
            metrics,
            worker,
            wanted: BTreeMap::new(),
            finished: BTreeMap::new(),
            waiting: None,
        })
    }

    /// Lets the worker look up.
    pub(super) fn wake(&self) {
        self.worker.thread.unpark();
    }

    /// Finds the group's coordinator and the leaders of the changelog, and reads from it once: the first time takes
    /// librdkafka most of a second, for which the first tasks would stand still.
    pub(super) fn prepare(&mut self) {
        let begin = Instant::now();
        if let Some(last) = self.last_partition()
            && let Err(reason) = self.grow(last)
        {
            debug!(reason, "our topics may be too small");
        }
        let first = both(&self.topics, &BTreeSet::from([0]));
        let consumer = self.client.get();
        let asked = consumer.committed_offsets(first, QUESTION).map(drop);
        let read = asked.and_then(|()| reading::rehearse(consumer, &self.changelog));
        let read = read.and_then(|()| self.last_records.prepare());
        debug!(took = ?begin.elapsed(), ?read, "ready to restore");
    }

    pub(super) fn run(mut self) {
        loop {
            if self.wanted.is_empty() {
                match self.worker.inbox.recv() {
                    Ok(wanted) => self.note(wanted),
                    Err(_) => return,
                }
            }
            match self.restore() {
                Ok(()) | Err(Interrupted::Changed) => {}
                Err(Interrupted::Ended) => return,
            }
        }
    }

    /// Restores what is wanted, or as much as it can until something else is.
    fn restore(&mut self) -> Result<(), Interrupted> {
        self.listen()?;
        let tasks: BTreeSet<u32> = self.wanted.keys().copied().collect();
        if tasks.is_empty() {
            return Ok(());
        }
        let begin = Instant::now();
        // What has no place in our own topics waits, and the others go on.
        let too_small = tasks.last().and_then(|&last| self.grow(last).err());
        let with_place: BTreeSet<u32> = tasks.range(..self.large_enough).copied().collect();
        let (known, missing) = match self.get_to_know(&with_place) {
            Ok(known) => known,
            Err(reason) => (BTreeMap::new(), Some(reason)),
        };
        self.note_answer(begin, Answered::whole(missing.is_none()));
        let pause = if too_small.is_some() { PROGRESS } else { PAUSE };
        match too_small.or(missing) {
            Some(reason) => self.wait_for(begin, reason),
            None => self.wait_no_more(),
        }
        if known.is_empty() {
            return self.pause(pause);
        }
        debug!(took = ?begin.elapsed(), tasks = known.len(), "committed offsets are there");
        let (mut readings, mut states) = (BTreeMap::new(), BTreeMap::new());
        for (&partition, task) in &known {
            let plan = Plan::of(&task.commits);
            if let Some(state) = self.take_suspended(partition, plan, &task.commits) {
                states.insert(partition, state);
            } else if plan == Plan::Nothing {
                self.begin_anew(partition, task);
            } else {
                readings.insert(partition, Reading::new(plan, self.limits));
            }
        }
        if !readings.is_empty()
            && let Err(problem) = reading::assign(self.client.get(), &self.changelog, &readings)
        {
            self.wait_for(begin, format!("the changelog cannot be read: {problem}"));
            return self.pause(PAUSE);
        }
        let read = self.read_all(readings, states, &known, begin);
        // What was read is not fetched any further.
        if let Err(problem) = self.client.get().unassign() {
            debug!(%problem, "giving the changelog back");
        }
        self.last_records.forget();
        read
    }

    /// The state that a task had a moment ago, if nobody has worked on it since.
    fn take_suspended(&mut self, partition: u32, plan: Plan, commits: &Commits) -> Option<State> {
        let Work { fold, changelog, positions } =
            self.wanted.get_mut(&partition).and_then(|request| request.suspended.take())?;
        let Plan::ToBlock(mark) = plan else { return None };
        let is_unchanged = changelog.mark() == Some(mark) && position::is_committed(&positions, commits);
        is_unchanged.then_some(State { fold, changelog, positions: Some(positions) })
    }

    /// Asks what the group has committed and where the logs begin and end. Tasks without an answer are left out; why,
    /// for one of them.
    fn get_to_know(&self, tasks: &BTreeSet<u32>) -> Result<(BTreeMap<u32, Known>, Option<String>), String> {
        if tasks.is_empty() {
            return Ok((BTreeMap::new(), None));
        }
        let list = both(&self.topics, tasks);
        let committed = self.client.get().committed_offsets(list.clone(), QUESTION).map_err(|problem| {
            format!("no answer about committed offsets ({problem}): the broker is away, or has yet to end a dead pod's transaction")
        })?;
        let logs = log::ask(self.client.get(), list, &self.topics, QUESTION)
            .map_err(|problem| format!("no answer about where the logs end: {problem}"))?;
        let mut missing = None;
        let mut known = BTreeMap::new();
        for (partition, commits) in commits::read(&committed, &self.topics) {
            match (commits, logs.get(&partition)) {
                (Ok(commits), Some(Ok(logs))) => {
                    known.insert(partition, Known { commits, logs: *logs });
                }
                (Err(problem), _) => {
                    missing = Some(format!("no committed offsets of partition {partition}: {problem}"));
                }
                (Ok(_), Some(Err(problem))) => {
                    missing = Some(format!("no answer about the logs of partition {partition}: {problem}"));
                }
                (Ok(_), None) => missing = Some(format!("no answer about the logs of partition {partition}")),
            }
        }
        Ok((known, missing))
    }

    /// The last task that the inputs have now.
    fn last_partition(&self) -> Option<u32> {
        let metadata = self.client.get().fetch_metadata(Some(&self.topics[0]), QUESTION).ok()?;
        let count = metadata.topics().first()?.partitions().len();
        u32::try_from(count).ok()?.checked_sub(1)
    }

    /// Sees to it that our own topics have this partition: somebody may have added some to the inputs.
    fn grow(&mut self, last: u32) -> Result<(), String> {
        let needed = last + 1;
        if needed <= self.large_enough {
            return Ok(());
        }
        let own = self.own.each_ref().map(String::as_str);
        if let Err(problem) = self.runtime.block_on(topics::grow(&self.brokers, &own, needed)) {
            let counts = self.runtime.block_on(topics::partition_counts(&self.brokers, &own));
            self.large_enough = counts.map_or(self.large_enough, |counts| smallest(&counts));
            return Err(problem.to_string());
        }
        self.large_enough = needed;
        // Else this client goes on to believe for a while that they are smaller, and so are the inputs.
        for topic in [&self.changelog, &self.topics[0], &self.topics[1]] {
            let _ = self.client.get().fetch_metadata(Some(topic), QUESTION);
        }
        Ok(())
    }

    fn note_answer(&mut self, asked: Instant, answered: Answered) {
        self.client.note(asked, answered);
        if let Err(problem) = self.client.renew() {
            debug!(%problem, "there is no new client: going on with the old one");
        }
    }

    /// Says once for what tasks wait, if it takes long.
    fn wait_for(&mut self, begin: Instant, reason: String) {
        debug!(reason, "not restored yet");
        let waiting = self.waiting.get_or_insert(Waiting { since: begin, told: None });
        if waiting.since.elapsed() > QUESTION && waiting.told.as_ref() != Some(&reason) {
            warn!(tasks = self.wanted.len(), reason, "tasks cannot be restored yet");
            waiting.told = Some(reason);
        }
    }

    fn wait_no_more(&mut self) {
        if let Some(Waiting { since, told: Some(_) }) = self.waiting.take() {
            info!(took = ?since.elapsed(), "tasks can be restored again");
        }
    }

    /// Waits a little before the next question, unless the worker wants something else.
    fn pause(&mut self, pause: Duration) -> Result<(), Interrupted> {
        match self.worker.inbox.recv_timeout(pause) {
            Ok(wanted) => self.note(wanted),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Interrupted::Ended),
        }
        Ok(())
    }

    /// Takes the newest request.
    fn listen(&mut self) -> Result<(), Interrupted> {
        loop {
            match self.worker.inbox.try_recv() {
                Ok(wanted) => self.note(wanted),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(Interrupted::Ended),
            }
        }
    }

    fn note(&mut self, mut wanted: BTreeMap<u32, RestoreRequest>) {
        wanted.retain(|task, request| {
            self.finished.get(task).is_none_or(|&finished| finished < request.generation)
        });
        for (task, request) in &mut wanted {
            if let Some(before) = self.wanted.remove(task)
                && before.generation == request.generation
            {
                request.suspended = before.suspended;
            }
        }
        self.wanted = wanted;
    }

    fn generations(&self) -> Vec<u64> {
        self.wanted.values().map(|request| request.generation).collect()
    }

    /// Reads the changelogs of these tasks, all at the same time, and lets tasks go on when their logs are known to be
    /// the same ones.
    fn read_all(
        &mut self,
        mut readings: BTreeMap<u32, Reading>,
        states: BTreeMap<u32, State>,
        known: &BTreeMap<u32, Known>,
        begin: Instant,
    ) -> Result<(), Interrupted> {
        let mut progress = Instant::now();
        let mut doubtful = BTreeMap::new();
        for (partition, state) in states {
            self.doubt(partition, state, known, &mut doubtful);
        }
        while !(readings.is_empty() && doubtful.is_empty()) {
            if !readings.is_empty()
                && let Some((partition, read)) = reading::next(self.client.get(), &mut readings)
            {
                match (read, known.get(&partition)) {
                    (Some(state), _) => self.doubt(partition, state, known, &mut doubtful),
                    (None, Some(task)) => self.begin_anew(partition, task),
                    (None, None) => {}
                }
            }
            let patience = if readings.is_empty() { Patience::AMoment } else { Patience::None };
            for (partition, answer) in self.last_records.answers(patience) {
                match (answer, doubtful.remove(&partition), known.get(&partition)) {
                    (Ok(same), Some(state), Some(task)) => self.go_on(partition, state, task, same),
                    (Err(problem), ..) => self.cannot_compare(begin, partition, &problem),
                    (Ok(_), ..) => {}
                }
            }
            let before = self.generations();
            self.listen()?;
            if self.generations() != before {
                return Err(Interrupted::Changed);
            }
            let machines = readings.values().map(Reading::machines).sum::<usize>();
            self.metrics.restoring_machines.set(machines as i64);
            if progress.elapsed() > PROGRESS && !readings.is_empty() {
                info!(tasks = readings.len(), machines, silent = ?reading::silent(&readings), "restoring state");
                let overdue = reading::overdue(&mut readings, |it| self.end(it).is_some());
                if let Some((partition, task)) = overdue.and_then(|it| Some((it, known.get(&it)?))) {
                    self.begin_anew(partition, task);
                }
                if begin.elapsed() > PATIENCE && readings.len() == reading::silent(&readings).len() {
                    self.wait_for(
                        begin,
                        format!("nothing arrives from {}: has it a leader?", self.changelog),
                    );
                    self.note_answer(begin, Answered::Partly);
                    return self.pause(PAUSE);
                }
                progress = Instant::now();
            }
        }
        info!(took = ?begin.elapsed(), "state restored");
        Ok(())
    }

    /// Asks whether the logs to which a state belongs are still the same ones.
    fn doubt(
        &mut self,
        partition: u32,
        state: State,
        known: &BTreeMap<u32, Known>,
        doubtful: &mut BTreeMap<u32, State>,
    ) {
        let Some(task) = known.get(&partition) else { return };
        let witnesses = state.witnesses(&task.logs);
        if witnesses == [None; 2] {
            return self.go_on(partition, state, task, [SameLog::Yes; 2]);
        }
        match self.last_records.ask(partition, witnesses) {
            Ok(()) => drop(doubtful.insert(partition, state)),
            // The task stays wanted, and is asked about again.
            Err(problem) => self.cannot_compare(Instant::now(), partition, &problem),
        }
    }

    fn cannot_compare(&mut self, begin: Instant, partition: u32, problem: &KafkaError) {
        let reason =
            format!("no answer whether the logs of partition {partition} are still the same: {problem}");
        self.wait_for(begin, reason);
    }

    /// Goes on with the state that a changelog has given.
    fn go_on(&mut self, partition: u32, state: State, task: &Known, same: [SameLog; 2]) {
        let Known { commits, logs } = task;
        let State { fold, changelog, positions } = state;
        let sides = [0, 1].map(|side| match positions {
            Some(positions) => position::go_on(positions[side], commits[side], logs[side], same[side]),
            // Written by an older version: the commits are all there is.
            None => position::begin(commits[side], logs[side]),
        });
        let positions = self.tell(partition, sides);
        let begins = begins(&positions, task);
        self.finish(partition, Work { fold, changelog, positions }, begins);
    }

    /// Begins without state, after all that the changelog holds. While the broker is away the task stays wanted.
    fn begin_anew(&mut self, partition: u32, task: &Known) {
        let Some(end) = self.end(partition) else { return };
        let Known { commits, logs } = task;
        let sides = [0, 1].map(|side| position::begin(commits[side], logs[side]));
        let positions = self.tell(partition, sides);
        let begins = begins(&positions, task);
        let work = Work { fold: Fold::new(self.limits), changelog: Changelog::new(end), positions };
        self.finish(partition, work, begins);
    }

    /// Says what is unusual about positions, once a time.
    fn tell(&self, partition: u32, sides: [(Position, Option<Remark>); 2]) -> Positions {
        for input in Input::ALL {
            let topic = &self.topics[index(input)];
            if let (_, Some(remark)) = sides[index(input)] {
                warn!("{topic}/{partition}: {remark}");
                self.metrics.count_remark(topic, partition, remark.reason(), remark.lost());
            }
        }
        sides.map(|(position, _)| position)
    }

    /// Where a changelog ends; `None` while the broker is away.
    fn end(&self, partition: u32) -> Option<i64> {
        let watermarks = self.client.get().fetch_watermarks(&self.changelog, signed(partition), QUESTION);
        watermarks.ok().map(|(_, end)| end)
    }

    fn finish(&mut self, partition: u32, work: Work, begins: Begins) {
        let Some(RestoreRequest { generation, .. }) = self.wanted.remove(&partition) else { return };
        self.finished.insert(partition, generation);
        self.metrics.restored.inc();
        // Nobody is there any more when the pod ends.
        let _ = self.worker.outbox.send(Restored { partition, generation, work, begins });
        self.wake();
    }
}

/// Of the partition counts of topics, the smallest; 0 where one is not known.
fn smallest(counts: &[Option<u32>]) -> u32 {
    counts.iter().map(|count| count.unwrap_or(0)).min().unwrap_or(0)
}

/// The consumer begins at the commits; without one, at the start of the log.
fn begins(positions: &Positions, Known { commits, logs }: &Known) -> Begins {
    let by_itself = [0, 1].map(|side| commits[side].map_or(logs[side].start, |commit| commit.offset));
    if position::next(positions) == by_itself { Begins::AtPosition } else { Begins::Elsewhere }
}

impl State {
    /// The records by which the logs are known.
    fn witnesses(&self, logs: &Logs) -> [Option<LastRead>; 2] {
        let of_side = |side: usize| position::witness(self.positions?[side], logs[side]);
        [of_side(0), of_side(1)]
    }
}
