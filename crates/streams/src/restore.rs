//! Gives pairs of partitions their state back, on a thread of its own: the pairs that a pod keeps go on meanwhile.
//!
//! First it asks what the group has committed. The answer waits until no transaction is open there, such as that of a pod that has
//! died. Then it reads the changelog up to the block that belongs to those offsets.

mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::Thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use game::Fold;
use game::sessions::Limits;
use kafka::client::{self, Tracing};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::Offset;
use tracing::{debug, info, warn};

use crate::Config;
use crate::changelog::{Changelog, Mark};
use crate::metrics::Metrics;
use crate::pairs::{both, signed};
use reading::Reading;

/// How long one question for committed offsets may take. A transaction that is still open there holds the answer back.
const QUESTION: Duration = Duration::from_millis(1_000);
/// How long to wait after a question that failed.
const PAUSE: Duration = Duration::from_millis(50);
/// How often to say how far it has come.
const PROGRESS: Duration = Duration::from_secs(1);

/// The state of a pair, and where it belongs.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) fold: Fold,
    pub(crate) changelog: Changelog,
    /// The offset of the next record: requests, responses; `None` where nothing was ever committed.
    pub(crate) positions: [Option<i64>; 2],
}

/// A pair that is to be restored.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Another one for each time that the pair is given to this pod, rising.
    pub(crate) ticket: u64,
    /// The state that the pair had when it was given back: of use if nobody has worked on it since.
    pub(crate) parked: Option<Work>,
}

/// A pair that can be worked on.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) partition: u32,
    /// As in the wish.
    pub(crate) ticket: u64,
    pub(crate) work: Work,
}

/// What the group has committed for a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Committed {
    positions: [Option<i64>; 2],
    mark: Option<Mark>,
}

/// The worker's end.
pub(crate) struct Restorer {
    wishes: Sender<BTreeMap<u32, Wish>>,
    restored: Receiver<Restored>,
    is_prepared: Arc<AtomicBool>,
}

impl Restorer {
    /// Starts the thread, which ends when this is dropped. It wakes `worker` with each pair.
    pub(crate) fn start(config: &Config, metrics: Metrics, worker: Thread) -> anyhow::Result<Self> {
        let (wishes, inbox) = channel();
        let (outbox, restored) = channel();
        let is_prepared = Arc::new(AtomicBool::new(false));
        let mut settings = client::reader(&config.kafka, &format!("{}-restore", config.pod));
        // Quick rather than thrifty: a hand-over waits for it.
        settings
            .set("group.id", &config.group)
            .set("fetch.wait.max.ms", "10")
            .set("fetch.min.bytes", "1")
            .set("fetch.message.max.bytes", "1048576")
            .set("enable.partition.eof", "true");
        let run = Run {
            consumer: client::create(&settings).context("making the consumer that restores")?,
            topics: [config.requests.clone(), config.responses.clone()],
            changelog: config.changelog(),
            limits: config.limits(),
            metrics,
            inbox,
            outbox,
            worker,
            wanted: BTreeMap::new(),
            finished: BTreeMap::new(),
            failing: None,
        };
        let prepared = Arc::clone(&is_prepared);
        let body = move || {
            run.prepare();
            prepared.store(true, Ordering::Release);
            run.worker.unpark();
            run.run();
        };
        std::thread::Builder::new()
            .name("restore".to_owned())
            .spawn(body)
            .context("starting a thread that restores")?;
        Ok(Self { wishes, restored, is_prepared })
    }

    /// Whether it need not get to know Kafka any more before it can restore.
    pub(crate) fn is_prepared(&self) -> bool {
        self.is_prepared.load(Ordering::Acquire)
    }

    /// Wants exactly these pairs from now on.
    pub(crate) fn want(&self, pairs: BTreeMap<u32, Wish>) {
        // It ends only after the worker.
        let _ = self.wishes.send(pairs);
    }

    /// The next pair that is ready, if there is one.
    pub(crate) fn restored(&self) -> Option<Restored> {
        self.restored.try_recv().ok()
    }
}

