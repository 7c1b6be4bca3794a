//! Where the fold and those who look on meet: the fold task steps the picture on, readers get each frame's bytes, or
//! what they missed in one piece.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use model::Millis;
use model::fold::Fold;
use model::history::KEPT_MS;
use model::wire::{FrameId, Hello, Mode, Picture, Tick};
use tokio::sync::{broadcast, watch};

use super::sse;

/// Frames that a reader may be behind before it gets them merged into one: two seconds.
pub(super) const BEHIND: usize = 8;
/// Frames that are kept for readers; more than [`BEHIND`], so that nobody loses one while deciding.
const KEPT_FRAMES: usize = 4 * BEHIND;
/// How old a whole picture may be to be sent again to the next one who comes: a tick brings it up to date.
const PICTURE_REUSED_MS: Millis = 1_000;

/// One frame, encoded for everybody.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) seq: u64,
    pub(super) bytes: Bytes,
}

/// What phones are told of the show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct PhoneNews {
    pub(super) at_ms: Millis,
    /// What the records are called of which the lag is largest, and that lag.
    pub(super) lag: Option<(String, u64)>,
    pub(super) ready: Option<u32>,
    pub(super) desired: Option<u32>,
    pub(super) stale_since_ms: Option<Millis>,
    pub(super) players: u32,
}

/// Owns the picture. The fold task is the only one that changes it.
pub struct Hub {
    epoch: u64,
    /// Held for microseconds: to step on, or to copy what somebody missed. Never while encoding.
    fold: Mutex<Fold>,
    frames: broadcast::Sender<Frame>,
    news: watch::Sender<PhoneNews>,
    /// The seqs of the last ten minutes, to say how many frames somebody missed.
    seqs: Mutex<VecDeque<u64>>,
    /// The newest encoded picture, while it is young.
    whole: Mutex<Option<Frame>>,
}

impl Hub {
    /// A hub that begins with this picture.
    #[must_use]
    pub fn new(fold: Fold) -> Self {
        let first = fold.picture().snapshot.at_ms;
        Self {
            epoch: fold.picture().epoch,
            frames: broadcast::Sender::new(KEPT_FRAMES),
            news: watch::Sender::new(news(fold.picture())),
            fold: Mutex::new(fold),
            seqs: Mutex::new(VecDeque::from([first])),
            whole: Mutex::default(),
        }
    }

    /// Steps the picture on, and sends the tick to everybody. Only the fold task calls it: steps have an order.
    pub fn step(&self, change: impl FnOnce(&mut Fold) -> Tick) -> Tick {
        let (tick, news) = {
            let mut fold = lock(&self.fold);
            let tick = change(&mut fold);
            (tick, news(fold.picture()))
        };
        self.news.send_replace(news);
        if tick.is_empty() {
            return tick;
        }
        let mut seqs = lock(&self.seqs);
        seqs.push_back(tick.at_ms);
        while seqs.front().is_some_and(|seq| seq + KEPT_MS < tick.at_ms) {
            seqs.pop_front();
        }
        drop(seqs);
        if self.frames.receiver_count() > 0 {
            // Nobody left meanwhile is no error.
            let _ = self.frames.send(self.encode("tick", tick.at_ms, &tick));
        }
        tick
    }

    /// A copy of the picture as it is.
    #[must_use]
    pub fn picture(&self) -> Picture {
        lock(&self.fold).picture().clone()
    }

    /// Reads something off the picture, briefly: the fold waits meanwhile.
    pub fn look<T>(&self, read: impl FnOnce(&Picture) -> T) -> T {
        read(lock(&self.fold).picture())
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Frame> {
        self.frames.subscribe()
    }

    pub(super) fn news(&self) -> PhoneNews {
        self.news.borrow().clone()
    }

    /// How a stream goes on for a page whose last frame was `last`.
    pub(super) fn hello(&self, last: Option<FrameId>) -> Hello {
        let seqs = lock(&self.seqs);
        let (oldest, newest) = (seqs.front().copied().unwrap_or(0), seqs.back().copied().unwrap_or(0));
        let resumed = last.filter(|last| last.epoch == self.epoch && (oldest..=newest).contains(&last.seq));
        let missed = resumed.map_or(0, |last| seqs.iter().filter(|seq| **seq > last.seq).count());
        let mode = if resumed.is_some() { Mode::Resume } else { Mode::Picture };
        Hello { epoch: self.epoch, oldest, newest, mode, missed: u64::try_from(missed).unwrap_or(u64::MAX) }
    }

    /// The seq of the newest frame.
    pub(super) fn newest(&self) -> u64 {
        self.look(|picture| picture.snapshot.at_ms)
    }

    /// All that changed since a frame of this run, in one tick.
    pub(super) fn since(&self, seq: u64) -> Frame {
        let tick = lock(&self.fold).since(seq);
        self.encode("tick", tick.at_ms, &tick)
    }

    /// The whole picture: now, or less than a second ago.
    pub(super) fn whole(&self) -> Frame {
        let now_ms = self.newest();
        let mut whole = lock(&self.whole);
        if let Some(frame) = whole.as_ref().filter(|frame| frame.seq + PICTURE_REUSED_MS > now_ms) {
            return frame.clone();
        }
        let picture = self.picture();
        let frame = self.encode("picture", picture.snapshot.at_ms, &picture);
        *whole = Some(frame.clone());
        frame
    }

    fn encode(&self, name: &str, seq: u64, value: &impl serde::Serialize) -> Frame {
        Frame { seq, bytes: sse::event(name, Some(FrameId { epoch: self.epoch, seq }), value) }
    }
}

fn news(picture: &Picture) -> PhoneNews {
    let now = &picture.snapshot;
    let count = |pods: usize| u32::try_from(pods).unwrap_or(u32::MAX);
    PhoneNews {
        at_ms: now.at_ms,
        lag: now.lag.as_ref().and_then(|lag| {
            let (topic, records) = lag.worst()?;
            Some((lag.topics.noun(topic).to_owned(), records))
        }),
        ready: now.cluster.as_ref().map(|cluster| count(cluster.ready())),
        desired: now.cluster.as_ref().map(|cluster| cluster.desired),
        stale_since_ms: now.outages.kafka.as_ref().map(|outage| outage.since_ms),
        players: now.players.count,
    }
}

/// A panic elsewhere leaves the picture as it was before the step, which is still a picture.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
