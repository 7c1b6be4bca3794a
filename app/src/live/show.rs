//! What the show does with its stream: a picture, then a tick for every change.

use std::cell::Cell;
use std::rc::Rc;

use leptos::prelude::*;
use model::Millis;
use model::wire::{Picture, Tick};

use super::clock::{Clock, page_ms};
use super::stream::{Stream, Wire};
use crate::browser::from_json;
use crate::link::Link;
use crate::store::Store;

struct Show {
    store: Store,
    clock: Rc<Clock>,
    /// When the last sample but one was taken, to know how far apart they are.
    sampled_ms: Cell<Millis>,
    /// The freshness that is shown follows the measured one slowly, so that it can be read.
    fresh: Rc<Cell<f64>>,
    said_ms: Rc<Cell<f64>>,
}

/// Follows the stream of the show.
pub(crate) fn show(store: Store, rendered_ms: Millis) {
    Stream::follow(Show {
        store,
        clock: Rc::new(Clock::new(rendered_ms)),
        sampled_ms: Cell::new(0),
        fresh: Rc::new(Cell::new(0.0)),
        said_ms: Rc::new(Cell::new(0.0)),
    });
}

impl Wire for Show {
    fn address(&self) -> String {
        format!("/live?from={}", self.store.read(&[], Picture::id))
    }

    fn names(&self) -> &'static [&'static str] {
        &["hello", "picture", "tick"]
    }

    fn heard(&self, name: &str, data: &str) -> bool {
        match name {
            "picture" => from_json::<Picture>(data).map(|picture| {
                self.clock.heard(picture.snapshot.at_ms);
                self.store.replace(picture);
            }),
            "tick" => from_json::<Tick>(data).map(|tick| {
                self.clock.heard(tick.at_ms);
                let sampled_ms = tick.lag.as_ref().and_then(Option::as_ref).map(|lag| lag.sampled_ms);
                self.store.apply(tick);
                if let Some(sampled_ms) = sampled_ms {
                    self.measure(sampled_ms);
                }
            }),
            // A hello says how the stream goes on; the frames that follow say the same by their kind.
            _ => None,
        }
        .is_some()
    }

    fn looked(&self, link: Link) {
        if self.store.link.get_untracked() != link {
            self.store.link.set(link);
        }
        let now_ms = self.clock.now_ms();
        if now_ms.abs_diff(self.store.now_ms.get_untracked()) >= 950 {
            self.store.now_ms.set(now_ms);
        }
        // Nothing is fresh while nothing comes.
        if link != Link::Live && self.store.fresh_ms.get_untracked().is_some() {
            self.store.fresh_ms.set(None);
        }
    }
}

impl Show {
    /// Measures, when the frame has been painted, how long ago the sample was taken. A commit waits for its sample for
    /// half the time between two samples, on average.
    fn measure(&self, sampled_ms: Millis) {
        const MEMORY: f64 = 0.9;
        const SAID_EVERY_MS: f64 = 1_000.0;
        let apart_ms = sampled_ms.saturating_sub(self.sampled_ms.replace(sampled_ms)).min(1_000) as f64;
        let (clock, fresh, said_ms) =
            (Rc::clone(&self.clock), Rc::clone(&self.fresh), Rc::clone(&self.said_ms));
        let store = self.store;
        request_animation_frame(move || {
            let measured = clock.travelled(sampled_ms) + apart_ms / 2.0;
            let before = fresh.get();
            let now = if before == 0.0 { measured } else { before * MEMORY + measured * (1.0 - MEMORY) };
            fresh.set(now);
            if page_ms() - said_ms.get() >= SAID_EVERY_MS {
                said_ms.set(page_ms());
                store.fresh_ms.set(Some(now.max(0.0) as u32));
            }
        });
    }
}