struct Run {
    consumer: BaseConsumer<Tracing>,
    topics: [String; 2],
    changelog: String,
    limits: Limits,
    metrics: Metrics,
    inbox: Receiver<BTreeMap<u32, Wish>>,
    outbox: Sender<Restored>,
    worker: Thread,
    /// Pairs to be restored.
    wanted: BTreeMap<u32, Wish>,
    /// The newest ticket of each pair that was dealt with.
    finished: BTreeMap<u32, u64>,
    /// While committed offsets are not to be had.
    failing: Option<Failing>,
}

/// Since when committed offsets are not to be had, and whether that was said.
struct Failing {
    since: Instant,
    said: bool,
}

/// The worker has gone, or wants other pairs.
enum Interrupted {
    Ended,
    Changed,
}

impl Run {
    /// Finds the group's coordinator and the leaders of the changelog, and reads from it once: the first time takes librdkafka most
    /// of a second, for which the first pairs would stand still.
    fn prepare(&self) {
        let begin = Instant::now();
        let pair = BTreeSet::from([0]);
        let read = self.committed(&pair).and_then(|_| reading::rehearse(&self.consumer, &self.changelog));
        debug!(took = ?begin.elapsed(), ?read, "ready to restore");
    }

    fn run(mut self) {
        loop {
            if self.wanted.is_empty() {
                match self.inbox.recv() {
                    Ok(wishes) => self.note(wishes),
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
        let pairs: BTreeSet<u32> = self.wanted.keys().copied().collect();
        if pairs.is_empty() {
            return Ok(());
        }
        let begin = Instant::now();
        let committed = match self.committed(&pairs) {
            Ok(committed) => committed,
            Err(problem) => {
                self.complain(begin, &problem);
                return self.pause();
            }
        };
        if self.failing.take().is_some_and(|failing| failing.said) {
            info!("committed offsets are there again");
        }
        debug!(took = ?begin.elapsed(), "committed offsets are there");
        let mut readings = Vec::new();
        for (&partition, committed) in &committed {
            let parked = self.wanted.get_mut(&partition).and_then(|wish| wish.parked.take());
            match parked {
                Some(work)
                    if work.changelog.mark() == committed.mark && work.positions == committed.positions =>
                {
                    self.finish(partition, work);
                }
                _ => readings.push((partition, *committed)),
            }
        }
        self.read(readings, begin)
    }

    /// Says once that it takes long, and why.
    fn complain(&mut self, begin: Instant, problem: &KafkaError) {
        let failing = self.failing.get_or_insert(Failing { since: begin, said: false });
        debug!(%problem, "committed offsets are not to be had yet");
        if !failing.said && failing.since.elapsed() > QUESTION {
            failing.said = true;
            warn!(
                pairs = self.wanted.len(),
                %problem,
                "waiting for committed offsets: the broker is away, or has yet to end a dead pod's transaction"
            );
        }
    }

    /// Waits a little before the next question, unless the worker wants something else.
    fn pause(&mut self) -> Result<(), Interrupted> {
        match self.inbox.recv_timeout(PAUSE) {
            Ok(wishes) => self.note(wishes),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Interrupted::Ended),
        }
        Ok(())
    }

    /// Takes the newest wish.
    fn listen(&mut self) -> Result<(), Interrupted> {
        loop {
            match self.inbox.try_recv() {
                Ok(wishes) => self.note(wishes),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(Interrupted::Ended),
            }
        }
    }

    fn note(&mut self, mut wishes: BTreeMap<u32, Wish>) {
        wishes.retain(|pair, wish| self.finished.get(pair).is_none_or(|&finished| finished < wish.ticket));
        for (pair, wish) in &mut wishes {
            if let Some(before) = self.wanted.remove(pair)
                && before.ticket == wish.ticket
            {
                wish.parked = before.parked;
            }
        }
        self.wanted = wishes;
    }

    fn tickets(&self) -> Vec<u64> {
        self.wanted.values().map(|wish| wish.ticket).collect()
    }

    fn committed(&self, pairs: &BTreeSet<u32>) -> KafkaResult<BTreeMap<u32, Committed>> {
        let answer = self.consumer.committed_offsets(both(&self.topics, pairs), QUESTION)?;
        let mut committed: BTreeMap<u32, Committed> = BTreeMap::new();
        for element in answer.elements() {
            element.error()?;
            let Ok(partition) = u32::try_from(element.partition()) else { continue };
            let pair = committed.entry(partition).or_default();
            let side = usize::from(element.topic() == self.topics[1]);
            if let Offset::Offset(offset) = element.offset() {
                pair.positions[side] = Some(offset);
                let mark = element.metadata().parse().ok();
                if mark.map(|mark: Mark| mark.block) > pair.mark.map(|mark| mark.block) {
                    pair.mark = mark;
                }
            }
        }
        Ok(committed)
    }

    /// Reads the changelogs of these pairs, all at the same time.
    fn read(&mut self, pairs: Vec<(u32, Committed)>, begin: Instant) -> Result<(), Interrupted> {
        let mut readings = BTreeMap::new();
        for (partition, Committed { positions, mark }) in pairs {
            match mark {
                Some(mark) => {
                    readings.insert(partition, Reading::new(mark, positions, self.limits));
                }
                None => self.begin_anew(partition, positions),
            }
        }
        if readings.is_empty() {
            return Ok(());
        }
        if let Err(problem) = reading::assign(&self.consumer, &self.changelog, &readings) {
            debug!(%problem, "the changelog cannot be read now");
            return self.pause();
        }
        let read = self.read_all(readings, begin);
        // What was read is not fetched any further.
        if let Err(problem) = self.consumer.unassign() {
            debug!(%problem, "giving the changelog back");
        }
        read
    }

    fn read_all(&mut self, mut readings: BTreeMap<u32, Reading>, begin: Instant) -> Result<(), Interrupted> {
        let mut progress = Instant::now();
        while !readings.is_empty() {
            if let Some((partition, work)) = reading::next(&self.consumer, &mut readings) {
                self.finish(partition, work);
            }
            let before = self.tickets();
            self.listen()?;
            if self.tickets() != before {
                return Err(Interrupted::Changed);
            }
            let machines = readings.values().map(Reading::machines).sum::<usize>();
            self.metrics.restoring_machines.set(machines as i64);
            if progress.elapsed() > PROGRESS {
                info!(pairs = readings.len(), machines, "restoring state");
                if let Some((partition, positions)) =
                    reading::overdue(&mut readings, |it| self.end(it).is_some())
                {
                    self.begin_anew(partition, positions);
                }
                progress = Instant::now();
            }
        }
        info!(took = ?begin.elapsed(), "state restored");
        Ok(())
    }

    /// Begins without state, after all that the changelog holds. While the broker is away the pair stays wanted.
    fn begin_anew(&mut self, partition: u32, positions: [Option<i64>; 2]) {
        if let Some(end) = self.end(partition) {
            self.finish(partition, Work::empty(self.limits, end, positions));
        }
    }

    /// Where a changelog ends; `None` while the broker is away.
    fn end(&self, partition: u32) -> Option<i64> {
        let watermarks = self.consumer.fetch_watermarks(&self.changelog, signed(partition), QUESTION);
        watermarks.ok().map(|(_, end)| end)
    }

    fn finish(&mut self, partition: u32, work: Work) {
        let Some(Wish { ticket, .. }) = self.wanted.remove(&partition) else { return };
        self.finished.insert(partition, ticket);
        self.metrics.restored.inc();
        // Nobody is there any more when the pod ends.
        let _ = self.outbox.send(Restored { partition, ticket, work });
        self.worker.unpark();
    }
}

impl Work {
    /// No state: nothing was ever committed, or somebody has moved the offsets.
    fn empty(limits: Limits, changelog_end: i64, positions: [Option<i64>; 2]) -> Self {
        Self { fold: Fold::new(limits), changelog: Changelog::new(changelog_end), positions }
    }
}
