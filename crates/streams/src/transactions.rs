//! The transactions of a pod, on a thread of their own: while one is on its way to Kafka, the worker goes on.
//!
//! There is one transactional producer a pod, and one transaction at a time. Whatever goes wrong is cured in one way:
//! the producer is made anew, which ends the transaction that was open, and the worker goes back to what is committed.

mod producer;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, mpsc};
use std::thread::Thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tracing::{info, warn};
use workload::avro::Codec;

use crate::Config;
use crate::batch::Batch;
use crate::consumer::Consumer;

pub(crate) use producer::Fault;
use producer::Producer;

/// The first pause before a producer is made again, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// Where a block is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockOffset {
    pub(crate) partition: u32,
    pub(crate) number: u64,
    pub(crate) offset: i64,
}

/// What the thread tells the worker.
#[derive(Debug)]
pub(crate) enum Answer {
    /// There is a producer, and no transaction is open: batches can come.
    Ready,
    /// The batch is committed; its blocks are there.
    Committed(Vec<BlockOffset>),
    /// The batch may be committed or not: Kafka knows. A producer is made anew meanwhile.
    Failed(Fault),
    /// There will be no producer.
    Refused(Fault),
}

/// The worker's end.
pub(crate) struct Transactions {
    batches: Sender<Batch>,
    answers: Receiver<Answer>,
    ended: Receiver<()>,
    stop: Arc<AtomicBool>,
}

impl Transactions {
    /// Starts the thread. It wakes `worker` with each answer.
    pub(crate) fn start(
        config: &Config,
        codec: Codec,
        consumer: &Arc<Consumer>,
        worker: Thread,
    ) -> anyhow::Result<Self> {
        let (batches, inbox) = channel();
        let (outbox, answers) = channel();
        let (end, ended) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let run = Run {
            config: config.clone(),
            codec,
            consumer: Arc::clone(consumer),
            inbox,
            outbox,
            worker,
            stop: Arc::clone(&stop),
        };
        let body = move || {
            run.run();
            // Nobody waits for it when the pod ends in a hurry.
            let _ = end.send(());
        };
        std::thread::Builder::new()
            .name("transactions".to_owned())
            .spawn(body)
            .context("starting a thread for the transactions")?;
        Ok(Self { batches, answers, ended, stop })
    }

    /// Hands over a batch; the one before must have been answered.
    pub(crate) fn commit(&self, batch: Batch) {
        // A thread that has ended has said why.
        let _ = self.batches.send(batch);
    }

    /// The next answer, if there is one.
    pub(crate) fn answer(&self) -> Option<Answer> {
        match self.answers.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Answer::Refused(Fault::ended())),
        }
    }

    /// Waits for the next answer, at most this long.
    pub(crate) fn wait(&self, limit: Duration) -> Option<Answer> {
        self.answers.recv_timeout(limit).ok()
    }

    /// Ends the thread, and waits for it as long as that is worth while: it holds the consumer, too.
    pub(crate) fn end(self, limit: Duration) {
        let Self { batches, ended, stop, .. } = self;
        stop.store(true, Ordering::Release);
        drop(batches);
        if let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(limit) {
            warn!("ending while Kafka does not answer: the open transaction ends by its timeout");
        }
    }
}

struct Run {
    config: Config,
    codec: Codec,
    consumer: Arc<Consumer>,
    inbox: Receiver<Batch>,
    outbox: Sender<Answer>,
    worker: Thread,
    stop: Arc<AtomicBool>,
}

impl Run {
    fn run(self) {
        while let Some(producer) = self.produce() {
            self.tell(Answer::Ready);
            match self.serve(&producer) {
                Some(fault) => self.tell(Answer::Failed(fault)),
                None => return,
            }
        }
    }

    /// Makes a producer; tries until there is one, or it is clear that there will be none.
    fn produce(&self) -> Option<Producer> {
        let mut pause = PAUSES[0];
        let mut said = false;
        while !self.stop.load(Ordering::Acquire) {
            match Producer::new(&self.config, &self.codec, &self.consumer) {
                Ok(producer) => {
                    if said {
                        info!("Kafka takes transactions again");
                    }
                    return Some(producer);
                }
                Err(fault) if fault.is_final() => {
                    self.tell(Answer::Refused(fault));
                    return None;
                }
                Err(fault) if !said => {
                    warn!(%fault, "no transaction can be begun now, trying again");
                    said = true;
                }
                Err(_) => {}
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSES[1]);
        }
        None
    }

    /// Commits batch after batch until something goes wrong, or no more come.
    fn serve(&self, producer: &Producer) -> Option<Fault> {
        loop {
            let batch = self.inbox.recv().ok()?;
            let begin = Instant::now();
            match producer.commit(batch, &self.stop) {
                Ok(blocks) => self.tell(Answer::Committed(blocks)),
                Err(fault) => {
                    tracing::debug!(%fault, took = ?begin.elapsed(), "a transaction failed");
                    return Some(fault);
                }
            }
        }
    }

    fn tell(&self, answer: Answer) {
        // A worker that has gone needs no answer.
        let _ = self.outbox.send(answer);
        self.worker.unpark();
    }
}
