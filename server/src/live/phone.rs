//! One phone's stream: twice a second the few numbers that a phone shows, and what became of its player's taps.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use model::play::PhoneTick;
use model::wire::{FrameId, Hello, Mode};
use rand::RngExt;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use workload::Machine;

use super::sse;
use crate::metrics::OpenStream;
use crate::state::Server;

/// Phones hear of the show at 2 Hz.
const PERIOD: Duration = Duration::from_millis(500);

/// Reads the hub and the game for one phone.
pub(super) struct PhoneReader {
    server: Arc<Server>,
    /// `None` until the phone has joined; it opens another stream then.
    machine: Option<Machine>,
    /// What this phone knows of its taps.
    revision: u64,
    ticks: Interval,
    is_new: bool,
    _open: OpenStream,
}

impl PhoneReader {
    pub(super) fn new(server: Arc<Server>, machine: Option<Machine>, open: OpenStream) -> Self {
        // Phones that come at once are spread over the period, and so is the work for them.
        let phase = Duration::from_millis(rand::rng().random_range(1..500));
        let mut ticks = tokio::time::interval_at(Instant::now() + phase, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { server, machine, revision: 0, ticks, is_new: true, _open: open }
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = Bytes> + Send + 'static {
        futures::stream::unfold(self, |mut reader| async move { Some((reader.next().await?, reader)) })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.is_new) {
            return Some(sse::joined(&[sse::retry(), self.hello(), self.tick()]));
        }
        tokio::select! {
            biased;
            () = self.server.shutdown.requested() => None,
            _ = self.ticks.tick() => Some(self.tick()),
        }
    }

    /// A phone never needs what it missed: each of its ticks is whole.
    fn hello(&self) -> Bytes {
        let hub = &self.server.hub;
        let hello = Hello { mode: Mode::Resume, missed: 0, ..hub.hello(None) };
        sse::event("hello", None, &hello)
    }

    fn tick(&mut self) -> Bytes {
        let news = self.server.hub.news();
        let now_ms = self.server.clock.now_ms();
        let view = self.machine.and_then(|machine| self.server.game().phone(now_ms, machine, self.revision));
        let (standing, taps) = match view {
            Some(view) => {
                self.revision = view.revision;
                (Some(view.standing), view.taps)
            }
            None => (None, Vec::new()),
        };
        let tick = PhoneTick {
            at_ms: now_ms,
            lag: news.lag,
            ready: news.ready,
            desired: news.desired,
            stale_since_ms: news.stale_since_ms,
            players: news.players,
            standing,
            taps,
        };
        let id = FrameId { epoch: self.server.hub.epoch(), seq: news.at_ms };
        sse::event("phone", Some(id), &tick)
    }
}
