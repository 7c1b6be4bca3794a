//! The server's time, as well as a page can know it.

use std::cell::Cell;

use model::Millis;
use wasm_bindgen::JsCast;
use web_sys::PerformanceNavigationTiming;

/// Follows the server's clock by the times in its frames.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Server time minus page time; of the frame that travelled fastest so far.
    ahead_ms: Cell<f64>,
    travel_ms: f64,
}

impl Clock {
    /// Starts with the time at which the page was rendered.
    pub(crate) fn new(rendered_ms: Millis) -> Self {
        Self { ahead_ms: Cell::new(rendered_ms as f64 - page_ms()), travel_ms: travel_ms() }
    }

    /// A frame came that was made at this time.
    pub(crate) fn heard(&self, at_ms: Millis) {
        /// Clocks drift, and a machine that slept is far off: a slow frame counts a little, too.
        const FORGIVING: f64 = 0.002;
        let ahead_ms = at_ms as f64 - page_ms();
        let known_ms = self.ahead_ms.get();
        let is_off = (ahead_ms - known_ms).abs() > 5_000.0;
        let next_ms = if ahead_ms > known_ms || is_off {
            ahead_ms
        } else {
            known_ms + (ahead_ms - known_ms) * FORGIVING
        };
        self.ahead_ms.set(next_ms);
    }

    /// Now, by the server's clock. A frame's own travel is not in it: see [`Self::travelled`].
    pub(crate) fn now_ms(&self) -> Millis {
        (page_ms() + self.ahead_ms.get()).max(0.0) as Millis
    }

    /// How long ago something happened on the server, its way to this page included.
    pub(crate) fn travelled(&self, since_ms: Millis) -> f64 {
        page_ms() + self.ahead_ms.get() - since_ms as f64 + self.travel_ms
    }
}

/// Milliseconds since the page began; never set back.
pub(super) fn page_ms() -> f64 {
    web_sys::window().and_then(|window| window.performance()).map_or(0.0, |performance| performance.now())
}

/// One way from the server: half of what the page itself took from its request to its first byte.
fn travel_ms() -> f64 {
    let entries = web_sys::window()
        .and_then(|window| window.performance())
        .map(|performance| performance.get_entries_by_type("navigation"));
    let timing = entries.and_then(|entries| entries.get(0).dyn_into::<PerformanceNavigationTiming>().ok());
    timing.map_or(0.0, |timing| ((timing.response_start() - timing.request_start()) / 2.0).max(0.0))
}
