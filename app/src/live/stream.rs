//! An `EventSource` with a watchdog.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use model::Millis;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{EventSource, MessageEvent};

use super::clock::page_ms;
use crate::browser::on_attention;
use crate::link::Link;

/// What a page does with its stream.
pub(crate) trait Wire {
    /// The address to open, which says how far the page has come.
    fn address(&self) -> String;
    /// The events that it listens to.
    fn names(&self) -> &'static [&'static str];
    /// A frame came; `true` if it carried something to show.
    fn heard(&self, name: &str, data: &str) -> bool;
    /// Called about twice a second with the state of the connection.
    fn looked(&self, link: Link);
}

/// Takes what the stream sends.
type Listener = Closure<dyn Fn(MessageEvent)>;

/// The stream of a page; lives as long as the page.
pub(crate) struct Stream<W> {
    wire: W,
    source: RefCell<Option<EventSource>>,
    /// When the newest frame came, by the page's clock.
    heard_ms: Cell<f64>,
    has_heard: Cell<bool>,
    /// Whether the connection broke after the newest frame.
    is_broken: Cell<bool>,
    opened_ms: Cell<f64>,
    /// When the page did something last, by the clock on the wall: it goes on while a device sleeps.
    awake_ms: Cell<f64>,
    /// What the source calls; kept because the browser holds it by a raw reference.
    listener: RefCell<Option<Listener>>,
}

/// How often the watchdog looks.
const LOOK: Duration = Duration::from_millis(500);
/// A connection gets this long before it is given up for another.
const PATIENCE_MS: f64 = 6_000.0;
/// So long without anything done, and the device has slept.
const SLEPT_MS: f64 = 3_000.0;

impl<W: Wire + 'static> Stream<W> {
    /// Opens the stream and watches it.
    pub(crate) fn follow(wire: W) {
        let stream = Rc::new(Self {
            wire,
            source: RefCell::new(None),
            heard_ms: Cell::new(page_ms()),
            has_heard: Cell::new(false),
            is_broken: Cell::new(false),
            opened_ms: Cell::new(0.0),
            awake_ms: Cell::new(js_sys::Date::now()),
            listener: RefCell::new(None),
        });
        let listening = Rc::clone(&stream);
        let listener =
            Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| listening.receive(&event));
        stream.listener.replace(Some(listener));
        stream.open();
        let looking = Rc::clone(&stream);
        on_attention(move || looking.look());
        set_interval(move || stream.look(), LOOK);
    }

    fn receive(&self, event: &MessageEvent) {
        if self.wakes() {
            return self.look();
        }
        // An error of the connection is an event without data.
        let Some(data) = event.data().as_string() else {
            self.is_broken.set(true);
            return self.look();
        };
        if self.wire.heard(&event.type_(), &data) {
            self.heard_ms.set(page_ms());
            if !self.has_heard.replace(true) | self.is_broken.replace(false) {
                self.wire.looked(Link::Live);
            }
        }
    }

    fn open(&self) {
        self.close();
        self.opened_ms.set(page_ms());
        let Ok(source) = EventSource::new(&self.wire.address()) else { return };
        if let Some(listener) = self.listener.borrow().as_ref() {
            for name in self.wire.names().iter().chain(&["error"]) {
                let _ = source.add_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
            }
        }
        self.source.replace(Some(source));
    }

    fn close(&self) {
        if let Some(source) = self.source.take() {
            source.close();
        }
    }

    /// The watchdog: says how old the picture is, and opens another connection where the browser would not.
    fn look(&self) {
        self.wakes();
        let now_ms = page_ms();
        if self.rests(now_ms) {
            return;
        }
        let silent_ms = (now_ms - self.heard_ms.get()).max(0.0);
        self.wire.looked(Link::judge(silent_ms as Millis, self.has_heard.get(), self.is_broken.get()));
        let is_given_up =
            self.source.borrow().as_ref().is_none_or(|s| s.ready_state() == EventSource::CLOSED);
        let is_mute = silent_ms > PATIENCE_MS;
        // Pages that lost their server at the same time come back at different times.
        let patience_ms =
            PATIENCE_MS * if is_mute { 1.0 } else { 0.5 } + f64::from(now_ms.to_bits() as u8) * 8.0;
        if (is_given_up || is_mute) && now_ms - self.opened_ms.get() > patience_ms {
            self.open();
        }
    }

    /// Notices that the device has slept, and opens another connection: what the old one still brings has waited all
    /// the while, and it may be dead without knowing.
    fn wakes(&self) -> bool {
        let wall_ms = js_sys::Date::now();
        let has_slept = wall_ms - self.awake_ms.replace(wall_ms) > SLEPT_MS;
        if has_slept && self.source.borrow().is_some() {
            self.is_broken.set(true);
            self.open();
        }
        has_slept
    }

    /// Closes the stream of a page that nobody sees, and opens it when somebody looks again: over plain HTTP a browser
    /// has six connections to a server, for all of its tabs.
    fn rests(&self, now_ms: f64) -> bool {
        let is_hidden =
            web_sys::window().and_then(|w| w.document()).is_some_and(|document| document.hidden());
        if is_hidden {
            self.close();
        } else if self.source.borrow().is_none() {
            self.heard_ms.set(now_ms);
            self.has_heard.set(false);
            self.open();
        }
        is_hidden
    }
}
